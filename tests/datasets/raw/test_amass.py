from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anthropose.datasets.prepared import prepare, read_set
from anthropose.datasets.raw.base import Findings, RawSequence, raw_set
from anthropose.errors import UserError


def write(path: Path, frames: int = 300, rate: float = 120.0, **changes: Any) -> Path:
    rng = np.random.default_rng(frames)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "poses": rng.standard_normal((frames, 156)),
        "betas": np.arange(16.0),
        "trans": np.zeros((frames, 3)),
        "dmpls": np.zeros((frames, 8)),
        "gender": np.array("female"),
        "mocap_framerate": np.array(rate),
    } | changes
    np.savez(path, **{key: value for key, value in content.items() if value is not None})
    return path


def load(root: Path) -> tuple[list[RawSequence], Findings]:
    findings = Findings()
    return [raw for source in raw_set("amass").find(root, "train") for raw in source.load(findings)], findings


def test_motion_is_thinned_and_its_hands_are_single_joints(tmp_path: Path) -> None:
    path = write(tmp_path / "CMU" / "01" / "01_02_poses.npz")
    write(tmp_path / "CMU" / "01" / "shape.npz", poses=None)
    (raw,), findings = load(tmp_path)
    sequence, poses = raw.sequence, np.load(path)["poses"].reshape(-1, 52, 3)
    assert (sequence.name, sequence.gender, raw.pictures) == ("CMU_01_01_02_poses", "female", None)
    assert sequence.frames is not None
    assert sequence.pose is not None
    assert sequence.betas is not None
    assert sequence.frames.tolist() == list(range(0, 300, 4))
    pose = sequence.pose.reshape(-1, 24, 3)
    np.testing.assert_allclose(pose[:, :22], poses[::4, :22], rtol=1e-6)
    np.testing.assert_allclose(pose[:, 22], poses[::4, 22], rtol=1e-6)
    np.testing.assert_allclose(pose[:, 23], poses[::4, 37], rtol=1e-6)
    assert sequence.betas.tolist() == [list(range(10))] * 75
    assert "ACCAD" in next(iter(findings.counts["the release"]))


@pytest.mark.parametrize(("rate", "step"), [(120.0, 4), (59.9, 2), (25.0, 1), (20.0, 1), (250.0, 10)])
def test_every_so_many_frames_are_taken(tmp_path: Path, rate: float, step: int) -> None:
    write(tmp_path / "KIT" / "3" / "a_poses.npz", 100, rate)
    (raw,), _ = load(tmp_path)
    assert raw.sequence.frames is not None
    assert raw.sequence.frames.tolist() == list(range(0, 100, step))


def test_short_motions_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "KIT" / "3" / "a_poses.npz", 59)
    write(tmp_path / "KIT" / "3" / "b_poses.npz", 60)
    (raw,), findings = load(tmp_path)
    assert raw.sequence.name == "KIT_3_b_poses"
    assert findings.counts["KIT_3_a_poses"] == {"left out: it has less than 60 frames": 1}


def test_damaged_files_are_told_and_the_rest_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "AMASS" / "SFU" / "0005"
    write(folder / "good_poses.npz")
    cut = write(folder / "cut_poses.npz")
    cut.write_bytes(cut.read_bytes()[:3000])
    write(folder / "smplx_poses.npz", poses=np.zeros((100, 165)))
    write(folder / "rateless_poses.npz", mocap_framerate=None)
    write(folder / "poseless_poses.npz", poses=None)
    write(folder / "object_poses.npz", gender=np.array({"a": 1}, object))
    bad = np.zeros((80, 156))
    bad[8, 100] = np.nan  # a finger: not looked at
    bad[16, 3] = np.nan
    write(folder / "holes_poses.npz", 80, poses=bad)
    made = prepare(raw_set("amass"), tmp_path / "AMASS", tmp_path / "out")
    assert [(s.name, len(s)) for s in read_set(made.path)] == [
        ("SFU_0005_good_poses", 75),
        ("SFU_0005_holes_poses", 19),
    ]
    report = made.report()
    for line in (
        "cut_poses.npz: damaged",
        r"smplx_poses.npz: expected poses of SMPL-H, n 156, and 10 betas or more; found (100, 165)",
        "rateless_poses.npz: it does not tell its frame rate",
        "poseless_poses.npz: it has no poses",
        "object_poses.npz: damaged",
        "frames left out, their pose are not numbers",
    ):
        assert line in report


def test_wrong_folders_are_recognised(tmp_path: Path) -> None:
    write(tmp_path / "data" / "AMASS" / "CMU" / "01" / "a_poses.npz")
    with pytest.raises(UserError, match=r"did you mean .*AMASS\? Expected\n    ROOT/CMU/01"):
        load(tmp_path / "data")
