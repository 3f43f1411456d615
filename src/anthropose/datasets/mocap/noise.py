"""A plain model of what detectors of keypoints get wrong."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anthropose.datasets.mocap.draws import Draws
from anthropose.skeleton import Skeleton


@dataclass(frozen=True)
class KeypointNoise:
    """How keypoints are disturbed. Lengths are in sides of the person's square, shares from 0 to 1.

    The numbers are guesses: about 2 % of a person's height is what the built-in detector is off by on real video.
    """

    steady: float = 0.010
    """Standard deviation, about each axis, of the part of an error that stays for a whole window."""
    tremor: float = 0.006
    """The same of the part that is new in every frame."""
    least: float = 0.7
    """Standard deviation of a tremor [px] that people of any size have: that of the detector's own pixels."""
    harder: tuple[tuple[str, float], ...] = (
        ("hip", 1.4),
        ("wrist", 1.4),
        ("ankle", 1.3),
        ("pinky", 1.8),
        ("index", 1.8),
        ("thumb", 1.8),
        ("heel", 1.4),
        ("toe", 1.4),
        ("elbow", 1.1),
        ("nose", 0.6),
        ("eye", 0.6),
        ("ear", 0.7),
        ("mouth", 0.6),
    )
    """Part of a keypoint's name -> what its errors are multiplied by; 1 for the others."""
    gross: float = 0.01
    """The share of keypoints, frame by frame, that are somewhere else."""
    gross_error: float = 0.12
    """Standard deviation of these."""
    missing: float = 0.02
    """The share that is not found in a frame."""
    hidden: float = 0.06
    """The share that is not found from some frame of a window on, or up to one."""
    swapped: float = 0.03
    """The share of windows in which left and right are exchanged from some frame on, or up to one."""
    doubt: float = 0.06
    """The error at which confidence is down to a half."""
    doubt_spread: float = 0.15
    """How much confidence varies without a cause, standard deviation."""
    beyond: float = 0.02
    """How far outside the picture a keypoint is still found, in sides of the square."""
    square_scale: float = 0.08
    """How much squares are too large or too small for a whole window, standard deviation of the logarithm."""
    square_shift: float = 0.03
    """How much they are off to the side, standard deviation."""


NO_NOISE = KeypointNoise(
    steady=0.0,
    tremor=0.0,
    least=0.0,
    gross=0.0,
    missing=0.0,
    hidden=0.0,
    swapped=0.0,
    doubt_spread=0.0,
    beyond=100.0,
    square_scale=0.0,
    square_shift=0.0,
)
"""Keypoints as they are, sure of themselves, also outside the picture."""


def detected(
    points: Float[Tensor, "b t k 2"],
    valid: Bool[Tensor, "b k"],
    side: Float[Tensor, "b t"],
    size: Float[Tensor, "b 2"],
    skeleton: Skeleton,
    draws: Draws,
    noise: KeypointNoise,
) -> Float[Tensor, "b t k 3"]:
    """Keypoints as a detector gives them, with confidences; all zero where it finds none.

    Args:
        points: where they truly are [px].
        valid: which of the keypoints the detector knows.
        side: of the person's square in each frame [px].
        size: width and height of the picture [px].
    """
    _, frames, count, _ = points.shape
    unit = side[:, :, None, None]
    harder = unit.new_tensor([_harder(name, noise) for name in skeleton.joints])[:, None]
    error = noise.steady * draws.normal("steady", 1, count, 2) + noise.tremor * draws.normal("tremor", frames, count, 2)
    is_gross = draws.chance("gross", noise.gross, frames, count)
    error = error * harder + noise.gross_error * is_gross[..., None] * draws.normal("gross error", frames, count, 2)
    error = error * unit + noise.least * draws.normal("least", frames, count, 2)
    where = _swapped(points, skeleton, draws, noise) + error
    inside = ((where > -noise.beyond * unit) & (where < size[:, None, None] + noise.beyond * unit)).all(-1)
    hidden = _stretch(draws, "hidden", noise.hidden, frames, count)
    found = valid[:, None] & inside & ~hidden & ~draws.chance("missing", noise.missing, frames, count)
    doubt = (error.norm(dim=-1) / (side[..., None] * noise.doubt)).square()
    spread = noise.doubt_spread * draws.normal("doubt", frames, count).abs()
    confidence = (1 / (1 + doubt) - spread).clamp(0.05, 1)
    keypoints = torch.cat([where, confidence[..., None]], dim=-1)
    return torch.where(found[..., None], keypoints, 0.0)


def _harder(name: str, noise: KeypointNoise) -> float:
    return next((factor for part, factor in noise.harder if part in name), 1.0)


def _stretch(draws: Draws, name: str, share: float, frames: int, count: int) -> Bool[Tensor, "b t k"]:
    """True from some frame of the window on, or up to some frame, for a share of the rows' columns."""
    chosen = draws.chance(name, share, count)
    turn = draws.uniform(f"{name} from", count) * frames
    later = torch.arange(frames, device=turn.device)[None, :, None] + 0.5 > turn[:, None]
    return chosen[:, None] & (later ^ draws.chance(f"{name} before", 0.5, count)[:, None])


def _swapped(
    points: Float[Tensor, "b t k 2"], skeleton: Skeleton, draws: Draws, noise: KeypointNoise
) -> Float[Tensor, "b t k 2"]:
    is_swapped = _stretch(draws, "swapped", noise.swapped, points.shape[1], 1)
    return torch.where(is_swapped[..., None], points[:, :, list(skeleton.mirror)], points)


def off_squares(squares: Float[Tensor, "b t 3"], draws: Draws, noise: KeypointNoise) -> Float[Tensor, "b t 3"]:
    """Squares that are somewhat too large, too small or off to the side, each window in its own way."""
    side = squares[..., 2:]
    center = squares[..., :2] + noise.square_shift * draws.normal("shift", 1, 2) * side
    return torch.cat([center, side * (noise.square_scale * draws.normal("scale", 1, 1)).exp()], dim=-1)
