"""Rotations where the general laws are hardest: at rest, at half turns, and in the order of stored numbers."""

import math

import pytest
import torch
from scipy.spatial.transform import Rotation

from anthropose.geometry.rotations import (
    quat_inverse,
    quat_product,
    quat_to_rotmat,
    quat_to_rotvec,
    rot6d_to_rotmat,
    rotation_angle,
    rotmat_to_quat,
    rotmat_to_quat_as_published,
    rotmat_to_rot6d,
    rotmat_to_rotvec,
    rotmat_to_rotvec_as_published,
    rotvec_to_quat,
    rotvec_to_rotmat,
    rotvec_to_rotmat_as_published,
    slerp,
)


def test_forms_agree_with_scipy() -> None:
    truth = Rotation.random(200, random_state=0)
    matrices = torch.from_numpy(truth.as_matrix())
    assert torch.allclose(rotvec_to_rotmat(torch.from_numpy(truth.as_rotvec())), matrices, atol=1e-7)
    assert torch.allclose(quat_to_rotmat(torch.from_numpy(truth.as_quat())), matrices, atol=1e-12)
    assert torch.allclose(rotmat_to_rotvec(matrices), torch.from_numpy(truth.as_rotvec()), atol=1e-7)
    quaternions = torch.from_numpy(truth.as_quat())
    assert torch.allclose((rotmat_to_quat(matrices) * quaternions).sum(-1).abs(), torch.ones(200).double())
    vectors = torch.from_numpy(truth.as_rotvec())
    assert torch.allclose((rotvec_to_quat(vectors) * quaternions).sum(-1).abs(), torch.ones(200).double())
    assert torch.allclose(quat_to_rotvec(-quaternions), vectors, atol=1e-12)
    other = Rotation.random(200, random_state=1)
    product = quat_product(quaternions, torch.from_numpy(other.as_quat()))
    assert torch.allclose(quat_to_rotmat(product), torch.from_numpy((truth * other).as_matrix()), atol=1e-12)
    assert torch.allclose(quat_to_rotmat(quat_inverse(quaternions)), matrices.mT, atol=1e-12)
    apart = torch.from_numpy((truth.inv() * other).magnitude())
    assert torch.allclose(rotation_angle(matrices, torch.from_numpy(other.as_matrix())), apart, atol=1e-7)


@pytest.mark.parametrize("turn", [0.0, 1e-12, 1e-7, 1e-3, 1.0, math.pi - 1e-6, math.pi])
@pytest.mark.parametrize("axis", range(3))
def test_vectors_come_back_from_matrices_at_any_angle_with_a_finite_gradient(turn: float, axis: int) -> None:
    vector = torch.zeros(3, dtype=torch.float64)
    vector[axis] = turn
    matrix = torch.from_numpy(Rotation.from_rotvec(vector.numpy()).as_matrix()).requires_grad_()
    found = rotmat_to_rotvec(matrix)
    assert torch.allclose(found.abs(), vector, atol=1e-9), "at pi either axis will do"
    found.sum().backward()
    assert matrix.grad is not None
    assert matrix.grad.isfinite().all()


def test_a_quarter_turn_about_x_takes_y_to_z() -> None:
    matrix = rotvec_to_rotmat(torch.tensor([math.pi / 2, 0.0, 0.0]))
    assert torch.allclose(matrix @ torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 1.0]), atol=1e-6)


def test_6d_is_row_major_over_the_first_two_columns() -> None:
    matrix = torch.arange(9.0).reshape(3, 3)
    assert rotmat_to_rot6d(matrix).tolist() == [0, 1, 3, 4, 6, 7]


def test_6d_of_any_two_directions_keeps_the_first_and_turns_the_second_in_their_plane() -> None:
    rot6d = torch.tensor([2.0, 1.0, 0.0, 3.0, 0.0, 0.0])  # columns (2, 0, 0) and (1, 3, 0)
    assert torch.allclose(rot6d_to_rotmat(rot6d), torch.eye(3), atol=1e-6)


@pytest.mark.parametrize(
    "vector",
    [
        torch.zeros(3),
        torch.full((3,), -1e-8),  # where 1e-8 was added to it, this one's length became zero
        torch.tensor([1e-8, 0.0, 0.0]),
        torch.tensor([1e-4, -1e-4, 1e-4]),
        torch.tensor([math.pi, 0.0, 0.0]),
        torch.tensor([0.0, 2 * math.pi, 0.0]),
    ],
)
def test_values_and_gradients_are_finite_where_formulas_divide(vector: torch.Tensor) -> None:
    vector = vector.clone().requires_grad_()
    matrix = rotvec_to_rotmat(vector)
    (matrix * torch.arange(9.0).reshape(3, 3)).sum().backward()
    assert matrix.isfinite().all()
    assert vector.grad is not None
    assert vector.grad.isfinite().all()


def test_the_gradient_at_rest_is_the_cross_product_matrix() -> None:
    jacobian = torch.autograd.functional.jacobian(rotvec_to_rotmat, torch.zeros(3, dtype=torch.float64))
    for axis in range(3):
        expected = torch.linalg.cross(torch.eye(3)[axis].expand(3, 3), torch.eye(3)).T.double()
        assert torch.allclose(jacobian[..., axis], expected, atol=1e-6)


def test_gradients_of_angle_and_vector_are_finite_where_two_rotations_are_the_same() -> None:
    matrix = torch.eye(3, dtype=torch.float64).requires_grad_()
    rotmat_to_rotvec(matrix).sum().backward()
    assert matrix.grad is not None
    assert matrix.grad.isfinite().all()
    matrix.grad = None
    rotation_angle(matrix, torch.eye(3, dtype=torch.float64)).backward()
    assert matrix.grad.isfinite().all()


@pytest.mark.parametrize("axis", [(1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0), (0.6, -0.8, 0), (0.48, 0.6, 0.64)])
@pytest.mark.parametrize("less", [0.0, 1e-3, 1e-5])
def test_half_turns_come_back_as_half_turns(axis: tuple[float, float, float], less: float) -> None:
    vector = (math.pi - less) * torch.tensor(axis, dtype=torch.float64)
    back = rotmat_to_rotvec(rotvec_to_rotmat(vector))
    assert min((back - vector).norm(), (back + vector).norm() if less == 0 else torch.inf) < 1e-6
    assert back.norm() <= math.pi + 1e-9


def test_slerp_takes_the_short_way_across_a_half_turn() -> None:
    def about_y(degrees: float) -> torch.Tensor:
        return rotvec_to_rotmat(torch.tensor([0.0, math.radians(degrees), 0.0], dtype=torch.float64))

    between = slerp(about_y(170), about_y(-170), torch.tensor(0.25, dtype=torch.float64))
    assert torch.allclose(between, about_y(175), atol=1e-6)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(Exception, match="Type-check"):
        rotvec_to_rotmat(torch.zeros(4))


def test_the_published_routes_agree_with_ours() -> None:
    vectors = torch.from_numpy(Rotation.random(200, random_state=1).as_rotvec())
    matrices = rotvec_to_rotmat(vectors)
    torch.testing.assert_close(rotvec_to_rotmat_as_published(vectors), matrices, atol=1e-7, rtol=0)
    torch.testing.assert_close(rotmat_to_rotvec_as_published(matrices), vectors, atol=1e-6, rtol=0)
    xyzw = rotmat_to_quat_as_published(matrices).roll(-1, dims=-1)
    torch.testing.assert_close(quat_to_rotmat(xyzw), matrices, atol=1e-7, rtol=0)


@pytest.mark.parametrize("batch", [(), (5,), (2, 24)], ids=str)
def test_the_published_routes_take_any_batch(batch: tuple[int, ...]) -> None:
    vectors = 2 * torch.rand(*batch, 3, generator=torch.Generator().manual_seed(0)) - 1
    matrices = rotvec_to_rotmat_as_published(vectors)
    assert matrices.shape == (*batch, 3, 3)
    torch.testing.assert_close(rotmat_to_rotvec_as_published(matrices), vectors, atol=2e-5, rtol=0)
    assert rotmat_to_quat_as_published(matrices).shape == (*batch, 4)


def test_the_published_quaternion_has_its_real_part_first() -> None:
    quarter = rotvec_to_rotmat(torch.tensor([0.0, math.pi / 2, 0.0]))
    torch.testing.assert_close(rotmat_to_quat_as_published(quarter), torch.tensor([0.5**0.5, 0.0, 0.5**0.5, 0.0]))


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1)], ids=str)
def test_half_turns_by_the_published_route_are_pi_about_their_axis(axis: tuple[int, int, int]) -> None:
    unit = torch.nn.functional.normalize(torch.tensor(axis, dtype=torch.float32), dim=0)
    vector = rotmat_to_rotvec_as_published(2 * unit[:, None] * unit - torch.eye(3))
    assert float(vector.norm()) == pytest.approx(math.pi, abs=1e-5)
    assert abs(float(vector @ unit)) == pytest.approx(math.pi, abs=1e-5)


def test_the_published_vector_of_the_identity_is_zero_and_its_gradient_is_finite() -> None:
    def there_and_back(vector: torch.Tensor) -> torch.Tensor:
        return rotmat_to_rotvec_as_published(rotvec_to_rotmat(vector))

    assert rotmat_to_rotvec_as_published(torch.eye(3)).tolist() == [0, 0, 0]
    for start in (torch.zeros(3, dtype=torch.float64), torch.full((3,), 1e-9, dtype=torch.float64)):
        jacobian = torch.autograd.functional.jacobian(there_and_back, start)
        torch.testing.assert_close(jacobian, torch.eye(3, dtype=torch.float64), atol=1e-6, rtol=0)
    gradient = torch.autograd.functional.jacobian(rotmat_to_rotvec_as_published, torch.eye(3))
    assert gradient.isfinite().all()


def test_whatever_the_matrix_the_published_vector_is_finite_and_where_it_is_nan_the_vector_is_zero() -> None:
    matrices = 3 * torch.randn(200, 3, 3, generator=torch.Generator().manual_seed(0))
    matrices[0] = 0
    matrices[1] = torch.nan
    vectors = rotmat_to_rotvec_as_published(matrices)
    assert vectors.isfinite().all()
    assert vectors[1].tolist() == [0, 0, 0]


def test_short_6d_directions_count_as_the_floor() -> None:
    tiny = torch.tensor([1e-9, 0.0, 0.0, 1e-9, 0.0, 0.0])
    assert float(rot6d_to_rotmat(tiny)[0, 0]) == pytest.approx(1e-3)
    torch.testing.assert_close(rot6d_to_rotmat(tiny, eps=1e-12), torch.eye(3))
