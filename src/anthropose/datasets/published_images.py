"""The published `.npz` files of labelled images: SPIN's, DynaBOA's and BOA's (vibe_base spec, section 15; dynaboa spec,
sections 7, 10, 12 and 15).

Each has a row for every image: its path, the centre of a box and its side over 200, and labels under keys that differ
from file to file. DynaBOA's bank of exemplars is the same in a joblib dump.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from anthropose.datasets.joblib_files import read_joblib
from anthropose.datasets.raw.alphapose import SCALE
from anthropose.datasets.raw.base import ImageFiles, RawSequence
from anthropose.datasets.raw.files import read_npz
from anthropose.datasets.sequence import Gender, Sequence
from anthropose.errors import UserError
from anthropose.skeleton import SPIN_24, SPIN_49, Skeleton

Keypoints = Literal["labels", "openpose"]
"""Which 2D keypoints to take of files that hold two kinds: those that the published programs look at, which are
projections of the true body in DynaBOA's 3DPW, or OpenPose's, which it holds and never uses."""
GENDERS: dict[str, Gender] = {"m": "male", "f": "female"}
_WIDTHS = {
    "center": (2,),
    "scale": (),
    "pose": (72,),
    "shape": (10,),
    "j2d": (49, 3),
    "op_j2d": (49, 3),
    "smpl_j2d": (49, 3),
    "openpose": (25, 3),
    "S": (24, 4),
    "has_smpl": (),
    "gender": (),
}
"""What is behind the axis of the images in the arrays that are looked at; `part` has 24 joints or 49."""


def read_images(path: Path, root: Path, keypoints: Keypoints = "labels") -> list[RawSequence]:
    """The labelled images of a file, as a sequence for each run of images of one folder and gender.

    Crops are exactly the boxes. Joints are `S`, relative to the pelvis; DynaBOA's `j3d` are in the world's axes and are
    left out.

    Args:
        path: an `.npz`, or a joblib dump (`.pt`) of the same arrays.
        root: the folder below which the images are.

    Raises:
        UserError: the file is missing or damaged, or its arrays do not fit together; or it has no such keypoints.
    """
    path = Path(path)
    arrays = read_joblib(path) if path.suffix == ".pt" else read_npz(path)
    _check(arrays, path)
    images = np.array([_text(name) for name in arrays["imgname"]])
    genders = _genders(arrays, len(images), path)
    points = _keypoints(arrays, keypoints, path)
    groups = [(str(Path(image).parent), gender) for image, gender in zip(images.tolist(), genders, strict=True)]
    starts = [k for k in range(len(groups)) if k == 0 or groups[k] != groups[k - 1]]
    names = _names(path.stem, [groups[start][0] for start in starts])
    file = _File(arrays, points, images, root)
    return [
        file.sequence(name, slice(start, end), groups[start][1])
        for name, start, end in zip(names, starts, [*starts[1:], len(groups)], strict=True)
    ]


def read_stream(folder: Path, root: Path, keypoints: Keypoints = "labels") -> list[RawSequence]:
    """All `.npz` files of a folder in the order in which DynaBOA adapts to them, one after the other.

    Those of 3DPW, `3dpw_SEQUENCE_PERSON.npz`, go by 10 times the sequence plus the person; others by name.

    Raises:
        UserError: there are none, or one of them cannot be read.
    """
    paths = sorted(Path(folder).glob("*.npz"), key=_place)
    if not paths:
        raise UserError(f"{folder}: it holds no .npz files; expected DynaBOA's, such as 3dpw_0_0.npz")
    return [raw for path in paths for raw in read_images(path, root, keypoints)]


def _place(path: Path) -> tuple[int, str]:
    found = re.fullmatch(r".*_(\d+)_(\d+)", path.stem)
    return (10 * int(found[1]) + int(found[2]) if found else -1), path.name


@dataclass(frozen=True)
class _File:
    """What a file holds, beside its keys."""

    arrays: Mapping[str, np.ndarray]
    points: tuple[np.ndarray, Skeleton] | None
    images: np.ndarray
    root: Path

    def sequence(self, name: str, rows: slice, gender: Gender) -> RawSequence:
        arrays = {key: array[rows] for key, array in self.arrays.items() if key in _WIDTHS}
        side = arrays["scale"].astype(np.float64) * SCALE
        images = self.images[rows]
        is_posed = "pose" in arrays and "shape" in arrays
        sequence = Sequence(
            name,
            keypoints=None if self.points is None else self.points[0][rows],
            keypoint_set=None if self.points is None else self.points[1],
            boxes=np.column_stack([arrays["center"].astype(np.float64), side, side]),
            joints=arrays["S"][..., :3] if "S" in arrays else None,
            joint_set=SPIN_24 if "S" in arrays else None,
            pose=arrays["pose"] if is_posed else None,
            betas=arrays["shape"] if is_posed else None,
            posed=arrays["has_smpl"] != 0 if is_posed and "has_smpl" in arrays else None,
            gender=gender,
            images=images,
        )
        return RawSequence(sequence, ImageFiles(tuple(self.root / image for image in images.tolist())), 1.0)


def _check(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    lacking = [key for key in ("imgname", "center", "scale") if key not in arrays]
    if lacking:
        raise UserError(f"{path}: expected labelled images, found no {' and no '.join(lacking)} in it")
    count = len(arrays["imgname"])
    for key, width in _WIDTHS.items():
        if key in arrays and arrays[key].shape != (count, *width):
            raise UserError(f"{path}: {key} has the shape {arrays[key].shape}, expected {(count, *width)}")
    if "part" in arrays and arrays["part"].shape not in ((count, 24, 3), (count, 49, 3)):
        raise UserError(f"{path}: part has the shape {arrays['part'].shape}, expected ({count}, 24 or 49, 3)")


def _keypoints(arrays: Mapping[str, np.ndarray], wanted: Keypoints, path: Path) -> tuple[np.ndarray, Skeleton] | None:
    """Pixels and a confidence, and which joints they are; None where the file has no keypoints at all."""
    part = arrays.get("part")
    if wanted == "openpose":
        if "op_j2d" in arrays:
            return arrays["op_j2d"], SPIN_49
        if "openpose" in arrays:
            return np.concatenate([arrays["openpose"], np.zeros((len(arrays["openpose"]), 24, 3))], axis=1), SPIN_49
        raise UserError(f"{path}: it has no keypoints of OpenPose's; it has {', '.join(sorted(arrays))}")
    for key in ("j2d", "smpl_j2d"):
        if key in arrays:
            return arrays[key], SPIN_49
    if part is None or part.shape[1] == len(SPIN_49):
        return None if part is None else (part, SPIN_49)
    if "openpose" in arrays:
        return np.concatenate([arrays["openpose"], part], axis=1), SPIN_49
    return part, SPIN_24


def _genders(arrays: Mapping[str, np.ndarray], count: int, path: Path) -> list[Gender]:
    if "gender" not in arrays:
        return ["neutral"] * count
    letters = [_text(letter) for letter in arrays["gender"]]
    odd = sorted(set(letters) - set(GENDERS))
    if odd:
        raise UserError(f"{path}: gender is m or f, found {', '.join(map(repr, odd))}")
    return [GENDERS[letter] for letter in letters]


def _names(stem: str, folders: list[str]) -> list[str]:
    """The file's name; with that of the images' folder where there are several; with a number where it comes again."""
    if len(folders) == 1:
        return [stem]
    names = [f"{stem}_{folder.replace('/', '_')}" for folder in folders]
    return [
        name if names.count(name) == 1 else f"{name}_{names[:place].count(name)}" for place, name in enumerate(names)
    ]


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
