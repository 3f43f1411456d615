"""What DynaBOA and BOA adapt by: terms on the body that the network sees in an image (dynaboa spec, section 4).

Every term is the mean that is published, unweighted; `Weights` in adaptation.py has the factors.
"""

from dataclasses import dataclass, fields
from typing import Literal, assert_never

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import mse_loss

from anthropose.body.model import PointModel
from anthropose.body.prior import GaussianMixturePrior
from anthropose.geometry.cameras import project_crop
from anthropose.geometry.rotations import rotmat_to_rotvec_as_published, rotvec_to_rotmat_as_published
from anthropose.losses import geman_mcclure
from anthropose.methods.dynaboa.preprocessing import LABELLED, ROWS, Rows
from anthropose.motion import Prediction

Terms = dict[str, Tensor]
HIPS = [2, 3]
"""Among the 24 labelled joints."""
MotionMask = Literal["certain", "product", "none"]


@dataclass(frozen=True)
class Figure:
    """The person that the network sees: its prediction with the joints that the losses compare."""

    prediction: Prediction
    joints: Float[Tensor, "b k 3"]
    """[m] in camera axes, not root-relative: SPIN-49, or the set that a network of keypoints knows."""
    keypoints: Float[Tensor, "b k 2"]
    """The joints as the camera sees them, in coordinates of the crop, -1 to 1."""

    def detached(self) -> "Figure":
        """The same without its graph."""
        pose, camera = self.prediction.pose, self.prediction.camera
        still = type(pose)(pose.rotations.detach(), pose.betas.detach())
        return Figure(Prediction(still, camera.detach()), self.joints.detach(), self.keypoints.detach())


@dataclass(frozen=True)
class Exemplar:
    """A labelled image of somebody else, which keeps the network from forgetting what bodies look like."""

    image: Float[Tensor, "b 3 h w"]
    keypoints: Float[Tensor, "b 49 3"]
    """In coordinates of the crop, -1 to 1, with a confidence; only the labelled rows count."""
    joints: Float[Tensor, "b 24 4"]
    """The labelled rows of SPIN-49 [m] and a confidence."""
    rotvecs: Float[Tensor, "b 24 3"]
    """Of each joint relative to its parent, the root's relative to the camera [rad]."""
    betas: Float[Tensor, "b 10"]

    def to(self, device: torch.device | str) -> "Exemplar":
        """The same elsewhere."""
        return Exemplar(*(getattr(self, field.name).to(device) for field in fields(self)))


def figure_of(prediction: Prediction, points: PointModel) -> Figure:
    """The figure of a prediction; `points` are those of SPIN-49."""
    joints = points(prediction.pose.betas, prediction.pose.rotations)
    return Figure(prediction, joints, project_crop(joints, prediction.camera))


def keypoint_error(
    seen: Float[Tensor, "b 49 2"], keypoints: Float[Tensor, "b 49 3"], rows: Rows, robust: float = 0.0
) -> Float[Tensor, ""]:
    """Squared distance weighted by confidence, mean over all of `rows` whether they were found or not, as published.

    Args:
        robust: the distance in the crop beyond which an error stops to count more (Geman-McClure); 0 for squares.
    """
    part = ROWS[rows]
    away = seen[:, part] - keypoints[:, part, :2]
    squares = geman_mcclure(away, robust) if robust > 0 else away.square()
    return (keypoints[:, part, 2:] * squares).mean()


def frame_terms(
    figure: Figure,
    keypoints: Float[Tensor, "b 49 3"],
    prior: GaussianMixturePrior | None,
    rows: Rows = "labelled",
    robust: float = 0.0,
) -> Terms:
    """What a single frame says: keypoints, and how likely shape and pose are (the latter where there is a prior)."""
    pose = figure.prediction.pose
    terms = {
        "keypoints": keypoint_error(figure.keypoints, keypoints, rows, robust),
        "shape_prior": pose.betas.square().sum(-1).mean(),
    }
    if prior is not None:
        terms["pose_prior"] = prior(rotmat_to_rotvec_as_published(pose.rotations[:, 1:]).flatten(1)).mean()
    return terms


def teacher_terms(figure: Figure, teacher: Figure, rows: Rows = "all", aligned: bool = False) -> Terms:
    """How far the figure is from the teacher's; no confidences.

    Args:
        rows: the joints compared: all in DynaBOA, the labelled ones in BOA.
        aligned: whether joints are compared relative to the middle between the hips, as BOA does.
    """
    part = ROWS[rows]
    ours, theirs = figure.joints[:, part], teacher.joints[:, part]
    if aligned:
        ours, theirs = _from_hips(ours), _from_hips(theirs)
    pose, target = figure.prediction.pose, teacher.prediction.pose
    return {
        "teacher_keypoints": mse_loss(figure.keypoints[:, part], teacher.keypoints[:, part]),
        "teacher_joints": mse_loss(ours, theirs),
        "teacher_shape": mse_loss(pose.betas, target.betas),
        "teacher_pose": mse_loss(pose.rotations, target.rotations),
    }


def motion_error(
    figure: Figure,
    earlier: Figure,
    keypoints: Float[Tensor, "b 49 3"],
    earlier_keypoints: Float[Tensor, "b 49 3"],
    rows: Rows = "labelled",
    mask: MotionMask = "certain",
) -> Float[Tensor, ""]:
    """How far the projected joints move unlike the keypoints, between an earlier frame and this one.

    Args:
        mask: which joints count. "certain": those whose two confidences add up to exactly 2 (DynaBOA), which soft
            confidences never do; "product": all, weighted by the product of the two; "none": all alike (BOA).
    """
    part = ROWS[rows]
    moved = figure.keypoints[:, part] - earlier.keypoints[:, part]
    target = keypoints[:, part, :2] - earlier_keypoints[:, part, :2]
    now, then = keypoints[:, part, 2:], earlier_keypoints[:, part, 2:]
    if mask == "certain":
        weight = (now + then == 2).to(moved)
    elif mask == "product":
        weight = now * then
    elif mask == "none":
        weight = torch.ones_like(now)
    else:
        assert_never(mask)
    return (weight * (moved - target).square()).mean()


def labelled_terms(
    figure: Figure, exemplar: Exemplar, confidence: Literal["keypoints", "joints"] = "keypoints"
) -> Terms:
    """How far the figure is from an exemplar's labels.

    Args:
        confidence: what weights the joints in space: as DynaBOA published it that of the keypoints, in BOA their own.
    """
    pose = figure.prediction.pose
    sure = exemplar.keypoints[:, LABELLED, 2:] if confidence == "keypoints" else exemplar.joints[..., 3:]
    away = _from_hips(figure.joints[:, LABELLED]) - _from_hips(exemplar.joints[..., :3])
    return {
        "labelled_keypoints": keypoint_error(figure.keypoints, exemplar.keypoints, "labelled"),
        "labelled_joints": (sure * away.square()).mean(),
        "labelled_shape": mse_loss(pose.betas, exemplar.betas),
        "labelled_pose": mse_loss(pose.rotations, rotvec_to_rotmat_as_published(exemplar.rotvecs)),
    }


def _from_hips(joints: Float[Tensor, "b 24 3"]) -> Float[Tensor, "b 24 3"]:
    return joints - joints[:, HIPS].mean(1, keepdim=True)
