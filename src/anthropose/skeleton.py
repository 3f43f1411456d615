"""Named sets of joints, and conversion between them by name.

Joint names say the anatomical part, in lower case with underscores and `left_` or `right_` in front. Where one set
holds two readings of the same part (SPIN-49 has OpenPose's hip and LSP's hip), OpenPose's carries the prefix `op_`.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Skeleton:
    """A named, ordered set of joints with the tree that connects them."""

    name: str
    joints: tuple[str, ...]
    """Unique joint names, in the order of the arrays."""
    parents: tuple[int, ...]
    """For each joint the index of its parent, -1 for a root; edges for drawing and for bones."""

    def __post_init__(self) -> None:
        if len(set(self.joints)) != len(self.joints):
            raise ValueError(f"skeleton {self.name}: a joint name occurs twice")
        if len(self.parents) != len(self.joints):
            raise ValueError(f"skeleton {self.name}: {len(self.joints)} joints but {len(self.parents)} parents")

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        """The position of `joint`.

        Raises:
            KeyError: the skeleton has no such joint; the message lists those it has.
        """
        try:
            return self.joints.index(joint)
        except ValueError:
            raise KeyError(f"{self.name} has no joint {joint!r}; it has {', '.join(self.joints)}") from None

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """For each joint the index of its counterpart on the other side of the body."""
        return tuple(
            self.joints.index(_mirrored(name)) if _mirrored(name) in self.joints else i
            for i, name in enumerate(self.joints)
        )

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(joint, parent) for every joint that has a parent."""
        return tuple((joint, parent) for joint, parent in enumerate(self.parents) if parent >= 0)


def _mirrored(name: str) -> str:
    if "left_" in name:
        return name.replace("left_", "right_")
    return name.replace("right_", "left_")


def _skeleton(name: str, joints: str, edges: str = "") -> Skeleton:
    """A skeleton from names separated by blanks and edges written as `child<parent`."""
    names = tuple(joints.split())
    parent_of = dict(edge.split("<") for edge in edges.split())
    return Skeleton(name, names, tuple(names.index(parent_of[n]) if n in parent_of else -1 for n in names))


SMPL_24 = _skeleton(
    "smpl-24",
    "pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 left_foot right_foot"
    " neck left_collar right_collar head left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist"
    " left_hand right_hand",
    "left_hip<pelvis right_hip<pelvis spine1<pelvis left_knee<left_hip right_knee<right_hip spine2<spine1"
    " left_ankle<left_knee right_ankle<right_knee spine3<spine2 left_foot<left_ankle right_foot<right_ankle neck<spine3"
    " left_collar<spine3 right_collar<spine3 head<neck left_shoulder<left_collar right_shoulder<right_collar"
    " left_elbow<left_shoulder right_elbow<right_shoulder left_wrist<left_elbow right_wrist<right_elbow"
    " left_hand<left_wrist right_hand<right_wrist",
)

PICKED_21 = (
    "nose right_eye left_eye right_ear left_ear left_big_toe left_small_toe left_heel right_big_toe"
    " right_small_toe right_heel left_thumb_tip left_index_tip left_middle_tip left_ring_tip left_pinky_tip"
    " right_thumb_tip right_index_tip right_middle_tip right_ring_tip right_pinky_tip"
)
"""Joints that are single vertices of the body's surface (smplx, vertex_ids)."""

EXTRA_9 = "lsp_right_hip lsp_left_hip lsp_neck head_top mpii_pelvis thorax h36m_spine h36m_jaw h36m_head"
"""Rows of SPIN's `J_regressor_extra`."""

BODY_54 = Skeleton(
    "body-54",
    SMPL_24.joints + tuple(PICKED_21.split()) + tuple(EXTRA_9.split()),
    SMPL_24.parents + (15, 24, 24, 25, 26) + (7, 7, 7, 8, 8, 8) + (20,) * 5 + (21,) * 5 + (-1,) * 9,
)
"""All joints that a SMPL body gives: 24 of the tree, 21 picked vertices, 9 regressed (vibe_base spec, section 2.2)."""

_COCO_EDGES = (
    "left_eye<nose right_eye<nose left_ear<left_eye right_ear<right_eye right_shoulder<left_shoulder"
    " left_elbow<left_shoulder left_wrist<left_elbow right_elbow<right_shoulder right_wrist<right_elbow"
    " left_hip<left_shoulder right_hip<right_shoulder left_knee<left_hip left_ankle<left_knee right_knee<right_hip"
    " right_ankle<right_knee"
)
COCO_17 = _skeleton(
    "coco-17",
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist"
    " right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle",
    _COCO_EDGES,
)
HALPE_26 = _skeleton(
    "halpe-26",
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist"
    " right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle head_top neck pelvis left_big_toe"
    " right_big_toe left_small_toe right_small_toe left_heel right_heel",
    "head_top<nose nose<neck left_eye<nose right_eye<nose left_ear<left_eye right_ear<right_eye"
    " left_shoulder<neck right_shoulder<neck left_elbow<left_shoulder left_wrist<left_elbow"
    " right_elbow<right_shoulder right_wrist<right_elbow neck<pelvis left_hip<pelvis right_hip<pelvis"
    " left_knee<left_hip left_ankle<left_knee right_knee<right_hip right_ankle<right_knee left_big_toe<left_ankle"
    " right_big_toe<right_ankle left_small_toe<left_ankle right_small_toe<right_ankle left_heel<left_ankle"
    " right_heel<right_ankle",
)
"""AlphaPose's Halpe body set."""

MEDIAPIPE_33 = _skeleton(
    "mediapipe-33",
    "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear right_ear"
    " left_mouth right_mouth left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_pinky"
    " right_pinky left_index right_index left_thumb right_thumb left_hip right_hip left_knee right_knee left_ankle"
    " right_ankle left_heel right_heel left_big_toe right_big_toe",
    _COCO_EDGES + " left_pinky<left_wrist left_index<left_wrist left_thumb<left_wrist right_pinky<right_wrist"
    " right_index<right_wrist right_thumb<right_wrist left_heel<left_ankle left_big_toe<left_heel"
    " right_heel<right_ankle right_big_toe<right_heel",
)
"""BlazePose's landmarks; its `foot_index` is the big toe here."""

_OPENPOSE_EDGES = (
    "op_nose<op_neck op_right_shoulder<op_neck op_right_elbow<op_right_shoulder op_right_wrist<op_right_elbow"
    " op_left_shoulder<op_neck op_left_elbow<op_left_shoulder op_left_wrist<op_left_elbow op_neck<op_mid_hip"
    " op_right_hip<op_mid_hip op_right_knee<op_right_hip op_right_ankle<op_right_knee op_left_hip<op_mid_hip"
    " op_left_knee<op_left_hip op_left_ankle<op_left_knee op_right_eye<op_nose op_left_eye<op_nose"
    " op_right_ear<op_right_eye op_left_ear<op_left_eye op_left_big_toe<op_left_ankle"
    " op_left_small_toe<op_left_big_toe op_left_heel<op_left_ankle op_right_big_toe<op_right_ankle"
    " op_right_small_toe<op_right_big_toe op_right_heel<op_right_ankle"
)
_BODY_25 = (
    "op_nose op_neck op_right_shoulder op_right_elbow op_right_wrist op_left_shoulder op_left_elbow op_left_wrist"
    " op_mid_hip op_right_hip op_right_knee op_right_ankle op_left_hip op_left_knee op_left_ankle op_right_eye"
    " op_left_eye op_right_ear op_left_ear op_left_big_toe op_left_small_toe op_left_heel op_right_big_toe"
    " op_right_small_toe op_right_heel"
)
BODY_25 = _skeleton("body-25", _BODY_25, _OPENPOSE_EDGES)
"""OpenPose's BODY_25."""

OPENPOSE_18 = _skeleton(
    "openpose-18",
    "op_nose op_neck op_right_shoulder op_right_elbow op_right_wrist op_left_shoulder op_left_elbow op_left_wrist"
    " op_right_hip op_right_knee op_right_ankle op_left_hip op_left_knee op_left_ankle op_right_eye op_left_eye"
    " op_right_ear op_left_ear",
    " ".join(e for e in _OPENPOSE_EDGES.split() if "toe" not in e and "heel" not in e and "mid_hip" not in e)
    + " op_right_hip<op_neck op_left_hip<op_neck",
)
"""OpenPose's COCO set."""

_LSP_14 = (
    "right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow right_shoulder"
    " left_shoulder left_elbow left_wrist neck head_top"
)
_LSP_EDGES = (
    "right_ankle<right_knee right_knee<right_hip left_ankle<left_knee left_knee<left_hip right_wrist<right_elbow"
    " right_elbow<right_shoulder left_wrist<left_elbow left_elbow<left_shoulder right_shoulder<neck"
    " left_shoulder<neck head_top<neck right_hip<neck left_hip<neck"
)
LSP_14 = _skeleton("lsp-14", _LSP_14, _LSP_EDGES)
"""The `common` set of the VIBE family, in LSP's order."""

SPIN_49 = _skeleton(
    "spin-49",
    _BODY_25 + " " + _LSP_14 + " hip thorax h36m_spine h36m_jaw h36m_head nose left_eye right_eye left_ear right_ear",
    _OPENPOSE_EDGES + " " + _LSP_EDGES,
)
SPIN_49_FROM_BODY_54 = (
    24, 12, 17, 19, 21, 16, 18, 20, 0, 2, 5, 8, 1, 4, 7, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34,
    8, 5, 45, 46, 4, 7, 21, 19, 17, 16, 18, 20, 47, 48, 49, 50, 51, 52, 53, 24, 26, 25, 28, 27,
)  # fmt: skip
"""For each SPIN-49 joint its index in BODY-54 (vibe_base spec, section 3.1)."""

H36M_17 = _skeleton(
    "h36m-17",
    "hip left_hip left_knee left_ankle right_hip right_knee right_ankle h36m_spine neck h36m_head head_top"
    " left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist",
    "left_hip<hip left_knee<left_hip left_ankle<left_knee right_hip<hip right_knee<right_hip"
    " right_ankle<right_knee h36m_spine<hip neck<h36m_spine h36m_head<neck head_top<h36m_head left_shoulder<neck"
    " left_elbow<left_shoulder left_wrist<left_elbow right_shoulder<neck right_elbow<right_shoulder"
    " right_wrist<right_elbow",
)
"""Rows of `J_regressor_h36m`."""

MPII3D_17 = _skeleton(
    "mpii3d-17",
    "head_top neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip"
    " right_knee right_ankle left_hip left_knee left_ankle hip h36m_spine h36m_head",
    "head_top<h36m_head h36m_head<neck neck<h36m_spine h36m_spine<hip right_shoulder<neck"
    " right_elbow<right_shoulder right_wrist<right_elbow left_shoulder<neck left_elbow<left_shoulder"
    " left_wrist<left_elbow right_hip<hip right_knee<right_hip right_ankle<right_knee left_hip<hip"
    " left_knee<left_hip left_ankle<left_knee",
)
"""The test set of MPI-INF-3DHP."""

H36M_VP3D_17 = _skeleton(
    "h36m-vp3d-17",
    "hip right_hip right_knee right_ankle left_hip left_knee left_ankle h36m_spine neck h36m_head head_top"
    " left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist",
    " ".join(f"{H36M_17.joints[joint]}<{H36M_17.joints[parent]}" for joint, parent in H36M_17.edges),
)
"""Human3.6M as VideoPose3D and the lifters after it order it: the right leg comes first (rie spec, section 1)."""

HUMANEVA_15 = _skeleton(
    "humaneva-15",
    "hip neck left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist left_hip left_knee left_ankle"
    " right_hip right_knee right_ankle head_top",
    "neck<hip left_shoulder<neck left_elbow<left_shoulder left_wrist<left_elbow right_shoulder<neck"
    " right_elbow<right_shoulder right_wrist<right_elbow left_hip<hip left_knee<left_hip left_ankle<left_knee"
    " right_hip<hip right_knee<right_hip right_ankle<right_knee head_top<neck",
)
"""HumanEva-I as VideoPose3D reads it (rie spec, section 12)."""

MPII_16 = _skeleton(
    "mpii-16",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle hip thorax neck head_top right_wrist right_elbow"
    " right_shoulder left_shoulder left_elbow left_wrist",
    "thorax<hip neck<thorax head_top<neck right_shoulder<thorax right_elbow<right_shoulder right_wrist<right_elbow"
    " left_shoulder<thorax left_elbow<left_shoulder left_wrist<left_elbow right_hip<hip right_knee<right_hip"
    " right_ankle<right_knee left_hip<hip left_knee<left_hip left_ankle<left_knee",
)
"""MPII Human Pose, as stacked hourglass networks give it."""

SPIN_24 = Skeleton("spin-24", SPIN_49.joints[25:], tuple(p - 25 if p >= 25 else -1 for p in SPIN_49.parents[25:]))
"""The second half of SPIN-49, which SPIN's and DynaBOA's losses take from the labels."""

LSP_H36M_17 = _skeleton("lsp-h36m-17", _LSP_14 + " hip h36m_spine h36m_head", _LSP_EDGES)
"""Human3.6M's joints in the order of LSP-14 and then those that it lacks: the family's `J17`."""

SPIN_17_FROM_SPIN_24 = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 18, 14, 16, 17)
"""SPIN's reading of LSP-H36M-17 from SPIN-24 in its evaluations; its 14th joint is Human3.6M's head, not the head's top
(vibe_base spec, section 3.6)."""

_LIMBS = " ".join(
    f"{side}_elbow<{side}_shoulder {side}_wrist<{side}_elbow {side}_knee<{side}_hip {side}_ankle<{side}_knee"
    for side in ("left", "right")
)
MPII3D_28 = _skeleton(
    "mpii3d-28",
    "mpii3d_spine3 mpii3d_spine4 mpii3d_spine2 h36m_spine hip neck h36m_head head_top left_clavicle left_shoulder"
    " left_elbow left_wrist left_hand right_clavicle right_shoulder right_elbow right_wrist right_hand left_hip"
    " left_knee left_ankle left_foot left_toe right_hip right_knee right_ankle right_foot right_toe",
    _LIMBS + " h36m_spine<hip mpii3d_spine2<h36m_spine mpii3d_spine3<mpii3d_spine2 mpii3d_spine4<mpii3d_spine3"
    " neck<mpii3d_spine4 h36m_head<neck head_top<h36m_head"
    " left_clavicle<mpii3d_spine4 right_clavicle<mpii3d_spine4 left_shoulder<left_clavicle"
    " right_shoulder<right_clavicle left_hand<left_wrist right_hand<right_wrist left_hip<hip right_hip<hip"
    " left_foot<left_ankle left_toe<left_foot right_foot<right_ankle right_toe<right_foot",
)
"""The training set of MPI-INF-3DHP."""

INSTA_25 = _skeleton(
    "insta-25",
    "op_right_heel op_right_knee op_right_hip op_left_hip op_left_knee op_left_heel op_right_wrist op_right_elbow"
    " op_right_shoulder op_left_shoulder op_left_elbow op_left_wrist op_neck head_top op_nose op_left_eye op_right_eye"
    " op_left_ear op_right_ear op_left_big_toe op_right_big_toe op_left_small_toe op_right_small_toe op_left_ankle"
    " op_right_ankle",
    " ".join(e for e in _OPENPOSE_EDGES.split() if "mid_hip" not in e)
    + " op_right_hip<op_neck op_left_hip<op_neck head_top<op_nose",
)
"""InstaVariety."""

POSETRACK_17 = _skeleton(
    "posetrack-17",
    "nose neck head_top left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist"
    " left_hip right_hip left_knee right_knee left_ankle right_ankle",
    _LIMBS + " nose<neck head_top<nose left_ear<nose right_ear<nose left_shoulder<neck right_shoulder<neck"
    " left_hip<left_shoulder right_hip<right_shoulder",
)
PENN_13 = _skeleton(
    "penn-13",
    "head_top left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_hip right_hip left_knee"
    " right_knee left_ankle right_ankle",
    _LIMBS + " left_shoulder<head_top right_shoulder<head_top left_hip<left_shoulder right_hip<right_shoulder",
)
"""Penn Action."""

THREEDPW_14 = _skeleton(
    "3dpw-14",
    "nose thorax right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip right_knee"
    " right_ankle left_hip left_knee left_ankle",
    _LIMBS + " nose<thorax left_shoulder<thorax right_shoulder<thorax left_hip<thorax right_hip<thorax",
)
"""3DPW's keypoints; its files hold four more, of the face, which the published systems leave out."""

STAF_21 = _skeleton(
    "staf-21",
    " ".join(OPENPOSE_18.joints[:8]) + " op_mid_hip " + " ".join(OPENPOSE_18.joints[8:]) + " lsp_neck lsp_head_top",
    " ".join(e for e in _OPENPOSE_EDGES.split() if "toe" not in e and "heel" not in e) + " lsp_head_top<lsp_neck",
)
"""The pose tracker of VIBE's demo; the two readings of LSP's joints at its end go by names that no other set has."""

AICH_14 = _skeleton(
    "aich-14",
    "right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip right_knee right_ankle"
    " left_hip left_knee left_ankle head_top neck",
    _LSP_EDGES,
)
"""AI Challenger."""

LSP_COCO_19 = _skeleton(
    "lsp-coco-19",
    _LSP_14 + " nose left_eye right_eye left_ear right_ear",
    _LSP_EDGES + " nose<neck left_eye<nose right_eye<nose left_ear<left_eye right_ear<right_eye",
)
"""LSP-14 and COCO's face: `smplcoco`."""

SKELETONS = {
    s.name: s
    for s in (
        SMPL_24,
        BODY_54,
        COCO_17,
        HALPE_26,
        MEDIAPIPE_33,
        BODY_25,
        OPENPOSE_18,
        LSP_14,
        SPIN_49,
        H36M_17,
        MPII3D_17,
        H36M_VP3D_17,
        HUMANEVA_15,
        MPII_16,
        SPIN_24,
        LSP_H36M_17,
        MPII3D_28,
        INSTA_25,
        POSETRACK_17,
        PENN_13,
        THREEDPW_14,
        STAF_21,
        AICH_14,
        LSP_COCO_19,
    )
}
"""Every known set by name."""


def pick(
    points: Float[Tensor, "*b j c"], source: Skeleton, target: Skeleton, exact: bool = False
) -> tuple[Float[Tensor, "*b k c"], Bool[Tensor, "k"]]:
    """The joints of `target` found in `source` by name, and which of them were found.

    A name that is missing is looked for without, then with, the prefix `op_`; not so where `exact`, as the published
    data tools convert. Joints that are not found are zero.
    """
    if points.shape[-2] != len(source):
        raise ValueError(f"{source.name} has {len(source)} joints, the points have {points.shape[-2]}")
    found = [_find(name, source, exact) for name in target.joints]
    valid = torch.tensor([i is not None for i in found], device=points.device)
    chosen = points[..., [i or 0 for i in found], :]
    return torch.where(valid[:, None], chosen, torch.zeros_like(chosen)), valid


def _find(name: str, source: Skeleton, exact: bool) -> int | None:
    for candidate in (name,) if exact else (name, name.removeprefix("op_"), "op_" + name):
        if candidate in source.joints:
            return source.joints.index(candidate)
    return None


def coco_to_h36m(points: Float[Tensor, "*b 17 2"]) -> Float[Tensor, "*b 17 2"]:
    """H36M-VP3D-17 keypoints from COCO-17 keypoints, both in pixels, y down.

    The rule of GAST-Net, which most lifters after it use (rie spec, section 11): limbs are taken over, and what COCO
    does not have is placed between shoulders, hips and face.
    """
    source, target = COCO_17.index, H36M_VP3D_17.index
    nose = points[..., source("nose"), :]
    face = points[..., [source(f"{side}_{part}") for part in ("eye", "ear") for side in ("left", "right")], :]
    shoulders = points[..., [source("left_shoulder"), source("right_shoulder")], :].mean(-2)
    hips = points[..., [source("left_hip"), source("right_hip")], :].mean(-2)
    found = points.new_zeros(*points.shape[:-2], len(H36M_VP3D_17), 2)
    for name in H36M_VP3D_17.joints:
        if name in COCO_17.joints:
            found[..., target(name), :] = points[..., source(name), :]
    eyes_y = face[..., :2, 1].mean(-1)
    thorax = shoulders + (nose - shoulders) / 3
    # The spine is pushed away from the thorax's x before the thorax's y is moved: the order counts.
    spine = (shoulders + hips) / 2
    spine_x = spine[..., 0] + 2 * (spine[..., 0] - (hips[..., 0] + thorax[..., 0]) / 2)
    found[..., target("hip"), :] = hips
    found[..., target("h36m_spine"), :] = torch.stack([spine_x, spine[..., 1]], -1)
    thorax_y = thorax[..., 1] - (eyes_y - nose[..., 1]) * 2 / 3
    found[..., target("neck"), :] = torch.stack([thorax[..., 0], thorax_y], -1)
    found[..., target("h36m_head"), :] = nose - (nose - shoulders) / 4
    found[..., target("head_top"), :] = torch.stack([face[..., 0].mean(-1), 2 * eyes_y - nose[..., 1]], -1)
    return found


def mpii_to_h36m(points: Float[Tensor, "*b 16 c"]) -> Float[Tensor, "*b 17 c"]:
    """H36M-VP3D-17 keypoints from MPII-16 keypoints: only the spine is new, amid hips and shoulders (GAST-Net)."""
    taken = {"neck": "thorax", "h36m_head": "neck"}
    middle = [MPII_16.index(f"{side}_{part}") for part in ("hip", "shoulder") for side in ("left", "right")]
    spine = points[..., middle, :].mean(-2)
    columns = [
        spine if name == "h36m_spine" else points[..., MPII_16.index(taken.get(name, name)), :]
        for name in H36M_VP3D_17.joints
    ]
    return torch.stack(columns, dim=-2)
