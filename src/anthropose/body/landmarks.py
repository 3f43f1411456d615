"""Where on the body a detector's keypoints lie, by name, and how far each is trusted."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anthropose.body.model import BodyModel, PointModel
from anthropose.skeleton import SMPL_24, Skeleton

OWNERS = {
    "hip": "pelvis", "knee": "hip", "ankle": "knee", "heel": "ankle", "toe": "ankle",
    "shoulder": "collar", "elbow": "shoulder", "wrist": "elbow", "pinky": "wrist", "index": "wrist", "thumb": "wrist",
    "nose": "head", "eye": "head", "ear": "head", "mouth": "head",
}  # fmt: skip
"""Part of a keypoint's name -> the joint in whose axes the keypoint stays put."""

TRUST = {
    "eye": 0.5,
    "ear": 0.5,
    "nose": 0.7,
    "hip": 0.8,
    "pinky": 0.4,
    "index": 0.4,
    "mouth": 0.5,
    "thumb": 0.0,
    "heel": 0.6,
    "toe": 0.6,
}  # fmt: skip
"""Part of a keypoint's name -> how much its distance counts; 1 for the rest. Small parts are found less surely."""

DEPTH_TRUST = {"shoulder": 1.0, "hip": 1.0, "elbow": 0.6, "knee": 0.5, "wrist": 0.25, "ankle": 0.3, "ear": 0.3}
"""The same for a detector's own 3D guess; 0 for the rest. Mediapipe's is off by 4 cm at shoulders, 10 cm at wrists and
ankles (median, in depth, on drawings of the free body), and its fingers and toes only repeat those.
"""

STAND_INS = {
    "mediapipe-33": {
        "left_pinky": "left_hand", "left_index": "left_hand", "right_pinky": "right_hand", "right_index": "right_hand",
        "left_mouth": "nose", "right_mouth": "nose",
    }
}  # fmt: skip
"""Skeleton -> keypoint -> the point of BODY_54 that it is measured from, where the names differ."""

OFFSETS: dict[str, dict[str, tuple[float, float, float]]] = {
    "mediapipe-33": {
        "nose": (0.0, 0.011, -0.023), "eye": (-0.007, 0.0, -0.015), "ear": (-0.023, 0.001, 0.023),
        "mouth": (0.015, -0.019, -0.036),
        "shoulder": (-0.007, 0.001, 0.002), "elbow": (-0.002, 0.003, 0.011), "wrist": (0.015, 0.002, -0.003),
        "pinky": (-0.01, -0.009, -0.002), "index": (-0.009, -0.014, 0.012), "hip": (0.01, 0.033, 0.023),
        "knee": (-0.007, 0.019, -0.004), "ankle": (0.004, 0.029, 0.005), "heel": (0.003, 0.038, 0.023),
        "big_toe": (0.01, 0.017, -0.036),
    }
}  # fmt: skip
"""Skeleton -> keypoint without its side -> where it lies from the body's point [m], in its owner's axes, left side.

Measured: where the detector's keypoints fall on drawings of the free body in known poses. Without them a person leans,
since the detector's hips lie 4 cm higher and further forward than the body's.
"""


@dataclass(frozen=True)
class Landmarks:
    """A detector's keypoints on a body."""

    points: PointModel
    order: tuple[int, ...]
    """For each keypoint the point that it is measured from."""
    owners: tuple[int, ...]
    """For each keypoint the joint in whose axes its offset stands."""
    offsets: Float[Tensor, "k 3"]
    """From that point [m]."""
    valid: Bool[Tensor, "k"]
    """Which keypoints the body has."""
    trust: Float[Tensor, "k"]
    depth_trust: Float[Tensor, "k"]
    """For the detector's 3D guess."""

    def place(
        self,
        betas: Float[Tensor, "n 10"],
        rotations: Float[Tensor, "n 24 3 3"],
        orientations: Float[Tensor, "n 24 3 3"],
    ) -> Float[Tensor, "n k 3"]:
        """The keypoints [m] of bodies whose joints have `orientations`, with the pelvis where the shape has it."""
        offsets = (orientations[:, list(self.owners)] @ self.offsets[..., None])[..., 0]
        return self.points(betas, rotations)[:, list(self.order)] + offsets


def landmarks_of(body: BodyModel, skeleton: Skeleton) -> Landmarks:
    """The keypoints of `skeleton` on `body`."""
    stand_ins = STAND_INS.get(skeleton.name, {})
    wanted = [stand_ins.get(name, name) for name in skeleton.joints]
    names = tuple(dict.fromkeys(wanted))
    points = body.points(Skeleton(f"{skeleton.name} on the body", names, (-1,) * len(names)) if stand_ins else skeleton)
    order = tuple(names.index(name) for name in wanted)
    return Landmarks(
        points=points,
        order=order,
        owners=tuple(_owner(name) for name in skeleton.joints),
        offsets=torch.tensor([_offset(name, OFFSETS.get(skeleton.name, {})) for name in skeleton.joints]),
        valid=points.valid[list(order)],
        trust=torch.tensor([_by_part(TRUST, name, 1.0) for name in skeleton.joints]),
        depth_trust=torch.tensor([_by_part(DEPTH_TRUST, name, 0.0) for name in skeleton.joints]),
    )


def _by_part(table: dict[str, float], name: str, otherwise: float) -> float:
    return next((value for part, value in table.items() if part in name), otherwise)


def _side(name: str) -> str:
    return next((side for side in ("left_", "right_") if side in name), "")


def _owner(name: str) -> int:
    owner = next((owner for part, owner in OWNERS.items() if part in name), "pelvis")
    return SMPL_24.index(owner if owner in SMPL_24.joints else _side(name) + owner)


def _offset(name: str, offsets: dict[str, tuple[float, float, float]]) -> tuple[float, float, float]:
    x, y, z = offsets.get(name.removeprefix("op_").removeprefix(_side(name)), (0.0, 0.0, 0.0))
    return (-x if _side(name) == "right_" else x, y, z)
