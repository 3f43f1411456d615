"""Human3.6M as cut into pictures for I2L-MeshNet, at 25 frames per second, the way TCMR prepares it.

Ionescu et al., Human3.6M: Large Scale Datasets and Predictive Methods for 3D Human Sensing in Natural Environments,
TPAMI 2014 (tcmr spec, section 4.3). The bodies come from NeuralAnnot, where its files are there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

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
from anthropose.geometry.crops import boxes_around
from anthropose.skeleton import H36M_17, H36M_VP3D_17

LAYOUT = """    ROOT/annotations/Human36M_subject1_camera.json
    ROOT/annotations/Human36M_subject1_joint_3d.json
    ROOT/annotations/Human36M_subject1_SMPL_NeuralAnnot.json     (optional: bodies to train with)
    ROOT/images/s_01_act_02_subact_01_ca_01/s_01_act_02_subact_01_ca_01_000001.jpg ...
for the subjects 1, 5, 6, 7, 8 (train) and 9, 11 (test); see https://github.com/mks0601/I2L-MeshNet_RELEASE"""
SUBJECTS = {"train": (1, 5, 6, 7, 8), "test": (9, 11)}
ACTS, TAKES, CAMERAS = range(2, 17), (1, 2), (1, 2, 3, 4)
STEP = 2
"""Every so many frames are taken: 25 of 50 in a second."""
BOX_SIGMA = 8.0
"""[frames, of 50 in a second] Of the Gaussian that smooths the boxes."""
_ORDER = [H36M_VP3D_17.index(name) for name in H36M_17.joints]
"""In the files the right leg comes before the left one."""


class Human36M:
    """All cameras, with the boxes that TCMR's Tables 4 and 6 (3DPW and MPI-INF-3DHP) were made with."""

    name = "h36m"
    subsets = ("train", "test")
    layout = LAYOUT
    margin = 1.1
    """The boxes' side over the diagonal of the keypoints."""
    crop_scale = 1.2
    test_cameras: tuple[int, ...] = CAMERAS

    def __init__(self, options: RawOptions) -> None:
        self._options = options

    def find(self, root: Path, subset: str) -> list[RawSource]:
        """One source for each video of each camera, subject by subject."""
        check_folder(root, ["annotations/Human36M_subject*_joint_3d.json"], LAYOUT)
        there = [subject for subject in SUBJECTS[subset] if _file(root, subject, "joint_3d").exists()]
        cameras = self.test_cameras if subset == "test" else CAMERAS
        videos = [_Video(*parts) for parts in product(there, ACTS, TAKES, cameras)]
        sources = [RawSource(video.name, partial(self._load, root, video, subset)) for video in videos]
        return [*sources, *short_release(len(there), len(SUBJECTS[subset]), "subjects' joints")]

    def _load(self, root: Path, video: "_Video", subset: str, findings: Findings) -> Iterator[RawSequence]:
        clip = _clips(_file(root, video.subject, "joint_3d")).get((video.act, video.take))
        if clip is None:
            findings.missing(video.name, "joints of this video")
            return
        gaps = int((np.diff(clip.frames) - 1).sum())
        findings.missing(video.name, "frames between the first and the last", gaps)
        joints = _camera(_file(root, video.subject, "camera"), video.camera).seen(clip.joints)
        keypoints = np.concatenate([joints.pixels, np.ones((*joints.pixels.shape[:2], 1))], axis=2)
        if not np.isfinite(keypoints).all():
            raise UserError(f"{_file(root, video.subject, 'joint_3d')}: joints of {video.name} are not numbers")
        squares = boxes_around(keypoints, 0.3).smoothed(sigma=BOX_SIGMA).squares(self.margin)
        frames = clip.frames[::STEP]
        images = [f"images/{video.name}/{video.name}_{frame + 1:06d}.jpg" for frame in frames]
        sequence = Sequence(
            video.name,
            keypoints=keypoints[::STEP],
            keypoint_set=H36M_17,
            boxes=squares[::STEP][:, [0, 1, 2, 2]],
            joints=(joints.points - joints.points[:, :1])[::STEP],
            joint_set=H36M_17,
            frames=frames,
            images=np.array(images, np.str_),
            **(_bodies(root, video, frames, findings) if subset == "train" else {}),
        )
        yield RawSequence(sequence, ImageFiles(tuple(root / image for image in images)), self.crop_scale)


class Human36MTight(Human36M):
    """With the tight boxes of TCMR's Table 6 (Human3.6M), whose test part is of the fourth camera alone."""

    name = "h36m-tight"
    margin = 0.9
    crop_scale = 1.0
    test_cameras = (4,)


@dataclass(frozen=True)
class _Video:
    subject: int
    act: int
    take: int
    camera: int

    @property
    def name(self) -> str:
        return f"s_{self.subject:02d}_act_{self.act:02d}_subact_{self.take:02d}_ca_{self.camera:02d}"


@dataclass(frozen=True)
class _Clip:
    """The joints of one take, in the order of H36M-17."""

    frames: Int[np.ndarray, "n"]
    joints: Float[np.ndarray, "n 17 3"]
    """In the world [mm]."""


@dataclass(frozen=True)
class _Seen:
    points: Float[np.ndarray, "n 17 3"]
    """[m], camera axes."""
    pixels: Float[np.ndarray, "n 17 2"]


@dataclass(frozen=True)
class _Camera:
    """A pinhole; the lens's distortion is left out, as published."""

    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, "3"]
    focal: Float[np.ndarray, "2"]
    center: Float[np.ndarray, "2"]

    def seen(self, world: Float[np.ndarray, "n 17 3"]) -> _Seen:
        points = world @ self.rotation.T + self.translation
        return _Seen(points / 1000, points[..., :2] / points[..., 2:] * self.focal + self.center)


def _file(root: Path, subject: int, kind: str) -> Path:
    return root / "annotations" / f"Human36M_subject{subject}_{kind}.json"


@lru_cache(maxsize=1)
def _clips(path: Path) -> dict[tuple[int, int], _Clip]:
    """All takes of a subject: they share a file, and are asked for one after the other."""
    found = {}
    for (act, take), content in _takes(path):
        frames = np.array(sorted(int(frame) for frame in content), np.int64)
        try:
            joints = np.array([content[str(frame)] for frame in frames.tolist()], np.float64)
            found[act, take] = _Clip(frames, joints.reshape(len(frames), 17, 3)[:, _ORDER])
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: expected 17 joints in each frame of act {act}, take {take} ({error})") from error
    return found


def _takes(path: Path) -> Iterator[tuple[tuple[int, int], dict[str, Any]]]:
    content = read_json(path)
    try:
        for act, takes in content.items():
            for take, frames in takes.items():
                yield (int(act), int(take)), dict(frames)
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(f"{path}: expected acts, in them takes, in them frames ({error})") from error


@lru_cache(maxsize=1)
def _camera(path: Path, camera: int) -> _Camera:
    (one,) = needed(read_json(path), path, str(camera))
    shapes = {"R": (3, 3), "t": (3,), "f": (2,), "c": (2,)}
    values = needed(one, path, *shapes)
    try:
        arrays = [
            np.array(value, np.float64).reshape(shape) for value, shape in zip(values, shapes.values(), strict=True)
        ]
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: camera {camera} is not as it should be ({error})") from error
    return _Camera(*arrays)


@dataclass(frozen=True)
class _Fits:
    """What NeuralAnnot has of one video."""

    frames: Int[np.ndarray, "n"]
    """Increasing; only a part of the frames was fitted."""
    pose: Float[np.ndarray, "n 72"]
    betas: Float[np.ndarray, "n 10"]


@lru_cache(maxsize=1)
def _fits(path: Path) -> dict[tuple[int, int, int], _Fits]:
    """All fits of a subject, by act, take and camera."""
    found: dict[tuple[int, int, int], list[tuple[int, list[float], list[float]]]] = {}
    try:
        for (act, take), frames in _takes(path):
            for frame, cameras in sorted(frames.items(), key=lambda item: int(item[0])):
                for camera, fit in cameras.items():
                    found.setdefault((act, take, int(camera)), []).append((int(frame), fit["pose"], fit["shape"]))
        return {
            key: _Fits(
                np.array([frame for frame, _, _ in fits], np.int64),
                np.array([pose for _, pose, _ in fits], np.float32).reshape(len(fits), 72),
                np.array([shape for _, _, shape in fits], np.float32).reshape(len(fits), 10),
            )
            for key, fits in found.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: expected pose and shape of each fit ({type(error).__name__}: {error})") from error


def _bodies(root: Path, video: _Video, frames: Int[np.ndarray, "n"], findings: Findings) -> dict[str, Any]:
    """Poses and shapes of some frames; zero in those without a fit, which are marked."""
    path = _file(root, video.subject, "SMPL_NeuralAnnot")
    if not path.exists():
        findings.missing(video.name, f"bodies, there is no {path.name}")
        return {}
    fits = _fits(path).get((video.act, video.take, video.camera))
    if fits is None:
        findings.missing(video.name, "bodies in frames", len(frames))
        return {}
    places = np.searchsorted(fits.frames, frames).clip(0, len(fits.frames) - 1)
    posed = fits.frames[places] == frames
    findings.missing(video.name, "bodies in frames", int((~posed).sum()))
    return {
        "pose": np.where(posed[:, None], fits.pose[places], 0),
        "betas": np.where(posed[:, None], fits.betas[places], 0),
        "posed": posed,
    }
