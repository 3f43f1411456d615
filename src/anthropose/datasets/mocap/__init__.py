"""Motion capture as an endless source of labelled keypoints: bodies that move as people did, before made-up cameras.

`MocapSource(folders, body, config).batch(seed, step, size, frames)` gives a `MocapBatch`; the same numbers give the
same batch on every machine. Nothing but torch and numpy is needed.
"""

from anthropose.datasets.mocap.batch import MocapBatch
from anthropose.datasets.mocap.cameras import Cameras
from anthropose.datasets.mocap.captures import Capture, read_captures
from anthropose.datasets.mocap.motions import NO_VARIATIONS, Variations
from anthropose.datasets.mocap.noise import NO_NOISE, KeypointNoise
from anthropose.datasets.mocap.source import LIFTING, MocapConfig, MocapSource

__all__ = [
    "LIFTING",
    "NO_NOISE",
    "NO_VARIATIONS",
    "Cameras",
    "Capture",
    "KeypointNoise",
    "MocapBatch",
    "MocapConfig",
    "MocapSource",
    "Variations",
    "read_captures",
]
