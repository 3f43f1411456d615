"""MPI-INF-3DHP in its published layout: MATLAB files of labels, videos or the images cut from them, HDF5 files."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from anthropose.datasets.raw.base import Findings, ImageFiles, RawSequence, VideoFrames, raw_set
from anthropose.datasets.raw.mpi_inf_3dhp import MPIInf3DHP, read_test_labels
from anthropose.errors import UserError
from anthropose.skeleton import MPII3D_17, MPII3D_28, SPIN_49
from tests.clips import read_number, write_clip
from tests.datasets.raw.releases import write_pictures

FRAMES = 9


def labels(seed: int, joints: int, frames: int = FRAMES) -> tuple[np.ndarray, np.ndarray]:
    """2D joints inside the image, and 3D ones [mm]."""
    generator = np.random.default_rng(seed)
    return generator.uniform(200, 1000, (frames, joints, 2)), generator.normal(0, 500, (frames, joints, 3)) + 3000


def write_train(folder: Path, edit: dict[int, np.ndarray] | None = None) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """`annot.mat` of a take as MATLAB writes it: a cell for each of 14 cameras; `edit` replaces 2D joints."""
    folder.mkdir(parents=True)
    truth = {camera: labels(camera, 28) for camera in range(14)}
    truth |= {camera: (points, truth[camera][1]) for camera, points in (edit or {}).items()}
    cells = {key: np.empty((14, 1), object) for key in ("annot2", "annot3", "univ_annot3")}
    for camera, (points, joints) in truth.items():
        for key, array in zip(cells, (points, joints, joints * 0.9), strict=True):
            cells[key][camera, 0] = array.reshape(FRAMES, -1)
    savemat(folder / "annot.mat", {**cells, "cameras": np.arange(14)[:, None]})
    return truth


def loaded(name: str, root: Path, source: str, findings: Findings | None = None) -> list[RawSequence]:
    reader = raw_set(name)
    (found,) = [one for one in reader.find(root, reader.subsets[0]) if one.name == source]
    return list(found.load(findings if findings is not None else Findings()))


def test_a_camera_of_the_training_part_has_its_labels_relative_to_the_pelvis(tmp_path: Path) -> None:
    truth = write_train(tmp_path / "S1" / "Seq2")
    write_pictures(tmp_path / "S1/Seq2/imageFrames/video_4", [f"frame_{k:06d}.jpg" for k in range(FRAMES)])
    (raw,) = loaded("mpii3d", tmp_path, "subj1_seq2_vid4")
    points, joints = truth[4]
    sequence = raw.sequence
    assert sequence.name == "subj1_seq2_vid4_seg0"
    assert sequence.joint_set == sequence.keypoint_set == MPII3D_28
    np.testing.assert_allclose(sequence.keypoints[..., :2], points)  # type: ignore[index]
    assert (sequence.keypoints[..., 2] == 1).all()  # type: ignore[index]
    hip = MPII3D_28.index("hip")
    np.testing.assert_allclose(sequence.joints, (joints - joints[:, hip : hip + 1]) / 1000, atol=1e-12)
    assert sequence.frames.tolist() == list(range(FRAMES))  # type: ignore[union-attr]
    assert sequence.images[3] == "S1/Seq2/imageFrames/video_4/frame_000003.jpg"  # type: ignore[index]
    assert sequence.pose is None
    assert raw.crop_scale == 1.2


def test_boxes_are_a_tenth_wider_than_the_joints_that_spin_knows(tmp_path: Path) -> None:
    points, _ = labels(0, 28)
    points[:, MPII3D_28.index("left_hand")] = [2000, 10]
    points[:, MPII3D_28.index("left_knee")] = 0
    write_train(tmp_path / "S1" / "Seq1", {0: points})
    (raw,) = loaded("mpii3d", tmp_path, "subj1_seq1_vid0")
    known = [k for k, joint in enumerate(MPII3D_28.joints) if joint in SPIN_49.joints and joint != "left_knee"]
    low, high = points[:, known].min(1), points[:, known].max(1)
    boxes = raw.sequence.boxes
    assert boxes is not None
    np.testing.assert_allclose(boxes[:, :2], (low + high) / 2)
    np.testing.assert_allclose(boxes[:, 2], (high - low).max(1) * 1.1)
    np.testing.assert_array_equal(boxes[:, 2], boxes[:, 3])


def test_a_new_sequence_begins_behind_frames_with_a_joint_outside_the_image(tmp_path: Path) -> None:
    points, _ = labels(0, 28)
    points[3, MPII3D_28.index("left_wrist")] = [2048, 5]
    points[4, MPII3D_28.index("head_top")] = [5, -0.1]
    points[6, MPII3D_28.index("left_toe")] = [-50, 5000]
    write_train(tmp_path / "S1" / "Seq1", {0: points})
    findings = Findings()
    found = loaded("mpii3d", tmp_path, "subj1_seq1_vid0", findings)
    assert [raw.sequence.name[-4:] for raw in found] == ["seg0", "seg1"]
    assert [raw.sequence.frames.tolist() for raw in found] == [[0, 1, 2], [5, 6, 7, 8]]  # type: ignore[union-attr]
    assert findings.counts["subj1_seq1_vid0"]["frames left out, a joint is outside the image"] == 2


def test_frames_without_a_picture_or_with_labels_that_are_no_numbers_end_a_sequence(tmp_path: Path) -> None:
    points, _ = labels(0, 28)
    points[6] = np.nan
    write_train(tmp_path / "S1" / "Seq1", {0: points})
    names = [f"{k:06d}.jpg" for k in range(1, FRAMES + 3) if k != 3]
    write_pictures(tmp_path / "S1/Seq1/imageSequence/video_0", names)
    findings = Findings()
    found = loaded("mpii3d", tmp_path, "subj1_seq1_vid0", findings)
    assert [raw.sequence.frames.tolist() for raw in found] == [[0, 1], [3, 4, 5], [7, 8]]  # type: ignore[union-attr]
    assert isinstance(found[1].pictures, ImageFiles)
    assert [path.name for path in found[1].pictures.paths] == ["000004.jpg", "000005.jpg", "000006.jpg"]
    assert findings.counts["subj1_seq1_vid0"] == {
        "frames left out, their labels are not numbers": 1,
        "missing: pictures": 1,
        "pictures without labels": 2,
    }


def test_pictures_come_from_the_released_video_where_there_are_no_images(tmp_path: Path) -> None:
    points, _ = labels(0, 28)
    points[2, MPII3D_28.index("hip")] = -1
    write_train(tmp_path / "S1" / "Seq1", {0: points})
    (tmp_path / "S1/Seq1/imageSequence").mkdir()
    write_clip(tmp_path / "S1/Seq1/imageSequence/video_0.avi", FRAMES, codec="mpeg4")
    first, second = loaded("mpii3d", tmp_path, "subj1_seq1_vid0")
    assert isinstance(second.pictures, VideoFrames)
    assert [read_number(np.asarray(picture)) for picture in second.pictures.frames()] == [3, 4, 5, 6, 7, 8]
    assert [read_number(np.asarray(picture)) for picture in first.pictures.frames()] == [0, 1]  # type: ignore[union-attr]


def test_labels_are_read_even_where_all_pictures_are_missing(tmp_path: Path) -> None:
    write_train(tmp_path / "S1" / "Seq1")
    findings = Findings()
    (raw,) = loaded("mpii3d", tmp_path, "subj1_seq1_vid8", findings)
    assert raw.pictures is not None
    assert raw.pictures.missing().all()
    assert len(raw.sequence) == FRAMES
    assert "missing: imageSequence/video_8.avi, or its frames as imageFrames/video_8/" in findings.table()
    points, joints = labels(5, 17)
    write_test(tmp_path / "TS2", points, joints, np.ones(FRAMES))
    (raw,) = loaded("mpii3d-test", tmp_path, "TS2")
    assert raw.pictures is not None
    assert raw.pictures.missing().all()


def test_every_camera_is_a_source_and_so_is_a_take_that_is_not_there_which_says_so(tmp_path: Path) -> None:
    write_train(tmp_path / "S1" / "Seq1")
    sources = raw_set("mpii3d").find(tmp_path, "train")
    assert len(sources) == len(MPIInf3DHP.cameras) + 15
    with pytest.raises(UserError, match=r"S8/Seq2/annot\.mat: no such file"):
        list(sources[-1].load(Findings()))


def test_annotations_that_are_damaged_or_of_other_joints_are_one_line(tmp_path: Path) -> None:
    write_train(tmp_path / "S1" / "Seq1")
    path = tmp_path / "S1/Seq1/annot.mat"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"S1/Seq1/annot\.mat: damaged"):
        loaded("mpii3d", tmp_path, "subj1_seq1_vid0")
    (tmp_path / "S2/Seq1").mkdir(parents=True)
    cells = np.empty((14, 1), object)
    for camera in range(14):
        cells[camera, 0] = np.zeros((FRAMES, 34))
    savemat(tmp_path / "S2/Seq1/annot.mat", {"annot2": cells, "annot3": cells})
    with pytest.raises(UserError, match=r"camera 0 has annot2 of shape \(9, 34\)"):
        loaded("mpii3d", tmp_path, "subj2_seq1_vid0")


@pytest.mark.parametrize("name", ["mpii3d", "mpii3d-test"])
def test_a_wrong_folder_is_recognised(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="ROOT/"):
        raw_set(name).find(tmp_path, "train")


def write_test(folder: Path, points: np.ndarray, joints: np.ndarray, valid: np.ndarray) -> None:
    """`annot_data.mat` of a test sequence, as h5py sees it."""
    folder.mkdir(parents=True)
    with h5py.File(folder / "annot_data.mat", "w") as file:
        file["annot2"] = points[:, None]
        file["annot3"] = joints[:, None] * 1.1
        file["univ_annot3"] = joints[:, None]
        file["valid_frame"] = valid[:, None].astype(float)
        file["activity_annotation"] = (1 + np.arange(len(points)) % 7)[:, None].astype(float)


def test_the_test_part_is_cut_and_scored_as_published(tmp_path: Path) -> None:
    points, joints = labels(5, 17)
    points[4, 0] = [1900, 1090]
    valid = np.arange(FRAMES) % 2 == 0
    write_test(tmp_path / "TS5", points, joints, valid)
    names = [f"img_{k + 1:06d}.jpg" for k in range(FRAMES)]
    write_pictures(tmp_path / "TS5/imageSequence", names, (1920, 1080))
    first, second = loaded("mpii3d-test", tmp_path, "TS5")
    assert [raw.sequence.name for raw in (first, second)] == ["subj5_seg0", "subj5_seg1"]
    rows = second.sequence.frames
    assert rows is not None
    assert rows.tolist() == [5, 6, 7, 8]
    assert second.sequence.joint_set == MPII3D_17
    hip = MPII3D_17.index("hip")
    np.testing.assert_allclose(second.sequence.joints, (joints - joints[:, hip : hip + 1])[rows] / 1000, atol=1e-12)
    assert second.sequence.scored.tolist() == valid[rows].tolist()  # type: ignore[union-attr]
    assert second.sequence.activities.tolist() == [6, 7, 1, 2]  # type: ignore[union-attr]
    assert isinstance(second.pictures, ImageFiles)
    assert second.pictures.paths[0].name == "img_000006.jpg"


def test_the_whole_test_part_leaves_out_nothing_with_either_skeleton(tmp_path: Path) -> None:
    points, joints = labels(5, 17)
    points[4] = -100
    write_test(tmp_path / "TS1", points, joints, np.ones(FRAMES))
    (universal,) = loaded("mpii3d-test-whole", tmp_path, "TS1")
    (own,) = loaded("mpii3d-test-annot3", tmp_path, "TS1")
    assert universal.sequence.name == "TS1"
    assert len(universal.sequence) == FRAMES
    np.testing.assert_allclose(own.sequence.joints, universal.sequence.joints * 1.1)  # type: ignore[operator]


def test_test_labels_cut_short_or_of_other_sizes_are_one_line(tmp_path: Path) -> None:
    points, joints = labels(5, 17)
    write_test(tmp_path / "TS1", points, joints[:, :, :2], np.ones(FRAMES))
    with pytest.raises(UserError, match=r"annot_data\.mat: univ_annot3 has the shape \(9, 1, 17, 2\)"):
        read_test_labels(tmp_path / "TS1/annot_data.mat", (2048, 2048))
    path = tmp_path / "TS1/annot_data.mat"
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(UserError, match=r"annot_data\.mat: cut short"):
        read_test_labels(path, (2048, 2048))
