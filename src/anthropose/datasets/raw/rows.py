"""What several releases do alike: images by number, runs of consecutive frames, boxes around keypoints."""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from anthropose.video.opening import IMAGE_SUFFIXES


def numbered_images(folder: Path) -> dict[int, Path]:
    """The images of a folder by the last number in their names, in the order of the names; empty without a folder."""
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    digits = {path: re.findall(r"\d+", path.stem) for path in paths}
    return {int(found[-1]): path for path, found in digits.items() if found}


def runs(frames: Int[np.ndarray, "n"]) -> list[slice]:
    """Which rows are of frames that follow one another, for increasing numbers of frames."""
    ends = [*(np.flatnonzero(np.diff(frames) != 1) + 1).tolist(), len(frames)]
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False) if start < end]


def boxes_around(
    points: Float[np.ndarray, "n k 2"], counted: Bool[np.ndarray, "n k"], margin: float
) -> Float[np.ndarray, "n 4"]:
    """The square around the points that count in each frame, `margin` times as wide as need be; NaN where none does.

    Centre x, centre y, width and height, in the unit of the points.
    """
    low = np.where(counted[..., None], points, np.inf).min(1)
    high = np.where(counted[..., None], points, -np.inf).max(1)
    low, high = (np.where(counted.any(1, keepdims=True), edge, np.nan) for edge in (low, high))
    side = (high - low).max(1) * margin
    return np.column_stack([(low + high) / 2, side, side])
