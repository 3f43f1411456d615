"""DynaBOA's choice of AlphaPose's detections."""

import numpy as np
import pytest

from anthropose.datasets.raw.alphapose import internet_frames
from anthropose.skeleton import COCO_17, SPIN_49


def test_internet_frames_leave_out_the_weak_and_the_small() -> None:
    joints = np.zeros((4, 17, 3))
    joints[..., :2] = np.random.default_rng(0).uniform(0, 400, (4, 17, 2))
    joints[..., 2] = 0.9
    joints[1, :, :2] *= 0.1
    joints[3, :, 2] = 0.2
    joints[0, COCO_17.index("left_wrist"), 2] = 0.1
    found = internet_frames(joints, np.array([3.0, 3.0, 2.0, 3.0]))
    assert [one.detection for one in found] == [0]
    assert found[0].scale == pytest.approx(np.ptp(joints[0, :, :2], axis=0).max() / 200)
    row = found[0].keypoints[SPIN_49.index("left_wrist")]
    np.testing.assert_allclose(row, [*joints[0, COCO_17.index("left_wrist"), :2], 0.0])
    assert found[0].keypoints[SPIN_49.index("right_knee"), 2] == 1
