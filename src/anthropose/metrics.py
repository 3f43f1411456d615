"""Errors of 3D joints: pure functions, in the unit of their inputs."""

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from anthropose.geometry.alignment import procrustes
from anthropose.skeleton import Skeleton


def mpjpe(predicted: Float[Tensor, "*n j 3"], target: Float[Tensor, "*n j 3"]) -> Float[Tensor, "*n"]:
    """Mean distance over the joints of each pose; align the roots beforehand."""
    return (predicted - target).norm(dim=-1).mean(dim=-1)


def pa_mpjpe(predicted: Float[Tensor, "*n j 3"], target: Float[Tensor, "*n j 3"]) -> Float[Tensor, "*n"]:
    """Mean distance over the joints after the best similarity alignment (Procrustes) of each pose."""
    return mpjpe(procrustes(predicted, target), target)


def vertex_error(predicted: Float[Tensor, "*n v 3"], target: Float[Tensor, "*n v 3"]) -> Float[Tensor, "*n"]:
    """Mean distance over the vertices of each body (PVE), not root-aligned, as the video methods publish it."""
    return mpjpe(predicted, target)


def root_relative(joints: Float[Tensor, "*n j 3"], skeleton: Skeleton) -> Float[Tensor, "*n j 3"]:
    """Joints relative to the set's `hip` where it has one, else to the middle of its hips.

    That is the published protocols' alignment: MPII3D-17 have a hip of their own, LSP-14 do not.
    """
    names = ["hip"] if "hip" in skeleton.joints else ["right_hip", "left_hip"]
    return joints - joints[..., [skeleton.index(name) for name in names], :].mean(-2, keepdim=True)


def acceleration(predicted: Float[Tensor, "n j 3"]) -> Float[Tensor, "m"]:
    """Length of the second difference over consecutive frames, mean over joints: n - 2 values, per frame squared."""
    return predicted.diff(n=2, dim=0).norm(dim=-1).mean(dim=-1)


def acceleration_error(
    predicted: Float[Tensor, "n j 3"], target: Float[Tensor, "n j 3"], visible: Bool[Tensor, "n"] | None = None
) -> Float[Tensor, "m"]:
    """Distance of second differences over consecutive frames, mean over joints, per frame squared: n - 2 values.

    Args:
        visible: which frames count. The values of three frames one of which does not are left out.
    """
    difference = predicted.diff(n=2, dim=0) - target.diff(n=2, dim=0)
    error = difference.norm(dim=-1).mean(dim=-1)
    return error if visible is None else error[visible[:-2] & visible[1:-1] & visible[2:]]


def scaled_mpjpe(predicted: Float[Tensor, "*n j 3"], target: Float[Tensor, "*n j 3"]) -> Float[Tensor, "*n"]:
    """Mean distance over the joints after the best scaling of each pose about the origin (N-MPJPE, protocol 3)."""
    scale = (predicted * target).sum((-2, -1)) / predicted.square().sum((-2, -1))
    return mpjpe(scale[..., None, None] * predicted, target)


def velocity_error(predicted: Float[Tensor, "n j 3"], target: Float[Tensor, "n j 3"]) -> Float[Tensor, "m"]:
    """Distance of first differences over consecutive frames, mean over joints, per frame: n - 1 values (MPJVE)."""
    return mpjpe(predicted.diff(dim=0), target.diff(dim=0))


def weighted_mpjpe(
    predicted: Float[Tensor, "*n j 3"], target: Float[Tensor, "*n j 3"], weight: Float[Tensor, "*n j"]
) -> Float[Tensor, "*n"]:
    """Mean over the joints of distances times their weights; VideoPose3D weighs trajectories by 1 / depth."""
    return (weight * (predicted - target).norm(dim=-1)).mean(dim=-1)


def absolute_error(predicted: Float[Tensor, "*n j 3"], target: Float[Tensor, "*n j 3"]) -> Float[Tensor, "*n"]:
    """Mean over the joints of the sum of absolute differences of the coordinates (L1)."""
    return (predicted - target).abs().sum(dim=-1).mean(dim=-1)


def cosine_similarity(predicted: Float[Tensor, "*n j 3"], target: Float[Tensor, "*n j 3"]) -> Float[Tensor, "*n"]:
    """Mean over the joints of the cosine of the angle between the two positions, seen from the origin."""
    return functional.cosine_similarity(predicted, target, dim=-1).mean(dim=-1)
