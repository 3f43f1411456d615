"""Detectron2's detections of a clip as one track."""

import numpy as np
import pytest
import torch

from anthropose.datasets.lifting import best_detections, detections_in
from anthropose.errors import UserError


def detection(x: float, score: float) -> tuple[np.ndarray, np.ndarray]:
    keypoints = np.zeros((1, 4, 17), np.float32)
    keypoints[:, 0], keypoints[:, 1] = x, 2 * x
    return np.array([[x, 0, x + 10, 20, score]], np.float32), keypoints


def joined(*found: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([boxes for boxes, _ in found]), np.concatenate([points for _, points in found])


NOTHING = np.zeros((0, 5), np.float32), np.zeros((0, 4, 17), np.float32)
CLIP = [NOTHING, joined(detection(5, 0.2), detection(1, 0.9)), NOTHING, NOTHING, detection(4, 0.5), NOTHING]


def test_the_best_detection_counts_and_gaps_are_bridged_by_a_line() -> None:
    keypoints, boxes = best_detections([boxes for boxes, _ in CLIP], [points for _, points in CLIP])
    assert keypoints[:, 0, 0].tolist() == [1, 1, 2, 3, 4, 4]
    assert torch.equal(keypoints[..., 1], 2 * keypoints[..., 0])
    assert boxes[:, 2].tolist() == [11, 11, 12, 13, 14, 14]


def test_a_clip_without_detections_is_refused() -> None:
    with pytest.raises(UserError, match="no frame of the clip"):
        best_detections([NOTHING[0]], [NOTHING[1]])


def test_archives_hold_persons_second_in_every_frame() -> None:
    archive = {
        "boxes": [[[], boxes] if len(boxes) else [[], []] for boxes, _ in CLIP],
        "keypoints": [[[], points] if len(points) else [[], []] for _, points in CLIP],
    }
    keypoints, _ = best_detections(*detections_in(archive))
    assert keypoints[1, 0, 0] == 1
    with pytest.raises(UserError, match="with boxes and keypoints"):
        detections_in({"boxes": archive["boxes"]})
