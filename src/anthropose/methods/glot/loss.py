"""What GLoT's training minimises: the same six terms for both branches, and the published weights of them."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anthropose.body.results import Result
from anthropose.datasets.sequence import Batch
from anthropose.geometry.rotations import rotvec_to_rotmat_as_published

COMMON = slice(25, 39)
"""The joints of SPIN-49 that the 3D terms look at: those of LSP-14."""
HIPS = slice(2, 4)
"""Of these, the two whose middle is the root."""


@dataclass(frozen=True)
class GLoTLosses:
    """The weights of the terms, and where they follow the published code; the defaults are those of Table 1, 3DPW."""

    keypoints: float = 300.0
    joints: float = 300.0
    pose: float = 60.0
    shape: float = 0.06
    motion_2d: float = 10.0
    motion_3d: float = 100.0
    motion: Literal["velocity", "acceleration"] = "velocity"
    """What the motion terms compare; the published configurations all compare velocities."""
    strict_mask: bool = False
    """Whether only hidden frames enter the global 3D motion term, as in its other terms. The published code averages it
    over all frames and multiplies it by the share that is hidden: it means not to, but its criterion has averaged
    already."""
    motion_about_hips: bool = False
    """Whether the 3D motion is that of joints relative to the hips. As published it is not, although 3DPW's labels hold
    a movement through the world that no prediction has."""


def glot_losses(
    local: Result, whole: Result, hidden: Bool[Tensor, "b t"], batch: Batch, config: GLoTLosses, local_frames: slice
) -> dict[str, Float[Tensor, ""]]:
    """The named terms, weighted; their sum is what is minimised (glot spec, section 3).

    Where no frame of the batch has a body, there are no terms of pose and shape.

    Args:
        local: what the local branch makes of `local_frames`, "b 3".
        whole: what the global branch makes of all frames.
        hidden: the frames that the global branch had to guess: its terms look at those only.
        batch: with labels for all frames.
    """
    near = _Labels.of(batch).near(local_frames)
    branches = {
        "global": _Terms(whole, _Labels.of(batch), hidden.to(batch.theta), config),
        "local": _Terms(local, near, torch.ones_like(near.has_body, dtype=batch.theta.dtype), config),
    }
    return {f"{name}_{branch}": value for branch, terms in branches.items() for name, value in terms.all().items()}


@dataclass(frozen=True)
class _Labels:
    """Of some frames of a batch's windows."""

    keypoints: Float[Tensor, "b t 49 3"]
    joints: Float[Tensor, "b t 49 3"]
    theta: Float[Tensor, "b t 85"]
    has_joints: Bool[Tensor, "b t"]
    has_body: Bool[Tensor, "b t"]

    @classmethod
    def of(cls, batch: Batch) -> "_Labels":
        return cls(batch.keypoints, batch.joints, batch.theta, batch.has_joints, batch.has_body)

    def near(self, frames: slice) -> "_Labels":
        return _Labels(
            *(label[:, frames] for label in (self.keypoints, self.joints, self.theta, self.has_joints, self.has_body))
        )


@dataclass(frozen=True)
class _Terms:
    """The six terms of a branch. Each is a mean over all frames that have the label, also those that do not count."""

    result: Result
    labels: _Labels
    counts: Float[Tensor, "b t"]
    """1 for the frames that count, 0 for others."""
    config: GLoTLosses

    def all(self) -> dict[str, Float[Tensor, ""]]:
        terms = {
            "keypoints": self.config.keypoints * self.keypoints(),
            "joints": self.config.joints * self.joints(),
            "motion_2d": self.config.motion_2d * self.motion_2d(),
            "motion_3d": self.config.motion_3d * self.motion_3d(),
        }
        if self.labels.has_body.any():
            terms |= {"pose": self.config.pose * self.pose(), "shape": self.config.shape * self.shape()}
        return terms

    def keypoints(self) -> Float[Tensor, ""]:
        label, confidence = self.labels.keypoints.split([2, 1], dim=-1)
        return self._mean(confidence * (self.result.keypoints - label).square())

    def joints(self) -> Float[Tensor, ""]:
        return self._mean(about_hips(self._common_error()).square(), self.labels.has_joints)

    def pose(self) -> Float[Tensor, ""]:
        vectors = (theta[..., 3:75].unflatten(-1, (24, 3)) for theta in (self.result.theta, self.labels.theta))
        predicted, label = map(rotvec_to_rotmat_as_published, vectors)
        return self._mean((predicted - label).square().flatten(3), self.labels.has_body)

    def shape(self) -> Float[Tensor, ""]:
        error = (self.result.theta - self.labels.theta)[..., None, 75:]
        return self._mean(error.square(), self.labels.has_body)

    def motion_2d(self) -> Float[Tensor, ""]:
        label, confidence = self.labels.keypoints.split([2, 1], dim=-1)
        return self._mean(confidence * self._motion(self.result.keypoints - label).square())

    def motion_3d(self) -> Float[Tensor, ""]:
        error, labelled = self._common_error(), self.labels.has_joints
        squares = self._motion(about_hips(error) if self.config.motion_about_hips else error).square()
        if self.config.strict_mask or not labelled.any():
            return self._mean(squares, labelled)
        return squares[labelled].mean() * self.counts[labelled].mean()

    def _common_error(self) -> Float[Tensor, "b t 14 3"]:
        return (self.result.joints - self.labels.joints)[..., COMMON, :]

    def _motion(self, error: Float[Tensor, "b t j c"]) -> Float[Tensor, "b t j c"]:
        """The error of the velocity from each frame to the next, or of the acceleration; 0 where there is none.

        Both are linear: the error of the motion is the motion of the error.
        """
        none = torch.zeros_like(error[:, :1])
        if self.config.motion == "velocity":
            return torch.cat([error.diff(dim=1), none], dim=1)
        return torch.cat([none, error.diff(n=2, dim=1), none], dim=1)

    def _mean(
        self, squares: Float[Tensor, "b t j c"], labelled: Bool[Tensor, "b t"] | None = None
    ) -> Float[Tensor, ""]:
        """Over all frames with the label, 0 if there are none; the squares of frames that do not count are 0."""
        counted = squares * self.counts[..., None, None]
        if labelled is None:
            return counted.mean()
        return counted[labelled].mean() if labelled.any() else counted.sum() * 0


def about_hips(joints: Float[Tensor, "*b 14 3"]) -> Float[Tensor, "*b 14 3"]:
    """Relative to the middle between the hips; for differences of positions as for positions."""
    return joints - joints[..., HIPS, :].mean(dim=-2, keepdim=True)
