"""HumanEva-I as VideoPose3D cuts it for lifting (rie spec, section 12).

Sigal et al., HumanEva: Synchronized Video and Motion Capture Dataset and Baseline Algorithm, IJCV 2010. The release's
motion capture is markers; the ends of the limbs come out of the MATLAB code that is part of it, which everybody has to
run first. What is read here are the points that it gives for a whole trial, in the frames of the video.
"""

from collections.abc import Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from anthropose.datasets.lifting import KeypointFile
from anthropose.datasets.raw.base import Findings, check_folder
from anthropose.datasets.raw.files import read_mat
from anthropose.datasets.raw.lifting import Joints, Take, TakeSource
from anthropose.errors import UserError
from anthropose.skeleton import HUMANEVA_15

LAYOUT = """    ROOT/S1/Walking_1.mat, Jog_1.mat, ThrowCatch_1.mat, Gestures_1.mat, Box_1.mat
    ROOT/S2/..., ROOT/S3/... (without ThrowCatch)
each with poses_3d [mm], frames x points x 3, of the trial's first video frame on, NaN where the capture has gaps, and,
if keypoints are wanted, poses_2d_C1, poses_2d_C2, poses_2d_C3 [px], frames x points x 2. The points are the 20 ends of
limbs of the release's own MATLAB code, in its order, or the 15 joints made of them; see docs/data.md"""
CAMERAS = ("C1", "C2", "C3")
FIRST = 5
"""The frame that the first part, Validate, begins with."""
TRAIN: dict[str, dict[str, tuple[int, int]]] = {
    "S1": {
        "Walking": (590, 1203),
        "Jog": (367, 740),
        "ThrowCatch": (473, 945),
        "Gestures": (395, 801),
        "Box": (385, 789),
    },
    "S2": {
        "Walking": (438, 876),
        "Jog": (398, 795),
        "ThrowCatch": (550, 1128),
        "Gestures": (500, 901),
        "Box": (382, 734),
    },
    "S3": {"Walking": (448, 939), "Jog": (401, 842), "Gestures": (533, 1102), "Box": (512, 1021)},
}
"""The frames of the second part, Train, of each trial. S3's ThrowCatch is damaged and is not used."""
ENDS_20 = (
    "torso_distal torso_proximal head_proximal"
    " left_upper_arm_proximal left_upper_arm_distal left_lower_arm_proximal left_lower_arm_distal"
    " right_upper_arm_proximal right_upper_arm_distal right_lower_arm_proximal right_lower_arm_distal"
    " left_upper_leg_proximal left_upper_leg_distal left_lower_leg_proximal left_lower_leg_distal"
    " right_upper_leg_proximal right_upper_leg_distal right_lower_leg_proximal right_lower_leg_distal"
    " head_distal"
)
"""VideoPose3D's `humaneva20`: both ends of every limb."""
_MADE_OF = {
    "hip": "torso_distal",
    "neck": "torso_proximal head_proximal",
    "head_top": "head_distal",
    **{
        f"{side}_{joint}": " ".join(f"{side}_{end}" for end in ends.split())
        for side in ("left", "right")
        for joint, ends in {
            "shoulder": "upper_arm_proximal",
            "elbow": "upper_arm_distal lower_arm_proximal",
            "wrist": "lower_arm_distal",
            "hip": "upper_leg_proximal",
            "knee": "upper_leg_distal lower_leg_proximal",
            "ankle": "lower_leg_distal",
        }.items()
    },
}
"""For each joint of HUMANEVA-15 the one or two ends in whose middle it lies."""


class HumanEva:
    """15 joints; Train and Validate, in pieces between the gaps of the motion capture."""

    name = "humaneva15"
    layout = LAYOUT

    def find(self, root: Path, findings: Findings) -> list[TakeSource]:
        """One source for each trial."""
        check_folder(root, ["S[123]/*_1.mat"], LAYOUT)
        sources = []
        for subject, actions in TRAIN.items():
            for action, frames in actions.items():
                path = root / subject / f"{action}_1.mat"
                if path.exists():
                    sources.append(TakeSource(f"{subject} {action} 1", partial(_load, subject, action, frames, path)))
                else:
                    findings.missing(f"{subject} {action} 1", path.name)
        return sources

    def keypoints(self, joints: Joints, seen: dict[str, dict[str, list[np.ndarray]]]) -> KeypointFile:
        """Those that the files have."""
        sides = [
            tuple(i for i, name in enumerate(HUMANEVA_15.joints) if name.startswith(side)) for side in ("left", "right")
        ]
        return KeypointFile(seen, sides[0], sides[1])


def joints_of_ends(points: Float[np.ndarray, "*b 20 c"]) -> Float[np.ndarray, "*b 15 c"]:
    """The joints of HUMANEVA-15 from both ends of every limb: where two limbs meet, the middle of their ends."""
    names = ENDS_20.split()
    made = [
        points[..., [names.index(end) for end in _MADE_OF[joint].split()], :].mean(-2) for joint in HUMANEVA_15.joints
    ]
    return np.stack(made, axis=-2)


def _load(subject: str, action: str, train: tuple[int, int], path: Path, findings: Findings) -> Iterator[Take]:
    content = read_mat(path)
    joints = _points(path, content, "poses_3d", 3) / 1000
    keypoints = [
        _points(path, content, f"poses_2d_{camera}", 2) for camera in CAMERAS if f"poses_2d_{camera}" in content
    ]
    name = f"{subject} {action} 1"
    if len(keypoints) < len(CAMERAS):
        findings.missing(name, "keypoints of cameras", len(CAMERAS) - len(keypoints))
        keypoints = []
    if any(len(one) != len(joints) for one in keypoints):
        raise UserError(f"{path}: {len(joints)} frames of joints, but {[len(one) for one in keypoints]} of keypoints")
    findings.missing(name, "frames at the end", max(0, train[1] - len(joints)))
    whole = np.isfinite(joints).all((1, 2)) & np.all([np.isfinite(one).all((1, 2)) for one in keypoints], axis=0)
    for part, (first, last) in {"Train": train, "Validate": (FIRST, train[0])}.items():
        for number, piece in _pieces(whole[first:last]):
            frames = slice(first + piece.start, first + piece.stop)
            some = tuple(one[frames] for one in keypoints)
            yield Take(f"{part}/{subject}", f"{action} 1 chunk{number}", joints[frames], some)
        findings.missing(name, f"frames of {part}, gaps of the capture", int((~whole[first:last]).sum()))


def _points(path: Path, content: dict[str, Any], key: str, axes: int) -> Float[np.ndarray, "n 15 c"]:
    if key not in content:
        raise UserError(f"{path}: it has no {key}; it has {', '.join(content) or 'nothing'}")
    points = np.asarray(content[key])
    if points.dtype.kind not in "fiu" or points.ndim != 3 or points.shape[1] not in (15, 20) or points.shape[2] != axes:
        raise UserError(f"{path}: expected {key} of 15 or 20 points with {axes} values, found an array {points.shape}")
    points = points.astype(np.float64)
    return joints_of_ends(points) if points.shape[1] == 20 else points


def _pieces(whole: Bool[np.ndarray, "n"]) -> Iterator[tuple[int, slice]]:
    """The unbroken pieces with their numbers; as published, the gaps between them are counted too."""
    start = 0
    for number, (is_whole, run) in enumerate(groupby(whole.tolist())):
        length = len(list(run))
        if is_whole:
            yield number, slice(start, start + length)
        start += length
