"""VideoPose3D's archives of keypoints and joints: `.npz` files of pickled dictionaries, read without running them."""

import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anthropose.body.pickles import NUMPY_GLOBALS, Forbidden
from anthropose.errors import UserError


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NUMPY_GLOBALS:
            raise Forbidden(f"{module}.{name}")
        return NUMPY_GLOBALS[module, name]


def read_archive(path: Path) -> dict[str, Any]:
    """What an `.npz` file holds, by name: arrays, and the dictionaries and lists that were stored as objects.

    Raises:
        UserError: the file is missing, cut short, no `.npz`, or asks for anything but numpy arrays and plain values.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = {}
            for name in archive.namelist():
                with archive.open(name) as file:
                    assert isinstance(file, zipfile.ZipExtFile)
                    found[name.removesuffix(".npy")] = _read_array(file)
            return found
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected an archive such as data_3d_h36m.npz") from None
    except Forbidden as error:
        raise UserError(f"{path}: refused, since it asks for {error}, which no archive of keypoints needs") from error
    except Exception as error:  # A damaged pickle can raise nearly anything.
        raise UserError(f"{path}: expected a whole .npz archive ({type(error).__name__}: {error})") from error


def _read_array(file: zipfile.ZipExtFile) -> Any:
    """One member of the archive; a lone object is given as itself."""
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, by_columns, kind = readers[version](file)
    if kind.hasobject:
        stored = _Reader(file, encoding="latin1").load()
        return stored.item() if isinstance(stored, np.ndarray) and stored.shape == () else stored
    data = np.frombuffer(bytearray(file.read()), kind)
    return data.reshape(shape, order="F" if by_columns else "C")


def read_joints(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Subject -> action -> joints (n, j, 3) in the world [m], from a file `data_3d_*.npz`.

    Raises:
        UserError: as `read_archive`, or the file holds something else.
    """
    positions = _entry(path, read_archive(path), "positions_3d")
    return {
        str(subject): {str(action): np.asarray(joints, np.float32) for action, joints in actions.items()}
        for subject, actions in positions.items()
    }


@dataclass(frozen=True)
class KeypointFile:
    """A file of keypoints, and which of them are on which side."""

    positions: dict[str, dict[str, list[np.ndarray]]]
    """Subject -> action -> one array (n, j, 2) in pixels for each camera."""
    left: tuple[int, ...]
    right: tuple[int, ...]
    """In the order of their counterparts in `left`."""


def read_keypoints(path: Path) -> KeypointFile:
    """The keypoints in a file `data_2d_*.npz`.

    Raises:
        UserError: as `read_archive`, or the file holds something else.
    """
    archive = read_archive(path)
    positions, metadata = _entry(path, archive, "positions_2d"), _entry(path, archive, "metadata")
    symmetry = metadata.get("keypoints_symmetry", ())
    if len(symmetry) != 2 or len(symmetry[0]) != len(symmetry[1]):
        raise UserError(f"{path}: its metadata does not say which keypoints are left and which are right")
    left, right = (tuple(int(index) for index in side) for side in symmetry)
    plain = {
        str(subject): {
            str(action): [np.asarray(one, np.float32) for one in cameras] for action, cameras in actions.items()
        }
        for subject, actions in positions.items()
    }
    return KeypointFile(plain, left, right)


def _entry(path: Path, archive: dict[str, Any], name: str) -> dict[str, Any]:
    entry = archive.get(name)
    if not isinstance(entry, dict):
        raise UserError(f"{path}: holds {', '.join(archive) or 'nothing'}; expected a dictionary {name}")
    return entry
