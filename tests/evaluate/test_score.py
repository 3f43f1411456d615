"""Motions against the truth: matched by frame number and joint name, and told in one line where they cannot be."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anthropose.body.files import load_body
from anthropose.body.results import result_of
from anthropose.errors import UserError
from anthropose.evaluate.score import ScoreOptions, score
from anthropose.geometry.rotations import rotmat_to_rotvec, rotvec_to_rotmat
from anthropose.methods.dynaboa.evaluation import Truth, errors
from anthropose.motion import BodyPose, Camera, Motion, Prediction, Track
from anthropose.skeleton import H36M_17, LSP_14, MPII3D_17, SMPL_24, Skeleton
from tests.datasets.dumps import dump
from tests.evaluate import sets

N = 24


def saved(path: Path, pose: BodyPose, first: int = 0, fps: float = 30.0, translation: float = 3.0) -> Path:
    """A motion file of a body on the free body."""
    n = len(pose.betas)
    joints = load_body("free").points(SMPL_24)(pose.betas, pose.rotations)
    track = Track(0, torch.arange(first, first + n), torch.ones(n, 4))
    made = Motion(
        track, SMPL_24, fps, torch.arange(n) / fps, Camera(1000.0, (50.0, 50.0), (100, 100)), joints - joints[:, :1],
        torch.full((n, 3), translation), pose, "free", "glot", "w",
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save(path)
    return path


def named(path: Path, joints: torch.Tensor, skeleton: Skeleton, **more: Any) -> Path:
    np.savez(path, joints=joints.numpy(), joint_names=np.array(skeleton.joints), **more)
    return path


def other(pose: BodyPose, seed: int = 1) -> BodyPose:
    """The same person in slightly other poses."""
    turn = rotvec_to_rotmat(
        0.1 * torch.randn(*pose.rotations.shape[:2], 3, generator=torch.Generator().manual_seed(seed))
    )
    return BodyPose(pose.rotations @ turn, pose.betas)


def test_the_truth_itself_has_no_error_in_any_kind_of_file(tmp_path: Path) -> None:
    folder = sets.write_set(tmp_path / "3dpw", [sets.sequence("a", N, 3)])
    pose = sets.moving_body(N, 3)
    rotvecs = rotmat_to_rotvec(pose.rotations).flatten(1).numpy()
    joints = result_of(Prediction(pose, torch.zeros(N, 3)), load_body("free"), LSP_14).joints
    np.savez(tmp_path / "smpl.npz", poses=rotvecs, betas=pose.betas[0].numpy(), trans=np.zeros((N, 3)))
    files = [
        saved(tmp_path / "ours.npz", pose),
        tmp_path / "smpl.npz",
        dump(tmp_path / "vibe.pkl", {1: {"pose": rotvecs, "betas": pose.betas.numpy(), "frame_ids": np.arange(N)}}),
        named(tmp_path / "joints.npz", joints, LSP_14),
    ]
    for path in files:
        found = score([path], folder)
        assert found.overall.count == N
        assert found.about["joints"] == "lsp-14", "the truth's own, by the Human3.6M regressor where there is a body"
        values = found.overall.values
        assert values["mpjpe"] < 0.02
        assert values["pa_mpjpe"] < 0.02
        assert values["acceleration_error"] < 0.05
        assert ("vertex_error" in values) == (path is not files[3])
    assert any("only PA-MPJPE is sure" in note for note in score([files[1]], folder).notes), "axes of a world"


def test_known_errors_come_out(tmp_path: Path) -> None:
    joints = torch.randn(N, 17, 3, generator=torch.Generator().manual_seed(0)) * 0.3
    shifted = joints.clone()
    shifted[:, 1:] += torch.tensor([0.01, 0.0, 0.0])
    truth = named(tmp_path / "truth.npz", joints, H36M_17)
    values = score([named(tmp_path / "a.npz", shifted, H36M_17)], truth).overall.values
    assert values["mpjpe"] == pytest.approx(10 * 16 / 17, rel=1e-3), "all but the root"
    assert values["acceleration_error"] == pytest.approx(0, abs=1e-3)
    larger = score([named(tmp_path / "b.npz", 1.3 * joints + 5, H36M_17)], truth).overall.values
    assert larger["n_mpjpe"] == pytest.approx(0, abs=1e-2), "neither size nor place counts"
    assert larger["pa_mpjpe"] == pytest.approx(0, abs=1e-2)
    assert larger["mpjpe"] > 50


def test_places_are_compared_where_both_are_in_a_camera(tmp_path: Path) -> None:
    pose = sets.moving_body(N)
    results = score(
        [saved(tmp_path / "a" / "p.npz", pose, translation=3.1)], saved(tmp_path / "b" / "p.npz", pose, translation=3.0)
    )
    assert results.overall.values["root_error"] == pytest.approx(100 * 3**0.5, rel=1e-3)
    assert results.overall.values["mpjpe"] == 0


def test_only_frames_of_both_count_and_the_missing_are_told(tmp_path: Path) -> None:
    pose = sets.moving_body(40)
    part = BodyPose(other(pose).rotations[10:30], pose.betas[10:30])
    truth = saved(tmp_path / "truth.npz", pose)
    results = score([saved(tmp_path / "part.npz", part, first=10)], truth)
    whole = score([saved(tmp_path / "whole.npz", other(pose))], truth)
    assert results.overall.count == 20
    assert results.notes == ("truth: 20 frames that count have no motion and are left out",)
    assert results.overall.values["mpjpe"] != whole.overall.values["mpjpe"]
    again = score([saved(tmp_path / "late.npz", part, first=110)], truth, ScoreOptions(offset=-100))
    assert again.overall == results.overall


def test_nothing_that_moves_is_compared_across_gaps(tmp_path: Path) -> None:
    joints = torch.zeros(N, 17, 3)
    joints[12:] += torch.randn(17, 3)
    truth = named(tmp_path / "truth.npz", joints, H36M_17, frames=np.r_[:12, 50:62])
    still = named(tmp_path / "still.npz", torch.zeros(N, 17, 3), H36M_17, frames=np.r_[:12, 50:62])
    values = score([still], truth)
    assert values.overall.values["acceleration_error"] == 0
    assert values.overall.values["velocity_error"] == 0
    assert values.overall.frames["acceleration_error"] == 20


def test_videos_of_other_rates_are_matched_by_seconds(tmp_path: Path) -> None:
    pose = sets.moving_body(41)
    truth = saved(tmp_path / "truth.npz", pose, fps=60.0)
    half = saved(tmp_path / "half.npz", BodyPose(pose.rotations[::2], pose.betas[::2]), fps=30.0)
    with pytest.raises(UserError, match=r"30 frames per second, .*truth\.npz 60: say --match seconds"):
        score([half], truth)
    found = score([half], truth, ScoreOptions(match="seconds"))
    assert found.overall.values["mpjpe"] == 0
    assert found.overall.count == 21


def test_skeletons_meet_in_the_names_they_share(tmp_path: Path) -> None:
    joints = torch.randn(N, 17, 3)
    rows = torch.tensor([H36M_17.index(name) if name in H36M_17.joints else -1 for name in LSP_14.joints])
    truth = named(tmp_path / "h36m.npz", joints, H36M_17)
    results = score([named(tmp_path / "lsp.npz", joints[:, rows], LSP_14)], truth)
    assert results.overall.values["mpjpe"] == pytest.approx(0, abs=1e-3), "lsp-14 is a part of h36m-17"
    few = Skeleton("few", ("hip", "left_knee", "right_knee", "nose", "left_wrist", "x"), (-1,) * 6)
    points = torch.stack([joints[:, H36M_17.index(n)] if n in H36M_17.joints else joints[:, 0] for n in few.joints], 1)
    partly = score([named(tmp_path / "few.npz", points, few)], truth)
    assert partly.overall.values["mpjpe"] == pytest.approx(0, abs=1e-3)
    assert partly.notes[0] == "compared in 4 joints of the same names: hip, left_knee, right_knee, left_wrist"


def test_motions_find_their_sequences_by_name(tmp_path: Path) -> None:
    folder = sets.threedpw(tmp_path / "3dpw")
    files = [
        saved(tmp_path / "out" / "arguing_0" / "person-00.npz", sets.moving_body(20, 0)),
        saved(tmp_path / "out" / "bar" / "person-00.npz", sets.moving_body(24, 1)),
        saved(tmp_path / "out" / "Cafe-1.npz", sets.moving_body(28, 2)),
    ]
    results = score(files, folder)
    assert [line.name for line in results.sequences] == list(sets.NAMES)
    assert results.overall.values["mpjpe"] < 0.02
    assert "mpjpe" in results.intervals
    stray = saved(tmp_path / "stray.npz", sets.moving_body(24, 1))
    assert score([stray], folder, ScoreOptions(sequence="bar_0")).overall.values["mpjpe"] < 0.02
    assert "or say --sequence NAME" in refused([stray], folder)
    assert "no sequence 'x'" in refused([stray], folder, sequence="x")


def test_frames_without_a_motion_are_wrong_to_pck_and_left_out_of_distances(tmp_path: Path) -> None:
    truth = sets.sequence("TS1", 20, 0, MPII3D_17, pose=None, betas=None)
    folder = sets.write_set(tmp_path / "mpii3d", [truth], "mpii3d-test")
    results = score([saved(tmp_path / "half.npz", BodyPose(*(x[:10] for x in _parts(sets.moving_body(20)))))], folder)
    assert results.overall.values["pck"] == pytest.approx(50)
    assert results.overall.values["mpjpe"] < 0.02
    assert results.overall.frames["pck"] == 20
    assert results.overall.frames["mpjpe"] == 10


def _parts(pose: BodyPose) -> tuple[torch.Tensor, torch.Tensor]:
    return pose.rotations, pose.betas


def test_dynaboas_protocol_gives_its_figures_beside_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = load_body("free")
    woman = replace(body, template=body.template * 0.95)
    monkeypatch.setattr("anthropose.evaluate.score.load_body", lambda name: woman if name == "her" else body)
    folder = sets.write_set(tmp_path / "3dpw", [sets.sequence("a", N, gender="female")])
    pose = sets.moving_body(N)
    guess = other(pose)
    path = saved(tmp_path / "a.npz", guess)
    assert "takes the true female body; bring it in" in refused([path], folder, protocol="ps")
    results = score([path], folder, ScoreOptions("ps", bodies={"female": "her"}))
    truth = Truth(rotmat_to_rotvec(pose.rotations), pose.betas, ("female",) * N)
    expected = errors(Prediction(guess, torch.zeros(N, 3)), truth, {"neutral": body, "female": woman})
    values = results.overall.values
    for figure, theirs in (("mpjpe", expected.mpjpe), ("pa_mpjpe", expected.pa_mpjpe), ("vertex_error", expected.pve)):
        assert values[figure] == pytest.approx(1000 * float(theirs.mean()), rel=1e-3)
    assert [line.values["pa_mpjpe"] for line in results.published] == [40.4]
    boa = score([path], folder, ScoreOptions("boa", bodies={"female": "her"})).overall.values
    assert boa["unposed_error"] > 10, "the woman is smaller"
    joints = named(tmp_path / "j.npz", torch.zeros(N, 14, 3), LSP_14)
    assert "compares bodies" in refused([joints], folder, protocol="ps")


def refused(motions: list[Path], truth: Path, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        score(motions, truth, ScoreOptions(**options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_compared_is_told_in_one_line(tmp_path: Path) -> None:
    joints = torch.randn(N, 17, 3)
    truth = named(tmp_path / "truth.npz", joints, H36M_17)
    fine = named(tmp_path / "fine.npz", joints, H36M_17)
    late = named(tmp_path / "late.npz", joints, H36M_17, frames=np.arange(100, 100 + N))
    assert "no common frames" in refused([late], truth)
    assert "24 frames from 100 to 123" in refused([late], truth)
    strange = Skeleton("strange", tuple("abcdef"), (-1,) * 6)
    assert "different skeletons" in refused([named(tmp_path / "s.npz", joints[:, :6], strange)], truth)
    broken = joints.clone()
    broken[7, 3, 0] = torch.nan
    line = refused([named(tmp_path / "nan.npz", broken, H36M_17)], truth)
    assert "the predictions of 1 of 24 frames are not numbers, from frame 7 on" in line
    assert "the labels of 1 of 24 frames" in refused([fine], tmp_path / "nan.npz")
    assert "one truth for 2 motions" in refused([fine, late], truth)
    people = {k: {"joints3d": np.zeros((N, 49, 3)), "frame_ids": np.arange(N)} for k in (1, 2)}
    assert "choose one with --person" in refused([dump(tmp_path / "two.pkl", people)], truth)
    assert "no joints 'coco'; known are" in refused([fine], truth, joints="coco")
    assert "fine.npz: it lacks pelvis, spine1" in refused([fine], truth, joints="smpl-24")
    assert "does not say its frames per second" in refused([fine], truth, match="seconds")
    scored = sets.write_set(tmp_path / "none", [sets.sequence("a", N, scored=np.zeros(N, bool))])
    assert "none of its frames counts" in refused([saved(tmp_path / "a.npz", sets.moving_body(N))], scored)
    rootless = Skeleton("rootless", ("left_knee", "right_knee", "left_ankle", "right_ankle"), (-1,) * 4)
    four = named(tmp_path / "four.npz", joints[:, :4], rootless)
    assert "have no root" in refused([four], truth)
