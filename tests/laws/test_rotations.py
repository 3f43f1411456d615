"""The laws of the rotation group and of its mappings, over batch shapes and precisions."""

import math

import pytest
import torch
from torch import Tensor

from anthropose.geometry.rotations import (
    quat_to_rotmat,
    rot6d_to_rotmat,
    rotation_angle,
    rotmat_to_quat,
    rotmat_to_rot6d,
    rotmat_to_rotvec,
    rotvec_to_rotmat,
    slerp,
)

BATCHES = [(), (5,), (2, 24)]
TOLERANCE = {torch.float32: 2e-6, torch.float64: 5e-8}  # rotvec_to_rotmat adds 1e-8 to the vector, as smplx does
every_batch = pytest.mark.parametrize("batch", BATCHES, ids=str)
every_type = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)


def random_rotvec(batch: tuple[int, ...], dtype: torch.dtype, seed: int = 0, longest: float = math.pi) -> Tensor:
    """Rotation vectors in all directions, of length 0 to `longest`."""
    generator = torch.Generator().manual_seed(seed)
    direction = torch.nn.functional.normalize(torch.randn(*batch, 3, generator=generator, dtype=dtype), dim=-1)
    return longest * torch.rand(*batch, 1, generator=generator, dtype=dtype) * direction


def random_rotmat(batch: tuple[int, ...], dtype: torch.dtype, seed: int = 0) -> Tensor:
    return rotvec_to_rotmat(random_rotvec(batch, dtype, seed))


def close(a: Tensor, b: Tensor) -> bool:
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    return bool((a - b).abs().max() < 10 * TOLERANCE[a.dtype])


@every_batch
@every_type
def test_matrices_are_orthonormal_and_keep_handedness(batch: tuple[int, ...], dtype: torch.dtype) -> None:
    made = {
        "vector": random_rotmat(batch, dtype),
        "6d": rot6d_to_rotmat(torch.randn(*batch, 6, dtype=dtype, generator=torch.Generator().manual_seed(1))),
        "quaternion": quat_to_rotmat(torch.randn(*batch, 4, dtype=dtype, generator=torch.Generator().manual_seed(2))),
        "slerp": slerp(random_rotmat(batch, dtype, 3), random_rotmat(batch, dtype, 4), torch.rand(batch, dtype=dtype)),
    }
    for name, rotation in made.items():
        assert rotation.shape == (*batch, 3, 3), name
        assert close(rotation.transpose(-1, -2) @ rotation, torch.eye(3, dtype=dtype).expand_as(rotation)), name
        assert close(torch.linalg.det(rotation), torch.ones(batch, dtype=dtype)), name


@every_batch
@every_type
def test_round_trips_give_back_what_went_in(batch: tuple[int, ...], dtype: torch.dtype) -> None:
    rotation = random_rotmat(batch, dtype)
    assert close(rotvec_to_rotmat(rotmat_to_rotvec(rotation)), rotation)
    assert close(quat_to_rotmat(rotmat_to_quat(rotation)), rotation)
    assert close(rot6d_to_rotmat(rotmat_to_rot6d(rotation)), rotation)
    short = random_rotvec(batch, dtype, longest=3.0)  # near pi the axis is known less well than the rotation
    assert close(rotmat_to_rotvec(rotvec_to_rotmat(short)), short)


@every_batch
@every_type
def test_the_negative_vector_is_the_inverse_rotation(batch: tuple[int, ...], dtype: torch.dtype) -> None:
    vector = random_rotvec(batch, dtype)
    assert close(rotvec_to_rotmat(-vector), rotvec_to_rotmat(vector).transpose(-1, -2))


@every_batch
@every_type
def test_the_zero_vector_and_the_unit_quaternion_are_the_identity(batch: tuple[int, ...], dtype: torch.dtype) -> None:
    identity = torch.eye(3, dtype=dtype).expand(*batch, 3, 3)
    assert close(rotvec_to_rotmat(torch.zeros(*batch, 3, dtype=dtype)), identity)
    assert close(quat_to_rotmat(torch.tensor([0, 0, 0, 1], dtype=dtype).expand(*batch, 4)), identity)
    assert close(rotmat_to_rotvec(identity), torch.zeros(*batch, 3, dtype=dtype))
    assert close(rotmat_to_quat(identity).abs(), torch.tensor([0, 0, 0, 1], dtype=dtype).expand(*batch, 4))


@every_batch
@every_type
def test_turning_twice_about_one_axis_adds_the_angles(batch: tuple[int, ...], dtype: torch.dtype) -> None:
    vector = random_rotvec(batch, dtype)
    one, two = rotvec_to_rotmat(0.3 * vector), rotvec_to_rotmat(0.7 * vector)
    assert close(one @ two, rotvec_to_rotmat(vector))
    assert close(one @ two, two @ one)


@every_batch
@every_type
def test_quaternions_and_their_negatives_and_multiples_are_one_rotation(
    batch: tuple[int, ...], dtype: torch.dtype
) -> None:
    quaternion = torch.randn(*batch, 4, dtype=dtype, generator=torch.Generator().manual_seed(0))
    assert close(quat_to_rotmat(quaternion), quat_to_rotmat(-quaternion))
    assert close(quat_to_rotmat(quaternion), quat_to_rotmat(7 * quaternion))


@every_batch
@every_type
def test_the_angle_is_a_distance_that_turning_both_does_not_change(batch: tuple[int, ...], dtype: torch.dtype) -> None:
    a, b, c = (random_rotmat(batch, dtype, seed) for seed in range(3))
    near_pi = (
        1e-3 if dtype == torch.float32 else 1e-5
    )  # an angle of nearly pi is known only to the root of the precision
    assert rotation_angle(a, b).shape == batch
    assert close(rotation_angle(a, b), rotation_angle(b, a))
    assert (rotation_angle(c @ a, c @ b) - rotation_angle(a, b)).abs().max() < near_pi
    assert (rotation_angle(a @ c, b @ c) - rotation_angle(a, b)).abs().max() < near_pi
    assert (rotation_angle(a, c) <= rotation_angle(a, b) + rotation_angle(b, c) + 1e-5).all()
    vector = random_rotvec(batch, dtype, longest=3.0)
    assert close(rotation_angle(a, a @ rotvec_to_rotmat(vector)), vector.norm(dim=-1))


@every_batch
@every_type
def test_slerp_divides_the_shortest_arc_in_proportion(batch: tuple[int, ...], dtype: torch.dtype) -> None:
    a = random_rotmat(batch, dtype, 0)
    b = a @ rotvec_to_rotmat(random_rotvec(batch, dtype, 1, longest=3.0))
    share = torch.rand(batch, dtype=dtype, generator=torch.Generator().manual_seed(2))
    between = slerp(a, b, share)
    assert close(rotation_angle(a, between), share * rotation_angle(a, b))
    assert close(rotation_angle(between, b), (1 - share) * rotation_angle(a, b))
    assert close(slerp(a, b, torch.zeros_like(share)), a)
    assert close(slerp(a, b, torch.ones_like(share)), b)
    assert close(slerp(b, a, 1 - share), between)


@pytest.mark.parametrize(
    "mapping",
    [
        rotvec_to_rotmat,
        lambda v: quat_to_rotmat(torch.cat([v, v[..., :1] ** 2 + 1], -1)),
        lambda v: rot6d_to_rotmat(torch.cat([v, v.flip(-1) ** 2], -1)),
        lambda v: rotmat_to_rotvec(rotvec_to_rotmat(v)),
        lambda v: rotmat_to_quat(rotvec_to_rotmat(v)),
        lambda v: rotation_angle(rotvec_to_rotmat(v), rotvec_to_rotmat(v.flip(-1))),
        lambda v: slerp(rotvec_to_rotmat(v), rotvec_to_rotmat(v.flip(-1)), v[..., 0] ** 2),
    ],
)
def test_gradients_agree_with_finite_differences(mapping) -> None:
    vector = random_rotvec((3,), torch.float64, longest=2.0).requires_grad_()
    assert torch.autograd.gradcheck(mapping, (vector,), atol=1e-5)
