"""Linear blend skinning: the arithmetic under BodyModel, written for speed on a CPU."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

CHUNK = 1 << 18
"""Numbers in one chunk of blended transforms, about 1 MB of float32: larger ones leave the cache between two steps."""


def to_planes(basis: Float[Tensor, "c w"]) -> Float[Tensor, "c 3 v"]:
    """Directions stored vertex by vertex (x, y, z, x, ...) as one plane per coordinate."""
    return basis.unflatten(1, (-1, 3)).transpose(1, 2)


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
    template: Float[Tensor, "v 3"],
    basis: Float[Tensor, "c 3 v"],
    coefficients: Float[Tensor, "n c"],
    weights: Float[Tensor, "v j"],
    transforms: Float[Tensor, "n j 3 4"],
) -> Float[Tensor, "n v 3"]:
    """The blended, then skinned surface of `n` bodies.

    Vertices are done in chunks. Within one, each coordinate is a plane of its own (vertices run fastest), so that
    every step is either one matrix product or an elementwise pass over contiguous memory.
    """
    n, v = len(coefficients), len(template)
    moves = transforms.permute(0, 2, 3, 1).flatten(0, 2)  # (n 12, j)
    size = max(CHUNK // max(12 * n, 1), 64)
    planes = []
    for start in range(0, v, size):
        part = slice(start, start + size)
        rest = torch.addmm(template[part].T.flatten(), coefficients, basis[..., part].flatten(1)).unflatten(1, (3, -1))
        blended = (moves @ weights[part].T).unflatten(0, (n, 3, 4))
        planes.append((blended[:, :, :3] * rest[:, None]).sum(2) + blended[:, :, 3])
    return torch.cat(planes, dim=-1).transpose(1, 2).contiguous()
