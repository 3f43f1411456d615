"""Squares of an image as crops of 224 x 224 pixels: the affine maps, the pixels, and the points in them.

A square is centre x, centre y, side [px of the image]. A crop's coordinates run from -1 to 1. (vibe_base spec,
section 8.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from anthropose.geometry.cameras import CROP

IMAGE_MEAN = (0.485, 0.456, 0.406)
"""Of red, green and blue, from 0 to 1: what the published trunks were trained to have taken off."""
IMAGE_STD = (0.229, 0.224, 0.225)
LEAST_DIAGONAL = 0.5
"""Keypoints closer together than this [px] make no box."""
FULL_DIAGONAL = 150.0
"""The smoothed boxes' scale is 1 for a person whose keypoints' box has this diagonal [px]."""


def crop_affine(
    square: Sequence[float] | Float[np.ndarray, "c"], scale: float = 1.0, rotation: float = 0.0, size: int = CROP
) -> Float[np.ndarray, "2 3"]:
    """The matrix that maps pixels of the image to pixels of the crop, float64.

    Args:
        square: centre x, centre y, side; or centre x, centre y, width, height.
        scale: the square is enlarged by this first.
        rotation: of the square in the image [degrees], from x to y.
        size: of the crop [px].

    Three points define it, which are float32 as published.
    """
    import cv2  # here, since trainings on bare machines use the rest of this file

    center, width, height = np.array(square[:2], np.float64), square[2] * scale, square[-1] * scale
    sin, cos = np.sin(np.deg2rad(rotation)), np.cos(np.deg2rad(rotation))
    down = np.array([-height / 2 * sin, height / 2 * cos], np.float32)
    right = np.array([width / 2 * cos, width / 2 * sin], np.float32)
    source = np.array([center, center + down, center + right], np.float32)
    half = size / 2
    target = np.array([[half, half], [half, size], [size, half]], np.float32)
    return cv2.getAffineTransform(source, target)


def crop_image(
    image: UInt8[np.ndarray, "h w 3"],
    square: Sequence[float] | Float[np.ndarray, "c"],
    size: int = CROP,
    scale: float = 1.0,
    rotation: float = 0.0,
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """The pixels of a crop; the arguments are those of `crop_affine`.

    Bilinear, black outside the image, and as published not smoothed where the image shrinks.
    """
    import cv2

    return cv2.warpAffine(image, crop_affine(square, scale, rotation, size), (size, size), flags=cv2.INTER_LINEAR)


def normalised_images(crops: UInt8[Tensor, "*b h w 3"]) -> Float[Tensor, "*b 3 h w"]:
    """What the published trunks read of RGB crops."""
    mean, std = (torch.tensor(v, device=crops.device) for v in (IMAGE_MEAN, IMAGE_STD))
    return ((crops / 255 - mean) / std).movedim(-1, -3)


def points_through(affine: Float[Tensor, "*b 2 3"], points: Float[Tensor, "*b j 2"]) -> Float[Tensor, "*b j 2"]:
    """Points moved by affine maps, such as pixels of the image into pixels of the crop."""
    return points @ affine[..., :2].transpose(-1, -2) + affine[..., None, :, 2]


def points_in_crop(points: Float[Tensor, "*b j 2"], squares: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b j 2"]:
    """Pixels of the image in coordinates of the crop, -1 to 1; cameras.crop_points_to_image is the inverse.

    The published data tools enlarge a box by 1.2 for the keypoints, whatever its features were cropped with.
    """
    return 2 * (points - squares[..., None, :2]) / squares[..., None, 2:]


def flipped_points(points: Float[Tensor, "*b 2"], width: int) -> Float[Tensor, "*b 2"]:
    """Pixels in the mirrored image; `Skeleton.mirror` says which joint is which afterwards."""
    x, y = points.unbind(-1)
    return torch.stack([width - 1 - x, y], dim=-1)


def square_around(points: Float[Tensor, "*b j 2"], margin: float = 1.1) -> Float[Tensor, "*b 3"]:
    """The square around all points, `margin` times as large as need be."""
    low, high = points.amin(-2), points.amax(-2)
    return torch.cat([(low + high) / 2, (high - low).amax(-1, keepdim=True) * margin], dim=-1)


@dataclass(frozen=True)
class Boxes:
    """Boxes of a person around keypoints that are missing now and then."""

    params: Float[np.ndarray, "n 3"]
    """Centre x, centre y [px], and 150 over the diagonal, of frames `start` to `start + n - 1`."""
    start: int
    """The first frame with keypoints that are seen."""

    @property
    def end(self) -> int:
        """The frame after the last one with keypoints that are seen."""
        return self.start + len(self.params)

    def squares(self, margin: float = 1.1) -> Float[np.ndarray, "n 3"]:
        """Squares with the keypoints' diagonal times `margin` as their side, as the published databases hold them."""
        return np.column_stack([self.params[:, :2], FULL_DIAGONAL / self.params[:, 2] * margin])

    def smoothed(self, kernel: int = 11, sigma: float = 3.0) -> "Boxes":
        """The same through a median over `kernel` frames and a Gaussian of `sigma` frames; the data sets have 8."""
        from scipy.ndimage import gaussian_filter1d
        from scipy.signal import medfilt

        columns = (gaussian_filter1d(medfilt(column, kernel), sigma) for column in self.params.T)
        return Boxes(np.column_stack(list(columns)), self.start)


def boxes_around(keypoints: Float[np.ndarray, "n k 3"], least_confidence: float) -> Boxes:
    """The boxes around keypoints [px, px, confidence] that are surer than `least_confidence`.

    Frames without one are interpolated between their neighbours, and left out before the first and after the last.

    Raises:
        ValueError: there is no frame with such keypoints.
    """
    params = np.array([_box(frame[frame[:, 2] > least_confidence, :2]) for frame in keypoints]).reshape(-1, 3)
    frames = np.arange(len(params))
    seen = np.isfinite(params[:, 0])
    if not seen.any():
        raise ValueError(f"no frame has keypoints with a confidence above {least_confidence}")
    start, end = frames[seen][0], frames[seen][-1] + 1
    columns = (np.interp(frames[start:end], frames[seen], column[seen]) for column in params.T)
    return Boxes(np.column_stack(list(columns)), int(start))


def _box(points: Float[np.ndarray, "k 2"]) -> tuple[float, float, float]:
    """Centre and 150 over the diagonal; NaN where there is no box."""
    if len(points) == 0:
        return np.nan, np.nan, np.nan
    low, high = points.min(0), points.max(0)
    diagonal = float(np.linalg.norm(high - low))
    if diagonal < LEAST_DIAGONAL:
        return np.nan, np.nan, np.nan
    return (low[0] + high[0]) / 2, (low[1] + high[1]) / 2, FULL_DIAGONAL / diagonal
