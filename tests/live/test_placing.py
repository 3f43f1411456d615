"""A body put onto keypoints is where it was seen, whatever place was guessed."""

import pytest
import torch

from anthropose.body.model import BodyModel
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.live.placing import Placing
from anthropose.motion import BodyPose, Camera
from anthropose.skeleton import MEDIAPIPE_33
from tests.toy_body import toy_body

CAMERA = Camera(600.0, (320.0, 240.0), (640, 480))


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return toy_body()


def pose(seed: int) -> BodyPose:
    generator = torch.Generator().manual_seed(seed)
    turns = 0.4 * torch.randn(24, 3, generator=generator)
    turns[0] = torch.tensor([3.1, 0.1, 0.0])
    return BodyPose(rotvec_to_rotmat(turns), 0.5 * torch.randn(10, generator=generator))


def seen(points: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    there = points + place
    pixels = there[:, :2] / there[:, 2:] * CAMERA.focal + torch.tensor(CAMERA.center)
    return torch.cat([pixels, torch.full((len(points), 1), 0.9)], dim=1)


@pytest.mark.parametrize("seed", range(4))
def test_a_guess_that_is_off_is_mended_by_the_keypoints(body: BodyModel, seed: int) -> None:
    placing, place = Placing(body, MEDIAPIPE_33, CAMERA), torch.tensor([0.4, -0.2, 4.0])
    _, points = placing.joints_and_landmarks(pose(seed))
    guess = place + torch.tensor([0.15, -0.1, 0.3])
    found = placing.place(points, seen(points, place), guess)
    assert float((found - place)[:2].norm()) < 0.02
    assert abs(float(found[2] - place[2])) < 0.1


def test_a_keypoint_far_off_hardly_counts(body: BodyModel) -> None:
    placing, place = Placing(body, MEDIAPIPE_33, CAMERA), torch.tensor([0.0, 0.0, 4.0])
    _, points = placing.joints_and_landmarks(pose(1))
    keypoints = seen(points, place)
    keypoints[15, :2] += 250
    assert float((placing.place(points, keypoints, place) - place).norm()) < 0.05


def test_where_nothing_is_seen_the_guess_counts(body: BodyModel) -> None:
    placing, guess = Placing(body, MEDIAPIPE_33, CAMERA), torch.tensor([0.3, 0.1, 5.0])
    _, points = placing.joints_and_landmarks(pose(2))
    nothing = torch.full((33, 3), torch.nan)
    torch.testing.assert_close(placing.place(points, nothing, guess), guess)


def test_joints_are_those_of_the_body_and_relative_to_its_root(body: BodyModel) -> None:
    placing, one = Placing(body, MEDIAPIPE_33, CAMERA), pose(3)
    joints, _ = placing.joints_and_landmarks(one)
    posed = body.shaped(one.betas[None]).posed(one.rotations[None]).joints[0]
    torch.testing.assert_close(joints, posed - posed[:1], atol=1e-5, rtol=1e-5)
