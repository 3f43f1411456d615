"""Two branches that inform each other: what the figure of Parallel-Branch's paper promises, and its code does not have.

In the published code the lifting branch shares nothing with the one that bodies come from. Here the tokens of the
keypoints' branch enter the encoder of the body's branch; what this encodes goes back to the lifting; and the regressor
reads the body from both, with the lifted joints before it. All frames of a window have their lifted pose.

The weights are our own; nothing of this kind was published.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.body.model import BodyModel
from anthropose.body.results import result_of
from anthropose.datasets.sequence import Batch
from anthropose.geometry.keypoints import PLACE
from anthropose.losses import LossWeights, joints_3d_loss, relative_to_hips, vibe_loss
from anthropose.methods.base import as_numbers, from_numbers
from anthropose.methods.parallel_branch.attention_encoder import AttentionEncoder
from anthropose.motion import Prediction
from anthropose.nn.lifting import LiftingConfig, LiftingTokens, lifting_config
from anthropose.nn.regressor import IterativeRegressor, RegressorState
from anthropose.nn.weights import Published


@dataclass(frozen=True)
class CoupledConfig:
    """The sizes."""

    features: int = 256
    """Of a frame, without the keypoints behind them."""
    layers: int = 2
    """Of the body's encoder, a transformer."""
    heads: int = 4
    dropout: float = 0.0
    regressor_hidden: int = 256
    regressor_dropout: float = 0.0
    lifting: LiftingConfig = field(
        default_factory=lambda: LiftingConfig(joints=33, joint_width=8, depth=1, heads=4, joint_heads=1, drop_path=0.0)
    )

    rate: float = 30.0
    """Frames per second that it learned from. Of a clip with twice as many, every second one makes a window."""

    @property
    def window(self) -> int:
        return self.lifting.frames

    @property
    def keypoints(self) -> int:
        """Numbers of a frame behind its features (`geometry.keypoints.network_inputs`)."""
        return self.lifting.joints * self.lifting.channels + PLACE


@dataclass(frozen=True)
class CoupledLosses(LossWeights):
    """What each term is multiplied by."""

    lifted: float = 100.0
    velocity: float = 1000.0
    """Of the joints' movement from frame to frame; the published losses judge each frame by itself, and so tremble."""


@dataclass(frozen=True)
class Both:
    """What the two branches say of each frame."""

    body: RegressorState
    lifted: Float[Tensor, "b t 49 3"]
    """Joints of SPIN-49 [m]; only differences between them mean anything."""


class CoupledNetwork(nn.Module):
    """Features and keypoints of windows to bodies, in every frame."""

    sees_keypoints = True

    def __init__(self, config: CoupledConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CoupledConfig()
        features, tokens = config.features, config.lifting.frame_width
        self.lifting = LiftingTokens(config.lifting)
        self.from_keypoints = nn.Linear(tokens, features)
        self.encoder = AttentionEncoder(
            features, features, config.layers, config.heads, config.window, dropout=config.dropout
        )
        self.from_body = nn.Linear(features, tokens)
        self.head_norm = nn.LayerNorm(tokens)
        self.head = nn.Linear(tokens, 3 * config.lifting.lifted)
        self.from_lifted = nn.Linear(tokens + 3 * config.lifting.lifted, features)
        self.regressor = IterativeRegressor(features, config.regressor_hidden, config.regressor_dropout)

    def forward(self, features: Float[Tensor, "b t f"]) -> Prediction:
        """The body in every frame of windows; `features` are those of the frames, then their keypoints."""
        return self.both(features).body.prediction()

    def both(self, features: Float[Tensor, "b t f"]) -> Both:
        """What both branches say of windows.

        Raises:
            ValueError: the windows are not of the network's length.
        """
        config = self.config
        seen, keypoints = features.split([config.features, config.keypoints], dim=-1)
        tokens = self.lifting(keypoints[..., :-PLACE].unflatten(-1, (-1, config.lifting.channels)))
        encoded = self.encoder(seen + self.from_keypoints(tokens))
        tokens = self.head_norm(tokens + self.from_body(encoded))
        lifted = self.head(tokens)
        state = self.regressor(encoded + self.from_lifted(torch.cat([tokens, lifted], dim=-1)), iterations=1)
        return Both(state, lifted.unflatten(-1, (-1, 3)))

    def loss(
        self, batch: Batch, body: BodyModel, weights: CoupledLosses = CoupledLosses()
    ) -> dict[str, Float[Tensor, ""]]:
        """The weighted terms of a batch: VIBE's, and those of the lifted joints and of the velocity."""
        both = self.both(batch.features)
        result = result_of(both.body.prediction(), body)
        terms = vibe_loss(result, batch, weights)
        terms["lifted"] = weights.lifted * joints_3d_loss(both.lifted, batch.joints, batch.has_joints)
        moved = (relative_to_hips(joints).diff(dim=1) for joints in (result.joints, batch.joints))
        counts = (batch.has_joints[:, 1:] & batch.has_joints[:, :-1])[..., None, None]
        terms["velocity"] = weights.velocity * ((next(moved) - next(moved)) * counts).square().mean()
        return terms

    @torch.no_grad()
    def over_track(self, features: Float[Tensor, "n f"], batch: int = 32) -> Prediction:
        """One row for each frame of a track, from windows that overlap by three quarters, their middles counting most.

        A track shorter than a window is continued by its last frame.

        Args:
            batch: windows at a time.
        """
        n, window = len(features), self.config.window
        padded = torch.cat([features, features[-1:].expand(max(0, window - n), -1)])
        starts = window_starts(len(padded), window)
        share = torch.minimum(torch.arange(1, window + 1), torch.arange(window, 0, -1)).to(features) ** 2
        sums = features.new_zeros(len(padded), 144 + 10 + 3)
        weights = features.new_zeros(len(padded))
        for some in starts.split(batch):
            frames = (some[:, None] + torch.arange(window)).to(features.device)
            found = as_numbers(self(padded[frames])) * share[:, None]
            sums.index_add_(0, frames.flatten(), found.flatten(0, 1))
            weights.index_add_(0, frames.flatten(), share.repeat(len(some)))
        return from_numbers((sums / weights[:, None])[:n])


def window_starts(count: int, window: int) -> Tensor:
    """The first frames of windows over `count` frames, a quarter of a window apart; the last window ends the track."""
    last = count - window
    starts = torch.arange(0, last + 1, max(1, window // 4))
    return starts if int(starts[-1]) == last else torch.cat([starts, torch.tensor([last])])


def config_of(state: Mapping[str, Tensor]) -> CoupledConfig:
    """The configuration that fits tensors; what does not show in them stands in the file."""
    return CoupledConfig(
        features=len(state["encoder.linear.weight"]),
        layers=len({key.split(".")[2] for key in state if key.startswith("encoder.layers.")}),
        regressor_hidden=len(state["regressor.hidden1.weight"]),
        lifting=replace(lifting_config(state, "lifting."), lifted=len(state["head.weight"]) // 3),
    )


COUPLED = Published(
    system="parallel-branch",
    title="Parallel-Branch with coupled branches",
    page="",
    files=(),
    entry="",
    signature=(),
    own=(r"from_keypoints\.weight", r"from_lifted\.weight"),
    keys=((r"(.*)", r"\1"),),
    config=config_of,
    network=CoupledNetwork,
)
"""How weights of it look. They always have an encoder of keypoints before them (`methods.keypoint_fed`)."""
