"""The parts that are played in made-up clips: who walks where, and does what, when.

The viewer stands at x = 0, z = 0 and looks towards negative z.
"""

import numpy as np
from jaxtyping import Float

from anthropose.synthetic.performance import Curve, Part
from anthropose.synthetic.route import Route, Waypoint

PERIOD = 12.0
"""Seconds after which the parts repeat."""


def parts(seed: int) -> list[Part]:
    """Three parts that can be played together: one comes, waves and goes; one crosses behind and squats; one strolls.

    Places differ by some decimetres from seed to seed.
    """
    rng = np.random.default_rng(seed)
    comes = Route(
        _moved(
            rng,
            *((0.0, -1.0, -6.9), (1.2, -0.1, -5.9), (2.4, 0.0, -4.75, 1.4), (4.7, 0.35, -4.25), (5.5, 1.1, -4.75)),
            *((7.0, 1.2, -6.2), (8.9, 0.1, -7.7), (10.5, -1.3, -7.7)),
        ),
        PERIOD,
    )
    crosses = Route(
        _moved(
            rng,
            *((0.0, 1.8, -6.7), (1.4, 0.4, -6.8), (2.7, -0.9, -6.2), (3.9, -1.1, -5.1, 2.0)),
            *((7.7, 0.4, -4.7), (9.3, 1.9, -4.9), (10.7, 2.5, -5.8)),
        ),
        PERIOD,
    )
    strolls = Route(
        _moved(
            rng,
            *((0.0, 0.2, -9.1), (2.0, 1.7, -8.9), (2.9, 2.2, -8.3), (3.8, 1.7, -7.7)),
            *((6.0, 0.0, -7.5), (8.2, -1.7, -7.7), (9.1, -2.2, -8.3), (10.0, -1.7, -8.9)),
        ),
        PERIOD,
    )
    return [
        Part(comes, wave=_between(2.0, 3.8), crouch=_never),
        Part(crosses, wave=_never, crouch=_between(4.1, 5.8, ease=0.7)),
        Part(strolls, wave=_never, crouch=_never),
    ]


def _moved(rng: np.random.Generator, *places: tuple[float, ...]) -> tuple[Waypoint, ...]:
    """Waypoints of time, x, z and stay, each put elsewhere by a decimetre or so."""
    shifts = rng.uniform(-0.12, 0.12, (len(places), 2))
    return tuple(
        Waypoint(seconds, x + dx, z + dz, *stay)
        for (seconds, x, z, *stay), (dx, dz) in zip(places, shifts.tolist(), strict=True)
    )


def _never(seconds: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    return np.zeros_like(seconds)


def _between(start: float, end: float, ease: float = 0.45) -> Curve:
    """A share that rises from 0 to 1 after `start` and falls again before `end`, in every round."""

    def share(seconds: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        within = seconds % PERIOD
        ramp = np.minimum((within - start) / ease, (end - within) / ease).clip(0, 1)
        return ramp**3 * (10 - 15 * ramp + 6 * ramp**2)

    return share
