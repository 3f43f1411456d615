"""What every source of frames offers, whether file, folder or camera."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8


@dataclass(frozen=True, eq=False)
class Video(ABC):
    """A source of RGB frames with their times. Nothing is decoded before it is asked for, and nothing is kept."""

    source: str
    """What the user named: a path, or `camera:0`."""
    fps: float
    """Frames per second; the mean rate where it varies."""
    size: tuple[int, int]
    """Width and height in pixels, after rotation, of every frame."""
    seconds: Float64[np.ndarray, "n"]
    """The time of each frame, increasing from 0; empty for a camera, whose times come with its frames."""
    has_audio: bool

    @abstractmethod
    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """Frames `start` to `stop` (not included) as RGB, in the order in which they are shown.

        Exactly `stop - start` frames come from a file or folder, the same ones whatever `start` is. Each call is
        independent of the others. A frame may be written to; it belongs to the caller.

        Raises:
            UserError: the source has gone away or is damaged since it was opened.
        """

    def timed_frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[float, np.ndarray]]:
        """The frames as `frames` gives them, each with its time in seconds."""
        return zip(self.seconds[start:stop].tolist(), self.frames(start, stop), strict=True)

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.frames()

    def __len__(self) -> int:
        return len(self.seconds)


def wanted(start: int, stop: int | None, length: int) -> range:
    """The indices that `frames(start, stop)` stands for; ends past the last frame are cut, as in slices."""
    if start < 0 or (stop is not None and stop < 0):
        raise ValueError(f"frames are counted from 0, got start={start}, stop={stop}")
    return range(start, length if stop is None else min(stop, length))
