"""A camera as an endless video."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from jaxtyping import UInt8

from anthropose.errors import UserError
from anthropose.video.base import Video
from anthropose.video.decoding import FramePicture, decoded_frames

DEFAULT_RATE = 30.0


@dataclass(frozen=True, eq=False)
class CameraVideo(Video):
    """Frames as they come, until the camera stops or the caller does. It has no length and cannot be rewound."""

    container: InputContainer
    decoded: Iterator[VideoFrame]
    picture: FramePicture

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        for _, frame in self.timed_frames(start, stop):
            yield frame

    def timed_frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[float, np.ndarray]]:
        """Frames with the seconds since the first of them came, on this computer's clock."""
        if start != 0:
            raise ValueError(f"a camera starts now, at frame 0, not at frame {start}")
        begin = None
        for frame in islice(self.decoded, stop):
            now = time.monotonic()
            begin = now if begin is None else begin
            yield now - begin, self.picture.rgb(frame)

    def __len__(self) -> int:
        raise TypeError("a camera has no length")

    def close(self) -> None:
        """Lets the camera go."""
        self.container.close()


def open_camera(source: str, fps: float | None) -> CameraVideo:
    """Opens `camera:NUMBER`, or `camera:NAME` as the system calls it, and waits for its first frame.

    Raises:
        UserError: there is no such camera, another program holds it, or it gives no frames.
    """
    name = source.removeprefix("camera:")
    try:
        device, kind = device_of(name)
        options = {"framerate": f"{fps or DEFAULT_RATE:g}"} if fps or kind == "avfoundation" else {}
        container = av.open(device, format=kind, options=options, timeout=10.0)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{source}: the camera cannot be opened ({reason}); is it plugged in and free?") from error
    stream = container.streams.video[0]
    stream.thread_type = "SLICE"  # whole frames on several threads would come several frames late
    decoded = decoded_frames(container, stream)
    first = next(decoded, None)
    if first is None:
        container.close()
        raise UserError(f"{source}: the camera gives no frames; is another program using it?")
    picture = FramePicture.of(first)
    rate = fps or float(stream.average_rate or DEFAULT_RATE)
    return CameraVideo(
        source, rate, picture.shown_size, np.zeros(0), False, container, chain([first], decoded), picture
    )


def device_of(name: str) -> tuple[str, str]:
    """The device's name for FFmpeg, and which of FFmpeg's inputs reads it on this system."""
    if sys.platform == "darwin":
        return name, "avfoundation"
    if sys.platform == "win32":
        return f"video={windows_camera(name)}", "dshow"
    return (f"/dev/video{name}" if name.isdecimal() else name), "v4l2"


def windows_camera(name: str) -> str:
    """DirectShow knows cameras by name only; a number counts through the names."""
    if not name.isdecimal():
        return name
    from av.device import enumerate_input_devices

    cameras = [device.name for device in enumerate_input_devices("dshow") if "video" in device.media_types]
    if int(name) >= len(cameras):
        raise ValueError(f"there are {len(cameras)} cameras: {', '.join(cameras) or 'none'}")
    return cameras[int(name)]
