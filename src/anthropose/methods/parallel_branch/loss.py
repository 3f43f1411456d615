"""What the training minimises: VIBE's terms for the bodies, and the joints' term once more for the lifted pose."""

from dataclasses import dataclass
from typing import Literal, assert_never

from jaxtyping import Float
from torch import Tensor

from anthropose.body.results import Result
from anthropose.losses import Labels, LossWeights, joints_3d_loss, vibe_loss


@dataclass(frozen=True)
class ParallelBranchLosses(LossWeights):
    """What each term is multiplied by; the defaults are those published for all configurations."""

    lifted: float = 300.0
    lifted_frames: Literal["all", "middle"] = "all"
    """The frames whose joints the lifted pose of a window shall have. As published it is compared with each of them, so
    that the best it can be is their mean; "middle" asks for the pose of the frame in the middle."""


def parallel_branch_loss(
    result: Result,
    lifted: Float[Tensor, "b 49 3"] | None,
    labels: Labels,
    weights: ParallelBranchLosses | None = None,
    scores: Float[Tensor, "b 1"] | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """The weighted terms; their sum is minimised (parallel_branch spec, section 6).

    Args:
        result: with the joints of SPIN-49, "b t".
        lifted: the lifted pose of each window [m]; None where that branch is not trained.
        scores: the motion discriminator's, which the first published version has.

    Returns:
        keypoints_2d, joints_3d; lifted where there is such a pose; betas and pose only where some frame has a body as
        its label; adversarial only with `scores`. The published `loss_kp_3d` is the sum of joints_3d and lifted.
    """
    weights = weights or ParallelBranchLosses()
    terms = vibe_loss(result, labels, weights, scores)
    if lifted is not None:
        terms["lifted"] = weights.lifted * lifted_loss(lifted, labels, weights.lifted_frames)
    return terms


def lifted_loss(
    lifted: Float[Tensor, "b 49 3"], labels: Labels, frames: Literal["all", "middle"] = "all"
) -> Float[Tensor, ""]:
    """The mean square [m^2] of the lifted pose against the joints of its window's labelled frames."""
    joints, labelled = labels.joints, labels.has_joints
    if frames == "middle":
        middle = joints.shape[1] // 2
        joints, labelled = joints[:, middle : middle + 1], labelled[:, middle : middle + 1]
    elif frames != "all":
        assert_never(frames)
    return joints_3d_loss(lifted[:, None].expand_as(joints), joints, labelled)
