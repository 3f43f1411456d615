"""Motions of every tool are read as one type; what is none is refused in one line, and nothing in a file is run."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anthropose.errors import UserError
from anthropose.evaluate.recorded import plain_name, read_motions, read_truth
from anthropose.geometry.rotations import rotmat_to_rotvec
from anthropose.motion import Camera, Motion, Track
from anthropose.skeleton import H36M_17, LSP_14, SMPL_24, SPIN_49
from tests.datasets.dumps import dump
from tests.evaluate import sets

N = 12
BODY = sets.moving_body(N)
ROTVECS = rotmat_to_rotvec(BODY.rotations).flatten(1).numpy()


def motion(path: Path, person: int = 0) -> Path:
    """One of our motion files."""
    track = Track(person, torch.arange(5, 5 + N), torch.ones(N, 4))
    joints = torch.zeros(N, 24, 3)
    made = Motion(
        track, SMPL_24, 25.0, torch.arange(N) / 25.0, Camera(1000.0, (50.0, 50.0), (100, 100)), joints,
        torch.ones(N, 3), BODY, "free", "glot", "w",
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save(path)
    return path


def amass(path: Path, **changes: Any) -> Path:
    content: dict[str, Any] = {
        "poses": np.concatenate([ROTVECS[:, :66], np.full((N, 90), 9.0)], 1),
        "trans": np.ones((N, 3)),
        "betas": np.arange(16.0),
        "gender": np.array("female"),
        "mocap_framerate": np.array(120.0),
    }
    np.savez(path, **{key: value for key, value in {**content, **changes}.items() if value is not None})
    return path


def test_our_motion_files_are_read_as_they_are(tmp_path: Path) -> None:
    [found] = read_motions(motion(tmp_path / "bar_0" / "person-01.npz", 1))
    assert found.frames.tolist() == list(range(5, 17))
    assert (found.fps, found.skeleton, found.axes, found.body_model) == (25.0, SMPL_24, "camera", "free")
    assert {"person-01", "bar_0", "bar_0_1"} <= set(found.names)


def test_amass_bodies_lose_their_fingers_and_keep_ten_components(tmp_path: Path) -> None:
    [found] = read_motions(amass(tmp_path / "walk_poses.npz"))
    assert found.body is not None
    torch.testing.assert_close(found.body.rotations[:, :22], BODY.rotations[:, :22], atol=1e-5, rtol=0)
    assert torch.equal(found.body.rotations[:, 22:], torch.eye(3).expand(N, 2, 3, 3)), "hands of SMPL-H are not SMPL's"
    assert found.body.betas[3].tolist() == list(range(10))
    assert (found.fps, found.gender, found.axes) == (120.0, "female", "world")
    assert found.shift is not None


@pytest.mark.parametrize("pack", ["joblib", "pickle"])
def test_people_of_vibes_family_are_read_from_both_kinds_of_pickle(tmp_path: Path, pack: str) -> None:
    person = {
        "pose": ROTVECS,
        "betas": BODY.betas.numpy(),
        "frame_ids": np.arange(3, 3 + N),
        "verts": np.zeros((N, 2, 3)),
    }
    content = {1: person, 4: {**person, "frame_ids": np.arange(N)}}
    path = tmp_path / "tcmr_output.pkl"
    if pack == "joblib":
        dump(path, content)
    else:
        path.write_bytes(pickle.dumps(content))
    found = read_motions(path)
    assert [one.name for one in found] == ["tcmr_output:1", "tcmr_output:4"]
    assert found[0].frames.tolist() == list(range(3, 15))
    assert found[0].axes == "camera"
    assert found[0].body is not None
    torch.testing.assert_close(found[0].body.rotations, BODY.rotations, atol=1e-5, rtol=0)
    assert [one.name for one in read_motions(path, "4")] == ["tcmr_output:4"]
    with pytest.raises(UserError, match=r"holds no person 2; it holds 1 \(12 frames\), 4 \(12 frames\)"):
        read_motions(path, "2")


def test_people_without_a_body_have_the_49_joints(tmp_path: Path) -> None:
    [found] = read_motions(dump(tmp_path / "x.pkl", {7: {"joints3d": np.zeros((N, 49, 3)), "frame_ids": np.arange(N)}}))
    assert (found.skeleton, found.body) == (SPIN_49, None)


def test_joints_go_by_their_names_in_any_spelling(tmp_path: Path) -> None:
    names = ["Hip", "LeftHip", "R_Hip", "left-knee", "rightKnee", "l_ankle"]
    np.savez(tmp_path / "a.npz", joints=np.ones((N, 6, 3)) * 1000, joint_names=names, unit="mm", fps=50)
    [found] = read_motions(tmp_path / "a.npz")
    assert found.skeleton is not None
    assert found.joints is not None
    assert found.skeleton.joints == ("hip", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle")
    assert float(found.joints.max()) == 1
    assert found.fps == 50
    np.savez(tmp_path / "b.npz", joints=np.ones((N, 17, 3)), skeleton="h36m-17")
    assert read_motions(tmp_path / "b.npz")[0].skeleton is H36M_17


@pytest.mark.parametrize(
    ("name", "plain"),
    [("LeftUpLeg", "left_up_leg"), ("l_hip", "left_hip"), ("R Shoulder", "right_shoulder"), ("lhip", "lhip")],
)
def test_names_are_spelled_as_ours(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_a_set_gives_its_sequences_with_what_counts(tmp_path: Path) -> None:
    scored = np.arange(20) % 2 == 0
    folder = sets.write_set(tmp_path / "3dpw", [sets.sequence("a", 20, scored=scored, gender="male")])
    [found] = read_truth(folder)
    assert (found.name, found.skeleton, found.gender) == ("a", LSP_14, "male")
    assert found.counts is not None
    assert found.counts.tolist() == scored.tolist()
    assert found.body is not None


class Evil:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('it ran')",))


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        read_motions(path, **options)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
    return str(caught.value)


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({1: Evil()}))
    assert "refused, since it asks for builtins.exec" in refused(path)


def test_files_of_other_kinds_are_refused_in_one_line(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "none.npz")
    (tmp_path / "cut.npz").write_bytes(amass(tmp_path / "whole.npz").read_bytes()[:200])
    assert "cut short or of another kind" in refused(tmp_path / "cut.npz")
    (tmp_path / "cut.pkl").write_bytes(pickle.dumps({1: {"pose": ROTVECS}})[:100])
    assert "expected a whole file of motions" in refused(tmp_path / "cut.pkl")
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    assert "it holds x; expected a motion file" in refused(tmp_path / "other.npz")
    np.savez(tmp_path / "objects.npz", poses=np.array({"a": 1}, dtype=object))
    assert "it holds nothing" in refused(tmp_path / "objects.npz")
    assert "holds a list" in refused(dump(tmp_path / "list.pkl", [1, 2]))
    line = refused(dump(tmp_path / "nobody.pkl", {1: {"verts": 0}}))
    assert "person 1: its arrays do not fit together ('joints3d')" in line


def test_arrays_that_do_not_fit_are_refused_in_one_line(tmp_path: Path) -> None:
    assert "poses of 30 numbers" in refused(amass(tmp_path / "a.npz", poses=np.ones((N, 30))))
    assert "a translation of shape (3, 3) for 12 poses" in refused(amass(tmp_path / "b.npz", trans=np.ones((3, 3))))
    assert "frames has 3 entries for 12 poses" in refused(amass(tmp_path / "c.npz", frames=np.arange(3)))
    assert "frame numbers do not increase" in refused(amass(tmp_path / "d.npz", frames=np.zeros(N, int)))
    assert "it has no frames" in refused(amass(tmp_path / "e.npz", poses=np.ones((0, 72)), trans=None))
    np.savez(tmp_path / "f.npz", joints=np.ones((N, 4, 3)), joint_names=["a", "b"])
    assert "4 joints with 2 names" in refused(tmp_path / "f.npz")
    np.savez(tmp_path / "g.npz", joints=np.ones((N, 4)), joint_names=["a", "b", "c", "d"])
    assert "expected frames x joints x 3" in refused(tmp_path / "g.npz")
    joints = np.random.default_rng(0).uniform(0, 1700, (N, 4, 3))
    np.savez(tmp_path / "h.npz", joints=joints, joint_names=["a", "b", "c", "d"])
    assert "say --unit mm" in refused(tmp_path / "h.npz")
    assert len(read_motions(tmp_path / "h.npz", unit="mm")) == 1
