"""Intervals hold what they promise, and pairs of results are drawn alike."""

import numpy as np
import pytest

from anthropose.evaluate.bootstrap import Sample, interval, paired_difference


def _sample(means: np.ndarray, frames: int = 10, groups: tuple[str, ...] = ()) -> Sample:
    return Sample(means * frames, np.full(len(means), frames), groups)


def test_the_figure_weighs_sequences_by_their_frames() -> None:
    assert Sample(np.array([10.0, 90.0]), np.array([1, 3])).value() == 25


def test_the_figure_over_groups_does_not() -> None:
    sample = Sample(np.array([10.0, 30.0, 90.0]), np.array([1, 1, 9]), ("walk", "walk", "sit"))
    assert sample.value() == (20 + 10) / 2


def test_equal_seeds_give_equal_intervals_and_others_do_not() -> None:
    sample = _sample(np.random.default_rng(0).normal(50, 5, 20))
    assert interval(sample, seed=1) == interval(sample, seed=1)
    assert interval(sample, seed=1) != interval(sample, seed=2)


def test_the_interval_is_that_of_the_mean_of_normal_numbers() -> None:
    means = np.random.default_rng(0).normal(50, 5, 200)
    limits = interval(_sample(means), resamples=20_000)
    assert limits is not None
    expected = means.mean() + np.array([-1.96, 1.96]) * means.std() / np.sqrt(200)
    np.testing.assert_allclose(limits, expected, atol=0.05)


def test_most_intervals_hold_the_true_figure() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        limits = interval(_sample(rng.normal(50, 5, 40)), resamples=500)
        assert limits is not None
        hits += limits[0] <= 50 <= limits[1]
    assert 0.88 < hits / 200 <= 0.99


def test_one_sequence_has_no_interval() -> None:
    assert interval(_sample(np.array([50.0]))) is None
    assert interval(_sample(np.array([50.0, 60.0]), groups=("walk", "sit"))) is None


def test_groups_keep_their_numbers_of_sequences_in_every_draw() -> None:
    means = np.array([10.0, 10.0, 10.0, 90.0])
    assert interval(_sample(means, groups=("walk", "walk", "walk", "sit"))) == (50, 50), "nothing varies within groups"


def test_sequences_without_frames_do_not_count() -> None:
    sample = Sample(np.array([100.0, 0.0, 300.0]), np.array([10, 0, 10]))
    assert sample.value() == 20
    limits = interval(sample)
    assert limits is not None
    assert np.isfinite(limits).all()


def test_a_small_difference_is_found_where_sequences_differ_much_more() -> None:
    first = np.random.default_rng(0).normal(80, 20, 24)
    found = paired_difference(_sample(first), _sample(first - 1 + np.random.default_rng(1).normal(0, 0.5, 24)))
    assert found is not None
    assert found.value == pytest.approx(-1, abs=0.4)
    assert found.is_significant
    assert found.p < 0.001
    assert found.low < found.value < found.high < 0


def test_no_difference_is_none_and_chance_stays_chance() -> None:
    first = np.random.default_rng(0).normal(80, 20, 24)
    same = paired_difference(_sample(first), _sample(first))
    assert same is not None
    assert (same.value, same.low, same.high, same.p, same.is_significant) == (0, 0, 0, 1, False)
    chance = paired_difference(_sample(first), _sample(first + np.random.default_rng(2).normal(0, 5, 24)))
    assert chance is not None
    assert not chance.is_significant
    assert chance.p > 0.05


def test_pairs_must_be_of_the_same_sequences() -> None:
    with pytest.raises(ValueError, match="same sequences"):
        paired_difference(_sample(np.ones(3)), _sample(np.ones(4)))
    assert paired_difference(_sample(np.ones(1)), _sample(np.ones(1))) is None
