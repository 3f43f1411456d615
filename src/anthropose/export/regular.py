"""A constant frame rate for formats that know nothing else, and what of a track is seen at its frames."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anthropose.errors import UserError
from anthropose.motion import Motion


def even_times(seconds: Float[Tensor, "n"], fps: float, start: float | None) -> Float[Tensor, "m"]:
    """Times [s] at a constant rate from `start`, or the first time stamp, as far as the last one reaches."""
    first = float(seconds[0]) if start is None else start
    # A hundredth of a frame is forgiven, lest the rounding of time stamps cost the last frame.
    count = max(1, math.floor((float(seconds[-1]) - first) * fps + 0.01) + 1)
    return first + torch.arange(count, dtype=torch.float64) / fps


def even_times_of(motions: list[Motion], fps: float | None, start: float | None) -> tuple[float, Float[Tensor, "m"]]:
    """The rate [1/s] and the times [s] of a file that holds all these motions.

    Args:
        fps: the video's mean rate when not given.
        start: the time of the first frame; that of the first person's first frame when not given.

    Raises:
        UserError: the rate is not greater than 0, or the start is not a time in the video before the last frame.
    """
    rate = motions[0].fps if fps is None else fps
    if not (math.isfinite(rate) and rate > 0):
        raise UserError(f"a frame rate is greater than 0, found {rate}")
    firsts, lasts = (torch.stack([one.seconds[row].double() for one in motions]) for row in (0, -1))
    if start is not None and not 0 <= start <= lasts.max():
        raise UserError(f"--start is a time in the video from 0 to {float(lasts.max()):.3f} seconds, found {start:g}")
    return rate, even_times(torch.stack([firsts.min(), lasts.max()]), rate, start)


def seen_at(motion: Motion, times: Float[Tensor, "m"]) -> Bool[Tensor, "m"]:
    """Whether the person is seen at each time [s]: between two frames that follow each other, or within half a frame.

    Frames follow each other by their numbers, so a phone that slows down leaves no gap.
    """
    seconds, times = motion.seconds.double(), times.double()
    after = torch.searchsorted(seconds, times).clamp(max=len(seconds) - 1)
    before = (after - 1).clamp(min=0)
    inside = (seconds[before] <= times) & (times <= seconds[after])
    follows = motion.track.frames[after] - motion.track.frames[before] <= 1
    nearest = torch.minimum((times - seconds[before]).abs(), (times - seconds[after]).abs())
    # A hundredth more than half a frame, so that rounded time stamps do not lose a frame midway between two.
    return (inside & follows) | (nearest <= 0.51 / motion.fps)
