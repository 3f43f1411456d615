import itertools
import math

import pytest

from anthropose.schedules import warmup_cosine

EPOCHS, WARMUP, LOWEST, HIGHEST = 50, 5, 1e-5, 1e-4


def rate(epoch: int) -> float:
    return warmup_cosine(epoch, LOWEST, HIGHEST, WARMUP, EPOCHS)


def test_the_rate_rises_evenly_and_then_falls() -> None:
    rates = [rate(epoch) for epoch in range(EPOCHS)]
    steps = [after - before for before, after in itertools.pairwise(rates)]
    assert steps[:WARMUP] == pytest.approx([(HIGHEST - LOWEST) / WARMUP] * WARMUP)
    assert max(steps[WARMUP:]) < 0
    assert rates[0] == LOWEST
    assert rates[WARMUP] == pytest.approx(HIGHEST)
    assert LOWEST < rates[-1] < LOWEST + 0.01 * HIGHEST


def test_the_fall_is_half_a_cosine() -> None:
    middle = (WARMUP + EPOCHS) / 2
    assert rate(math.floor(middle)) + rate(math.ceil(middle)) == pytest.approx(LOWEST + HIGHEST)


def test_it_begins_anew_after_its_epochs() -> None:
    assert [rate(EPOCHS + epoch) for epoch in range(9)] == [rate(epoch) for epoch in range(9)]


def test_without_a_warmup_it_starts_at_its_highest() -> None:
    assert warmup_cosine(0, LOWEST, HIGHEST, 0, EPOCHS) == pytest.approx(HIGHEST)


@pytest.mark.parametrize("warmup", [-1, 50, 60])
def test_a_warmup_that_leaves_no_epoch_is_refused(warmup: int) -> None:
    with pytest.raises(ValueError, match="warm-up"):
        warmup_cosine(0, LOWEST, HIGHEST, warmup, EPOCHS)
