"""Detectors' errors: none where none are asked for, and each kind as large and as often as its number says."""

from dataclasses import replace

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.datasets.mocap.draws import Draws
from anthropose.datasets.mocap.noise import NO_NOISE, KeypointNoise, detected, off_squares
from anthropose.skeleton import COCO_17

ROWS, FRAMES = 400, 10
SIZE = torch.tensor([1000.0, 800.0])


def truth() -> Float[Tensor, "b t 17 2"]:
    generator = torch.Generator().manual_seed(0)
    return 300 + 200 * torch.rand(ROWS, FRAMES, 17, 2, generator=generator)


def seen(noise: KeypointNoise, points: Float[Tensor, "b t 17 2"] | None = None, side: float = 200.0) -> Tensor:
    points = truth() if points is None else points
    valid = torch.ones(ROWS, 17, dtype=torch.bool)
    sides = torch.full((ROWS, FRAMES), side)
    draws = Draws((5, 0, 0), torch.arange(ROWS))
    return detected(points, valid, sides, SIZE.expand(ROWS, 2), COCO_17, draws, noise)


def test_without_noise_keypoints_are_true_and_sure() -> None:
    found = seen(NO_NOISE)
    assert torch.equal(found[..., :2], truth())
    assert (found[..., 2] == 1).all()
    outside = truth() - 2000
    assert torch.equal(seen(NO_NOISE, outside)[..., :2], outside)


@pytest.mark.parametrize("side", [100.0, 300.0])
def test_errors_grow_with_the_person_and_stay_or_tremble_as_said(side: float) -> None:
    noise = replace(NO_NOISE, steady=0.02, tremor=0.01, harder=(("wrist", 2.0),))
    error = (seen(noise, side=side)[..., :2] - truth()) / side
    wrist = COCO_17.index("left_wrist")
    for joint, factor in ((COCO_17.index("left_knee"), 1.0), (wrist, 2.0)):
        mine = error[:, :, joint]
        assert float(mine.mean(1).std()) == pytest.approx(factor * (0.02**2 + 0.01**2 / FRAMES) ** 0.5, rel=0.1)
        trembling = (mine - mine.mean(1, keepdim=True)).square().mean().sqrt()
        assert float(trembling) == pytest.approx(factor * 0.01 * (1 - 1 / FRAMES) ** 0.5, rel=0.1)


def test_small_people_have_the_detectors_own_error() -> None:
    error = seen(replace(NO_NOISE, least=0.7), side=5.0)[..., :2] - truth()
    assert float(error.std()) == pytest.approx(0.7, rel=0.05)


@pytest.mark.parametrize(("name", "expected"), [("missing", 0.1), ("hidden", 0.05), ("gross", 0.1)])
def test_shares_are_those_that_were_asked_for(name: str, expected: float) -> None:
    """Half of a window in which a keypoint gets hidden is hidden in the mean."""
    found = seen(replace(NO_NOISE, **{name: 0.1}))
    wrong = (found[..., 2] == 0) if name != "gross" else (found[..., :2] != truth()).any(-1)
    assert float(wrong.float().mean()) == pytest.approx(expected, rel=0.12)
    if name == "hidden":
        turns = (wrong[:, 1:] != wrong[:, :-1]).sum(1)
        assert turns.max() == 1, "a keypoint vanishes or comes back once"


def test_what_is_not_found_is_all_zero() -> None:
    found = seen(KeypointNoise(missing=0.5))
    assert (found[found[..., 2] == 0] == 0).all()
    valid = torch.ones(ROWS, 17, dtype=torch.bool)
    valid[:, 3] = False
    draws = Draws((5, 0, 0), torch.arange(ROWS))
    lacking = detected(
        truth(), valid, torch.full((ROWS, FRAMES), 100.0), SIZE.expand(ROWS, 2), COCO_17, draws, NO_NOISE
    )
    assert (lacking[:, :, 3] == 0).all()
    assert (lacking[:, :, 4, 2] == 1).all()


def test_keypoints_outside_the_picture_are_not_found() -> None:
    points = truth()
    points[:, :, 0, 0], points[:, :, 1, 1], points[:, :, 2, 1] = -10.0, 850.0, 803.0
    found = seen(replace(NO_NOISE, beyond=0.02), points, side=200.0)
    assert (found[:, :, :3, 2].sum((0, 1)) == torch.tensor([0.0, 0.0, ROWS * FRAMES])).all(), "4 px beyond are found"


def test_left_and_right_are_exchanged_together() -> None:
    found = seen(replace(NO_NOISE, swapped=0.2))[..., :2]
    exchanged = (found == truth()[:, :, list(COCO_17.mirror)]).all(-1).all(-1)
    kept = (found == truth()).all(-1).all(-1)
    assert (exchanged | kept).all()
    assert float(exchanged.any(1).float().mean()) == pytest.approx(0.2, rel=0.3)


def test_confidence_falls_with_the_error() -> None:
    noise = replace(NO_NOISE, tremor=0.06, doubt=0.06)
    found = seen(noise)
    error = (found[..., :2] - truth()).norm(dim=-1) / 200
    assert found[..., 2][error < 0.01].min() > 0.95
    assert found[..., 2][error > 0.15].max() < 0.2
    near = found[..., 2][(error - 0.06).abs() < 0.002]
    assert float(near.mean()) == pytest.approx(0.5, abs=0.02)
    spread = seen(replace(NO_NOISE, doubt_spread=0.15))[..., 2]
    assert spread.min() >= 0.05
    assert spread.max() <= 1
    assert spread.mean() < 0.95


def test_squares_are_off_for_a_whole_window() -> None:
    squares = torch.tensor([100.0, 50.0, 80.0]).expand(ROWS, FRAMES, 3)
    off = off_squares(squares, Draws((1,), torch.arange(ROWS)), KeypointNoise(square_scale=0.1, square_shift=0.05))
    assert torch.equal(off, off[:, :1].expand_as(off))
    assert float((off[:, 0, 2] / 80).log().std()) == pytest.approx(0.1, rel=0.15)
    assert float(((off[:, 0, :2] - torch.tensor([100.0, 50.0])) / 80).std()) == pytest.approx(0.05, rel=0.15)
    assert torch.equal(off_squares(squares, Draws((1,), torch.arange(ROWS)), NO_NOISE), squares)
