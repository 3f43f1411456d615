"""Tracks from other programs' files: AlphaPose, OpenPose, COCO's format, MOT's text.

A file is known by what is in it. Persons are told apart by the ids in the file; rows without one are linked by our
own follower. Frames are numbered from 0 as in our own tracks: AlphaPose and OpenPose write the number into the
names, MOT counts from 1, and COCO's images are numbered in the order of their names unless they say `frame_id`.
"""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from anthropose.errors import UserError
from anthropose.motion import Track
from anthropose.people.detections import Detections
from anthropose.people.follow import FollowConfig, follow
from anthropose.skeleton import BODY_25, COCO_17, HALPE_26, MEDIAPIPE_33, OPENPOSE_18, Skeleton

NO_POINTS = Skeleton("boxes", (), ())
STAF_21 = Skeleton(
    "staf-21",
    (*(j for j in BODY_25.joints if "toe" not in j and "heel" not in j), "neck", "head_top"),
    (*(BODY_25.parents[i] for i, j in enumerate(BODY_25.joints) if "toe" not in j and "heel" not in j), -1, 0),
)
"""OpenPose's STAF branch (parallel_branch specification, section 12)."""

COCO_ORDERS = {17: COCO_17, 26: HALPE_26, 33: MEDIAPIPE_33, 68: HALPE_26, 133: COCO_17, 136: HALPE_26}
"""Of AlphaPose and COCO files, by the number of keypoints; the larger sets begin with the body's."""
OPENPOSE_ORDERS = {25: BODY_25, 21: STAF_21, 18: OPENPOSE_18}

EXPECTED = "expected AlphaPose or COCO json, a folder of OpenPose json, or MOT text"
TRUSTING = FollowConfig(sure_score=0.3, least_mean_score=0.2, most_unrest=math.inf, mend_sides=False)
"""Others' confidences run lower than our detector's, they have thrown out their ghosts, and points stay as given."""


@dataclass(frozen=True)
class _Row:
    """One person in one frame of a file."""

    frame: int
    person: int | None
    score: float
    box: tuple[float, float, float, float] | None
    """Left, top, right, bottom."""
    points: np.ndarray | None
    """k x 3."""
    skeleton: Skeleton


def read_tracks(path: Path | str, image_size: tuple[int, int], frames_per_second: float = 30.0) -> list[Track]:
    """The people of another program's file or folder, numbered from 0 in the order of first appearance.

    Args:
        image_size: width and height of the video in pixels, which boxes are cut to.
        frames_per_second: of the video; matters only where our follower has to link rows without ids.

    Raises:
        UserError: the file is missing, cut short, or of no known kind.
    """
    path = Path(path)
    try:
        rows = _openpose_folder(path) if path.is_dir() else _file(path)
        return _tracks([_cleaned(row, image_size) for row in rows if _is_usable(row)], image_size, frames_per_second)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file or folder; {EXPECTED}") from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise UserError(
            f"{path}: a row is not as it should be ({type(error).__name__}: {error}); {EXPECTED}"
        ) from error


def _file(path: Path) -> list[_Row]:
    text = _text(path)
    start = text.lstrip()[:1]
    if start in ("[", "{"):
        return _json_rows(_json(path, text), path)
    if start and (start.isdigit() or start == "-"):
        return _mot(text, path)
    raise UserError(f"{path}: {EXPECTED}, found {'an empty file' if not start else 'something else'}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path}: {EXPECTED}, found a binary file") from None
    except PermissionError:
        raise UserError(f"{path}: no permission to read it") from None


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path}: cut short or not json ({error}); write it again") from None


def _json_rows(content: Any, path: Path) -> list[_Row]:
    if isinstance(content, list):
        if not content:
            return []
        first = content[0]
        if isinstance(first, dict) and "image_id" in first:
            return _coco_results(content) if isinstance(first["image_id"], int) else _alphapose(content)
    elif isinstance(content, dict):
        if "annotations" in content:
            return _coco(content)
        if "people" in content:
            return _openpose_people(content, _last_number(path.stem) or 0)
        if content and all(isinstance(v, dict) and ("people" in v or "bodies" in v) for v in content.values()):
            return _alphapose_open(content)
    raise UserError(f"{path}: {EXPECTED}, found other json")


def _alphapose(results: list[dict[str, Any]]) -> list[_Row]:
    """AlphaPose's own format: image names, `keypoints`, `score`, `idx` with tracking."""
    numbers = _frame_numbers(str(result["image_id"]) for result in results)
    return [
        _row(numbers[str(r["image_id"])], _id(r.get("idx")), r["keypoints"], COCO_ORDERS, r.get("box"), None)
        for r in results
    ]


def _alphapose_open(images: dict[str, dict[str, Any]]) -> list[_Row]:
    """AlphaPose's `--format open` and `cmu`: image name -> OpenPose's people, in one file."""
    numbers = _frame_numbers(images)
    rows = []
    for name, image in images.items():
        for person in image.get("people", image.get("bodies", [])):
            rows += _openpose_people({"people": [person]}, numbers[name])
    return rows


def _openpose_folder(folder: Path) -> list[_Row]:
    """One json per frame, in the order of the names; also a folder that holds AlphaPose's result."""
    if (folder / "alphapose-results.json").is_file():
        return _file(folder / "alphapose-results.json")
    files = sorted(folder.glob("*.json"))
    if not files:
        raise UserError(f"{folder}: {EXPECTED}, found a folder without json files")
    numbers = _frame_numbers(file.stem for file in files)
    rows = []
    for file in files:
        content = _json(file, _text(file))
        if not isinstance(content, dict) or "people" not in content:
            raise UserError(f"{file}: expected OpenPose's json with `people`, found something else")
        rows += _openpose_people(content, numbers[file.stem])
    return rows


def _openpose_people(content: dict[str, Any], frame: int) -> list[_Row]:
    rows = []
    for person in content["people"]:
        points = person.get("pose_keypoints_2d", person.get("joints"))
        if points:
            rows.append(
                _row(frame, _id(person.get("person_id", person.get("idx"))), points, OPENPOSE_ORDERS, None, None)
            )
    return rows


def _coco(content: dict[str, Any]) -> list[_Row]:
    """COCO's annotation file: images, annotations, categories; keypoints carry flags 0, 1 (hidden), 2 (visible)."""
    images = content.get("images", [])
    if images and all("frame_id" in image for image in images):
        frames = {image["id"]: int(image["frame_id"]) for image in images}
    else:
        order = sorted(images, key=lambda image: (str(image.get("file_name", "")), image["id"]))
        frames = {image["id"]: i for i, image in enumerate(order)}
    people = {c["id"] for c in content.get("categories", []) if c.get("name") == "person"}
    rows = []
    for a in content["annotations"]:
        if not people or a.get("category_id") in people:
            frame = frames[a["image_id"]] if frames else int(a["image_id"])
            person = _id(a.get("track_id", a.get("instance_id")))
            rows.append(_row(frame, person, a.get("keypoints"), COCO_ORDERS, a.get("bbox"), a.get("score", 1.0)))
    return rows


def _coco_results(results: list[dict[str, Any]]) -> list[_Row]:
    """COCO's result list: image numbers, `keypoints` or `bbox`, `score`."""
    return [
        _row(
            int(r["image_id"]),
            _id(r.get("track_id", r.get("idx"))),
            r.get("keypoints"),
            COCO_ORDERS,
            r.get("bbox", r.get("box")),
            r.get("score"),
        )
        for r in results
        if r.get("category_id", 1) == 1
    ]


def _mot(text: str, path: Path) -> list[_Row]:
    """frame, id, left, top, width, height, confidence, ...; frames count from 1, ids below 0 stand for none."""
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.replace(",", " ").split()
        if not fields:
            continue
        try:
            values = [float(field) for field in fields]
            frame, person, left, top, width, height = values[:6]
        except ValueError:
            raise UserError(
                f"{path}: line {number} is not MOT's `frame,id,left,top,width,height,...`: {line[:60]}"
            ) from None
        confidence = values[6] if len(values) > 6 else 1.0
        # Nine fields are a ground truth: a flag that may say "ignore", and a class, of which 1 is a pedestrian.
        if len(values) == 9 and (confidence == 0 or values[7] not in (1, -1)):
            continue
        rows.append(_row(int(frame) - 1, _id(person), None, {}, (left, top, width, height), confidence))
    return rows


def _row(
    frame: int, person: int | None, points: Any, orders: dict[int, Skeleton], box: Any, score: float | None
) -> _Row:
    """A row from flat numbers: keypoints x, y, confidence, ..., box left, top, width, height."""
    corners = None
    if box is not None:
        left, top, width, height = (float(value) for value in box)
        corners = (left, top, left + width, top + height)
    if not points:
        return _Row(frame, person, 1.0 if score is None else float(score), corners, None, NO_POINTS)
    array = np.asarray(points, dtype=float)
    if array.size % 3 or array.size // 3 not in orders:
        known = ", ".join(str(k) for k in orders)
        raise ValueError(f"{array.size / 3:g} keypoints; known are sets of {known}")
    array = array.reshape(-1, 3)
    skeleton = orders[len(array)]
    array = array[: len(skeleton)].copy()
    if (array[:, 2] > 1).any() and np.isin(array[:, 2], (0, 1, 2)).all():
        array[:, 2] /= 2
    array[:, 2] = array[:, 2].clip(0, 1)
    seen = array[:, 2] > 0
    return _Row(frame, person, float(array[seen, 2].mean()) if seen.any() else 0.0, corners, array, skeleton)


def _id(value: Any) -> int | None:
    """AlphaPose and OpenPose wrap ids in lists, and write -1 for none."""
    while isinstance(value, list):
        value = value[0] if value else None
    return None if value is None or float(value) < 0 else int(value)


def _last_number(name: str) -> int | None:
    digits = re.findall(r"\d+", name)
    return int(digits[-1]) if digits else None


def _frame_numbers(names: Iterable[str]) -> dict[str, int]:
    """Frame numbers from the last number in each name; from the order of the names where some have none."""
    unique = sorted(set(names))
    numbers = {name: _last_number(Path(name).stem) for name in unique}
    if None in numbers.values() or len(set(numbers.values())) < len(unique):
        return {name: i for i, name in enumerate(unique)}
    return {name: number for name, number in numbers.items() if number is not None}


def _is_usable(row: _Row) -> bool:
    """With finite numbers, and with something seen."""
    if row.frame < 0 or not math.isfinite(row.score):
        return False
    if row.points is not None:
        return bool(np.isfinite(row.points).all() and (row.points[:, 2] > 0).sum() >= 3)
    return row.box is not None and all(math.isfinite(edge) for edge in row.box)


def _cleaned(row: _Row, image_size: tuple[int, int]) -> _Row:
    """With a box inside the image; made from the keypoints, a tenth wider, where the file has none."""
    box = row.box
    if box is None and row.points is not None:
        seen = row.points[row.points[:, 2] > 0.05, :2]
        seen = seen if len(seen) >= 2 else row.points[row.points[:, 2] > 0, :2]
        low, high = seen.min(axis=0), seen.max(axis=0)
        margin = 0.1 * max(*(high - low), 1.0)
        box = (*(low - margin), *(high + margin))
    assert box is not None
    width, height = image_size
    limits = (width, height, width, height)
    left, top, right, bottom = (float(np.clip(edge, 0, limit)) for edge, limit in zip(box, limits, strict=True))
    return replace(row, box=(left, top, right, bottom))


def _tracks(rows: list[_Row], image_size: tuple[int, int], rate: float) -> list[Track]:
    """One track per id, and those that our follower makes of the rest; all rows must have the same keypoints."""
    kinds = {row.skeleton.name for row in rows}
    if len(kinds) > 1:
        raise ValueError(f"rows with different keypoints: {', '.join(sorted(kinds))}")
    named: dict[int, dict[int, _Row]] = {}
    for row in sorted((r for r in rows if r.person is not None), key=lambda r: (r.frame, r.score)):
        # Of two rows for one person in one frame, the surer comes later and stays.
        named.setdefault(row.person, {})[row.frame] = row  # type: ignore[arg-type]
    tracks = [_track(_detections(list(by_frame.values()))) for by_frame in named.values()]
    nameless = sorted((r for r in rows if r.person is None), key=lambda r: r.frame)
    if nameless:
        tracks += follow(_detections(nameless), rate, image_size, TRUSTING)
    tracks.sort(key=lambda track: int(track.frames[0]))
    return [replace(track, person=person) for person, track in enumerate(tracks)]


def _detections(rows: list[_Row]) -> Detections:
    skeleton = rows[0].skeleton
    points = [row.points if row.points is not None else np.zeros((0, 3)) for row in rows]
    return Detections(
        frames=torch.tensor([row.frame for row in rows], dtype=torch.int64),
        boxes=torch.tensor([row.box for row in rows], dtype=torch.float32),
        scores=torch.tensor([row.score for row in rows], dtype=torch.float32),
        keypoints=torch.from_numpy(np.stack(points).astype(np.float32)),
        skeleton=skeleton,
        looks=torch.zeros(len(rows), 0),
    )


def _track(own: Detections) -> Track:
    if not len(own.skeleton):
        return Track(0, own.frames, own.boxes)
    return Track(0, own.frames, own.boxes, own.keypoints, own.skeleton)
