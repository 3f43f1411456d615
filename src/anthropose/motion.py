"""The values that flow through the library: Camera, Track, BodyPose, Prediction, Motion, and the motion file."""

import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anthropose.errors import UserError
from anthropose.geometry.cameras import guess_focal, project
from anthropose.skeleton import SKELETONS, Skeleton
from anthropose.writing import whole_file

FORMAT = "anthropose-motion/1"


@dataclass(frozen=True)
class Camera:
    """A pinhole camera of the full image, constant over the video. Axes: x right, y down, z forward."""

    focal: float
    """Focal length in pixels."""
    center: tuple[float, float]
    """Principal point in pixels."""
    size: tuple[int, int]
    """Width and height of the image in pixels."""

    @classmethod
    def guess(cls, width: int, height: int) -> "Camera":
        """A camera for an image of which only the size is known."""
        return cls(guess_focal(width, height), (width / 2, height / 2), (width, height))


@dataclass(frozen=True)
class Track:
    """One person followed through a video."""

    person: int
    """The person's number in the video, from 0."""
    frames: Int[Tensor, "n"]
    """Indices into the video, increasing; gaps are allowed."""
    boxes: Float[Tensor, "n 4"]
    """Left, top, right, bottom, in pixels of the full image."""
    keypoints: Float[Tensor, "n k 3"] | None = None
    """x, y in pixels of the full image, and a confidence from 0 to 1; None where only boxes are known."""
    skeleton: Skeleton | None = None
    """The names of the keypoints."""
    world: Float[Tensor, "n k 3"] | None = None
    """The detector's own 3D guess of the keypoints, if any: metres, camera axes, origin between the hips."""

    def __post_init__(self) -> None:
        if (self.keypoints is None) != (self.skeleton is None):
            raise ValueError("a track has keypoints and the skeleton that names them, or neither")

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True)
class BodyPose:
    """Pose and shape of a SMPL-like body."""

    rotations: Float[Tensor, "*b 24 3 3"]
    """Of each joint relative to its parent; the root's is relative to the camera."""
    betas: Float[Tensor, "*b 10"]
    """Shape components, in standard deviations."""


@dataclass(frozen=True)
class Prediction:
    """What a body network makes of each frame, in the camera of the crop that it saw."""

    pose: BodyPose
    camera: Float[Tensor, "*b 3"]
    """Weak-perspective s, tx, ty of the crop, whose coordinates run from -1 to 1."""


@dataclass(frozen=True)
class Motion:
    """What a method makes of one track: the person's joints over time, and the body where the method has one."""

    track: Track
    skeleton: Skeleton
    """The names of `joints`."""
    fps: float
    """Frames per second of the video that `track.frames` counts in; the mean rate where it varies."""
    seconds: Float[Tensor, "n"]
    """The time of each frame in the video, float64; not always `frames / fps`, since phones vary their rate."""
    camera: Camera
    joints: Float[Tensor, "n j 3"]
    """Root-relative positions [m] in camera axes; `joints + translation` projects onto the image."""
    translation: Float[Tensor, "n 3"]
    """The root joint's position [m] in the camera."""
    body: BodyPose | None = None
    """None for methods that give joints only."""
    body_model: str = ""
    """Name of the body model that `body` belongs to; empty without a body."""
    method: str = ""
    weights: str = ""
    """Name of the weights that were used; empty for a method that has none."""
    crop_camera: Float[Tensor, "n 3"] | None = field(default=None, compare=False)
    """The network's weak-perspective crop camera s, tx, ty, where there is one."""

    def __post_init__(self) -> None:
        if not (len(self.track) == len(self.seconds) == len(self.joints) == len(self.translation)):
            raise ValueError("track, seconds, joints and translation must have the same number of frames")

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def projected(self) -> Float[Tensor, "n j 2"]:
        """The joints in pixels of the full image."""
        focal = self.joints.new_full((len(self),), self.camera.focal)
        center = self.joints.new_tensor(self.camera.center).expand(len(self), 2)
        return project(self.joints + self.translation[:, None], focal, center)

    def save(self, path: Path) -> None:
        """Writes the motion file, whole or not at all; see docs/motion-file.md for its fields."""
        n = len(self)
        arrays: dict[str, np.ndarray] = {
            "format": np.array(FORMAT),
            "person": np.array(self.track.person),
            "method": np.array(self.method),
            "weights": np.array(self.weights),
            "fps": np.array(self.fps),
            "frames": self.track.frames.numpy().astype(np.int64),
            "seconds": self.seconds.numpy().astype(np.float64),
            "boxes": self.track.boxes.numpy(),
            "skeleton": np.array(self.skeleton.name),
            "joint_names": np.array(self.skeleton.joints),
            "joint_parents": np.array(self.skeleton.parents),
            "joints": self.joints.numpy(),
            "translation": self.translation.numpy(),
            "focal": np.full(n, self.camera.focal, np.float32),
            "center": np.tile(np.array(self.camera.center, np.float32), (n, 1)),
            "image_size": np.array(self.camera.size),
        }
        if self.track.keypoints is not None and self.track.skeleton is not None:
            arrays["keypoints"] = self.track.keypoints.numpy()
            arrays["keypoint_names"] = np.array(self.track.skeleton.joints)
            arrays["keypoint_skeleton"] = np.array(self.track.skeleton.name)
        if self.track.world is not None:
            arrays["keypoints_world"] = self.track.world.numpy()
        if self.body is not None:
            arrays["rotations"] = self.body.rotations.numpy()
            arrays["betas"] = self.body.betas.numpy()
            arrays["body"] = np.array(self.body_model)
        if self.crop_camera is not None:
            arrays["crop_camera"] = self.crop_camera.numpy()
        with whole_file(path) as part, part.open("wb") as file:
            np.savez_compressed(file, **arrays)

    @staticmethod
    def load(path: Path) -> "Motion":
        """Reads a motion file.

        Raises:
            UserError: the file is missing, cut short, not a motion file, or of another version.
        """
        arrays = _read_arrays(Path(path))
        try:
            return _motion_from(arrays)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise UserError(f"{path}: not a whole motion file ({error}); make it again with anthropose run") from error


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; `anthropose run VIDEO` writes motion files") from None
    except (ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError) as error:
        raise UserError(f"{path}: expected a motion file ({FORMAT}), found something else or a cut file") from error
    found = str(arrays.get("format", "none"))
    if found != FORMAT:
        raise UserError(f"{path}: expected format {FORMAT}, found {found}; make it again with `anthropose run`")
    return arrays


def _skeleton_from(name: str, joints: np.ndarray, parents: np.ndarray | None) -> Skeleton:
    known = SKELETONS.get(name)
    names = tuple(str(j) for j in joints)
    if known is not None and known.joints == names:
        return known
    return Skeleton(name, names, tuple(int(p) for p in parents) if parents is not None else (-1,) * len(names))


_SHAPES = {
    "frames": "n",
    "seconds": "n",
    "boxes": "n 4",
    "joints": "n j 3",
    "joint_names": "j",
    "joint_parents": "j",
    "translation": "n 3",
    "focal": "n",
    "center": "n 2",
    "image_size": "2",
    "keypoints": "n k 3",
    "keypoint_names": "k",
    "keypoints_world": "n k 3",
    "rotations": "n 24 3 3",
    "betas": "n 10",
    "crop_camera": "n 3",
}
"""The axes of the arrays of a motion file; a letter stands for the same number everywhere."""


def _check_shapes(arrays: dict[str, np.ndarray]) -> None:
    """Raises ValueError for the first array whose shape does not fit the others."""
    sizes: dict[str, int] = {}
    for name, axes in _SHAPES.items():
        if name not in arrays:
            continue
        shape, wanted = arrays[name].shape, axes.split()
        fits = len(shape) == len(wanted) and all(
            size == (int(axis) if axis.isdigit() else sizes.setdefault(axis, size))
            for size, axis in zip(shape, wanted, strict=True)
        )
        if not fits:
            known = " ".join(str(sizes.get(axis, axis)) for axis in wanted)
            raise ValueError(f"{name} should be of shape {known}, found {' '.join(map(str, shape)) or 'one number'}")
    if sizes.get("n") == 0:
        raise ValueError("it has no frames")


def _motion_from(arrays: dict[str, np.ndarray]) -> Motion:
    _check_shapes(arrays)

    def tensor(name: str) -> Tensor | None:
        return torch.from_numpy(arrays[name]) if name in arrays else None

    def required(name: str) -> Tensor:
        return torch.from_numpy(arrays[name])

    keypoint_skeleton = None
    if "keypoints" in arrays:
        keypoint_skeleton = _skeleton_from(str(arrays["keypoint_skeleton"]), arrays["keypoint_names"], None)
    track = Track(
        person=int(arrays["person"]),
        frames=required("frames"),
        boxes=required("boxes"),
        keypoints=tensor("keypoints"),
        skeleton=keypoint_skeleton,
        world=tensor("keypoints_world"),
    )
    center, size = arrays["center"][0], arrays["image_size"]
    camera = Camera(float(arrays["focal"][0]), (float(center[0]), float(center[1])), (int(size[0]), int(size[1])))
    body = BodyPose(required("rotations"), required("betas")) if "rotations" in arrays else None
    return Motion(
        track=track,
        skeleton=_skeleton_from(str(arrays["skeleton"]), arrays["joint_names"], arrays["joint_parents"]),
        fps=float(arrays["fps"]),
        seconds=required("seconds"),
        camera=camera,
        joints=required("joints"),
        translation=required("translation"),
        body=body,
        body_model=str(arrays.get("body", "")),
        method=str(arrays["method"]),
        weights=str(arrays["weights"]),
        crop_camera=tensor("crop_camera"),
    )
