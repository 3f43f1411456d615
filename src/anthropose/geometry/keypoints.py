"""Keypoints as networks see them: relative to a square that is made from the keypoints themselves.

Training and use must agree on the square, so both take it from here. Keypoints are x, y [px of the picture] and a
confidence, which is zero where there is none.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anthropose.geometry.mirror import mirrored

MARGIN = 1.2
"""How much larger than the extent of the keypoints the square is: the head's top and the hands have no keypoint."""
SEEN = 0.2
"""The confidence from which a keypoint counts for the square."""
FEWEST = 4
"""Keypoints without which there is no square."""
STEADY = (0.06, 0.24, 0.4, 0.24, 0.06)
"""How much the frames around one count for its square: nearly a Gaussian with a width of one frame."""
FARTHEST = 3.0
"""How far outside the square keypoints are told to be, at most."""
PLACE = 3
"""Numbers that `network_inputs` adds to three for each keypoint."""


def squares_around(
    keypoints: Float[Tensor, "*b k 3"], seen: float = SEEN, margin: float = MARGIN
) -> tuple[Float[Tensor, "*b 3"], Bool[Tensor, "*b"]]:
    """Centre x, centre y and side [px] of squares around keypoints, and where there are keypoints enough for one.

    Elsewhere the square has no size.
    """
    counts = keypoints[..., 2:] >= seen
    enough = counts.sum((-1, -2)) >= FEWEST
    low = torch.where(counts, keypoints[..., :2], torch.inf).amin(-2)
    high = torch.where(counts, keypoints[..., :2], -torch.inf).amax(-2)
    side = (high - low).amax(-1, keepdim=True) * margin
    squares = torch.cat([(low + high) / 2, side.clamp_min(2.0)], dim=-1)
    return torch.where(enough[..., None], squares, 0.0), enough


def steadied(squares: Float[Tensor, "*b t 3"]) -> Float[Tensor, "*b t 3"]:
    """Squares of consecutive frames with less of the tremor that keypoints have; the ends are held."""
    reach = len(STEADY) // 2
    frames = squares.shape[-2]
    padded = torch.cat(
        [squares[..., :1, :]] * reach + [squares] + [squares[..., -1:, :]] * reach, dim=-2
    )  # the first and last frame stand for those outside
    return sum(weight * padded[..., k : k + frames, :] for k, weight in enumerate(STEADY))  # type: ignore[return-value]


def network_inputs(
    keypoints: Float[Tensor, "*b k 3"], squares: Float[Tensor, "*b 3"], size: Float[Tensor, "*b 2"]
) -> Float[Tensor, "*b i"]:
    """What encoders of keypoints see of a frame: x, y and confidence of each keypoint, then the square's place.

    Keypoints are in coordinates of the square, -1 to 1; those without confidence, or that are no numbers, are zero. The
    place is the square's centre relative to the picture's, and its side, all in diagonals of the picture: a diagonal is
    the focal length where nothing else is known, so these are tangents, and say from where one is seen.

    Args:
        size: width and height of the picture [px].
    """
    usable = keypoints.isfinite().all(-1, keepdim=True) & (keypoints[..., 2:] > 0)
    there = (keypoints[..., :2] - squares[..., None, :2]) / (squares[..., None, 2:] / 2)
    seen = torch.cat([there.clamp(-FARTHEST, FARTHEST), keypoints[..., 2:].clamp(0, 1)], dim=-1)
    seen = torch.where(usable, seen, 0.0)
    place = torch.cat([squares[..., :2] - size / 2, squares[..., 2:]], dim=-1) / size.norm(dim=-1, keepdim=True)
    return torch.cat([seen.flatten(-2), place], dim=-1)


def mirrored_inputs(inputs: Float[Tensor, "*b i"], order: Sequence[int]) -> Float[Tensor, "*b i"]:
    """What `network_inputs` makes of the mirror image of a picture.

    Args:
        order: for each keypoint the index of its counterpart on the other side, as `Skeleton.mirror`.
    """
    keypoints, place = inputs[..., :-PLACE].unflatten(-1, (-1, 3)), inputs[..., -PLACE:]
    across = torch.cat([-place[..., :1], place[..., 1:]], dim=-1)
    return torch.cat([mirrored(keypoints, order).flatten(-2), across], dim=-1)
