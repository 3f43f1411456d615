"""Where a body must stand for its points to lie on the keypoints that were seen."""

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.landmarks import Landmarks, landmarks_of
from anthropose.body.model import BodyModel
from anthropose.body.skinning import rigid_transforms
from anthropose.motion import BodyPose, Camera
from anthropose.skeleton import SMPL_24, Skeleton

SPREAD = 0.02
"""Of keypoints about the body's points, as a share of the person's size in the picture."""
OUTLIER = 3.0
"""Keypoints this many spreads away count a quarter."""
LOOSE = 0.1
"""Of the place that is begun at, as a share of its distance: it counts where keypoints tell little."""
NEAREST = 0.3
"""No point of a person is nearer to the camera [m]."""
ROUNDS = 4


class Placing:
    """Moves one person's body as a whole: the network's crop camera is right to some centimetres only."""

    def __init__(self, body: BodyModel, skeleton: Skeleton, camera: Camera) -> None:
        """
        Args:
            skeleton: of the keypoints; those that the body has not are passed over.
        """
        self._body, self._camera = body, camera
        self._landmarks: Landmarks = landmarks_of(body, skeleton)
        self._trust = self._landmarks.trust * self._landmarks.valid

    def joints_and_landmarks(self, pose: BodyPose) -> tuple[Float[Tensor, "24 3"], Float[Tensor, "k 3"]]:
        """Both relative to the root joint [m], in camera axes."""
        rest = self._body.shaped(pose.betas[None]).joints
        joints, transforms = rigid_transforms(pose.rotations[None], rest, SMPL_24.parents)
        points = self._landmarks.place(pose.betas[None], pose.rotations[None], transforms[..., :3])
        return (joints - joints[:, :1])[0], (points - rest[:, :1])[0]

    def place(
        self,
        points: Float[Tensor, "k 3"],
        keypoints: Float[Tensor, "k 3"],
        guess: Float[Tensor, "3"],
    ) -> Float[Tensor, "3"]:
        """The root joint's position [m] that brings the points onto the keypoints; robust, and near the guess.

        Args:
            points: of the body, relative to its root joint, in camera axes.
            keypoints: x, y [px] and confidence, of the same names.
            guess: where the root joint may be.
        """
        usable = keypoints.isfinite().all(-1) & self._landmarks.valid
        trust = torch.where(usable, keypoints[:, 2].clamp(0, 1).square() * self._trust, 0.0)
        seen = torch.where(usable[:, None], keypoints[:, :2], 0.0)
        across = (seen - seen.new_tensor(self._camera.center)) / self._camera.focal
        loose = torch.diag((LOOSE * guess[2].clamp_min(1.0)) ** -2 * torch.ones(3))
        target = (across * points[:, 2:] - points[:, :2]).flatten()
        size = (points[:, :2].amax(0) - points[:, :2].amin(0)).amax().clamp_min(0.5)
        towards = torch.stack([_towards(0, across), _towards(1, across)], dim=1).flatten(0, 1)
        place = guess
        for _ in range(ROUNDS):
            off = ((towards @ place) - target).unflatten(0, (-1, 2)) / (SPREAD * size)
            fade = 1 / (1 + off.square().sum(-1) / OUTLIER**2)
            weight = trust * fade.square() / (SPREAD * size) ** 2
            # Plain products: the search for a good order of an einsum takes longer than all of the rest.
            weighted = (towards * weight.repeat_interleave(2)[:, None]).T
            place = torch.linalg.solve(weighted @ towards + loose, weighted @ target + loose @ guess)
        return torch.cat([place[:2], place[2:].clamp_min(NEAREST - float(points[:, 2].min()))])


def _towards(axis: int, across: Float[Tensor, "k 2"]) -> Float[Tensor, "k 3"]:
    """How far a point is off its line of sight [m], by the place: x + tx - u (z + tz), and the same for y."""
    row = torch.zeros(len(across), 3)
    row[:, axis], row[:, 2] = 1.0, -across[:, axis]
    return row
