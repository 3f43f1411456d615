"""What people do all day and motion capture seldom has: they sit, type, stand about, phone, kneel, lie down, get up.

`everyday_captures(body, seed)` makes up such motions, as `read_captures` reads recorded ones. Each is a chain of
stances with the hands here and there (`stances`, `arms`), between which people move with the least jerk (Flash and
Hogan, J. Neurosci. 5, 1985); hands and feet are put in their places by the geometry of the limbs (`limbs`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.datasets.mocap.captures import Capture, changed_rest, rest_change, steady_signs
from anthropose.datasets.mocap.everyday.arms import either_way, held
from anthropose.datasets.mocap.everyday.limbs import Puppet, Stances
from anthropose.datasets.mocap.everyday.stances import STANCES, Legs, Lower, Numbers
from anthropose.datasets.mocap.limits import LIMITED, clamped
from anthropose.geometry.rotations import rotmat_to_quat
from anthropose.skeleton import SMPL_24

EVERYDAY = "everyday"
"""The folder that made-up motions count as."""
RATE = 30.0
"""Frames per second."""
COUNT = 160
"""Motions of about eight seconds each that are made; some of them are left out."""
SCRIPTS: tuple[tuple[tuple[str, ...], float], ...] = (
    (("stand",), 6), (("stand", "stand"), 3), (("sit",), 6), (("sit", "sit"), 2), (("stand", "sit"), 2),
    (("sit", "stand"), 2), (("stand", "sit", "stand"), 2), (("stand", "squat", "stand"), 2), (("squat", "stand"), 1),
    (("stand", "bend", "stand"), 2), (("bend", "stand"), 1), (("stand", "lunge", "stand"), 1), 
    (("lunge", "lunge"), 0.5), (("stand", "one knee", "stand"), 1.2), (("one knee", "kneel"), 0.8), (("kneel",), 1),
    (("floor",), 1.2),
    (("floor", "lie"), 0.7), (("lie", "floor"), 0.7), (("kneel", "all fours", "kneel"), 0.5),
    (("all fours", "plank", "plank", "plank", "plank", "all fours"), 0.7), (("stand", *["step"] * 10), 1.5),
)  # fmt: skip
"""Chains of stances, and how often each is played."""
BRISK = ("step", "plank")
"""Stances that nobody stays in."""
FASTEST = 0.44
"""What no joint turns by in a frame [rad]: 750 degrees a second."""
FLESH = {"knee": 0.05, "pelvis": 0.09, "hand": 0.02, "wrist": 0.03, "head": 0.09, "spine2": 0.09, "elbow": 0.04,
         "foot": 0.015, "shoulder": 0.06}  # fmt: skip
"""How far joints are at least above the floor [m]."""


@dataclass(frozen=True)
class Key:
    """A stance that somebody takes up and keeps for a while."""

    values: Lower
    moving: float
    """How long it takes to get there [s]."""
    staying: float


def everyday_captures(body: BodyModel, seed: int, count: int = COUNT) -> list[Capture]:
    """Made-up motions of everyday life for the rest pose of `body`; the same for the same seed, some less than `count`.

    Feet, hands and knees that carry somebody are on the floor y = 0, also while everything else moves.
    """
    made = _made_up(tuple(body.rest_joints[0].flatten().tolist()), seed, count)
    change = rest_change(body)
    return [
        Capture(
            f"{EVERYDAY}_{seed}_{k}", EVERYDAY, "made up", title, RATE, steady_signs(changed_rest(turns, change)), at
        )
        for k, (title, turns, at) in enumerate(made)
    ]


@lru_cache(4)
def _made_up(rest: tuple[float, ...], seed: int, count: int) -> Sequence[tuple[str, Tensor, Tensor]]:
    """Of each motion what is done, rotations for the straight rest pose, and where the pelvis is.

    Where a hand passes close to the line on which its elbow would change sides, the arm would turn over within a frame
    or two; motions in which one does are left out, about a fifth.

    Args:
        rest: the joints of the body at rest, flattened; a few sources over one body make the motions once.
    """
    puppet = Puppet(torch.tensor(rest).unflatten(0, (24, 3)))
    titles, motions = [], []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        script = SCRIPTS[rng.choice(len(SCRIPTS), p=np.array([share for _, share in SCRIPTS]) / _TOTAL)][0]
        titles.append(" ".join(dict.fromkeys(script)))
        motions.append(_swaying(_played(_keys(script, rng, puppet.legs)), rng))
    lengths = [len(motion["pelvis"]) for motion in motions]
    joined = {entry.name: np.concatenate([motion[entry.name] for motion in motions]) for entry in fields(Stances)}
    stances = Stances(**{name: torch.from_numpy(values).float() for name, values in joined.items()})
    rotations, root = _within_limits(puppet, stances)
    made = list(zip(titles, rotations.split(lengths), root.split(lengths), strict=True))
    return [motion for motion in made if _fastest(motion[1]) < FASTEST]


def _fastest(rotations: Float[Tensor, "n 24 4"]) -> float:
    """The largest turn of a joint from one frame to the next [rad]."""
    return float(2 * (rotations[1:] * rotations[:-1]).sum(-1).abs().clamp_max(1).acos().amax())


_TOTAL = sum(share for _, share in SCRIPTS)


def _keys(script: tuple[str, ...], rng: np.random.Generator, legs: Legs) -> list[Key]:
    """Each stance of a script, in which people move arms, head and trunk a few times."""
    keys: list[Key] = []
    before: Lower | None = None
    for name in script:
        make, pairs = STANCES[name]
        lower = make(rng, legs, before)
        brisk = name in BRISK
        for repeat in range(1 if brisk else rng.integers(1, 4 if len(script) > 1 else 6)):
            upper = _swinging(lower, rng) if name == "step" else either_way(pairs, rng)
            if repeat and rng.random() < 0.3:
                upper = {part: keys[-1].values[part] for part in upper}
            values = {**lower, **upper, "head": _gaze(rng)}
            moving = rng.uniform(0.28, 0.5) if brisk else rng.uniform(0.5, 1.2) if repeat else rng.uniform(0.9, 2.0)
            staying = 0.0 if brisk else min(rng.exponential(1.2) + 0.1, 5.0)
            keys.append(Key(_shifted(values, rng) if repeat else values, moving, staying))
        before = lower
    return keys


def _swinging(lower: Lower, rng: np.random.Generator) -> Lower:
    """Arms of who steps: the one ahead on the side of the standing leg."""
    upper = held(["hanging", "hanging"], rng)
    ahead = 0.15 if lower["ankles"][1, 1] > lower["ankles"][0, 1] else -0.15
    upper["hands"][:, 0] += np.array([[0, 0.02, ahead], [0, 0.02, -ahead]])
    return upper


def _gaze(rng: np.random.Generator) -> Numbers:
    """Where the head is turned: mostly ahead or a little down."""
    return np.deg2rad([np.clip(rng.normal(8, 13), -28, 40), np.clip(rng.normal(0, 22), -60, 60), rng.normal(0, 5)])


def _shifted(values: Lower, rng: np.random.Generator) -> Lower:
    """The same stance with the trunk bent a little otherwise."""
    spine = values["spine"] + np.deg2rad(rng.normal(0, (5, 7, 4)))
    tilt = values["tilt"] + np.deg2rad(rng.normal(0, (2, 2, 1)))
    return {**values, "spine": spine, "tilt": tilt}


def _played(keys: list[Key]) -> Lower:
    """All frames of a chain of stances."""
    parts = [_frames(keys[0], keys[0])]
    parts += [_frames(start, end) for start, end in pairwise(keys)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _frames(start: Key, end: Key) -> Lower:
    """From one stance to another, and the time that the other is kept."""
    moving = 0 if start is end else max(2, round(end.moving * RATE))
    time = np.concatenate([np.arange(1, moving + 1) / max(moving, 1), np.ones(max(1, round(end.staying * RATE)))])
    share = time**3 * (10 - 15 * time + 6 * time**2)
    first, last = dict(start.values), dict(end.values)
    # A hand that goes from one anchor to another does so between its places at both.
    for one, other in ((first, last), (last, first)):
        one["hands"] = np.where(one["held"][..., None] > 0, one["hands"], other["hands"])
    found = {name: first[name] + share.reshape(-1, *[1] * first[name].ndim) * (last[name] - first[name])
             for name in first}  # fmt: skip
    bump = 4 * share * (1 - share)
    walked = np.linalg.norm((last["ankles"] - first["ankles"])[:, [0, 2]], axis=1)
    found["ankles"][..., 1] += bump[:, None] * np.minimum(0.3 * walked, 0.12) * (walked > 0.03)
    passed = np.abs(last["hands"] - first["hands"])[:, 0, 2]
    found["hands"][:, :, 0, 0] += bump[:, None] * 0.35 * passed
    return found


def _swaying(motion: Lower, rng: np.random.Generator) -> Lower:
    """Nobody is ever quite still."""
    time = np.arange(len(motion["pelvis"])) / RATE
    for name, size in (("pelvis", (0.006, 0.0, 0.006)), ("tilt", 0.012), ("spine", 0.015), ("head", 0.05)):
        motion[name] = motion[name] + size * _waves(time, 3, rng)
    motion["hands"][:, :, 0] += 0.008 * _waves(time, 6, rng).reshape(-1, 2, 3)
    return motion


def _waves(time: Numbers, count: int, rng: np.random.Generator) -> Numbers:
    phases = rng.uniform(0, 2 * np.pi, (2, count)) + 2 * np.pi * time[:, None, None] * rng.uniform(0.1, 0.6, (2, count))
    return np.sin(phases).mean(1)


def _within_limits(puppet: Puppet, stances: Stances) -> tuple[Float[Tensor, "n 24 4"], Float[Tensor, "n 3"]]:
    """Rotations for the straight rest pose, with all joints in range, and the pelvis, with nobody in the floor."""
    matrices, joints = puppet.posed(stances)
    rotations = rotmat_to_quat(matrices)
    above = [joint for joint in LIMITED if not any(part in SMPL_24.joints[joint] for part in ("hip", "knee", "ankle"))]
    rotations[:, above] = clamped(rotations[:, above], tuple(above))
    flesh = torch.tensor([FLESH.get(name.rpartition("_")[2], 0.0) for name in SMPL_24.joints])
    lift = (flesh - joints[..., 1]).amax(1).clamp_min(0)
    return rotations, stances.pelvis + lift[:, None] * torch.tensor([0.0, 1.0, 0.0])
