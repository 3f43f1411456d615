"""A stick figure as a mesh: balls at the joints and rods between them, for motions that have no body."""

import itertools
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anthropose.skeleton import Skeleton

BALL, ROD = 0.035, 0.018
"""Radii [m]."""
WITHIN = 0.97
"""The radius of a rod's inner wall, as a share of the outer's."""
SIDES = 8
"""Corners of a ring around a rod; a ball has half as many rows of triangles."""


@dataclass(frozen=True)
class Sticks:
    """A mesh whose every vertex moves along with one joint."""

    vertices: Float[Tensor, "v 3"]
    normals: Float[Tensor, "v 3"]
    faces: Int[Tensor, "f 3"]
    owners: Int[Tensor, "v"]
    """The joint of each vertex."""


def stick_figure(skeleton: Skeleton, joints: Float[Tensor, "j 3"]) -> Sticks:
    """The figure of joints [m] and the skeleton's edges.

    Vertices follow a joint's position and no rotation, which joints alone do not tell. So a rod consists of three tubes
    whose ends are rings in the three planes of the axes: whichever way the bone points, some are seen from the side.
    Each has a wall that faces out and, a little within, one that faces in: a rod may run to either side of a ring's
    plane, and which wall is seen changes with it. Two walls in one place would shade each other.
    """
    ball, around = _ball()
    parts = [
        Sticks(joints[joint] + BALL * ball, ball, around, torch.full((len(ball),), joint))
        for joint in range(len(skeleton))
    ]
    for child, parent in skeleton.edges:
        owners = torch.tensor([parent, child]).repeat_interleave(SIDES)
        for ends in _circles().repeat(1, 2, 1):
            parts.append(Sticks(joints[owners] + ROD * ends, ends, _tube(), owners))
            parts.append(Sticks(joints[owners] + WITHIN * ROD * ends, ends, _tube().flip(1), owners))
    firsts = torch.tensor([0, *(len(part.vertices) for part in parts[:-1])]).cumsum(0)
    return Sticks(
        vertices=torch.cat([part.vertices for part in parts]),
        normals=torch.cat([part.normals for part in parts]),
        faces=torch.cat([part.faces + first for part, first in zip(parts, firsts, strict=True)]),
        owners=torch.cat([part.owners for part in parts]),
    )


def _circles() -> Float[Tensor, "3 s 3"]:
    """Unit circles in the planes xy, yz and zx, in the positive sense about the third axis."""
    angle = torch.arange(SIDES) * (2 * torch.pi / SIDES)
    circle = torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], dim=-1)
    return torch.stack([circle.roll(shift, dims=-1) for shift in range(3)])


def _tube() -> Int[Tensor, "f 3"]:
    """The wall between two rings."""
    here = torch.arange(SIDES)
    return _wall(here, here + SIDES)


def _ball() -> tuple[Float[Tensor, "v 3"], Int[Tensor, "f 3"]]:
    """A unit sphere of rings between two poles; triangles run counter-clockwise seen from outside."""
    height = (torch.arange(1, SIDES // 2) * (2 * torch.pi / SIDES)).cos()[:, None, None]
    pole = torch.tensor([[0.0, 1.0, 0.0]])
    rings = _circles()[2] * (1 - height.square()).sqrt() + height * pole
    vertices = torch.cat([pole, rings.flatten(0, 1), -pole])
    rows = torch.arange(1, len(vertices) - 1).unflatten(0, (-1, SIDES))
    top, bottom = torch.zeros_like(rows[0]), torch.full_like(rows[0], len(vertices) - 1)
    faces = [
        torch.stack([top, rows[0], rows[0].roll(-1)], dim=1),
        *(_wall(upper, lower) for upper, lower in itertools.pairwise(rows)),
        torch.stack([bottom, rows[-1].roll(-1), rows[-1]], dim=1),
    ]
    return vertices, torch.cat(faces)


def _wall(upper: Int[Tensor, "s"], lower: Int[Tensor, "s"]) -> Int[Tensor, "f 3"]:
    """Two triangles for each side between two rings of vertices."""
    left, right = torch.stack([upper, lower], dim=1), torch.stack([upper.roll(-1), lower.roll(-1)], dim=1)
    return torch.cat(
        [
            torch.stack([left[:, 0], left[:, 1], right[:, 1]], dim=1),
            torch.stack([left[:, 0], right[:, 1], right[:, 0]], dim=1),
        ]
    )
