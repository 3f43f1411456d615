"""Human3.6M's motion capture (`D3_Positions`), as VideoPose3D reads it for lifting (rie spec, section 6.2)."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from anthropose.datasets.lifting import H36M, KeypointFile, projected_keypoints
from anthropose.datasets.raw.base import Findings, check_folder
from anthropose.datasets.raw.files import read_mat
from anthropose.datasets.raw.lifting import Joints, Take, TakeSource
from anthropose.errors import UserError
from anthropose.video.images import natural_order

LAYOUT = """    ROOT/S1/MyPoseFeatures/D3_Positions/Directions.cdf, Directions 1.cdf ...     (or .cdf.mat, or .mat)
for the subjects S1, S5, S6, S7, S8, S9, S11: Poses_D3_Positions_S*.tgz of http://vision.imar.ro/human3.6m unpacked"""
SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
FILES = 30
"""Of each subject: 15 actions, two takes."""
CORRUPT = ("S11", "Directions")
"""Its video is damaged, and nobody uses it."""
RENAMED = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}
_VALUES = 96


class Human36MJoints:
    """All 32 joints in the world; as keypoints the 17 that are used, through each camera's lens."""

    name = "h36m"
    layout = LAYOUT

    def find(self, root: Path, findings: Findings) -> list[TakeSource]:
        """One source for each file."""
        check_folder(root, ["S*/**/D3_Positions"], LAYOUT)
        sources = []
        for subject in SUBJECTS:
            files = _files(root / subject)
            findings.missing(subject, f"files, of {FILES}", max(0, FILES - len(files)))
            sources += [TakeSource(f"{subject} {_stem(path)}", partial(_load, subject, path)) for path in files]
        return sources

    def keypoints(self, joints: Joints, seen: dict[str, dict[str, list[np.ndarray]]]) -> KeypointFile:
        """The joints projected with the lens's distortion."""
        return projected_keypoints(H36M, joints)


def _files(folder: Path) -> list[Path]:
    """One file for each take, the original before its conversions."""
    chosen: dict[str, Path] = {}
    for ending in (".mat", ".cdf.mat", ".cdf"):
        for path in folder.glob(f"**/D3_Positions/*{ending}"):
            if not path.name.startswith((".", "_ALL")):
                chosen[_stem(path)] = path
    return sorted(chosen.values(), key=natural_order)


def _stem(path: Path) -> str:
    return path.name.removesuffix(".mat").removesuffix(".cdf")


def _load(subject: str, path: Path, findings: Findings) -> Iterator[Take]:
    action = _stem(path)
    for theirs, ours in RENAMED.items():
        action = action.replace(theirs, ours)
    if (subject, action) == CORRUPT:
        findings.note(subject, f"{action} is left out as published, its video is damaged")
        return
    values = _read_cdf(path) if path.suffix == ".cdf" else _read_converted(path)
    yield Take(subject, action, (values.reshape(-1, _VALUES // 3, 3) / 1000).astype(np.float32))


def _read_cdf(path: Path) -> Float[np.ndarray, "n 96"]:
    try:
        import cdflib
    except ImportError:
        raise UserError(f"{path}: CDF files need cdflib; pip install 'anthropose[data]'") from None
    try:
        values = np.asarray(cdflib.CDF(path).varget("Pose"))
    except Exception as error:  # A damaged file can make the reader raise nearly anything.
        raise UserError(
            f"{path}: cut short, or not a CDF file with a Pose ({type(error).__name__}: {error})"
        ) from error
    return _checked(path, values)


def _read_converted(path: Path) -> Float[np.ndarray, "n 96"]:
    """The one array of 96 columns in a MATLAB file, whatever its name, in a cell or not."""
    found = [array for array in _arrays(list(read_mat(path).values())) if array.shape[-1] == _VALUES]
    if len(found) != 1:
        raise UserError(f"{path}: expected one array with {_VALUES} values in a frame, found {len(found)}")
    return _checked(path, found[0])


def _arrays(values: Any) -> Iterator[np.ndarray]:
    for value in values:
        if isinstance(value, np.ndarray) and value.dtype != object:
            if value.ndim:
                yield value
        elif isinstance(value, np.ndarray | list):
            yield from _arrays(value)
        elif isinstance(value, dict):
            yield from _arrays(value.values())


def _checked(path: Path, values: np.ndarray) -> Float[np.ndarray, "n 96"]:
    if values.dtype.kind not in "fiu" or values.shape[-1:] != (_VALUES,) or values.size == 0:
        raise UserError(
            f"{path}: expected {_VALUES} values in a frame, found an array {values.shape} of {values.dtype}"
        )
    return values.reshape(-1, _VALUES).astype(np.float64)
