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


CROP = 224
"""Pixels along a side of the crops that the published networks see."""
CROP_FOCAL = 5000.0
"""The focal length [px of the crop] that the published networks project with."""


def project_crop(
    points: Float[Tensor, "*b j 3"], camera: Float[Tensor, "*b 3"], focal: float = CROP_FOCAL, size: int = CROP
) -> Float[Tensor, "*b j 2"]:
    """Points [m] in coordinates of the crop, -1 to 1 with 0 at its centre, seen by its camera s, tx, ty.

    Nearly s (X + tx), s (Y + ty): a pinhole so far away that it gives a metre 112 s pixels. As published, s is taken as
    it is: at or below zero the body is behind the camera (vibe_base spec, section 5).
    """
    scale, tx, ty = camera.unbind(-1)
    translation = torch.stack([tx, ty, 2 * focal / (size * scale + 1e-9)], dim=-1)
    moved = points + translation[..., None, :]
    return moved[..., :2] / moved[..., 2:] * focal / (size / 2)


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


def crop_camera_to_image(
    camera: Float[Tensor, "*b 3"], squares: Float[Tensor, "*b 3"], image_size: tuple[int, int]
) -> Float[Tensor, "*b 4"]:
    """The weak-perspective camera sx, sy, tx, ty of the full image from that of a crop: the published overlays' camera.

    A point [m] lands at (sx (X + tx), sy (Y + ty)), where -1 to 1 is the whole width and height.

    Args:
        camera: s, tx, ty in the crop, whose coordinates run from -1 to 1.
        squares: centre x, centre y, side [px] of the square that was really cropped.
        image_size: width and height [px].
    """
    scale, tx, ty = camera.unbind(-1)
    cx, cy, side = squares.unbind(-1)
    width, height = image_size
    sx, sy = scale * side / width, scale * side / height
    x = (cx - width / 2) / (width / 2) / sx + tx
    y = (cy - height / 2) / (height / 2) / sy + ty
    return torch.stack([sx, sy, x, y], dim=-1)


def crop_points_to_image(points: Float[Tensor, "*b j 2"], squares: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b j 2"]:
    """Pixels of the full image, from coordinates -1 to 1 of the square (centre x, centre y, side) that was cropped."""
    side = squares[..., None, 2:]
    return (points + 1) / 2 * side + squares[..., None, :2] - side / 2


def estimate_translation(
    points: Float[Tensor, "*b j 3"],
    keypoints: Float[Tensor, "*b j 3"],
    focal: float = CROP_FOCAL,
    center: float | tuple[float, float] = CROP / 2,
) -> Float[Tensor, "*b 3"]:
    """The translation [m] that brings points [m] closest to their keypoints: weighted linear least squares.

    SPIN's estimate for its fits (vibe_base spec, section 5), solved in float64. Keypoints are x, y [px], confidence;
    those that are not seen have confidence zero, and at least two must be seen.

    Raises:
        ValueError: fewer than two keypoints of some pose have a confidence above zero.
    """
    if ((keypoints[..., 2] > 0).sum(-1) < 2).any():
        raise ValueError("a translation needs at least two keypoints that are seen")
    target = keypoints[..., :2].double() - keypoints.new_tensor(center, dtype=torch.float64)
    body, weight = points.double(), keypoints[..., 2].double().sqrt()[..., None, None]
    zero = torch.zeros_like(target[..., 0])
    rows = torch.stack(
        [
            torch.stack([zero + focal, zero, -target[..., 0]], dim=-1),
            torch.stack([zero, zero + focal, -target[..., 1]], dim=-1),
        ],
        dim=-2,
    )
    right = target * body[..., 2:] - focal * body[..., :2]
    weighted, right = (rows * weight).flatten(-3, -2), (right[..., None] * weight).flatten(-3, -2)
    transposed = weighted.transpose(-1, -2)
    return torch.linalg.solve(transposed @ weighted, transposed @ right)[..., 0].to(points.dtype)
