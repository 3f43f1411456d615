"""The first stage: frames from a camera, or from a file that is played as if it were one."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event, Thread

import numpy as np
from jaxtyping import UInt8

from anthropose.video import Video, open_video


@dataclass(frozen=True)
class Frame:
    """One picture of the camera."""

    number: int
    """Counted from 0; the same as in the recording, where there is one."""
    seconds: float
    """Since the first frame."""
    taken: float
    """When it came, on the clock of `time.monotonic`."""
    image: UInt8[np.ndarray, "h w 3"]
    """RGB."""


class Capture(Thread):
    """Opens the source and gives its frames away as they come, in a thread of its own.

    The thread may hang in the camera's driver for ever, so nothing ever waits for it: it is watched from outside.
    """

    def __init__(
        self,
        source: str,
        fps: float | None,
        begin: Callable[[Video], None],
        give: Callable[[float, float, np.ndarray], None],
        end: Callable[[], None],
    ) -> None:
        """
        Args:
            source: `camera:0`, or a file or folder to be played at its own pace.
            fps: [1/s] to ask the camera for, or of a folder of images.
            begin: called once the source is open.
            give: called with each frame's seconds since the first, the time that it came, and the picture.
            end: called when no more frames come, for whatever reason.
        """
        super().__init__(name="live-capture", daemon=True)
        self._source, self._fps = source, fps
        self._begin, self._give, self._end = begin, give, end
        self.stopping = Event()
        self.last = time.monotonic()
        """When the last frame came; before the first, when the source began to be opened."""
        self.count = 0
        """Frames so far."""
        self.seconds = 0.0
        """Of the last frame."""
        self.error: BaseException | None = None

    @property
    def is_camera(self) -> bool:
        return self._source.startswith("camera:")

    def run(self) -> None:
        try:
            video = open_video(self._source, self._fps)
            self._begin(video)
            for seconds, image in self._paced(video):
                if self.stopping.is_set():
                    break
                self.last, self.seconds = time.monotonic(), seconds
                self._give(seconds, self.last, image)
                self.count += 1
            close = getattr(video, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            self.error = error
        finally:
            self._end()

    def _paced(self, video: Video) -> Iterator[tuple[float, np.ndarray]]:
        """A camera's frames as they come, a file's when they are due."""
        if self.is_camera:
            yield from video.timed_frames()
            return
        begin = time.monotonic()
        for seconds, image in video.timed_frames():
            if self.stopping.wait(max(0.0, begin + seconds - time.monotonic())):
                return
            yield seconds, image
