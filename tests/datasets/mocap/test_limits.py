"""Joints are kept within people's range, unless they were recorded outside it."""

import pytest
import torch

from anthropose.datasets.mocap.limits import LIMITED, RANGES, Limits, clamped
from anthropose.geometry.rotations import quat_to_rotmat, rotation_angle, rotvec_to_quat
from anthropose.skeleton import SMPL_24


def turned(joint: str, *degrees: float) -> torch.Tensor:
    return rotvec_to_quat(torch.tensor([degrees]).deg2rad())[:, None]


def kept(joint: str, *degrees: float) -> float:
    """How far the limits move a rotation [degrees]."""
    quat = turned(joint, *degrees)
    found = clamped(quat, (SMPL_24.index(joint),))
    return float(rotation_angle(quat_to_rotmat(quat), quat_to_rotmat(found)).rad2deg())


@pytest.mark.parametrize(
    ("joint", "degrees", "beyond"),
    [
        ("left_knee", (100, 0, 0), 0), ("left_knee", (-30, 0, 0), 27), ("right_knee", (170, 0, 0), 20),
        ("left_elbow", (0, -140, 0), 0), ("right_elbow", (0, 140, 0), 0), ("right_elbow", (0, -34, 0), 30),
        ("left_hip", (-110, 0, 0), 0), ("left_hip", (50, 0, 0), 20), ("left_hip", (0, 0, 70), 20),
        ("right_hip", (0, 0, -70), 20), ("right_hip", (0, 0, -40), 0), ("left_shoulder", (0, 0, 90), 0),
        ("left_shoulder", (0, 80, 0), 25), ("neck", (0, 70, 0), 30), ("spine1", (0, 0, -20), 6),
        ("left_elbow", (120, 0, 0), 30), ("left_hip", (0, 90, 0), 40),
    ],
)  # fmt: skip
def test_a_joint_goes_as_far_as_people_s_do(joint: str, degrees: tuple[float, ...], beyond: float) -> None:
    assert kept(joint, *degrees) == pytest.approx(beyond, abs=0.05)


def test_what_is_kept_is_within_the_limits_and_stays_when_kept_again() -> None:
    quats = torch.nn.functional.normalize(torch.randn(500, len(LIMITED), 4, generator=torch.manual_seed(0)), dim=-1)
    once = clamped(quats, LIMITED)
    apart = rotation_angle(quat_to_rotmat(once), quat_to_rotmat(clamped(once, LIMITED)))
    assert apart.rad2deg().max() < 0.2
    moved = rotation_angle(quat_to_rotmat(once), quat_to_rotmat(quats)).rad2deg()
    assert (moved > 1).float().mean() > 0.9


def test_sides_are_mirror_images() -> None:
    quats = torch.nn.functional.normalize(torch.randn(200, len(LIMITED), 4, generator=torch.manual_seed(1)), dim=-1)
    swap = [LIMITED.index(SMPL_24.mirror[joint]) for joint in LIMITED]
    mirror = torch.tensor([1.0, -1.0, -1.0, 1.0])
    one = clamped(quats, LIMITED)[:, swap] * mirror
    other = clamped(quats[:, swap] * mirror, LIMITED)
    torch.testing.assert_close(quat_to_rotmat(one), quat_to_rotmat(other), atol=1e-4, rtol=0)


def test_what_was_recorded_outside_stays_and_is_not_exceeded() -> None:
    limits = Limits((SMPL_24.index("left_knee"),))
    recorded = turned("left_knee", -12, 0, 0)
    assert torch.equal(limits.kept(recorded, recorded), recorded)
    further = limits.kept(turned("left_knee", -25, 0, 0), recorded)
    assert float(rotation_angle(quat_to_rotmat(further), quat_to_rotmat(recorded)).rad2deg()) < 0.1
    back = turned("left_knee", -5, 0, 0)
    assert torch.equal(limits.kept(back, recorded), back)


def test_every_range_holds_the_rest_pose() -> None:
    for one in RANGES.values():
        assert all(low < 0 < high for low, high in (one.x, one.y, one.z))
