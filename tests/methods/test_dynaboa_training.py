"""The BaseModel's training: SPIN's losses, and the job on labelled pictures."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from anthropose.body.files import load_body
from anthropose.datasets.pictures import PictureBatch
from anthropose.errors import UserError
from anthropose.jobs import Share
from anthropose.methods.dynaboa import TRAININGS, job
from anthropose.methods.dynaboa.losses import figure_of
from anthropose.methods.dynaboa.training import SPINLosses, spin_terms
from anthropose.methods.training import Setting
from anthropose.motion import BodyPose, Prediction
from anthropose.skeleton import SPIN_49
from tests.methods.small import CONFIGS


def prediction(rows: int, seed: int = 0) -> Prediction:
    generator = torch.Generator().manual_seed(seed)
    turns = torch.linalg.qr(torch.randn(rows, 24, 3, 3, generator=generator))[0]
    turns = turns * torch.linalg.det(turns)[..., None, None]
    camera = torch.tensor([[0.8, 0.1, -0.1]]).repeat(rows, 1)
    return Prediction(BodyPose(turns, torch.randn(rows, 10, generator=generator)), camera)


def truth_of(found: Prediction) -> PictureBatch:
    """Labels that a prediction meets exactly."""
    figure = figure_of(found, load_body().points(SPIN_49))
    ones = torch.ones(len(found.camera), 49, 1)
    return PictureBatch(
        torch.zeros(len(found.camera), 3, 8, 8),
        torch.cat([figure.keypoints, ones], dim=-1),
        torch.cat([figure.joints, ones], dim=-1)[:, 25:],
        found.pose.rotations,
        found.pose.betas,
        torch.ones(len(found.camera), dtype=torch.bool),
    )


def test_the_truth_costs_nothing_but_the_cameras_penalty() -> None:
    found = prediction(3)
    terms = spin_terms(found, truth_of(found), load_body(), SPINLosses())
    assert terms.pop("camera") == pytest.approx(60 * np.exp(-16.0), rel=1e-3)
    assert all(float(term) < 1e-6 for term in terms.values())


def test_terms_are_spins_means_times_its_weights() -> None:
    found, batch = prediction(4), truth_of(prediction(4, seed=1))
    batch = replace(batch, has_body=torch.tensor([True, False, True, False]))
    batch.keypoints[1, :, 2] = 0.5
    batch.joints[3, :, 3] = 0.0
    terms = spin_terms(found, batch, load_body(), SPINLosses())
    figure = figure_of(found, load_body().points(SPIN_49))
    confidence = batch.keypoints[..., 2:].clone()
    confidence[:, :25] = 0
    squares = confidence * (figure.keypoints - batch.keypoints[..., :2]).square()
    assert terms["keypoints"].item() == pytest.approx(60 * 5 * squares.mean().item(), rel=1e-5)
    ours, theirs = figure.joints[:3, 25:], batch.joints[:3, :, :3]
    ours, theirs = (points - points[:, 2:4].mean(1, keepdim=True) for points in (ours, theirs))
    assert terms["joints"].item() == pytest.approx(60 * 5 * (ours - theirs).square().mean().item(), rel=1e-5)
    rows = [0, 2]
    turned = found.pose.rotations[rows] - batch.rotations[rows]
    assert terms["pose"].item() == pytest.approx(60 * turned.square().mean().item(), rel=1e-5)
    shaped = found.pose.betas[rows] - batch.betas[rows]
    assert terms["betas"].item() == pytest.approx(60 * 0.001 * shaped.square().mean().item(), rel=1e-5)


def test_without_bodies_there_are_no_terms_of_pose_and_shape() -> None:
    found = prediction(2)
    batch = replace(truth_of(found), has_body=torch.zeros(2, dtype=torch.bool))
    assert set(spin_terms(found, batch, load_body(), SPINLosses())) == {"keypoints", "camera", "joints"}


def labelled(folder: Path, count: int = 5) -> None:
    """Pictures with labels in SPIN's layout."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for row in range(count):
        cv2.imwrite(str(folder / "images" / f"{row}.jpg"), rng.integers(0, 255, (60, 80, 3), np.uint8))
    arrays = {
        "imgname": np.array([f"images/{row}.jpg" for row in range(count)]),
        "center": np.full((count, 2), 30.0),
        "scale": np.full(count, 0.2),
        "pose": 0.2 * rng.standard_normal((count, 72)),
        "shape": rng.standard_normal((count, 10)),
        "S": np.concatenate([0.3 * rng.standard_normal((count, 24, 3)), np.ones((count, 24, 1))], -1),
        "part": np.concatenate([rng.uniform(10, 50, (count, 24, 2)), np.ones((count, 24, 1))], -1),
    }
    np.savez(folder / "h36m_train.npz", **arrays)
    np.savez(folder / "h36m_test.npz", **arrays)


def test_the_job_learns_from_labelled_pictures(tmp_path: Path) -> None:
    labelled(tmp_path)
    preset = replace(TRAININGS["base-model"], network=CONFIGS["dynaboa"], batch=2, crop=64)
    made = job("base-model", preset, Setting(load_body(), tmp_path, images=tmp_path))
    (stage,) = made.stages
    batches = list(stage.batches(0, Share()))
    assert [len(batch.images) for batch in batches] == [2, 2, 1]
    terms = stage.loss(batches[0])
    assert set(terms) == {"keypoints", "camera", "joints", "pose", "betas"}
    sum(terms.values()).backward()
    again = [batch.images for batch in stage.batches(0, Share())]
    assert all(torch.equal(a, b.images) for a, b in zip(again, batches, strict=True))
    assert stage.validate is not None
    stage.network.eval()
    assert 20 < stage.validate()["pa_mpjpe"] < 1000


def test_without_a_validation_the_last_epoch_is_the_best(tmp_path: Path) -> None:
    labelled(tmp_path)
    (tmp_path / "h36m_test.npz").unlink()
    preset = replace(TRAININGS["base-model"], network=CONFIGS["dynaboa"], batch=2, crop=64)
    (stage,) = job("base-model", preset, Setting(load_body(), tmp_path, images=tmp_path)).stages
    assert stage.validate is None
    with np.load(tmp_path / "h36m_train.npz") as labels:
        np.savez(tmp_path / "h36m_test.npz", **{key: labels[key] for key in labels if key not in ("pose", "shape")})
    with pytest.raises(UserError, match=r"h36m_test\.npz: its pictures have no bodies to validate with"):
        job("base-model", preset, Setting(load_body(), tmp_path, images=tmp_path))
    with pytest.raises(UserError, match="name the folder below which those of its sets lie by --images"):
        job("base-model", preset, Setting(load_body(), tmp_path))
