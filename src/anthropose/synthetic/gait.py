"""Legs that walk without sliding: footprints along a route, and legs bent to reach them.

Feet are planted where the route says; a foot that is down turns about its heel, rests, then turns about its ball. The
hips and knees follow by inverse kinematics, and the pelvis goes as high as both legs allow.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d, minimum_filter1d

from anthropose.body.model import BodyModel
from anthropose.skeleton import PICKED_21, SMPL_24
from anthropose.synthetic.route import Route
from anthropose.synthetic.turns import about_x, about_y, frame, unit

STANCE = 0.31
"""Half the share of a cycle for which a foot is down."""

FLAT_FROM, FLAT_TO = -0.21, 0.08
"""Phases, from the middle of the stance, between which the foot rests flat."""

STRIKE, PUSH = np.radians(16), np.radians(-32)
"""How far the toes point up when the heel comes down, and down when the ball leaves the floor [rad]."""

CLEARANCE = 0.03
"""Height of the lowest part of a foot above the floor in mid-swing [m]."""

REACH = 0.995
"""Share of its full length to which a leg may stretch."""


@dataclass(frozen=True)
class Leg:
    """One leg at rest, in the body's axes [m]."""

    side: Literal["left", "right"]
    hip: Float[np.ndarray, "3"]
    """From the pelvis joint."""
    thigh: Float[np.ndarray, "3"]
    shank: Float[np.ndarray, "3"]
    heel: Float[np.ndarray, "3"]
    """Where the heel touches the floor, from the ankle."""
    ball: Float[np.ndarray, "3"]
    """The joint of the toes, from the ankle."""
    tip: Float[np.ndarray, "3"]
    """The end of the toes on the floor, from the joint of the toes."""

    @classmethod
    def of(cls, body: BodyModel, rest: Float[np.ndarray, "v 3"], joints: Float[np.ndarray, "24 3"], side: str) -> "Leg":
        """The leg of a person whose rest surface and joints are given."""
        hip, knee, ankle, ball = (joints[SMPL_24.index(f"{side}_{part}")] for part in ("hip", "knee", "ankle", "foot"))
        heel = rest[body.picked[PICKED_21.split().index(f"{side}_heel")]] - ankle
        toes = rest[body.skinning[:, SMPL_24.index(f"{side}_foot")].numpy() > 0.5]
        floor = rest[:, 1].min()
        return cls(
            side="left" if side == "left" else "right",
            hip=hip - joints[0],
            thigh=knee - hip,
            shank=ankle - knee,
            heel=np.array([heel[0], floor - ankle[1], heel[2]]),
            ball=ball - ankle,
            tip=np.array([0.0, floor - ball[1], toes[:, 2].max() - ball[2]]),
        )

    @property
    def length(self) -> float:
        """From hip to ankle at most [m]."""
        return REACH * float(np.linalg.norm(self.thigh + self.shank))


@dataclass(frozen=True)
class Footing:
    """One foot over the frames."""

    ankle: Float[np.ndarray, "n 3"]
    """In the world [m]."""
    foot: Float[np.ndarray, "n 3 3"]
    """The foot's rotation in the world."""
    toes: Float[np.ndarray, "n 3 3"]
    """The toes' rotation relative to the foot."""
    down: Bool[np.ndarray, "n"]
    """Whether some of the foot is on the floor."""


def footing(leg: Leg, route: Route, seconds: Float[np.ndarray, "n"], width: float) -> Footing:
    """The steps of one foot along a route; `width` is the distance of each footprint from the middle of the way [m]."""
    distance = route.distance(seconds)
    late = 0.0 if leg.side == "left" else 0.5
    phase = route.phase(distance) - late
    step = np.round(phase)
    since = phase - step
    down = np.abs(since) <= STANCE
    walking = 1 - route.stopping(distance).clip(0, 1)
    before = np.where(down | (since < 0), step - 1, step) + np.where(down, 1, 0)
    swing = np.where(down, 0.0, ((phase - before) - STANCE) / (1 - 2 * STANCE))
    from_turn, from_place = _footprint(leg, route, before + late, width)
    to_turn, to_place = _footprint(leg, route, before + 1 + late, width)
    pitch = np.where(down, _stance_pitch(since), PUSH + (STRIKE - PUSH) * _ease(swing, 0.0, 0.0)) * walking
    rising = _ankle(leg, from_place, from_turn, np.where(down, pitch, PUSH * walking))
    landing = _ankle(leg, to_place, to_turn, STRIKE * walking)
    share = _ease(swing, 0.15, 0.1)[:, None]
    ankle = rising + share * (landing - rising)
    turn = from_turn + _ease(swing, 0.0, 0.0) * (to_turn - from_turn)
    foot = about_y(turn) @ about_x(-pitch)
    toes = about_x(np.where(down, pitch, PUSH * walking * (1 - _ease((2 * swing).clip(0, 1), 0.0, 0.0))).clip(None, 0))
    clear = _least_height(leg, foot, toes) + CLEARANCE * np.sin(np.pi * swing)
    ankle[:, 1] = np.where(down, ankle[:, 1], clear)
    return Footing(ankle, foot, toes, down)


def _footprint(leg: Leg, route: Route, phase: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Heading of a foot that rests flat, and the place of its ankle."""
    distance = route.distance_at(phase)
    turn, side = route.heading(distance), 1 if leg.side == "left" else -1
    wide = side * width * (1 + 0.7 * route.stopping(distance).clip(0, 1))
    x, z = np.moveaxis(route.place(distance), -1, 0)
    toes_out = turn + side * np.radians(6)
    return toes_out, np.stack([x + wide * np.cos(turn), np.full_like(x, -leg.heel[1]), z - wide * np.sin(turn)], -1)


def _ankle(leg: Leg, flat: np.ndarray, turn: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """The ankle of a planted foot whose toes point up by `pitch`: it turns about the heel, or else about the ball."""
    pivot = np.where(pitch[:, None] > 0, leg.heel, leg.ball)
    straight, tilted = about_y(turn), about_y(turn) @ about_x(-pitch)
    return flat + ((straight - tilted) @ pivot[..., None])[..., 0]


def _least_height(leg: Leg, foot: np.ndarray, toes: np.ndarray) -> np.ndarray:
    """How high the ankle must be for heel, ball and toes to be on the floor or above it."""
    below = np.array([leg.ball[0], leg.heel[1], leg.ball[2]])
    tip = leg.ball + toes @ leg.tip
    lowest = np.stack([foot @ leg.heel, foot @ below, (foot @ tip[..., None])[..., 0]])
    return -lowest[..., 1].min(0)


def _stance_pitch(since: np.ndarray) -> np.ndarray:
    strike = STRIKE * _ease(((FLAT_FROM - since) / (FLAT_FROM + STANCE)).clip(0, 1), 0.0, 1.0)
    push = PUSH * _ease(((since - FLAT_TO) / (STANCE - FLAT_TO)).clip(0, 1), 0.0, 1.0)
    return strike + push


def _ease(share: np.ndarray, start: float, end: float) -> np.ndarray:
    """A smooth way from 0 to 1 with the given slopes at both ends."""
    return (start + end - 2) * share**3 + (3 - 2 * start - end) * share**2 + start * share


def pelvis_height(
    legs: list[Leg],
    feet: list[Footing],
    place: Float[np.ndarray, "n 3"],
    pelvis: Float[np.ndarray, "n 3 3"],
    fps: float,
) -> Float[np.ndarray, "n"]:
    """The greatest height [m] of the pelvis at which both legs reach their feet, smooth over time."""
    highest = np.full(len(place), np.inf)
    for leg, foot in zip(legs, feet, strict=True):
        hip = pelvis @ leg.hip
        apart = (place + hip - foot.ankle)[:, [0, 2]]
        upright = np.sqrt((leg.length**2 - (apart**2).sum(-1)).clip(0.01))
        highest = np.minimum(highest, foot.ankle[:, 1] + upright - hip[:, 1])
    # Averages of minima over at least the same span stay below the original.
    span = max(1, round(0.07 * fps))
    return gaussian_filter1d(minimum_filter1d(highest, 2 * span + 1), span / 2, truncate=2)


def reach_feet(
    leg: Leg, foot: Footing, hip: Float[np.ndarray, "n 3"], pelvis: Float[np.ndarray, "n 3 3"]
) -> tuple[Float[np.ndarray, "n 3 3"], ...]:
    """Rotations of hip, knee and ankle, each relative to its parent, that put the ankle where the foot needs it."""
    towards = foot.ankle - hip
    bend = _knee_bend(leg, np.linalg.norm(towards, axis=-1))
    knee = about_x(bend)
    straight = leg.thigh + knee @ leg.shank
    # The knee points where pelvis and foot point on average.
    ahead = unit(pelvis[..., 2]) + unit(foot.foot[..., 2])
    thigh = frame(towards, ahead) @ frame(straight, np.broadcast_to([0.0, 0.0, 1.0], straight.shape)).swapaxes(-1, -2)
    return (
        pelvis.swapaxes(-1, -2) @ thigh,
        knee,
        (thigh @ knee).swapaxes(-1, -2) @ foot.foot,
    )


def _knee_bend(leg: Leg, distance: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """The knee's angle [rad] at which the ankle is so far from the hip: the square of that is linear in its cosine."""
    (tx, ty, tz), (sx, sy, sz) = leg.thigh, leg.shank
    constant = leg.thigh @ leg.thigh + leg.shank @ leg.shank + 2 * tx * sx
    cosine, sine = 2 * (ty * sy + tz * sz), 2 * (tz * sy - ty * sz)
    share = (distance**2 - constant) / np.hypot(cosine, sine)
    return np.arctan2(sine, cosine) + np.arccos(share.clip(-1, 1))
