"""A detector and a method that need no models, for tests of what is around them."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from anthropose.body.model import BodyModel
from anthropose.methods.base import Progress
from anthropose.motion import BodyPose, Motion
from anthropose.people.clip import Clip
from anthropose.people.detections import Detections
from anthropose.skeleton import COCO_17, SMPL_24


class OnePerson:
    """Finds one person in the middle of every frame, and counts the frames that it was shown."""

    name = "one-person"
    skeleton = COCO_17
    seen = 0

    def settings(self) -> dict[str, object]:
        return {}

    def detect(
        self,
        frames: Iterable[np.ndarray],
        first: int = 0,
        seconds: Sequence[float] | np.ndarray = (),
        previous: Detections | None = None,
    ) -> Iterator[Detections]:
        for n, image in enumerate(frames):
            type(self).seen += 1
            height, width = image.shape[:2]
            keypoints = torch.rand(1, 17, 3, generator=torch.Generator().manual_seed(0))
            keypoints[..., 0] = width * (0.4 + 0.2 * keypoints[..., 0])
            keypoints[..., 1] = height * (0.1 + 0.8 * keypoints[..., 1])
            keypoints[..., 2] = 0.9
            yield Detections(
                frames=torch.tensor([first + n]),
                boxes=torch.tensor([[0.4 * width, 0.1 * height, 0.6 * width, 0.9 * height]]),
                scores=torch.tensor([0.9]),
                keypoints=keypoints,
                world=None,
                looks=torch.ones(1, 4) / 4,
                skeleton=COCO_17,
            )


class Passing(OnePerson):
    """Sees the person in frames 20 to 39 only."""

    def detect(
        self,
        frames: Iterable[np.ndarray],
        first: int = 0,
        seconds: Sequence[float] | np.ndarray = (),
        previous: Detections | None = None,
    ) -> Iterator[Detections]:
        for found in super().detect(frames, first):
            yield found[(found.frames >= 20) & (found.frames < 40)]


class Standing:
    """Gives a body that stands before the camera, whatever the clip shows, and counts its calls."""

    name = "standing"
    calls = 0

    def __init__(self, body: BodyModel) -> None:
        self.body = body

    def reconstruct(self, clip: Clip, progress: Progress = lambda share: None) -> Motion:
        type(self).calls += 1
        n = len(clip.track)
        rotations = torch.eye(3).expand(n, 24, 3, 3).clone()
        rotations[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
        betas = torch.zeros(n, 10)
        progress(0.5)
        joints = self.body.points(SMPL_24)(betas, rotations)
        return Motion(
            track=clip.track,
            skeleton=SMPL_24,
            fps=clip.fps,
            seconds=clip.seconds,
            camera=clip.camera,
            joints=joints - joints[:, :1],
            translation=torch.tensor([0.0, 0.0, 4.0]).expand(n, 3).clone(),
            body=BodyPose(rotations, betas),
            body_model=self.body.name,
            method=self.name,
        )
