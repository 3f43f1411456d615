"""Pinhole cameras of the full image, and the weak-perspective cameras of square crops.

Camera axes: x right, y down, z forward; metres. Pixels have their origin at the image's top left corner.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def project(
    points: Float[Tensor, "*b j 3"], focal: Float[Tensor, "*b"], center: Float[Tensor, "*b 2"]
) -> Float[Tensor, "*b j 2"]:
    """Pixels of points in camera axes [m], through a pinhole of `focal` [px] and principal point `center` [px]."""
    return points[..., :2] / points[..., 2:] * focal[..., None, None] + center[..., None, :]


def guess_focal(width: float | int, height: float | int) -> float:
    """A focal length [px] where only the image size is known: the diagonal, a view of 53 degrees across it."""
    return float((width**2 + height**2) ** 0.5)


def crop_camera_to_translation(
    camera: Float[Tensor, "*b 3"],
    squares: Float[Tensor, "*b 3"],
    focal: Float[Tensor, "*b"],
    center: Float[Tensor, "*b 2"],
) -> Float[Tensor, "*b 3"]:
    """The body's translation [m] in the full image's camera, from the weak-perspective camera (s, tx, ty) of its crop.

    Args:
        camera: s, tx, ty in the crop, whose coordinates run from -1 to 1.
        squares: centre x, centre y, side [px] of the square that was really cropped.
        focal: of the full image [px].
        center: principal point of the full image [px].

    The result agrees with the crop's weak perspective to first order (export spec, section B.2).
    """
    scale, tx, ty = camera.unbind(-1)
    cx, cy, side = squares.unbind(-1)
    size = side * scale.clamp_min(1e-6)
    x = tx + 2 * (cx - center[..., 0]) / size
    y = ty + 2 * (cy - center[..., 1]) / size
    return torch.stack([x, y, 2 * focal / size], dim=-1)
