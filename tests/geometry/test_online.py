"""A filter that is fed moment by moment gives what the same filter gives over the whole."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropose.geometry.filters import one_euro, one_euro_rotations
from anthropose.geometry.online import OneEuro, OneEuroRotations
from anthropose.geometry.rotations import rotvec_to_rotmat


def times(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (0.01 + 0.2 * torch.rand(count, generator=generator, dtype=torch.float64)).cumsum(0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), cutoff=st.floats(0.1, 10), beta=st.floats(0, 5))
def test_values_are_filtered_as_over_the_whole(seed: int, cutoff: float, beta: float) -> None:
    values = torch.randn(9, 3, generator=torch.Generator().manual_seed(seed)).cumsum(0)
    seconds, steps = times(9, seed), OneEuro(cutoff, beta)
    found = torch.stack([steps.step(value, float(now)) for value, now in zip(values, seconds, strict=True)])
    torch.testing.assert_close(found, one_euro(values, seconds, cutoff, beta), atol=1e-5, rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), cutoff=st.floats(0.1, 10), beta=st.floats(0, 5))
def test_rotations_are_filtered_as_over_the_whole(seed: int, cutoff: float, beta: float) -> None:
    turns = 0.5 * torch.randn(9, 4, 3, generator=torch.Generator().manual_seed(seed))
    seconds, steps = times(9, seed), OneEuroRotations(cutoff, beta)
    rotations = rotvec_to_rotmat(turns)
    found = torch.stack([steps.step(value, float(now)) for value, now in zip(rotations, seconds, strict=True)])
    torch.testing.assert_close(found, one_euro_rotations(rotations, seconds, cutoff, beta), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("kind", "value"), [(OneEuro, torch.zeros(3)), (OneEuroRotations, torch.eye(3))])
def test_time_does_not_run_backwards(kind: type, value: torch.Tensor) -> None:
    steps = kind()
    steps.step(value, 1.0)
    with pytest.raises(ValueError, match="increase"):
        steps.step(value, 1.0)
