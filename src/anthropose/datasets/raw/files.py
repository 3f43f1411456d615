"""Reading the kinds of files that releases are made of; whatever is wrong with one becomes one line with its name."""

import json
import pickle
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


def read_plain_pickle(path: Path) -> Any:
    """What a pickle of Python 2 or 3 holds: plain values and numpy arrays, and nothing that would run code.

    Raises:
        UserError: the file is missing, cut short, no pickle, or asks for anything else.
    """
    try:
        with path.open("rb") as file:
            return _Reader(file, encoding="latin1").load()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Forbidden as error:
        raise UserError(f"{path}: refused, since it asks for {error}, which no file of labels needs") from error
    except Exception as error:  # A damaged pickle can raise nearly anything.
        raise UserError(f"{path}: damaged, or not a pickle of arrays ({type(error).__name__}: {error})") from error


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        UserError: the file is missing, cut short or no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: damaged, or not JSON ({error})") from error


def read_mat(path: Path) -> dict[str, Any]:
    """The variables of a MATLAB file of any version up to 7.2; structures as dictionaries, cells as object arrays.

    Raises:
        UserError: the file is missing, cut short, no MATLAB file, or of version 7.3, which is HDF5.
    """
    from scipy.io import loadmat

    try:
        content = loadmat(str(path), simplify_cells=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except NotImplementedError as error:
        raise UserError(f"{path}: a MATLAB file of version 7.3, expected one before it") from error
    except Exception as error:  # A damaged file can make scipy raise nearly anything.
        raise UserError(f"{path}: damaged, or not a MATLAB file ({type(error).__name__}: {error})") from error
    return {key: value for key, value in content.items() if not key.startswith("__")}


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a `.npz` file, none of which may hold objects.

    Raises:
        UserError: the file is missing, cut short, or no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:  # numpy, zipfile and zlib each raise their own.
        raise UserError(f"{path}: damaged, or not an .npz file of arrays ({type(error).__name__}: {error})") from error


def read_hdf5(path: Path, *keys: str) -> dict[str, np.ndarray]:
    """Arrays of an HDF5 file, which MATLAB files of version 7.3 are too (with their axes the other way round).

    Raises:
        UserError: the file is missing, cut short, no HDF5, lacks a key, or h5py is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise UserError(f"{path}: HDF5 files need h5py; pip install 'anthropose[data]'") from None
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            lacking = [key for key in keys if key not in file]
            if lacking:
                raise UserError(f"{path}: it holds {', '.join(file) or 'nothing'}, but no {', no '.join(lacking)}")
            return {key: np.asarray(file[key]) for key in keys}
    except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: cut short, or not an HDF5 file ({error})") from error


def needed(content: Any, path: Path, *keys: str) -> list[Any]:
    """The entries of a dictionary that has been read from a file.

    Raises:
        UserError: it is no dictionary or lacks one of them.
    """
    if not isinstance(content, dict):
        raise UserError(f"{path}: it holds a {type(content).__name__}, expected a dictionary with {', '.join(keys)}")
    lacking = [key for key in keys if key not in content]
    if lacking:
        some = ", ".join(sorted(map(str, content))[:10])
        raise UserError(f"{path}: it has no {', no '.join(lacking)}; it has {some or 'nothing'}")
    return [content[key] for key in keys]
