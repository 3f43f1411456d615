"""Skeletons drawn as sticks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from anthropose.motion import Track
from anthropose.render.sticks import LEFT, MIDDLE, RIGHT, draw_joints, draw_keypoints, draw_sticks
from anthropose.skeleton import COCO_17
from tests.render.people import standing
from tests.toy_body import toy_body


def blank() -> np.ndarray:
    return np.full((96, 160, 3), 90, np.uint8)


def near(picture: np.ndarray, x: float, y: float, colour: tuple[int, int, int]) -> bool:
    """Whether the colour is found within two pixels."""
    part = picture[max(int(y) - 2, 0) : int(y) + 3, max(int(x) - 2, 0) : int(x) + 3].astype(int)
    return bool((np.abs(part - np.array(colour)).max(-1) < 25).any())


def track(confidence: float = 1.0) -> Track:
    points = torch.rand(1, 17, 3, generator=torch.Generator().manual_seed(3)) * torch.tensor([120.0, 70.0, 0.0])
    points = points + torch.tensor([20.0, 12.0, confidence])
    return Track(0, torch.tensor([0]), torch.tensor([[20.0, 10.0, 140.0, 85.0]]), points, COCO_17)


def test_left_and_right_have_their_own_colours_at_the_joints() -> None:
    for joint, colour in (("left_wrist", LEFT), ("right_ankle", RIGHT), ("nose", MIDDLE)):
        picture, points = blank(), np.full((17, 2), np.nan, np.float32)
        points[COCO_17.index(joint)] = (80.4, 40.7)
        draw_sticks(picture, points, np.ones(17, np.float32), COCO_17, 3)
        assert near(picture, 80.4, 40.7, colour)


def test_every_confident_keypoint_is_drawn_where_it_is() -> None:
    picture = blank()
    draw_keypoints(picture, track(), 0)
    keypoints = track().keypoints
    assert keypoints is not None
    colours = [LEFT if "left" in name else RIGHT if "right" in name else MIDDLE for name in COCO_17.joints]
    found = [near(picture, x, y, c) for (x, y, _), c in zip(keypoints[0].tolist(), colours, strict=True)]
    assert np.mean(found) > 0.8  # later sticks may cover earlier joints


def test_less_certain_is_fainter_and_uncertain_is_not_drawn() -> None:
    changes = []
    for confidence in (1.0, 0.5, 0.1):
        picture = blank()
        draw_keypoints(picture, track(confidence), 0)
        changes.append(np.abs(picture.astype(int) - blank()).sum())
    assert changes[0] > 1.6 * changes[1] > 0
    assert changes[2] == 0


def test_a_track_without_keypoints_is_drawn_as_its_box() -> None:
    picture = blank()
    draw_keypoints(picture, replace(track(), keypoints=None, skeleton=None), 0)
    assert near(picture, 20, 50, MIDDLE)
    assert (picture[45, 60] == 90).all()


def test_joints_are_drawn_where_they_project() -> None:
    motion = standing(toy_body(), [0, 3], with_body=False)
    picture = blank()
    draw_joints(picture, motion, 1)
    for joint, colour in (("left_wrist", LEFT), ("right_ankle", RIGHT), ("head", MIDDLE)):
        x, y = motion.projected[1, motion.skeleton.index(joint)].tolist()
        assert near(picture, x, y, colour)


def test_points_far_outside_or_not_finite_are_left_out() -> None:
    picture, points = blank(), np.full((17, 2), 1e9, np.float32)
    points[3] = np.nan
    draw_sticks(picture, points, np.ones(17, np.float32), COCO_17, 3)
    assert (picture == 90).all()


@pytest.mark.parametrize("depth", [-1.0, 0.01])
def test_joints_behind_the_camera_are_left_out(depth: float) -> None:
    picture = blank()
    draw_joints(picture, standing(toy_body(), [0], place=(0.0, 0.0, depth), with_body=False), 0)
    assert (picture == 90).all()
