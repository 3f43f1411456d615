"""Pinhole projection, and the way from a crop's camera to a place in the full image's camera."""

import math

import pytest
import torch

from anthropose.geometry.cameras import crop_camera_to_translation, guess_focal, project

BATCHES = [(), (4,), (2, 3)]


def cameras(batch: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return 500 + 1000 * torch.rand(batch, generator=generator), 300 * torch.rand(*batch, 2, generator=generator)


def points(batch: tuple[int, ...], n: int = 7) -> torch.Tensor:
    return torch.randn(*batch, n, 3, generator=torch.Generator().manual_seed(1)) + torch.tensor([0.0, 0.0, 5.0])


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_points_along_one_ray_share_a_pixel(batch: tuple[int, ...]) -> None:
    focal, center = cameras(batch)
    pixels = project(points(batch), focal, center)
    assert pixels.shape == (*batch, 7, 2)
    assert torch.allclose(project(3.5 * points(batch), focal, center), pixels, rtol=1e-4)


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_the_axis_of_the_camera_lands_on_the_centre(batch: tuple[int, ...]) -> None:
    focal, center = cameras(batch)
    ahead = torch.tensor([[0.0, 0.0, 2.0]]).expand(*batch, 1, 3)
    assert torch.allclose(project(ahead, focal, center), center[..., None, :])


def test_right_and_down_are_positive_and_a_metre_at_focal_metres_is_a_pixel() -> None:
    pixels = project(torch.tensor([[1.0, 2.0, 800.0]]), torch.tensor(800.0), torch.tensor([320.0, 240.0]))
    assert pixels[0].tolist() == pytest.approx([321, 242])


def test_gradients_of_the_projection_agree_with_finite_differences() -> None:
    arguments = (points((2,)).double(), *(c.double() for c in cameras((2,))))
    assert torch.autograd.gradcheck(project, tuple(a.requires_grad_() for a in arguments))


def test_the_guessed_focal_length_sees_the_diagonal_under_53_degrees() -> None:
    focal = guess_focal(1920, 1080)
    assert 2 * math.degrees(math.atan(math.hypot(1920, 1080) / 2 / focal)) == pytest.approx(53.13, abs=0.01)
    assert guess_focal(1920, 1080) == guess_focal(1080, 1920) == 2 * guess_focal(960, 540)


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_the_body_lands_where_the_crop_camera_put_it(batch: tuple[int, ...]) -> None:
    """At the depth of the root both cameras show the same pixels; nearer and farther points differ by perspective."""
    generator = torch.Generator().manual_seed(2)
    focal, center = cameras(batch)
    squares = torch.tensor([400.0, 300.0, 150.0]) + 100 * torch.rand(*batch, 3, generator=generator)
    camera = torch.tensor([0.6, -0.3, -0.3]) + 0.5 * torch.rand(*batch, 3, generator=generator)
    translation = crop_camera_to_translation(camera, squares, focal, center)
    assert translation.shape == (*batch, 3)
    beside_root = torch.randn(*batch, 5, 3, generator=generator) * torch.tensor([1.0, 1.0, 0.0])
    pixels = project(beside_root + translation[..., None, :], focal, center)
    in_crop = camera[..., None, :1] * (beside_root[..., :2] + camera[..., None, 1:])
    expected = squares[..., None, :2] + in_crop * squares[..., None, 2:] / 2
    assert torch.allclose(pixels, expected, atol=0.02)


def test_the_networks_own_projection_is_exact_where_the_picture_is_the_crop() -> None:
    """With focal length 5000 * side / 224 and the principal point in the crop's middle: z is SPIN's 2 f / (224 s)."""
    camera = torch.tensor([0.9, 0.1, -0.2])
    squares = torch.tensor([112.0, 112.0, 224.0])
    translation = crop_camera_to_translation(camera, squares, torch.tensor(5000.0), torch.tensor([112.0, 112.0]))
    assert translation.tolist() == pytest.approx([0.1, -0.2, 2 * 5000 / (224 * 0.9)])


def test_twice_the_size_in_the_picture_is_half_the_distance() -> None:
    squares, center = torch.tensor([500.0, 300.0, 200.0]), torch.tensor([320.0, 240.0])
    near = crop_camera_to_translation(torch.tensor([0.8, 0.0, 0.0]), squares, torch.tensor(900.0), center)
    far = crop_camera_to_translation(torch.tensor([0.4, 0.0, 0.0]), squares, torch.tensor(900.0), center)
    assert torch.allclose(far, 2 * near)


def test_a_camera_of_no_size_gives_a_far_but_finite_place() -> None:
    squares, center = torch.tensor([500.0, 300.0, 200.0]), torch.tensor([320.0, 240.0])
    for scale in (0.0, -0.5):
        place = crop_camera_to_translation(torch.tensor([scale, 0.0, 0.0]), squares, torch.tensor(900.0), center)
        assert place.isfinite().all()
        assert place[2] > 0
