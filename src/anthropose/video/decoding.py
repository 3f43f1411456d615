"""From packets to upright RGB frames."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8

UNSPECIFIED_COLORS = 2
HD_HEIGHT = 720
"""Frames this high use BT.709 where the file does not say, lower ones BT.601, as players assume."""


def time_step(stream: Stream) -> Fraction:
    """[s] The unit of a stream's time stamps."""
    return stream.time_base or Fraction(1, 90_000)


def decoded_frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """All frames that can be decoded from here on; damaged packets are passed over.

    A packet of which the end is missing is not decoded at all: half a picture with grey below would look like a
    frame and mislead everything after.
    """
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError):
            packet = None
        if packet is None:
            return
        try:
            frames = [] if packet.is_corrupt else packet.decode()
        except av.FFmpegError:
            continue
        yield from frames


@dataclass(frozen=True, eq=False)
class FramePicture:
    """How the decoded frames of one video become upright RGB pictures of one size."""

    width: int
    height: int
    """Size before turning, with square pixels."""
    transposed: bool
    flip_rows: bool
    flip_columns: bool
    converter: VideoReformatter = field(default_factory=VideoReformatter)

    @classmethod
    def of(cls, frame: VideoFrame, pixel_aspect: Fraction | None = None) -> "FramePicture":
        """Reads size and display matrix from a video's first frame."""
        width, height = square_size(frame.width, frame.height, pixel_aspect)
        return cls(width, height, *turning(frame))

    @property
    def shown_size(self) -> tuple[int, int]:
        return (self.height, self.width) if self.transposed else (self.width, self.height)

    def rgb(self, frame: VideoFrame) -> UInt8[np.ndarray, "h w 3"]:
        colors = None
        if frame.colorspace == UNSPECIFIED_COLORS:
            colors = Colorspace.ITU709 if frame.height >= HD_HEIGHT else Colorspace.ITU601
        converted = self.converter.reformat(
            frame, width=self.width, height=self.height, format="rgb24", src_colorspace=colors
        )
        pixels = converted.to_ndarray()
        if self.transposed:
            pixels = pixels.swapaxes(0, 1)
        if self.flip_rows:
            pixels = pixels[::-1]
        if self.flip_columns:
            pixels = pixels[:, ::-1]
        return np.ascontiguousarray(pixels)


def square_size(width: int, height: int, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """The size with square pixels; the shorter side is stretched, so that no detail is lost."""
    if not pixel_aspect or pixel_aspect == 1:
        return width, height
    if pixel_aspect > 1:
        return round(width * pixel_aspect), height
    return width, round(height / pixel_aspect)


def turning(frame: VideoFrame) -> tuple[bool, bool, bool]:
    """Whether the display matrix exchanges the axes, and then turns rows and columns around.

    The matrix maps stored (x, y) to shown (a x + c y, b x + d y). Phones write quarter turns and mirrorings; anything
    in between is ignored, as most players do.
    """
    side_data: Any = frame.side_data  # PyAV's own annotation knows motion vectors only
    if SideDataType.DISPLAYMATRIX not in {data.type for data in side_data}:
        return False, False, False
    matrix = np.frombuffer(bytes(side_data[SideDataType.DISPLAYMATRIX]), dtype=np.int32)
    a, b, c, d = (int(matrix[index]) for index in (0, 1, 3, 4))
    if a == 0 and d == 0 and b != 0 and c != 0:
        return True, b < 0, c < 0
    if b == 0 and c == 0:
        return False, d < 0, a < 0
    return False, False, False
