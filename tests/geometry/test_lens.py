"""Screen coordinates, cameras in the world, and Human3.6M's distortion."""

from dataclasses import replace

import pytest
import torch

from anthropose.geometry.lens import Lens, View, inverted, mirrored_intrinsics, rotated, to_pixels, to_screen
from anthropose.geometry.mirror import mirrored
from anthropose.geometry.rotations import quat_to_rotmat


def unit(*values: float) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.tensor(values), dim=0)


LENS = Lens.of_pixels((1145.0, 1143.0), (512.5, 515.4), (-0.2, 0.24, -0.003), (-0.001, -0.0014), (1000, 1002))
VIEW = View((1000, 1002), unit(0.14, -0.15, -0.75, 0.62), torch.tensor([1.8, 4.9, 1.5]), LENS)


@pytest.mark.parametrize("shape", [(2,), (5, 2), (3, 4, 2)])
def test_screen_coordinates_lead_back_to_pixels(shape: tuple[int, ...]) -> None:
    pixels = 1000 * torch.rand(shape)
    torch.testing.assert_close(to_pixels(to_screen(pixels, (640, 480)), (640, 480)), pixels)


def test_the_middle_is_at_zero_and_the_width_alone_sets_the_scale() -> None:
    corners = torch.tensor([[0.0, 0.0], [320.0, 240.0], [640.0, 480.0]])
    assert to_screen(corners, (640, 480)).tolist() == [[-1.0, -0.75], [0.0, 0.0], [1.0, 0.75]]


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 5, 3)])
def test_quaternions_turn_as_their_matrices_do_and_back_again(shape: tuple[int, ...]) -> None:
    quaternion, points = VIEW.orientation, torch.randn(shape)
    turned = rotated(points, quaternion)
    matrix = quat_to_rotmat(quaternion[[1, 2, 3, 0]])
    torch.testing.assert_close(turned, points @ matrix.T)
    torch.testing.assert_close(rotated(turned, inverted(quaternion)), points)


def test_the_world_comes_back_from_the_camera() -> None:
    world = torch.randn(6, 17, 3)
    torch.testing.assert_close(VIEW.to_world(VIEW.to_camera(world)), world, atol=1e-5, rtol=1e-5)


def test_without_coefficients_distortion_does_nothing() -> None:
    plain = Lens(LENS.intrinsics * torch.tensor([1.0, 1, 1, 1, 0, 0, 0, 0, 0]))
    points = torch.randn(20, 3) * 0.5 + torch.tensor([0.0, 0.0, 4.0])
    torch.testing.assert_close(plain.project(points), plain.project(points, distort=False))
    assert not torch.allclose(LENS.project(points), LENS.project(points, distort=False))


def test_without_distortion_a_lens_is_a_pinhole_in_pixels() -> None:
    points = torch.randn(20, 3) * 0.5 + torch.tensor([0.0, 0.0, 4.0])
    pixels = to_pixels(LENS.project(points, distort=False), (1000, 1002))
    expected = points[:, :2] / points[:, 2:] * torch.tensor([1145.0, 1143.0]) + torch.tensor([512.5, 515.4])
    torch.testing.assert_close(pixels, expected, atol=1e-3, rtol=1e-5)


def test_points_far_aside_are_held_at_the_edge_of_the_view() -> None:
    aside, further = torch.tensor([[5.0, 0.0, 1.0]]), torch.tensor([[50.0, 0.0, 1.0]])
    assert torch.equal(LENS.project(aside), LENS.project(further))


def test_the_mirrored_lens_sees_mirrored_points_at_mirrored_places() -> None:
    points = torch.randn(1, 9, 3) * 0.5 + torch.tensor([0.0, 0.0, 4.0])
    stay = tuple(range(9))
    other = Lens(mirrored_intrinsics(LENS.intrinsics))
    torch.testing.assert_close(other.project(mirrored(points, stay)), mirrored(LENS.project(points), stay))


def test_an_upright_clip_stands_on_the_floor_once_and_not_in_every_frame() -> None:
    relative = torch.randn(5, 17, 3)
    upright = VIEW.upright(relative)
    assert upright[..., 2].min().abs() < 1e-6
    assert (upright[..., 2].amin(1) > 0.01).any()
    torch.testing.assert_close(upright.diff(dim=0), rotated(relative, VIEW.orientation).diff(dim=0))
    assert torch.equal(replace(VIEW, position=torch.zeros(3)).upright(relative), upright), "the place does not count"
