"""The detector that needs no download: BlazePose out of mediapipe's wheel, run where people are.

BlazePose's detector misses people under about a fifth of the picture, and its own tracking loses people who turn upside
down. So: every person already seen is landed again each frame in the square around their last keypoints, at full
resolution; a person who is lost is looked for around the last place; and squares of three sizes, a few per frame in
turn, are searched for newcomers. A newcomer is followed backwards through the last frames as well, since it takes up to
a second until the right square has its turn.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from anthropose.people.detect import open_task
from anthropose.people.detections import Detections
from anthropose.people.looks import COLOURS
from anthropose.people.mediapipe_models import Landed, PoseWorkers, Pyramid, Roi
from anthropose.people.mediapipe_pose.people import Person, Sight
from anthropose.people.mediapipe_pose.search import Frame, MediapipeConfig, Search
from anthropose.skeleton import MEDIAPIPE_33

LONGEST_KEPT = 1280
"""Frames that are kept for looking back are no larger [pixels]: a second of 4K video would take a gigabyte."""

READ_AHEAD = 2
"""Frames that are searched for newcomers while those before are looked at; live use looks at each as it comes."""


class MediapipeDetector:
    """BlazePose in crops and tiles; see the module's text."""

    name = "mediapipe"
    skeleton = MEDIAPIPE_33

    def __init__(self, config: MediapipeConfig | None = None, **changes: Any) -> None:
        self.config = replace(config or MediapipeConfig(), **changes)
        self.workers = PoseWorkers(open_task(self.config.bundle))

    def settings(self) -> dict[str, Any]:
        """Everything that changes the result."""
        import mediapipe

        return {"detector": self.name, "mediapipe": mediapipe.__version__, **asdict(self.config)}

    def detect(
        self,
        frames: Iterable[np.ndarray],
        first: int = 0,
        seconds: Sequence[float] | np.ndarray = (),
        previous: Detections | None = None,
    ) -> Iterator[Detections]:
        """See `Detector.detect`; frames are given out `look_back_seconds` late."""
        fps = _rate(seconds)
        search = Search(self.config, self.workers, fps)
        followed = _from_previous(previous, first)
        open_frames: deque[Frame] = deque()
        for coming in _in_hand(frames, first, READ_AHEAD if self.config.look_back_seconds else 0):
            frame = coming[0]
            begun = search.begin(followed, coming)
            search.follow(followed, begun.landing, frame.pyramid)
            if len(coming) > 1:
                search.land_all(followed, coming[1])
            found = [person for square in frame.searching or () for person in square.result()]
            found += search.check(followed, begun.checking)
            search.newcomers(found, followed, frame.pyramid, frame.number)
            search.follow_newcomers_back(followed, open_frames)
            frame.people = [person.sight for person in followed if person.lost == 0]
            frame.pyramid = frame.pyramid.shrunk(LONGEST_KEPT)
            open_frames.append(frame)
            if len(open_frames) > round(self.config.look_back_seconds * fps):
                yield _detections(open_frames.popleft())
        while open_frames:
            yield _detections(open_frames.popleft())


def _in_hand(frames: Iterable[np.ndarray], first: int, ahead: int) -> Iterator[deque[Frame]]:
    """For each frame itself and up to `ahead` of those after it."""
    coming: deque[Frame] = deque()
    for number, image in enumerate(frames, start=first):
        coming.append(Frame(number, Pyramid(image)))
        if len(coming) > ahead:
            yield coming
            coming.popleft()
    while coming:
        yield coming
        coming.popleft()


def _rate(seconds: Sequence[float] | np.ndarray) -> float:
    steps = np.diff(np.asarray(seconds, dtype=float))
    return float(np.clip(1 / np.median(steps), 1, 240)) if len(steps) and np.median(steps) > 0 else 30.0


def _detections(frame: Frame) -> Detections:
    people = frame.people
    if not people:
        return Detections.empty(MEDIAPIPE_33, COLOURS, world=True)
    return Detections(
        frames=torch.full((len(people),), frame.number, dtype=torch.int64),
        boxes=_tensor([p.box for p in people]),
        scores=_tensor([p.score for p in people]),
        keypoints=_tensor([p.landed.points for p in people]),
        skeleton=MEDIAPIPE_33,
        looks=_tensor([p.looks for p in people]),
        world=_tensor([p.landed.world for p in people]),
    )


def _tensor(rows: Sequence[Any]) -> torch.Tensor:
    return torch.from_numpy(np.asarray(rows, dtype=np.float32))


def _from_previous(previous: Detections | None, first: int) -> list[Person]:
    """People to go on with, from the frame just before `first`."""
    if previous is None:
        return []
    last = previous.at(first - 1)
    sights = [Sight(_landed(last, i), last.looks[i].numpy(), last.boxes[i].double().numpy()) for i in range(len(last))]
    return [Person(sight, sight.looks) for sight in sights]


def _landed(rows: Detections, row: int) -> Landed:
    points = rows.keypoints[row].numpy().astype(float)
    left, top, right, bottom = rows.boxes[row].tolist()
    hips = points[[23, 24], :2].mean(axis=0)
    up = points[[11, 12], :2].mean(axis=0) - hips
    roi = Roi(float(hips[0]), float(hips[1]), 1.25 * max(right - left, bottom - top), math.atan2(up[0], -up[1]))
    world = rows.world[row].numpy().astype(float) if rows.world is not None else np.zeros((33, 3))
    return Landed(float(rows.scores[row]), points, world, roi)
