"""People moving over a floor, in world axes, and the same as a camera sees them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel, Posed
from anthropose.skeleton import SMPL_24
from anthropose.synthetic.gait import Leg, footing, pelvis_height, reach_feet
from anthropose.synthetic.route import Route
from anthropose.synthetic.turns import about_x, about_y, about_z

Curve = Callable[[Float[np.ndarray, "n"]], Float[np.ndarray, "n"]]
"""A quantity over the seconds."""

ARMS_DOWN = np.radians(72)
"""From the T-pose to arms that hang [rad]."""

WAVING_LIFT, WAVING_TWIST, WAVING_ELBOW, WAVING_SWING = np.radians([22, 85, 72, 28])
"""An upper arm above the horizontal, turned so that the elbow bends upwards; the elbow, and its swing [rad]."""

WAVES = 1.7
"""Times a second that a waving hand goes to and fro."""


@dataclass(frozen=True)
class Part:
    """What a person does: the way to walk, and what is done on it, as shares from 0 to 1 over the seconds."""

    route: Route
    wave: Curve
    """How far the right arm is raised to wave."""
    crouch: Curve
    """How far the person is down in a squat, its arms stretched forward."""


@dataclass(frozen=True)
class Performance:
    """A body moving through the world: y up, the floor at y = 0, metres."""

    fps: float
    betas: Float[Tensor, "10"]
    rotations: Float[Tensor, "n 24 3 3"]
    """Relative to the parent; the root's relative to the world."""
    pelvis: Float[Tensor, "n 3"]
    """The pelvis joint [m]."""

    def __len__(self) -> int:
        return len(self.pelvis)

    def posed(self, body: BodyModel, start: int = 0, stop: int | None = None) -> Posed:
        """The body in some of the frames, in the world."""
        rows = slice(start, stop)
        shaped = body.shaped(self.betas)
        return shaped.posed(self.rotations[rows], self.pelvis[rows] - shaped.joints[0])


def perform(part: Part, body: BodyModel, betas: Float[Tensor, "10"], seconds: float, fps: float) -> Performance:
    """A person of shape `betas` doing `part` for some seconds."""
    time = np.arange(round(seconds * fps)) / fps
    shaped = body.shaped(betas)
    rest, joints = shaped.vertices.double().numpy(), shaped.joints.double().numpy()
    legs = [Leg.of(body, rest, joints, side) for side in ("left", "right")]
    turns = upper_body(part, time)
    place = _place(part, time, legs)
    feet = [footing(leg, part.route, time, width=1.15 * abs(leg.hip[0])) for leg in legs]
    place[:, 1] = pelvis_height(legs, feet, place, turns["pelvis"], fps)
    place[:, 1] -= 0.52 * legs[0].length * part.crouch(time)
    for leg, foot in zip(legs, feet, strict=True):
        hip = place + turns["pelvis"] @ leg.hip
        bent = reach_feet(leg, foot, hip, turns["pelvis"])
        names = (f"{leg.side}_{name}" for name in ("hip", "knee", "ankle"))
        turns |= dict(zip(names, bent, strict=True)) | {f"{leg.side}_foot": foot.toes}
    rotations = np.tile(np.eye(3), (len(time), 24, 1, 1))
    for name, turn in turns.items():
        rotations[:, SMPL_24.index(name)] = turn
    return Performance(fps, betas, torch.from_numpy(rotations).float(), torch.from_numpy(place).float())


def _place(part: Part, time: np.ndarray, legs: list[Leg]) -> Float[np.ndarray, "n 3"]:
    """Where the pelvis is, but for its height: over the way, swaying to the foot that carries, back in a squat."""
    distance = part.route.distance(time)
    heading = part.route.heading(distance)
    sway = 0.022 * np.cos(2 * np.pi * part.route.phase(distance)) * _walking(part, distance)
    ahead = 0.03 - 0.28 * legs[0].length * part.crouch(time)
    place = np.zeros((len(time), 3))
    place[:, [0, 2]] = part.route.place(distance)
    place[:, 0] += sway * np.cos(heading) + ahead * np.sin(heading)
    place[:, 2] += ahead * np.cos(heading) - sway * np.sin(heading)
    return place


def _walking(part: Part, distance: np.ndarray) -> np.ndarray:
    return 1 - part.route.stopping(distance).clip(0, 1)


def upper_body(part: Part, time: Float[np.ndarray, "n"]) -> dict[str, Float[np.ndarray, "n 3 3"]]:
    """Rotations of everything above the legs, by joint; the pelvis's is in the world."""
    distance = part.route.distance(time)
    heading, cycle = part.route.heading(distance), 2 * np.pi * part.route.phase(distance)
    walking, crouch = _walking(part, distance), part.crouch(time)
    left_leads = -np.sin(cycle) * walking
    breath = np.radians(1.0) * np.sin(2 * np.pi * 0.27 * time)
    lean = np.radians(3) * walking + np.radians(14) * crouch + breath
    list_ = np.radians(3) * np.cos(cycle) * walking
    yaw = -np.radians(6) * left_leads
    turns = {"pelvis": about_y(heading + yaw) @ about_x(np.radians(22) * crouch) @ about_z(-list_)}
    for name in ("spine1", "spine2", "spine3"):
        turns[name] = about_y(-0.55 * yaw) @ about_x(lean / 3) @ about_z(list_ / 3)
    turns["neck"] = about_y(0.3 * yaw) @ about_x(-0.5 * lean - np.radians(12) * crouch)
    turns["head"] = about_y(0.35 * yaw) @ about_x(-0.5 * lean - np.radians(8) * crouch)
    return turns | _arms(left_leads, walking, part.wave(time), crouch, time)


def _arms(
    left_leads: np.ndarray, walking: np.ndarray, wave: np.ndarray, crouch: np.ndarray, time: np.ndarray
) -> dict[str, Float[np.ndarray, "n 3 3"]]:
    turns = {}
    for side, sign in (("left", 1), ("right", -1)):
        # Each arm swings against its leg, and bends more when it is ahead.
        ahead = -sign * left_leads
        raised = np.radians(26) * ahead + np.radians(4) * walking + np.radians(62) * crouch
        bend = np.radians(14) + np.radians(12) * (ahead + 1) / 2 * walking
        drop = np.full_like(time, ARMS_DOWN)
        twist = np.zeros_like(time)
        if side == "right":
            raised = raised * (1 - wave)
            bend = bend + wave * (WAVING_ELBOW + WAVING_SWING * np.sin(2 * np.pi * WAVES * time) - bend)
            drop = drop + wave * (-WAVING_LIFT - drop)
            twist = -wave * WAVING_TWIST
        turns[f"{side}_collar"] = about_z(-0.12 * sign * drop)
        turns[f"{side}_shoulder"] = about_x(-raised) @ about_z(-0.88 * sign * drop) @ about_x(twist)
        turns[f"{side}_elbow"] = about_y(-sign * bend)
    return turns
