"""How a person looks: a histogram of the colours of torso and thighs, to tell people apart after crossings."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from anthropose.skeleton import Skeleton

HUES, GREYS = 12, 4
COLOURS = 2 * (HUES + GREYS)
"""Length of the histogram: hues and greys of the upper body, then of the legs."""


def looks_of(
    image: UInt8[np.ndarray, "h w 3"], keypoints: Float[np.ndarray, "k 3"], skeleton: Skeleton
) -> Float[np.ndarray, "c"]:
    """The histogram for one person, summing to one; a half is zero where its part of the body is outside the image."""
    point = {name: keypoints[skeleton.index(name), :2] for name in _CORNERS}
    across, down = np.meshgrid(np.linspace(0.15, 0.85, 7), np.linspace(0.1, 0.95, 9))
    top = _between(point["left_shoulder"], point["right_shoulder"], across)
    bottom = _between(point["left_hip"], point["right_hip"], across)
    torso = top + (bottom - top) * down[..., None]
    along = np.linspace(0.1, 1.0, 16)
    thighs = [_between(point[f"{side}_hip"], point[f"{side}_knee"], along) for side in ("left", "right")]
    halves = np.concatenate([_histogram(image, torso.reshape(-1, 2)), _histogram(image, np.concatenate(thighs))])
    return (halves / max(halves.sum(), 1e-6)).astype(np.float32)


_CORNERS = ("left_shoulder", "right_shoulder", "left_hip", "right_hip", "left_knee", "right_knee")


def _between(start: np.ndarray, end: np.ndarray, share: np.ndarray) -> np.ndarray:
    return start + (end - start) * share[..., None]


def _histogram(image: np.ndarray, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "b"]:
    """Hues weighted by how colourful a pixel is, greys by how grey; sums to one, or zero with no point in the image."""
    height, width = image.shape[:2]
    columns, rows = np.nan_to_num(points, nan=-1.0).clip(-1, 1e6).astype(int).T
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    if inside.sum() < 4:
        return np.zeros(HUES + GREYS)
    hue, saturation, value = cv2.cvtColor(image[rows[inside], columns[inside]][None], cv2.COLOR_RGB2HSV)[0].T.astype(
        float
    )
    # A dark pixel's hue is noise, so that colourfulness is the difference between its channels.
    colourful = np.clip(saturation * value / 255 / 80, 0, 1)
    histogram = np.zeros(HUES + GREYS)
    _spread(histogram[:HUES], hue / 180 * HUES, colourful, wraps=True)
    _spread(histogram[HUES:], value / 256 * GREYS - 0.5, 1 - colourful, wraps=False)
    return histogram / max(histogram.sum(), 1e-6)


def _spread(bins: np.ndarray, position: np.ndarray, weight: np.ndarray, wraps: bool) -> None:
    """Adds each weight to the two bins next to its position, so that no small change of colour jumps a whole bin."""
    low = np.floor(position).astype(int)
    share = position - low
    for index, part in ((low, 1 - share), (low + 1, share)):
        index = index % len(bins) if wraps else index.clip(0, len(bins) - 1)
        np.add.at(bins, index, weight * part)


def likeness(a: Float[np.ndarray, "*n c"], b: Float[np.ndarray, "*m c"]) -> Float[np.ndarray, "*k"]:
    """Bhattacharyya coefficient: 1 for equal histograms, 0 for no common colour."""
    return np.asarray(np.sqrt(np.clip(a, 0, None) * np.clip(b, 0, None)).sum(axis=-1))
