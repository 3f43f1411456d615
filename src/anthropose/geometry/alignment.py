"""Rigid and similarity alignment of point sets."""

import torch
from jaxtyping import Float
from torch import Tensor


def procrustes(source: Float[Tensor, "*b j 3"], target: Float[Tensor, "*b j 3"]) -> Float[Tensor, "*b j 3"]:
    """`source` moved onto `target` by the best similarity: rotation without reflection, uniform scale, translation."""
    source_mean, target_mean = source.mean(-2, keepdim=True), target.mean(-2, keepdim=True)
    a, b = source - source_mean, target - target_mean
    u, s, vh = torch.linalg.svd(a.transpose(-1, -2) @ b)
    sign = torch.ones_like(s)
    sign[..., -1] = torch.sign(_determinant(u @ vh))
    rotation = (vh.transpose(-1, -2) * sign[..., None, :]) @ u.transpose(-1, -2)
    scale = (s * sign).sum(-1) / a.square().sum((-1, -2)).clamp_min(1e-12)
    return scale[..., None, None] * (a @ rotation.transpose(-1, -2)) + target_mean


def nearest_rotation(matrix: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3 3"]:
    """The rotation that differs least from any matrix, by the sum of squares: that of a mean of rotations."""
    u, s, vh = torch.linalg.svd(matrix)
    sign = torch.ones_like(s)
    sign[..., -1] = torch.sign(_determinant(u @ vh))
    return (u * sign[..., None, :]) @ vh


def rotation_between(source: Float[Tensor, "*b j 3"], target: Float[Tensor, "*b j 3"]) -> Float[Tensor, "*b 3 3"]:
    """The rotation R for which R @ source is closest to `target` (Kabsch); both are taken as they are, not centred."""
    return nearest_rotation(source.transpose(-1, -2) @ target).transpose(-1, -2)


def _determinant(matrix: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b"]:
    """By its rows, which for many small matrices takes a tenth of the time of a general one."""
    first, second, third = matrix.unbind(-2)
    return (torch.linalg.cross(first, second) * third).sum(-1)
