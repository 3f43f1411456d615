"""What GLoT's training minimises: the same six terms for both branches, and the published weights of them."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anthropose.body.results import Result
from anthropose.datasets.sequence import Batch
from anthropose.losses import (
    SUPERVISED,
    betas_loss,
    joints_3d_loss,
    keypoints_2d_loss,
    pose_loss,
    relative_to_hips,
)


@dataclass(frozen=True)
class GLoTLosses:
    """The weights of the terms, and where they follow the published code; the defaults are those of Table 1, 3DPW."""

    keypoints_2d: float = 300.0
    joints_3d: float = 300.0
    pose: float = 60.0
    betas: float = 0.06
    motion_2d: float = 10.0
    motion_3d: float = 100.0
    motion: Literal["velocity", "acceleration"] = "velocity"
    """What the motion terms compare; all published configurations compare velocities."""
    strict_mask: bool = False
    """Whether only hidden frames enter the global branch's 3D motion, as in its other terms. The published code means
    to, but its criterion averages over all frames before they are masked, which leaves a factor: the share hidden."""
    motion_about_hips: bool = False
    """Whether the 3D motion is that of joints relative to the hips. As published it is not, although 3DPW's labels hold
    a movement through the world that no prediction has."""


def glot_losses(
    local: Result, whole: Result, hidden: Bool[Tensor, "b t"], batch: Batch, losses: GLoTLosses, local_frames: slice
) -> dict[str, Float[Tensor, ""]]:
    """The named terms, weighted; their sum is what is minimised (glot spec, section 3).

    Where no frame of the batch has a body, there are no terms of pose and shape.

    Args:
        local: what the local branch makes of `local_frames`, "b 3".
        whole: what the global branch makes of all frames.
        hidden: the frames that the global branch had to guess: its terms look at those only.
        batch: with labels for all frames.
    """
    labels = _Labels(batch.keypoints, batch.joints, batch.theta, batch.has_joints, batch.has_body)
    near = labels.of(local_frames)
    terms = {
        "global": _terms(whole, labels, hidden.to(batch.theta), losses),
        "local": _terms(local, near, torch.ones_like(near.theta[..., 0]), losses),
    }
    return {f"{name}_{branch}": value for branch, some in terms.items() for name, value in some.items()}


@dataclass(frozen=True)
class _Labels:
    """Of some frames of a batch's windows; see Batch."""

    keypoints: Float[Tensor, "b o 49 3"]
    joints: Float[Tensor, "b o 49 3"]
    theta: Float[Tensor, "b o 85"]
    has_joints: Bool[Tensor, "b o"]
    has_body: Bool[Tensor, "b o"]

    def of(self, frames: slice) -> "_Labels":
        labels = self.keypoints, self.joints, self.theta, self.has_joints, self.has_body
        return _Labels(*(label[:, frames] for label in labels))


def _terms(
    result: Result, labels: _Labels, counts: Float[Tensor, "b o"], losses: GLoTLosses
) -> dict[str, Float[Tensor, ""]]:
    """The six terms of a branch; `counts` is 1 for frames that enter and 0 for others, which still divide the means."""
    terms = {
        "keypoints_2d": losses.keypoints_2d * keypoints_2d_loss(result.keypoints, labels.keypoints, counts),
        "joints_3d": losses.joints_3d * joints_3d_loss(result.joints, labels.joints, labels.has_joints, counts),
        "motion_2d": losses.motion_2d * _motion_2d(result, labels, counts, losses),
        "motion_3d": losses.motion_3d * _motion_3d(result, labels, counts, losses),
    }
    if labels.has_body.any():
        terms["pose"] = losses.pose * pose_loss(result.theta, labels.theta, labels.has_body, counts)
        terms["betas"] = losses.betas * betas_loss(result.theta, labels.theta, labels.has_body, counts)
    return terms


def _motion_2d(result: Result, labels: _Labels, counts: Float[Tensor, "b o"], losses: GLoTLosses) -> Float[Tensor, ""]:
    """The squared error of the keypoints' motion, times the confidence of the frame at which it is written down."""
    predicted, target = (_motion(points[..., :2], losses) for points in (result.keypoints, labels.keypoints))
    return keypoints_2d_loss(predicted, torch.cat([target, labels.keypoints[..., 2:]], dim=-1), counts)


def _motion_3d(result: Result, labels: _Labels, counts: Float[Tensor, "b o"], losses: GLoTLosses) -> Float[Tensor, ""]:
    """The squared error [m^2] of the motion of the 14 joints, 0 where nothing is labelled."""
    motions = [
        _motion(relative_to_hips(joints) if losses.motion_about_hips else joints[..., SUPERVISED, :], losses)
        for joints in (result.joints, labels.joints)
    ]
    squares = (motions[0] - motions[1]).square()[labels.has_joints]
    counts = counts[labels.has_joints]
    if not len(squares):
        return result.joints.sum() * 0
    if losses.strict_mask:
        return (squares * counts[:, None, None]).mean()
    return squares.mean() * counts.mean()


def _motion(points: Float[Tensor, "b t j c"], losses: GLoTLosses) -> Float[Tensor, "b t j c"]:
    """The velocity from each frame to the next, or the acceleration at it; 0 where there is none, which counts."""
    none = torch.zeros_like(points[:, :1])
    if losses.motion == "velocity":
        return torch.cat([points.diff(dim=1), none], dim=1)
    return torch.cat([none, points.diff(n=2, dim=1), none], dim=1)
