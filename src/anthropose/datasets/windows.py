"""Which frames a network sees at once, and which it then says something about: the published window arithmetic.

Frames are counted over all videos of a set, laid end to end. A network sees `t` frames; VIBE speaks of all of them,
TCMR and GLoT of the middle one, number t // 2.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

VIBE_LENGTH = 16
"""The length of VIBE's windows, by which TCMR trims its validation whatever its own length is."""

Edges = Literal["static", "clamp"]
"""What stands for the frames that are missing around a video's first and last frames: the predicted frame itself in all
places of its window ("static": TCMR and all demos), or the video's first or last frame ("clamp": GLoT's test)."""


@dataclass(frozen=True)
class Windows:
    """Windows over one video, or over several laid end to end."""

    frames: Int[Tensor, "w t"]
    """The input frames of each window."""
    predicts: Int[Tensor, "w o"]
    """The frames that each window's outputs belong to."""

    def __len__(self) -> int:
        return len(self.frames)


def windows_of_all(lengths: Iterable[int], windows_of: Callable[[int], Windows]) -> Windows:
    """The windows of every video, where `windows_of` gives those of one with so many frames."""
    start, frames, predicts = 0, [], []
    for length in lengths:
        windows = windows_of(length)
        frames.append(windows.frames + start)
        predicts.append(windows.predicts + start)
        start += length
    if not frames:
        raise ValueError("there are no videos")
    return Windows(torch.cat(frames), torch.cat(predicts))


def vibe_windows(lengths: Sequence[int], length: int = 16, stride: int = 16) -> Windows:
    """Windows of consecutive frames, all of which are predicted: VIBE's, and GLoT's for training.

    They begin at each video's first frame; the frames at its end that fill no window are left out, and so are videos
    shorter than a window (vibe_base spec, section 10; glot spec, section 4.2).
    """

    def of_one(n: int) -> Windows:
        frames = _strided(n, length, stride)
        return Windows(frames, frames)

    return windows_of_all(lengths, of_one)


def tcmr_windows(
    lengths: Sequence[int], length: int = 16, stride: int = 1, training: bool = True, match_vibe: bool = True
) -> Windows:
    """TCMR's windows, each for its middle frame; also those of GLoT's validation (tcmr spec, section 3).

    Windows that do not overlap are taken as they are. Where they do, a training draws the first and the last window of
    a video more often, as many times as frames are never in the middle; a validation or test has one static window for
    each of those frames, so that with stride 1 every frame is predicted. Videos shorter than a window are left out.

    Args:
        match_vibe: whether overlapping windows of a video stop where VIBE's, of 16 frames without overlap, would end.
    """
    middle = length // 2

    def of_one(n: int) -> Windows:
        frames = _strided(n, length, stride)
        if stride != length and len(frames):
            frames = _trimmed(frames, VIBE_LENGTH * (n // VIBE_LENGTH) - 1) if match_vibe else frames
            before, after = frames[:1, :middle].T, frames[-1:, middle + 1 :].T
            if training:
                frames = torch.cat([frames[:1].expand(middle, -1), frames, frames[-1:].expand(len(after), -1)])
            else:
                frames = torch.cat([before.expand(-1, length), frames, after.expand(-1, length)])
        return Windows(frames, frames[:, middle, None])

    return windows_of_all(lengths, of_one)


def centred_windows(n: int, length: int = 16, edges: Edges = "static") -> Windows:
    """One window for every frame of a video of any length, in order, with the frame in the middle.

    "static" is what TCMR's test and the demos of TCMR and GLoT do; "clamp" is GLoT's test in its right order.
    """
    predicts = torch.arange(n)[:, None]
    frames = predicts + torch.arange(length) - length // 2
    if edges == "clamp":
        return Windows(frames.clamp(0, n - 1), predicts)
    whole = (frames[:, :1] >= 0) & (frames[:, -1:] < n)
    return Windows(torch.where(whole, frames, predicts), predicts)


def glot_published_test_windows(n: int, length: int = 16) -> Windows:
    """GLoT's windows for testing a video of at least `length` frames, with the order of its published script.

    The windows for the last frames come out last frame first, but are scored as if they were in order; the published
    figures contain that (glot spec, section 4.2). `centred_windows(n, length, "clamp")` has them right.
    """
    windows = centred_windows(n, length, "clamp")
    tail = n - (length - 1 - length // 2)
    return Windows(torch.cat([windows.frames[:tail], windows.frames[tail:].flip(0)]), windows.predicts)


def _strided(n: int, length: int, stride: int) -> Int[Tensor, "w t"]:
    """All windows of consecutive frames that lie inside a video of `n` frames."""
    if length < 1 or stride < 1:
        raise ValueError(f"windows need a positive length and stride, these have {length} and {stride}")
    return torch.arange(0, max(0, n - length + 1), stride)[:, None] + torch.arange(length)


def _trimmed(frames: Int[Tensor, "w t"], last: int) -> Int[Tensor, "v t"]:
    """The windows up to the one that ends with frame `last`; all of them if none does."""
    ends = (frames[:, -1] == last).nonzero()
    return frames[: int(ends[-1]) + 1] if len(ends) else frames
