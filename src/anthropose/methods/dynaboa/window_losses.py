"""What adaptation to keypoints goes by: terms on the bodies that a network sees in the frames of a window.

They mean what the published terms of `losses` mean for single images. Errors of keypoints are divided by what is seen
of them, and judged robustly, since keypoints are a detector's and not projected from the truth.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import mse_loss

from anthropose.body.prior import GaussianMixturePrior
from anthropose.geometry.rotations import rotmat_to_rotvec
from anthropose.losses import geman_mcclure
from anthropose.methods.dynaboa.losses import Figure, Terms


def seen_error(
    seen: Float[Tensor, "t k 2"], keypoints: Float[Tensor, "t k 3"], robust: float = 0.0
) -> Float[Tensor, ""]:
    """The mean squared distance of projected joints from keypoints, weighted by confidence.

    Args:
        seen: in coordinates of the square, as `keypoints`.
        robust: the distance from which an error stops to count more (Geman-McClure); 0 for squares.
    """
    away = seen - keypoints[..., :2]
    squares = geman_mcclure(away, robust) if robust > 0 else away.square()
    sure = keypoints[..., 2:]
    return (sure * squares).sum() / (2 * sure.sum()).clamp_min(1e-6)


def window_terms(
    figure: Figure, keypoints: Float[Tensor, "t k 3"], prior: GaussianMixturePrior | None, robust: float = 0.0
) -> Terms:
    """What the frames say: keypoints, how likely shapes and poses are (the latter where there is a prior), and that a
    person keeps one shape."""
    pose = figure.prediction.pose
    terms = {
        "keypoints": seen_error(figure.keypoints, keypoints, robust),
        "shape_prior": pose.betas.square().sum(-1).mean(),
        "one_shape": (pose.betas - pose.betas.mean(0, keepdim=True)).square().mean(),
    }
    if prior is not None:
        terms["pose_prior"] = prior(rotmat_to_rotvec(pose.rotations[:, 1:]).flatten(1)).mean()
    return terms


def motion_terms(figure: Figure, keypoints: Float[Tensor, "t k 3"], rate: float = 30.0, lag: float = 0.1) -> Terms:
    """How far the projected joints move unlike the keypoints within `lag` seconds, and how jerkily the body moves.

    Args:
        rate: frames per second; accelerations are those of 30.
    """
    terms: Terms = {}
    apart = max(1, round(lag * rate))
    if len(keypoints) > apart:
        moved = figure.keypoints[apart:] - figure.keypoints[:-apart]
        target = keypoints[apart:, :, :2] - keypoints[:-apart, :, :2]
        sure = keypoints[apart:, :, 2:] * keypoints[:-apart, :, 2:]
        terms["motion"] = (sure * (moved - target).square()).sum() / (2 * sure.sum()).clamp_min(1e-6)
    if len(keypoints) > 2:
        terms["jerk"] = (_centred(figure.joints).diff(n=2, dim=0) * (rate / 30) ** 2).square().mean()
    return terms


def taught_window_terms(figure: Figure, teacher: Figure) -> Terms:
    """How far the figure is from the teacher's."""
    pose, target = figure.prediction.pose, teacher.prediction.pose
    return {
        "teacher_keypoints": mse_loss(figure.keypoints, teacher.keypoints),
        "teacher_joints": mse_loss(_centred(figure.joints), _centred(teacher.joints)),
        "teacher_shape": mse_loss(pose.betas, target.betas),
        "teacher_pose": mse_loss(pose.rotations, target.rotations),
    }


def labelled_window_terms(figure: Figure, truth: Figure) -> Terms:
    """How far the figure of an exemplar is from its labels, which are seen without errors."""
    parts = taught_window_terms(figure, truth)
    return {name.replace("teacher", "labelled"): part for name, part in parts.items()}


def _centred(joints: Float[Tensor, "t k 3"]) -> Float[Tensor, "t k 3"]:
    return joints - joints.mean(1, keepdim=True)
