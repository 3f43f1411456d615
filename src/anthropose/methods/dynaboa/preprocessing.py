"""What DynaBOA looks at: square crops resized as published, and keypoints in their coordinates.

Its crops differ from VIBE's and SPIN's: whole source pixels, smoothed before they are made smaller (dynaboa spec,
section 3). Keypoints are moved as published, which truncates them to pixels of the crop and shifts them by one, or
exactly.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import ndimage
from torch import Tensor

from anthropose.datasets.raw.alphapose import LEAST_CONFIDENCE, SCALE, published_box
from anthropose.geometry.cameras import CROP
from anthropose.geometry.crops import IMAGE_MEAN, IMAGE_STD
from anthropose.skeleton import SPIN_49, Skeleton, pick

Rows = Literal["labelled", "openpose", "all"]
ROWS: dict[Rows, slice] = {"labelled": slice(25, 49), "openpose": slice(0, 25), "all": slice(0, 49)}
"""Parts of SPIN-49: the published losses on keypoints read the labelled rows, those of the web camera the others."""
LABELLED = ROWS["labelled"]


@dataclass(frozen=True)
class Window:
    """Whole pixels of the full image: columns left to right - 1, rows top to bottom - 1, also beyond its edges."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def square(self) -> tuple[float, float, float]:
        """Centre x, centre y and side [px]."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2, float(self.right - self.left)


def crop_matrix(center: Float[np.ndarray, "2"], scale: float, size: int = CROP) -> Float[np.ndarray, "3 3"]:
    """From pixels of the full image to those of the crop, float64: its rounding decides the windows' last pixel."""
    side = SCALE * scale
    matrix = np.eye(3)
    matrix[0, 0] = matrix[1, 1] = size / side
    matrix[:2, 2] = size * (-np.asarray(center, np.float64) / side + 0.5)
    return matrix


def published_window(center: Float[np.ndarray, "2"], scale: float, size: int = CROP) -> Window:
    """The source pixels of a box as published: its corners truncated toward zero.

    The corners come from the inverse of `crop_matrix`, so that a box of whole pixels may come out a pixel smaller.
    """
    back = np.linalg.inv(crop_matrix(center, scale, size))
    left, top = (back @ np.array([0.0, 0.0, 1.0]))[:2].astype(np.int64)
    right, bottom = (back @ np.array([size, size, 1.0]))[:2].astype(np.int64)
    return Window(int(left), int(top), int(right), int(bottom))


def nearest_window(square: tuple[float, float, float]) -> Window:
    """The window of whole pixels nearest to a square given by its centre x, centre y and side."""
    x, y, side = square
    width = max(round(side), 2)
    left, top = round(x - width / 2), round(y - width / 2)
    return Window(left, top, left + width, top + width)


def crop(image: np.ndarray, window: Window, size: int = CROP) -> Float[np.ndarray, "s s 3"]:
    """The window of an RGB image, resized: float32 on the image's own scale, zero where it lies outside.

    Linear interpolation after a Gaussian whose width grows with the reduction: what scikit-image's `resize` does.
    """
    height, width = image.shape[:2]
    source = np.zeros((window.bottom - window.top, window.right - window.left, image.shape[2]), np.float32)
    rows = slice(max(window.top, 0), min(window.bottom, height))
    columns = slice(max(window.left, 0), min(window.right, width))
    if rows.start < rows.stop and columns.start < columns.stop:
        inside = image[rows, columns]
        source[rows.start - window.top :, columns.start - window.left :][: inside.shape[0], : inside.shape[1]] = inside
    factors = [source.shape[0] / size, source.shape[1] / size]
    sigmas = [max(0.0, (factor - 1) / 2) for factor in factors]
    planes = []
    for plane in np.moveaxis(source, -1, 0):
        smooth = ndimage.gaussian_filter(plane, sigmas, mode="mirror") if max(sigmas) > 0 else plane
        zoom = [1 / factor for factor in factors]
        planes.append(ndimage.zoom(smooth, zoom, order=1, mode="mirror", grid_mode=True))
    return np.stack(planes, axis=-1)


def normalised(crop: Float[np.ndarray, "s s 3"]) -> Float[Tensor, "3 s s"]:
    """A crop of 0 to 255 as the network reads it."""
    image = torch.from_numpy(np.ascontiguousarray(crop, dtype=np.float32)).permute(2, 0, 1) / 255
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (IMAGE_MEAN, IMAGE_STD))
    return (image - mean) / deviation


def published_pixels(
    points: Float[np.ndarray, "j 2"], center: Float[np.ndarray, "2"], scale: float, size: int = CROP
) -> Int[np.ndarray, "j 2"]:
    """Pixels of the crop as published: truncated toward zero, then one added."""
    matrix = crop_matrix(center, scale, size)
    moved = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ matrix.T
    return moved[:, :2].astype(np.int64) + 1


def published_keypoints(
    keypoints: Float[np.ndarray, "j 3"], center: Float[np.ndarray, "2"], scale: float, size: int = CROP
) -> Float[Tensor, "j 3"]:
    """Keypoints in coordinates of the crop, -1 to 1, as published: in whole pixels, off by half a pixel to one.

    Rows that are missing are moved too; their confidence stays what it is.
    """
    pixels = published_pixels(keypoints[:, :2], center, scale, size)
    return torch.from_numpy(np.concatenate([2 * pixels / size - 1, keypoints[:, 2:]], axis=1).astype(np.float32))


def exact_keypoints(keypoints: Float[Tensor, "j 3"], window: Window) -> Float[Tensor, "j 3"]:
    """Keypoints in coordinates of the crop, -1 at its left and upper edge and 1 at the others."""
    x, y, side = window.square
    moved = (keypoints[:, :2] - keypoints.new_tensor([x, y])) * 2 / side
    return torch.cat([moved, keypoints[:, 2:]], dim=1)


def spin_49(keypoints: Float[Tensor, "*b k 3"], skeleton: Skeleton) -> Float[Tensor, "*b 49 3"]:
    """Keypoints of any known set as rows of SPIN-49 by name; those that the set has not, or that are not finite, zero.

    A joint stands in both halves where SPIN-49 has OpenPose's and LSP's reading of it.
    """
    rows, _ = pick(keypoints, skeleton, SPIN_49)
    return torch.where(rows.isfinite().all(-1, keepdim=True), rows, torch.zeros_like(rows))


def web_camera_frame(
    keypoints: Float[np.ndarray, "25 3"], margin: float = 1.2
) -> tuple[Float[np.ndarray, "2"], float, Float[np.ndarray, "25 3"]]:
    """Centre, scale and keypoints of OpenPose's BODY-25 as the published web-camera program takes them.

    Rows that were not found lie at the image's corner and drag the box there, as published.
    """
    center, scale = published_box(keypoints[:, :2], margin)
    return center, scale, np.column_stack([keypoints[:, :2], keypoints[:, 2] > LEAST_CONFIDENCE])
