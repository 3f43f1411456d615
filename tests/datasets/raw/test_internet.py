"""Videos with AlphaPose's and OpenPose's files beside them, as DynaBOA wants them laid out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anthropose.datasets.raw.base import Findings, ImageFiles, RawSequence, VideoFrames, raw_set
from anthropose.errors import UserError
from anthropose.skeleton import BODY_25, COCO_17, SPIN_49
from tests.clips import read_number, write_clip
from tests.datasets.raw.releases import write_pictures

SIZE = (640, 480)


def person(frame: int, place: int = 0, joints: int = 17) -> np.ndarray:
    """Keypoints of a person that is 300 pixels high and moves a little."""
    generator = np.random.default_rng(place)
    points = np.column_stack([generator.uniform(100, 250, joints), generator.uniform(100, 400, joints)])
    points[:2, 1] = 100, 400
    return np.column_stack([points + np.array([200 * place + frame, 0]), generator.uniform(0.4, 1, joints)])


def detection(name: str, keypoints: np.ndarray, score: float = 3.0, **more: Any) -> dict[str, Any]:
    low, high = keypoints[:, :2].min(0), keypoints[:, :2].max(0)
    return {
        "image_id": name,
        "category_id": 1,
        "keypoints": keypoints.ravel().tolist(),
        "score": score,
        "box": [*low.tolist(), *(high - low).tolist()],
        **more,
    }


def loaded(root: Path, name: str = "internet", findings: Findings | None = None) -> list[RawSequence]:
    sources = raw_set(name).find(root, "test")
    return [raw for source in sources for raw in source.load(findings if findings is not None else Findings())]


def test_each_person_in_alphaposes_file_is_a_sequence(tmp_path: Path) -> None:
    write_clip(tmp_path / "street.mp4", 8, SIZE)
    rows = [
        detection(f"{frame}.jpg", person(frame, place), idx=place + 1)
        for frame in range(2, 7)
        for place in range(2)
        if (frame, place) != (4, 1)
    ]
    (tmp_path / "street.json").write_text(json.dumps(rows))
    found = loaded(tmp_path)
    assert [raw.sequence.name for raw in found] == ["street_0", "street_1_seg0", "street_1_seg1"]
    assert [raw.sequence.frames.tolist() for raw in found] == [[2, 3, 4, 5, 6], [2, 3], [5, 6]]  # type: ignore[union-attr]
    sequence = found[0].sequence
    assert sequence.keypoint_set == COCO_17
    np.testing.assert_allclose(sequence.keypoints[3], person(5), rtol=1e-5)  # type: ignore[index]
    points = person(5)[:, :2]
    side = np.ptp(points, axis=0).max()
    np.testing.assert_allclose(
        sequence.boxes[3],
        [*(points.min(0) + points.max(0)) / 2, side, side],
        rtol=1e-5,  # type: ignore[index]
    )
    assert isinstance(found[0].pictures, VideoFrames)
    assert [read_number(np.asarray(picture)) for picture in found[0].pictures.frames()] == [2, 3, 4, 5, 6]


def test_names_of_images_that_ffmpeg_has_cut_count_from_one(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", 5, SIZE)
    rows = [detection(f"{frame + 1:06d}.png", person(frame), idx=1) for frame in range(5)]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    (raw,) = loaded(tmp_path)
    assert raw.pictures is not None
    assert [read_number(np.asarray(picture)) for picture in raw.pictures.frames()] == [0, 1, 2, 3, 4]
    write_pictures(tmp_path / "images" / "a", [f"{frame:06d}.png" for frame in (1, 2, 4, 5)], SIZE)
    findings = Findings()
    first, second = loaded(tmp_path, findings=findings)
    assert [raw.sequence.frames.tolist() for raw in (first, second)] == [[0, 1], [3, 4]]  # type: ignore[union-attr]
    assert second.sequence.images.tolist() == ["images/a/000004.png", "images/a/000005.png"]  # type: ignore[union-attr]
    assert findings.counts["a_0"] == {"missing: pictures of frames with this person": 1}


@pytest.mark.parametrize(("first", "folder"), [(0, "walk"), (1, "walk_json")])
def test_openposes_folder_is_read_with_its_own_joints(tmp_path: Path, first: int, folder: str) -> None:
    write_clip(tmp_path / "walk.mp4", 20, SIZE)
    (tmp_path / folder).mkdir()
    for frame in range(20):
        people = [{"person_id": [-1], "pose_keypoints_2d": person(frame, joints=25).ravel().tolist()}]
        name = f"walk_{frame + first:012d}_keypoints.json"
        (tmp_path / folder / name).write_text(json.dumps({"people": people}))
    (raw,) = loaded(tmp_path)
    assert raw.sequence.keypoint_set == BODY_25
    assert raw.sequence.frames.tolist() == list(range(20))  # type: ignore[union-attr]
    np.testing.assert_allclose(raw.sequence.keypoints[2], person(2, joints=25), rtol=1e-5)  # type: ignore[index]


def test_dynaboas_way_is_one_stream_of_sure_and_large_detections(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", 4, SIZE)
    small = person(1, 1) * [0.3, 0.3, 1]
    rows = [
        detection("000001.png", person(0)),
        detection("000002.png", person(1)),
        detection("000002.png", person(1, 1)),
        detection("000003.png", small),
        detection("000004.png", person(3), score=2.4),
        detection("000009.png", person(8)),
    ]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    findings = Findings()
    (raw,) = loaded(tmp_path, "internet-dynaboa", findings)
    sequence = raw.sequence
    assert sequence.name == "a"
    assert sequence.frames.tolist() == [0, 1, 1]  # type: ignore[union-attr]
    assert sequence.keypoint_set == SPIN_49
    wrist = person(1, 1)[COCO_17.index("left_wrist")]
    np.testing.assert_allclose(
        sequence.keypoints[2, SPIN_49.index("left_wrist")],
        [*wrist[:2], wrist[2] > 0.3],  # type: ignore[index]
    )
    assert (sequence.keypoints[:, :25] == 0).all()  # type: ignore[index]
    np.testing.assert_allclose(sequence.boxes[0, 2], np.ptp(person(0)[:, :2], axis=0).max())  # type: ignore[index]
    assert raw.pictures is not None
    assert [read_number(np.asarray(picture)) for picture in raw.pictures.frames()] == [0, 1, 1]
    assert findings.counts["a"] == {"missing: pictures of detections": 1, "detections left out: weak or small": 2}


def test_dynaboas_way_takes_pictures_of_a_folder(tmp_path: Path) -> None:
    write_pictures(tmp_path / "images" / "a", [f"{k:06d}.png" for k in (1, 2)], SIZE)
    rows = [detection(f"{k:06d}.png", person(k)) for k in (1, 2)]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    (raw,) = loaded(tmp_path, "internet-dynaboa")
    assert isinstance(raw.pictures, ImageFiles)
    assert raw.sequence.images.tolist() == ["images/a/000001.png", "images/a/000002.png"]  # type: ignore[union-attr]


def test_videos_without_detections_and_damaged_files_are_one_line_each(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", 2, SIZE)
    with pytest.raises(UserError, match=r"a\.json: no such file, nor a/\*_keypoints\.json"):
        loaded(tmp_path)
    (tmp_path / "a.json").write_text('[{"image_id": "0.jpg", ')
    for name in ("internet", "internet-dynaboa"):
        with pytest.raises(UserError, match=r"a\.json: "):
            loaded(tmp_path, name)
    (tmp_path / "a.json").write_text(json.dumps([detection("0.jpg", person(0)[:12])]))
    with pytest.raises(UserError, match=r"a\.json: expected AlphaPose's list of detections with 17 keypoints"):
        loaded(tmp_path, "internet-dynaboa")
    (tmp_path / "a.json").write_text("[]")
    assert loaded(tmp_path) == []
    with pytest.raises(UserError, match="no detection is sure and large enough"):
        loaded(tmp_path, "internet-dynaboa")


def test_a_folder_without_videos_is_told_with_the_right_layout(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"neither videos nor folders in images/. Expected\n    ROOT/NAME\.mp4"):
        raw_set("internet").find(tmp_path, "test")
