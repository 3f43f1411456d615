import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from anthropose.datasets.prepared import prepare, read_set
from anthropose.datasets.raw.base import Findings, RawSequence, raw_set
from anthropose.errors import UserError
from anthropose.skeleton import H36M_17
from tests.datasets.raw.releases import MeanColour, write_pictures

FRAMES = 41
NAMES = (
    "hip right_hip right_knee right_ankle left_hip left_knee left_ankle h36m_spine neck h36m_head head_top"
    " left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist"
)
"""The order of the release's joints."""


def cameras() -> dict[str, Any]:
    return {
        str(k): {
            "R": Rotation.from_euler("xyz", [90, 20 * k, 0], degrees=True).as_matrix().tolist(),
            "t": [10.0 * k, 50.0, 5000.0],
            "f": [1145.0, 1143.0],
            "c": [512.0, 515.0],
        }
        for k in (1, 2, 3, 4)
    }


def joints(seed: int = 0, frames: int = FRAMES) -> dict[str, Any]:
    still = 300 * np.random.default_rng(seed).standard_normal((17, 3))
    moving = still + 5 * np.arange(frames)[:, None, None]
    return {str(frame): moving[frame].tolist() for frame in range(frames)}


def fits(frames: list[int], seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        str(frame): {
            str(camera): {
                "pose": rng.standard_normal(72).tolist(),
                "shape": (np.arange(10) + 100.0 * camera + frame).tolist(),
                "trans": [0, 0, 0],
            }
            for camera in (1, 2, 3, 4)
        }
        for frame in frames
    }


def write(root: Path, subject: int, kind: str, content: Any) -> Path:
    path = root / "annotations" / f"Human36M_subject{subject}_{kind}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two takes of two subjects, one of whom has bodies in a few frames of the first camera's take."""
    root = tmp_path / "Human36M"
    for subject in (1, 9):
        write(root, subject, "camera", cameras())
        write(root, subject, "joint_3d", {"2": {"1": joints(subject)}, "16": {"2": joints(10 + subject)}})
    write(root, 1, "SMPL_NeuralAnnot", {"2": {"1": fits([0, 4, 5, 10])}})
    return root


def load(root: Path, subset: str, name: str = "h36m") -> tuple[dict[str, RawSequence], Findings]:
    findings = Findings()
    raws = [raw for source in raw_set(name).find(root, subset) for raw in source.load(findings)]
    return {raw.sequence.name: raw for raw in raws}, findings


def test_joints_are_seen_by_each_camera_at_half_the_rate(root: Path) -> None:
    raws, findings = load(root, "train")
    assert len(raws) == 8
    sequence = raws["s_01_act_16_subact_02_ca_03"].sequence
    assert (sequence.keypoint_set, sequence.joint_set, len(sequence)) == (H36M_17, H36M_17, 21)
    assert sequence.frames is not None
    assert sequence.joints is not None
    assert sequence.keypoints is not None
    assert sequence.frames.tolist() == list(range(0, FRAMES, 2))
    camera, world = cameras()["3"], joints(11)
    for place, name in ((1, "left_hip"), (6, "right_ankle"), (16, "right_wrist"), (8, "neck")):
        assert H36M_17.joints[place] == name
        points = np.array([world[str(frame)] for frame in range(0, FRAMES, 2)]) @ np.array(camera["R"]).T + camera["t"]
        point, hip = points[:, NAMES.split().index(name)], points[:, 0]
        np.testing.assert_allclose(sequence.joints[:, place], (point - hip) / 1000, atol=1e-9)
        pixel = point[:, :2] / point[:, 2:] * camera["f"] + camera["c"]
        np.testing.assert_allclose(sequence.keypoints[:, place, :2], pixel, atol=1e-6)
    assert (sequence.keypoints[..., 2] == 1).all()
    assert findings.counts["s_01_act_02_subact_02_ca_01"] == {"missing: joints of this video": 1}


@pytest.mark.parametrize(("name", "margin", "crop_scale"), [("h36m", 1.1, 1.2), ("h36m-tight", 0.9, 1.0)])
def test_boxes_are_the_keypoints_diagonal_times_the_sets_margin(
    root: Path, name: str, margin: float, crop_scale: float
) -> None:
    raws, _ = load(root, "test", name)
    raw = raws["s_09_act_02_subact_01_ca_04"]
    assert raw.crop_scale == crop_scale
    assert raw.sequence.keypoints is not None
    assert raw.sequence.boxes is not None
    points = raw.sequence.keypoints[10, :, :2]  # in the middle, where smoothing leaves a steady motion as it is
    low, high = points.min(0), points.max(0)
    side = margin * np.linalg.norm(high - low)
    np.testing.assert_allclose(raw.sequence.boxes[10], [*(low + high) / 2, side, side], rtol=2e-3)


def test_the_tests_with_tight_boxes_are_of_the_fourth_camera_alone(root: Path) -> None:
    for name, train, test in (("h36m", "1234", "1234"), ("h36m-tight", "1234", "4")):
        for subset, cameras in (("train", train), ("test", test)):
            raws, _ = load(root, subset, name)
            assert {raw[-1] for raw in raws} == {*cameras}


def test_bodies_are_marked_where_they_were_fitted(root: Path) -> None:
    raws, findings = load(root, "train")
    sequence = raws["s_01_act_02_subact_01_ca_02"].sequence
    assert sequence.posed is not None
    assert sequence.pose is not None
    assert sequence.betas is not None
    assert sequence.frames is not None
    assert sequence.frames[sequence.posed].tolist() == [0, 4, 10]
    np.testing.assert_allclose(sequence.betas[sequence.posed][:, 0], [200, 204, 210])
    assert not sequence.pose[~sequence.posed].any()
    assert np.abs(sequence.pose[sequence.posed]).min(1).max() > 0
    assert findings.counts[sequence.name] == {"missing: bodies in frames": 18}
    assert raws["s_01_act_16_subact_02_ca_02"].sequence.pose is None


def test_tests_have_no_bodies(root: Path) -> None:
    write(root, 9, "SMPL_NeuralAnnot", {"2": {"1": fits([0])}})
    raws, _ = load(root, "test")
    assert set(raws) == {f"s_09_act_{act}_ca_0{k}" for act in ("02_subact_01", "16_subact_02") for k in (1, 2, 3, 4)}
    assert all(raw.sequence.pose is None for raw in raws.values())


def test_pictures_are_counted_from_one(root: Path, tmp_path: Path) -> None:
    video = "s_09_act_02_subact_01_ca_01"
    write_pictures(root / "images" / video, [f"{video}_{k:06d}.jpg" for k in range(1, FRAMES + 1)], (1000, 1000))
    made = prepare(raw_set("h36m"), root, tmp_path / "out", "test", MeanColour())
    sequences = read_set(made.path)
    assert [sequence.name for sequence in sequences] == [video]
    assert sequences[0].images is not None
    assert sequences[0].images[1] == f"images/{video}/{video}_000003.jpg"
    middles = sequences[0].required_features()[0:21][:, 1]
    np.testing.assert_allclose(middles, 40 + np.arange(0, FRAMES, 2), atol=2)
    assert "s_09_act_02_subact_01_ca_02: none of its 21 frames can be used" in made.report()


def test_frames_missing_in_the_middle_are_told(root: Path) -> None:
    some = joints(9)
    for frame in ("10", "11", "20"):
        del some[frame]
    write(root, 9, "joint_3d", {"2": {"1": some}})
    raws, findings = load(root, "test")
    sequence = raws["s_09_act_02_subact_01_ca_01"].sequence
    assert sequence.frames is not None
    assert sequence.frames.tolist()[4:9] == [8, 12, 14, 16, 18]
    assert findings.counts[sequence.name] == {"missing: frames between the first and the last": 3}


def test_damage_is_told_with_the_files_name_and_the_rest_is_done(root: Path, tmp_path: Path) -> None:
    path = write(root, 5, "joint_3d", {})
    path.write_text((root / "annotations" / "Human36M_subject1_joint_3d.json").read_text()[:5000])
    write(root, 6, "joint_3d", {"2": {"1": {"0": [[0.0, 0, 0]] * 16}}})
    write(root, 7, "joint_3d", {"2": {"1": joints(7)}})
    write(root, 8, "joint_3d", {"2": {"1": joints(8)}})
    write(root, 8, "camera", {"1": {"R": [1, 2]}})
    made = prepare(raw_set("h36m"), root, tmp_path / "out", "train")
    report = made.report()
    assert made.sequences == 8
    assert "Human36M_subject5_joint_3d.json: damaged, or not JSON" in report
    assert "Human36M_subject6_joint_3d.json: expected 17 joints in each frame of act 2, take 1" in report
    assert "Human36M_subject7_camera.json: no such file" in report
    assert "Human36M_subject8_camera.json: it has no t, no f, no c" in report


def test_joints_that_are_not_numbers_are_told(root: Path, tmp_path: Path) -> None:
    some = joints(9)
    some["7"][3][0] = float("nan")
    write(root, 9, "joint_3d", {"2": {"1": some}, "3": {"1": joints(3)}})
    made = prepare(raw_set("h36m"), root, tmp_path / "out", "test")
    assert made.sequences == 4
    assert "joints of s_09_act_02_subact_01_ca_01 are not numbers" in made.report()


def test_subjects_that_were_not_unpacked_are_told(root: Path) -> None:
    _, findings = load(root, "train")
    assert findings.counts["the release"] == {"missing: subjects' joints, of 5": 4}
    with pytest.raises(UserError, match=r"it has no annotations/Human36M_subject\*_joint_3d\.json; did you mean"):
        load(root.parent, "train")
