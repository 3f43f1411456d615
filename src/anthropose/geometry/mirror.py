"""Mirror images of named points: the x axis turned round, left and right exchanged."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def mirrored(points: Float[Tensor, "*b j c"], order: Sequence[int]) -> Float[Tensor, "*b j c"]:
    """The mirror image of points whose x runs from -1 to 1 or is relative to the body: x negated, then sides exchanged.

    Args:
        points: c is at least 1, and x comes first.
        order: for each joint the index of its counterpart on the other side, as `Skeleton.mirror`.
    """
    flipped = torch.cat([-points[..., :1], points[..., 1:]], dim=-1)
    return flipped[..., list(order), :]


def mirror_order(left: Sequence[int], right: Sequence[int], count: int) -> tuple[int, ...]:
    """For each of `count` joints its counterpart, from lists of left joints and of right ones in the same order."""
    order = list(range(count))
    for a, b in zip(left, right, strict=True):
        order[a], order[b] = b, a
    return tuple(order)
