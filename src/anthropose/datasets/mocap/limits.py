"""How far people's joints turn, and motions kept within that.

A joint's rotation is taken apart into a twist about its bone, then a swing of the bone: about x it is flexion or
extension of legs and trunk, and so on as in `RANGES`. Rest is the T-pose, x to the person's left, y up, z forward.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.skeleton import SMPL_24

Range = tuple[float, float]


@dataclass(frozen=True)
class JointRange:
    """The range of a left joint, or one in the middle [degrees]; a right one's is the mirror image."""

    x: Range
    y: Range
    z: Range
    bone: int = 1
    """The axis along the bone, about which the joint twists: 0 for arms, 1 for legs and trunk."""


RANGES: dict[str, JointRange] = {
    "spine1": JointRange((-12, 30), (-15, 15), (-14, 14)),
    "spine2": JointRange((-10, 27), (-15, 15), (-12, 12)),
    "spine3": JointRange((-8, 23), (-15, 15), (-12, 12)),
    "neck": JointRange((-30, 30), (-40, 40), (-25, 25)),
    "head": JointRange((-30, 25), (-40, 40), (-22, 22)),
    "hip": JointRange((-130, 30), (-45, 50), (-30, 50)),
    "knee": JointRange((-3, 150), (-15, 20), (-6, 6)),
    "ankle": JointRange((-25, 50), (-20, 25), (-20, 30)),
    "collar": JointRange((-10, 15), (-18, 15), (-10, 30), bone=0),
    "shoulder": JointRange((-90, 90), (-135, 55), (-95, 105), bone=0),
    "elbow": JointRange((-90, 90), (-150, 4), (-10, 10), bone=0),
    "wrist": JointRange((-50, 50), (-30, 25), (-75, 75), bone=0),
}
"""Joint -> what healthy adults reach, after the American Academy of Orthopaedic Surgeons (Joint Motion: Method of
Measuring and Recording, 1965) and Boone and Azen (J. Bone Joint Surg. 61-A, 1979):

hip: flexion 120 (-x), extension 30, abduction 45 (+z), adduction 30, rotation 45 both ways; knee: flexion 150 (+x), no
extension beyond straight; ankle: dorsiflexion 20 (-x), plantar flexion 50; shoulder, with what the collar bone adds:
abduction 180, of which 90 are above the T-pose (+z) and 90 below, forward and across 135 (-y), extension 60;
elbow: flexion 150 (-y), forearm rotation 80 both ways; wrist: flexion 80, extension 70, deviation 20 and 30.
The trunk's 80 of flexion, 30 of extension, 35 sideways and 45 of rotation are shared out among three joints of the
spine, the neck's 45 to 60 among neck and head. A few degrees are added for bodies whose rest is not exactly straight.
"""


class Limits:
    """The ranges of some of SMPL's joints on a device, in the form in which rotations are compared with them."""

    def __init__(self, joints: tuple[int, ...], device: torch.device | str = "cpu") -> None:
        """
        Args:
            joints: their numbers; each must be in `RANGES`.
        """
        ranges, order = [], []
        for joint in joints:
            side, _, part = SMPL_24.joints[joint].rpartition("_")
            one = RANGES[part]
            sides = [one.x, *((-high, -low) if side == "right" else (low, high) for low, high in (one.y, one.z))]
            axes = [one.bone, (one.bone + 1) % 3, (one.bone + 2) % 3]
            ranges.append([sides[axis] for axis in axes])
            order.append(axes)
        half = torch.tensor(ranges).deg2rad() / 2
        self._low, self._high = (half[..., k].tan().to(device) for k in (0, 1))
        legs = torch.tensor([axes[0] == 1 for axes in order], device=device)
        self._legs = legs

    def kept(self, varied: Float[Tensor, "*n j 4"], recorded: Float[Tensor, "*n j 4"]) -> Float[Tensor, "*n j 4"]:
        """Rotations within the ranges, or as far outside as those recorded are; the others at the nearest border.

        Quaternions x, y, z, w of any length; what is changed comes with a length of its own.
        """
        twist, swing = self._parts(varied)
        recorded_twist, recorded_swing = self._parts(recorded)
        low, high = self._low[:, 0], self._high[:, 0]
        within = torch.minimum(torch.maximum(twist, torch.minimum(low, recorded_twist)), high.maximum(recorded_twist))
        reach, allowed = self._reach(swing), self._reach(recorded_swing).clamp_min(1)
        first, second = swing * (allowed / reach.clamp_min(1e-9)).clamp_max(1)[None]
        a, b = first + second * within, second - first * within
        legs = self._legs
        values = [torch.where(legs, b, within), torch.where(legs, within, a), torch.where(legs, a, b)]
        changed = (within != twist) | (reach > allowed)
        kept = torch.stack([*values, torch.ones_like(a)], dim=-1)
        return torch.where(changed[..., None], kept, varied)

    def _parts(self, rotations: Float[Tensor, "*n j 4"]) -> tuple[Float[Tensor, "*n j"], Float[Tensor, "2 *n j"]]:
        """The tangent of half the twist, and the axis of the swing by the tangent of half its angle."""
        x, y, z, w = rotations.unbind(-1)
        t = torch.where(self._legs, y, x)
        a = torch.where(self._legs, z, y)
        b = torch.where(self._legs, x, z)
        square = (t * t + w * w).clamp_min(1e-9)
        swing = torch.stack([(a * w - b * t) / square, (b * w + a * t) / square])
        return t * w / (w * w).clamp_min(1e-9), swing

    def _reach(self, swing: Float[Tensor, "2 *n j"]) -> Float[Tensor, "*n j"]:
        """How far a swing goes, where 1 is the border: an ellipse of its own in each quadrant."""
        most = torch.where(swing < 0, self._low[:, 1:].T.reshape(2, *[1] * (swing.dim() - 2), -1),
                           self._high[:, 1:].T.reshape(2, *[1] * (swing.dim() - 2), -1))  # fmt: skip
        return (swing / most).square().sum(0).sqrt()


def clamped(rotations: Float[Tensor, "*n j 4"], joints: tuple[int, ...]) -> Float[Tensor, "*n j 4"]:
    """Rotations of joints of SMPL, each within its range."""
    still = rotations.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(rotations.shape)
    return Limits(joints, rotations.device).kept(rotations, still)


LIMITED = tuple(joint for joint, name in enumerate(SMPL_24.joints) if name.rpartition("_")[2] in RANGES)
"""The numbers of SMPL's joints that have a range: all but the root, feet and hands."""
