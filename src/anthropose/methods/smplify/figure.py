"""The body as the fit sees it: some points in the camera, and how each moves when a joint turns."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.landmarks import Landmarks, landmarks_of
from anthropose.body.model import BodyModel
from anthropose.body.skinning import rigid_transforms
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.skeleton import SMPL_24, Skeleton

FIXED = ("left_foot", "right_foot", "left_hand", "right_hand")
"""Joints that no keypoint tells of; they stay straight."""
TURNING = tuple(i for i, name in enumerate(SMPL_24.joints) if name not in FIXED)
UNKNOWNS = 3 * len(TURNING) + 3
"""Of one frame: a small turn of each joint in its own axes, then the translation."""


@dataclass(frozen=True)
class State:
    """Poses of one person, or guesses at them: the variables of the fit."""

    rotations: Float[Tensor, "n 24 3 3"]
    translation: Float[Tensor, "n 3"]
    """The pelvis in the camera [m]."""
    betas: Float[Tensor, "10"]
    """One shape for all."""

    def moved(self, step: Float[Tensor, "n u"]) -> "State":
        """The state after a step in the unknowns."""
        turns = rotvec_to_rotmat(step[:, :-3].unflatten(1, (-1, 3)))
        rotations = self.rotations.clone()
        rotations[:, TURNING] = self.rotations[:, TURNING] @ turns
        return replace(self, rotations=rotations, translation=self.translation + step[:, -3:])

    @staticmethod
    def joined(states: list["State"]) -> "State":
        """All rows of several states of one shape."""
        rotations, translation = zip(*((s.rotations, s.translation) for s in states), strict=True)
        return State(torch.cat(rotations), torch.cat(translation), states[0].betas)

    def __getitem__(self, index: slice | Tensor) -> "State":
        return replace(self, rotations=self.rotations[index], translation=self.translation[index])


@dataclass(frozen=True)
class Placed:
    """Points of a state in the camera [m]: the 24 joints, then the landmarks."""

    points: Float[Tensor, "n p 3"]
    orientations: Float[Tensor, "n 24 3 3"]
    """Of each joint's own axes in the camera."""

    @property
    def joints(self) -> Float[Tensor, "n 24 3"]:
        return self.points[:, :24]

    @property
    def landmarks(self) -> Float[Tensor, "n k 3"]:
        return self.points[:, 24:]


class Figure:
    """Places the joints and a detector's landmarks of a body, with their derivatives."""

    def __init__(self, body: BodyModel, skeleton: Skeleton) -> None:
        self.body = body
        self.table: Landmarks = landmarks_of(body, skeleton)
        self.grip = self._measured_grip()

    def place(self, state: State) -> Placed:
        """The points where `state` has them."""
        rest = self.body.shaped(state.betas).joints
        n = len(state.rotations)
        joints, transforms = rigid_transforms(state.rotations, rest.expand(n, 24, 3), SMPL_24.parents)
        orientations = transforms[..., :3]
        landmarks = self.table.place(state.betas.expand(n, 10), state.rotations, orientations)
        points = torch.cat([joints, landmarks], dim=1) - rest[:1] + state.translation[:, None]
        return Placed(points, orientations)

    def jacobian(self, placed: Placed) -> Float[Tensor, "n p 3 u"]:
        """Derivatives of the points by the unknowns.

        A joint's turn moves a point as a rigid body would, times the share of the point that hangs on the joint.
        """
        n, p = placed.points.shape[:2]
        turning = list(TURNING)
        arms = (placed.points[:, :, None] - placed.joints[:, None, turning]) * self.grip[:, turning, None]
        axes = placed.orientations[:, None, turning]  # (n, 1, j, xyz, axis)
        jacobian = placed.points.new_empty(n, p, 3, UNKNOWNS)
        jacobian[..., -3:] = torch.eye(3)
        turns = jacobian[..., :-3].unflatten(-1, (len(turning), 3))
        # The cross product axis x arm, written where it belongs: three times as fast as torch.linalg.cross and a copy.
        for k in range(3):
            following, last = (k + 1) % 3, (k + 2) % 3
            torch.mul(axes[..., following, :], arms[..., last, None], out=turns[:, :, k])
            turns[:, :, k] -= axes[..., last, :] * arms[..., following, None]
        return jacobian

    def shape_jacobian(self, state: State) -> Float[Tensor, "n p 3 10"]:
        """Derivatives of the points by betas; exact, since points are linear in them."""
        origin = self.place(replace(state, betas=torch.zeros(10))).points
        columns = [self.place(replace(state, betas=unit)).points - origin for unit in torch.eye(10)]
        return torch.stack(columns, dim=-1)

    def _measured_grip(self) -> Float[Tensor, "p 24"]:
        """How much of each point hangs on each joint, found by turning every joint a little at rest."""
        angle = 1e-2
        turns = rotvec_to_rotmat(angle * torch.eye(3))
        rotations = torch.eye(3).repeat(24, 3, 24, 1, 1)
        rotations[range(24), :, range(24)] = turns
        still = torch.eye(3).expand(1, 24, 3, 3)
        betas, origin = torch.zeros(10), torch.zeros(1, 3)
        rest = self.place(State(still, origin, betas)).points
        moved = self.place(State(rotations.flatten(0, 1), origin.expand(72, 3), betas)).points
        moves = (moved - rest).unflatten(0, (24, 3)) / angle
        arms = rest[0, None] - rest[0, :24, None]
        rigid = torch.linalg.cross(torch.eye(3)[None, :, None], arms[:, None])
        return ((moves * rigid).sum((1, 3)) / rigid.square().sum((1, 3)).clamp_min(1e-8)).T.contiguous()
