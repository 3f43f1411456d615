"""The rules by which the people of a frame are kept, lost and found."""

import math
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from anthropose.people.mediapipe_models import Found, Landed, PoseWorkers, Pyramid, Roi
from anthropose.people.mediapipe_pose.people import (
    Arrival,
    Person,
    Sight,
    is_known,
    is_near,
    is_near_to,
    is_part,
    is_same,
    nearest,
    share_inside,
    sight_of,
)


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


@dataclass
class Frame:
    """A frame that is still open: newcomers of later frames may be followed back into it."""

    number: int
    pyramid: Pyramid
    people: list[Sight] = field(default_factory=list)
    searching: list[Future[list[Found]]] | None = None
    """What the detector network sees in the squares whose turn it is, to be waited for; None before it is asked."""
    landing: dict[Person, Future[Landed | None]] = field(default_factory=dict)
    """What the landmark network makes of people where they should be, to be waited for."""


@dataclass(frozen=True)
class Begun:
    """What the networks are asked about the people of a frame, to be waited for."""

    landing: list[Future[Landed | None]]
    """One for each person followed."""
    checking: list[tuple[Person, Future[list[Found]]]]
    """The surroundings of those whose turn it is."""


class Search:
    """The rules by which people are kept, lost and found; holds only the turn of the squares."""

    def __init__(self, config: MediapipeConfig, workers: PoseWorkers, fps: float) -> None:
        self.config, self.workers, self.fps = config, workers, fps
        self.turn = 0.0
        """Squares that have had their turn."""

    def begin(self, followed: list[Person], coming: Sequence[Frame]) -> Begun:
        """Asks about the people in the first of the coming frames, and begins to search all of them.

        What is searched for depends on nothing but the turn, so that the networks can be kept busy with it while people
        are landed one after the other.
        """
        image = coming[0].pyramid
        self.land_all(followed, coming[0])
        landing = [coming[0].landing[person] for person in followed]
        due = [p for p in followed if p.lost == 0 and self._is_due(p)]
        checking = [(p, self.workers.find(image, replace(p.roi(), side=1.4 * p.roi().side, turn=0.0))) for p in due]
        for frame in coming:
            if frame.searching is None:
                squares = self._squares(frame.pyramid)
                frame.searching = [self.workers.find(frame.pyramid, square, urgent=False) for square in squares]
        return Begun(landing, checking)

    def land_all(self, followed: list[Person], frame: Frame) -> None:
        """Begins to land everyone in a frame, but for those who are being landed there already.

        Once everyone has been followed in the frame before, nothing there moves them any more, so that this may be
        begun then: newcomers are looked at, and another frame is read, meanwhile.
        """
        for person in followed:
            if person not in frame.landing:
                frame.landing[person] = self.workers.land(frame.pyramid, person.roi())

    def _is_due(self, person: Person) -> bool:
        """Whether to ask the detector network about someone: the doubtful are asked about three times as often."""
        wait = self.config.confirm_seconds * (1 if person.confirmed > 0.6 else 1 / 3)
        return person.unchecked >= wait * self.fps

    def check(self, followed: list[Person], checking: list[tuple[Person, Future[list[Found]]]]) -> list[Found]:
        """Weighs what the detector network saw around people; removes those whom it has not seen for a while."""
        for person, around in checking:
            # What is nearer to someone else confirms that one, not a ghost beside.
            own = [f for f in around.result() if nearest(f.roi, followed) is person]
            person.checked(max((f.score for f in own if is_near(f.roi, person.place)), default=0.0))
        followed[:] = [p for p in followed if p.confirmed > self.config.least_confirmed]
        return [found for _, around in checking for found in around.result()]

    def follow(self, followed: list[Person], landing: list[Future[Landed | None]], image: Pyramid) -> None:
        """Sees everyone again; of two who come to lie on one body, only the one who was expected there is seen."""
        landed = [sight_of(future.result(), self.config.kept_presence, image) for future in landing]
        proposed = [(p, sight) for p, sight in zip(followed, landed, strict=True) if sight and is_near_to(p, sight)]
        proposed.sort(key=lambda pair: pair[0].surprise(pair[1]))
        seen: list[Person] = []
        for person, sight in proposed:
            if not any(is_same(sight, other.sight) for other in seen):
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

    def _count_parts(self, seen: list[Person]) -> None:
        for person in seen:
            older = [other.sight for other in seen if other.frames > person.frames]
            person.parts += any(is_part(person.sight, other) for other in older)

    def _is_part(self, person: Person) -> bool:
        """Whether someone has been a part of someone else most of the time: people in a crowd come from elsewhere."""
        return person.parts > max(0.3 * self.fps, 0.5 * person.frames)

    def _look_around(self, person: Person, seen: list[Person], image: Pyramid) -> None:
        """Looks around a lost person's last place with the detector network, which needs no square to start from."""
        around = person.roi()
        found = self.workers.find(image, replace(around, side=1.3 * around.side, turn=0.0)).result()
        others = [other.sight for other in seen]
        for candidate in found:
            if is_near(candidate.roi, around) and not is_known(candidate, others):
                sight = self._landed(image, candidate.roi, self.config.kept_presence)
                if sight and is_near_to(person, sight) and not any(is_same(sight, other) for other in others):
                    person.seen(sight)
                    seen.append(person)
                    return
        person.lost += 1

    def _landed(self, image: Pyramid, roi: Roi, presence: float) -> Sight | None:
        return sight_of(self.workers.land(image, roi).result(), presence, image)

    def newcomers(self, found: list[Found], followed: list[Person], image: Pyramid, number: int) -> None:
        """Adds those among the found who were not followed yet, as of frame `number`."""
        known = [p.sight for p in followed]
        if len(known) >= self.config.people:
            return
        candidates = [f for f in found if f.score >= self.config.found_score and not is_known(f, known)]
        candidates.sort(key=lambda f: -f.score)
        landing = [self.workers.land(image, candidate.roi) for candidate in candidates]
        for candidate, first in zip(candidates, landing, strict=True):
            known = [p.sight for p in followed]
            if len(known) >= self.config.people or is_known(candidate, known):
                continue
            sight = self._land_newcomer(first.result(), known, image)
            if sight is None or any(is_same(sight, other) or is_part(sight, other) for other in known):
                continue
            followed[:] = [p for p in followed if not self._was_part(p, sight)]
            newcomer = Person(sight, sight.looks, confirmed=candidate.score)
            newcomer.arrival = Arrival(number, sight, candidate.score)
            followed.append(newcomer)

    def _was_part(self, person: Person, whole: Sight) -> bool:
        """Whether someone found a moment ago was only a part of the one found now, such as the legs."""
        recent = person.frames < 0.7 * self.fps
        return recent and person.sight.size < 0.75 * whole.size and share_inside(person.sight.box, whole.box) > 0.6

    def _land_newcomer(self, landed: Landed | None, known: list[Sight], image: Pyramid) -> Sight | None:
        """Lands a second time, in the square around the keypoints of the first, which fits better.

        Who comes to lie on someone known the first time does so the second time too.
        """
        first = sight_of(landed, self.config.kept_presence, image)
        if first is None or any(is_same(first, other) for other in known):
            return None
        return self._landed(image, first.landed.next_roi, self.config.new_presence)

    def follow_newcomers_back(self, followed: list[Person], frames: Sequence[Frame]) -> None:
        """Follows newcomers backwards once they have lasted: ghosts seldom do, and a second of frames is dear."""
        for person in followed:
            lasted = person.confirmed > 0.6 or (person.frames >= 4 and person.checks > 0)
            if person.arrival is not None and lasted:
                self._follow_back(person.arrival, [frame for frame in frames if frame.number < person.arrival.number])
                person.arrival = None

    def _follow_back(self, arrival: Arrival, frames: Sequence[Frame]) -> None:
        """Adds someone to the frames before the arrival, the last first, as far back as the person can be seen."""
        person = Person(arrival.sight, arrival.sight.looks, confirmed=arrival.score)
        for frame in reversed(frames):
            sight = self._landed(frame.pyramid, person.roi(), self.config.kept_presence)
            if sight is None or any(is_same(sight, other) or is_part(sight, other) for other in frame.people):
                return
            person.seen(sight)
            frame.people.append(person.sight)

    def _squares(self, image: Pyramid) -> list[Roi]:
        """The squares to search in this frame: all at the very first, then some in turn."""
        every = search_squares(image.width, image.height)
        # Rounded up to halves: at 24 frames a second, 28 squares are one and two in turn.
        share = math.ceil(2 * len(every) / max(1.0, self.config.search_seconds * self.fps)) / 2
        begin, self.turn = math.floor(self.turn), self.turn + (share if self.turn else len(every))
        end = min(math.floor(self.turn), begin + len(every))
        return [every[number % len(every)] for number in range(begin, end)]


@lru_cache
def search_squares(width: int, height: int) -> tuple[Roi, ...]:
    """The whole frame, squares as high as it, and squares half as high, overlapping; neighbours are far in the list."""
    squares = []
    for side in (min(width, height), min(width, height) / 2):
        columns, rows = (_places(length, side) for length in (width, height))
        squares += [Roi(x, y, side, 0.0) for y in rows for x in columns]
    stride = next(s for s in (5, 3, 7, 1) if math.gcd(s, len(squares)) == 1)
    mixed = [squares[i * stride % len(squares)] for i in range(len(squares))]
    whole = Roi(width / 2, height / 2, max(width, height), 0.0)
    # The whole frame comes up every fourth time, since most newcomers are of ordinary size.
    return tuple(s for i, square in enumerate(mixed) for s in ((whole, square) if i % 3 == 0 else (square,)))


def _places(length: float, side: float) -> list[float]:
    """Centres of squares that cover `length`, each sharing at least two fifths with the next."""
    count = 1 + math.ceil((length - side) / (0.6 * side) - 1e-6)
    return [float(c) for c in np.linspace(side / 2, length - side / 2, count)] if count > 1 else [length / 2]
