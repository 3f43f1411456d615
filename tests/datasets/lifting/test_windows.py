"""Training windows of lifters."""

import numpy as np
import pytest
import torch

from anthropose.datasets.lifting import LiftingWindows, chunks_of, stretch_of
from anthropose.datasets.windows import centred_windows
from anthropose.geometry.mirror import mirrored

ORDER = (0, 2, 1)
LENGTHS = (6, 1, 9)
KEYPOINTS = [torch.randn(n, 3, 2) for n in LENGTHS]
JOINTS = [torch.randn(n, 3, 3) for n in LENGTHS]
INTRINSICS = [torch.randn(9) for _ in LENGTHS]


def windows(reach: int = 3, **options: object) -> LiftingWindows:
    return LiftingWindows(KEYPOINTS, JOINTS, (ORDER, ORDER), reach, INTRINSICS, **options)  # type: ignore[arg-type]


def test_an_epoch_has_every_window_once_and_every_epoch_another_order() -> None:
    made = windows()
    first, second = made.order(), made.order()
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(2 * sum(LENGTHS)))
    assert first.tolist() != second.tolist()
    assert windows().order().tolist() == first.tolist(), "the seed decides"
    assert windows(seed=5).order().tolist() != first.tolist()


def test_batches_cover_the_epoch_and_the_last_is_smaller() -> None:
    made = windows()
    sizes = [len(batch.keypoints) for batch in made.epoch(10)]
    assert sizes == [10, 10, 10, 2]
    assert made.batches(10) == 4


def test_unflipped_windows_are_those_around_each_frame_with_ends_repeated() -> None:
    made = windows(flipped=False)
    batch = made.gather(torch.arange(len(made)))
    around = [points[centred_windows(len(points), 7, "clamp").frames] for points in KEYPOINTS]
    assert torch.equal(batch.keypoints, torch.cat(around))
    assert torch.equal(batch.joints[:, 0], torch.cat(JOINTS))
    assert batch.intrinsics is not None
    assert torch.equal(batch.intrinsics[-1], INTRINSICS[-1])


def test_flipped_windows_are_mirror_images_and_come_after_their_sequences_own() -> None:
    made = windows()
    plain, flipped = made.gather(torch.arange(6)), made.gather(torch.arange(6, 12))
    assert torch.equal(flipped.keypoints, mirrored(plain.keypoints, ORDER))
    assert torch.equal(flipped.joints, mirrored(plain.joints, ORDER))
    assert plain.intrinsics is not None
    assert flipped.intrinsics is not None
    assert (plain.intrinsics != flipped.intrinsics).nonzero()[:, 1].unique().tolist() == [2, 7]


@pytest.mark.parametrize("chunk", [1, 2, 4, 5, 20])
def test_chunks_cover_a_sequence_without_overlap(chunk: int) -> None:
    rows = chunks_of([11], chunk, flipped=False)
    assert (rows[1:, 1] == rows[:-1, 2]).all()
    assert (rows[:, 2] - rows[:, 1] == chunk).all()
    assert rows[0, 1] <= 0
    assert rows[-1, 2] >= 11
    assert abs((0 - rows[0, 1]) - (rows[-1, 2] - 11)) <= 1, "what is over lies on both sides"


def test_longer_chunks_have_their_joints_and_a_longer_window() -> None:
    made = windows(reach=2, chunk=3, flipped=False)
    batch = made.gather(torch.tensor([0, 1]))
    assert batch.keypoints.shape[1:] == (7, 3, 2)
    assert torch.equal(batch.joints[1], JOINTS[0][3:6])
    assert torch.equal(batch.keypoints[1, 2:5], KEYPOINTS[0][3:6])


def test_a_causal_shift_lets_windows_end_earlier() -> None:
    made = windows(reach=3, causal_shift=3, flipped=False)
    batch = made.gather(torch.tensor([5]))
    assert torch.equal(batch.keypoints[0, -1], KEYPOINTS[0][5]), "the last frame seen is the one that is predicted"


@pytest.mark.parametrize("length", [57, 1000, 2311])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_a_stretch_lies_inside_its_sequence_and_depends_on_the_length_alone(length: int, share: float) -> None:
    stretch = stretch_of(length, share)
    assert 0 <= stretch.first <= length - stretch.frames
    assert stretch.frames == round(share * length)
    assert stretch_of(length, share) == stretch
    assert len(np.arange(length)[stretch_of(length, share, 2).taken]) == pytest.approx(share * length / 2, abs=1)
    assert stretch_of(length, 1.0, 3).taken == slice(0, length, 3)
