"""Errors: what leaves them unchanged, what they measure, and which frames they count."""

import pytest
import torch

from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.metrics import acceleration, acceleration_error, mpjpe, pa_mpjpe, root_relative, vertex_error
from anthropose.skeleton import H36M_17, LSP_14, MPII3D_17, SPIN_49

BATCHES = [(), (2,), (3,), (4, 5)]


def joints(batch: tuple[int, ...], n: int = 14, seed: int = 0) -> torch.Tensor:
    return torch.randn(*batch, n, 3, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_a_constant_offset_is_the_error(batch: tuple[int, ...]) -> None:
    truth = joints(batch)
    moved = truth + torch.tensor([3.0, 0.0, 4.0])
    torch.testing.assert_close(mpjpe(moved, truth), torch.full(batch, 5.0))
    torch.testing.assert_close(vertex_error(moved, truth), torch.full(batch, 5.0))


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_aligned_errors_ignore_turning_moving_and_scaling_for_any_number_of_frames(batch: tuple[int, ...]) -> None:
    truth, noise = joints(batch), 0.1 * joints(batch, seed=1)
    turn = rotvec_to_rotmat(torch.tensor([0.5, 1.0, -2.0]))
    found = pa_mpjpe(2.5 * (truth + noise) @ turn.T + 7.0, truth)
    assert found.shape == batch
    torch.testing.assert_close(found, pa_mpjpe(truth + noise, truth), atol=1e-4, rtol=0)
    assert (found < mpjpe(truth + noise, truth) + 1e-4).all()
    assert (found > 0.01).all()


def test_each_frame_is_aligned_by_itself() -> None:
    predicted, truth = joints((3,)), joints((3,), seed=1)
    together = pa_mpjpe(predicted, truth)
    torch.testing.assert_close(together, torch.stack([pa_mpjpe(p, t) for p, t in zip(predicted, truth, strict=True)]))


def test_a_mirrored_pose_is_not_aligned_by_mirroring() -> None:
    truth = joints((1,))
    assert float(pa_mpjpe(truth * torch.tensor([-1.0, 1.0, 1.0]), truth)) > 0.1


def test_root_relative_poses_have_their_root_at_zero() -> None:
    hips = [LSP_14.index("right_hip"), LSP_14.index("left_hip")]
    relative = root_relative(joints((4,)) + 5.0, LSP_14)
    torch.testing.assert_close(relative[:, hips].mean(1), torch.zeros(4, 3), atol=1e-6, rtol=0)
    for skeleton in (MPII3D_17, H36M_17, SPIN_49):
        points = joints((4,), len(skeleton))
        moved = root_relative(points, skeleton)
        assert (moved[:, skeleton.index("hip")] == 0).all()
        torch.testing.assert_close(moved.diff(dim=1), points.diff(dim=1), atol=1e-5, rtol=0)


def test_even_motion_has_no_acceleration_and_a_parabola_a_constant_one() -> None:
    time = torch.arange(8.0)[:, None, None]
    start, speed = joints(()), joints((), seed=1)
    torch.testing.assert_close(acceleration(start + time * speed), torch.zeros(6), atol=1e-5, rtol=0)
    falling = start + time * speed + time.square() * torch.tensor([0.0, 0.5, 0.0])
    torch.testing.assert_close(acceleration(falling), torch.ones(6), atol=1e-4, rtol=0)
    torch.testing.assert_close(acceleration_error(falling, start + 0 * time), torch.ones(6), atol=1e-4, rtol=0)


def test_a_shift_or_drift_does_not_change_the_acceleration_error() -> None:
    predicted, truth = joints((9,)), joints((9,), seed=1)
    drift = torch.arange(9.0)[:, None, None] * 0.3 + 2.0
    torch.testing.assert_close(
        acceleration_error(predicted + drift, truth), acceleration_error(predicted, truth), atol=1e-5, rtol=0
    )


def test_accelerations_that_touch_an_invisible_frame_are_left_out() -> None:
    predicted, truth = joints((9,)), joints((9,), seed=1)
    visible = torch.tensor([1, 1, 1, 0, 1, 1, 1, 1, 1]).bool()
    spoiled = torch.where(visible[:, None, None], predicted, predicted + 100)
    found = acceleration_error(spoiled, truth, visible)
    torch.testing.assert_close(found, acceleration_error(predicted, truth)[[0, 4, 5, 6]])
    assert len(acceleration_error(predicted, truth, torch.ones(9).bool())) == 7
