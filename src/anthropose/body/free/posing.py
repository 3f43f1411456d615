"""From MakeHuman's rest pose to SMPL's: a T-pose in which the limbs of every person point the same way."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from anthropose.body.free.source import Crowd
from anthropose.skeleton import SMPL_24

SIDES = {"left": (".L", 1.0), "right": (".R", -1.0)}
"""Ending of the bones' names, and the sign of x."""


def _direction(outward: float, up: float, forward: float) -> Float[np.ndarray, "3"]:
    vector = np.array([outward, up, forward])
    return vector / np.linalg.norm(vector)


# Directions of the left side in SMPL's rest pose, to a degree or two; a network or a recording that was made for SMPL
# means its rotations relative to them. Angles: arms hang by about 3 degrees, legs stand apart by 5, shins lean back
# by 6.
UPPER_ARM = _direction(1.0, -0.05, -0.08)
FOREARM = _direction(1.0, 0.02, -0.02)
HAND = _direction(1.0, -0.05, -0.05)
THIGH = _direction(0.087, -1.0, -0.01)
SHIN = _direction(-0.035, -1.0, -0.10)
TOE_OUT = np.radians(7.0)


@dataclass(frozen=True)
class Rest:
    """The crowd in the T-pose, the pelvis joint of each at the origin."""

    vertices: Float[np.ndarray, "n v 3"]
    joints: Float[np.ndarray, "n 24 3"]
    """Those of SMPL_24."""
    heads: Float[np.ndarray, "n b 3"]
    """The beginnings of anny's bones."""


def to_rest_pose(crowd: Crowd) -> Rest:
    """Poses every person of the crowd."""
    rotations = {bone: np.broadcast_to(np.eye(3), (len(crowd.heads), 3, 3)) for bone in crowd.bones}
    for ending, sign in SIDES.values():
        _set_arm(rotations, crowd, ending, sign)
        _set_leg(rotations, crowd, ending, sign)
    stacked = _inherited(rotations, crowd)
    heads = _moved_heads(stacked, crowd)
    vertices = _skinned(stacked, heads, crowd)
    joints = smpl_joints(Crowd(vertices, heads, crowd.faces, crowd.weights, crowd.bones, crowd.parents))
    pelvis = joints[:, :1]
    return Rest(vertices - pelvis, joints - pelvis, heads - pelvis)


def _set_arm(rotations: dict[str, np.ndarray], crowd: Crowd, ending: str, sign: float) -> None:
    """The arm goes up by 45 degrees: collar bone and shoulder blade take their part, as they do in people."""
    side = np.array([sign, 1.0, 1.0])
    shoulder, elbow = crowd.head("upperarm01" + ending), crowd.head("lowerarm01" + ending)
    wrist, knuckles = crowd.head("wrist" + ending), knuckle_centre(crowd, ending)
    # The axis of the elbow points down in the T-pose, the thumb forward.
    hinge, down = np.cross(elbow - shoulder, wrist - elbow), np.array([0.0, -sign, 0.0])
    upper = _frame_to_frame(elbow - shoulder, hinge, UPPER_ARM * side, down)
    fore = _frame_to_frame(wrist - elbow, hinge, FOREARM * side, down)
    across = crowd.head("finger2-1" + ending) - crowd.head("finger5-1" + ending)
    hand = _frame_to_frame(knuckles - wrist, across, HAND * side, np.array([0.0, 0.0, 1.0]))
    rotations["clavicle" + ending] = _share(upper, 0.15)
    rotations["shoulder01" + ending] = _share(upper, 0.5)
    rotations["upperarm01" + ending] = rotations["upperarm02" + ending] = upper
    rotations["lowerarm01" + ending] = fore
    rotations["lowerarm02" + ending] = fore @ _share(np.swapaxes(fore, 1, 2) @ hand, 0.5)
    rotations["wrist" + ending] = hand


def _set_leg(rotations: dict[str, np.ndarray], crowd: Crowd, ending: str, sign: float) -> None:
    side = np.array([sign, 1.0, 1.0])
    bone, knee, ankle = (crowd.head(name + ending) for name in ("upperleg01", "lowerleg01", "foot"))
    hip = hip_centre(crowd, ending)
    # The leg turns about its bone, but has to point from the hip's centre, which lies nearer to the middle.
    start = hip - bone
    along = start @ (THIGH * side)
    reach = np.sqrt(along**2 - (start**2).sum(-1) + ((knee - bone) ** 2).sum(-1)) - along
    thigh = _turn(knee - bone, start + reach[:, None] * THIGH * side)
    rotations["upperleg01" + ending] = rotations["upperleg02" + ending] = thigh
    shin = _turn(ankle - knee, np.broadcast_to(SHIN * side, ankle.shape))
    rotations["lowerleg01" + ending] = rotations["lowerleg02" + ending] = shin
    cos, sin = np.cos(TOE_OUT), np.sin(TOE_OUT) * sign
    rotations["foot" + ending] = np.broadcast_to([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]], thigh.shape)


def _inherited(rotations: dict[str, np.ndarray], crowd: Crowd) -> Float[np.ndarray, "n b 3 3"]:
    """The rotation of every bone; those beyond wrists and ankles follow the bone before them."""
    for bone, parent in zip(crowd.bones, crowd.parents, strict=True):
        if bone.startswith(("finger", "metacarpal", "toe")):
            rotations[bone] = rotations[crowd.bones[parent]]
    return np.stack([rotations[bone] for bone in crowd.bones], axis=1)


def _moved_heads(rotations: Float[np.ndarray, "n b 3 3"], crowd: Crowd) -> Float[np.ndarray, "n b 3"]:
    heads = crowd.heads.copy()
    for bone, parent in enumerate(crowd.parents):
        if parent >= 0:
            offset = crowd.heads[:, bone] - crowd.heads[:, parent]
            heads[:, bone] = heads[:, parent] + np.einsum("nij,nj->ni", rotations[:, parent], offset)
    return heads


def _skinned(
    rotations: Float[np.ndarray, "n b 3 3"], heads: Float[np.ndarray, "n b 3"], crowd: Crowd
) -> Float[np.ndarray, "n v 3"]:
    shifts = heads - np.einsum("nbij,nbj->nbi", rotations, crowd.heads)
    blended = np.einsum("vb,nbx->nvx", crowd.weights, rotations.reshape(*rotations.shape[:2], 9), optimize=True)
    blended = blended.reshape(*blended.shape[:2], 3, 3)
    return np.einsum("nvij,nvj->nvi", blended, crowd.vertices) + np.einsum(
        "vb,nbi->nvi", crowd.weights, shifts, optimize=True
    )


def knuckle_centre(crowd: Crowd, ending: str) -> Float[np.ndarray, "n 3"]:
    """The middle of the four knuckles: SMPL's hand joint."""
    return crowd.head(*(f"finger{finger}-1{ending}" for finger in (2, 3, 4, 5)))


def hip_centre(crowd: Crowd, ending: str) -> Float[np.ndarray, "n 3"]:
    """The hip's centre of rotation. MakeHuman's leg bones begin too far out and a little too high."""
    bone, knee = crowd.head("upperleg01" + ending), crowd.head("lowerleg01" + ending)
    middle = crowd.head("upperleg01.L", "upperleg01.R")
    return middle + 0.7 * (bone - middle) + (knee - bone) * np.array([0.0, 0.035, 0.0])


def smpl_joints(crowd: Crowd) -> Float[np.ndarray, "n 24 3"]:
    """SMPL's joints from the bones: at the anatomical centres, the spine at SMPL's heights between pelvis and neck."""
    head = crowd.head
    hips = {side: hip_centre(crowd, ending) for side, (ending, _) in SIDES.items()}
    hip = (hips["left"] + hips["right"]) / 2
    pelvis, neck = _at_height(hip, _mix(hip, head("spine04"), 0.85)), head("neck02")
    joints = {
        "pelvis": pelvis,
        "spine1": _between(_mix(head("spine03"), head("spine02"), 0.33), pelvis, neck),
        "spine2": _between(_mix(head("spine02"), head("spine01"), 0.6), pelvis, neck),
        "spine3": _between(head("spine01"), pelvis, neck),
        "neck": neck,
        "head": head("head"),
    }
    for side, (ending, _) in SIDES.items():
        joints[f"{side}_hip"] = hips[side]
        joints[f"{side}_knee"] = head("lowerleg01" + ending)
        joints[f"{side}_ankle"] = head("foot" + ending)
        joints[f"{side}_foot"] = head(*(f"toe{toe}-1{ending}" for toe in (1, 2, 3, 4, 5)))
        joints[f"{side}_collar"] = _mix(head("clavicle" + ending), head("shoulder01" + ending), 0.65)
        joints[f"{side}_shoulder"] = head("upperarm01" + ending)
        joints[f"{side}_elbow"] = head("lowerarm01" + ending)
        joints[f"{side}_wrist"] = head("wrist" + ending)
        joints[f"{side}_hand"] = knuckle_centre(crowd, ending)
    return np.stack([joints[name] for name in SMPL_24.joints], axis=1)


def _mix(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    return a + share * (b - a)


def _between(point: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """`point` as it lies between `start` and `end` in the mean person; anny's own vertebrae wander with muscle and
    weight."""
    length = (end - start)[:, 1:2]
    share = (point - start)[:, 1:].mean(axis=0) / length.mean()
    offset = length * share
    return start + np.concatenate([np.zeros_like(length), offset], axis=1)


def _at_height(point: np.ndarray, height: np.ndarray) -> np.ndarray:
    return np.stack([point[:, 0], height[:, 1], point[:, 2]], axis=1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _frame(main: np.ndarray, second: np.ndarray) -> Float[np.ndarray, "n 3 3"]:
    """Right-handed frames, axes as columns: the first along `main`, the second towards `second`."""
    first = _unit(main)
    third = _unit(np.cross(first, second))
    return np.stack([first, np.cross(third, first), third], axis=-1)


def _frame_to_frame(main: np.ndarray, second: np.ndarray, to_main: np.ndarray, to_second: np.ndarray) -> np.ndarray:
    """Rotations that take the first pair of directions to the second."""
    return _frame(to_main, to_second) @ np.swapaxes(_frame(main, second), -1, -2)


def _turn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smallest rotations that take directions `a` to `b`."""
    a, b = _unit(a), _unit(b)
    axis = np.cross(a, b)
    return _frame_to_frame(a, axis, b, axis)


def _share(rotations: np.ndarray, share: float) -> np.ndarray:
    """A part of each rotation, about the same axis."""
    return Rotation.from_rotvec(share * Rotation.from_matrix(rotations).as_rotvec()).as_matrix()
