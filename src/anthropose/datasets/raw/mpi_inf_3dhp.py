"""MPI-INF-3DHP: its training part, filmed by fourteen cameras, and its test part.

Mehta et al., Monocular 3D Human Pose Estimation In The Wild Using Improved CNN Supervision, 3DV 2017. Which frames
count, and their boxes, are VIBE's and TCMR's (specs vibe_base 9.1, tcmr 4.3); what the data set's own evaluation needs
of its labels is in parallel_branch spec, section 10.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

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
from anthropose.datasets.raw.files import needed, read_hdf5, read_mat
from anthropose.datasets.raw.rows import boxes_around, numbered_images, runs
from anthropose.datasets.sequence import Sequence
from anthropose.errors import UserError
from anthropose.skeleton import MPII3D_17, MPII3D_28, SPIN_49, Skeleton
from anthropose.video.images import image_size

MARGIN = 1.1
"""How much wider than the keypoints a box is."""
TRAIN_SIZE = (2048, 2048)
"""Width and height of the training part's images [px]."""
TEST_SIZES = dict.fromkeys(("TS1", "TS2", "TS3", "TS4"), TRAIN_SIZE) | {"TS5": (1920, 1080), "TS6": (1920, 1080)}
"""The same of the test part's, for where no image is there to tell."""


class MPIInf3DHP:
    """The training part: 8 people, twice each, 8 of the 14 cameras.

    As published, a frame with a joint outside the image is left out and a new sequence begins behind it; so it does
    where labels are no numbers, or the release lacks a picture. Joints are `annot3`, relative to the pelvis.

    Crops are TCMR's `scale12`, which GLoT learns from as well; its `scale1` is a crop scale of 1.0, VIBE has 1.3.
    """

    name = "mpii3d"
    subsets: tuple[str, ...] = ("train",)
    layout = """\
    ROOT/S1/Seq1/annot.mat                           and so on for S1 to S8, Seq1 and Seq2
    ROOT/S1/Seq1/imageSequence/video_0.avi           as released; or the frames cut from it,
    ROOT/S1/Seq1/imageFrames/video_0/000000.jpg      numbered from 0 or 1, also in imageSequence/video_0/"""
    people = tuple(range(1, 9))
    cameras = (0, 1, 2, 4, 5, 6, 7, 8)
    crop_scale = 1.2

    def __init__(self, options: RawOptions) -> None:
        self.options = options

    def find(self, root: Path, subset: str) -> list[RawSource]:
        """A source for each camera of each take, and one for a take that is not there, which then says so."""
        check_folder(root, ["S[1-8]/Seq[12]"], self.layout)
        sources = []
        for person, take in product(self.people, (1, 2)):
            name, load = f"subj{person}_seq{take}", partial(self._load, root, person, take)
            if (root / f"S{person}" / f"Seq{take}" / "annot.mat").is_file():
                sources += [RawSource(f"{name}_vid{camera}", partial(load, camera)) for camera in self.cameras]
            else:
                sources.append(RawSource(name, partial(load, self.cameras[0])))
        return sources

    def _load(self, root: Path, person: int, take: int, camera: int, findings: Findings) -> Iterator[RawSequence]:
        name, folder = f"subj{person}_seq{take}_vid{camera}", root / f"S{person}" / f"Seq{take}"
        labels = _train_labels(folder / "annot.mat", camera)
        found = _train_pictures(folder, camera)
        if found.video is not None and not found.video.is_file():
            findings.missing(name, f"imageSequence/video_{camera}.avi, or its frames as imageFrames/video_{camera}/")
        yield from _segments(name, root, labels, found, self.crop_scale, findings)


@dataclass(frozen=True)
class Labels:
    """What an annotation file says of one camera's frames."""

    points: Float[np.ndarray, "n k 2"]
    """`annot2` [px of the image]."""
    joints: Float[np.ndarray, "n k 3"]
    """[mm], camera axes."""
    joint_set: Skeleton
    size: tuple[int, int]
    """Width and height of the images [px]."""
    valid: Bool[np.ndarray, "n"] | None = None
    activities: Int[np.ndarray, "n"] | None = None
    """1 to 7."""

    def usable(self, name: str, findings: Findings) -> Bool[np.ndarray, "n"]:
        """Frames whose labels are numbers and whose joints are in the image.

        Of the joints only those that SPIN-49 has are looked at, not hands and toes.
        """
        finite = np.isfinite(self.points).all((1, 2)) & np.isfinite(self.joints).all((1, 2))
        known = self.points[:, [joint in SPIN_49.joints for joint in self.joint_set.joints]]
        inside = ((known >= 0) & (known < np.array(self.size))).all((1, 2))
        findings.note(name, "frames left out, their labels are not numbers", int((~finite).sum()))
        findings.note(name, "frames left out, a joint is outside the image", int((finite & ~inside).sum()))
        return finite & inside


@dataclass(frozen=True)
class _Found:
    """The pictures that there are, or that there should be where there are none at all."""

    files: dict[int, Path] | None
    """By the number of the frame; None where they are in a video."""
    video: Path | None = None

    def has(self, count: int) -> Bool[np.ndarray, "n"]:
        """Which of the first frames have a picture."""
        return np.array([self.files is None or frame in self.files for frame in range(count)], bool)

    def of(self, frames: Int[np.ndarray, "n"]) -> Pictures:
        """Those of some frames."""
        if self.files is not None:
            return ImageFiles(tuple(self.files[frame] for frame in frames.tolist()))
        assert self.video is not None
        return VideoFrames(self.video, frames)


def _segments(
    name: str, root: Path, labels: Labels, found: _Found, crop_scale: float, findings: Findings
) -> Iterator[RawSequence]:
    """The runs of consecutive frames that are usable and have a picture."""
    usable = labels.usable(name, findings)
    there = found.has(len(usable))
    findings.missing(name, "pictures", int((~there).sum()))
    extra = 0 if found.files is None else sum(frame >= len(usable) for frame in found.files)
    findings.note(name, "pictures without labels", extra)
    usable &= there
    frames = np.flatnonzero(usable)
    for number, rows in enumerate(runs(frames)):
        yield _raw(f"{name}_seg{number}", root, labels, frames[rows], found, crop_scale)


def _raw(
    name: str, root: Path, labels: Labels, frames: Int[np.ndarray, "n"], found: _Found, crop_scale: float
) -> RawSequence:
    points, joints = labels.points[frames], labels.joints[frames] / 1000
    hip = labels.joint_set.index("hip")
    known = np.array([joint in SPIN_49.joints for joint in labels.joint_set.joints])
    pictures = found.of(frames)
    sequence = Sequence(
        name,
        keypoints=np.concatenate([points, np.ones((*points.shape[:2], 1))], axis=2),
        keypoint_set=labels.joint_set,
        boxes=boxes_around(points, known & points.any(2), MARGIN),
        joints=joints - joints[:, hip : hip + 1],
        joint_set=labels.joint_set,
        scored=None if labels.valid is None else labels.valid[frames],
        frames=frames,
        images=_relative(pictures, root),
        activities=None if labels.activities is None else labels.activities[frames],
    )
    return RawSequence(sequence, pictures, crop_scale)


def _relative(pictures: Pictures, root: Path) -> np.ndarray | None:
    """Where the pictures lie below the release's folder."""
    if not isinstance(pictures, ImageFiles):
        return None
    return np.array([path.relative_to(root).as_posix() for path in pictures.paths])


@lru_cache(maxsize=1)
def _annotations(path: Path) -> dict[str, list[np.ndarray]]:
    """An annotation file's labels of all cameras; kept, since its cameras are read one after the other."""
    keys = ("annot2", "annot3")
    return {key: list(cells) for key, cells in zip(keys, needed(read_mat(path), path, *keys), strict=True)}


def _train_labels(path: Path, camera: int) -> Labels:
    cells = _annotations(path)
    counts = {key: len(labels) for key, labels in cells.items()}
    if camera >= min(counts.values()):
        raise UserError(f"{path}: it has labels of {min(counts.values())} cameras, none of camera {camera}")
    points, joints = (np.asarray(cells[key][camera]) for key in ("annot2", "annot3"))
    if points.ndim != 2 or joints.ndim != 2 or points.shape[1] != 56 or joints.shape != (len(points), 84):
        raise UserError(
            f"{path}: camera {camera} has annot2 of shape {points.shape} and annot3 of shape {joints.shape}, expected "
            "n x 56 and n x 84"
        )
    points, joints = points.reshape(-1, 28, 2).astype(np.float64), joints.reshape(-1, 28, 3).astype(np.float64)
    return Labels(points, joints, MPII3D_28, TRAIN_SIZE)


def _train_pictures(folder: Path, camera: int) -> _Found:
    for place in ("imageFrames", "imageSequence"):
        files = numbered_images(folder / place / f"video_{camera}")
        if files:
            first = 0 if 0 in files else 1
            return _Found({number - first: path for number, path in files.items()})
    return _Found(None, folder / "imageSequence" / f"video_{camera}.avi")


class MPIInf3DHPTest:
    """The test part as VIBE and TCMR take it: six sequences, cut wherever a joint is outside the image.

    Joints are `univ_annot3`, the poses scaled to a universal skeleton, relative to the pelvis. Frames that the data set
    calls valid are `scored`.
    """

    name = "mpii3d-test"
    subsets: tuple[str, ...] = ("test",)
    layout = """\
    ROOT/TS1/annot_data.mat                          and so on for TS1 to TS6
    ROOT/TS1/imageSequence/img_000001.jpg"""
    crop_scale = 1.2
    joints = "univ_annot3"
    whole = False
    """Whether all frames are taken as one sequence, and named TS1 to TS6."""

    def __init__(self, options: RawOptions) -> None:
        self.options = options

    def find(self, root: Path, subset: str) -> list[RawSource]:
        """The six sequences, also those that are not there, which then say so."""
        check_folder(root, ["TS[1-6]"], self.layout)
        return [RawSource(f"TS{number}", partial(self._load, root, number)) for number in range(1, 7)]

    def _load(self, root: Path, number: int, findings: Findings) -> Iterator[RawSequence]:
        folder = root / f"TS{number}"
        images = folder / "imageSequence"
        files = numbered_images(images)
        labels = read_test_labels(folder / "annot_data.mat", _size(files.values(), folder.name), self.joints)
        count = len(labels.points)
        if not files:
            findings.missing(folder.name, "imageSequence/img_000001.jpg and all others")
            files = {frame + 1: images / f"img_{frame + 1:06d}.jpg" for frame in range(count)}
        found = _Found({number - 1: path for number, path in files.items()})
        if not self.whole:
            yield from _segments(f"subj{number}", root, labels, found, self.crop_scale, findings)
            return
        there = found.has(count)
        findings.missing(folder.name, "pictures", int((~there).sum()))
        yield _raw(folder.name, root, labels, np.flatnonzero(there), found, self.crop_scale)


def _size(images: Iterable[Path], name: str) -> tuple[int, int]:
    """Width and height of the first image that can be read; those of the release where none can."""
    for image in images:
        with suppress(UserError):
            return image_size(image)
    return TEST_SIZES[name]


class MPIInf3DHPTestWhole(MPIInf3DHPTest):
    """The test part as its authors evaluate it: no frame is left out, those that are not valid are not scored."""

    name = "mpii3d-test-whole"
    whole = True


class MPIInf3DHPTestOwnSkeletons(MPIInf3DHPTestWhole):
    """The same with each person's own skeleton, `annot3`; the same predictions come out about 14 mm worse."""

    name = "mpii3d-test-annot3"
    joints = "annot3"


def read_test_labels(path: Path, size: tuple[int, int], joints: str = "univ_annot3") -> Labels:
    """The labels of a test sequence's `annot_data.mat`.

    Args:
        size: width and height of its images [px].
        joints: "univ_annot3" or "annot3".

    Raises:
        UserError: the file is missing, cut short or not as it should be.
    """
    keys = ("annot2", joints, "valid_frame", "activity_annotation")
    arrays = read_hdf5(path, *keys)
    count = len(arrays["annot2"])
    for key, width in zip(keys, (34, 51, 1, 1), strict=True):
        if arrays[key].size != count * width or len(arrays[key]) != count:
            raise UserError(f"{path}: {key} has the shape {arrays[key].shape}, expected {width} numbers for each frame")
    return Labels(
        arrays["annot2"].reshape(count, 17, 2).astype(np.float64),
        arrays[joints].reshape(count, 17, 3).astype(np.float64),
        MPII3D_17,
        size,
        arrays["valid_frame"].reshape(-1) != 0,
        arrays["activity_annotation"].reshape(-1).astype(np.int64),
    )
