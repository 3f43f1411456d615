"""Squares around keypoints, and what networks see of them."""

import pytest
import torch

from anthropose.geometry.cameras import crop_points_to_image
from anthropose.geometry.keypoints import FEWEST, MARGIN, PLACE, network_inputs, squares_around, steadied


def points(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    found = torch.rand(*shape, 8, 3, generator=generator) * torch.tensor([200.0, 300.0, 0.5])
    return found + torch.tensor([100.0, 50.0, 0.5])


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_squares_hold_all_keypoints_that_count(shape: tuple[int, ...]) -> None:
    found = points(*shape)
    squares, enough = squares_around(found)
    assert squares.shape == (*shape, 3)
    assert bool(enough.all())
    off = (found[..., :2] - squares[..., None, :2]).abs().amax((-1, -2))
    torch.testing.assert_close(off * 2 * MARGIN, squares[..., 2])


def test_keypoints_that_are_not_seen_do_not_count() -> None:
    found = points(3)
    far = found.clone()
    far[:, 2] = torch.tensor([-5000.0, 9000.0, 0.1])
    without = torch.cat([found[:, :2], found[:, 3:]], dim=1)
    assert torch.equal(squares_around(far)[0], squares_around(without)[0])


def test_too_few_keypoints_make_no_square() -> None:
    found = points(2)
    found[0, FEWEST - 1 :, 2] = 0
    found[1, FEWEST:, 2] = 0
    squares, enough = squares_around(found)
    assert enough.tolist() == [False, True]
    assert squares[0].tolist() == [0, 0, 0]


def test_steadied_squares_keep_what_stands_or_moves_evenly() -> None:
    even = torch.tensor([10.0, 20.0, 30.0]) + torch.arange(9.0)[:, None] * torch.tensor([1.0, 2.0, 0.5])
    torch.testing.assert_close(steadied(even)[2:-2], even[2:-2])
    still = even[:1].expand(6, 3)
    torch.testing.assert_close(steadied(still), still)
    torch.testing.assert_close(steadied(even[:1]), even[:1])
    batch = torch.stack([even, even.flip(0)])
    torch.testing.assert_close(steadied(batch)[1], steadied(even.flip(0)))


def test_steadied_squares_tremble_less() -> None:
    trembling = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    assert steadied(trembling).std() < 0.6 * trembling.std()


def test_inputs_lead_back_to_the_pixels_and_tell_the_place() -> None:
    found = points(2, 3)
    squares, _ = squares_around(found)
    size = torch.tensor([600.0, 800.0]).expand(2, 3, 2)
    inputs = network_inputs(found, squares, size)
    assert inputs.shape == (2, 3, 8 * 3 + PLACE)
    seen = inputs[..., :-PLACE].unflatten(-1, (8, 3))
    torch.testing.assert_close(crop_points_to_image(seen[..., :2], squares), found[..., :2])
    torch.testing.assert_close(seen[..., 2], found[..., 2])
    torch.testing.assert_close(inputs[..., -3:-1] * 1000, squares[..., :2] - torch.tensor([300.0, 400.0]))
    torch.testing.assert_close(inputs[..., -1] * 1000, squares[..., 2])


def test_inputs_do_not_depend_on_the_size_of_the_picture() -> None:
    found = points(3)
    squares, _ = squares_around(found)
    size = torch.tensor([600.0, 800.0]).expand(3, 2)
    larger = torch.cat([found[..., :2] * 2, found[..., 2:]], dim=-1)
    torch.testing.assert_close(network_inputs(found, squares, size), network_inputs(larger, squares * 2, size * 2))


def test_keypoints_without_confidence_are_zero_whatever_else_they_say() -> None:
    found = points(1)
    found[0, 0] = torch.tensor([torch.nan, 5.0, 0.0])
    found[0, 1] = torch.tensor([70.0, torch.inf, 0.9])
    found[0, 2] = torch.tensor([1e6, -1e6, 0.9])
    inputs = network_inputs(found, torch.tensor([[200.0, 200.0, 300.0]]), torch.tensor([[600.0, 800.0]]))
    seen = inputs[0, :-PLACE].unflatten(-1, (8, 3))
    assert seen[0].tolist() == [0, 0, 0]
    assert seen[1].tolist() == [0, 0, 0]
    assert seen[2, :2].tolist() == [3, -3], "far away is as far as it gets"
