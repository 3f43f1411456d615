"""How RIE is trained: three stages, one loss, AdamW with a rate and a batch-norm momentum that fall every epoch.

Stage 1 trains encoders and decoders without fusion. Stage 2 takes the encoders, adds fusion and new decoders, and
trains these two alone. Stage 3 trains everything on.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.datasets.lifting import LiftingBatch
from anthropose.methods.base import Optimizer, Preset
from anthropose.methods.rie.network import RIEConfig, RIENetwork
from anthropose.metrics import mpjpe

ENCODERS = ("encoders.", "whole.")
"""How the names of the weights begin that stage 2 takes over and leaves as they are."""


@dataclass(frozen=True)
class Decay:
    """What falls after every epoch: the learning rate, and how much a batch moves the encoders' running statistics."""

    factor: float = 0.95
    """Of the learning rate, from one epoch to the next."""
    momentum: float = 0.1
    final_momentum: float = 0.001

    def learning_rate(self, initial: float, epoch: int) -> float:
        """The rate in an epoch, counted from 1."""
        return initial * self.factor ** (epoch - 1)

    def norm_momentum(self, epoch: int, epochs: int) -> float:
        """The momentum of the encoders' batch norms after one of `epochs` epochs; before the first, `momentum`."""
        return self.momentum * math.exp(-epoch / epochs * math.log(self.momentum / self.final_momentum))


@dataclass(frozen=True, kw_only=True)
class RIEPreset(Preset):
    """One stage of a published training."""

    stage: str
    """Its name among those of the training."""
    takes: Literal["nothing", "encoders", "everything"]
    """What it begins with of the stage before."""
    after: str = ""
    """The preset of the stage before; its best epoch counts, not its last."""
    frozen_encoders: bool = False
    """Whether the encoders' weights stay as they are."""
    sequences: int = 0
    """Of `sequence` frames each, that motion capture is made into for every epoch."""
    sequence: int = 0
    windows: int = 0
    """Of these sequences' windows, so many are seen in an epoch; all when 0."""
    still_encoders: bool = False
    """Whether frozen encoders are in eval mode. As published they are not: their dropout acts, and their running
    statistics move on."""


def loss(network: RIENetwork, batch: LiftingBatch) -> dict[str, Float[Tensor, ""]]:
    """The one term of all stages, "joints": the mean distance [m] of all joints, where the root belongs at zero."""
    predicted = network(batch.keypoints)
    return {"joints": mpjpe(predicted, rooted(batch.joints[:, batch.joints.shape[1] // 2])).mean()}


def rooted(joints: Float[Tensor, "b j 3"]) -> Float[Tensor, "b j 3"]:
    """The joints with the first at zero: the files keep the root's trajectory there, and the others relative to it."""
    return torch.cat([torch.zeros_like(joints[:, :1]), joints[:, 1:]], dim=1)


def take_over(network: RIENetwork, before: Mapping[str, Tensor], takes: str) -> int:
    """Loads what a stage begins with from the state dict of the stage before; returns how many entries that are.

    Encoders are taken with their batch norms' statistics. The decoders are not: with fusion they see more.

    Raises:
        RuntimeError: entries are missing or of another shape, as `load_state_dict` says it.
    """
    if takes == "nothing":
        return 0
    taken = {key: value for key, value in before.items() if takes == "everything" or key.startswith(ENCODERS)}
    missing, left_over = network.load_state_dict(taken, strict=takes == "everything")
    lacking = [key for key in missing if key.startswith(ENCODERS)]
    if lacking or left_over:
        raise RuntimeError(f"the stage before lacks {lacking or 'nothing'}; it has {left_over or 'nothing'} beside")
    return len(taken)


def trained_parameters(network: RIENetwork, frozen_encoders: bool) -> list[nn.Parameter]:
    """The parameters that a stage trains; the others get no gradients from now on."""
    trained = []
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not (frozen_encoders and name.startswith(ENCODERS)))
        if parameter.requires_grad:
            trained.append(parameter)
    return trained


def set_training(network: RIENetwork, frozen_encoders: bool = False, really: bool = False) -> None:
    """Train mode, as published also for frozen encoders: their dropout acts, and their running statistics move on.

    Args:
        really: whether frozen encoders are left in eval mode, so that nothing of them changes.
    """
    network.train()
    if frozen_encoders and really:
        network.encoders.eval()
        network.whole.eval()


def make_optimizer(parameters: list[nn.Parameter], settings: Optimizer) -> torch.optim.Optimizer:
    """AdamW that remembers the largest second moments (amsgrad), which all published stages use."""
    return torch.optim.AdamW(
        parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.999), amsgrad=True
    )


def set_norm_momentum(network: RIENetwork, momentum: float) -> None:
    """Sets the momentum of the temporal encoders' batch norms; those of the dense blocks keep theirs."""
    for module in network.encoders.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = momentum


def _published(keypoints: str, latent: int, widths: tuple[int, ...]) -> dict[str, RIEPreset]:
    """The three stages of a published training."""
    frames = math.prod(widths)
    name = keypoints if frames == 243 else f"{keypoints}-{frames}"
    file = {"gt": "gt", "cpn": "cpn_ft_h36m_dbb"}[keypoints]

    def stage(number: int, **changes: object) -> RIEPreset:
        table = {"gt": "2D ground truth", "cpn": "CPN detections"}[keypoints]
        settings: dict = {
            "stands_for": f"Human3.6M, {table}, {frames} frames, stage {number}",
            "stage": f"stage{number}",
            "network": RIEConfig(fusion=number > 1, widths=widths, latent=latent),
            "losses": None,
            "sets_2d": (),
            "sets_3d": ("h36m",),
            "bodies_from": (),
            "validation": "h36m",
            "files": (("joints", "data_3d_h36m.npz"), ("keypoints", f"data_2d_h36m_{file}.npz")),
            "window": frames,
            "stride": 1,
            "epochs": 80,
            "iterations": 0,
            "batch": 1024,
            "share_2d": 0.0,
            "optimizer": Optimizer(1e-3, 0.01, "adamw"),
            "schedule": Decay(),
            "seed": 4321,
        }
        return RIEPreset(**{**settings, **changes})

    last = {"takes": "everything", "after": f"{name}-stage2", "optimizer": Optimizer(5e-4, 0.01, "adamw")}
    return {
        f"{name}-stage1": stage(1, takes="nothing"),
        f"{name}-stage2": stage(2, takes="encoders", after=f"{name}-stage1", frozen_encoders=True),
        f"{name}-stage3": stage(3, **last),
        f"{name}-stage3-short": stage(3, **last, epochs=20),
    }


PRESETS: dict[str, RIEPreset] = {
    name: preset
    for widths in ((3, 3, 3, 3, 3), (3, 3, 3), (3, 5, 5))
    for keypoints, latent in (("gt", 256), ("cpn", 512))
    for name, preset in _published(keypoints, latent, widths).items()
}
"""Every published stage (rie spec, section 7): `gt` and `cpn` see 243 frames, `-27` and `-75` as many as they say.

The first README had 20 epochs in stage 3 (`-short`), the later one has 80. An epoch is every window of the training set
once and once mirrored, so `iterations` says nothing here.
"""
