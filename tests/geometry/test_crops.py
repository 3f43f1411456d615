"""Crops: the map, its pixels, its points, and boxes around keypoints that come and go."""

import cv2
import numpy as np
import pytest
import torch

from anthropose.geometry.cameras import crop_points_to_image
from anthropose.geometry.crops import (
    IMAGE_MEAN,
    IMAGE_STD,
    boxes_around,
    crop_affine,
    crop_image,
    flipped_points,
    normalised_images,
    points_in_crop,
    points_through,
    square_around,
)

BATCHES = [(), (4,), (2, 3)]
SQUARE = (60.0, 40.0, 50.0)


def test_the_corners_of_the_square_are_those_of_the_crop() -> None:
    corners = torch.tensor([[35.0, 15.0], [60.0, 40.0], [85.0, 65.0]], dtype=torch.float64)
    for size in (224, 64):
        moved = points_through(torch.from_numpy(crop_affine(SQUARE, size=size)), corners)
        expected = torch.tensor([[0, 0], [size / 2, size / 2], [size, size]], dtype=torch.float64)
        torch.testing.assert_close(moved, expected, atol=1e-4, rtol=0)


def test_a_larger_scale_is_a_larger_square_and_a_box_may_have_two_sides() -> None:
    np.testing.assert_allclose(crop_affine(SQUARE, 1.2), crop_affine((60.0, 40.0, 60.0)), atol=1e-4)
    np.testing.assert_allclose(crop_affine((60.0, 40.0, 50.0, 50.0)), crop_affine(SQUARE))
    tall = torch.from_numpy(crop_affine((60.0, 40.0, 20.0, 50.0)))
    corner = points_through(tall, torch.tensor([[70.0, 65.0]], dtype=torch.float64))
    torch.testing.assert_close(corner, torch.full((1, 2), 224.0, dtype=torch.float64), atol=1e-4, rtol=0)


def test_a_turned_square_keeps_its_centre_and_its_size() -> None:
    turned = crop_affine(SQUARE, rotation=90.0)
    center = turned @ [60, 40, 1]
    right_of_center = turned @ [70, 40, 1]
    np.testing.assert_allclose(center, [112, 112], atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(right_of_center - center), 10 * 224 / 50, atol=1e-4)
    assert right_of_center[1] < 112, "the square was turned from x to y, so its content turns the other way"


def test_pixels_lie_where_their_points_do() -> None:
    image = np.zeros((100, 120, 3), np.uint8)
    image[48:53, 68:73] = (200, 100, 50)
    crop = crop_image(image, SQUARE)
    x, y = points_through(torch.from_numpy(crop_affine(SQUARE)), torch.tensor([[70.0, 50.0]]).double())[0]
    assert crop.shape == (224, 224, 3)
    assert crop[int(y), int(x)].tolist() == [200, 100, 50]
    assert crop_image(image, SQUARE, size=32).shape == (32, 32, 3)


def test_what_lies_outside_the_image_is_black() -> None:
    crop = crop_image(np.full((50, 50, 3), 255, np.uint8), (0.0, 0.0, 40.0))
    assert crop[:100, :100].max() == 0
    assert crop[130:, 130:].min() == 255


def test_a_turned_crop_is_the_image_turned() -> None:
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (65, 65, 3), np.uint8), (9, 9), 3)
    straight = crop_image(image, (32.0, 32.0, 64.0), size=64)
    turned = crop_image(image, (32.0, 32.0, 64.0), size=64, rotation=90.0)
    difference = np.rot90(straight[1:, 1:]).astype(int) - turned[1:, 1:]
    assert np.abs(difference).mean() < 2


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_normalised_images_have_the_mean_taken_off_and_channels_first(batch: tuple[int, ...]) -> None:
    crops = torch.randint(0, 256, (*batch, 8, 6, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    found = normalised_images(crops)
    assert found.shape == (*batch, 3, 8, 6)
    assert found.dtype == torch.float32
    back = found.movedim(-3, -1) * torch.tensor(IMAGE_STD) + torch.tensor(IMAGE_MEAN)
    torch.testing.assert_close(back * 255, crops.float(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_points_go_into_a_crop_and_back(batch: tuple[int, ...]) -> None:
    points = 100 * torch.rand(*batch, 7, 2, dtype=torch.float64)
    squares = 10 + 100 * torch.rand(*batch, 3, dtype=torch.float64)
    torch.testing.assert_close(crop_points_to_image(points_in_crop(points, squares), squares), points)


def test_points_in_a_crop_are_those_of_its_map() -> None:
    points, square = torch.tensor([[33.0, 20.0], [70.0, 64.0]]).double(), torch.tensor(SQUARE).double()
    mapped = points_through(torch.from_numpy(crop_affine(SQUARE)), points)
    torch.testing.assert_close(points_in_crop(points, square), 2 * mapped / 224 - 1, atol=1e-5, rtol=0)


def test_mirroring_twice_is_nothing_and_the_first_column_becomes_the_last() -> None:
    points = torch.tensor([[0.0, 5.0], [99.0, 7.0]])
    assert flipped_points(points, 100).tolist() == [[99, 5], [0, 7]]
    assert torch.equal(flipped_points(flipped_points(points, 100), 100), points)


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_a_square_around_points_holds_them_all_and_no_less(batch: tuple[int, ...]) -> None:
    points = 100 * torch.rand(*batch, 9, 2, generator=torch.Generator().manual_seed(0))
    squares = square_around(points, margin=1.0)
    assert squares.shape == (*batch, 3)
    inside = points_in_crop(points, squares)
    torch.testing.assert_close(inside.abs().amax((-1, -2)), torch.ones(batch))
    torch.testing.assert_close(square_around(points)[..., 2], 1.1 * squares[..., 2])


def walking(n: int = 40) -> np.ndarray:
    """Five keypoints that move to the right, all seen."""
    shape = np.array([[0, 0], [10, 40], [-10, 40], [5, 80], [-5, 80]], float)
    places = shape + np.arange(n)[:, None, None] * [2.0, 0.0]
    return np.concatenate([places, np.ones((n, 5, 1))], axis=2)


def test_boxes_follow_the_keypoints() -> None:
    boxes = boxes_around(walking(), 0.3)
    assert (boxes.start, boxes.end) == (0, 40)
    np.testing.assert_allclose(boxes.params[:, 0], 2 * np.arange(40))
    np.testing.assert_allclose(boxes.params[:, 1], 40)
    np.testing.assert_allclose(boxes.squares(1.1)[:, 2], 1.1 * np.hypot(20, 80))


def test_missing_frames_are_filled_within_and_dropped_at_the_ends() -> None:
    keypoints = walking()
    keypoints[[0, 1, 10, 11, 12, 38, 39], :, 2] = 0.1
    boxes = boxes_around(keypoints, 0.3)
    assert (boxes.start, boxes.end, len(boxes.params)) == (2, 38, 36)
    np.testing.assert_allclose(boxes.params[:, 0], 2 * np.arange(2, 38))


def test_keypoints_on_one_spot_make_no_box() -> None:
    keypoints = walking()
    keypoints[20:, :, :2] = 5
    assert boxes_around(keypoints, 0.3).end == 20


def test_smoothing_takes_out_a_jump_and_keeps_the_frames() -> None:
    keypoints = walking()
    keypoints[20, :, 0] += 300
    keypoints[:3, :, 2] = 0
    raw = boxes_around(keypoints, 0.3)
    smooth = raw.smoothed(sigma=2.0)
    assert (smooth.start, smooth.end) == (raw.start, raw.end)
    assert abs(raw.params[17, 0] - 40) > 200
    assert abs(smooth.params[17, 0] - 40) < 5


def test_a_track_without_keypoints_is_refused() -> None:
    with pytest.raises(ValueError, match=r"confidence above 0\.3"):
        boxes_around(walking() * [1, 1, 0], 0.3)
