"""AlphaPose's detections as DynaBOA's program for internet videos takes them (dynaboa spec, section 12)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anthropose.skeleton import COCO_17, SPIN_24, SPIN_49

SCALE = 200.0
"""Pixels along a box's side where its published scale is 1."""
LEAST_CONFIDENCE = 0.3
LEAST_SCORE, LEAST_DIAGONAL = 2.5, 250.0
"""Of the detections that become frames."""


@dataclass(frozen=True)
class InternetFrame:
    """A detection that the published program adapts to."""

    detection: int
    """Its place in the list of detections."""
    center: Float[np.ndarray, "2"]
    scale: float
    keypoints: Float[np.ndarray, "49 3"]
    """Pixels of the full image; confidences 0 or 1."""


def internet_frames(keypoints: Float[np.ndarray, "d 17 3"], scores: Float[np.ndarray, "d"]) -> list[InternetFrame]:
    """AlphaPose's detections as published: weak and small ones dropped, boxes around all 17 joints, in file order.

    There is no identity: two people of one frame become two frames.
    """
    names = [name for name in SPIN_24.joints if name in COCO_17.joints]
    start = len(SPIN_49) - len(SPIN_24)
    kept = []
    for index, (joints, score) in enumerate(zip(keypoints, scores, strict=True)):
        sure = joints[joints[:, 2] > LEAST_CONFIDENCE, :2]
        if score < LEAST_SCORE or len(sure) == 0 or np.linalg.norm(np.ptp(sure, axis=0)) < LEAST_DIAGONAL:
            continue
        rows = np.zeros((len(SPIN_49), 3))
        coco = joints[[COCO_17.index(name) for name in names]]
        places = [start + SPIN_24.index(name) for name in names]
        rows[places] = np.column_stack([coco[:, :2], coco[:, 2] > LEAST_CONFIDENCE])
        center, scale = published_box(joints[:, :2])
        kept.append(InternetFrame(index, center, scale, rows))
    return kept


def published_box(points: Float[np.ndarray, "j 2"], margin: float = 1.0) -> tuple[Float[np.ndarray, "2"], float]:
    """Centre and scale of the square around all points, missing ones too, `margin` times as wide as it must be."""
    low, high = points.min(0), points.max(0)
    return (low + high) / 2, float((high - low).max() * margin / SCALE)
