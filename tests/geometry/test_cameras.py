"""Pinhole projection, and the way from a crop's camera to a place in the full image's camera."""

import math

import pytest
import torch

from anthropose.geometry.cameras import (
    crop_camera_to_image,
    crop_camera_to_translation,
    crop_points_to_image,
    estimate_translation,
    guess_focal,
    project,
    project_crop,
)

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


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_a_crops_camera_is_nearly_a_scale_and_a_shift(batch: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(2)
    body = 0.5 * torch.randn(*batch, 9, 3, generator=generator)
    camera = torch.cat([0.9 + 0.1 * torch.rand(*batch, 1, generator=generator), 0.2 * torch.randn(*batch, 2)], dim=-1)
    seen = project_crop(body, camera)
    flat = camera[..., None, :1] * (body[..., :2] + camera[..., None, 1:])
    assert seen.shape == (*batch, 9, 2)
    torch.testing.assert_close(seen, flat, atol=0.1, rtol=0)
    torch.testing.assert_close(project_crop(body, camera, focal=5e7), flat, atol=1e-4, rtol=0)


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_the_overlays_camera_shows_points_where_the_crops_does(batch: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(3)
    squares = torch.tensor([300.0, 200.0, 80.0]) + 50 * torch.rand(*batch, 3, generator=generator)
    camera = torch.tensor([0.8, 0.1, -0.2]) + 0.1 * torch.rand(*batch, 3, generator=generator)
    body = torch.randn(*batch, 5, 3, generator=generator)
    in_crop = camera[..., None, :1] * (body[..., :2] + camera[..., None, 1:])
    sx, sy, tx, ty = crop_camera_to_image(camera, squares, (640, 480))[..., None, :].unbind(-1)
    x, y = sx * (body[..., 0] + tx), sy * (body[..., 1] + ty)
    pixels = torch.stack([(x + 1) * 320, (y + 1) * 240], dim=-1)
    torch.testing.assert_close(crop_points_to_image(in_crop, squares), pixels, atol=1e-3, rtol=1e-5)


def test_the_corners_of_a_crop_are_those_of_its_square() -> None:
    corners = torch.tensor([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]])
    found = crop_points_to_image(corners, torch.tensor([100.0, 50.0, 30.0]))
    assert found.tolist() == [[85, 35], [100, 50], [115, 65]]


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_a_translation_is_found_again_from_the_pixels_it_leads_to(batch: tuple[int, ...]) -> None:
    body, shift = points(batch) - torch.tensor([0.0, 0.0, 5.0]), torch.tensor([0.3, -0.2, 44.0])
    focal, center = torch.full(batch, 5000.0), torch.full((*batch, 2), 112.0)
    pixels = project(body + shift, focal, center)
    wrong = torch.where(torch.arange(7)[:, None] == 3, pixels + 50.0, pixels)
    confidence = (torch.arange(7) != 3).float()[:, None].expand(*batch, 7, 1)
    found = estimate_translation(body, torch.cat([wrong, confidence], dim=-1))
    torch.testing.assert_close(found, shift.expand(*batch, 3), atol=5e-3, rtol=0)


def test_a_translation_asks_for_two_keypoints() -> None:
    keypoints = torch.tensor([[10.0, 10.0, 1.0], [20.0, 10.0, 0.0]])
    with pytest.raises(ValueError, match="at least two keypoints"):
        estimate_translation(torch.zeros(2, 3), keypoints)
