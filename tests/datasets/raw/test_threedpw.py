import io
import os
import pickle
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.datasets.prepared import prepare, read_set
from anthropose.datasets.raw.base import Findings, RawOptions, RawSequence, raw_set
from anthropose.datasets.sequence import Gender, Sequence
from anthropose.errors import UserError
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.skeleton import H36M_17, LSP_14, SPIN_49, pick
from tests.datasets.raw.releases import MeanColour, write_pictures

FRAMES = 30


class Python2Pickler(pickle._Pickler):
    """Writes texts and bytes as Python 2 wrote its strings, as the release's files have them."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)

    def save_string(self, value: Any) -> None:
        data = value.encode("latin1") if isinstance(value, str) else value
        self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string


def labels(people: int = 1, seed: int = 0) -> dict[str, Any]:
    """What a file of labels holds."""
    rng = np.random.default_rng(seed)
    cameras = np.tile(np.eye(4), (FRAMES, 1, 1))
    cameras[:, :3, :3] = Rotation.from_rotvec(0.1 * rng.standard_normal((FRAMES, 3)) + [np.pi, 0, 0]).as_matrix()
    cameras[:, :3, 3] = [0.1, 0.2, 5.0]
    keypoints = np.concatenate([100 * rng.random((FRAMES, 2, 18)) + 50, np.full((FRAMES, 1, 18), 0.9)], axis=1)
    return {
        "sequence": "courtyard_test_00",
        "poses": [0.3 * rng.standard_normal((FRAMES, 72)) for _ in range(people)],
        "betas": [rng.standard_normal(300)[:10] for _ in range(people)],
        "trans": [0.3 * rng.standard_normal((FRAMES, 3)) for _ in range(people)],
        "poses2d": [keypoints.copy() for _ in range(people)],
        "campose_valid": [np.ones(FRAMES, np.int64) for _ in range(people)],
        "genders": ["f", "m"][:people],
        "cam_poses": cameras,
        "cam_intrinsics": np.array([[1000.0, 0, 540], [0, 1010.0, 960], [0, 0, 1]]),
        "img_frame_ids": np.arange(FRAMES),
        "texture_maps": [],
    }


def write_labels(root: Path, content: Any, subset: str = "train", name: str = "courtyard_test_00") -> Path:
    path = root / "sequenceFiles" / subset / f"{name}.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    Python2Pickler(stream, 2).dump(content)
    path.write_bytes(stream.getvalue())
    return path


def body(gender: Gender = "neutral") -> BodyModel:
    """The free body; taller for men, so that one sees whose body was taken."""
    free = load_body("free")
    return replace(free, template=free.template * 1.1) if gender == "male" else free


def load(root: Path, subset: str, name: str = "3dpw", **options: Any) -> tuple[list[RawSequence], Findings]:
    release, findings = raw_set(name, RawOptions(body, **options)), Findings()
    return [raw for source in release.find(root, subset) for raw in source.load(findings)], findings


def _plain_joints(content: dict[str, Any], sequence: Sequence, model: BodyModel, joint_set: Any) -> np.ndarray:
    """The joints by the body's points, which take another way than its surface."""
    assert sequence.pose is not None
    rotations = rotvec_to_rotmat(torch.from_numpy(sequence.pose).float().unflatten(1, (24, 3)))
    betas = torch.from_numpy(content["betas"][0]).float()
    points = model.points(H36M_17 if joint_set is LSP_14 else joint_set)(betas, rotations)
    return (pick(points, H36M_17, LSP_14)[0] if joint_set is LSP_14 else points).numpy()


@pytest.mark.parametrize(
    ("subset", "folder", "joint_set"), [("train", "train", SPIN_49), ("val", "validation", LSP_14)]
)
def test_a_person_is_read_as_published(tmp_path: Path, subset: str, folder: str, joint_set: Any) -> None:
    content = labels()
    write_labels(tmp_path, content, folder)
    (raw,), findings = load(tmp_path, subset)
    sequence = raw.sequence
    assert sequence.name == "courtyard_test_00_0"
    assert (sequence.keypoint_set, sequence.joint_set, sequence.gender) == (LSP_14, joint_set, "female")
    assert (raw.crop_scale, len(sequence)) == (1.2, FRAMES)
    assert sequence.pose is not None
    assert sequence.betas is not None
    assert sequence.joints is not None
    turned = Rotation.from_rotvec(sequence.pose[:, :3]).as_matrix()
    expected = content["cam_poses"][:, :3, :3] @ Rotation.from_rotvec(content["poses"][0][:, :3]).as_matrix()
    np.testing.assert_allclose(turned, expected, atol=1e-5)
    np.testing.assert_allclose(sequence.pose[:, 3:], content["poses"][0][:, 3:], atol=1e-6)
    np.testing.assert_allclose(sequence.betas, np.tile(content["betas"][0], (FRAMES, 1)), atol=1e-6)
    plain = _plain_joints(content, sequence, body(), joint_set) + content["trans"][0][:, None]
    np.testing.assert_allclose(sequence.joints, plain, atol=1e-4)
    assert findings.counts["the release"]


def test_keypoints_go_to_their_names_and_count_as_seen_or_not(tmp_path: Path) -> None:
    content = labels()
    content["poses2d"][0][:, 2, 4] = 0.3
    write_labels(tmp_path, content)
    (raw,), _ = load(tmp_path, "train")
    keypoints = raw.sequence.keypoints
    assert keypoints is not None
    for name, row in (("right_ankle", 10), ("left_wrist", 7), ("right_wrist", 4), ("right_shoulder", 2)):
        np.testing.assert_allclose(keypoints[:, LSP_14.index(name), :2], content["poses2d"][0][:, :2, row])
        assert (keypoints[:, LSP_14.index(name), 2] == (row != 4)).all()
    for name in ("neck", "head_top"):
        assert not keypoints[:, LSP_14.index(name)].any()


def test_boxes_hold_all_eighteen_keypoints(tmp_path: Path) -> None:
    content = labels()
    content["poses2d"][0][:] = content["poses2d"][0][:1]
    content["poses2d"][0][:, :2, 17] = [[400.0, 300.0]]
    write_labels(tmp_path, content)
    (raw,), _ = load(tmp_path, "train")
    points = content["poses2d"][0][0, :2].T
    low, high = points.min(0), points.max(0)
    side = 1.1 * np.linalg.norm(high - low)
    expected = np.tile([*(low + high) / 2, side, side], (FRAMES, 1))
    np.testing.assert_allclose(raw.sequence.boxes, expected, rtol=1e-6)


def test_frames_without_enough_keypoints_leave_gaps(tmp_path: Path) -> None:
    content = labels()
    seen = content["poses2d"][0][:, 2]
    seen[:3] = 0  # nothing is seen: before the first box
    seen[10, 5:] = 0  # four of LSP-14
    seen[11, 8:] = 0  # six of LSP-14, no more than the least
    seen[12, 9:] = 0  # seven of LSP-14
    content["campose_valid"][0][[5, 11]] = 0
    write_labels(tmp_path, content)
    (raw,), findings = load(tmp_path, "train")
    sequence = raw.sequence
    assert sequence.frames is not None
    assert sequence.usable is not None
    assert sequence.images is not None
    assert sequence.frames.tolist() == [*range(3, 10), *range(12, FRAMES)]
    assert sequence.frames[~sequence.usable].tolist() == [5]
    assert sequence.images[7] == "imageFiles/courtyard_test_00/image_00012.jpg"
    np.testing.assert_allclose(sequence.pose[7, 3:], content["poses"][0][12, 3:], atol=1e-6)  # type: ignore[index]
    counts = findings.counts["courtyard_test_00_0"]
    assert counts["frames without enough keypoints, left out as published"] == 5
    assert counts["frames with a wrong camera, not evaluated"] == 1
    (whole,), _ = load(tmp_path, "train", "3dpw-whole")
    assert whole.sequence.frames is not None
    assert whole.sequence.frames.tolist() == list(range(3, FRAMES))


def test_joints_are_of_the_neutral_body_unless_asked_otherwise(tmp_path: Path) -> None:
    write_labels(tmp_path, labels(people=2))
    neutral, _ = load(tmp_path, "train")
    gendered, _ = load(tmp_path, "train", gendered=True)
    assert [raw.sequence.gender for raw in neutral] == ["female", "male"]

    def thigh(raw: RawSequence) -> float:
        joints = raw.sequence.joints
        assert joints is not None
        hip, knee = SPIN_49.index("op_right_hip"), SPIN_49.index("op_right_knee")
        return float(np.linalg.norm(joints[0, hip] - joints[0, knee]))

    assert thigh(gendered[0]) == pytest.approx(thigh(neutral[0]))
    assert thigh(gendered[1]) == pytest.approx(1.1 * thigh(neutral[1]), rel=0.02)


def test_dynaboas_labels_are_the_true_bodys_joints_seen_by_the_moving_camera(tmp_path: Path) -> None:
    content = labels(people=2)
    content["campose_valid"][0][4] = 0
    write_labels(tmp_path, content, "test")
    (first, second), findings = load(tmp_path, "test", "3dpw-dynaboa")
    sequence = first.sequence
    assert (sequence.keypoint_set, sequence.gender, second.sequence.gender) == (SPIN_49, "female", "male")
    assert (len(sequence), len(second.sequence), first.crop_scale) == (FRAMES - 1, FRAMES, 1.0)
    assert sequence.frames is not None
    assert sequence.joints is not None
    assert sequence.keypoints is not None
    assert sequence.boxes is not None
    world = Sequence("x", pose=content["poses"][0][sequence.frames])
    joints = _plain_joints(content, world, body("female"), SPIN_49) + content["trans"][0][sequence.frames, None]
    np.testing.assert_allclose(sequence.joints, joints, atol=1e-4)
    camera = content["cam_poses"][5]
    seen = content["cam_intrinsics"] @ (camera[:3, :3] @ joints[4].T + camera[:3, 3:])
    np.testing.assert_allclose(sequence.keypoints[4, :, :2], (seen[:2] / seen[2]).T, rtol=1e-4)
    assert (sequence.keypoints[..., 2] == 1).all()
    low, high = sequence.keypoints[4, :, :2].min(0), sequence.keypoints[4, :, :2].max(0)
    np.testing.assert_allclose(sequence.boxes[4], [*(low + high) / 2, *[(high - low).max()] * 2], rtol=1e-6)
    assert findings.counts["courtyard_test_00_0"]["frames with a wrong camera, left out as published"] == 1


def test_dynaboas_stream_has_the_published_order(tmp_path: Path) -> None:
    for name in ("downtown_bar_00", "downtown_arguing_00", "zz_own_00", "downtown_runForBus_00"):
        write_labels(tmp_path, labels(), "test", name)
    raws, _ = load(tmp_path, "test", "3dpw-dynaboa")
    names = [raw.sequence.name for raw in raws]
    assert names == ["downtown_runForBus_00_0", "downtown_bar_00_0", "downtown_arguing_00_0", "zz_own_00_0"]


def test_a_whole_release_is_prepared_with_what_is_missing_told(tmp_path: Path) -> None:
    root = tmp_path / "3DPW"
    write_labels(root, labels(people=2))
    cut = write_labels(root, labels(), name="cut_00")
    cut.write_bytes(cut.read_bytes()[:5000])
    folder = root / "imageFiles" / "courtyard_test_00"
    write_pictures(folder, [f"image_{k:05d}.jpg" for k in range(FRAMES)], (300, 300))
    (folder / "image_00007.jpg").unlink()
    (folder / "image_00009.jpg").write_bytes(b"\xff\xd8 not a picture")
    release = raw_set("3dpw", RawOptions(body))
    made = prepare(release, root, tmp_path / "out", "train", MeanColour())
    sequences = read_set(made.path)
    assert [(sequence.name, len(sequence)) for sequence in sequences] == [
        ("courtyard_test_00_0", FRAMES - 2),
        ("courtyard_test_00_1", FRAMES - 2),
    ]
    assert sequences[0].frames is not None
    assert not {7, 9} & set(sequences[0].frames.tolist())
    report = made.report()
    assert "missing: sequence files, of 24" in report
    assert "cut_00.pkl: damaged, or not a pickle of arrays" in report
    assert "image_00007.jpg" in report


def _change(key: str, value: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda content: content | {key: value(content[key])}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_change("poses2d", lambda v: [v[0][:, :, :13]]), r"its poses2d have the shape \(30, 3, 13\), expected"),
        (_change("trans", lambda v: [v[0][:-1]]), r"its trans have the shape \(29, 3\), expected \(30, 3\)"),
        (_change("cam_poses", lambda v: "none"), "its cam_poses are no numbers"),
        (lambda content: {"poses": content["poses"]}, "it has no betas, no trans"),
        (lambda content: [content], "it holds a list, expected a dictionary with poses"),
    ],
)
def test_labels_that_do_not_fit_are_told_with_the_file(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    write_labels(tmp_path, change(labels()))
    with pytest.raises(UserError, match=rf"courtyard_test_00\.pkl: {message}"):
        load(tmp_path, "train")


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "owned"),)

    path = write_labels(tmp_path, labels())
    path.write_bytes(pickle.dumps({"poses": Evil()}, protocol=2))
    with pytest.raises(UserError, match=r"courtyard_test_00\.pkl: refused, since it asks for (posix|nt)\.mkdir"):
        load(tmp_path, "train")
    assert not (tmp_path / "owned").exists()


def test_a_person_of_whom_nothing_is_seen_is_left_out(tmp_path: Path) -> None:
    content = labels(people=2)
    content["poses2d"][0][:, 2] = 0
    write_labels(tmp_path, content)
    (raw,), findings = load(tmp_path, "train")
    assert raw.sequence.name == "courtyard_test_00_1"
    assert findings.counts["courtyard_test_00_0"] == {"left out: no frame has keypoints": 1}


def test_labels_that_are_not_numbers_cost_their_frames_alone(tmp_path: Path) -> None:
    content = labels()
    content["poses"][0][8, 20] = np.nan
    content["trans"][0][9] = np.nan
    content["poses"][0][12, 1] = np.nan
    content["cam_poses"][13, 1, 1] = np.nan
    content["poses2d"][0][10, :2, 3] = np.nan
    write_labels(tmp_path, content)
    made = prepare(raw_set("3dpw", RawOptions(body)), tmp_path, tmp_path / "out", "train")
    (sequence,) = read_set(made.path)
    assert sequence.frames is not None
    assert sequence.keypoints is not None
    assert sequence.boxes is not None
    assert set(range(FRAMES)) - set(sequence.frames.tolist()) == {8, 9, 12, 13}
    assert np.isfinite(sequence.keypoints).all()
    assert np.isfinite(sequence.boxes).all()


def test_wrong_folders_are_recognised(tmp_path: Path) -> None:
    write_labels(tmp_path / "3DPW", labels())
    with pytest.raises(UserError, match=r"it has no sequenceFiles/train/\*\.pkl; did you mean .*3DPW\? Expected"):
        load(tmp_path, "train")
    with pytest.raises(UserError, match=r"it has no sequenceFiles/test/\*\.pkl"):
        load(tmp_path / "3DPW", "test")


def test_the_want_of_a_body_is_told_before_anything_is_read(tmp_path: Path) -> None:
    write_labels(tmp_path, labels())
    with pytest.raises(UserError, match="made of a neutral body, and none was given"):
        raw_set("3dpw").find(tmp_path, "train")
