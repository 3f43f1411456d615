"""Videos of one's own with the people that AlphaPose or OpenPose found in them, laid out as DynaBOA wants them.

Its authors' way (dynaboa spec, section 12) knows no people, drops weak detections without a word and is here under a
name of its own; by default every person is a sequence, and what is dropped is told.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from anthropose.datasets.raw.alphapose import SCALE, internet_frames
from anthropose.datasets.raw.base import (
    Findings,
    ImageFiles,
    Pictures,
    RawOptions,
    RawSequence,
    RawSource,
    VideoFrames,
    check_folder,
)
from anthropose.datasets.raw.files import read_json
from anthropose.datasets.raw.rows import numbered_images, runs
from anthropose.datasets.sequence import Sequence
from anthropose.errors import UserError
from anthropose.motion import Track
from anthropose.people.readers import read_tracks
from anthropose.skeleton import COCO_17, SPIN_49
from anthropose.video.images import DEFAULT_RATE, image_size
from anthropose.video.opening import open_video

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg")


class Internet:
    """A sequence for each person and run of frames that follow one another, with all confidences as they are.

    Boxes are AlphaPose's own, or a tenth wider than the keypoints, made square.
    """

    name = "internet"
    subsets: tuple[str, ...] = ("test",)
    layout = """\
    ROOT/NAME.mp4                   the video, or its frames as images/NAME/000001.png and so on
    ROOT/NAME.json                  what AlphaPose found (its alphapose-results.json, renamed), or
    ROOT/NAME/*_keypoints.json      what OpenPose found, one file for each frame; or in NAME_json/"""
    crop_scale = 1.1

    def __init__(self, options: RawOptions) -> None:
        self.options = options

    def find(self, root: Path, subset: str) -> list[RawSource]:
        """A source for each video, also for those without detections, which then say so."""
        check_folder(root, ["*"], self.layout)
        videos = {path.stem: path for path in sorted(root.iterdir()) if path.suffix.lower() in VIDEOS}
        folders = {path.name: path for path in sorted((root / "images").glob("*")) if path.is_dir()}
        if not videos and not folders:
            raise UserError(f"{root}: it has neither videos nor folders in images/. Expected\n{self.layout}")
        found = videos | folders
        return [RawSource(name, partial(self._load, root, found[name])) for name in sorted(found)]

    def _load(self, root: Path, path: Path, findings: Findings) -> Iterator[RawSequence]:
        name = path.name if path.is_dir() else path.stem
        detections = _detections(root, name)
        frames = _frames(path, root, detections)
        yield from self._sequences(name, detections, frames, findings)

    def _sequences(self, name: str, path: Path, frames: "_Frames", findings: Findings) -> Iterator[RawSequence]:
        for track in read_tracks(path, frames.size, frames.rate):
            person = f"{name}_{track.person}"
            there = frames.have(track.frames.numpy())
            findings.missing(person, "pictures of frames with this person", int((~there).sum()))
            rows = np.flatnonzero(there)
            parts = runs(track.frames.numpy()[rows])
            for part, run in enumerate(parts):
                own = person if len(parts) == 1 else f"{person}_seg{part}"
                yield self._sequence(own, track, rows[run], frames)

    def _sequence(self, name: str, track: Track, rows: np.ndarray, frames: "_Frames") -> RawSequence:
        numbers, boxes = track.frames.numpy()[rows], track.boxes.double().numpy()[rows]
        side = (boxes[:, 2:] - boxes[:, :2]).max(1)
        labels: dict[str, Any] = {}
        if track.keypoints is not None:
            labels = {"keypoints": track.keypoints.numpy()[rows], "keypoint_set": track.skeleton}
        sequence = Sequence(
            name,
            boxes=np.column_stack([(boxes[:, :2] + boxes[:, 2:]) / 2, side, side]),
            frames=frames.indices(numbers),
            images=frames.names(numbers),
            **labels,
        )
        return RawSequence(sequence, frames.pictures(numbers), self.crop_scale)


class InternetAsDynaBOA(Internet):
    """DynaBOA's own way: one sequence for each video, of all detections of AlphaPose that are sure and large enough.

    Two people of one frame become two frames one after the other. Boxes go around all 17 joints, seen or not;
    confidences are 0 or 1.
    """

    name = "internet-dynaboa"
    crop_scale = 1.0

    def _sequences(self, name: str, path: Path, frames: "_Frames", findings: Findings) -> Iterator[RawSequence]:
        numbers, keypoints, scores = _alphapose(path)
        there = frames.have(numbers)
        findings.missing(name, "pictures of detections", int((~there).sum()))
        numbers, keypoints, scores = (array[there] for array in (numbers, keypoints, scores))
        kept = internet_frames(keypoints, scores)
        findings.note(name, "detections left out: weak or small", len(numbers) - len(kept))
        if not kept:
            raise UserError(f"{path}: no detection is sure and large enough")
        numbers = numbers[[frame.detection for frame in kept]]
        squares = np.array([(*frame.center, SCALE * frame.scale, SCALE * frame.scale) for frame in kept])
        sequence = Sequence(
            name,
            keypoints=np.stack([frame.keypoints for frame in kept]),
            keypoint_set=SPIN_49,
            boxes=squares,
            frames=frames.indices(numbers),
            images=frames.names(numbers),
        )
        yield RawSequence(sequence, frames.pictures(numbers), self.crop_scale)


def _detections(root: Path, name: str) -> Path:
    """The file or folder of what was found in a video."""
    places = [root / f"{name}.json", root / name, root / f"{name}_json"]
    for place in places:
        if place.is_file() or (place.is_dir() and any(place.glob("*.json"))):
            return place
    raise UserError(f"{places[0]}: no such file, nor {name}/*_keypoints.json; run AlphaPose or OpenPose first")


def _alphapose(path: Path) -> tuple[Int[np.ndarray, "d"], np.ndarray, np.ndarray]:
    """Numbers of the images, keypoints and scores of AlphaPose's detections, in the order of the images."""
    try:
        rows = read_json(path)
        numbers = np.array([_last_number(str(row["image_id"])) for row in rows], np.int64)
        keypoints = np.array([row["keypoints"] for row in rows], np.float64).reshape(len(rows), len(COCO_17), 3)
        scores = np.array([row["score"] for row in rows], np.float64)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UserError(
            f"{path}: expected AlphaPose's list of detections with 17 keypoints ({type(error).__name__}: {error})"
        ) from error
    order = np.argsort(numbers, kind="stable")
    return numbers[order], keypoints[order], scores[order]


def _last_number(name: str) -> int:
    return int(re.findall(r"\d+", Path(name).stem)[-1])


@dataclass(frozen=True)
class _Frames(ABC):
    """A video's frames by the numbers that the files of detections have for them."""

    size: tuple[int, int]
    rate: float

    @abstractmethod
    def have(self, numbers: Int[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
        """Which of them there are."""

    @abstractmethod
    def indices(self, numbers: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
        """Counted from 0."""

    @abstractmethod
    def names(self, numbers: Int[np.ndarray, "n"]) -> np.ndarray | None:
        """The files of their pictures below the release's folder, where they have some."""

    @abstractmethod
    def pictures(self, numbers: Int[np.ndarray, "n"]) -> Pictures:
        """What they show."""


@dataclass(frozen=True)
class _Images(_Frames):
    files: dict[int, Path]
    root: Path

    def have(self, numbers: Int[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
        return np.array([number in self.files for number in numbers.tolist()], bool)

    def indices(self, numbers: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
        return numbers - min(self.files)

    def names(self, numbers: Int[np.ndarray, "n"]) -> np.ndarray | None:
        return np.array([self.files[number].relative_to(self.root).as_posix() for number in numbers.tolist()])

    def pictures(self, numbers: Int[np.ndarray, "n"]) -> Pictures:
        return ImageFiles(tuple(self.files[number] for number in numbers.tolist()))


@dataclass(frozen=True)
class _VideoFile(_Frames):
    path: Path
    count: int
    first: int
    """The number that its first frame goes by."""

    def have(self, numbers: Int[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
        return (numbers >= self.first) & (numbers < self.first + self.count)

    def indices(self, numbers: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
        return numbers - self.first

    def names(self, numbers: Int[np.ndarray, "n"]) -> np.ndarray | None:
        return None

    def pictures(self, numbers: Int[np.ndarray, "n"]) -> Pictures:
        return VideoFrames(self.path, self.indices(numbers))


def _frames(path: Path, root: Path, detections: Path) -> _Frames:
    """Those of a video file, or of a folder of images."""
    if path.is_dir():
        files = numbered_images(path)
        if not files:
            raise UserError(f"{path}: it holds no images with numbers in their names")
        return _Images(image_size(next(iter(files.values()))), DEFAULT_RATE, files, root)
    video = open_video(path)
    return _VideoFile(video.size, video.fps, path, len(video), _first_number(detections))


def _first_number(path: Path) -> int:
    """Whether a file of detections counts a video's frames from 0, as AlphaPose and OpenPose do on videos, or from 1.

    Run on images that FFmpeg has cut from the video, both count from 1: OpenPose has a file for every frame then but
    number 0, and AlphaPose has the images' names, padded with zeros.
    """
    if path.is_dir():
        return 0 if any(_last_number(file.stem) == 0 for file in path.glob("*.json")) else 1
    rows = read_json(path)
    stems = [Path(str(row.get("image_id", ""))).stem for row in rows if isinstance(row, dict)] if rows else []
    padded = [stem for stem in stems if re.fullmatch(r"0\d+", stem)]
    return 1 if padded and all(int(stem) > 0 for stem in padded) else 0
