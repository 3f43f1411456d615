"""Keys for the SMPL-Unity rig, as the published Blender exporter of VIBE and Parallel-Branch writes them.

The rig itself (SMPL_unity_v.1.0.0, one FBX file for men and one for women) has a licence of its own and is not here:
whoever has it sets these keys on its bones. Its armature is in centimetres, and its axes differ from SMPL's: only the
pelvis feels that (export spec, section A.2).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.geometry.rotations import rotmat_to_quat

_BONES = (
    *("Pelvis", "L_Hip", "R_Hip", "Spine1", "L_Knee", "R_Knee", "Spine2", "L_Ankle", "R_Ankle", "Spine3"),
    *("L_Foot", "R_Foot", "Neck", "L_Collar", "R_Collar", "Head", "L_Shoulder", "R_Shoulder", "L_Elbow", "R_Elbow"),
    *("L_Wrist", "R_Wrist", "L_Hand", "R_Hand"),
)
"""The rig's bones without their prefix, in the order of SMPL_24."""


@dataclass(frozen=True)
class RigKeys:
    """What a key of each frame holds."""

    quaternions: Float[Tensor, "n 24 4"]
    """w, x, y, z of each bone's rotation, in the order of `bone_names`."""
    pelvis: Float[Tensor, "n 3"]
    """Location of the pelvis bone [cm], relative to where its head rests."""


def bone_names(gender: Literal["male", "female"]) -> tuple[str, ...]:
    """The names of the rig's bones, in the order of SMPL_24."""
    return tuple(f"{gender[0]}_avg_{bone}" for bone in _BONES)


def unity_rig_keys(
    rotations: Float[Tensor, "n 24 3 3"],
    translation: Float[Tensor, "n 3"],
    pelvis_head: Float[Tensor, "3"],
    start_at_origin: bool = False,
) -> RigKeys:
    """The keys of a motion.

    Args:
        rotations: of the joints of SMPL_24 relative to their parents, the root's relative to the axes of `translation`.
        translation: SMPL's `transl` [m]. The published command sets it to zero, so that the person stays in place.
        pelvis_head: where the pelvis bone's head rests in the armature [cm].
        start_at_origin: whether x and y (not z) of the first frame are subtracted from all, as published.
    """
    quaternions = rotmat_to_quat(rotations)[..., [3, 0, 1, 2]]
    turn = quaternions.new_tensor([0.5, -0.5, -0.5, -0.5])
    quaternions = torch.cat([_product(turn, quaternions[:, :1]), quaternions[:, 1:]], dim=1)
    if start_at_origin:
        translation = translation - translation[:1] * translation.new_tensor([1.0, 1.0, 0.0])
    return RigKeys(quaternions, 100 * translation[:, [1, 2, 0]] - pelvis_head)


def _product(a: Float[Tensor, "4"], b: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 4"]:
    """The quaternion a b, both w, x, y, z."""
    scalar = a[0] * b[..., :1] - (a[1:] * b[..., 1:]).sum(-1, keepdim=True)
    vector = a[0] * b[..., 1:] + b[..., :1] * a[1:] + torch.linalg.cross(a[1:].expand_as(b[..., 1:]), b[..., 1:])
    return torch.cat([scalar, vector], dim=-1)
