"""Windows cut out of motion capture, and varied: in speed, mirrored, one motion's legs under another's trunk."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anthropose.datasets.mocap.captures import Capture, Library
from anthropose.datasets.mocap.draws import Draws
from anthropose.datasets.mocap.limits import LIMITED, Limits
from anthropose.geometry.rotations import quat_to_rotmat
from anthropose.skeleton import SMPL_24

Edges = Literal["inside", "held"]
"""Where windows lie: inside their motion, where it is long enough; or around any frame of it, beyond its ends the first
or last frame repeated, as lifters see the ends of a track."""

LEGS = tuple(
    i
    for i, name in enumerate(SMPL_24.joints)
    if any(part in name for part in ("pelvis", "hip", "knee", "ankle", "foot"))
)


@dataclass(frozen=True)
class Variations:
    """How recorded motions are varied."""

    speed: tuple[float, float] = (0.7, 1.4)
    """The recorded speed is multiplied by something in between, logarithms evenly."""
    mirrored: float = 0.5
    """The share of windows that are mirrored."""
    recombined: float = 0.25
    """The share whose trunk, head and arms come from another motion than their root and legs."""
    bent: float = 0.05
    """How much joints are turned off for a whole window [rad], standard deviation about each axis. It stands for how
    people differ, and for what the capture measured wrong."""
    bent_ends: float = 0.15
    """The same for wrists, whose motion many captures lack, and for neck and head."""
    wandering: float = 0.7
    """The share of windows in which limbs and neck are turned by more, which slowly goes to and fro."""
    wander: tuple[tuple[str, float], ...] = (
        ("shoulder", 0.17), ("elbow", 0.17), ("hip", 0.09), ("knee", 0.1), ("neck", 0.13), ("head", 0.1),
    )  # fmt: skip
    """Joint -> how much it then turns [rad], standard deviation of the amplitude about each axis."""
    wander_rate: float = 0.4
    """The fastest that it goes to and fro [1/s]."""
    stature: float = 1.0
    """The standard deviation of the shape's components; 1 is the population's."""
    unusual: float = 0.2
    """The share of people whose height and weight, the first two components, are anything up to `most_stature`:
    children, giants, the heavy and the thin."""
    most_stature: float = 2.5


NO_VARIATIONS = Variations((1.0, 1.0), 0.0, 0.0, 0.0, 0.0, wandering=0.0)
"""Motions as recorded, on bodies of varied shape."""


@dataclass(frozen=True)
class Performance:
    """What people do, in a world whose y axis points up."""

    rotations: Float[Tensor, "b t 24 3 3"]
    """Of each joint relative to its parent, the root's relative to the world."""
    root: Float[Tensor, "b t 3"]
    """The pelvis [m], for legs of length `captures.LEG`."""
    betas: Float[Tensor, "b 10"]
    captures: Int[Tensor, "b"]
    """The number of each motion in the library."""
    within: Bool[Tensor, "b t"]
    """False where the first or last frame of a motion is held."""


def shares_of(captures: Sequence[Capture], weights: Mapping[str, float]) -> Float[Tensor, "c"]:
    """Cumulated shares of the motions, by their frames times the weight of their folder; double precision."""
    amounts = torch.tensor(
        [len(capture) / capture.rate * weights.get(capture.folder, 1.0) for capture in captures], dtype=torch.float64
    )
    cumulated = amounts.cumsum(0)
    return cumulated / cumulated[-1]


def perform(
    library: Library,
    cumulated: Float[Tensor, "c"],
    draws: Draws,
    frames: int,
    rate: float,
    variations: Variations,
    edges: Edges,
) -> Performance:
    """A window for each row of `draws`.

    Args:
        cumulated: shares of the motions, as of `shares_of`.
        rate: frames per second of the windows.
    """
    step = draws.even_log("speed", *variations.speed) / rate
    which = draws.among("motion", cumulated)
    cut = window(library, which, draws.uniform("start"), step, frames, edges)
    above = window(library, draws.among("above", cumulated), draws.uniform("above"), step, frames, edges)
    taken = draws.chance("recombined", variations.recombined)
    trunk = torch.tensor([joint not in LEGS for joint in range(24)], device=taken.device)
    rotations = torch.where((taken[:, None] & trunk)[:, None, :, None], above.rotations, cut.rotations)
    rotations, root = _mirrored(rotations, cut.root, draws.chance("mirrored", variations.mirrored))
    rotations = _bent(rotations, draws, variations, frames / rate)
    return Performance(quat_to_rotmat(rotations), root, shapes(draws, variations), which, cut.within)


def shapes(draws: Draws, variations: Variations) -> Float[Tensor, "b 10"]:
    """Of people as a population has them, and some as it seldom has."""
    most = variations.most_stature
    betas = (variations.stature * draws.normal("betas", 10)).clamp(-most, most)
    anything = draws.uniform("unusual betas", 2, low=-most, high=most)
    unusual = draws.chance("unusual", variations.unusual if variations.stature else 0.0)
    return torch.cat([torch.where(unusual[:, None], anything, betas[:, :2]), betas[:, 2:]], dim=1)


@dataclass(frozen=True)
class Window:
    """A stretch of recorded motion."""

    rotations: Float[Tensor, "b t 24 4"]
    """Quaternions, not quite of unit length."""
    root: Float[Tensor, "b t 3"]
    within: Bool[Tensor, "b t"]
    """False where the motion has not begun or has ended; its first or last frame stands there."""


def window(
    library: Library,
    which: Int[Tensor, "b"],
    place: Float[Tensor, "b"],
    step: Float[Tensor, "b"],
    frames: int,
    edges: Edges = "inside",
) -> Window:
    """Windows of some motions, blended between recorded frames.

    Args:
        place: where in its motion each window lies, from 0 to 1.
        step: of the motion's time from frame to frame [s].
    """
    step = step * library.rates[which]
    last = (library.lengths[which] - 1).float()
    if edges == "inside":
        first = place * (last - step * (frames - 1))
    else:
        first = place * last - step * (frames // 2)
    wanted = first[:, None] + step[:, None] * torch.arange(frames, device=step.device)
    at = torch.minimum(wanted.clamp_min(0), last[:, None])
    before = at.floor().long()
    share = (at - before)[..., None]
    after = torch.minimum(before + 1, last[:, None].long())
    before, after = (library.starts[which][:, None] + rows for rows in (before, after))
    root = torch.lerp(library.root[before], library.root[after], share)
    rotations = torch.lerp(library.rotations[before], library.rotations[after], share[..., None])
    return Window(rotations, root, (wanted - at).abs() < 0.01)


def _mirrored(
    rotations: Float[Tensor, "b t 24 4"], root: Float[Tensor, "b t 3"], chosen: Bool[Tensor, "b"]
) -> tuple[Float[Tensor, "b t 24 4"], Float[Tensor, "b t 3"]]:
    """Some of the windows as a mirror shows them: x turned round, the sides exchanged."""
    other = rotations[:, :, list(SMPL_24.mirror)] * rotations.new_tensor([1, -1, -1, 1])
    rotations = torch.where(chosen[:, None, None, None], other, rotations)
    return rotations, torch.where(chosen[:, None, None], root * root.new_tensor([-1, 1, 1]), root)


def _bent(
    rotations: Float[Tensor, "b t 24 4"], draws: Draws, variations: Variations, seconds: float
) -> Float[Tensor, "b t 24 4"]:
    """Joints turned off by a little, within people's range or as far outside as they were recorded."""
    vectors = _bends(draws, variations)[:, None, list(LIMITED)]
    if variations.wandering > 0:
        vectors = vectors + _wanders(draws, variations, rotations.shape[1], seconds)[:, :, list(LIMITED)]
    recorded = rotations[:, :, list(LIMITED)]
    varied = Limits(LIMITED, rotations.device).kept(_turned(recorded, vectors), recorded)
    changed = (vectors != 0).any(-1, keepdim=True)
    bent = rotations.clone()
    bent[:, :, list(LIMITED)] = torch.where(changed, varied, recorded)
    return bent


def _turned(q: Float[Tensor, "b t j 4"], vectors: Float[Tensor, "b #t j 3"]) -> Float[Tensor, "b t j 4"]:
    """Rotations after small turns, rotation vectors [rad] (to the third order)."""
    x, y, z, w = q.unbind(-1)
    a, b, c = (vectors / 2).unbind(-1)
    return torch.stack(
        [x + w * a + y * c - z * b, y + w * b + z * a - x * c, z + w * c + x * b - y * a, w - x * a - y * b - z * c], -1
    )


def _bends(draws: Draws, variations: Variations) -> Float[Tensor, "b 24 3"]:
    """Small constant turns of the joints; root, feet and hands, which nothing tells of, have none."""
    sizes = [_bend(name, variations) for name in SMPL_24.joints]
    drawn = draws.normal("bent", 24, 3)
    return drawn * drawn.new_tensor(sizes)[:, None]


def _bend(joint: str, variations: Variations) -> float:
    if any(part in joint for part in ("pelvis", "foot", "hand")):
        return 0.0
    return variations.bent_ends if any(part in joint for part in ("wrist", "neck", "head")) else variations.bent


def _wanders(draws: Draws, variations: Variations, frames: int, seconds: float) -> Float[Tensor, "b t 24 3"]:
    """Turns of the joints that slowly go to and fro, in some of the windows: a cosine for each joint."""
    sizes = [dict(variations.wander).get(name.rpartition("_")[2], 0.0) for name in SMPL_24.joints]
    chosen = draws.chance("wandering", variations.wandering)[:, None, None]
    amounts = draws.normal("wander", 24, 3) * chosen
    rates = draws.uniform("wander rate", 24, high=2 * math.pi * variations.wander_rate)
    phases = draws.uniform("wander phase", 24, high=2 * math.pi)
    time = torch.linspace(0, seconds, frames, device=amounts.device)
    course = (phases[:, None] + rates[:, None] * time[:, None]).cos()
    return course[..., None] * (amounts * amounts.new_tensor(sizes)[:, None])[:, None]
