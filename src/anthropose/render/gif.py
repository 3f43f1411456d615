"""Writes frames as an animated GIF, one by one: `GifWriter`."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import UInt8
from PIL import Image

from anthropose.errors import UserError
from anthropose.writing import whole_file

TICKS_PER_SECOND = 100
"""A GIF counts in hundredths of a second."""

SHORTEST = 2
"""Ticks that a frame stays at least; browsers show shorter ones for a tenth of a second."""


class GifWriter:
    """A GIF that is played over and over; the file appears at `path` when the block ends without an error.

    Each frame has the 256 colours that suit it best. The first frame written is at time 0.

    Args:
        path: where the file is to be.
        size: width and height of the frames in pixels.
        fps: [1/s] tells how long the last frame stays.

    Raises:
        UserError: no permission, a full disk, or no frame was written.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        self.path, self.size, self._fps = Path(path), size, fps
        self._last_tick, self._begin = -1, 0.0

    def __enter__(self) -> "GifWriter":
        self._block = self._writing()
        self._block.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._block.__exit__(kind, error, trace)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Opens the file for the time of the block, then completes it, or removes it after any error."""
        with whole_file(self.path) as part, av.open(str(part), "w", format="gif", options={"loop": "0"}) as container:
            stream = container.add_stream("gif", rate=Fraction(self._fps).limit_denominator(1001))
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = self.size
            stream.pix_fmt = "pal8"
            stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS_PER_SECOND)
            self._container, self._stream = container, stream
            yield
            if self._last_tick < 0:
                raise UserError(f"{self.path}: there are no frames to write")
            container.mux(stream.encode(None))

    def write(self, rgb: UInt8[np.ndarray, "h w 3"], seconds: float) -> None:
        """Appends a frame, shown at `seconds` on the source's clock."""
        if (rgb.shape[1], rgb.shape[0]) != self.size:
            raise ValueError(f"the frame has {rgb.shape[1]}x{rgb.shape[0]} pixels, the file {self.size}")
        if self._last_tick < 0:
            self._begin = seconds
        tick = round((seconds - self._begin) * TICKS_PER_SECOND)
        tick = tick if self._last_tick < 0 else max(tick, self._last_tick + SHORTEST)
        frame = VideoFrame.from_ndarray(_with_palette(rgb), format="pal8")  # type: ignore[arg-type]
        frame.pts, frame.time_base, self._last_tick = tick, Fraction(1, TICKS_PER_SECOND), tick
        self._container.mux(self._stream.encode(frame))


def _with_palette(rgb: UInt8[np.ndarray, "h w 3"]) -> tuple[UInt8[np.ndarray, "h w"], UInt8[np.ndarray, "256 4"]]:
    """Indices into a palette of alpha, red, green, blue that is found from a part of the pixels."""
    step = max(1, round((rgb.shape[0] * rgb.shape[1] / 20_000) ** 0.5))
    few = Image.fromarray(np.ascontiguousarray(rgb[::step, ::step])).quantize(256, Image.Quantize.MEDIANCUT)
    drawn = Image.fromarray(rgb).quantize(palette=few, dither=Image.Dither.NONE)
    colours = np.array(drawn.getpalette("RGB"), np.uint8).reshape(-1, 3)
    palette = np.full((256, 4), 255, np.uint8)
    palette[: len(colours), 1:] = colours
    return np.asarray(drawn), palette
