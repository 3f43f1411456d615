"""Alignment undoes what it may undo, and nothing else."""

import pytest
import torch
from scipy.spatial import procrustes as scipy_procrustes
from scipy.spatial.transform import Rotation

from anthropose.geometry.alignment import nearest_rotation, procrustes, rotation_between
from anthropose.geometry.rotations import rotvec_to_rotmat

BATCHES = [(), (4,), (2, 3)]


def points(batch: tuple[int, ...], n: int = 14, seed: int = 0) -> torch.Tensor:
    return torch.randn(*batch, n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotations(batch: tuple[int, ...]) -> torch.Tensor:
    return rotvec_to_rotmat(3 * torch.randn(*batch, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64))


def turned(source: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    return source @ by.transpose(-1, -2)


@pytest.mark.parametrize("batch", BATCHES, ids=str)
@pytest.mark.parametrize("n", [3, 14])
def test_any_similarity_is_undone(batch: tuple[int, ...], n: int) -> None:
    source = points(batch, n)
    shift = torch.tensor([3.0, -2.0, 9.0], dtype=torch.float64)
    target = 2.5 * turned(source, rotations(batch)) + shift
    assert torch.allclose(procrustes(source, target), target, atol=1e-7)


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_the_result_does_not_depend_on_how_the_source_lay(batch: tuple[int, ...]) -> None:
    source, target = points(batch), points(batch, seed=1)
    moved = 0.3 * turned(source, rotations(batch)) - 5
    assert torch.allclose(procrustes(moved, target), procrustes(source, target), atol=1e-7)


def test_no_other_similarity_nearby_is_better() -> None:
    source, target = points(()), points((), seed=1)
    aligned = procrustes(source, target)
    best = (aligned - target).square().sum()
    middle = aligned.mean(0)
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        turn = rotvec_to_rotmat(0.02 * torch.randn(3, generator=generator, dtype=torch.float64))
        scale = 1 + 0.02 * torch.randn(1, generator=generator, dtype=torch.float64)
        shift = 0.02 * torch.randn(3, generator=generator, dtype=torch.float64)
        other = scale * turned(aligned - middle, turn) + middle + shift
        assert (other - target).square().sum() > best


def test_the_residual_is_scipys_where_no_reflection_would_help() -> None:
    source = points(())
    target = source + 0.1 * points((), seed=1)
    _, _, disparity = scipy_procrustes(target.numpy(), source.numpy())
    spread = (target - target.mean(0)).square().sum()
    assert float((procrustes(source, target) - target).square().sum() / spread) == pytest.approx(disparity, rel=1e-6)


def test_a_mirror_image_is_not_undone() -> None:
    source = points(())
    mirrored = source * torch.tensor([-1.0, 1.0, 1.0])
    assert (procrustes(source, mirrored) - mirrored).norm() > 1
    assert torch.linalg.det(rotation_between(source, mirrored)) == pytest.approx(1)


def test_flat_and_collapsed_point_sets_give_finite_results() -> None:
    flat = points(()) * torch.tensor([1.0, 1.0, 0.0])
    assert torch.allclose(procrustes(flat, turned(flat, rotations(()))), turned(flat, rotations(())), atol=1e-7)
    collapsed = torch.ones(14, 3, dtype=torch.float64)
    target = points((), seed=1)
    assert torch.allclose(procrustes(collapsed, target), target.mean(0).expand(14, 3))


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_the_rotation_between_two_sets_is_found(batch: tuple[int, ...]) -> None:
    source, truth = points(batch), rotations(batch)
    assert torch.allclose(rotation_between(source, turned(source, truth)), truth, atol=1e-7)
    assert torch.allclose(rotation_between(source, source), torch.eye(3).double().expand(*batch, 3, 3), atol=1e-7)


def test_the_rotation_between_noisy_sets_is_scipys() -> None:
    source = points(())
    target = turned(source, rotations(())) + 0.3 * points((), seed=1)
    truth, _ = Rotation.align_vectors(target.numpy(), source.numpy())
    assert torch.allclose(rotation_between(source, target), torch.from_numpy(truth.as_matrix()), atol=1e-7)


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_no_rotation_is_nearer_than_the_nearest(batch: tuple[int, ...]) -> None:
    matrix = points(batch, 3, seed=3)
    nearest = nearest_rotation(matrix)
    assert torch.allclose(torch.linalg.det(nearest), torch.ones(batch, dtype=torch.float64))
    distance = (nearest - matrix).square().sum((-1, -2))
    for seed in range(20):
        noise = 0.1 * torch.randn(*batch, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        assert ((nearest @ rotvec_to_rotmat(noise) - matrix).square().sum((-1, -2)) > distance).all()
    assert torch.allclose(nearest_rotation(nearest), nearest)
