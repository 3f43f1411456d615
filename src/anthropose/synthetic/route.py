"""Where a person walks, when, and in which steps: closed routes over the floor.

World axes: y up, z towards a viewer in front, x to that viewer's right; metres. The floor is y = 0. A person with
heading 0 faces the viewer.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline, PchipInterpolator

STRIDE = 1.3
"""Length of a cycle of two steps on a straight way [m]."""

SHORTEST = 0.42
"""Share of it that is left close to a stop."""


class Waypoint(NamedTuple):
    """A place on the floor that a person comes to, and may stay at for a while."""

    seconds: float
    x: float
    z: float
    stay: float = 0.0
    """[s]"""


@dataclass(frozen=True)
class Route:
    """A closed way through some places, walked round after round.

    A phase counts the cycles of the gait: the left foot is under the body at whole phases, the right one half a cycle
    later. A person stays at phases where both feet are down.
    """

    waypoints: tuple[Waypoint, ...]
    period: float
    """Seconds of a round."""

    def distance(self, seconds: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """How far along the way the person is [m]; grows from round to round."""
        rounds, within = np.divmod(seconds, self.period)
        return self._pace(within) + rounds * self.length

    def place(self, distance: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n 2"]:
        """x and z [m]."""
        curve = self._curve
        return np.stack([np.interp(distance % self.length, curve[:, 0], curve[:, axis]) for axis in (1, 2)], axis=-1)

    def heading(self, distance: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """The direction of the way [rad], from z towards x; continuous over the rounds."""
        return self._along(distance, self._headings)

    def phase(self, distance: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """Cycles of the gait since the start of the way."""
        return self._along(distance, self._phases)

    def distance_at(self, phase: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """How far along the way the gait is at `phase` [m]."""
        rounds, within = np.divmod(phase, self._phases[-1])
        return np.interp(within, self._phases, self._curve[:, 0]) + rounds * self.length

    def stopping(self, distance: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """One where the person stays, falling to zero about a step away from there."""
        away = (distance[..., None] - self._stops + self.length / 2) % self.length - self.length / 2
        return np.exp(-((away / 0.3) ** 2)).sum(-1)

    @property
    def length(self) -> float:
        """Of a round [m]."""
        return float(self._curve[-1, 0])

    def _along(self, distance: np.ndarray, values: np.ndarray) -> np.ndarray:
        rounds, within = np.divmod(distance, self.length)
        return np.interp(within, self._curve[:, 0], values) + rounds * (values[-1] - values[0])

    @cached_property
    def _chords(self) -> np.ndarray:
        """Distances between the waypoints as the crow flies, summed up."""
        places = np.array([(w.x, w.z) for w in (*self.waypoints, self.waypoints[0])])
        return np.r_[0, np.linalg.norm(np.diff(places, axis=0), axis=1).cumsum()]

    @cached_property
    def _curve(self) -> np.ndarray:
        """Distance, x, z and the chord parameter at points 5 mm apart."""
        places = np.array([(w.x, w.z) for w in (*self.waypoints, self.waypoints[0])])
        chord = np.linspace(0, self._chords[-1], int(self._chords[-1] / 0.005))
        fine = CubicSpline(self._chords, places, bc_type="periodic")(chord)
        distance = np.r_[0, np.linalg.norm(np.diff(fine, axis=0), axis=1).cumsum()]
        return np.column_stack([distance, fine, chord])

    @cached_property
    def _arrivals(self) -> np.ndarray:
        """Distance along the way of each waypoint, and of the first again."""
        return np.interp(self._chords, self._curve[:, 3], self._curve[:, 0])

    @cached_property
    def _stops(self) -> np.ndarray:
        return np.array([d for w, d in zip(self.waypoints, self._arrivals[:-1], strict=True) if w.stay > 0])

    @cached_property
    def _headings(self) -> np.ndarray:
        places = self._curve[:, 1:3]
        # The curve is closed, so that the neighbours of its ends are on both sides of them.
        step = np.gradient(np.concatenate([places[-2:-1], places, places[1:2]]), axis=0)[1:-1]
        return np.unwrap(np.arctan2(step[:, 0], step[:, 1]))

    @cached_property
    def _phases(self) -> np.ndarray:
        """Cycles at the points of the curve: steps are shorter in bends and next to stops."""
        distance = self._curve[:, 0]
        bend = np.abs(np.gradient(self._headings, distance))
        stride = STRIDE * (1 - (1 - SHORTEST) * self.stopping(distance).clip(0, 1)) / (1 + 0.2 * bend)
        free = np.r_[0, np.cumsum(np.diff(distance) / stride[1:])]
        at_stops = np.interp(self._stops, distance, free)
        wanted = np.r_[0, np.round(2 * at_stops - 0.5) / 2 + 0.25, np.round(free[-1])]
        return PchipInterpolator(np.r_[0, at_stops, free[-1]], wanted)(free)

    @cached_property
    def _pace(self) -> PchipInterpolator:
        """Distance over time, with the rounds before and after, so that the pace is even where rounds meet."""
        keys = [
            (w.seconds + late + self.period * r, d + self.length * r)
            for r in (-1, 0, 1)
            for w, d in zip(self.waypoints, self._arrivals[:-1], strict=True)
            for late in ((0.0, w.stay) if w.stay > 0 else (0.0,))
        ]
        return PchipInterpolator(*np.array(keys).T)
