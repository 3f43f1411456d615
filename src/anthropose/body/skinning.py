"""Linear blend skinning: the arithmetic under BodyModel, written for speed on a CPU."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

CHUNK = 1 << 17
"""Numbers in one chunk of blended transforms, 0.5 MB of float32: larger ones leave the cache between two steps."""


def rigid_transforms(
    rotations: Float[Tensor, "n j 3 3"], rest: Float[Tensor, "n j 3"], parents: tuple[int, ...]
) -> tuple[Float[Tensor, "n j 3"], Float[Tensor, "n j 3 4"]]:
    """Posed joints, and for each joint the 3x4 transform that takes rest points to posed points.

    Joints at the same depth of the tree are done together: 9 steps for SMPL's 24 joints.
    """
    offsets = rest - rest[:, [max(parent, 0) for parent in parents]] * _has_parent(parents, rest)
    local = torch.cat([rotations, offsets[..., None]], dim=-1)
    order: list[int] = []
    done: list[Tensor] = []
    for level in _levels(parents):
        step = local[:, level]
        if order:
            above = torch.cat(done, dim=1)[:, [order.index(parents[joint]) for joint in level]]
            step = torch.cat([above[..., :3] @ step[..., :3], above[..., :3] @ step[..., 3:] + above[..., 3:]], dim=-1)
        order += level
        done.append(step)
    world = torch.cat(done, dim=1)[:, [order.index(joint) for joint in range(len(parents))]]
    joints = world[..., 3]
    shift = joints - (world[..., :3] @ rest[..., None])[..., 0]
    return joints, torch.cat([world[..., :3], shift[..., None]], dim=-1)


def _has_parent(parents: tuple[int, ...], like: Tensor) -> Float[Tensor, "j 1"]:
    return like.new_tensor([[float(parent >= 0)] for parent in parents])


def _levels(parents: tuple[int, ...]) -> Iterator[list[int]]:
    """The joints by their depth in the tree."""
    level = [joint for joint, parent in enumerate(parents) if parent < 0]
    while level:
        yield level
        level = [joint for joint, parent in enumerate(parents) if parent in level]


def skin(
    template: Float[Tensor, "3 v"],
    basis: Float[Tensor, "3 c v"],
    coefficients: Float[Tensor, "n c"],
    weights: Float[Tensor, "j v"],
    transforms: Float[Tensor, "n j 3 4"],
) -> Float[Tensor, "n v 3"]:
    """The blended, then skinned surface of `n` bodies.

    Vertices are done in chunks that fit the cache. Within one, each coordinate is a plane of its own (vertices run
    fastest), so that every step is a matrix product or an elementwise pass over contiguous memory.
    """
    n, v = len(coefficients), template.shape[1]
    columns = transforms.permute(3, 2, 0, 1).flatten(0, 2)  # (4 3 n, j): columns of the 3x4 transforms, then rows
    size = max(CHUNK // max(12 * n, 1), 64)
    planes = []
    for start in range(0, v, size):
        part = slice(start, start + size)
        x, y, z = torch.baddbmm(
            template[:, None, part], coefficients.expand(3, -1, -1), basis[:, :, part]
        )  # each (n, v)
        along_x, along_y, along_z, shift = (columns @ weights[:, part]).unflatten(0, (4, 3, n))  # each (3, n, v)
        moved = torch.addcmul(shift, along_x, x)
        planes.append(torch.addcmul(torch.addcmul(moved, along_y, y), along_z, z))
    return torch.cat(planes, dim=-1).permute(1, 2, 0).contiguous()
