"""The prepared databases of VIBE, TCMR and GLoT: `*_db.pt` and `insta_train_db.h5`.

Each is a dictionary of arrays with one row for every frame of every video, the videos one after the other
(vibe_base spec, section 9; tcmr spec, section 4.2). Which joints a file holds is told by their number.
"""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from anthropose.datasets.joblib_files import read_joblib
from anthropose.datasets.sequence import Rows, Sequence
from anthropose.errors import UserError
from anthropose.skeleton import INSTA_25, LSP_14, SPIN_49, Skeleton

DATA_PAGE = "https://github.com/hongsukchoi/TCMR_RELEASE"
JOINT_SETS = {14: LSP_14, 25: INSTA_25, 49: SPIN_49}
"""The sets that the published files use, by their number of joints."""
_SHAPES = {
    "features": ("f",),
    "joints2D": ("k", "3"),
    "joints3D": ("k", "3"),
    "bbox": ("4",),
    "pose": ("72",),
    "shape": ("10",),
}
"""The axes behind the frames' of the arrays that are looked at."""
_KEPT = (*_SHAPES, "valid", "valid_i")


def read_database(path: Path, body_counts: bool = True, bodies: bool = True) -> list[Sequence]:
    """The sequences of a prepared database, in its order; arrays stay in the file where they can.

    A name that comes again after another one begins a sequence of its own.

    Args:
        body_counts: whether poses and shapes are labels to learn from, where the file has them; a training's preset
            says it in `bodies_from`.
        bodies: whether to look at poses and shapes at all; the published code does not in tests on Human3.6M.

    Raises:
        UserError: the file is missing or damaged, or its arrays do not fit together.
    """
    path = Path(path)
    arrays = _read_h5(path) if path.suffix in (".h5", ".hdf5") else read_joblib(path)
    return sequences_of(arrays, body_counts, bodies, str(path))


def sequences_of(
    arrays: Mapping[str, Any], body_counts: bool = True, bodies: bool = True, source: str = "the database"
) -> list[Sequence]:
    """The sequences of a database that has been read; the arguments are those of `read_database`."""
    count = _checked(arrays, source)
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in arrays["vid_name"]]
    starts = [k for k in range(count) if k == 0 or names[k] != names[k - 1]]
    kept = {key: rows for key, rows in arrays.items() if key in _KEPT and (bodies or key not in ("pose", "shape"))}
    return [
        _sequence(names[start], {key: part(rows, start, end) for key, rows in kept.items()}, body_counts)
        for start, end in zip(starts, [*starts[1:], count], strict=True)
    ]


def part(source: Rows, start: int, end: int) -> Rows:
    """Some consecutive rows, without reading them."""
    return source.part(start, end) if isinstance(source, H5Rows) else source[start:end]


def _checked(arrays: Mapping[str, Any], source: str) -> int:
    """The number of frames that all arrays of the database have."""
    missing = [key for key in ("vid_name", "features") if key not in arrays]
    if missing:
        raise UserError(f"{source}: expected a prepared database, found no {' and no '.join(missing)} in it")
    count = len(arrays["features"])
    for key in ("vid_name", *_KEPT):
        shape = tuple(arrays[key].shape) if key in arrays else (count,)
        if shape[:1] != (count,):
            raise UserError(f"{source}: it has features of {count} frames, but {key} of shape {shape}")
        axes = _SHAPES.get(key)
        if key in arrays and axes and not _fits(shape[1:], axes):
            raise UserError(f"{source}: expected {key} of shape n {' '.join(axes)}, found {shape}")
        if axes == ("k", "3") and key in arrays and shape[1] not in JOINT_SETS:
            raise UserError(f"{source}: {key} has {shape[1]} joints; known are 14 (LSP), 25 (Insta) and 49 (SPIN)")
    return count


def _fits(shape: tuple[int, ...], axes: tuple[str, ...]) -> bool:
    return len(shape) == len(axes) and all(
        not axis.isdigit() or size == int(axis) for size, axis in zip(shape, axes, strict=True)
    )


def _sequence(name: str, arrays: dict[str, Any], body_counts: bool) -> Sequence:
    def joint_set(key: str) -> Skeleton | None:
        return JOINT_SETS[arrays[key].shape[1]] if key in arrays else None

    def mask(key: str) -> np.ndarray | None:
        return arrays[key].reshape(-1) != 0 if key in arrays else None

    return Sequence(
        name=name,
        features=arrays["features"],
        keypoints=arrays.get("joints2D"),
        keypoint_set=joint_set("joints2D"),
        boxes=arrays.get("bbox"),
        joints=arrays.get("joints3D"),
        joint_set=joint_set("joints3D"),
        pose=arrays.get("pose"),
        betas=arrays.get("shape"),
        body_counts=body_counts,
        usable=mask("valid"),
        scored=mask("valid_i"),
    )


class H5Rows:
    """Rows of an array in an HDF5 file, read when they are asked for; may go to the workers of a loader."""

    def __init__(self, path: Path, key: str, start: int, end: int, width: tuple[int, ...]) -> None:
        self.path, self.key, self.start = path, key, start
        self.shape = (end - start, *width)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        first, last, step = rows.indices(len(self))
        try:
            return _opened(self.path, os.getpid())[self.key][self.start + first : self.start + last : step]
        except (OSError, KeyError) as error:
            raise UserError(f"{self.path}: {self.key} in it are damaged ({error}); get the file again") from error

    def part(self, start: int, end: int) -> "H5Rows":
        return H5Rows(self.path, self.key, self.start + start, self.start + end, self.shape[1:])


def _read_h5(path: Path) -> dict[str, Any]:
    """All arrays of a file but its features, which are left in it: InstaVariety's are 18 gigabytes."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected a prepared database, see {DATA_PAGE}")
    try:
        file = _opened(path, os.getpid())
        arrays = {key: file[key][:] for key in file if key != "features"}
        if "features" in file:
            arrays["features"] = H5Rows(path, "features", 0, len(file["features"]), file["features"].shape[1:])
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path}: expected a whole HDF5 database ({type(error).__name__}: {error})") from error
    return arrays


@lru_cache(maxsize=8)
def _opened(path: Path, process: int) -> Any:
    """The file, opened once in each process: a handle must not be shared between processes."""
    try:
        import h5py
    except ImportError:
        raise UserError(f"{path}: HDF5 files need h5py; pip install 'anthropose[data]'") from None
    return h5py.File(path, "r")
