"""Data for lifters of keypoints: VideoPose3D's archives of Human3.6M and HumanEva-I, and clips in the wild."""

from anthropose.datasets.lifting.clips import best_detections, detections_in
from anthropose.datasets.lifting.files import KeypointFile, read_archive, read_joints, read_keypoints
from anthropose.datasets.lifting.sequences import (
    H36M,
    HUMANEVA,
    SETS,
    LiftingSequence,
    LiftingSet,
    projected_keypoints,
    sequences_of,
)
from anthropose.datasets.lifting.windows import LiftingBatch, LiftingWindows, chunks_of, stretch_of

__all__ = [
    "H36M",
    "HUMANEVA",
    "SETS",
    "KeypointFile",
    "LiftingBatch",
    "LiftingSequence",
    "LiftingSet",
    "LiftingWindows",
    "best_detections",
    "chunks_of",
    "detections_in",
    "projected_keypoints",
    "read_archive",
    "read_joints",
    "read_keypoints",
    "sequences_of",
    "stretch_of",
]
