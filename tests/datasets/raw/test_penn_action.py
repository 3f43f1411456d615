"""Penn Action in its published layout: a MATLAB file for each video, and folders of images."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from anthropose.datasets.raw.base import Findings, ImageFiles, RawSequence, raw_set
from anthropose.errors import UserError
from anthropose.skeleton import PENN_13


def write(root: Path, name: str = "0001", train: int = 1, frames: int = 4, **changes: np.ndarray) -> dict:
    (root / "labels").mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    content = {
        "x": generator.uniform(1, 200, (frames, 13)),
        "y": generator.uniform(1, 200, (frames, 13)),
        "visibility": (generator.random((frames, 13)) > 0.4).astype(np.uint8),
        "nframes": np.array([[frames]], np.uint16),
        "train": np.array([[train]], np.int16),
        "action": "baseball_pitch",
    }
    content |= changes
    savemat(root / "labels" / f"{name}.mat", content)
    return content


def loaded(root: Path, name: str = "pennaction", subset: str = "train", findings: Findings | None = None) -> list:
    sources = raw_set(name).find(root, subset)
    return [raw for source in sources[:-1] for raw in source.load(findings if findings is not None else Findings())]


def test_keypoints_go_by_their_names_and_boxes_around_those_that_are_seen(tmp_path: Path) -> None:
    content = write(tmp_path)
    (raw,) = loaded(tmp_path)
    assert isinstance(raw, RawSequence)
    sequence = raw.sequence
    assert sequence.name == "0001"
    assert sequence.keypoint_set == PENN_13
    np.testing.assert_allclose(sequence.keypoints, np.stack([content["x"], content["y"], content["visibility"]], 2))
    seen = content["visibility"][2] > 0
    xs, ys = content["x"][2][seen], content["y"][2][seen]
    center = [(xs.min() + xs.max()) / 2, (ys.min() + ys.max()) / 2]
    np.testing.assert_allclose(sequence.boxes[2], [*center, *[max(np.ptp(xs), np.ptp(ys)) * 1.1] * 2])  # type: ignore[index]
    assert isinstance(raw.pictures, ImageFiles)
    assert raw.pictures.paths[0] == tmp_path / "frames" / "0001" / "000001.jpg"
    assert raw.crop_scale == 1.3


def test_tcmrs_boxes_are_as_narrow_as_can_be_around_all_joints_but_those_at_zero(tmp_path: Path) -> None:
    content = write(tmp_path)
    content["x"][:, 4] = content["y"][:, 4] = 0
    write(tmp_path, **content)
    (raw,) = loaded(tmp_path, "pennaction-tcmr")
    xs, ys = (np.delete(content[key][1], 4) for key in ("x", "y"))
    np.testing.assert_allclose(raw.sequence.boxes[1, 2], max(np.ptp(xs), np.ptp(ys)))
    assert raw.crop_scale == 1.2


def test_a_video_belongs_to_the_part_that_its_labels_name(tmp_path: Path) -> None:
    write(tmp_path, "0001", train=1)
    write(tmp_path, "0002", train=-1)
    assert [raw.sequence.name for raw in loaded(tmp_path)] == ["0001"]
    assert [raw.sequence.name for raw in loaded(tmp_path, subset="test")] == ["0002"]


def test_frames_in_which_nothing_is_seen_are_left_out_and_told(tmp_path: Path) -> None:
    content = write(tmp_path)
    content["visibility"][1] = 0
    content["x"][2, :] = np.nan
    write(tmp_path, **content, extra=np.zeros(1))
    findings = Findings()
    (raw,) = loaded(tmp_path, findings=findings)
    assert raw.sequence.frames.tolist() == [0, 3]
    assert raw.sequence.images.tolist() == ["frames/0001/000001.jpg", "frames/0001/000004.jpg"]
    assert findings.counts["0001"] == {"frames left out, none of their joints is seen": 2}


def test_labels_that_do_not_fit_together_are_one_line_and_an_odd_count_is_told(tmp_path: Path) -> None:
    write(tmp_path, nframes=np.array([[7]]))
    findings = Findings()
    assert len(loaded(tmp_path, findings=findings)) == 1
    assert findings.counts["0001"] == {"labels of 4 frames, the file says 7": 1}
    write(tmp_path, x=np.ones((3, 13)))
    with pytest.raises(UserError, match=r"0001\.mat: x has 3 frames, y 4"):
        loaded(tmp_path)
    write(tmp_path, x=np.ones((4, 12)))
    with pytest.raises(UserError, match=r"0001\.mat: x is of shape \(4, 12\), expected 13 joints"):
        loaded(tmp_path)


def test_videos_that_are_not_there_are_told(tmp_path: Path) -> None:
    write(tmp_path)
    findings = Findings()
    list(raw_set("pennaction").find(tmp_path, "train")[-1].load(findings))
    assert findings.counts["the release"] == {"missing: files in labels, of 2326": 2325}
    with pytest.raises(UserError, match=r"it has no labels/\*\.mat; did you mean .*"):
        raw_set("pennaction").find(tmp_path / "labels", "train")
