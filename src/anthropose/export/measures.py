"""What the report says of each person: heights, angles, speed, jitter and foot slide over time."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.export.scene import CAMERA_TO_SCENE, typical_shape
from anthropose.geometry.filters import gaussian
from anthropose.motion import Motion
from anthropose.skeleton import Skeleton

PATH_SIGMA = 0.15
"""Gaussian smoothing [s] of the path before speed and distance are taken, since depth from one camera is noisy."""
STANDING_SPEED = 0.15
"""A foot that rises or sinks more slowly than this [m/s], and moves less than the other, is taken to stand."""
_BENDS = {
    "knee": ("hip", "knee", "ankle"),
    "elbow": ("shoulder", "elbow", "wrist"),
}
_NAMES = {
    "pelvis": ("pelvis", "hip", "mpii_pelvis"),
    "neck": ("neck", "op_neck", "thorax"),
    "head": ("head", "h36m_head", "head_top", "nose", "op_nose"),
    "left_foot": ("left_foot", "left_big_toe", "left_ankle"),
    "right_foot": ("right_foot", "right_big_toe", "right_ankle"),
}
"""Where sets of joints name a part differently, the readings to look for, the best first."""


@dataclass(frozen=True)
class Measures:
    """One person's figures over the frames of the track; not-a-number where one cannot be told."""

    confidence: Float[Tensor, "n"] | None
    """Mean confidence of the keypoints, from 0 to 1; None for a track without keypoints."""
    heights: dict[str, Float[Tensor, "n"]]
    """Of head and pelvis joints over the floor [m]."""
    angles: dict[str, Float[Tensor, "n"]]
    """Of knees, elbows and hips, by joint name [degrees]: 0 is a straight limb, and a thigh in line with the trunk."""
    path: Float[Tensor, "n 3"]
    """The root joint in the scene [m], as it was reconstructed: x right, y up, z towards the camera."""
    speed: Float[Tensor, "n"]
    """Of the root joint along the floor [m/s], from the smoothed path."""
    jitter: Float[Tensor, "n"]
    """Mean acceleration of the joints relative to the root [m/s^2], from raw second differences."""
    foot_slide: Float[Tensor, "n"]
    """Speed along the floor [m/s] of the foot that moves less, while it neither rises nor sinks."""
    distance: float
    """Length of the smoothed path along the floor [m], gaps left out."""
    stature: float | None
    """Height of the body at rest [m]; None where there is no body."""


def measure(motion: Motion, body: BodyModel | None, floor: float) -> Measures:
    """The figures of one person in a scene whose floor lies at camera height `floor` [m]."""
    signs = motion.joints.new_tensor(CAMERA_TO_SCENE)
    joints = signs * (motion.joints + motion.translation[:, None]) - motion.joints.new_tensor([0.0, floor, 0.0])
    path = joints[:, _index(motion.skeleton, "pelvis") or 0]
    together = _consecutive(motion)
    smooth_path = gaussian(path, motion.seconds, PATH_SIGMA)
    steps = _along_floor(smooth_path.diff(dim=0))[together]
    keypoints = motion.track.keypoints
    heights = {name: joints[:, i, 1] for name in ("head", "pelvis") if (i := _index(motion.skeleton, name)) is not None}
    return Measures(
        confidence=None if keypoints is None else keypoints[..., 2].mean(1),
        heights=heights,
        angles=_angles(joints, motion.skeleton),
        path=path,
        speed=_along_floor(_velocity(smooth_path, motion)),
        jitter=_acceleration(motion.joints, motion).norm(dim=-1).mean(-1),
        foot_slide=_foot_slide(joints, motion),
        distance=float(steps.sum()),
        stature=_stature(motion, body),
    )


def longest_step(motion: Motion) -> float:
    """Frames of a track further apart than this [s] have a gap between them."""
    return 1.5 / motion.fps


def _consecutive(motion: Motion) -> Bool[Tensor, "m"]:
    """Whether each frame but the first follows the one before without a gap."""
    return motion.seconds.diff() <= longest_step(motion)


def _index(skeleton: Skeleton, name: str) -> int | None:
    for candidate in _NAMES.get(name, (name,)):
        if candidate in skeleton.joints:
            return skeleton.index(candidate)
    return None


def _angles(joints: Float[Tensor, "n j 3"], skeleton: Skeleton) -> dict[str, Float[Tensor, "n"]]:
    found = {}
    for side in ("left", "right"):
        chains = {f"{side}_{bend}": [f"{side}_{part}" for part in parts] for bend, parts in _BENDS.items()}
        for name, chain in chains.items():
            places = [_index(skeleton, part) for part in chain]
            if None not in places:
                a, b, c = (joints[:, i] for i in places)
                found[name] = _angle_between(b - a, c - b)
        hip, knee, neck, pelvis = (_index(skeleton, n) for n in (f"{side}_hip", f"{side}_knee", "neck", "pelvis"))
        if None not in (hip, knee, neck, pelvis):
            found[f"{side}_hip"] = _angle_between(joints[:, pelvis] - joints[:, neck], joints[:, knee] - joints[:, hip])
    return found


def _angle_between(a: Float[Tensor, "n 3"], b: Float[Tensor, "n 3"]) -> Float[Tensor, "n"]:
    across = torch.linalg.cross(a, b).norm(dim=-1)
    return torch.rad2deg(torch.atan2(across, (a * b).sum(-1)))


def _along_floor(vectors: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n"]:
    return vectors[..., [0, 2]].norm(dim=-1)


def _velocity(values: Float[Tensor, "n *c"], motion: Motion) -> Float[Tensor, "n *c"]:
    """Central differences [per s]; one-sided beside gaps, not-a-number for frames that stand alone."""
    if len(values) < 2:
        return torch.full_like(values, torch.nan)
    axes = [1] * (values.ndim - 1)
    steps = motion.seconds.diff().to(values.dtype).reshape(-1, *axes)
    slope = values.diff(dim=0) / steps
    slope[~_consecutive(motion)] = torch.nan
    none = torch.full_like(values[:1], torch.nan)
    return torch.stack([torch.cat([none, slope]), torch.cat([slope, none])]).nanmean(0)


def _acceleration(values: Float[Tensor, "n *c"], motion: Motion) -> Float[Tensor, "n *c"]:
    """Second differences [per s^2]; not-a-number at both ends and beside gaps."""
    result = torch.full_like(values, torch.nan)
    if len(values) < 3:
        return result
    axes = [1] * (values.ndim - 1)
    steps = motion.seconds.diff().to(values.dtype).reshape(-1, *axes)
    slope = values.diff(dim=0) / steps
    slope[~_consecutive(motion)] = torch.nan
    result[1:-1] = slope.diff(dim=0) / ((steps[1:] + steps[:-1]) / 2)
    return result


def _foot_slide(joints: Float[Tensor, "n j 3"], motion: Motion) -> Float[Tensor, "n"]:
    left, right = _index(motion.skeleton, "left_foot"), _index(motion.skeleton, "right_foot")
    if left is None or right is None:
        return torch.full((len(joints),), torch.nan)
    velocity = _velocity(joints[:, [left, right]], motion)
    quieter = velocity.norm(dim=-1).argmin(1)
    velocity = velocity[torch.arange(len(quieter)), quieter]
    stands = velocity[:, 1].abs() < STANDING_SPEED
    return torch.where(stands, _along_floor(velocity), torch.nan)


def _stature(motion: Motion, body: BodyModel | None) -> float | None:
    if body is None or motion.body is None:
        return None
    heights = body.shaped(typical_shape(motion.body)).vertices[:, 1]
    return float(heights.max() - heights.min())
