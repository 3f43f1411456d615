"""`anthropose exemplars`: files of labelled examples, from motion capture and from sets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.body.files import load_body
from anthropose.errors import UserError
from anthropose.evaluate.exemplar_sets import ExemplarOptions, make_exemplars, weak_cameras
from anthropose.methods.dynaboa import ExemplarBank, WindowBank
from anthropose.methods.dynaboa.windows import in_squares
from anthropose.skeleton import MEDIAPIPE_33, SPIN_49
from tests.datasets.mocap.folders import write_folder
from tests.datasets.raw.releases import write_pictures
from tests.evaluate import sets
from tests.methods.small import install_small


def test_the_camera_under_which_joints_lie_on_keypoints_is_found() -> None:
    generator = torch.Generator().manual_seed(0)
    joints = torch.randn(5, 33, 3, generator=generator)
    camera = torch.tensor([0.7, 0.2, -0.1]) + 0.05 * torch.randn(5, 3, generator=generator)
    seen = camera[:, None, :1] * (joints[..., :2] + camera[:, None, 1:])
    sure = torch.rand(5, 33, generator=generator)
    seen[:, :3] += 100
    sure[:, :3] = 0
    torch.testing.assert_close(weak_cameras(joints, seen, sure), camera, atol=1e-4, rtol=0)


def test_windows_of_a_set_have_its_bodies_on_their_keypoints(tmp_path: Path) -> None:
    one, other = sets.sequence("a", 40, 0, SPIN_49), sets.sequence("b", 20, 1, SPIN_49)
    folder = sets.write_set(tmp_path / "set", [one, other, sets.sequence("short", 10, 2, SPIN_49)])
    said = make_exemplars(folder, tmp_path / "bank.npz", ExemplarOptions(count=100))
    assert "3 windows of 16 frames" in said
    bank = WindowBank.load(tmp_path / "bank.npz")
    assert one.pose is not None
    np.testing.assert_allclose(bank.rotvecs[1].flatten(1), one.pose[16:32], atol=2e-3)
    exemplar, points = bank.exemplar(1), load_body("free").points(MEDIAPIPE_33)
    truth = exemplar.prediction
    seen = in_squares(points(truth.pose.betas, truth.pose.rotations), truth.camera, exemplar.window)
    counted = points.valid & (exemplar.window.keypoints[..., 2] > 0).all(0)
    assert int(counted.sum()) >= 12
    assert (seen - exemplar.window.keypoints[..., :2])[:, counted].norm(dim=-1).mean() < 0.06


def test_crops_of_a_set_are_exemplars_for_a_base_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    install_small(["dynaboa"])
    names = [f"imageFiles/a/{k}.jpg" for k in range(6)]
    write_pictures(tmp_path / "release/imageFiles/a", [Path(name).name for name in names], (640, 480))
    one = sets.sequence("a", 6, 0, SPIN_49, images=np.array(names))
    folder = sets.write_set(tmp_path / "set", [one])
    options = ExemplarOptions(count=4, pictures=tmp_path / "release")
    assert "4 crops in 4 clusters" in make_exemplars(folder, tmp_path / "bank.npz", options)
    bank = ExemplarBank.load(tmp_path / "bank.npz")
    assert one.joints is not None
    expected = torch.from_numpy(one.joints[:1, 25:])
    away = bank.joints[:1, :, :3] - expected
    assert (away - away[:, :1]).abs().max() < 1e-4, "the same joints, but for where the origin is"
    assert bank.crops[0].max() == 40, "the first picture is that dark"
    assert bank.crops[-1].max() > 42
    assert (bank.keypoints[..., :2].abs() < 2).float().mean() > 0.8


def test_windows_of_motion_capture_are_the_same_every_time(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mocap", {"train": [90, 60]})
    files = [tmp_path / "one.npz", tmp_path / "two.npz"]
    for file in files:
        assert "3 windows of 16 frames, keypoints of mediapipe-33" in make_exemplars(
            folder, file, ExemplarOptions(count=3)
        )
    one, two = (WindowBank.load(file) for file in files)
    assert torch.equal(one.inputs, two.inputs)
    assert one.focals.min() > 0.3


def test_what_cannot_become_exemplars_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    install_small(["dynaboa"])
    bodiless = sets.write_set(tmp_path / "set", [sets.sequence("a", 40, pose=None, betas=None)])
    cases = [
        (bodiless, ExemplarOptions(), "no 16 frames in a row"),
        (bodiless, ExemplarOptions(pictures=tmp_path), "it lacks bodies as labels"),
        (tmp_path / "nowhere", ExemplarOptions(), "no such folder"),
        (bodiless, replace(ExemplarOptions(), count=0), "expected one exemplar or more"),
    ]
    for data, options, said in cases:
        with pytest.raises(UserError, match=said) as caught:
            make_exemplars(data, tmp_path / "bank.npz", options)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "bank.npz").exists()
