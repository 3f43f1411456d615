"""The plane under people's feet, from made-up feet on planes that are known."""

import math
from dataclasses import replace

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.files import load_body
from anthropose.body.ground import Ground, find_ground, ground_of
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.skeleton import SMPL_24
from tests.export.made_up import motion as made_up_motion

TILTS = [(0.0, 0.0), (0.3, 0.0), (-0.15, 0.05), (0.5, -0.08)]
"""Of cameras: how far they look down and how far they are turned about their axis [rad]."""


def world_to_camera(pitch: float, roll: float) -> Float[Tensor, "3 3"]:
    """From level axes (y down) to those of a camera that looks down by `pitch` and is turned by `roll`."""
    about_x = rotvec_to_rotmat(torch.tensor([pitch, 0.0, 0.0]))
    return rotvec_to_rotmat(torch.tensor([0.0, 0.0, roll])) @ about_x


def feet(pitch: float, roll: float, height: float = 1.4, noise: float = 0.01) -> tuple[Tensor, Tensor]:
    """Where feet stood in the camera, of people who walked about; and the true way up."""
    make = torch.Generator().manual_seed(3)
    places = torch.rand(200, 3, generator=make) * torch.tensor([3.0, 0.0, 4.0]) + torch.tensor([-1.5, height, 3.0])
    turn = world_to_camera(pitch, roll)
    return (places + noise * torch.randn(200, 3, generator=make)) @ turn.T, turn @ torch.tensor([0.0, -1.0, 0.0])


@pytest.mark.parametrize(("pitch", "roll"), TILTS)
def test_the_tilt_and_height_of_a_camera_are_found_from_feet_that_stood_all_about(pitch: float, roll: float) -> None:
    points, up = feet(pitch, roll)
    leaning = torch.nn.functional.normalize(up + torch.tensor([0.05, 0.0, 0.03]), dim=0).expand(50, 3)
    ground = find_ground(points, torch.ones(200), torch.zeros(200), leaning)
    assert ground is not None
    assert math.degrees(float((ground.up @ up).clamp(-1, 1).acos())) < 1.0
    assert ground.level == pytest.approx(-1.4, abs=0.03)
    assert (ground.pitch, ground.roll) == (pytest.approx(pitch, abs=0.02), pytest.approx(roll, abs=0.02))
    assert float(ground.heights(points).abs().mean()) < 0.02


def test_people_who_stay_in_one_place_tell_the_tilt_by_standing_upright() -> None:
    up = world_to_camera(0.3, 0.0) @ torch.tensor([0.0, -1.0, 0.0])
    spot = torch.tensor([0.1, 1.0, 4.0]) + 0.02 * torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    ground = find_ground(spot, torch.ones(100), torch.zeros(100), up.expand(50, 3))
    assert ground is not None
    assert ground.pitch == pytest.approx(0.3, abs=0.03)


def test_people_who_lie_do_not_tell_which_way_is_up() -> None:
    points, _ = feet(0.0, 0.0)
    ground = find_ground(points, torch.ones(200), torch.zeros(200), torch.tensor([1.0, 0.0, 0.0]).expand(50, 3))
    assert ground is not None
    assert float(ground.up @ torch.tensor([0.0, -1.0, 0.0])) > 0.999


def test_a_foot_on_a_step_does_not_tilt_the_ground() -> None:
    points, up = feet(0.1, 0.0)
    points[:30] += 0.4 * up
    ground = find_ground(points, torch.ones(200), torch.zeros(200), up.expand(50, 3))
    assert ground is not None
    assert math.degrees(float((ground.up @ up).clamp(-1, 1).acos())) < 1.5
    assert float(ground.heights(points[:30]).mean()) == pytest.approx(0.4, abs=0.05)


def test_ankles_lie_over_the_ground_as_they_do_in_a_foot_that_stands_flat() -> None:
    points, up = feet(0.0, 0.0, noise=0.0)
    rest = torch.cat([torch.full((100,), 0.08), torch.zeros(100)])
    ground = find_ground(points + rest[:, None] * up, torch.ones(200), rest, up.expand(50, 3))
    assert ground is not None
    assert ground.level == pytest.approx(-1.4, abs=1e-3)


def test_without_feet_that_stand_there_is_no_ground() -> None:
    points, up = feet(0.0, 0.0)
    assert find_ground(points, torch.zeros(200), torch.zeros(200), up.expand(50, 3)) is None


@pytest.mark.parametrize(("pitch", "roll"), TILTS)
def test_level_axes_have_the_way_up_upright_and_are_a_rotation(pitch: float, roll: float) -> None:
    up = world_to_camera(pitch, roll) @ torch.tensor([0.0, -1.0, 0.0])
    axes = Ground(up, -1.0).level_axes()
    torch.testing.assert_close(axes @ axes.T, torch.eye(3), atol=1e-5, rtol=0.0)
    assert float(torch.linalg.det(axes)) == pytest.approx(1.0, abs=1e-5)
    torch.testing.assert_close(axes @ up, torch.tensor([0.0, -1.0, 0.0]), atol=1e-5, rtol=0.0)


def test_the_ground_of_a_motion_lies_under_its_soles_and_there_is_none_without_a_body() -> None:
    body = load_body("free")
    standing = torch.eye(3).repeat(20, 24, 1, 1)
    standing[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    still = made_up_motion(body, torch.arange(20) / 30, rotations=standing, velocity=(0.0, 0.0, 0.0))
    ground = ground_of(still, body)
    assert ground is not None
    feet = [SMPL_24.index("left_foot"), SMPL_24.index("right_foot")]
    over = ground.heights((still.joints + still.translation[:, None])[:, feet])
    assert 0.0 < float(over.mean()) < 0.06
    assert ground_of(replace(still, body=None), body) is None
