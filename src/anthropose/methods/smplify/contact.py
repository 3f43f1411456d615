"""When feet stand, and on what: found from the keypoints, whose places in the picture a static camera holds still."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.ground import Ground, find_ground
from anthropose.geometry.filters import gaussian
from anthropose.methods.smplify.figure import Figure, Placed, State
from anthropose.methods.smplify.terms import FEET, Evidence
from anthropose.skeleton import SMPL_24, Skeleton

SMOOTHING = 0.03
"""Of paths before their speed is taken [s]."""
STILL_ACROSS = 0.15
"""Speed across the line of sight [m/s] at which a foot half stands. It tells best: two thirds of the feet that a fit to
keypoints holds slower than that are slower than 0.1 m/s, nearly all slower than 0.3."""
STILL_ALONG = 1.5
"""The same along the line of sight, where little is known."""
LOW = ("ankle", "heel", "toe")
"""Keypoints of which one must be seen for a foot to be known to stand, by part of their names."""


@dataclass(frozen=True)
class Contact:
    """How surely each of the four foot joints (`terms.FEET`) stands, from 0 to 1, and the ground that it stands on."""

    at: Float[Tensor, "n 4"]
    between: Float[Tensor, "m 4"]
    """From each frame to the next."""
    rest: Float[Tensor, "4"]
    """How high the joints are over the ground in a foot that stands flat [m]."""
    ground: Ground | None = None
    """None: too little is seen of where feet stand."""

    def part(self, first: int, last: int) -> "Contact":
        """That of a run of frames."""
        return replace(self, at=self.at[first:last], between=self.between[first : last - 1])


def find_contact(figure: Figure, evidence: Evidence, skeleton: Skeleton, state: State) -> Contact:
    """Where feet stand in the motion as it has been fitted so far."""
    placed = figure.place(state)
    feet = placed.joints[:, FEET]
    across, along = _speeds(feet, evidence.seconds)
    still = torch.exp2(-(across / STILL_ACROSS).square() - (along / STILL_ALONG).square())
    seen = _seen(evidence, skeleton)
    between = still * torch.minimum(seen[1:], seen[:-1])
    at = torch.maximum(_padded(between, before=True), _padded(between, before=False))
    rest = resting_heights(figure, state)
    ground = find_ground(feet.flatten(0, 1), at.square().flatten(), rest.repeat(len(feet)), upward(placed))
    return Contact(at, between, rest, ground)


def resting_heights(figure: Figure, state: State) -> Float[Tensor, "4"]:
    """Of the foot joints over the soles in the rest pose [m]."""
    shape = figure.body.shaped(state.betas)
    return shape.joints[list(FEET), 1] - shape.vertices[:, 1].min()


def upward(placed: Placed) -> Float[Tensor, "n 3"]:
    """The way up of each frame's person: from the ankles to the neck, if that is how people stand."""
    neck, feet = SMPL_24.index("neck"), list(FEET[:2])
    return torch.nn.functional.normalize(placed.joints[:, neck] - placed.joints[:, feet].mean(1), dim=-1)


def _padded(still: Float[Tensor, "m 4"], before: bool) -> Float[Tensor, "n 4"]:
    return torch.nn.functional.pad(still, (0, 0, int(before), int(not before)))


def _speeds(
    path: Float[Tensor, "n p 3"], seconds: Float[Tensor, "n"]
) -> tuple[Float[Tensor, "m p"], Float[Tensor, "m p"]]:
    """From each frame to the next, across the line of sight and along it [m/s]."""
    path = gaussian(path, seconds, SMOOTHING)
    velocity = path.diff(dim=0) / seconds.diff().clamp_min(1e-3)[:, None, None].float()
    ray = torch.nn.functional.normalize(path[1:], dim=-1)
    along = (velocity * ray).sum(-1)
    return (velocity - along[..., None] * ray).norm(dim=-1), along.abs()


def _seen(evidence: Evidence, skeleton: Skeleton) -> Float[Tensor, "n 4"]:
    """How surely each foot joint is seen, from 0 to 1, by the best trusted keypoint from the ankle down."""
    columns = []
    for joint in FEET:
        side = SMPL_24.joints[joint].split("_")[0]
        rows = [i for i, name in enumerate(skeleton.joints) if side in name and any(p in name for p in LOW)]
        best = evidence.trust[:, rows].amax(1) if rows else torch.zeros(len(evidence.trust))
        columns.append((2 * best).clamp(0, 1))
    return torch.stack(columns, dim=1)
