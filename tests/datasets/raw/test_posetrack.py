"""PoseTrack 2018 in its published layout: a JSON file for each video, and folders of images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anthropose.datasets.raw.base import Findings, ImageFiles, RawSequence, raw_set
from anthropose.errors import UserError
from anthropose.skeleton import POSETRACK_17

VIDEO = "000001_bonn_train"


def release(frames: int = 12, tracks: int = 2) -> dict[str, Any]:
    """A video whose every image is labelled but number 5."""
    generator = np.random.default_rng(0)
    images = [
        {"id": 10000 + k, "file_name": f"images/train/{VIDEO}/{k:06d}.jpg", "is_labeled": k != 5, "frame_id": 10000 + k}
        for k in range(frames)
    ]
    annotations = [
        {
            "image_id": image["id"],
            "track_id": track,
            "bbox": [10.0 + track, 20.0, 30.0, 100.0 + image["id"] - 10000],
            "keypoints": np.column_stack([generator.uniform(1, 90, (17, 2)), np.zeros(17)]).ravel().tolist(),
        }
        for image in images
        for track in range(tracks)
    ]
    return {"images": images, "annotations": annotations, "categories": [{"name": "person"}]}


def write(root: Path, content: Any, name: str = VIDEO) -> None:
    folder = root / "annotations" / "train"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(content))


def loaded(root: Path, findings: Findings | None = None) -> list[RawSequence]:
    source = raw_set("posetrack").find(root, "train")[0]
    return list(source.load(findings if findings is not None else Findings()))


def test_each_track_is_a_sequence_of_the_labelled_images(tmp_path: Path) -> None:
    content = release()
    content["annotations"][2]["keypoints"][:6] = [0, 0, 0, 0, 7, 0]
    write(tmp_path, content)
    findings = Findings()
    first, second = loaded(tmp_path, findings)
    assert [raw.sequence.name for raw in (first, second)] == [f"{VIDEO}_0", f"{VIDEO}_1"]
    sequence = first.sequence
    assert sequence.frames.tolist() == [k for k in range(12) if k != 5]  # type: ignore[union-attr]
    assert sequence.keypoint_set == POSETRACK_17
    assert sequence.joints is None
    assert sequence.keypoints[1, :2].tolist() == [[0, 0, 0], [0, 7, 1]]  # type: ignore[index]
    assert (sequence.keypoints[0, :, 2] == 1).all()  # type: ignore[index]
    np.testing.assert_allclose(sequence.boxes[2], [25, 71, 81.6, 81.6])  # type: ignore[index]
    assert isinstance(first.pictures, ImageFiles)
    assert first.pictures.paths[0] == tmp_path / "images" / "train" / VIDEO / "000000.jpg"
    assert first.crop_scale == 1.3
    assert findings.counts[VIDEO] == {"people left out, their images are not labelled": 2}
    assert findings.counts[f"{VIDEO}_0"] == {"gaps between frames, which count as consecutive": 1}


def test_tracks_in_fewer_than_eight_images_are_left_out_and_told(tmp_path: Path) -> None:
    write(tmp_path, release(frames=8, tracks=1))
    findings = Findings()
    assert loaded(tmp_path, findings) == []
    assert "left out: in fewer than 8 labelled images" in findings.table()


def test_people_without_box_or_keypoints_are_passed_over(tmp_path: Path) -> None:
    content = release(tracks=1)
    del content["annotations"][0]["bbox"]
    content["annotations"][1]["keypoints"] = []
    content["annotations"][2]["bbox"] = [1, 2, 0, 0]
    content["annotations"].append(content["annotations"][3])
    write(tmp_path, content)
    findings = Findings()
    (raw,) = loaded(tmp_path, findings)
    assert len(raw.sequence) == 8
    assert findings.counts[f"{VIDEO}_0"]["missing: box or keypoints"] == 3
    assert findings.counts[f"{VIDEO}_0"]["twice in one image, the second left out"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "it holds a list"),
        ({"images": []}, "no annotations"),
        ({"images": [{}], "annotations": []}, "an entry is not as PoseTrack 2018 has it"),
        ({"images": [{"id": 1}], "annotations": [{"image_id": 1}]}, "an entry is not as"),
    ],
)
def test_another_json_is_one_line_with_the_files_name(tmp_path: Path, content: Any, message: str) -> None:
    write(tmp_path, content)
    with pytest.raises(UserError, match=rf"{VIDEO}\.json: .*{message}"):
        loaded(tmp_path)


def test_files_that_are_not_there_are_told(tmp_path: Path) -> None:
    write(tmp_path, release())
    findings = Findings()
    list(raw_set("posetrack").find(tmp_path, "train")[-1].load(findings))
    assert findings.counts["the release"] == {"missing: files in annotations/train, of 593": 592}
    with pytest.raises(UserError, match=r"it has no annotations/val/\*\.json"):
        raw_set("posetrack").find(tmp_path, "val")
