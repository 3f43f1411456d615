"""Capture, find, reconstruct, draw: each in a thread of its own, the newest frame first.

Frames wait nowhere: the detector takes the newest there is, what it has found is reconstructed while it looks at the
next, and a picture that is not drawn in time is not drawn at all. The heavy parts (networks, decoding, drawing,
encoding) release Python's lock, so threads serve as well as processes, and hand pictures on without copying.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event, Thread
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.live.capture import Capture, Frame
from anthropose.live.crowd import Crowd, Present
from anthropose.live.figures import Figures
from anthropose.live.painter import Painter, with_speed
from anthropose.live.recording import Recording
from anthropose.live.slot import Slot
from anthropose.methods.streaming import Ending, StreamingMethod
from anthropose.motion import Camera
from anthropose.people.detect import Detector
from anthropose.people.detections import Detections
from anthropose.video import Video

FASTEST = 15.0
"""Frames per second that the detector is told to expect at most; it spreads its search for newcomers over these."""
ENDING = 10.0
"""Seconds in which the stages must have finished what they have in hand."""


@runtime_checkable
class Screen(Protocol):
    """Where the pictures are shown."""

    def show(self, picture: UInt8[np.ndarray, "h w 3"], taken: float) -> None:
        """Shows a picture of the frame that came at `taken`."""
        ...

    def poll(self) -> bool:
        """Called often from the main thread; whether to go on."""
        ...


@dataclass(frozen=True)
class Parts:
    """What the pipeline is made of."""

    detector: Detector
    method: StreamingMethod
    body: BodyModel
    camera_for: Callable[[Video], Camera]
    record: Callable[[Video, Camera], Recording] | None
    """Begins the recording, where one is wanted."""


@dataclass(frozen=True)
class Patience:
    """How long a camera may give nothing [s]."""

    first: float = 10.0
    """Until its first frame."""
    between: float = 5.0
    """From one frame to the next."""


class Pipeline:
    """One live session."""

    def __init__(
        self,
        source: str,
        parts: Parts,
        screen: Screen,
        figures: Figures,
        fps: float | None = None,
        seconds: float | None = None,
        patience: Patience = Patience(),
    ) -> None:
        """
        Args:
            source: `camera:0`, or a file or folder to be played as if it were a camera.
            figures: take in how fast it goes.
            fps: [1/s] to ask the camera for, or of a folder of images.
            seconds: ends the session after so long; never when not given.
        """
        self.source, self.figures = source, figures
        self.recording: Recording | None = None
        self.persons: set[int] = set()
        """Everyone who was seen."""
        self.unkept = 0
        """Frames that could not be recorded in time, and so were not looked at either."""
        self._parts, self._screen, self._seconds, self._patience = parts, screen, seconds, patience
        self._capture = Capture(source, fps, self._begin, self._give, self._end_of_source)
        self._opened, self._failed = Event(), Event()
        self._error: BaseException | None = None
        self._number = 0
        self._video: Video | None = None
        self._camera: Camera | None = None
        self._frames: Slot[Frame] = Slot()
        self._found: Slot[tuple[Frame, Detections]] = Slot(patient=True)
        self._present: Slot[tuple[Frame, list[Present]]] = Slot()
        self._threads = [
            Thread(target=self._guarded, args=(stage, end), name=f"live-{stage.__name__.strip('_')}", daemon=True)
            for stage, end in ((self._find, self._found), (self._reconstruct, self._present), (self._draw, None))
        ]

    @property
    def frames(self) -> int:
        """Frames that the camera has given so far."""
        return self._capture.count

    def run(self) -> None:
        """Runs until the source ends, the time is over, or the screen or Ctrl-C says so.

        Raises:
            UserError: the camera is not there, gives no frames or goes away, or the recording cannot be written.
        """
        self._capture.start()
        for thread in self._threads:
            thread.start()
        try:
            while self._goes_on():
                pass
        finally:
            self._stop()
        self._raise_failure()
        if self._capture.is_camera and not self._capture.stopping.is_set():
            raise UserError(f"{self.source}: the camera is gone after {self._capture.seconds:.1f} s")

    def _goes_on(self) -> bool:
        """Waits for a moment; whether the session goes on after it."""
        on = self._screen.poll()
        self._failed.wait(0.05)
        self._raise_failure()
        if not self._threads[-1].is_alive():
            return False
        over = self._seconds is not None and self._capture.seconds >= self._seconds
        if not on or over:
            self._capture.stopping.set()
            return False
        if self._capture.is_alive():
            self._check_patience()
        return True

    def _check_patience(self) -> None:
        silent = time.monotonic() - self._capture.last
        if self._capture.count == 0 and silent > self._patience.first:
            raise UserError(
                f"{self.source}: the camera gave no frame in {self._patience.first:g} s; is another program using it?"
            )
        if self._capture.count and silent > self._patience.between:
            raise UserError(
                f"{self.source}: no frames for {self._patience.between:g} s, after {self._capture.seconds:.1f} s; "
                "is the camera still plugged in?"
            )

    def _stop(self) -> None:
        """Lets the stages finish what they have in hand; what is still waiting is dropped if it was stopped early."""
        early = self._capture.is_alive()
        if early:
            self._capture.stopping.set()
        self._frames.close(drop=early)
        self._opened.set()
        deadline = time.monotonic() + ENDING
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if isinstance(self._parts.method, Ending):
            self._parts.method.end()

    def _raise_failure(self) -> None:
        error = self._error or self._capture.error
        if error is not None:
            raise error

    def _begin(self, video: Video) -> None:
        camera = self._parts.camera_for(video)
        if self._parts.record is not None:
            self.recording = self._parts.record(video, camera)
        self._video, self._camera = video, camera
        self._opened.set()

    def _give(self, seconds: float, taken: float, image: np.ndarray) -> None:
        """Numbers a frame and hands it on; one that cannot be recorded is left out, so that numbers agree."""
        if self.recording is not None and not self.recording.frame(seconds, image):
            self.unkept += 1
            return
        self._frames.put(Frame(self._number, seconds, taken, image))
        self._number += 1

    def _end_of_source(self) -> None:
        self._frames.close()
        self._opened.set()

    def _guarded(self, stage: Callable[[], None], end: Slot | None) -> None:
        """Runs a stage; tells of its failure, and ends the stages after it when it ends."""
        try:
            stage()
        except BaseException as error:
            self._error = self._error or error
            self._failed.set()
            self._frames.close(drop=True)
            self._found.close(drop=True)
        finally:
            if end is not None:
                end.close()

    def _find(self) -> None:
        """Frames to detections."""
        waiting: deque[tuple[Frame, float]] = deque()

        def images() -> Iterator[np.ndarray]:
            for frame in self._frames:
                waiting.append((frame, time.monotonic()))
                yield frame.image

        first = images()
        self._opened.wait()
        if self._video is None:
            return
        rate = min(self._video.fps, FASTEST)
        for found in self._parts.detector.detect(first, seconds=np.arange(9) / rate):
            frame, begun = waiting.popleft()
            self.figures.spend("find", time.monotonic() - begun)
            self._found.put((frame, found))

    def _reconstruct(self) -> None:
        """Detections to people; they are recorded here."""
        crowd: Crowd | None = None
        for frame, found in self._found:
            assert self._camera is not None
            crowd = crowd or Crowd(self._parts.method, self._parts.body, self._camera)
            begun = time.monotonic()
            present = crowd.step(found, frame.seconds)
            self.figures.spend("reconstruct", time.monotonic() - begun)
            self.persons |= {one.person for one in present}
            if self.recording is not None:
                self.recording.people(frame, present, found)
            self._present.put((frame, present))

    def _draw(self) -> None:
        """People to pictures that are shown."""
        self._opened.wait()
        if self._camera is None:
            return
        with Painter(self._parts.body, self._camera) as painter:
            for frame, present in self._present:
                begun = time.monotonic()
                picture = painter.draw(frame.image, present)
                drawn = time.monotonic()
                if self.recording is not None:
                    self.recording.drawn(frame.seconds, picture)
                self._screen.show(with_speed(picture, self.figures.speed), frame.taken)
                self.figures.spend("draw", drawn - begun)
                self.figures.spend("show", time.monotonic() - drawn)
