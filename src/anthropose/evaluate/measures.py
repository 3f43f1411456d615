"""Every measure of one sequence, from its joints and surfaces, predicted and labelled."""

import re
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anthropose.errors import UserError
from anthropose.evaluate.pck import pose_errors, shares_of_frames
from anthropose.evaluate.scores import Errors
from anthropose.metrics import acceleration, acceleration_error, mpjpe, pa_mpjpe, scaled_mpjpe, velocity_error
from anthropose.skeleton import MPII3D_17, Skeleton

MILLIMETRES = 1000.0
H36M_ACTIONS = {
    2: "Directions",
    3: "Discussion",
    4: "Eating",
    5: "Greeting",
    6: "Phoning",
    7: "Posing",
    8: "Purchases",
    9: "Sitting",
    10: "SittingDown",
    11: "Smoking",
    12: "Photo",
    13: "Waiting",
    14: "Walking",
    15: "WalkDog",
    16: "WalkTogether",
}
"""What the numbers in Human3.6M's names of videos mean, as VideoPose3D calls them."""


@dataclass(frozen=True, eq=False)
class Compared:
    """What there is to compare of a sequence, frame by frame."""

    name: str
    joint_set: Skeleton
    predicted: Float[Tensor, "n j 3"]
    """Each pose relative to its own root [m]."""
    target: Float[Tensor, "n j 3"]
    counts: Bool[Tensor, "n"]
    """Which frames count; an acceleration counts with its middle frame, a velocity with its last."""
    vertices: Float[Tensor, "n"] | None = None
    """Error of each frame's surface [m]."""
    follows: Bool[Tensor, "m"] | None = None
    """Whether each frame but the first comes right after the one before; None: all do."""
    activities: Int[Tensor, "n"] | None = None
    roots: Float[Tensor, "n"] | None = None
    """Error of the root's place [m]."""
    unposed: Float[Tensor, "n"] | None = None
    """Error of each frame's surface without pose [m]."""
    lost: int = 0
    """Frames that count and have no prediction; to PCK and AUC they are wrong."""

    def sound(self) -> "Compared":
        """Itself.

        Raises:
            UserError: something in a frame that counts is not a number.
        """
        for what, joints in (("predictions", self.predicted), ("labels", self.target)):
            bad = ~joints.isfinite().flatten(1).all(1) & self.counts
            if bad.any():
                first = int(bad.nonzero()[0, 0])
                raise UserError(
                    f"{self.name}: the {what} of {int(bad.sum())} of {len(bad)} frames are not numbers, from frame "
                    f"{first} on; "
                    + ("are features and weights whole?" if what == "predictions" else "leave these frames out")
                )
        return self

    def errors(self) -> Errors:
        """The errors of the frames that count."""
        follows = torch.ones_like(self.counts[1:]) if self.follows is None else self.follows
        moving, inside = self.counts[1:] & follows, self.counts[1:-1] & follows[1:] & follows[:-1]

        def values(errors: Tensor, counts: Tensor) -> Float[Tensor, "m"]:
            return (errors[counts] * MILLIMETRES).cpu()

        def some(errors: Tensor | None) -> Float[Tensor, "m"] | None:
            return None if errors is None else values(errors, self.counts)

        joints = self._joint_errors()
        pck, auc = (None, None) if joints is None else shares_of_frames(joints)
        return Errors(
            name=self.name,
            mpjpe=values(mpjpe(self.predicted, self.target), self.counts),
            pa_mpjpe=values(pa_mpjpe(self.predicted, self.target), self.counts),
            acceleration=values(acceleration(self.predicted), inside),
            acceleration_error=values(acceleration_error(self.predicted, self.target), inside),
            vertex_error=some(self.vertices),
            n_mpjpe=values(scaled_mpjpe(self.predicted, self.target), self.counts),
            velocity_error=values(velocity_error(self.predicted, self.target), moving),
            pck=pck,
            auc=auc,
            root_error=some(self.roots),
            unposed_error=some(self.unposed),
            action=action_of(self.name),
            activities=None
            if self.activities is None or self.lost
            else self.activities.to(self.counts.device)[self.counts].cpu(),
            joint_errors=joints,
        )

    def _joint_errors(self) -> Float[Tensor, "p 17"] | None:
        """Of the joints of MPI-INF-3DHP [mm], where these are compared."""
        if self.joint_set is not MPII3D_17:
            return None
        ours, theirs = (MILLIMETRES * joints.double().cpu() for joints in (self.predicted, self.target))
        found = pose_errors(ours, theirs, self.counts.cpu())
        return torch.cat([found, torch.full((self.lost, len(MPII3D_17)), torch.inf, dtype=found.dtype)])


def action_of(name: str) -> str:
    """What a sequence of Human3.6M shows, by its name; empty for those of other sets."""
    found = re.search(r"(?:^|_)act_(\d+)(?:_|$)", name)
    return H36M_ACTIONS.get(int(found[1]), "") if found else ""
