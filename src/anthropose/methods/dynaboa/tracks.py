"""A whole track adapted to: overlapping windows in its order, each frame from the windows around it."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anthropose.methods.base import as_numbers, from_numbers
from anthropose.methods.dynaboa.bilevel import Adapted
from anthropose.methods.dynaboa.windows import WindowAdaptation
from anthropose.motion import Prediction


def adapted_track(
    adaptation: WindowAdaptation,
    inputs: Float[Tensor, "n i"],
    length: int,
    focal: float = 1.0,
    rate: float = 30.0,
    pace: int = 1,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[Prediction, list[Adapted]]:
    """The person in each frame of a track, and what came of each window.

    Windows are predicted right after they were adapted to. A frame is the mean of its windows, their middles counting
    most. A track shorter than a window is continued by its last frame.

    Args:
        inputs: as `geometry.keypoints.network_inputs` makes them.
        length: frames of a window.
        focal: of the picture, in its diagonals.
        rate: frames per second of the track.
        pace: the frames of a window are so many apart, for networks that want fewer frames a second; what is said of
            neighbours, which are in windows of their own, is averaged.
    """
    pace = pace if len(inputs) >= 2 * pace else 1
    windows = track_windows(len(inputs), length, adaptation.config.step, pace)
    share = torch.minimum(torch.arange(1, length + 1), torch.arange(length, 0, -1)).to(inputs) ** 2
    found: list[Adapted] = []
    for turn in range(adaptation.config.passes):
        sums, weights = inputs.new_zeros(len(inputs), 144 + 10 + 3), inputs.new_zeros(len(inputs))
        for number, frames in enumerate(windows):
            adapted = adaptation.adapt(inputs[frames], focal, rate / pace)
            found.append(adapted)
            sums.index_add_(0, frames, share[:, None] * as_numbers(adapted.prediction).to(inputs))
            weights.index_add_(0, frames, share)
            progress((turn * len(windows) + number + 1) / (adaptation.config.passes * len(windows)))
    return from_numbers(_evened(sums / weights[:, None], pace)), found


def track_windows(count: int, length: int, step: int, pace: int = 1) -> list[Int[Tensor, "t"]]:
    """The frames of windows over a track, those that begin first in front; each frame is in some window.

    Every `pace`-th frame makes a track of its own, of which windows begin every `step` frames, and at last such that
    they end it.
    """
    found = []
    for first in range(pace):
        own = torch.arange(first, count, pace)
        own = torch.cat([own, own[-1:].expand(max(0, length - len(own)))])
        starts = [*range(0, len(own) - length + 1, step)]
        starts += [len(own) - length] if starts[-1] != len(own) - length else []
        found += [own[start : start + length] for start in starts]
    return sorted(found, key=lambda frames: int(frames[0]))


def _evened(rows: Float[Tensor, "n 157"], pace: int) -> Float[Tensor, "n 157"]:
    """The mean over about `pace` neighbours, which different windows told of."""
    reach = pace // 2
    padded = torch.cat([rows[:1]] * reach + [rows] + [rows[-1:]] * reach)
    return padded.unfold(0, 2 * reach + 1, 1).mean(-1)
