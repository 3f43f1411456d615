"""The network: VIBE's way from features to bodies with a wider encoder, and a lifting of keypoints beside it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, assert_never

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.body.model import BodyModel
from anthropose.body.results import Result, result_of
from anthropose.datasets.sequence import Batch
from anthropose.losses import body_motion, discriminator_loss
from anthropose.methods.base import joined
from anthropose.methods.parallel_branch.attention_encoder import AttentionEncoder, own_windows
from anthropose.methods.parallel_branch.loss import ParallelBranchLosses, parallel_branch_loss
from anthropose.methods.sequences import as_one_sequence, in_parts
from anthropose.motion import BodyPose, Prediction
from anthropose.nn.kinematic import KinematicRegressor
from anthropose.nn.lifting import Lifting, LiftingConfig
from anthropose.nn.regressor import IterativeRegressor
from anthropose.nn.temporal import RecurrentConfig, RecurrentEncoder


@dataclass(frozen=True)
class ParallelBranchConfig:
    """The sizes and choices; the defaults are those of the published `config.yaml`."""

    encoder: Literal["gru", "transformer"] = "gru"
    features: int = 2048
    hidden: int = 2048
    """The width of the recurrent state, or inside the transformer's feed-forward layers."""
    layers: int = 2
    bidirectional: bool = False
    linear: bool = True
    """Whether a linear layer follows the encoder's last."""
    residual: bool = True
    """Whether the encoder's input is added to its output."""
    heads: int = 4
    """Of the transformer."""
    window: int = 16
    """Frames of a window in training, hence of those that the transformer is given of a track."""
    regressor: Literal["iterative", "kinematic"] = "iterative"
    """SPIN's, or the one that goes joint by joint, which the published code carries but does not use."""
    regressor_hidden: int = 1024
    lifting: LiftingConfig | None = field(default_factory=LiftingConfig)
    """The spatial-temporal branch, which bodies never depend on; None where there is none, as in what is only run."""
    serial: bool = False
    """Whether that branch is given the keypoints that the body branch projects, and not those of the labels: a variant
    that the published code has in comments. Such a branch takes two channels."""

    def __post_init__(self) -> None:
        if self.serial and (self.lifting is None or self.lifting.channels != 2):
            raise ValueError("a serial network lifts its own projections: it needs a lifting branch of 2 channels")
        if self.encoder == "transformer" and self.bidirectional:
            raise ValueError("a transformer sees the whole window anyway: it has no bidirectional form")


class ParallelBranchNetwork(nn.Module):
    """Encoder, regressor, and the lifting branch for training."""

    def __init__(self, config: ParallelBranchConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ParallelBranchConfig()
        self.encoder = _encoder(config)
        self.regressor = _regressor(config)
        self.lifting = None if config.lifting is None else Lifting(config.lifting)

    def forward(self, features: Float[Tensor, "b t f"]) -> Prediction:
        """The body in every frame of sequences of any length, "b t"."""
        return self.regressor(self.encoder(features)).prediction()

    def lift(self, keypoints: Float[Tensor, "b t 49 c"]) -> Float[Tensor, "b 49 3"]:
        """The one 3D pose of each window, joints of SPIN_49 [m]; only differences between them mean anything.

        Args:
            keypoints: x, y in coordinates of the crop, -1 to 1, and a confidence; x, y alone if the network is serial.

        Raises:
            ValueError: there is no such branch, or the windows are not of its length.
        """
        if self.lifting is None:
            raise ValueError("these weights have no lifting branch")
        return self.lifting(keypoints)

    def loss(
        self,
        batch: Batch,
        body: BodyModel,
        weights: ParallelBranchLosses | None = None,
        discriminator: Callable[[Float[Tensor, "b t 69"]], Float[Tensor, "b 1"]] | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """The weighted terms of a batch, as `parallel_branch_loss` names them; their sum is minimised."""
        result = result_of(self(batch.features), body)
        scores = None if discriminator is None else discriminator(body_motion(result.theta))
        return parallel_branch_loss(result, self._lifted(result, batch), batch, weights, scores)

    def losses(
        self,
        batch: Batch,
        body: BodyModel,
        discriminator: Callable[[Float[Tensor, "b t 69"]], Float[Tensor, "b 1"]],
        recorded: Float[Tensor, "r t 69"],
        weights: ParallelBranchLosses | None = None,
    ) -> tuple[dict[str, Float[Tensor, ""]], dict[str, Float[Tensor, ""]]]:
        """The weighted terms of this network and those of its discriminator, from one pass, as VIBE has them.

        Args:
            recorded: motions to learn from, as `losses.body_motion` has them.
        """
        weights = weights or ParallelBranchLosses()
        result = result_of(self(batch.features), body)
        made = body_motion(result.theta)
        own = parallel_branch_loss(result, self._lifted(result, batch), batch, weights, discriminator(made))
        scores = discriminator(recorded), discriminator(made.detach())
        return own, discriminator_loss(*scores, weights.adversarial)

    def _lifted(self, result: Result, batch: Batch) -> Float[Tensor, "b 49 3"] | None:
        """What the lifting branch makes of each window; None where there is none."""
        if self.lifting is None:
            return None
        return self.lift(result.keypoints if self.config.serial else batch.keypoints)

    @torch.no_grad()
    def over_track(self, features: Float[Tensor, "n f"], part: int | None = None, batch: int = 64) -> Prediction:
        """One row for each frame of a track; in eval mode only.

        Args:
            part: frames after which everything begins anew: 450 in the published demo, 16 in its evaluation. By default
                a recurrent encoder remembers the whole track, as it does those 450 frames; a transformer sees the
                window around each frame, since it was trained on no longer sequences.
            batch: windows or parts at a time.
        """
        if self.training:
            raise ValueError("whole tracks are for inference: call eval() first")
        if part is not None:
            return in_parts(self, features, part, batch)
        if isinstance(self.encoder, RecurrentEncoder):
            return as_one_sequence(self.encoder, self.regressor, features, BLOCK)
        encoded = self.encoder.over_track(features, batch)
        return joined([self.regressor(some).prediction() for some in encoded.split(BLOCK)])

    @torch.no_grad()
    def window_by_window(self, features: Float[Tensor, "n f"], part: int | None = None) -> Prediction:
        """What `over_track` gives, plainly: a forward pass for each part or window."""
        if part is not None or isinstance(self.encoder, RecurrentEncoder):
            return in_parts(self, features, part or max(1, len(features)))
        length, found = self.config.window, []
        for start, place in zip(*(index.tolist() for index in own_windows(len(features), length)), strict=True):
            whole = self(features[None, start : start + length])
            pose = BodyPose(whole.pose.rotations[:, place], whole.pose.betas[:, place])
            found.append(Prediction(pose, whole.camera[:, place]))
        return joined(found)


BLOCK = 512
"""Frames at a time where that makes no difference to the result."""


def _encoder(config: ParallelBranchConfig) -> RecurrentEncoder | AttentionEncoder:
    if config.encoder == "gru":
        return RecurrentEncoder(
            RecurrentConfig(
                config.features, config.hidden, config.layers, config.bidirectional, config.linear, config.residual
            )
        )
    if config.encoder == "transformer":
        return AttentionEncoder(
            config.features,
            config.hidden,
            config.layers,
            config.heads,
            config.window,
            config.linear,
            config.residual,
        )
    assert_never(config.encoder)


def _regressor(config: ParallelBranchConfig) -> IterativeRegressor | KinematicRegressor:
    if config.regressor == "iterative":
        return IterativeRegressor(config.features, config.regressor_hidden)
    if config.regressor == "kinematic":
        return KinematicRegressor(config.features, config.regressor_hidden)
    assert_never(config.regressor)
