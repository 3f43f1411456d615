"""PoseTrack 2018: people in crowded videos, 2D keypoints only.

Andriluka et al., PoseTrack: A Benchmark for Human Pose Estimation and Tracking, CVPR 2018. Boxes and choice of frames
are VIBE's (vibe_base spec, section 9.1), which means to skip one video, 021133_mpii_train, and does not: nor do we.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from anthropose.datasets.raw.base import (
    Findings,
    ImageFiles,
    RawOptions,
    RawSequence,
    RawSource,
    check_folder,
    short_release,
)
from anthropose.datasets.raw.files import needed, read_json
from anthropose.datasets.sequence import Sequence
from anthropose.errors import UserError
from anthropose.skeleton import POSETRACK_17

MARGIN = 0.8
"""The square's side, as a share of the longer side of the annotated box, which is loose."""
FILES = {"train": 593, "val": 170}
"""How many videos the release has."""
LEAST_FRAMES = 8
"""Of a track, in labelled images; shorter ones are left out."""


class PoseTrack:
    """All tracks of the labelled images.

    As published, only labelled images count, so that the frames of a track need not follow one another; Findings says
    where they do not. A keypoint counts wherever it is not exactly (0, 0), whatever its own flag is.
    """

    name = "posetrack"
    subsets: tuple[str, ...] = ("train", "val")
    layout = """\
    ROOT/annotations/train/000001_bonn_train.json    and annotations/val/
    ROOT/images/train/000001_bonn_train/000000.jpg"""
    crop_scale = 1.3

    def __init__(self, options: RawOptions) -> None:
        self.options = options

    def find(self, root: Path, subset: str) -> list[RawSource]:
        """A source for each video."""
        check_folder(root, [f"annotations/{subset}/*.json"], self.layout)
        paths = sorted((root / "annotations" / subset).glob("*.json"))
        sources = [RawSource(path.stem, partial(self._load, root, path)) for path in paths]
        return sources + short_release(len(paths), FILES[subset], f"files in annotations/{subset}")

    def _load(self, root: Path, path: Path, findings: Findings) -> Iterator[RawSequence]:
        images, annotations = needed(read_json(path), path, "images", "annotations")
        try:
            tracks = _tracks(images, annotations, path.stem, findings)
            sequences = [_sequence(f"{path.stem}_{track}", rows, root, findings) for track, rows in tracks.items()]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"{path}: an entry is not as PoseTrack 2018 has it ({type(error).__name__}: {error})"
            ) from error
        yield from (raw for raw in sequences if raw is not None)


Row = tuple[dict[str, Any], dict[str, Any]]
"""An image and a person's annotation in it."""


def _tracks(
    images: list[dict[str, Any]], annotations: list[dict[str, Any]], video: str, findings: Findings
) -> dict[int, list[Row]]:
    """The annotations in labelled images, by track, in the order of the images."""
    labelled = {image["id"]: (place, image) for place, image in enumerate(images) if image.get("is_labeled", True)}
    rows: dict[int, dict[int, Row]] = {}
    for annotation in annotations:
        name = f"{video}_{annotation['track_id']}"
        if annotation["image_id"] not in labelled:
            findings.note(video, "people left out, their images are not labelled")
        elif not _is_whole(annotation):
            findings.missing(name, "box or keypoints")
        else:
            place, image = labelled[annotation["image_id"]]
            track = rows.setdefault(annotation["track_id"], {})
            findings.note(name, "twice in one image, the second left out", int(place in track))
            track.setdefault(place, (image, annotation))
    return {track: [by_place[place] for place in sorted(by_place)] for track, by_place in sorted(rows.items())}


def _is_whole(annotation: dict[str, Any]) -> bool:
    """Whether it has all keypoints, and a box that is one."""
    box = annotation.get("bbox") or (0, 0, 0, 0)
    return max(box[2:]) > 0 and len(annotation.get("keypoints") or ()) == 3 * len(POSETRACK_17)


def _sequence(name: str, rows: list[Row], root: Path, findings: Findings) -> RawSequence | None:
    """A track; None for a short one."""
    if len(rows) < LEAST_FRAMES:
        findings.left_out(name, f"in fewer than {LEAST_FRAMES} labelled images")
        return None
    keypoints = np.array([row["keypoints"] for _, row in rows], np.float64).reshape(len(rows), len(POSETRACK_17), 3)
    keypoints[..., 2] = keypoints[..., :2].any(2)
    left, top, width, height = np.array([row["bbox"] for _, row in rows], np.float64).reshape(-1, 4).T
    side = np.maximum(width, height) * MARGIN
    paths = [str(image["file_name"]) for image, _ in rows]
    frames = np.array([int(Path(path).stem) for path in paths])
    findings.note(name, "gaps between frames, which count as consecutive", int((np.diff(frames) != 1).sum()))
    sequence = Sequence(
        name,
        keypoints=keypoints,
        keypoint_set=POSETRACK_17,
        boxes=np.column_stack([left + width / 2, top + height / 2, side, side]),
        frames=frames,
        images=np.array(paths),
    )
    return RawSequence(sequence, ImageFiles(tuple(root / path for path in paths)), PoseTrack.crop_scale)
