"""How people stand, sit, squat, kneel and lie: where pelvis and feet are, and how the trunk is bent."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anthropose.datasets.mocap.everyday import arms

Numbers = Float[np.ndarray, "..."]
Lower = dict[str, Numbers]
LEAST_FLESH = 0.08
"""From a seat, or the floor, up to the hip joint of who sits on it [m]."""

SHOULDERS = 0.47
"""From the pelvis up to where hands carry who goes on all fours [m]."""


@dataclass(frozen=True)
class Legs:
    """Of the skeleton that takes the stances [m]."""

    sole: float
    """The height of the ankle over the floor."""
    drop: float
    """How much lower than the pelvis the hips are."""
    thigh: float
    shin: float

    def height(self, pelvis: Numbers, ankles: Numbers, stretch: float) -> float:
        """Of the pelvis at which the leg that has further to go is stretched by this share."""
        across = np.abs(ankles[:, [0, 2]] - pelvis[[0, 2]]) - [[0.075, 0.0]]
        length = (self.thigh + self.shin) * stretch
        reach = np.sqrt(np.maximum(length**2 - np.square(np.maximum(across, 0)).sum(1), 0.05))
        return float((ankles[:, 1] + reach).min() + self.drop)


def _lower(
    pelvis: Numbers, ankles: Numbers, *, tilt: tuple[float, ...] = (0.0, 0.0, 0.0), spine: float = 0.0,
    feet: Numbers | None = None, knees: Numbers | None = None,
) -> Lower:  # fmt: skip
    """A stance below the shoulders; angles in degrees."""
    return {
        "pelvis": np.asarray(pelvis, float),
        "ankles": np.asarray(ankles, float),
        "tilt": np.deg2rad(np.asarray(tilt, float)),
        "spine": np.deg2rad([spine, 0.0, 0.0]),
        "feet": np.deg2rad(np.zeros((2, 2)) if feet is None else np.asarray(feet, float)),
        "knees": np.tile([0.05, 0.0, 1.0], (2, 1)) if knees is None else np.asarray(knees, float),
    }


def _footing(
    rng: np.random.Generator, legs: Legs, before: Lower | None = None, wide: tuple[float, float] = (0.07, 0.17)
) -> tuple[Numbers, Numbers]:
    """Ankles on the floor, and how far the feet point down and out [degrees]; feet that stood flat before stay."""
    if before is not None:
        _, height, ahead = before["ankles"].T
        if np.abs(height - legs.sole).max() < 0.01 and np.ptp(ahead) < 0.2 and np.abs(ahead).max() < 0.2:
            return before["ankles"].copy(), np.rad2deg(before["feet"])
    width, stagger = rng.uniform(*wide), rng.normal(0, 0.035)
    ankles = np.array([[width, legs.sole, -0.035 + stagger], [-width, legs.sole, -0.035 - stagger]])
    feet = np.stack([np.zeros(2), rng.uniform(3, 18) + rng.normal(0, 3, 2)], axis=1)
    return ankles, feet


def _outward(feet: Numbers) -> Numbers:
    """Knees that point where the feet do."""
    out = np.deg2rad(feet[:, 1])
    return np.stack([np.sin(out), np.zeros(2), np.cos(out)], axis=1)


def stand(rng: np.random.Generator, legs: Legs, before: Lower | None) -> Lower:
    """Upright, the weight more on one leg or on both."""
    ankles, feet = _footing(rng, legs, before)
    x, z = (ankles[:, 0].mean() + 0.45 * rng.uniform(-1, 1) * ankles[0, 0]), rng.normal(0, 0.015)
    pelvis = np.array([x, 0.0, z])
    pelvis[1] = legs.height(pelvis, ankles, rng.uniform(0.985, 0.997))
    tilt = rng.normal(3, 4), rng.normal(0, 5), -25 * x + rng.normal(0, 1.5)
    return _lower(pelvis, ankles, tilt=tilt, spine=rng.normal(2, 6), feet=feet, knees=_outward(feet))


def sit(rng: np.random.Generator, legs: Legs, before: Lower | None) -> Lower:
    """On a chair, a low sofa or a stool, upright, leaning back or forward."""
    wide = rng.uniform(0.08, 0.22)
    seat = float(np.clip(rng.normal(0.45, 0.05), 0.36, 0.56))
    stool = rng.random() < 0.12
    hip = seat + LEAST_FLESH + (0.2 if stool else 0.0)
    lift = rng.uniform(0.12, 0.22) if stool else 0.0
    ahead = legs.thigh + rng.normal(0.0, 0.10)
    if before is not None:
        ahead = min(ahead, 1.05 * legs.thigh)
    tucked = rng.random() < 0.15 and not stool
    split = rng.normal(0, 0.05)
    near = 0.12 if tucked else 0.2
    away = np.clip([ahead + split, ahead - split], near, 0.55) - (0.22 if tucked else 0.0)
    ankles = np.stack([[wide, -wide], np.full(2, legs.sole + lift + (0.05 if tucked else 0.0)), away], axis=1)
    feet = np.stack([np.full(2, 30.0 if tucked else 0.0), rng.uniform(0, 18) + rng.normal(0, 3, 2)], axis=1)
    back = rng.choice([-18.0, -4.0, 10.0], p=[0.35, 0.45, 0.2]) + rng.normal(0, 4)
    knees = np.stack([wide - 0.1 + rng.normal(0.05, 0.08, 2), np.full(2, 0.8), np.ones(2)], axis=1)
    z = -0.035 - ahead
    ankles[:, 2] += z
    lower = _lower(
        np.array([0.0, hip + legs.drop, z]), ankles, tilt=(back, rng.normal(0, 4), rng.normal(0, 1.5)),
        spine=float(np.clip(rng.normal(14 - 0.5 * back, 8), -8, 45)), feet=feet, knees=knees,
    )  # fmt: skip
    if before is not None and not stool and not tucked:
        lower["ankles"] = before["ankles"] + rng.normal(0, 0.01, (2, 3)) * [1, 0, 1]
    return lower


def squat(rng: np.random.Generator, legs: Legs, before: Lower | None) -> Lower:
    """Half or quite down, the trunk leaning forward."""
    ankles, feet = _footing(rng, legs, wide=(0.13, 0.24))
    feet[:, 1] += 12
    hip = rng.uniform(0.30, 0.66)
    deep = hip < 0.42
    if deep:
        ankles[:, 1] += 0.05
        feet[:, 0] = 25
    pelvis = np.array([0.0, hip + legs.drop, -rng.uniform(0.10, 0.16) - 0.25 * max(0.0, 0.6 - hip)])
    if deep:
        pelvis[2] = -rng.uniform(0.1, 0.16)
    lean = rng.uniform(0, 14) if deep else rng.uniform(15, 38)
    knees = np.tile([rng.uniform(0.3, 0.6), 0.3, 1.0], (2, 1))
    return _lower(pelvis, ankles, tilt=(lean, 0, 0), spine=rng.uniform(5, 30), feet=feet, knees=knees)


def bend(rng: np.random.Generator, legs: Legs, before: Lower | None) -> Lower:
    """Over something low, with the knees straight or a little bent."""
    ankles, feet = _footing(rng, legs, before)
    pelvis = np.array([0.0, 0.0, -rng.uniform(0.10, 0.18)])
    pelvis[1] = legs.height(pelvis, ankles, rng.uniform(0.90, 0.985))
    return _lower(
        pelvis, ankles, tilt=(rng.uniform(25, 60), rng.normal(0, 6), 0), spine=rng.uniform(20, 50), feet=feet,
        knees=_outward(feet),
    )  # fmt: skip


def _one_ahead(rng: np.random.Generator, values: list[Numbers]) -> list[Numbers]:
    """The left leg is ahead in `values`; or, as often, the right one."""
    return [value[::-1] for value in values] if rng.random() < 0.5 else values


def lunge(rng: np.random.Generator, legs: Legs, before: Lower | None) -> Lower:
    """One foot ahead, the other on its toes behind."""
    ahead, behind = rng.uniform(0.28, 0.45), rng.uniform(0.3, 0.5)
    ankles = np.array([[0.09, legs.sole, ahead], [0.09, legs.sole + 0.06, -behind]])
    feet, knees = np.array([[0.0, 4.0], [42.0, 4.0]]), np.array([[0.05, 0.2, 1.0], [0.0, -0.4, 1.0]])
    ankles, feet, knees = _one_ahead(rng, [ankles, feet, knees])
    ankles = ankles * [[1, 1, 1], [-1, 1, 1]]
    pelvis = np.array([0.0, 0.0, rng.uniform(-0.03, 0.06)])
    pelvis[1] = legs.height(pelvis, ankles, rng.uniform(0.8, 0.96))
    return _lower(pelvis, ankles, tilt=(rng.uniform(0, 22), 0, 0), spine=rng.normal(3, 6), feet=feet, knees=knees)


def one_knee(rng: np.random.Generator, legs: Legs, before: Lower | None) -> Lower:
    """One knee on the floor, the other foot ahead."""
    hip = legs.thigh + 0.04
    ankles = np.array([[0.11, legs.sole, rng.uniform(0.33, 0.42)], [0.09, 0.10, -rng.uniform(0.37, 0.41)]])
    feet, knees = np.array([[0.0, 6.0], [72.0, 0.0]]), np.array([[0.1, 0.4, 1.0], [0.0, -0.2, 1.0]])
    ankles, feet, knees = _one_ahead(rng, [ankles, feet, knees])
    ankles = ankles * [[1, 1, 1], [-1, 1, 1]]
    pelvis = np.array([0.0, hip + legs.drop, rng.uniform(-0.02, 0.04)])
    return _lower(pelvis, ankles, tilt=(rng.uniform(0, 20), 0, 0), spine=rng.uniform(0, 25), feet=feet, knees=knees)


def kneel(rng: np.random.Generator, legs: Legs, before: Lower | None) -> Lower:
    """On both knees, upright or sitting on the heels."""
    wide, heels = rng.uniform(0.07, 0.13), rng.random() < 0.5
    ankles = np.array([[wide, 0.09, -0.42], [-wide, 0.09, -0.42]])
    feet = np.tile([140.0, 0.0], (2, 1))
    hip, z = (rng.uniform(0.26, 0.3), -0.28) if heels else (legs.thigh + 0.045, -0.01)
    knees = np.tile([0.15, -0.1 if not heels else 0.1, 1.0], (2, 1))
    lean = rng.uniform(-2, 12)
    return _lower(np.array([0.0, hip + legs.drop, z]), ankles, tilt=(lean, 0, 0), spine=rng.uniform(0, 22), feet=feet,
                  knees=knees)  # fmt: skip


def floor_sit(rng: np.random.Generator, legs: Legs, before: Lower | None) -> Lower:
    """On the floor, the legs stretched or the knees drawn up."""
    stretched, wide = rng.random() < 0.4, rng.uniform(0.08, 0.18)
    away = rng.uniform(0.68, 0.77) if stretched else rng.uniform(0.3, 0.5)
    ankles = np.array([[wide, 0.07 if stretched else legs.sole, away], [-wide, 0.07 if stretched else legs.sole, away]])
    ankles[1, 2] += rng.normal(0, 0.04)
    feet = np.tile([-55.0 if stretched else 0.0, 10.0], (2, 1))
    knees = np.stack([np.full(2, wide), np.full(2, 1.0), np.full(2, 0.6)], axis=1)
    lean = rng.uniform(-28, -8) if stretched else rng.uniform(-42, -28)
    return _lower(np.array([0.0, 0.1 + legs.drop, 0.0]), ankles, tilt=(lean, 0, 0), spine=rng.uniform(15, 45),
                  feet=feet, knees=knees)  # fmt: skip


def lie(rng: np.random.Generator, legs: Legs, before: Lower | None) -> Lower:
    """On the back, the legs stretched or the knees up."""
    stretched, wide = rng.random() < 0.6, rng.uniform(0.08, 0.16)
    away = 0.09 + (rng.uniform(0.78, 0.80) if stretched else rng.uniform(0.35, 0.5))
    height = 0.07 if stretched else legs.sole
    ankles = np.array([[wide, height, away], [-wide, height, away]])
    feet = np.tile([-65.0 if stretched else 0.0, 8.0], (2, 1))
    return _lower(np.array([0.0, 0.12, 0.0]), ankles, tilt=(-90, 0, 0), spine=rng.uniform(0, 6), feet=feet,
                  knees=np.tile([0.15, 0.0, 1.0], (2, 1)))  # fmt: skip


def all_fours(rng: np.random.Generator, legs: Legs, before: Lower | None) -> Lower:
    """On hands and knees."""
    ankles = np.array([[0.10, 0.09, -0.42], [-0.10, 0.09, -0.42]]) - [0.0, 0.0, SHOULDERS]
    pelvis = np.array([0.0, legs.thigh + 0.06 + 0.4 * legs.drop, -SHOULDERS])
    return _lower(pelvis, ankles, tilt=(rng.uniform(76, 88), 0, 0), spine=rng.uniform(-4, 8),
                  feet=np.tile([140.0, 0.0], (2, 1)), knees=np.tile([0.1, 0.3, 1.0], (2, 1)))  # fmt: skip


def plank(rng: np.random.Generator, legs: Legs, before: Lower | None) -> Lower:
    """Straight on hands and toes: the upper or the lower end of a push-up."""
    low = before is not None and before["pelvis"][1] > 0.3 and before["tilt"][0] > 1.1
    hip = rng.uniform(0.19, 0.23) if low else rng.uniform(0.36, 0.4)
    slope = np.arcsin((hip - 0.13) / (legs.thigh + legs.shin))
    back = -(SHOULDERS + legs.drop + 0.99 * (legs.thigh + legs.shin)) * np.cos(slope)
    ankles = np.array([[0.09, 0.13, back], [-0.09, 0.13, back]])
    pelvis = np.array([0.0, hip + legs.drop * np.sin(slope), -SHOULDERS * np.cos(slope)])
    return _lower(pelvis, ankles, tilt=(90 - np.rad2deg(slope), 0, 0), spine=0, feet=np.tile([82.0, 0.0], (2, 1)),
                  knees=np.tile([0.05, 0.0, 1.0], (2, 1)))  # fmt: skip


def step(rng: np.random.Generator, legs: Legs, before: Lower | None) -> Lower:
    """Stepping on the spot: one foot up, the other than before."""
    ankles, feet = _footing(rng, legs, wide=(0.06, 0.1))
    raised = 0 if before is not None and before["ankles"][1, 1] > legs.sole + 0.03 else 1
    pelvis = np.array([0.3 * ankles[1 - raised, 0], 0.0, 0.0])
    pelvis[1] = legs.height(pelvis, ankles, rng.uniform(0.985, 0.996))
    ankles[raised] += [0.0, rng.uniform(0.06, 0.28), rng.uniform(-0.06, 0.1)]
    feet[raised, 0] = rng.uniform(5, 35)
    return _lower(pelvis, ankles, tilt=(3, 6 * (2 * raised - 1), 0), spine=2, feet=feet, knees=_outward(feet))


Make = Callable[[np.random.Generator, Legs, Lower | None], Lower]
STANCES: dict[str, tuple[Make, tuple[tuple[arms.Pair, float], ...]]] = {
    "stand": (stand, arms.STANDING),
    "sit": (sit, arms.SITTING),
    "squat": (squat, arms.LOW),
    "bend": (bend, arms.BENDING),
    "lunge": (lunge, arms.STANDING),
    "one knee": (one_knee, arms.LOW),
    "kneel": (kneel, arms.KNEELING),
    "floor": (floor_sit, arms.FLOOR),
    "lie": (lie, arms.LYING),
    "all fours": (all_fours, ((("floor", "floor"), 1.0),)),
    "plank": (plank, ((("floor", "floor"), 1.0),)),
    "step": (step, ((("hanging", "hanging"), 1.0),)),
}
"""Name -> how it is made, and what arms do meanwhile."""
