"""Rotations between their forms: 3x3 matrices inside the library, other forms converted at the border."""

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
    """Rotation vectors [rad], of length 0 to pi; the gradient is finite at identity."""
    return quat_to_rotvec(rotmat_to_quat(rotmat))


def rotmat_to_quat(rotmat: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 4"]:
    """Unit quaternions x, y, z, w, also of matrices that are rotations but for rounding.

    The product of the quaternion with its largest element, which is linear in the matrix, brought to unit length
    (Markley, J. Guidance, Control, and Dynamics 31, 2008).
    """
    r = rotmat.flatten(-2).unbind(-1)
    x, y, z = r[7] - r[5], r[2] - r[6], r[3] - r[1]
    xy, yz, zx = r[3] + r[1], r[7] + r[5], r[2] + r[6]
    squares = (1 + r[0] - r[4] - r[8], 1 - r[0] + r[4] - r[8], 1 - r[0] - r[4] + r[8], 1 + r[0] + r[4] + r[8])
    products = torch.stack(
        [squares[0], xy, zx, x, xy, squares[1], yz, y, zx, yz, squares[2], z, x, y, z, squares[3]], dim=-1
    ).unflatten(-1, (4, 4))
    largest = torch.stack(squares, dim=-1).argmax(-1)[..., None, None]
    chosen = products.gather(-2, largest.expand(*largest.shape[:-1], 4))[..., 0, :]
    return chosen / chosen.norm(dim=-1, keepdim=True)


def quat_to_rotvec(quat: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 3"]:
    """Rotation vectors [rad], of length 0 to pi, of unit quaternions x, y, z, w; the gradient is finite at identity."""
    xyz, w = torch.where(quat[..., 3:] < 0, -quat, quat).split([3, 1], dim=-1)
    sin = xyz.norm(dim=-1, keepdim=True)
    small = sin < 1e-3
    half = torch.atan2(sin, w)
    return 2 * torch.where(small, 1 + half**2 / 6, half / torch.where(small, torch.ones_like(sin), sin)) * xyz


def rotvec_to_quat(rotvec: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 4"]:
    """Unit quaternions x, y, z, w of rotation vectors [rad]."""
    half = rotvec.norm(dim=-1, keepdim=True) / 2
    return torch.cat([torch.sinc(half / torch.pi) / 2 * rotvec, half.cos()], dim=-1)


def quat_to_rotmat(quat: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 3 3"]:
    """Matrices of quaternions x, y, z, w, which need not have unit length."""
    x, y, z, w = torch.nn.functional.normalize(quat, dim=-1).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def quat_product(a: Float[Tensor, "*b 4"], b: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 4"]:
    """Quaternions x, y, z, w of the rotation `b` followed by `a`."""
    (ax, ay, az, aw), (bx, by, bz, bw) = a.unbind(-1), b.unbind(-1)
    return torch.stack(
        [
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by + ay * bw + az * bx - ax * bz,
            aw * bz + az * bw + ax * by - ay * bx,
            aw * bw - ax * bx - ay * by - az * bz,
        ],
        dim=-1,
    )


def quat_inverse(quat: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 4"]:
    """Of unit quaternions x, y, z, w."""
    return quat * quat.new_tensor([-1, -1, -1, 1])


def rotvec_to_rotmat_as_published(rotvec: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3 3"]:
    """Matrices of rotation vectors [rad] by way of quaternions, as the published losses and data tools compute them.

    It differs from `rotvec_to_rotmat` in the last digits only (vibe_base spec, section 4.3).
    """
    angle = (rotvec + 1e-8).norm(dim=-1, keepdim=True).clamp_min(1e-12)
    half = angle / 2
    w, x, y, z = torch.nn.functional.normalize(torch.cat([half.cos(), half.sin() * rotvec / angle], -1), dim=-1).unbind(
        -1
    )
    rows = [
        w * w + x * x - y * y - z * z, 2 * x * y - 2 * w * z, 2 * w * y + 2 * x * z,
        2 * w * z + 2 * x * y, w * w - x * x + y * y - z * z, 2 * y * z - 2 * w * x,
        2 * x * z - 2 * w * y, 2 * w * x + 2 * y * z, w * w - x * x - y * y + z * z,
    ]  # fmt: skip
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def rotmat_to_quat_as_published(rotmat: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 4"]:
    """Unit quaternions w, x, y, z, with the sign that the published route's choice of branch gives.

    The branch is chosen by the diagonal alone (kornia 0.1; vibe_base spec, section 4.2), such that the root is taken of
    1 at least, whatever the matrix.
    """
    r = rotmat.flatten(-2).unbind(-1)
    upper, lower = r[0] > r[4], r[0] < -r[4]
    x, y, z = r[7] - r[5], r[2] - r[6], r[3] - r[1]
    xy, yz, zx = r[3] + r[1], r[7] + r[5], r[2] + r[6]
    branches = (
        (1 + r[0] - r[4] - r[8], lambda t: (x, t, xy, zx)),
        (1 - r[0] + r[4] - r[8], lambda t: (y, xy, t, yz)),
        (1 - r[0] - r[4] + r[8], lambda t: (z, zx, yz, t)),
        (1 + r[0] + r[4] + r[8], lambda t: (t, x, y, z)),
    )
    squares = torch.stack([t for t, _ in branches], dim=-1)
    candidates = torch.stack([torch.stack(quat(t), dim=-1) for t, quat in branches], dim=-2)
    branch = torch.where(r[8] < 1e-6, torch.where(upper, 0, 1), torch.where(lower, 2, 3))[..., None]
    square = squares.gather(-1, branch)
    chosen = candidates.gather(-2, branch[..., None].expand(*branch.shape, 4))[..., 0, :]
    return chosen * 0.5 / square.sqrt()


def rotmat_to_rotvec_as_published(rotmat: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3"]:
    """Rotation vectors [rad], of length 0 to pi, by the published route: matrix, quaternion, vector; zero where NaN.

    At pi the axis has the sign of the route's branch. Unlike the published one the gradient is finite at identity.
    """
    w, xyz = rotmat_to_quat_as_published(rotmat).split([1, 3], dim=-1)
    square = xyz.square().sum(-1, keepdim=True)
    turned = square > 0
    sin = torch.where(turned, square, torch.ones_like(square)).sqrt()
    angle = 2 * torch.where(w < 0, torch.atan2(-sin, -w), torch.atan2(sin, w))
    rotvec = torch.where(turned, angle / sin, 2.0) * xyz
    return torch.where(rotvec.isnan(), torch.zeros_like(rotvec), rotvec)


def rot6d_to_rotmat(rot6d: Float[Tensor, "*b 6"], eps: float = 1e-6) -> Float[Tensor, "*b 3 3"]:
    """Matrices of 6D rotations as SPIN and its descendants store them: a row-major 3x2 matrix of the first two columns.

    Zhou et al., CVPR 2019, with SPIN's interleaved order. Lengths below `eps` count as `eps`: VIBE's 1e-6; SPIN and
    DynaBOA have 1e-12.
    """
    first, second = rot6d.unflatten(-1, (3, 2)).unbind(-1)
    b1 = torch.nn.functional.normalize(first, dim=-1, eps=eps)
    b2 = torch.nn.functional.normalize(second - (b1 * second).sum(-1, keepdim=True) * b1, dim=-1, eps=eps)
    return torch.stack([b1, b2, torch.linalg.cross(b1, b2)], dim=-1)


def rotmat_to_rot6d(rotmat: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 6"]:
    """The inverse of `rot6d_to_rotmat` on rotation matrices."""
    return rotmat[..., :2].flatten(-2)


def rotation_angle(a: Float[Tensor, "*b 3 3"], b: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b"]:
    """The angle [rad] of the rotation from `a` to `b`."""
    # The Frobenius norm of a - b is sqrt(8) times the sine of half the angle.
    return 2 * ((a - b).flatten(-2).norm(dim=-1) / 8**0.5).clamp_max(1).asin()


def slerp(
    a: Float[Tensor, "*b 3 3"], b: Float[Tensor, "*b 3 3"], share: Float[Tensor, "*b"]
) -> Float[Tensor, "*b 3 3"]:
    """The rotation `share` of the way from `a` to `b` along the shortest arc."""
    step = rotmat_to_rotvec(a.transpose(-1, -2) @ b)
    return a @ rotvec_to_rotmat(step * share[..., None])
