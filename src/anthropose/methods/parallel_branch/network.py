"""The network: VIBE's way from features to bodies with a wider encoder, and a lifting of keypoints beside it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, assert_never

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.body.model import BodyModel
from anthropose.body.results import result_of
from anthropose.datasets.sequence import Batch
from anthropose.losses import body_motion
from anthropose.methods.base import joined
from anthropose.methods.parallel_branch.attention_encoder import AttentionEncoder, own_windows
from anthropose.methods.parallel_branch.loss import ParallelBranchLosses, parallel_branch_loss
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
        lifted = None
        if self.lifting is not None:
            lifted = self.lift(result.keypoints if self.config.serial else batch.keypoints)
        scores = None if discriminator is None else discriminator(body_motion(result.theta))
        return parallel_branch_loss(result, lifted, batch, weights, scores)

    @torch.no_grad()
    def over_track(self, features: Float[Tensor, "n f"], sequence: int | None = None, batch: int = 64) -> Prediction:
        """One row for each frame of a track, in eval mode.

        Args:
            sequence: frames that see one another. None: a recurrent encoder remembers the whole track, as it does the
                450 frames that the published demo gives it at a time; a transformer sees the window around each frame,
                since it was trained on no longer ones. A number: the track is cut into sequences of so many frames
                (the last is shorter) that know nothing of each other: 450 is the demo, 16 the evaluation.
            batch: windows or sequences at a time.
        """
        if sequence is not None:
            encoded = self._in_sequences(features, sequence, batch)
        elif isinstance(self.encoder, AttentionEncoder):
            encoded = self.encoder.over_track(features, batch)
        else:
            encoded = self._in_one(features)
        return joined([self.regressor(rows).prediction() for rows in encoded.split(BLOCK)])

    def _in_sequences(self, features: Float[Tensor, "n f"], length: int, batch: int) -> Float[Tensor, "n f"]:
        whole = len(features) // length * length
        parts = [self.encoder(part).flatten(0, 1) for part in features[:whole].unflatten(0, (-1, length)).split(batch)]
        rest = [self.encoder(features[None, whole:])[0]] if whole < len(features) else []
        return torch.cat([*parts, *rest])

    def _in_one(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n f"]:
        """The track as one sequence; block by block where the state can be carried over, to bound the memory."""
        if isinstance(self.encoder, AttentionEncoder) or self.config.bidirectional:
            return self.encoder(features[None])[0]
        encoded, state = [], None
        for part in features.split(BLOCK):
            rows, state = self.encoder.resumed(part[None], state)
            encoded.append(rows[0])
        return torch.cat(encoded)

    @torch.no_grad()
    def window_by_window(self, features: Float[Tensor, "n f"], sequence: int | None = None) -> Prediction:
        """What `over_track` gives, by a forward pass for each sequence or window, as the published code runs."""
        if sequence is not None or not isinstance(self.encoder, AttentionEncoder):
            return joined([_rows(self(part[None]), slice(None)) for part in features.split(sequence or len(features))])
        length = self.config.window
        windows = zip(*(index.tolist() for index in own_windows(len(features), length)), strict=True)
        return joined(
            [_rows(self(features[None, start : start + length]), slice(row, row + 1)) for start, row in windows]
        )


BLOCK = 512
"""Frames at a time, where that makes no difference to the result."""


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


def _rows(prediction: Prediction, rows: slice) -> Prediction:
    """Some frames of the only sequence of a prediction."""
    pose = BodyPose(prediction.pose.rotations[0, rows], prediction.pose.betas[0, rows])
    return Prediction(pose, prediction.camera[0, rows])
