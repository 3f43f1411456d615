"""VIBE: a recurrent encoder over the frames, and the iterative regressor for each; trained against an adversary.

Kocabas, Athanasiou, Black, VIBE: Video Inference for Human Body Pose and Shape Estimation, CVPR 2020. The encoder's
output is added to the features of the frame, the regressor reads a body from each, and while training a discriminator
compares whole motions with recorded ones. The paper speaks of a bidirectional encoder; the published code and weights
look only back.

Input: 2048 features of each frame (SPIN's ResNet-50). Output: one body for each frame, from it and those before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.body.model import BodyModel
from anthropose.body.results import result_of
from anthropose.datasets.sequence import Batch
from anthropose.datasets.windows import vibe_windows
from anthropose.losses import LossWeights, body_motion, discriminator_loss, vibe_loss
from anthropose.methods.base import Optimizer, Preset
from anthropose.methods.sequences import as_one_sequence, in_parts
from anthropose.methods.training import Learning, mocap_small, video_job
from anthropose.methods.video import FeatureMethod
from anthropose.motion import Prediction
from anthropose.nn.discriminator import DiscriminatorConfig, MotionDiscriminator
from anthropose.nn.regressor import IterativeRegressor, regressor_keys
from anthropose.nn.temporal import RecurrentConfig, RecurrentEncoder, encoder_keys
from anthropose.nn.weights import BODY_BUFFERS, Published

Terms = dict[str, Float[Tensor, ""]]

PART = 450
"""Frames that the published demo takes as one sequence."""


class VIBENetwork(nn.Module):
    """Encoder and regressor."""

    def __init__(self, config: RecurrentConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or RecurrentConfig()
        self.encoder = RecurrentEncoder(config)
        self.regressor = IterativeRegressor(config.features if self.encoder.linear else config.hidden)

    def forward(self, features: Float[Tensor, "b t f"]) -> Prediction:
        """The body in each frame of sequences of any length, "b t"."""
        return self.regressor(self.encoder(features)).prediction()

    def loss(
        self,
        batch: Batch,
        body: BodyModel,
        weights: LossWeights = LossWeights(),  # noqa: B008 - the weights are frozen
    ) -> Terms:
        """The weighted terms of supervision, without an adversary."""
        return vibe_loss(result_of(self(batch.features), body), batch, weights)

    def losses(
        self,
        batch: Batch,
        body: BodyModel,
        discriminator: MotionDiscriminator,
        recorded: Float[Tensor, "r t 69"],
        weights: LossWeights = LossWeights(),  # noqa: B008 - the weights are frozen
    ) -> tuple[Terms, Terms]:
        """The weighted terms of this network and those of its discriminator, from one pass as published.

        The discriminator's are made before this network's step is taken. The gradients that `adversarial` leaves in the
        discriminator are to be cleared before its own step.

        Args:
            recorded: motions to learn from, as `losses.body_motion` has them.
        """
        result = result_of(self(batch.features), body)
        made = body_motion(result.theta)
        own = vibe_loss(result, batch, weights, discriminator(made))
        scores = discriminator(recorded), discriminator(made.detach())
        return own, discriminator_loss(*scores, weights.adversarial)

    @torch.no_grad()
    def window_by_window(self, features: Float[Tensor, "n f"], part: int | None = None) -> Prediction:
        """One row for each frame of a track, each part of it apart; the whole track at once where `part` is None."""
        return in_parts(self, features, part or max(1, len(features)))

    @torch.no_grad()
    def over_track(self, features: Float[Tensor, "n f"], part: int | None = None, batch: int = 16) -> Prediction:
        """One row for each frame of a track.

        VIBE's sequences do not overlap, so there is nothing to share: a track takes as long as its steps, one after
        the other. Parts that begin anew can be taken together, which a long track gains from.

        Args:
            part: frames after which the state begins anew at zero, as in the published demo, which has 450. By default
                the track is one sequence, and no frame but its first lacks a past.
            batch: parts (of 450 frames where the track is one sequence) at a time; memory grows with it.
        """
        if self.training:
            raise ValueError("whole tracks are for inference: call eval() first")
        if part is None:
            return as_one_sequence(self.encoder, self.regressor, features, batch * PART)
        return in_parts(self, features, part, batch)


class VIBE(FeatureMethod):
    """VIBE over a clip, as one sequence; the published demo begins anew every 450 frames."""

    name = "vibe"
    crop_scale = 1.1

    @staticmethod
    def published() -> Published:
        return PUBLISHED


def _config(state: Mapping[str, Tensor]) -> RecurrentConfig:
    """The sizes that the tensors have; that the input is added shows in none of them, and is so in all published."""
    gates = state["encoder.gru.weight_ih_l0"]
    bidirectional = "encoder.gru.weight_ih_l0_reverse" in state
    return RecurrentConfig(
        features=gates.shape[1],
        hidden=len(gates) // 3,
        layers=sum(key.startswith("encoder.gru.weight_ih_l") for key in state) // (1 + bidirectional),
        bidirectional=bidirectional,
        linear="encoder.linear.weight" in state,
    )


PUBLISHED = Published(
    system="vibe",
    title="VIBE (CVPR 2020)",
    page="https://github.com/mkocabas/VIBE",
    files=("vibe_model_w_3dpw.pth.tar", "vibe_model_wo_3dpw.pth.tar"),
    entry="gen_state_dict",
    signature=(r"encoder\.gru\.weight_ih_l0", r"regressor\.fc1\.weight", r"regressor\.init_pose"),
    keys=(
        *encoder_keys("encoder.", "encoder."),
        *regressor_keys("regressor.", "regressor."),
        (r"hmr\..*", None),  # The demo's network contains SPIN's, which is installed by itself.
        BODY_BUFFERS,
    ),
    config=_config,
    network=VIBENetwork,
)
"""The files also hold the motion discriminator, of use only while training; it is left out."""


@dataclass(frozen=True)
class VIBEPreset(Preset):
    """A published training of VIBE, with that of its discriminator."""

    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    discriminator_optimizer: Optimizer = field(default_factory=lambda: Optimizer(1e-4, 1e-4))
    motions: str = "amass"
    """The set of recorded motions, of which each step sees `motion_batch`."""
    motion_batch: int = 32


PRESETS = {
    "without-3dpw": VIBEPreset(
        stands_for="Table 1, without 3DPW in training",
        network=RecurrentConfig(),
        losses=LossWeights(),
        sets_2d=("insta",),
        sets_3d=("mpii3d",),
        bodies_from=(),
        validation="3dpw",
        files=(
            ("insta", "insta_train_db.h5"),
            ("mpii3d", "mpii3d_train_db.pt"),
            ("amass", "amass_db.pt"),
            ("validation", "3dpw_val_db.pt"),
        ),
    ),
}
"""The published configuration (vibe_base spec, section 12); that of vibe_model_w_3dpw is not known to us in full."""

LEARNING = Learning(
    "vibe",
    VIBENetwork,
    loss=lambda network, batch, body, preset: network.loss(batch, body, preset.losses),
    windows=lambda preset, lengths: vibe_windows(lengths, preset.window, preset.stride),
    validated=lambda preset, lengths: vibe_windows(lengths, preset.window, preset.window),
    adversarial=lambda network, batch, body, preset, discriminator, recorded: network.losses(
        batch, body, discriminator, recorded, preset.losses
    ),
)
TRAININGS = {
    **PRESETS,
    "mocap-small": mocap_small(
        PRESETS["without-3dpw"],
        RecurrentConfig(features=256, hidden=128, layers=1),
        batch=16,
        discriminator=DiscriminatorConfig(hidden=64, layers=1),
    ),
}
job = partial(video_job, LEARNING)
"""The training of a preset: `job(name, preset, setting)`."""
