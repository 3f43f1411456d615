"""Writes frames as an MP4 file that browsers play."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from jaxtyping import UInt8

from anthropose.errors import UserError
from anthropose.video.sound import open_sound
from anthropose.writing import whole_file

X264_OPTIONS = {"preset": "veryfast", "crf": "20"}
BT709, BT601, LIMITED_RANGE = 1, 6, 1
"""FFmpeg's numbers: sRGB's primaries and curve are BT.709's, the matrix to luma and chroma is OpenCV's, BT.601."""
TICKS_PER_SECOND = 60_000
"""At least this many, and a whole number of them per frame at the nominal rate."""


class VideoWriter:
    """H.264 in MP4, yuv420p, index in front. The file appears at `path` when the block ends without an error.

        with VideoWriter(path, video.size, video.fps, audio_from=path_of_source) as writer:
            for seconds, rgb in video.timed_frames():
                writer.write(rgb, seconds)

    The first frame written is at the file's time 0. Odd sizes are padded by one repeated row or column, since yuv420p
    has none. Sound is copied where MP4 and browsers know its coding and turned to AAC elsewhere, and ends with the
    pictures; a source without sound gives a silent file.

    Args:
        path: where the file is to be; its suffix does not matter.
        size: width and height of the frames in pixels.
        fps: [1/s] the rate; fractions such as 30000/1001 are recognised from their decimal value.
        audio_from: a file whose sound belongs to the frames.
        bitrate: [kbit/s] of the pictures on the mean; as many as a good picture takes when not given.

    Raises:
        UserError: no permission, a full disk, or no frame was written.
    """

    def __init__(
        self,
        path: str | Path,
        size: tuple[int, int],
        fps: float | int | Fraction,
        audio_from: str | Path | None = None,
        bitrate: int | None = None,
    ) -> None:
        self.path, self.size = Path(path), size
        self.rate = Fraction(fps).limit_denominator(1001)
        self.ticks = self.rate.numerator * -(-TICKS_PER_SECOND // self.rate.numerator)
        self.audio_from = None if audio_from is None else Path(audio_from)
        self.bitrate = bitrate
        self.count, self.last_tick, self.begin = 0, -1, 0.0

    def __enter__(self) -> "VideoWriter":
        self.block = self.writing()
        self.block.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.block.__exit__(kind, error, trace)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Opens the file for the time of the block, then completes it, or removes it after any error."""
        with whole_file(self.path) as part:
            self.container = av.open(str(part), "w", format="mp4", container_options={"movflags": "+faststart"})
            try:
                self.stream = self.add_pictures(self.container)
                self.sound = open_sound(self.audio_from, self.container) if self.audio_from else None
                self.container.start_encoding()
                yield
                self.finish()
            except BaseException:
                with suppress(Exception):  # what is given up need not be complete
                    self.container.close()
                raise

    def add_pictures(self, container: OutputContainer) -> av.VideoStream:
        stream = container.add_stream("libx264", rate=self.rate, options=self.coding())
        stream.width, stream.height = (side + side % 2 for side in self.size)
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        stream.time_base = context.time_base = Fraction(1, self.ticks)
        context.thread_type = "FRAME"
        context.color_primaries = context.color_trc = BT709
        context.colorspace, context.color_range = BT601, LIMITED_RANGE
        return stream

    def coding(self) -> dict[str, str]:
        """x264's options."""
        return X264_OPTIONS if self.bitrate is None else {"preset": X264_OPTIONS["preset"], "b": f"{self.bitrate}k"}

    def write(self, rgb: UInt8[np.ndarray, "h w 3"], seconds: float | int | None = None) -> None:
        """Appends a frame, shown at `seconds` on the source's clock; evenly spaced where none is given."""
        if (rgb.shape[1], rgb.shape[0]) != self.size:
            raise ValueError(f"the frame has {rgb.shape[1]}x{rgb.shape[0]} pixels, the file {self.size}")
        if seconds is None:
            seconds = self.begin + self.count / float(self.rate)
        if self.count == 0:
            self.begin = seconds
            if self.sound:
                self.sound.begin_at(seconds)
        tick = max(round((seconds - self.begin) * self.ticks), self.last_tick + 1)
        self.container.mux(self.stream.encode(self.encodable(rgb, tick)))
        self.count, self.last_tick = self.count + 1, tick
        if self.sound:
            self.sound.write_until(tick / self.ticks)

    def encodable(self, rgb: UInt8[np.ndarray, "h w 3"], tick: int) -> VideoFrame:
        """The frame as yuv420p of even size. OpenCV converts four times as fast as FFmpeg, and as faithfully."""
        height, width = rgb.shape[:2]
        if height % 2 or width % 2:
            rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        planes = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), dtype=np.uint8)
        frame = VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = tick, Fraction(1, self.ticks)
        return frame

    def finish(self) -> None:
        if self.count == 0:
            raise UserError(f"{self.path}: there are no frames to write")
        self.container.mux(self.stream.encode(None))
        if self.sound:
            self.sound.finish(self.last_tick / self.ticks + 1 / float(self.rate))
        self.container.close()
