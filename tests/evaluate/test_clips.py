"""Clips of keypoints from sets: places in pixels, frame numbers, cameras, and no joints that were never labelled."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from anthropose.errors import UserError
from anthropose.evaluate.clips import camera_of, clip_of
from anthropose.skeleton import LSP_14
from tests.evaluate.sets import sequence


def test_a_clip_has_the_frames_and_boxes_of_its_sequence() -> None:
    whole = sequence("a", 24, frames=np.arange(24) * 2 + 7)
    rows = np.array([3, 4, 8])
    clip = clip_of(whole, rows, "3dpw")
    assert clip.track.frames.tolist() == [13, 15, 23]
    assert torch.equal(clip.seconds, clip.track.frames / 30.0)
    assert clip.track.boxes[0].tolist() == [330.0, 280.0, 830.0, 780.0]
    assert torch.equal(clip.squares[0], torch.tensor([580.0, 530.0, 500.0]))
    assert whole.keypoints is not None
    np.testing.assert_array_equal(clip.track.keypoints, whole.keypoints[rows])
    assert clip.track.skeleton is LSP_14
    assert clip.video is None


def test_joints_that_the_set_never_labels_are_no_keypoints() -> None:
    whole = sequence("a")
    assert whole.keypoints is not None
    keypoints = whole.keypoints.copy()
    keypoints[:, LSP_14.index("head_top"), 2] = 0
    keypoints[:5, LSP_14.index("neck"), 2] = 0
    skeleton = clip_of(replace(whole, keypoints=keypoints), np.arange(5), "3dpw").track.skeleton
    assert skeleton is not None
    assert skeleton.joints == tuple(name for name in LSP_14.joints if name != "head_top"), "the neck is seen later on"


def test_cameras_are_known_by_the_sequences_names() -> None:
    assert camera_of(sequence("s_09_act_02_subact_01_ca_04"), "h36m").focal == pytest.approx(1145.51135)
    assert camera_of(sequence("TS5"), "mpii3d").size == (1920, 1080)
    assert camera_of(sequence("subj1_0"), "mpii3d").size == (2048, 2048)
    assert camera_of(sequence("x"), "3dpw").size == (1080, 1920)
    lying = sequence("x", boxes=np.tile(np.array([1500.0, 500, 300, 300], np.float32), (24, 1)))
    assert camera_of(lying, "3dpw").size == (1920, 1080)


def test_sequences_without_places_are_refused_in_one_line() -> None:
    with pytest.raises(UserError, match="a: it has no boxes"):
        clip_of(sequence("a", boxes=None), np.arange(3), "3dpw")
    with pytest.raises(UserError, match="a: it has no keypoints"):
        clip_of(sequence("a", keypoints=None, keypoint_set=None), np.arange(3), "3dpw")
    unseen = sequence("a")
    assert unseen.keypoints is not None
    with pytest.raises(UserError, match="none of its keypoints"):
        clip_of(replace(unseen, keypoints=unseen.keypoints * 0), np.arange(3), "3dpw")
