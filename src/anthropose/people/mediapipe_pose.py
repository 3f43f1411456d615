"""The detector that needs no download: BlazePose out of mediapipe's wheel, run where people are.

BlazePose's detector misses people under about a fifth of the picture, and its own tracking loses people who turn upside
down. So: every person already seen is landed again each frame in the square around their last keypoints, at full
resolution; a person who is lost is looked for around the last place; and squares of three sizes, a few per frame in
turn, are searched for newcomers. A newcomer is followed backwards through the last frames as well, since it takes up to
half a second until the right square has its turn.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from anthropose.people.detect import open_task
from anthropose.people.detections import Detections
from anthropose.people.looks import COLOURS, likeness, looks_of
from anthropose.people.mediapipe_models import Found, Landed, PoseWorkers, Pyramid, Roi
from anthropose.skeleton import MEDIAPIPE_33

LONGEST_KEPT = 1280
"""Frames that are kept for looking back are no larger [pixels]: a second of 4K video would take a gigabyte."""


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
    least_confirmed: float = 0.15
    """The detector network's running score for someone followed, below which it was nobody."""
    search_seconds: float = 1.0
    """Time in which every square of the picture has been searched once."""
    confirm_seconds: float = 0.3
    """Time after which the detector network is asked again whether someone followed is a person."""
    patience_seconds: float = 0.5
    """How long a lost person is looked for around the last place."""
    look_back_seconds: float = 1.1
    """How far newcomers are followed backwards; results come this much later, so 0 for live use."""


@dataclass(frozen=True)
class _Sight:
    """A person in one frame."""

    landed: Landed
    looks: Float[np.ndarray, "c"]
    box: Float[np.ndarray, "4"]

    confirmed: float = 1.0
    """What the detector network makes of the same place, 0 to 1."""

    @property
    def size(self) -> float:
        return float((self.box[2:] - self.box[:2]).max())

    @property
    def score(self) -> float:
        """How sure both networks together are that this is a person."""
        return (self.landed.presence + self.confirmed) / 2


@dataclass(frozen=True)
class _Arrival:
    """Where and when someone was found."""

    number: int
    """Of the frame."""
    sight: _Sight
    score: float
    """The detector network's."""


@dataclass
class _Person:
    """Someone being followed: the last sight, and where to look next."""

    sight: _Sight
    looks: Float[np.ndarray, "c"]
    """Running mean."""
    velocity: Float[np.ndarray, "2"] = field(default_factory=lambda: np.zeros(2))
    """Of the middle of the square, pixels per frame."""
    frames: int = 1
    """Frames in which the person was seen."""
    lost: int = 0
    """Frames since the last sight."""
    parts: int = 0
    """Frames in which this looked like a part of someone known for longer."""
    confirmed: float = 1.0
    """Running mean of the detector network's score."""
    unchecked: int = 0
    """Frames since the detector network was last asked about this person."""
    checks: int = 0
    """How often it was asked."""
    arrival: _Arrival | None = None
    """Where to begin to follow this person backwards; None when that is done."""

    def __post_init__(self) -> None:
        self.place = self.sight.landed.next_roi

    def roi(self) -> Roi:
        """Where the person should be in the next frame."""
        ahead = self.velocity * (1 + self.lost)
        return replace(self.place, x=self.place.x + float(ahead[0]), y=self.place.y + float(ahead[1]))

    def surprise(self, sight: _Sight) -> float:
        """How badly a sight fits what is known: by place and by clothes."""
        return _apart(self.roi(), sight.landed.next_roi) + 1 - float(likeness(self.looks, sight.looks))

    def seen(self, sight: _Sight) -> None:
        """Takes in a new sight.

        The square follows small changes only in part: the landmark network's answer changes a little with the
        square, and a square that follows every tremor makes more of it. Large changes are real: followed at once.
        """
        found, expected = sight.landed.next_roi, self.roi()
        miss = np.array([found.x - expected.x, found.y - expected.y])
        turn = math.remainder(found.turn - expected.turn, 2 * math.pi)
        change = max(float(np.hypot(*miss)) / expected.side, abs(turn), abs(math.log(found.side / expected.side)))
        follow = min(1.0, 0.4 + change / 0.2)
        self.velocity = self.velocity + 0.5 * follow * miss / (1 + self.lost)
        self.place = Roi(
            x=expected.x + follow * float(miss[0]),
            y=expected.y + follow * float(miss[1]),
            side=expected.side + follow * (found.side - expected.side),
            turn=expected.turn + follow * turn,
        )
        self.looks = 0.9 * self.looks + 0.1 * sight.looks
        self.sight = replace(sight, confirmed=self.confirmed)
        self.lost, self.frames = 0, self.frames + 1

    def checked(self, score: float) -> None:
        """Takes in how sure the detector network is of a person here, zero where it sees none."""
        self.confirmed, self.unchecked = 0.7 * self.confirmed + 0.3 * score, 0
        self.checks += 1


@dataclass
class _Frame:
    """A frame that is still open: newcomers of later frames may be followed back into it."""

    number: int
    pyramid: Pyramid
    people: list[_Sight]


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
        search = _Search(self.config, self.workers, fps)
        followed = _from_previous(previous, first)
        open_frames: deque[_Frame] = deque()
        for number, image in enumerate(frames, start=first):
            frame = _Frame(number, Pyramid(image), [])
            searching, checking = search.begin(followed, frame.pyramid)
            search.follow(followed, frame.pyramid)
            found = [person for square in searching for person in square.result()]
            found += search.check(followed, checking)
            search.newcomers(found, followed, frame.pyramid, number)
            search.follow_newcomers_back(followed, open_frames)
            frame.people = [person.sight for person in followed if person.lost == 0]
            frame.pyramid = frame.pyramid.shrunk(LONGEST_KEPT)
            open_frames.append(frame)
            if len(open_frames) > round(self.config.look_back_seconds * fps):
                yield _detections(open_frames.popleft())
        while open_frames:
            yield _detections(open_frames.popleft())


class _Search:
    """The rules by which people are kept, lost and found; holds only the turn of the squares."""

    def __init__(self, config: MediapipeConfig, workers: PoseWorkers, fps: float) -> None:
        self.config, self.workers, self.fps = config, workers, fps
        self.turn = 0

    def begin(
        self, followed: list[_Person], image: Pyramid
    ) -> tuple[list[Future[list[Found]]], list[tuple[_Person, Future[list[Found]]]]]:
        """Starts searching the squares, and around the people, whose turn it is; runs while the known are landed."""
        due = [p for p in followed if p.lost == 0 and self._is_due(p)]
        checking = [(p, self.workers.find(image, replace(p.roi(), side=1.4 * p.roi().side, turn=0.0))) for p in due]
        return [self.workers.find(image, square) for square in self._squares(image)], checking

    def _is_due(self, person: _Person) -> bool:
        """Whether to ask the detector network about someone: the doubtful are asked about three times as often."""
        wait = self.config.confirm_seconds * (1 if person.confirmed > 0.6 else 1 / 3)
        return person.unchecked >= wait * self.fps

    def check(self, followed: list[_Person], checking: list[tuple[_Person, Future[list[Found]]]]) -> list[Found]:
        """Weighs what the detector network saw around people; removes those whom it has not seen for a while."""
        for person, around in checking:
            # What is nearer to someone else confirms that one, not a ghost beside.
            own = [f for f in around.result() if _nearest(f.roi, followed) is person]
            person.checked(max((f.score for f in own if _is_near(f.roi, person.place)), default=0.0))
        followed[:] = [p for p in followed if p.confirmed > self.config.least_confirmed]
        return [found for _, around in checking for found in around.result()]

    def follow(self, followed: list[_Person], image: Pyramid) -> None:
        """Lands everyone again; of two who come to lie on one body, only the one who was expected there is seen."""
        landing = [self.workers.land(image, person.roi()) for person in followed]
        landed = [_sight(future.result(), self.config.kept_presence, image) for future in landing]
        proposed = [(p, sight) for p, sight in zip(followed, landed, strict=True) if sight and _is_near_to(p, sight)]
        proposed.sort(key=lambda pair: pair[0].surprise(pair[1]))
        seen: list[_Person] = []
        for person, sight in proposed:
            if not any(_same(sight, other.sight) for other in seen):
                person.seen(sight)
                seen.append(person)
        for person in followed:
            person.unchecked += 1
            if not any(person is other for other in seen):
                self._look_around(person, seen, image)
        self._count_parts(seen)
        followed[:] = [
            p for p in followed if p.lost <= self.config.patience_seconds * self.fps and not self._is_part(p)
        ]

    def _count_parts(self, seen: list[_Person]) -> None:
        for person in seen:
            older = [other.sight for other in seen if other.frames > person.frames]
            person.parts += any(_is_part(person.sight, other) for other in older)

    def _is_part(self, person: _Person) -> bool:
        """Whether someone has been a part of someone else most of the time: people in a crowd come from elsewhere."""
        return person.parts > max(0.3 * self.fps, 0.5 * person.frames)

    def _look_around(self, person: _Person, seen: list[_Person], image: Pyramid) -> None:
        """Looks around a lost person's last place with the detector network, which needs no square to start from."""
        around = person.roi()
        found = self.workers.find(image, replace(around, side=1.3 * around.side, turn=0.0)).result()
        others = [other.sight for other in seen]
        for candidate in found:
            if _is_near(candidate.roi, around) and not _is_known(candidate, others):
                sight = self._landed(image, candidate.roi, self.config.kept_presence)
                if sight and _is_near_to(person, sight) and not any(_same(sight, other) for other in others):
                    person.seen(sight)
                    seen.append(person)
                    return
        person.lost += 1

    def _landed(self, image: Pyramid, roi: Roi, presence: float) -> _Sight | None:
        return _sight(self.workers.land(image, roi).result(), presence, image)

    def newcomers(self, found: list[Found], followed: list[_Person], image: Pyramid, number: int) -> None:
        """Adds those among the found who were not followed yet, as of frame `number`."""
        for candidate in sorted(found, key=lambda f: -f.score):
            known = [p.sight for p in followed]
            too_many = len(known) >= self.config.people
            if too_many or candidate.score < self.config.found_score or _is_known(candidate, known):
                continue
            sight = self._land_newcomer(candidate, image)
            if sight is None or any(_same(sight, other) or _is_part(sight, other) for other in known):
                continue
            followed[:] = [p for p in followed if not self._was_part(p, sight)]
            newcomer = _Person(sight, sight.looks, confirmed=candidate.score)
            newcomer.arrival = _Arrival(number, sight, candidate.score)
            followed.append(newcomer)

    def _was_part(self, person: _Person, whole: _Sight) -> bool:
        """Whether someone found a moment ago was only a part of the one found now, such as the legs."""
        recent = person.frames < 0.7 * self.fps
        return recent and person.sight.size < 0.75 * whole.size and _share_inside(person.sight.box, whole.box) > 0.6

    def _land_newcomer(self, found: Found, image: Pyramid) -> _Sight | None:
        """Twice: the second time in the square around the keypoints of the first, which fits better."""
        first = self._landed(image, found.roi, self.config.kept_presence)
        if first is None:
            return None
        return self._landed(image, first.landed.next_roi, self.config.new_presence)

    def follow_newcomers_back(self, followed: list[_Person], frames: Sequence[_Frame]) -> None:
        """Follows newcomers backwards once they have lasted: ghosts seldom do, and a second of frames is dear."""
        for person in followed:
            lasted = person.confirmed > 0.6 or (person.frames >= 4 and person.checks > 0)
            if person.arrival is not None and lasted:
                self._follow_back(person.arrival, [frame for frame in frames if frame.number < person.arrival.number])
                person.arrival = None

    def _follow_back(self, arrival: _Arrival, frames: Sequence[_Frame]) -> None:
        """Adds someone to the frames before the arrival, the last first, as far back as the person can be seen."""
        person = _Person(arrival.sight, arrival.sight.looks, confirmed=arrival.score)
        for frame in reversed(frames):
            sight = self._landed(frame.pyramid, person.roi(), self.config.kept_presence)
            if sight is None or any(_same(sight, other) or _is_part(sight, other) for other in frame.people):
                return
            person.seen(sight)
            frame.people.append(person.sight)

    def _squares(self, image: Pyramid) -> list[Roi]:
        """The squares to search in this frame: all at the very first, then some in turn."""
        every = search_squares(image.width, image.height)
        count = (
            len(every) if self.turn == 0 else math.ceil(len(every) / max(1.0, self.config.search_seconds * self.fps))
        )
        chosen = [every[(self.turn + i) % len(every)] for i in range(min(count, len(every)))]
        self.turn += count
        return chosen


def _sight(landed: Landed | None, presence: float, image: Pyramid) -> _Sight | None:
    """What was landed, where it is sure enough and can be a body."""
    if landed is None or landed.presence < presence or not _is_plausible(landed, image):
        return None
    picture, scale = image.base()
    looks = looks_of(picture, landed.points * np.append(scale, 1), MEDIAPIPE_33)
    return _Sight(landed, looks, body_box(landed.points, image.width, image.height))


def search_squares(width: int, height: int) -> list[Roi]:
    """The whole frame, squares as high as it, and squares half as high, overlapping; neighbours are far in the list."""
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


def _is_near(a: Roi, b: Roi) -> bool:
    """Whether two squares may be of the same person."""
    return _apart(a, b) < 0.3 and 0.5 < a.side / b.side < 2


def _nearest(roi: Roi, people: list[_Person]) -> _Person | None:
    """Whom a square found by the detector network fits best."""
    return min(people, key=lambda p: _apart(roi, p.place) + abs(math.log(roi.side / p.place.side)), default=None)


def _is_near_to(person: _Person, sight: _Sight) -> bool:
    """Whether the sight can be where the person went; otherwise the landmark network has slipped onto someone else."""
    return _is_near(sight.landed.next_roi, person.roi())


def _is_known(found: Found, known: list[_Sight]) -> bool:
    """Whether this is only someone who is followed already; spares a run of the landmark network."""
    rois = [sight.landed.next_roi for sight in known]
    return any(_apart(found.roi, roi) < 0.12 and 0.67 < found.roi.side / roi.side < 1.5 for roi in rois)


def similarity(a: Float[np.ndarray, "k 3"], b: Float[np.ndarray, "k 3"], size: float) -> float:
    """How much two sets of keypoints are the same person's, 0 to 1 (in the manner of COCO's OKS, over all points)."""
    weight = np.clip(np.minimum(a[:, 2], b[:, 2]), 0.05, 1)
    distance = ((a[:, :2] - b[:, :2]) ** 2).sum(axis=1)
    return float((weight * np.exp(-distance / (2 * (0.1 * size) ** 2))).sum() / weight.sum())


def _same(a: _Sight, b: _Sight) -> bool:
    """Whether two sights in one frame are of one body."""
    roi_a, roi_b = a.landed.next_roi, b.landed.next_roi
    size, ratio = min(roi_a.side, roi_b.side) / 2.5, roi_a.side / roi_b.side
    return similarity(a.landed.points, b.landed.points, size) > 0.35 or (
        _apart(roi_a, roi_b) < 0.08 and 0.5 < ratio < 2
    )


def _is_part(a: _Sight, b: _Sight) -> bool:
    """Whether `a` is likely a part of the body `b` misread as a body: mostly inside it, and small or alike."""
    inside = _share_inside(a.box, b.box)
    return inside > 0.6 and (a.size < 0.75 * b.size or float(likeness(a.looks, b.looks)) > 0.7)


def _share_inside(a: Float[np.ndarray, "4"], b: Float[np.ndarray, "4"]) -> float:
    """The share of box `a` that lies in box `b`."""
    shared = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(shared / max((a[2:] - a[:2]).prod(), 1e-6))


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
    sights = [_Sight(_landed(last, i), last.looks[i].numpy(), last.boxes[i].double().numpy()) for i in range(len(last))]
    return [_Person(sight, sight.looks) for sight in sights]


def _landed(rows: Detections, row: int) -> Landed:
    points = rows.keypoints[row].numpy().astype(float)
    left, top, right, bottom = rows.boxes[row].tolist()
    hips = points[[23, 24], :2].mean(axis=0)
    up = points[[11, 12], :2].mean(axis=0) - hips
    roi = Roi(float(hips[0]), float(hips[1]), 1.25 * max(right - left, bottom - top), math.atan2(up[0], -up[1]))
    world = rows.world[row].numpy().astype(float) if rows.world is not None else np.zeros((33, 3))
    return Landed(float(rows.scores[row]), points, world, roi)
