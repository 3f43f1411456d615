"""Errors of 3D joints: pure functions, in the unit of their inputs."""

from jaxtyping import Float
from torch import Tensor

from anthropose.geometry.alignment import procrustes


def mpjpe(predicted: Float[Tensor, "*n j 3"], target: Float[Tensor, "*n j 3"]) -> Float[Tensor, "*n"]:
    """Mean distance over the joints of each pose; align the roots beforehand."""
    return (predicted - target).norm(dim=-1).mean(dim=-1)


def pa_mpjpe(predicted: Float[Tensor, "*n j 3"], target: Float[Tensor, "*n j 3"]) -> Float[Tensor, "*n"]:
    """Mean distance over the joints after the best similarity alignment (Procrustes) of each pose."""
    return mpjpe(procrustes(predicted, target), target)


def acceleration_error(predicted: Float[Tensor, "n j 3"], target: Float[Tensor, "n j 3"]) -> Float[Tensor, "m"]:
    """Distance of second differences over consecutive frames, mean over joints: n - 2 values, per frame squared."""
    difference = predicted.diff(n=2, dim=0) - target.diff(n=2, dim=0)
    return difference.norm(dim=-1).mean(dim=-1)
