"""Rotations between their forms: 3x3 matrices inside the library, other forms converted at the border."""

import roma
import torch
from jaxtyping import Float
from torch import Tensor


def rotvec_to_rotmat(rotvec: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3 3"]:
    """Matrices of rotation vectors [rad]; smooth at zero, where the gradient is finite.

    The form is that of the smplx package, R = I + sin K + (1 - cos) K K, so that SMPL outputs agree with it.
    """
    angle = (rotvec + 1e-8).norm(dim=-1, keepdim=True).clamp_min(1e-12)  # a vector of -1e-8 would be divided by zero
    x, y, z = (rotvec / angle).unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    sin, cos = angle.sin()[..., None], angle.cos()[..., None]
    return torch.eye(3, dtype=rotvec.dtype, device=rotvec.device) + sin * cross + (1 - cos) * (cross @ cross)


def rotmat_to_rotvec(rotmat: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3"]:
    """Rotation vectors [rad], of length 0 to pi."""
    return roma.rotmat_to_rotvec(rotmat)


def rotmat_to_quat(rotmat: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 4"]:
    """Unit quaternions x, y, z, w."""
    return roma.rotmat_to_unitquat(rotmat)


def quat_to_rotmat(quat: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 3 3"]:
    """Matrices of quaternions x, y, z, w, which need not have unit length."""
    return roma.unitquat_to_rotmat(torch.nn.functional.normalize(quat, dim=-1))


def rot6d_to_rotmat(rot6d: Float[Tensor, "*b 6"]) -> Float[Tensor, "*b 3 3"]:
    """Matrices of 6D rotations as SPIN and its descendants store them: a row-major 3x2 matrix of the first two columns.

    Zhou et al., CVPR 2019, with SPIN's interleaved order.
    """
    first, second = rot6d.unflatten(-1, (3, 2)).unbind(-1)
    b1 = torch.nn.functional.normalize(first, dim=-1, eps=1e-6)
    b2 = torch.nn.functional.normalize(second - (b1 * second).sum(-1, keepdim=True) * b1, dim=-1, eps=1e-6)
    return torch.stack([b1, b2, torch.linalg.cross(b1, b2)], dim=-1)


def rotmat_to_rot6d(rotmat: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 6"]:
    """The inverse of `rot6d_to_rotmat` on rotation matrices."""
    return rotmat[..., :2].flatten(-2)


def rotation_angle(a: Float[Tensor, "*b 3 3"], b: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b"]:
    """The angle [rad] of the rotation from `a` to `b`."""
    return roma.rotmat_geodesic_distance(a, b)


def slerp(
    a: Float[Tensor, "*b 3 3"], b: Float[Tensor, "*b 3 3"], share: Float[Tensor, "*b"]
) -> Float[Tensor, "*b 3 3"]:
    """The rotation `share` of the way from `a` to `b` along the shortest arc."""
    step = roma.rotmat_to_rotvec(a.transpose(-1, -2) @ b)
    return a @ roma.rotvec_to_rotmat(step * share[..., None])
