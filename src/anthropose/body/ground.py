"""The ground that people walk on, in camera axes: a plane through the places where feet stand."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.motion import Motion
from anthropose.skeleton import SMPL_24

FEET = tuple(SMPL_24.index(name) for name in ("left_ankle", "right_ankle", "left_foot", "right_foot"))
STANDS = 0.15
"""Speed [m/s] under which a foot of a finished motion stands."""
LEVEL = (0.0, -1.0, 0.0)
"""The way up for a camera that is held level."""
LEAN = 40.0
"""People who lean more than this in the picture [degrees] do not tell which way is up."""
TILT_DEVIATION = math.radians(5)
"""Of the way up that people's own uprightness tells."""
NOISE = 0.05
"""Of the height of a standing foot [m]."""
LEAST = 5.0
"""Sum of the points' weights under which there is no telling where the ground is."""


@dataclass(frozen=True)
class Ground:
    """A plane in camera axes."""

    up: Float[Tensor, "3"]
    """Its normal, of unit length, which points away from the earth."""
    level: float
    """How far the camera lies over it, negative [m]: points of the plane have `up . point = level`."""

    def heights(self, points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n"]:
        """Of points over the ground [m]."""
        return points @ self.up - self.level

    @property
    def pitch(self) -> float:
        """How far the camera looks down [rad]."""
        return math.asin(max(-1.0, min(1.0, float(-self.up[2]))))

    @property
    def roll(self) -> float:
        """How far the camera is turned about its own axis [rad]; positive: the ground sinks to the picture's right."""
        return math.atan2(float(self.up[0]), float(-self.up[1]))

    def level_axes(self) -> Float[Tensor, "3 3"]:
        """The rotation from camera axes to axes with the same heading and y straight down."""
        down = -self.up
        forward = torch.nn.functional.normalize(torch.tensor([0.0, 0.0, 1.0]) - down[2] * down, dim=0)
        return torch.stack([torch.linalg.cross(down, forward), down, forward])


def find_ground(
    points: Float[Tensor, "p 3"],
    weights: Float[Tensor, "p"],
    rest: Float[Tensor, "p"],
    upward: Float[Tensor, "n 3"],
) -> Ground | None:
    """The plane that standing feet are on, or None where there are too few.

    The way up is first taken from the people, as far as they stand; how high and far feet stand turns it from there.
    What lies far from the plane, as a foot on a step, hardly counts.

    Args:
        points: on people's feet, in camera axes [m].
        weights: how surely each of them stands, from 0 to 1.
        rest: how high each is over the ground while it stands [m].
        upward: directions from people's feet to their heads.
    """
    if float(weights.sum()) < LEAST:
        return None
    start = _usual_way_up(upward)
    across = torch.linalg.svd(start[None])[2][1:]  # Two directions along the ground.
    up, share = start, weights
    middle = (points * share[:, None]).sum(0) / share.sum()
    level = _weighted_median(points @ up - rest, weights)
    for _ in range(10):
        off = points @ up - rest - level
        share = weights / (1 + (off / (2 * NOISE)).square()).square()
        total = share.sum()
        middle = (points * share[:, None]).sum(0) / total
        offset = (rest * share).sum() / total
        # Of height against place along the ground; a second's worth of frames counts as one observation.
        place = (points - middle) @ across.T
        height = (points - middle) @ start - (rest - offset)
        left = (place * share[:, None]).T @ place / (30 * NOISE**2) + torch.eye(2) / TILT_DEVIATION**2
        slope = torch.linalg.solve(left, (place * share[:, None]).T @ height / (30 * NOISE**2))
        up = torch.nn.functional.normalize(start - slope @ across, dim=0)
        level = float(up @ middle - offset)
    return Ground(up, level)


def ground_of(motion: Motion, body: BodyModel) -> Ground | None:
    """The ground of a finished motion, from feet that hardly move; None where none stand, or there is no body."""
    if motion.body is None or len(motion) < 2:
        return None
    joints = motion.joints + motion.translation[:, None]
    feet = joints[:, FEET]
    seconds = motion.seconds.diff().clamp_min(1e-3).float()
    stands = (feet.diff(dim=0).norm(dim=-1) / seconds[:, None] < STANDS).float()
    shape = body.shaped(motion.body.betas.contiguous().median(dim=0).values)
    rest = shape.joints[list(FEET), 1] - shape.vertices[:, 1].min()
    upward = torch.nn.functional.normalize(joints[:, SMPL_24.index("neck")] - feet[:, :2].mean(1), dim=-1)
    return find_ground(feet[1:].flatten(0, 1), stands.flatten(), rest.repeat(len(feet) - 1), upward)


def _usual_way_up(upward: Float[Tensor, "n 3"]) -> Float[Tensor, "3"]:
    """The median direction of those who stand; straight up in the picture where nobody does."""
    level = torch.tensor(LEVEL)
    standing = upward[(upward @ level) > math.cos(math.radians(LEAN))]
    if len(standing) < 5:
        return level
    return torch.nn.functional.normalize(standing.contiguous().median(dim=0).values, dim=0)


def _weighted_median(values: Float[Tensor, "p"], weights: Float[Tensor, "p"]) -> float:
    order = values.argsort()
    total = weights[order].cumsum(0)
    return float(values[order][int(torch.searchsorted(total, total[-1] / 2))])
