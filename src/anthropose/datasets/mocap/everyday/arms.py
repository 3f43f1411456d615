"""Where people have their hands: hanging, in pockets, crossed, at the phone, on their thighs."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Hold:
    """Where a wrist is, as `limbs.Stances` has it; the left one."""

    place: Triple
    """[m]"""
    spread: Triple
    elbow: Triple
    """Where the elbow points, in the chest's axes."""
    anchor: int = 0
    """0: the chest, 1: the thigh, 2: the world."""
    wrist: Triple = (0.0, 0.0, 0.0)
    """Rotation vector of the hand."""


HOLDS = {
    "hanging": Hold((0.25, -0.48, 0.0), (0.03, 0.01, 0.04), (0.5, 0.0, -1.0)),
    "hip": Hold((0.23, -0.37, 0.03), (0.02, 0.03, 0.03), (1.0, 0.0, -0.3), wrist=(0.0, -0.2, 0.6)),
    "pocket": Hold((0.235, -0.43, 0.05), (0.01, 0.02, 0.02), (0.7, 0.0, -1.0)),
    "behind": Hold((0.12, -0.43, -0.17), (0.03, 0.03, 0.01), (1.0, 0.0, -0.2)),
    "clasped": Hold((0.07, -0.40, 0.19), (0.02, 0.04, 0.02), (1.0, -0.2, -0.3), wrist=(0.0, 0.0, -0.2)),
    "crossed": Hold((-0.05, -0.22, 0.25), (0.02, 0.02, 0.01), (0.6, -1.0, 0.1)),
    "crossed under": Hold((-0.03, -0.265, 0.205), (0.02, 0.02, 0.01), (0.6, -1.0, 0.1)),
    "screen": Hold((0.08, -0.18, 0.32), (0.03, 0.06, 0.04), (0.5, -1.0, -0.2), wrist=(-0.6, 0.0, 0.0)),
    "ear": Hold((0.19, 0.07, 0.13), (0.02, 0.02, 0.02), (0.7, -1.0, 0.3), wrist=(0.0, 0.2, 0.0)),
    "face": Hold((0.07, 0.03, 0.24), (0.03, 0.04, 0.02), (0.5, -1.0, 0.2), wrist=(0.0, 0.0, 0.3)),
    "raised": Hold((0.22, 0.46, 0.05), (0.10, 0.03, 0.06), (1.0, 0.0, 0.3)),
    "on head": Hold((0.16, 0.30, 0.03), (0.03, 0.02, 0.03), (1.0, 0.2, 0.2), wrist=(0.0, 0.0, -0.3)),
    "table": Hold((0.15, -0.30, 0.36), (0.05, 0.03, 0.04), (1.0, -0.6, -0.5)),
    "gesture": Hold((0.24, -0.20, 0.30), (0.10, 0.10, 0.08), (0.6, -1.0, -0.3), wrist=(-0.5, 0.0, 0.0)),
    "wave": Hold((0.36, 0.16, 0.14), (0.07, 0.08, 0.06), (0.6, -1.0, -0.2), wrist=(-0.8, 0.0, 0.0)),
    "ahead": Hold((0.16, -0.02, 0.46), (0.07, 0.16, 0.02), (0.6, -1.0, -0.3)),
    "aside": Hold((0.64, -0.02, 0.06), (0.03, 0.14, 0.10), (0.3, -1.0, -0.5)),
    "up ahead": Hold((0.17, 0.32, 0.36), (0.08, 0.08, 0.04), (0.8, -1.0, 0.2)),
    "thigh": Hold((0.00, -0.27, 0.10), (0.02, 0.06, 0.01), (1.0, -0.3, -0.6), 1),
    "lap": Hold((-0.03, -0.17, 0.13), (0.02, 0.03, 0.01), (1.0, -0.3, -0.6), 1),
    "knee": Hold((0.00, -0.37, 0.09), (0.02, 0.02, 0.01), (1.0, -0.3, -0.4), 1),
    "floor": Hold((0.22, 0.05, 0.0), (0.02, 0.0, 0.02), (0.8, -1.0, -0.2), 2, wrist=(0.0, 0.0, 1.1)),
    "floor behind": Hold((0.30, 0.06, -0.24), (0.04, 0.0, 0.04), (0.6, 0.0, -1.0), 2),
    "object": Hold((0.13, 0.22, 0.36), (0.05, 0.12, 0.05), (1.0, -0.2, -0.5), 2),
    "beside": Hold((0.30, -0.47, -0.03), (0.04, 0.02, 0.02), (1.0, 0.0, -0.3)),
    "belly": Hold((0.07, -0.29, 0.18), (0.03, 0.03, 0.01), (1.0, -0.3, 0.0)),
}  # fmt: skip

Pair = tuple[str, str]
STANDING: tuple[tuple[Pair, float], ...] = (
    (("hanging", "hanging"), 6), (("pocket", "pocket"), 2), (("pocket", "hanging"), 1), (("hip", "hip"), 2),
    (("hip", "hanging"), 1), (("crossed", "crossed under"), 2.5), (("screen", "hanging"), 1.5),
    (("screen", "screen"), 1.5), (("ear", "hanging"), 1), (("ear", "hip"), 0.5), (("clasped", "clasped"), 1.5),
    (("behind", "behind"), 0.7), (("gesture", "gesture"), 4), (("gesture", "hanging"), 2), (("wave", "hanging"), 1.5),
    (("raised", "raised"), 1), (("raised", "hanging"), 0.7), (("on head", "on head"), 0.5), (("ahead", "hanging"), 1),
    (("ahead", "ahead"), 1), (("aside", "aside"), 0.7), (("aside", "hanging"), 0.5), (("up ahead", "hanging"), 0.8),
    (("up ahead", "up ahead"), 0.5), (("face", "hanging"), 0.7), (("face", "hip"), 0.3), (("table", "table"), 1),
)  # fmt: skip
"""Pairs of holds, for one hand and the other, and how often."""
SITTING: tuple[tuple[Pair, float], ...] = (
    (("thigh", "thigh"), 5), (("lap", "lap"), 2), (("knee", "knee"), 1), (("thigh", "face"), 1), 
    (("table", "table"), 4), (("table", "thigh"), 1), (("crossed", "crossed under"), 1.5), (("ear", "thigh"), 1),
    (("screen", "screen"), 1.5), (("screen", "thigh"), 1), (("gesture", "gesture"), 3), (("gesture", "thigh"), 1.5),
    (("ahead", "table"), 0.7),
    (("wave", "thigh"), 0.5), (("raised", "thigh"), 0.4), (("raised", "raised"), 0.4), (("beside", "beside"), 0.7),
    (("face", "table"), 0.5),
)  # fmt: skip
LOW: tuple[tuple[Pair, float], ...] = (
    (("ahead", "ahead"), 2), (("knee", "knee"), 2), (("gesture", "gesture"), 1.5), (("clasped", "clasped"), 1),
    (("object", "object"), 1.5), (("object", "knee"), 1), (("screen", "screen"), 0.5), (("thigh", "thigh"), 1),
)  # fmt: skip
"""While squatting or on a knee."""
KNEELING: tuple[tuple[Pair, float], ...] = (
    (("thigh", "thigh"), 3), (("gesture", "gesture"), 2), (("hanging", "hanging"), 1), (("ahead", "ahead"), 1),
    (("raised", "raised"), 0.5), (("screen", "screen"), 1), (("crossed", "crossed under"), 0.5), 
    (("object", "thigh"), 1),
)  # fmt: skip
FLOOR: tuple[tuple[Pair, float], ...] = (
    (("floor behind", "floor behind"), 2), (("knee", "knee"), 2), (("thigh", "thigh"), 1), (("screen", "screen"), 1),
    (("gesture", "gesture"), 1),
)  # fmt: skip
LYING: tuple[tuple[Pair, float], ...] = (
    (("beside", "beside"), 3), (("belly", "belly"), 1), (("belly", "beside"), 1), (("screen", "screen"), 1),
    (("raised", "raised"), 0.5),
)  # fmt: skip
BENDING: tuple[tuple[Pair, float], ...] = ((("object", "object"), 3), (("object", "knee"), 1), (("knee", "knee"), 1))


def either_way(pairs: tuple[tuple[Pair, float], ...], rng: np.random.Generator) -> dict[str, Float[np.ndarray, "..."]]:
    """The part of a stance that is about arms: one of the pairs, either way round, with some variation."""
    weights = np.array([weight for _, weight in pairs])
    names = list(pairs[rng.choice(len(pairs), p=weights / weights.sum())][0])
    if rng.random() < 0.5:
        names.reverse()
    return held(names, rng)


def held(names: list[str], rng: np.random.Generator) -> dict[str, Float[np.ndarray, "..."]]:
    """The left hand in the first hold, the right one in the second; alike where both are the same."""
    together = rng.normal(0, 0.7, 3)
    hands, shares = np.zeros((2, 3, 3)), np.zeros((2, 3))
    elbows, wrists = np.zeros((2, 3)), np.zeros((2, 3))
    for side, name in enumerate(names):
        hold = HOLDS[name]
        off = together + rng.normal(0, 0.45, 3)
        place = np.array(hold.place) + np.array(hold.spread) * np.clip(off, -1.8, 1.8)
        if hold.anchor == 2 and side == 1:
            place[0] = -place[0]
        hands[side, hold.anchor] = place
        shares[side, hold.anchor] = 1
        elbows[side] = np.array(hold.elbow) + rng.normal(0, 0.12, 3)
        wrists[side] = np.array(hold.wrist) + rng.normal(0, 0.12, 3)
    return {"hands": hands, "held": shares, "elbows": elbows, "wrists": wrists}
