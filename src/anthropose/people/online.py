"""The follower for live use: who is who is said frame by frame, and never taken back.

It is the first pass of `follow` with a longer memory; whoever turns up elsewhere than expected is joined to someone
missing as in the second pass, but without a look ahead. Where frames come slowly (a busy machine), a person is missing
only in frames that were looked at, not in the time between them.
"""

from dataclasses import dataclass, replace

from anthropose.people.detections import Detections
from anthropose.people.follow import FollowConfig, Piece, Sight, assigned, begun, continues, resumed, sights_of

TICKS = 1000
"""Per second: live frames come unevenly, so that their times, not their numbers, are what is counted in."""
KEPT = 8
"""Sights of each person that are kept; expectations need the last one only, and a camera runs for days."""


@dataclass(frozen=True)
class OnlineConfig:
    """What a live follower does otherwise than one that has the whole video before it."""

    memory_seconds: float = 1.5
    """How long someone missing keeps the number."""
    memory_frames: int = 5
    """And in how many frames at least."""
    reach_seconds: float = 4.0
    """How far someone may have gone grows with the time for so long."""
    sure_seconds: float = 0.2
    """How long someone must have been seen before getting a number: ghosts are shorter."""
    sure_sights: int = 3
    """And in how many frames."""
    least_mean_score: float = 0.5
    """And with what mean score."""


@dataclass
class _Someone:
    """A piece that is being followed, and what decides on its number."""

    piece: Piece
    begin: int
    """Ticks."""
    sights: int = 1
    missed: int = 0
    """Frames since the last sight."""
    scores: float = 0.0
    person: int | None = None


class OnlineFollower:
    """Gives the detections of each frame to the persons known so far, or to new ones."""

    def __init__(self, size: tuple[int, int], config: OnlineConfig = OnlineConfig()) -> None:
        """
        Args:
            size: width and height of the pictures [px].
        """
        self.size, self.config = size, config
        self._rules = replace(FollowConfig(), memory_seconds=config.memory_seconds)
        self._known: list[_Someone] = []
        self._given = 0

    @property
    def persons(self) -> set[int]:
        """The numbers of those who are expected back, if they are not there."""
        return {one.person for one in self._known if one.person is not None}

    def step(self, found: Detections, seconds: float) -> list[tuple[int, int]]:
        """The persons seen in a frame: number, and row of `found`. Numbers count from 0 in the order of appearance.

        Args:
            found: the detections of this frame alone.
            seconds: its time, later than that of the frame before.
        """
        tick = round(seconds * TICKS)
        sights = [replace(sight, frame=tick) for sight in sights_of(found, self.size)]
        self._known = [one for one in self._known if self._is_remembered(one, tick)]
        sure = [sight for sight in sights if sight.score >= self._rules.sure_score]
        doubtful = [sight for sight in sights if sight.score < self._rules.sure_score]
        free = assigned([one.piece for one in self._known], sure, TICKS, self._rules)
        missing = [one.piece for one in self._known if one.piece.last.frame < tick]
        assigned(missing, doubtful, TICKS, self._rules)
        self._known += [_Someone(begun(sight, self._rules), tick) for sight in self._not_returned(free, tick)]
        return self._seen_now(tick)

    def _seen_now(self, tick: int) -> list[tuple[int, int]]:
        seen = []
        for one in self._known:
            last = one.piece.last
            if last.frame != tick:
                one.missed += 1
                continue
            one.missed = 0
            del one.piece.sights[:-KEPT]
            one.sights += last.frame != one.begin
            one.scores += last.score
            if one.person is None and self._is_sure(one, tick):
                one.person, self._given = self._given, self._given + 1
            if one.person is not None:
                seen.append((one.person, last.row))
        return sorted(seen)

    def _is_remembered(self, one: _Someone, tick: int) -> bool:
        recent = one.piece.last.frame >= tick - self.config.memory_seconds * TICKS
        return recent or one.missed < self.config.memory_frames

    def _not_returned(self, sights: list[Sight], tick: int) -> list[Sight]:
        """Gives sights to those who are still missing and may be there by now, the likeliest pair first.

        Returns:
            The sights left over, of people who are new.
        """
        left = [begun(sight, self._rules) for sight in sights]
        missing = [one.piece for one in self._known if one.piece.last.frame < tick]
        while left and missing:
            table = [[continues(one, new, TICKS, self.config.reach_seconds) for new in left] for one in missing]
            best = max(max(row) for row in table)
            if best < self._rules.least_similarity:
                break
            row = next(index for index, likely in enumerate(table) if best in likely)
            resumed(missing.pop(row), left.pop(table[row].index(best)))
        return [new.last for new in left]

    def _is_sure(self, one: _Someone, tick: int) -> bool:
        long_enough = tick - one.begin >= self.config.sure_seconds * TICKS and one.sights >= self.config.sure_sights
        return long_enough and one.scores >= self.config.least_mean_score * one.sights
