"""GLoT's network: a global and a local branch over a window of features, and the body of the frame in the middle."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from anthropose.body.model import BodyModel
from anthropose.body.results import result_of
from anthropose.datasets.sequence import Batch
from anthropose.datasets.windows import Edges, centred_windows
from anthropose.methods.base import joined
from anthropose.methods.glot import track
from anthropose.methods.glot.config import GLoTConfig
from anthropose.methods.glot.loss import GLoTLosses, glot_losses
from anthropose.methods.glot.regressors import GlobalRegressor, HierarchicalRegressor
from anthropose.methods.glot.transformers import (
    CrossAttention,
    FrameTransformer,
    GlobalTransformer,
    Masking,
    random_masking,
)
from anthropose.motion import BodyPose, Prediction
from anthropose.nn.attention import drop_path_rates
from anthropose.nn.regressor import RegressorState


@dataclass(frozen=True)
class Estimates:
    """What the two branches make of windows of `t` frames."""

    local: Prediction
    """The answer, for the frames `local_frames`: "b 3" while training, "b 1" otherwise."""
    whole: Prediction
    """The global branch's own: of all frames while training, "b t", of the one in the middle otherwise, "b 1"."""
    hidden: Bool[Tensor, "b t"] | None
    """Which frames the global branch had to guess; None where it saw all."""


class GlobalBranch(nn.Module):
    """All frames of the window, half of them hidden while training, to a guess of the body in each."""

    def __init__(self, config: GLoTConfig) -> None:
        super().__init__()
        width = config.width
        self.embed = nn.Linear(config.features, width)
        self.transformer = GlobalTransformer(
            config.window,
            width,
            config.depth,
            config.heads,
            hidden=config.expansion * width,
            decoder_hidden=config.expansion * (width // 2),
            token_hidden=config.token_hidden,
            dropout=config.dropout,
            attention_dropout=config.attention_dropout,
            drop_path=config.drop_path,
        )
        self.out = nn.Linear(width // 2, config.features)
        self.regressor = GlobalRegressor(config.features, config.regressor_hidden, config.regressor_dropout)
        self.iterations = config.iterations

    def decode(self, memory: Float[Tensor, "b k d"], frames: slice, masking: Masking | None = None) -> RegressorState:
        """The guess in `frames`, from what the encoder made of the window."""
        decoded = self.transformer.decode(memory, self.regressor.mean(), masking)
        return self.regressor(self.out(decoded[:, frames]), self.iterations)


class LocalBranch(nn.Module):
    """The frames around the middle; those in the middle then ask the global branch's memory."""

    def __init__(self, config: GLoTConfig) -> None:
        super().__init__()
        width = config.local_width
        self.embed = nn.Linear(config.features, width)
        self.transformer = FrameTransformer(
            2 * config.reach + 1,
            width,
            config.local_heads,
            config.expansion * width,
            drop_path_rates(config.local_drop_path, config.local_depth),
            config.local_dropout,
            config.local_attention_dropout,
        )
        self.narrow_memory = nn.Linear(config.width, width)
        self.cross = CrossAttention(width, config.cross_heads)

    def forward(
        self, features: Float[Tensor, "b n f"], memory: Float[Tensor, "b k d"], frames: slice
    ) -> Float[Tensor, "b q h"]:
        """What `frames`, counted among those given, are told by their neighbours and by the memory."""
        encoded = self.transformer(self.embed(features))
        return self.cross(encoded[:, frames], self.narrow_memory(memory))


class GLoTNetwork(nn.Module):
    """A window of static features to the body in its middle frame."""

    def __init__(self, config: GLoTConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or GLoTConfig()
        self.whole = GlobalBranch(config)
        self.local = LocalBranch(config)
        self.regressor = HierarchicalRegressor(
            config.local_width, config.regressor_hidden, config.local_regressor_dropout, config.pose_context
        )
        self.init_weights()

    def init_weights(self) -> None:
        """As published: places in time N(0, 0.02), every linear layer Xavier-uniform with gain 1, biases 0.

        The published trainings then load SPIN's regressor into `whole.regressor`; without it, whose last layers are a
        hundred times smaller, training goes badly.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, FrameTransformer):
                nn.init.normal_(module.position, std=0.02)

    def forward(self, features: Float[Tensor, "b t f"]) -> Prediction:
        """The body and the crop's camera in the middle frame of each window."""
        return _only(self.estimates(features).local)

    def estimates(self, features: Float[Tensor, "b t f"]) -> Estimates:
        """What both branches make of the middle frame."""
        memory = self._memory(features)
        guess = self.whole.decode(memory, slice(self.config.middle, self.config.middle + 1))
        asked = self.local(self._near(features), memory, slice(self.config.reach, self.config.reach + 1))
        return Estimates(self.regressor(asked, guess).prediction(), guess.prediction(), None)

    def masked_estimates(
        self,
        features: Float[Tensor, "b t f"],
        noise: Float[Tensor, "b t"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Estimates:
        """What training looks at: the local branch's three frames in the middle, and all frames of the global one.

        Args:
            noise: decides which frames are hidden, see `random_masking`; drawn evenly from 0 to 1 where None.
            generator: what the noise is drawn from; torch's own where None.
        """
        if noise is None:
            noise = torch.rand(features.shape[:2], device=features.device, generator=generator)
        masking = random_masking(noise, self.config.mask_ratio)
        memory = self._memory(features, masking)
        guess = self.whole.decode(memory, slice(None), masking)
        reach, near = self.config.reach, self.local_frames
        asked = self.local(self._near(features), memory, slice(reach - 1, reach + 2))
        handed_on = RegressorState(guess.pose6d[:, near], guess.betas[:, near], guess.camera[:, near])
        return Estimates(self.regressor(asked, handed_on).prediction(), guess.prediction(), masking.hidden)

    def loss(
        self,
        batch: Batch,
        body: BodyModel,
        losses: GLoTLosses | None = None,
        noise: Float[Tensor, "b t"] | None = None,
        generator: torch.Generator | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """The named terms, weighted, whose sum is minimised: `glot_losses` of `masked_estimates`."""
        estimates = self.masked_estimates(batch.features, noise, generator)
        assert estimates.hidden is not None
        local, whole = (result_of(prediction, body) for prediction in (estimates.local, estimates.whole))
        return glot_losses(local, whole, estimates.hidden, batch, losses or GLoTLosses(), self.local_frames)

    @property
    def local_frames(self) -> slice:
        """The frames of a window that the local branch predicts while training: the middle one and its neighbours."""
        return slice(self.config.middle - 1, self.config.middle + 2)

    def _memory(self, features: Float[Tensor, "b t f"], masking: Masking | None = None) -> Float[Tensor, "b k d"]:
        """What the global encoder makes of the frames that it sees.

        Raises:
            ValueError: the windows are not of the configured length.
        """
        if features.shape[1] != self.config.window:
            raise ValueError(f"this GLoT reads windows of {self.config.window} frames, not of {features.shape[1]}")
        return self.whole.transformer.encode(self.whole.embed(features), masking)

    def _near(self, features: Float[Tensor, "b t f"]) -> Float[Tensor, "b n f"]:
        return features[:, self.config.middle - self.config.reach : self.config.middle + self.config.reach + 1]

    def over_track(self, features: Float[Tensor, "n f"], batch: int = 64, edges: Edges = "static") -> Prediction:
        """One prediction for each frame of a track of any length, from the window around it.

        Args:
            features: of consecutive frames.
            batch: windows that are computed together.
            edges: what fills the windows of the first and last frames, see `centred_windows`. "static" as in the
                published demo; "clamp" as in the published test, in its right order.
        """
        return self.over_windows(features, centred_windows(len(features), self.config.window, edges).frames, batch)

    @torch.no_grad()
    def over_windows(self, features: Float[Tensor, "n f"], windows: Int[Tensor, "w t"], batch: int = 64) -> Prediction:
        """What `forward(features[windows])` gives, sharing what windows have in common; in eval mode only."""
        if self.training:
            raise ValueError("whole tracks are for inference: call eval() first")
        states = [self._shared(features, some) for some in windows.to(features.device).split(batch)]
        pose, betas, camera = (torch.cat(parts) for parts in zip(*states, strict=True))
        return RegressorState(pose, betas, camera).prediction()

    def _shared(
        self, features: Float[Tensor, "n f"], windows: Int[Tensor, "w t"]
    ) -> tuple[Float[Tensor, "w 144"], Float[Tensor, "w 10"], Float[Tensor, "w 3"]]:
        """The bodies in the middle of some windows."""
        whole, local, middle, reach = self.whole, self.local, self.config.middle, self.config.reach
        frames, places = windows.unique(return_inverse=True)
        used = features[frames]
        memory = track.encoded(whole.transformer.encoder, whole.embed(used), places)
        row = track.decoded(whole.transformer.decoder, whole.transformer.narrow(memory), slice(middle, middle + 1))
        guess = whole.regressor(whole.out(row), whole.iterations)
        near = places[:, middle - reach : middle + reach + 1]
        asked = track.encoded(local.transformer, local.embed(used), near, slice(reach, reach + 1))
        state = self.regressor(local.cross(asked, local.narrow_memory(memory)), guess)
        return state.pose6d[:, 0], state.betas[:, 0], state.camera[:, 0]

    @torch.no_grad()
    def window_by_window(self, features: Float[Tensor, "n f"], edges: Edges = "static") -> Prediction:
        """What `over_track` gives, plainly: each window by itself, as the published code would with a batch of one."""
        windows = centred_windows(len(features), self.config.window, edges).frames
        return joined([self(features[window][None]) for window in windows.to(features.device)])


def _only(prediction: Prediction) -> Prediction:
    """Without an axis of one frame."""
    pose = prediction.pose
    return Prediction(BodyPose(pose.rotations[:, 0], pose.betas[:, 0]), prediction.camera[:, 0])
