"""The detector that needs no download: BlazePose out of mediapipe's wheel, run where people are.

BlazePose's detector misses people under about a fifth of the picture, and its own tracking loses people who turn upside down. So:
every person already seen is landed again each frame in the square around their last keypoints, at full resolution; a person who is
lost is looked for around the last place; and squares of three sizes, a few per frame in turn, are searched for newcomers. A newcomer
is followed backwards through the last frames as well, since it takes up to half a second until the right square has its turn.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from anthropose.people.detect import open_task
from anthropose.people.detections import Detections
from anthropose.people.looks import COLOURS, looks_of
from anthropose.people.mediapipe_models import Found, Landed, PoseModels, Pyramid, Roi
from anthropose.skeleton import MEDIAPIPE_33


@dataclass(frozen=True)
class MediapipeConfig:
    """Thresholds were chosen on the clips of docs/people.md."""

    bundle: str | None = None
    """A pose landmarker `.task` of one's own; the models of the wheel by default."""
    people: int = 8
    """At most this many are followed at a time."""
    found_score: float = 0.4
    """The detector network's score for a newcomer."""
    new_presence: float = 0.7
    """The landmark network's score for a newcomer."""
    kept_presence: float = 0.4
    """The landmark network's score for someone already followed."""
    search_seconds: float = 0.6
    """Time in which every square of the picture has been searched once."""
    patience_seconds: float = 0.3
    """How long a lost person is looked for around the last place."""
    look_back_seconds: float = 0.8
    """How far newcomers are followed backwards; results come this much later, so 0 for live use."""


@dataclass
class _Person:
    """Someone being followed: the last keypoints, and where to look next."""

    landed: Landed
    velocity: Float[np.ndarray, "2"] = field(default_factory=lambda: np.zeros(2))
    """Of the middle of the square, pixels per frame."""
    lost: int = 0
    """Frames since the last sight."""

    def roi(self) -> Roi:
        """Where the person should be in the next frame."""
        last, ahead = self.landed.next_roi, self.velocity * (1 + self.lost)
        return replace(last, x=last.x + float(ahead[0]), y=last.y + float(ahead[1]))

    def seen(self, landed: Landed) -> None:
        """Takes in a new sight."""
        moved = np.array([landed.next_roi.x - self.landed.next_roi.x, landed.next_roi.y - self.landed.next_roi.y])
        self.velocity = 0.5 * self.velocity + 0.5 * moved / (1 + self.lost)
        self.landed, self.lost = landed, 0


@dataclass
class _Frame:
    """A frame that is still open: newcomers of later frames may be followed back into it."""

    number: int
    pyramid: Pyramid
    people: list[Landed]


class MediapipeDetector:
    """BlazePose in crops and tiles; see the module's text."""

    name = "mediapipe"
    skeleton = MEDIAPIPE_33

    def __init__(self, config: MediapipeConfig | None = None, **changes: Any) -> None:
        self.config = replace(config or MediapipeConfig(), **changes)
        self.models = PoseModels(open_task(self.config.bundle))

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
        search = _Search(self.config, self.models, fps)
        followed = _from_previous(previous, first)
        open_frames: deque[_Frame] = deque()
        for number, image in enumerate(frames, start=first):
            frame = _Frame(number, Pyramid(image), [])
            search.follow(followed, frame.pyramid)
            for newcomer in search.newcomers(followed, frame.pyramid):
                followed.append(newcomer)
                search.follow_back(newcomer, open_frames)
            frame.people = [person.landed for person in followed if person.lost == 0]
            open_frames.append(frame)
            if len(open_frames) > round(self.config.look_back_seconds * fps):
                yield _detections(open_frames.popleft())
        while open_frames:
            yield _detections(open_frames.popleft())


class _Search:
    """The rules by which people are kept, lost and found; holds only the turn of the squares."""

    def __init__(self, config: MediapipeConfig, models: PoseModels, fps: float) -> None:
        self.config, self.models, self.fps = config, models, fps
        self.turn = 0

    def follow(self, followed: list[_Person], image: Pyramid) -> None:
        """Lands everyone again; removes those lost for good and those who have become someone else's double."""
        for person in followed:
            landed = self._land_again(person, image) or self._find_again(person, image)
            if landed is None:
                person.lost += 1
            else:
                person.seen(landed)
        followed[:] = [p for p in followed if p.lost <= self.config.patience_seconds * self.fps]
        _drop_doubles(followed)

    def _land_again(self, person: _Person, image: Pyramid) -> Landed | None:
        return self._accepted(self.models.land(image, person.roi()), self.config.kept_presence, image)

    def _find_again(self, person: _Person, image: Pyramid) -> Landed | None:
        """Looks around the last place with the detector network, which needs no square to start from."""
        around = person.roi()
        found = self.models.find(image, replace(around, side=1.3 * around.side, turn=0.0))
        near = [f for f in found if _apart(f.roi, around) < 0.35 and 0.5 < f.roi.side / around.side < 2]
        if not near:
            return None
        return self._accepted(self.models.land(image, near[0].roi), self.config.kept_presence, image)

    def newcomers(self, followed: list[_Person], image: Pyramid) -> list[_Person]:
        """People in the squares whose turn it is who are not followed yet."""
        new: list[_Person] = []
        for square in self._squares(image):
            for found in self.models.find(image, square):
                known = [p.landed for p in followed + new]
                if len(known) >= self.config.people or found.score < self.config.found_score or _is_known(found, known):
                    continue
                landed = self._land_newcomer(found, image)
                if landed is not None and not any(_same(landed, other) for other in known):
                    new.append(_Person(landed))
        return new

    def _land_newcomer(self, found: Found, image: Pyramid) -> Landed | None:
        """Twice: the second time in the square around the keypoints of the first, which fits better."""
        first = self._accepted(self.models.land(image, found.roi), self.config.kept_presence, image)
        if first is None:
            return None
        return self._accepted(self.models.land(image, first.next_roi), self.config.new_presence, image)

    def follow_back(self, newcomer: _Person, frames: Sequence[_Frame]) -> None:
        """Adds the newcomer to the frames before the one where it was found, as far back as it can be seen."""
        person = _Person(newcomer.landed)
        for frame in reversed(frames):
            landed = self._land_again(person, frame.pyramid)
            if landed is None or any(_same(landed, other) for other in frame.people):
                return
            person.seen(landed)
            frame.people.append(landed)

    def _accepted(self, landed: Landed | None, presence: float, image: Pyramid) -> Landed | None:
        if landed is None or landed.presence < presence or not _is_plausible(landed, image):
            return None
        return landed

    def _squares(self, image: Pyramid) -> list[Roi]:
        """The squares to search in this frame: all at the very first, then some in turn."""
        every = search_squares(image.width, image.height)
        count = (
            len(every) if self.turn == 0 else math.ceil(len(every) / max(1.0, self.config.search_seconds * self.fps))
        )
        chosen = [every[(self.turn + i) % len(every)] for i in range(min(count, len(every)))]
        self.turn += count
        return chosen


def search_squares(width: int, height: int) -> list[Roi]:
    """The whole frame, squares as high as the frame, and squares half as high, all overlapping; neighbours are far in the list."""
    squares = []
    for side in (min(width, height), min(width, height) / 2):
        columns, rows = (_places(length, side) for length in (width, height))
        squares += [Roi(x, y, side, 0.0) for y in rows for x in columns]
    stride = next(s for s in (5, 3, 7, 1) if math.gcd(s, len(squares)) == 1)
    mixed = [squares[i * stride % len(squares)] for i in range(len(squares))]
    whole = Roi(width / 2, height / 2, max(width, height), 0.0)
    # The whole frame comes up every fourth time, since most newcomers are of ordinary size.
    return [s for i, square in enumerate(mixed) for s in ((whole, square) if i % 3 == 0 else (square,))]


def _places(length: float, side: float) -> list[float]:
    """Centres of squares that cover `length`, each sharing at least two fifths with the next."""
    count = 1 + math.ceil((length - side) / (0.6 * side) - 1e-6)
    return [float(c) for c in np.linspace(side / 2, length - side / 2, count)] if count > 1 else [length / 2]


def _rate(seconds: Sequence[float] | np.ndarray) -> float:
    steps = np.diff(np.asarray(seconds, dtype=float))
    return float(np.clip(1 / np.median(steps), 1, 240)) if len(steps) and np.median(steps) > 0 else 30.0


def _apart(a: Roi, b: Roi) -> float:
    """Distance of the middles, in sides of the larger square."""
    return math.hypot(a.x - b.x, a.y - b.y) / max(a.side, b.side, 1e-6)


def _is_known(found: Found, known: list[Landed]) -> bool:
    """Whether the detector has only found someone again who is followed already; spares a run of the landmark network."""
    return any(
        _apart(found.roi, other.next_roi) < 0.12 and 0.67 < found.roi.side / other.next_roi.side < 1.5
        for other in known
    )


def similarity(a: Float[np.ndarray, "k 3"], b: Float[np.ndarray, "k 3"], size: float) -> float:
    """How much two sets of keypoints are the same person's, 0 to 1 (in the manner of COCO's OKS, over all points)."""
    weight = np.clip(np.minimum(a[:, 2], b[:, 2]), 0.05, 1)
    distance = ((a[:, :2] - b[:, :2]) ** 2).sum(axis=1)
    return float((weight * np.exp(-distance / (2 * (0.1 * size) ** 2))).sum() / weight.sum())


def _same(a: Landed, b: Landed) -> bool:
    size = min(a.next_roi.side, b.next_roi.side) / 2.5
    ratio = a.next_roi.side / b.next_roi.side
    return similarity(a.points, b.points, size) > 0.35 or (_apart(a.next_roi, b.next_roi) < 0.08 and 0.5 < ratio < 2)


def _drop_doubles(followed: list[_Person]) -> None:
    """Of two who have come to lie on the same body, keeps the one whose square is the surer."""
    for person in sorted(followed, key=lambda p: p.landed.presence):
        others = [p for p in followed if p is not person and p.lost == 0]
        if person.lost == 0 and any(_same(person.landed, other.landed) for other in others):
            followed.remove(person)


def _is_plausible(landed: Landed, image: Pyramid) -> bool:
    """Rejects keypoints that cannot be a body: mostly unseen, outside the frame, or crumpled into a spot."""
    points, side = landed.points, landed.next_roi.side
    inside = ((points[:, :2] >= 0) & (points[:, :2] < (image.width, image.height))).all(axis=1)
    sure = inside & (points[:, 2] > 0.5)
    if sure.sum() < 8 or side < 24:
        return False
    shoulders, hips = points[[11, 12], :2].mean(axis=0), points[[23, 24], :2].mean(axis=0)
    torso = float(np.hypot(*(shoulders - hips)))
    return 0.05 * side < torso < 0.6 * side


def _detections(frame: _Frame) -> Detections:
    people = frame.people
    if not people:
        empty = Detections.empty(MEDIAPIPE_33, COLOURS, world=True)
        return empty
    image = frame.pyramid
    return Detections(
        frames=torch.full((len(people),), frame.number, dtype=torch.int64),
        boxes=_tensor([body_box(p.points, image.width, image.height) for p in people]),
        scores=_tensor([p.presence for p in people]),
        keypoints=_tensor([p.points for p in people]),
        skeleton=MEDIAPIPE_33,
        looks=_tensor([looks_of(image.levels[0], p.points, MEDIAPIPE_33) for p in people]),
        world=_tensor([p.world for p in people]),
    )


def _tensor(rows: Sequence[Any]) -> torch.Tensor:
    return torch.from_numpy(np.asarray(rows, dtype=np.float32))


def body_box(points: Float[np.ndarray, "33 3"], width: int, height: int) -> Float[np.ndarray, "4"]:
    """Left, top, right, bottom around the surer points and the crown of the head, a little wider, cut at the frame."""
    ears, shoulders = points[[7, 8], :2].mean(axis=0), points[[11, 12], :2].mean(axis=0)
    crown = ears + 0.6 * (ears - shoulders)
    sure = points[points[:, 2] > 0.3, :2]
    around = np.vstack([sure if len(sure) >= 4 else points[:, :2], crown])
    low, high = around.min(axis=0), around.max(axis=0)
    margin = 0.05 * max(high - low)
    frame = np.array([width, height])
    return np.concatenate([np.clip(low - margin, 0, frame), np.clip(high + margin, 0, frame)])


def _from_previous(previous: Detections | None, first: int) -> list[_Person]:
    """People to go on with, from the frame just before `first`."""
    if previous is None:
        return []
    last = previous.at(first - 1)
    return [_Person(_landed(last, row)) for row in range(len(last))]


def _landed(rows: Detections, row: int) -> Landed:
    points = rows.keypoints[row].numpy().astype(float)
    left, top, right, bottom = rows.boxes[row].tolist()
    hips = points[[23, 24], :2].mean(axis=0)
    up = points[[11, 12], :2].mean(axis=0) - hips
    roi = Roi(float(hips[0]), float(hips[1]), 1.25 * max(right - left, bottom - top), math.atan2(up[0], -up[1]))
    world = rows.world[row].numpy().astype(float) if rows.world is not None else np.zeros((33, 3))
    return Landed(float(rows.scores[row]), points, world, roi)
