"""Laws of the filters: what must stay, what must go; nothing depends on the frame rate or on where angles wrap."""

import math

import pytest
import roma
import torch
from torch import Tensor

from anthropose.geometry.filters import (
    gaussian,
    gaussian_rotations,
    interpolate,
    interpolate_rotations,
    one_euro,
    one_euro_as_published,
    one_euro_rotations,
    slerp_recursively,
)
from anthropose.geometry.rotations import rotation_angle, rotvec_to_rotmat

VECTOR_FILTERS = {
    "one_euro": lambda v, t: one_euro(v, t, 1.0, 0.5),
    "gaussian": lambda v, t: gaussian(v, t, 0.1),
    "gaussian degree 0": lambda v, t: gaussian(v, t, 0.1, degree=0),
    "gaussian degree 2": lambda v, t: gaussian(v, t, 0.1, degree=2),
}
ROTATION_FILTERS = {
    "one_euro": lambda r, t: one_euro_rotations(r, t, 1.0, 0.5),
    "gaussian": lambda r, t: gaussian_rotations(r, t, 0.1),
    "gaussian degree 2": lambda r, t: gaussian_rotations(r, t, 0.1, degree=2),
}


def uneven_seconds(n: int, seed: int = 0) -> Tensor:
    """Time stamps of an unsteady phone, with a gap of two seconds in the middle."""
    steps = torch.rand(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 0.04 + 0.01
    steps[n // 2] = 2.0
    return steps.cumsum(0)


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", VECTOR_FILTERS)
@pytest.mark.parametrize("axes", [(), (3,), (24, 3)])
def test_constant_values_stay_for_any_axes(name: str, axes: tuple[int, ...]) -> None:
    values = noise(*axes).expand(40, *axes)
    assert torch.allclose(VECTOR_FILTERS[name](values, uneven_seconds(40)), values, atol=1e-6)


@pytest.mark.parametrize("name", ROTATION_FILTERS)
@pytest.mark.parametrize("axes", [(), (1,), (2, 24)])
def test_constant_rotations_stay_for_any_axes(name: str, axes: tuple[int, ...]) -> None:
    rotations = rotvec_to_rotmat(3 * noise(*axes, 3)).expand(40, *axes, 3, 3)
    assert torch.allclose(ROTATION_FILTERS[name](rotations, uneven_seconds(40)), rotations, atol=1e-5)


@pytest.mark.parametrize("name", ROTATION_FILTERS)
def test_filtered_rotations_are_rotations_and_less_noisy(name: str) -> None:
    t = torch.arange(200, dtype=torch.float64) / 30
    axis = torch.tensor([0.6, 0.0, 0.8])
    clean = rotvec_to_rotmat(0.5 * torch.sin(2 * t)[:, None].float() * axis)[:, None]
    noisy = clean @ rotvec_to_rotmat(0.1 * noise(200, 1, 3))
    smooth = ROTATION_FILTERS[name](noisy, t)
    assert torch.allclose(smooth.transpose(-1, -2) @ smooth, torch.eye(3).expand_as(smooth), atol=1e-5)
    assert rotation_angle(smooth, clean).mean() < 0.75 * rotation_angle(noisy, clean).mean()


@pytest.mark.parametrize("name", ROTATION_FILTERS)
def test_rotating_the_world_or_the_body_rotates_the_result(name: str) -> None:
    t = uneven_seconds(60)
    rotations = rotvec_to_rotmat((0.2 * noise(60, 2, 3)).cumsum(0)).double()
    left, right = roma.random_rotmat(dtype=torch.float64), roma.random_rotmat(dtype=torch.float64)
    expected = left @ ROTATION_FILTERS[name](rotations, t) @ right
    assert torch.allclose(ROTATION_FILTERS[name](left @ rotations @ right, t), expected, atol=1e-5)


@pytest.mark.parametrize("name", ROTATION_FILTERS)
def test_several_full_turns_have_no_jump_where_rotation_vectors_wrap(name: str) -> None:
    t = torch.arange(120, dtype=torch.float64) / 30
    angle = 2 * math.pi * t  # one turn per second; the rotation vector jumps once a turn
    rotations = rotvec_to_rotmat(torch.stack([torch.zeros_like(angle), angle, torch.zeros_like(angle)], -1))
    smooth = ROTATION_FILTERS[name](rotations, t)
    steps = rotation_angle(smooth[:-1], smooth[1:])
    assert steps.max() < 1.5 * 2 * math.pi / 30


@pytest.mark.parametrize("degree", [1, 2])
def test_gaussian_keeps_uniform_motion_up_to_both_ends_and_beside_gaps(degree: int) -> None:
    t = uneven_seconds(50)
    line = (t[:, None] * torch.tensor([1.0, -3.0, 0.5]) + 7).float()
    assert torch.allclose(gaussian(line, t, 0.1, degree), line, atol=1e-4)


def test_gaussian_of_degree_two_keeps_a_parabola_and_degree_one_does_not() -> None:
    t = torch.arange(60, dtype=torch.float64) / 30
    fall = 4.9 * t.square()
    assert torch.allclose(gaussian(fall, t, 0.1, degree=2), fall, atol=1e-6)
    assert (gaussian(fall, t, 0.1, degree=1) - fall).abs().max() > 0.01


@pytest.mark.parametrize("degree", [1, 2])
def test_gaussian_keeps_a_turn_at_constant_angular_velocity(degree: int) -> None:
    t = uneven_seconds(50)
    spin = rotvec_to_rotmat(t[:, None] * torch.tensor([1.0, 4.0, -2.0], dtype=torch.float64))
    assert rotation_angle(gaussian_rotations(spin, t, 0.1, degree), spin).max() < 1e-4


def test_gaussian_agrees_with_scipy_away_from_the_ends_where_time_is_even() -> None:
    from scipy.ndimage import gaussian_filter1d

    values = noise(100, 4).double()
    ours = gaussian(values, torch.arange(100, dtype=torch.float64) / 50, sigma=0.06)
    theirs = torch.from_numpy(gaussian_filter1d(values.numpy(), 3.0, axis=0, truncate=3.0))
    assert torch.allclose(ours[15:-15], theirs[15:-15], atol=1e-9)


def test_gaussian_of_degree_two_agrees_with_a_weighted_least_squares_fit() -> None:
    t, values = uneven_seconds(30), noise(30).double()
    i, sigma = 7, 0.05
    near = (t - t[i]).abs() <= 3 * sigma
    root = (-0.25 * ((t - t[i]) / sigma).square()).exp()[near]
    design = torch.stack([(t - t[i])[near] ** k for k in range(3)], -1)
    fit = torch.linalg.lstsq(root[:, None] * design, (root * values[near])[:, None]).solution
    assert torch.allclose(gaussian(values, t, sigma, degree=2)[i], fit[0, 0], atol=1e-5)


def test_gaussian_does_not_mix_across_a_gap() -> None:
    t = torch.tensor([0.0, 0.1, 0.2, 5.0, 5.1, 5.2], dtype=torch.float64)
    values = torch.tensor([1.0, 1.0, 1.0, 9.0, 9.0, 9.0])
    assert torch.allclose(gaussian(values, t, 0.2), values)


def test_gaussian_rotations_is_the_same_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    t, rotations = uneven_seconds(40), rotvec_to_rotmat(noise(40, 2, 3))
    whole = gaussian_rotations(rotations, t, 0.05)
    monkeypatch.setattr("anthropose.geometry.filters._CHUNK", 50)
    assert torch.equal(gaussian_rotations(rotations, t, 0.05), whole)


@pytest.mark.parametrize("name", ["gaussian", "one_euro"])
def test_settings_mean_the_same_at_any_frame_rate(name: str) -> None:
    def smoothed(rate: int) -> Tensor:
        t = torch.arange(4 * rate + 1, dtype=torch.float64) / rate
        return VECTOR_FILTERS[name](torch.cos(8 * t), t)[rate :: rate // 30]

    raw = torch.cos(8 * torch.arange(30, 121, dtype=torch.float64) / 30)
    assert (smoothed(30) - smoothed(240)).abs().max() < 0.12
    assert (smoothed(30) - raw).abs().max() > 0.2  # else the line above could not fail


def test_one_euro_as_published_agrees_with_its_recurrence_written_for_one_number() -> None:
    values = noise(20).tolist()
    smooth, speed = [values[0]], 0.0
    derivative_share = 2 * math.pi / (2 * math.pi + 1)
    for value in values[1:]:
        speed = derivative_share * (value - smooth[-1]) + (1 - derivative_share) * speed
        turn = 2 * math.pi * (0.004 + 0.7 * abs(speed))
        smooth.append((turn * value + smooth[-1]) / (turn + 1))
    ours = one_euro_as_published(torch.tensor(values), torch.arange(20.0))
    assert torch.allclose(ours, torch.tensor(smooth), atol=1e-6)


def test_one_euro_starts_afresh_after_a_long_gap() -> None:
    t = torch.tensor([0.0, 0.1, 0.2, 60.0], dtype=torch.float64)
    assert one_euro(torch.tensor([0.0, 0.0, 0.0, 10.0]), t)[-1] > 9.5


def test_one_euro_lags_less_the_higher_beta() -> None:
    t = torch.arange(60, dtype=torch.float64) / 30
    lag = [float((5 * t - one_euro(5 * t, t, 1.0, beta))[-1]) for beta in (0.0, 0.3, 3.0)]
    assert lag[0] > 2 * lag[1] > 4 * lag[2] > 0


def test_one_euro_on_a_small_turn_about_one_axis_equals_the_filter_of_the_angle() -> None:
    t, angle = uneven_seconds(50), 0.3 * noise(50)
    turns = rotvec_to_rotmat(angle[:, None] * torch.tensor([0.0, 0.0, 1.0]))
    smooth = roma.rotmat_to_rotvec(one_euro_rotations(turns, t, 0.5, 0.2))[:, 2]
    assert torch.allclose(smooth, one_euro(angle, t, 0.5, 0.2), atol=1e-4)


def test_filters_pass_gradients() -> None:
    t = uneven_seconds(12)
    values = noise(12, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: gaussian(v, t, 0.1), (values,))
    assert torch.autograd.gradcheck(lambda v: one_euro(v, t), (values,))


def test_interpolation_gives_the_samples_back_holds_the_ends_and_halves_the_way() -> None:
    t, values = uneven_seconds(20), noise(20, 3)
    assert torch.allclose(interpolate(values, t, t), values, atol=1e-6)
    assert torch.equal(interpolate(values, t, t[-1:] + 5)[0], values[-1])
    assert torch.equal(interpolate(values, t, t[:1] - 5)[0], values[0])
    between = interpolate(values, t, (t[:-1] + t[1:]) / 2)
    assert torch.allclose(between, (values[:-1] + values[1:]) / 2, atol=1e-6)


def test_rotations_are_interpolated_along_the_shortest_arc() -> None:
    t, rotations = uneven_seconds(20), rotvec_to_rotmat(noise(20, 5, 3))
    assert torch.allclose(interpolate_rotations(rotations, t, t), rotations, atol=1e-5)
    between = interpolate_rotations(rotations, t, 0.25 * t[:-1] + 0.75 * t[1:])
    whole = rotation_angle(rotations[:-1], rotations[1:])
    assert torch.allclose(rotation_angle(rotations[:-1], between), 0.75 * whole, atol=1e-3)
    assert torch.allclose(rotation_angle(between, rotations[1:]), 0.25 * whole, atol=1e-3)


def test_one_sample_is_interpolated_to_itself() -> None:
    t, at = torch.tensor([2.0]), torch.tensor([0.0, 2.0, 3.0])
    assert torch.equal(interpolate(torch.tensor([[5.0]]), t, at), torch.full((3, 1), 5.0))
    assert torch.allclose(interpolate_rotations(torch.eye(3)[None], t, at), torch.eye(3).expand(3, 3, 3))


@pytest.mark.parametrize("n", [0, 1])
def test_motions_of_no_frame_and_of_one_frame_pass_through(n: int) -> None:
    t, values, rotations = torch.zeros(n), noise(n, 3), torch.eye(3).expand(n, 24, 3, 3)
    for smooth in VECTOR_FILTERS.values():
        assert torch.equal(smooth(values, t), values)
    for smooth in ROTATION_FILTERS.values():
        assert torch.allclose(smooth(rotations, t), rotations)


def test_time_stamps_that_do_not_increase_are_refused() -> None:
    t = torch.tensor([0.0, 1.0, 1.0])
    for smooth in [*VECTOR_FILTERS.values(), lambda v, t: gaussian(v, t, 0.0), lambda v, t: interpolate(v, t, t)]:
        with pytest.raises(ValueError, match="increase"):
            smooth(torch.zeros(3), t)


@pytest.mark.parametrize("axes", [(), (1,), (2, 24)])
def test_recursive_slerp_closes_its_share_of_the_gap_in_every_frame(axes: tuple[int, ...]) -> None:
    start, turn = rotvec_to_rotmat(3 * noise(*axes, 3)), rotvec_to_rotmat(noise(*axes, 3, seed=2))
    step = torch.cat([start[None], (start @ turn).expand(9, *axes, 3, 3)])
    end = (start @ turn).expand_as(step)
    left = rotation_angle(slerp_recursively(step, 0.3), end)
    expected = rotation_angle(start.expand_as(step), end) * 0.7 ** torch.arange(10.0).reshape(-1, *[1] * len(axes))
    assert torch.allclose(left, expected, atol=2e-3)


def test_recursive_slerp_does_not_depend_on_the_axes_of_the_world() -> None:
    rotations, world = rotvec_to_rotmat(3 * noise(12, 5, 3)), rotvec_to_rotmat(noise(3, seed=3))
    assert torch.allclose(slerp_recursively(world @ rotations), world @ slerp_recursively(rotations), atol=1e-4)
    assert torch.allclose(slerp_recursively(rotations, 1.0), rotations, atol=1e-5)
    assert len(slerp_recursively(rotations[:0])) == 0
