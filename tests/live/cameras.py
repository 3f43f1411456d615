"""A camera made of a pipe, and a detector and a method that need no models, for live sessions in tests."""

import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from anthropose.body.model import BodyModel
from anthropose.methods.streaming import Instant
from anthropose.motion import BodyPose, Camera
from anthropose.people.detections import Detections
from anthropose.skeleton import Skeleton
from anthropose.video import camera as camera_module
from tests.fakes import OnePerson, Standing

WIDTH, HEIGHT = 160, 96


class PipeCamera:
    """`camera:0`, whose frames come through a pipe at their pace, as JPEG pictures do from a real one."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, rate: float = 30.0) -> None:
        self.path, self.rate = folder / "camera.pipe", rate
        os.mkfifo(self.path)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        monkeypatch.setattr(camera_module, "device_of", lambda name: (str(self.path), "mjpeg"))

    def give(self, count: int, then_hang: bool = False) -> None:
        """Gives so many frames; then the camera goes away, or stays and gives nothing."""
        self._thread = threading.Thread(target=self._give, args=(count, then_hang), daemon=True)
        self._thread.start()

    def _give(self, count: int, then_hang: bool) -> None:
        with self.path.open("wb", buffering=0) as pipe:
            for number in range(count):
                if self._stop.wait(1 / self.rate):
                    return
                picture = np.full((HEIGHT, WIDTH, 3), number % 250, np.uint8)
                pipe.write(cv2.imencode(".jpg", picture)[1].tobytes())
            if then_hang:
                self._stop.wait(60)

    def close(self) -> None:
        """Ends the camera, whatever it does."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)


class LivePerson(OnePerson):
    """Finds one person in every frame, and may take its time."""

    def __init__(self, takes: float = 0.0, fails_at: int = -1) -> None:
        self.takes, self.fails_at = takes, fails_at

    def detect(
        self,
        frames: Iterable[np.ndarray],
        first: int = 0,
        seconds: Sequence[float] | np.ndarray = (),
        previous: Detections | None = None,
    ) -> Iterator[Detections]:
        for number, found in enumerate(super().detect(frames, first)):
            if number == self.fails_at:
                raise RuntimeError("the detector broke")
            time.sleep(self.takes)
            yield found


class LiveStanding(Standing):
    """Gives a body that stands before the camera."""

    def __init__(self, body: BodyModel) -> None:
        super().__init__(body)

    def stream(self, skeleton: Skeleton, camera: Camera) -> "LiveStanding":
        return self

    def step(self, keypoints: torch.Tensor, box: torch.Tensor, seconds: float) -> Instant:
        rotations = torch.eye(3).repeat(24, 1, 1)
        rotations[0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
        place = torch.tensor([0.0, 0.0, 4.0])
        return Instant(torch.zeros(24, 3), place, BodyPose(rotations, torch.zeros(10)), torch.ones(3))
