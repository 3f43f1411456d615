"""Detectors' errors: none where none are asked for, and each kind as large, as long and as often as its number says."""

from dataclasses import replace

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.datasets.mocap.draws import Draws
from anthropose.datasets.mocap.noise import NO_NOISE, PARTS, KeypointNoise, detected, off_squares
from anthropose.skeleton import COCO_17, H36M_17, MEDIAPIPE_33, Skeleton

ROWS, FRAMES = 400, 10
SIZE = torch.tensor([1000.0, 800.0])
PLAIN = replace(NO_NOISE, size=1.0, doubt=1.0)
"""Errors as measured, and nothing else."""


def truth(count: int = 17) -> Float[Tensor, "b t k 2"]:
    generator = torch.Generator().manual_seed(0)
    return 300 + 200 * torch.rand(ROWS, FRAMES, count, 2, generator=generator)


def flat(skeleton: Skeleton, away: bool = False) -> Float[Tensor, "b t k 3"]:
    """All keypoints at one depth; the trunk faces the camera, or away from it."""
    places = torch.zeros(ROWS, FRAMES, len(skeleton), 3)
    places[..., 2] = 4.0
    for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip"):
        left, upper = name.startswith("left") != away, name.endswith("shoulder")
        places[:, :, skeleton.index(name), :2] = torch.tensor([0.2 if left else -0.2, -0.3 if upper else 0.2])
    return places


def seen(
    noise: KeypointNoise,
    points: Float[Tensor, "b t k 2"] | None = None,
    side: float = 200.0,
    places: Float[Tensor, "b t k 3"] | None = None,
    skeleton: Skeleton = COCO_17,
    rate: float = 30.0,
) -> Float[Tensor, "b t k 3"]:
    points = truth(len(skeleton)) if points is None else points
    places = flat(skeleton) if places is None else places
    valid = torch.ones(ROWS, len(skeleton), dtype=torch.bool)
    sides = torch.full((ROWS, FRAMES), side)
    draws = Draws((5, 0, 0), torch.arange(ROWS))
    return detected(points, places, valid, sides, SIZE.expand(ROWS, 2), skeleton, rate, draws, noise)


def errors(noise: KeypointNoise, side: float = 200.0, **how: object) -> Float[Tensor, "b t k 2"]:
    """In sides of the square."""
    found = seen(noise, side=side, **how)  # type: ignore[arg-type]
    return (found[..., :2] - truth(found.shape[2])) / side


def median(error: Float[Tensor, "*b 2"]) -> float:
    """The median length over that of a normal vector of variance one, which is nearly the size."""
    return float(error.norm(dim=-1).median() / 1.1774)


def test_without_noise_keypoints_are_true_and_sure() -> None:
    found = seen(NO_NOISE)
    assert torch.equal(found[..., :2], truth())
    assert (found[..., 2] == 1).all()
    outside = truth() - 2000
    assert torch.equal(seen(NO_NOISE, outside)[..., :2], outside)


@pytest.mark.parametrize("side", [100.0, 300.0])
def test_errors_are_as_large_as_measured_and_grow_with_the_person(side: float) -> None:
    for factor in (1.0, 3.0):
        error = errors(replace(PLAIN, size=factor), side)
        for joint in ("left_knee", "right_wrist", "nose"):
            part = PARTS[joint.rpartition("_")[2]]
            assert median(error[:, :, COCO_17.index(joint)]) == pytest.approx(factor * part.size, rel=0.15)


def test_a_window_is_harder_or_easier_as_a_whole() -> None:
    plain, harder = errors(PLAIN), errors(replace(PLAIN, harder=(0.5, 2.0)))
    factor = (harder.norm(dim=-1) / plain.norm(dim=-1)).flatten(1)
    torch.testing.assert_close(factor, factor[:, :1].expand_as(factor), atol=0.02, rtol=0.02)
    assert 0.45 < factor.min() < 0.6
    assert 1.7 < factor.max() < 2.1


def test_limbs_behind_the_body_and_people_who_turn_their_back_are_seen_worse() -> None:
    wrist, nose = COCO_17.index("left_wrist"), COCO_17.index("nose")
    places = flat(COCO_17)
    places[:, :, wrist, 2] += 0.4
    level, behind = errors(PLAIN), errors(PLAIN, places=places)
    grows = float(torch.tensor(PARTS["wrist"].behind * 0.4).exp())
    assert median(behind[:, :, wrist]) == pytest.approx(grows * median(level[:, :, wrist]), rel=0.1)
    assert torch.equal(behind[:, :, nose], level[:, :, nose])
    away = errors(PLAIN, places=flat(COCO_17, away=True))
    assert median(away[:, :, nose]) > 1.8 * median(level[:, :, nose])
    sure, doubted = seen(PLAIN)[:, :, wrist, 2], seen(PLAIN, places=places)[:, :, wrist, 2]
    assert doubted.median() < 0.3 < 0.8 < sure.median()


def test_errors_last_and_are_the_shorter_alike_the_slower_the_camera() -> None:
    def alike(error: Tensor, lag: int) -> float:
        first, later = error[:, lag:].clamp(-0.03, 0.03), error[:, :-lag].clamp(-0.03, 0.03)
        return float((first * later).sum() / (first.square().sum() * later.square().sum()).sqrt())

    error = errors(PLAIN)
    assert alike(error, 1) > 0.9
    assert 0.6 < alike(error, 8) < alike(error, 3) < alike(error, 1)
    assert alike(errors(PLAIN, rate=5.0), 1) < alike(error, 3)


def test_keypoints_of_a_hand_are_wrong_together_and_those_of_both_hands_are_not() -> None:
    error = errors(PLAIN, skeleton=MEDIAPIPE_33)[..., 0].clamp(-0.05, 0.05).flatten(0, 1)
    alike = torch.corrcoef(error.T)

    def between(a: str, b: str) -> float:
        return float(alike[MEDIAPIPE_33.index(a), MEDIAPIPE_33.index(b)])

    assert between("left_pinky", "left_index") > 0.7
    assert between("left_eye", "right_mouth") > 0.7
    assert between("left_heel", "left_ankle") > 0.7
    assert abs(between("left_index", "right_index")) < 0.1
    assert abs(between("left_knee", "left_ankle")) < 0.1


def test_small_people_have_the_detectors_own_error() -> None:
    found = seen(replace(NO_NOISE, least=0.7), side=5.0)[..., :2] - truth()
    assert float(found.std()) == pytest.approx(0.7, rel=0.05)


@pytest.mark.parametrize(("name", "expected"), [("missing", 0.1), ("hidden", 0.05)])
def test_shares_are_those_that_were_asked_for(name: str, expected: float) -> None:
    """Half of a window in which a keypoint gets hidden is hidden in the mean."""
    wrong = seen(replace(NO_NOISE, **{name: 0.1}))[..., 2] == 0
    assert float(wrong.float().mean()) == pytest.approx(expected, rel=0.12)
    if name == "hidden":
        turns = (wrong[:, 1:] != wrong[:, :-1]).sum(1)
        assert turns.max() == 1, "a keypoint vanishes or comes back once"


def test_some_errors_are_gross_for_a_while() -> None:
    calm, rough = errors(replace(PLAIN, gross=0.0)), errors(replace(PLAIN, gross=4.0))
    gross = (calm != rough).any(-1)
    assert 0.01 < gross.float().mean() < 0.07
    assert (rough.norm(dim=-1) >= calm.norm(dim=-1))[gross].all()
    again = gross[:, 1:][gross[:, :-1]]
    assert again.float().mean() > 0.6, "mostly still so a frame later"


def test_what_is_not_found_is_all_zero() -> None:
    found = seen(KeypointNoise(missing=0.5))
    assert (found[found[..., 2] == 0] == 0).all()
    valid = torch.ones(ROWS, 17, dtype=torch.bool)
    valid[:, 3] = False
    draws, sides = Draws((5, 0, 0), torch.arange(ROWS)), torch.full((ROWS, FRAMES), 100.0)
    lacking = detected(
        truth(), flat(COCO_17), valid, sides, SIZE.expand(ROWS, 2), COCO_17, 30.0, draws, NO_NOISE
    )  # fmt: skip
    assert (lacking[:, :, 3] == 0).all()
    assert (lacking[:, :, 4, 2] == 1).all()


def test_keypoints_outside_the_picture_are_doubted_and_off_and_some_detectors_leave_them_out() -> None:
    points = truth()
    points[:, :, 0, 0], points[:, :, 1, 1], points[:, :, 2, 1] = -60.0, 860.0, 803.0
    found = seen(PLAIN, points)
    assert found[:, :, :2, 2].median() < 0.1
    assert found[:, :, 2, 2].median() > 0.9, "4 px beyond the edge"
    assert median((found - torch.nn.functional.pad(points, (0, 1)))[:, :, 0, :2] / 200) > 0.05
    left_out = (seen(replace(PLAIN, withheld=0.3), points)[:, :, :2] == 0).all(-1)
    assert torch.equal(left_out, left_out[:, :1, :1].expand_as(left_out))
    assert float(left_out.float().mean()) == pytest.approx(0.3, rel=0.2)


@pytest.mark.parametrize(("away", "expected"), [(True, 0.2), (False, 0.05)])
def test_left_and_right_are_exchanged_mostly_on_people_who_turn_their_back(away: bool, expected: float) -> None:
    noise = replace(NO_NOISE, swapped=0.2, swapped_front=0.05)
    found = seen(noise, places=flat(COCO_17, away))[..., :2]
    exchanged = (found == truth()[:, :, list(COCO_17.mirror)]).all(-1)
    assert (exchanged | (found == truth()).all(-1)).all()
    low = [COCO_17.index(f"left_{joint}") for joint in ("hip", "knee", "ankle")]
    high = [COCO_17.index(f"left_{joint}") for joint in ("eye", "shoulder", "wrist")]
    parts = [exchanged[:, :, part] for part in (high, low)]
    assert all(torch.equal(part.any(-1), part.all(-1)) for part in parts), "a half is exchanged together"
    upper, lower = (part.any(-1).any(-1) for part in parts)
    assert float((upper | lower).float().mean()) == pytest.approx(expected, rel=0.35)
    assert (upper & lower).any()
    assert (upper & ~lower).any()


def test_confidence_falls_with_the_error() -> None:
    found = seen(replace(PLAIN, size=4.0))
    error = (found[..., :2] - truth()).norm(dim=-1) / 200
    knees = [COCO_17.index("left_knee"), COCO_17.index("right_knee")]
    error, confidence = error[:, :, knees], found[:, :, knees, 2]
    small, large = confidence[error < 0.01], confidence[error > 0.08]
    assert large.median() < small.median() - 0.1
    assert confidence.min() >= 0
    assert confidence.max() <= 1
    assert (seen(replace(PLAIN, doubt=0.0))[..., 2] == 1).all()


def test_errors_do_not_depend_on_which_rows_are_made() -> None:
    places, points = flat(COCO_17), truth()
    whole = seen(KeypointNoise())
    rows = torch.arange(100, 103)
    part = detected(
        points[rows], places[rows], torch.ones(3, 17, dtype=torch.bool), torch.full((3, FRAMES), 200.0),
        SIZE.expand(3, 2), COCO_17, 30.0, Draws((5, 0, 0), rows), KeypointNoise(),
    )  # fmt: skip
    torch.testing.assert_close(part, whole[rows], atol=1e-3, rtol=1e-5)


def test_sets_with_other_joints_have_errors_as_well() -> None:
    error = errors(PLAIN, skeleton=H36M_17)
    assert error.isfinite().all()
    assert (error != 0).any(-1).all()


def test_squares_are_off_for_a_whole_window() -> None:
    squares = torch.tensor([100.0, 50.0, 80.0]).expand(ROWS, FRAMES, 3)
    off = off_squares(squares, Draws((1,), torch.arange(ROWS)), KeypointNoise(square_scale=0.1, square_shift=0.05))
    assert torch.equal(off, off[:, :1].expand_as(off))
    assert float((off[:, 0, 2] / 80).log().std()) == pytest.approx(0.1, rel=0.15)
    assert float(((off[:, 0, :2] - torch.tensor([100.0, 50.0])) / 80).std()) == pytest.approx(0.05, rel=0.15)
    assert torch.equal(off_squares(squares, Draws((1,), torch.arange(ROWS)), NO_NOISE), squares)
