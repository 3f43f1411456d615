"""Small trainings on motion capture, for two cores and a few minutes: they show that a method learns."""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from anthropose.datasets.mocap import MocapConfig
from anthropose.jobs import Optimizer
from anthropose.methods.base import Preset
from anthropose.methods.keypoint_fed import KeypointFedConfig
from anthropose.nn.keypoint_encoder import KeypointEncoderConfig
from anthropose.schedules import warmup_cosine


@dataclass(frozen=True)
class Cosine:
    """The rate falls along half a cosine from `highest` to a fiftieth of it, over all epochs."""

    epochs: int
    highest: float
    warmup: int = 0
    """Epochs in which the rate rises first."""

    def __call__(self, epoch: int) -> float:
        """The rate during an epoch, counted from 0."""
        return warmup_cosine(epoch, self.highest / 50, self.highest, self.warmup, self.epochs)


SHIPPED = MocapConfig(kinds=(("mediapipe-33", 0.8), ("coco-17", 0.15), ("h36m-17", 0.05)))
"""What the weights that come along learn from: mostly the keypoints of the built-in detector, some of others."""

P = TypeVar("P", bound=Preset)
SMALL = "no publication: people of the motion capture before made-up cameras, small enough for two cores"


LONG: dict[str, Any] = {
    "epochs": 60,
    "optimizer": Optimizer(4e-4, weight_decay=0.01, kind="adamw"),
    "schedule": Cosine(60, 4e-4),
    "clip_norm": 100.0,
    "ema": 0.995,
    "mocap": SHIPPED,
}
"""What `mocap_small` is given for the trainings that make the weights that come along."""


def mocap_small(preset: P, network: Any, features: int = 256, **changes: Any) -> P:
    """A method's preset with a small network over an encoder of keypoints, and motion capture in place of its sets.

    Args:
        network: the configuration of the method's network, over so many features.
    """
    encoder = KeypointEncoderConfig(features=features, hidden=features, blocks=2)
    settings: dict[str, Any] = {
        "stands_for": SMALL,
        "network": KeypointFedConfig(network, encoder),
        "sets_2d": (),
        "sets_3d": ("mocap",),
        "bodies_from": ("mocap",),
        "validation": "mocap",
        "files": (),
        "epochs": 10,
        "iterations": 100,
        "batch": 64,
        "share_2d": 0.0,
        "optimizer": Optimizer(5e-4),
        "schedule": Cosine(10, 5e-4),
        "seed": 0,
        "mocap": MocapConfig(),
    }
    return replace(preset, **{**settings, **changes})
