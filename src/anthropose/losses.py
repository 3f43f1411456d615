"""Terms that methods add up into what they minimise; each is a function that a test can call alone.

The terms of VIBE and its descendants (vibe_base spec, section 11) are here once. A mean runs over everything that its
description names, and a weight per frame, where one is given, multiplies the squares without changing what they are
divided by: that is how the published code masks frames.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor

from anthropose.body.results import Result
from anthropose.geometry.rotations import rotvec_to_rotmat_as_published
from anthropose.skeleton import SMPL_24, SPIN_49

SUPERVISED = tuple(range(25, 39))
"""The LSP joints of SPIN-49: of the 3D joints the published losses take only these."""
HIPS = tuple(SPIN_49.index(name) for name in ("right_hip", "left_hip"))


@dataclass(frozen=True)
class LossWeights:
    """What each term is multiplied by; the defaults are VIBE's and TCMR's published values."""

    keypoints_2d: float = 300.0
    joints_3d: float = 300.0
    pose: float = 60.0
    betas: float = 0.06
    adversarial: float = 0.5


@runtime_checkable
class Labels(Protocol):
    """What a loss reads of a batch (datasets.sequence.Batch): labels, and which of them there are."""

    @property
    def keypoints(self) -> Float[Tensor, "b o 49 3"]: ...
    @property
    def joints(self) -> Float[Tensor, "b o 49 3"]: ...
    @property
    def theta(self) -> Float[Tensor, "b o 85"]: ...
    @property
    def has_joints(self) -> Bool[Tensor, "b o"]: ...
    @property
    def has_body(self) -> Bool[Tensor, "b o"]: ...


def _mean(squares: Float[Tensor, "n *c"], weight: Float[Tensor, "n"] | None) -> Float[Tensor, ""]:
    """The mean of all entries; those of each row multiplied by its weight, of which the number does not change."""
    if weight is not None:
        squares = squares * weight.reshape(-1, *(1,) * (squares.ndim - 1))
    return squares.mean()


def keypoints_2d_loss(
    predicted: Float[Tensor, "*b 49 2"], target: Float[Tensor, "*b 49 3"], weight: Float[Tensor, "*b"] | None = None
) -> Float[Tensor, ""]:
    """The mean over frames, joints, x and y of confidence times squared distance.

    Args:
        predicted: in coordinates of the crop, -1 to 1.
        target: likewise, and a confidence, which is taken as it is.
        weight: of each frame.
    """
    squares = target[..., 2:] * (predicted - target[..., :2]).square()
    return _mean(squares.flatten(0, -3), None if weight is None else weight.flatten())


def joints_3d_loss(
    predicted: Float[Tensor, "*b 49 3"],
    target: Float[Tensor, "*b 49 3"],
    labelled: Bool[Tensor, "*b"],
    weight: Float[Tensor, "*b"] | None = None,
) -> Float[Tensor, ""]:
    """The mean square [m^2] over labelled frames, the 14 LSP joints and axes, both sides relative to their own hips.

    Zero where nothing is labelled.
    """
    difference = relative_to_hips(predicted[labelled]) - relative_to_hips(target[labelled])
    if not len(difference):
        return predicted.sum() * 0
    return _mean(difference.square(), None if weight is None else weight[labelled])


def relative_to_hips(joints: Float[Tensor, "*b 49 3"]) -> Float[Tensor, "*b 14 3"]:
    """The LSP joints of SPIN-49, with the middle of the hips at zero."""
    return joints[..., SUPERVISED, :] - joints[..., HIPS, :].mean(-2, keepdim=True)


def pose_loss(
    predicted: Float[Tensor, "*b 85"],
    target: Float[Tensor, "*b 85"],
    labelled: Bool[Tensor, "*b"],
    weight: Float[Tensor, "*b"] | None = None,
) -> Float[Tensor, ""]:
    """The mean square over labelled frames of the difference of all 24 rotation matrices, made from `theta`.

    As published the prediction goes through rotation vectors, and its gradient with it. At least one frame must be
    labelled.
    """
    ours, theirs = (
        rotvec_to_rotmat_as_published(theta[labelled][:, 3:75].unflatten(-1, (24, 3))) for theta in (predicted, target)
    )
    return _mean((ours - theirs).square(), None if weight is None else weight[labelled])


def betas_loss(
    predicted: Float[Tensor, "*b 85"],
    target: Float[Tensor, "*b 85"],
    labelled: Bool[Tensor, "*b"],
    weight: Float[Tensor, "*b"] | None = None,
) -> Float[Tensor, ""]:
    """The mean square over labelled frames of the shape's difference. At least one frame must be labelled."""
    squares = (predicted[labelled][:, 75:] - target[labelled][:, 75:]).square()
    return _mean(squares, None if weight is None else weight[labelled])


def vibe_loss(
    result: Result,
    labels: Labels,
    weights: LossWeights = LossWeights(),
    scores: Float[Tensor, "s 1"] | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """VIBE's weighted terms for the network, which are TCMR's as well; their sum is minimised.

    Args:
        result: with the joints of SPIN-49.
        scores: the discriminator's for the predicted motions, for the adversarial term.

    Returns:
        keypoints_2d and joints_3d; betas and pose only where some frame has a body as its label; adversarial only with
        `scores`.
    """
    terms = {
        "keypoints_2d": weights.keypoints_2d * keypoints_2d_loss(result.keypoints, labels.keypoints),
        "joints_3d": weights.joints_3d * joints_3d_loss(result.joints, labels.joints, labels.has_joints),
    }
    if labels.has_body.any():
        terms["betas"] = weights.betas * betas_loss(result.theta, labels.theta, labels.has_body)
        terms["pose"] = weights.pose * pose_loss(result.theta, labels.theta, labels.has_body)
    if scores is not None:
        terms["adversarial"] = weights.adversarial * squared_distance(scores, 1.0)
    return terms


def discriminator_loss(
    real: Float[Tensor, "r 1"], made: Float[Tensor, "s 1"], weight: float = LossWeights.adversarial
) -> dict[str, Float[Tensor, ""]]:
    """The motion discriminator's weighted terms: recorded motions shall score 1, made ones 0.

    Args:
        made: the scores of motions that were detached from the network that made them.
    """
    return {"real": weight * squared_distance(real, 1.0), "made": weight * squared_distance(made, 0.0)}


def squared_distance(scores: Float[Tensor, "s 1"], wanted: float) -> Float[Tensor, ""]:
    """The squared distance of each motion's score from the wanted one, mean over motions."""
    return (scores - wanted).square().sum() / len(scores)


def body_motion(theta: Float[Tensor, "b t 85"]) -> Float[Tensor, "b t 69"]:
    """What the motion discriminator sees: rotation vectors of the 23 joints below the root."""
    return theta[..., 6:75]


def geman_mcclure(residual: Float[Tensor, "*b"], sigma: float) -> Float[Tensor, "*b"]:
    """The robust penalty sigma^2 x^2 / (sigma^2 + x^2): x^2 near zero, and never more than sigma^2."""
    squares = residual.square()
    return sigma**2 * squares / (sigma**2 + squares)


BENDING = (("left_elbow", 1, 1.0), ("right_elbow", 1, -1.0), ("left_knee", 0, -1.0), ("right_knee", 0, -1.0))
"""Joint, axis of its rotation vector, and the sign that is positive when the joint bends the wrong way."""


def wrong_bending(body_pose: Float[Tensor, "*b 69"]) -> Float[Tensor, "*b 4"]:
    """exp(angle)^2 of elbows and knees, with the sign by which bending the wrong way costs exponentially (SMPLify)."""
    indices = [3 * (SMPL_24.index(joint) - 1) + axis for joint, axis, _ in BENDING]
    signs = body_pose.new_tensor([sign for _, _, sign in BENDING])
    return (body_pose[..., indices] * signs).exp().square()
