import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anthropose.errors import UserError
from anthropose.motion import Track
from anthropose.people.readers import read_tracks
from anthropose.skeleton import BODY_25, COCO_17, HALPE_26, OPENPOSE_18

SIZE = (640, 480)


def person(frame: int, number: int, joints: int) -> list[float]:
    """Flat keypoints of a made-up person: two people walk in opposite directions."""
    random = np.random.default_rng(number)
    x = 100 + 4 * frame if number == 0 else 500 - 4 * frame
    points = np.column_stack([x + 40 * random.random(joints), 200 + 150 * random.random(joints), np.full(joints, 0.8)])
    return points.ravel().tolist()


def both(frames: int = 30) -> list[tuple[int, int]]:
    return [(frame, number) for frame in range(frames) for number in (0, 1)]


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def alphapose(path: Path, joints: int = 26, idx: bool = True, name: str = "{}.jpg") -> Path:
    rows = []
    for frame, number in both():
        row = {
            "image_id": name.format(frame),
            "category_id": 1,
            "keypoints": person(frame, number, joints),
            "score": 2.9,
        }
        row["box"] = [100 + 4 * frame if number == 0 else 500 - 4 * frame, 190, 50, 170]
        rows.append(row | ({"idx": [7 + number]} if idx else {}))
    return write(path, rows)


def openpose(folder: Path, joints: int = 25, ids: bool = True) -> Path:
    for frame in range(30):
        people = [
            {
                "person_id": [5 + n if ids else -1],
                "pose_keypoints_2d": person(frame, n, joints),
                "face_keypoints_2d": [],
            }
            for n in (0, 1)
        ]
        write(folder / f"clip_{frame:012d}_keypoints.json", {"version": 1.3, "people": people})
    return folder


def coco(path: Path, track_ids: bool = True) -> Path:
    images = [{"id": 900 - frame, "file_name": f"{frame:06d}.jpg", "height": 480, "width": 640} for frame in range(30)]
    annotations = []
    for i, (frame, number) in enumerate(both()):
        flags = np.array(person(frame, number, 17)).reshape(-1, 3)
        flags[:, 2] = [2, 1, 0] * 5 + [2, 2]
        row = {"id": i, "image_id": 900 - frame, "category_id": 1, "keypoints": flags.ravel().tolist()}
        row["bbox"] = [100 + 4 * frame if number == 0 else 500 - 4 * frame, 190, 50, 170]
        annotations.append(row | ({"track_id": 3 + number} if track_ids else {}))
    categories = [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}]
    annotations.append({"id": 999, "image_id": 900, "category_id": 2, "bbox": [0, 0, 50, 50]})
    return write(path, {"images": images, "annotations": annotations, "categories": categories})


def coco_results(path: Path) -> Path:
    rows = [{"image_id": f, "category_id": 1, "keypoints": person(f, n, 17), "score": 0.9} for f, n in both()]
    return write(path, rows)


def mot(path: Path, ids: bool = True) -> Path:
    lines = []
    for frame, number in both():
        left = 100 + 4 * frame if number == 0 else 500 - 4 * frame
        lines.append(f"{frame + 1},{number + 1 if ids else -1},{left},190,50,170,0.9,-1,-1,-1")
    path.write_text("\n".join(lines) + "\n")
    return path


def assert_two_people(tracks: list[Track]) -> None:
    assert [track.person for track in tracks] == [0, 1]
    for track in tracks:
        assert track.frames.tolist() == list(range(30))
        steps = track.boxes[:, 0].diff()
        assert (steps > 0).all() or (steps < 0).all(), "nobody turns round"


@pytest.mark.parametrize("ids", [True, False])
def test_every_known_kind_gives_the_two_people_with_and_without_ids(tmp_path: Path, ids: bool) -> None:
    assert_two_people(read_tracks(alphapose(tmp_path / "a.json", idx=ids), SIZE))
    assert_two_people(read_tracks(openpose(tmp_path / "o", ids=ids), SIZE))
    assert_two_people(read_tracks(coco(tmp_path / "c.json", track_ids=ids), SIZE))
    assert_two_people(read_tracks(mot(tmp_path / "m.txt", ids=ids), SIZE))
    assert_two_people(read_tracks(coco_results(tmp_path / "r.json"), SIZE))


@pytest.mark.parametrize(("joints", "skeleton"), [(17, COCO_17), (26, HALPE_26), (136, HALPE_26), (133, COCO_17)])
def test_alphapose_keypoints_are_named_by_their_number(tmp_path: Path, joints: int, skeleton: object) -> None:
    track = read_tracks(alphapose(tmp_path / "a.json", joints), SIZE)[0]
    assert track.skeleton == skeleton
    assert track.keypoints is not None
    expected = np.array(person(0, 0, joints)).reshape(-1, 3)[: track.keypoints.shape[1]]
    assert np.allclose(track.keypoints[0], expected)


@pytest.mark.parametrize(("joints", "skeleton"), [(25, BODY_25), (18, OPENPOSE_18)])
def test_openpose_keypoints_are_named_by_their_number(tmp_path: Path, joints: int, skeleton: object) -> None:
    assert read_tracks(openpose(tmp_path / "o", joints), SIZE)[0].skeleton == skeleton


def test_openpose_staf_has_neck_and_head_top_of_lsp(tmp_path: Path) -> None:
    skeleton = read_tracks(openpose(tmp_path / "o", 21), SIZE)[0].skeleton
    assert skeleton is not None
    assert skeleton.joints[:2] == ("op_nose", "op_neck")
    assert skeleton.joints[18:] == ("op_left_ear", "neck", "head_top")


def test_a_folder_with_alphaposes_result_is_alphaposes(tmp_path: Path) -> None:
    alphapose(tmp_path / "out" / "alphapose-results.json")
    assert_two_people(read_tracks(tmp_path / "out", SIZE))


def test_coco_flags_become_confidences(tmp_path: Path) -> None:
    track = read_tracks(coco(tmp_path / "c.json"), SIZE)[0]
    assert track.keypoints is not None
    assert track.keypoints[0, :3, 2].tolist() == [1.0, 0.5, 0.0]


def test_mot_files_have_boxes_alone(tmp_path: Path) -> None:
    track = read_tracks(mot(tmp_path / "m.txt"), SIZE)[0]
    assert track.keypoints is None
    assert track.skeleton is None
    assert track.boxes[0].tolist() == [100, 190, 150, 360]


def test_mots_ground_truth_leaves_out_what_it_says_to_ignore(tmp_path: Path) -> None:
    path = tmp_path / "gt.txt"
    path.write_text("1,1,10,10,50,100,1,1,0.9\n1,2,10,10,50,100,0,1,0.9\n1,3,90,10,50,100,1,7,0.9\n")
    assert len(read_tracks(path, SIZE)) == 1


def test_boxes_are_made_from_keypoints_and_cut_to_the_image(tmp_path: Path) -> None:
    track = read_tracks(openpose(tmp_path / "o"), (120, 300))[0]
    assert (track.boxes[:, 2] <= 120).all()
    assert (track.boxes[:, 3] <= 300).all()


def test_zero_confidence_points_do_not_stretch_the_box(tmp_path: Path) -> None:
    points = np.array(person(0, 0, 25)).reshape(-1, 3)
    points[4] = 0
    write(
        tmp_path / "o" / "x_000_keypoints.json",
        {"people": [{"person_id": [0], "pose_keypoints_2d": points.ravel().tolist()}]},
    )
    assert read_tracks(tmp_path / "o", SIZE)[0].boxes[0, 0] > 50


def test_of_two_rows_for_one_person_in_one_frame_the_surer_stays(tmp_path: Path) -> None:
    path = tmp_path / "m.txt"
    path.write_text("1,1,10,10,50,100,0.5\n1,1,20,10,50,100,0.9\n1,1,30,10,50,100,0.7\n")
    (track,) = read_tracks(path, SIZE)
    assert track.boxes[:, 0].tolist() == [20]


def test_a_video_without_people_is_no_mistake(tmp_path: Path) -> None:
    assert read_tracks(write(tmp_path / "a.json", []), SIZE) == []
    write(tmp_path / "o" / "x_000_keypoints.json", {"people": []})
    assert read_tracks(tmp_path / "o", SIZE) == []


def test_rows_with_values_that_are_not_numbers_are_left_out(tmp_path: Path) -> None:
    rows = json.loads(alphapose(tmp_path / "a.json").read_text())
    rows[0]["keypoints"][0] = float("nan")
    tracks = read_tracks(write(tmp_path / "b.json", rows), SIZE)
    assert sorted(len(track) for track in tracks) == [29, 30]


MISTAKES = {
    "missing": lambda path: None,
    "empty": lambda path: path.write_text(""),
    "prose": lambda path: path.write_text("hello there"),
    "binary": lambda path: path.write_bytes(bytes(range(256))),
    "other json": lambda path: write(path, {"hello": 1}),
    "other list": lambda path: write(path, [1, 2, 3]),
    "cut json": lambda path: path.write_text(alphapose(path).read_text()[:2000]),
    "cut mot": lambda path: path.write_text("1,1,10,10,50,100,0.9\n2,1,10"),
    "wrong count": lambda path: write(path, [{"image_id": "0.jpg", "keypoints": [1.0] * 33, "score": 1}]),
    "no keypoints": lambda path: write(path, [{"image_id": "0.jpg", "score": 1}]),
    "keypoints of text": lambda path: write(path, [{"image_id": "0.jpg", "keypoints": ["a"] * 51, "score": 1}]),
    "empty folder": lambda path: path.mkdir(),
    "deep": lambda path: path.write_text("[" * 100_000),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_file_is_one_clear_line_that_names_it(tmp_path: Path, mistake: str) -> None:
    path = tmp_path / "people.json"
    MISTAKES[mistake](path)
    with pytest.raises(UserError) as error:
        read_tracks(path, SIZE)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)
