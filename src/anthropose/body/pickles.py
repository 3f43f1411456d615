"""Reading the published SMPL pickles without running what they say.

A pickle is a program. This reader lets it build dictionaries, numpy arrays, and stand-ins for the scipy and chumpy
objects that SMPL's files hold; whatever else it asks for is refused before it is called. Neither scipy nor chumpy is
asked to unpickle.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from anthropose.errors import UserError


class Forbidden(Exception):
    """The pickle asked for something that no file of arrays needs."""


class _StandIn:
    """Any chumpy or scipy object: remembers its state and does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


class _Chumpy(_StandIn):
    def array(self) -> np.ndarray:
        """The values: a plain array under `x`, or entries `idxs` of another object `a`."""
        if "x" in self.state:
            return np.asarray(self.state["x"])
        source = _plain(self.state["a"])
        return source.reshape(-1)[np.asarray(self.state["idxs"])].reshape(self.state["preferred_shape"])


class _SparseColumns(_StandIn):
    def array(self) -> np.ndarray:
        """The dense matrix."""
        from scipy.sparse import csc_matrix

        parts = tuple(np.asarray(self.state[key]) for key in ("data", "indices", "indptr"))
        shape = self.state.get("_shape", self.state.get("shape"))
        matrix = csc_matrix(parts, shape=shape)
        matrix.check_format(full_check=True)
        return matrix.toarray()


def _plain(value: Any) -> np.ndarray:
    return value.array() if isinstance(value, _Chumpy | _SparseColumns) else np.asarray(value)


def _latin1(text: str, encoding: str) -> bytes:
    """What `_codecs.encode` is used for in pickles: bytes written as text."""
    if encoding != "latin1":
        raise Forbidden(f"text in the encoding {encoding}")
    return text.encode("latin1")


def _scalar(kind: np.dtype, data: bytes | str) -> np.generic:
    """A single number of numpy's."""
    if kind.kind not in "biuf":
        raise Forbidden(f"a number of type {kind}")
    return np.frombuffer(data.encode("latin1") if isinstance(data, str) else data, kind)[0]


def _reconstructor(kind: type, base: type, _: Any) -> Any:
    """What old pickles call to make an object without arguments."""
    if base is not object or not (isinstance(kind, type) and issubclass(kind, _StandIn)):
        raise Forbidden(f"an object of type {kind}")
    return kind()


_reconstruct_array = np.empty(0).__reduce__()[0]
NUMPY_GLOBALS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct_array,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct_array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("_codecs", "encode"): _latin1,
    ("collections", "OrderedDict"): dict,
}
"""What a pickle needs for numpy's arrays and numbers, by the names that Python 2 and 3 have for it."""
_ALLOWED: dict[tuple[str, str], Any] = NUMPY_GLOBALS | {
    ("copyreg", "_reconstructor"): _reconstructor,
    ("copy_reg", "_reconstructor"): _reconstructor,
    ("builtins", "object"): object,
    ("__builtin__", "object"): object,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("scipy.sparse.csc", "csc_matrix"): _SparseColumns,
    ("scipy.sparse._csc", "csc_matrix"): _SparseColumns,
}
"""All that is given to a SMPL pickle."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "chumpy" or module.startswith("chumpy."):
            return _Chumpy
        if (module, name) not in _ALLOWED:
            raise Forbidden(f"{module}.{name}")
        return _ALLOWED[module, name]


def read_pickle(path: Path) -> dict[str, np.ndarray]:
    """The arrays in a SMPL pickle; entries of other kinds are left out.

    Raises:
        UserError: the file is cut short, is no pickle, or asks for anything but arrays.
    """
    try:
        with path.open("rb") as file:
            content = _Reader(file, encoding="latin1").load()
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}, SMPL files hold a dictionary")
        return {
            key: _plain(value)
            for key, value in content.items()
            if isinstance(value, np.ndarray | _Chumpy | _SparseColumns)
        }
    except Forbidden as error:
        raise UserError(
            f"{path}: refused, since it asks for {error}, which no SMPL file needs; get it from its makers"
        ) from error
    except Exception as error:  # A damaged pickle can raise nearly anything.
        raise UserError(f"{path}: expected a whole SMPL pickle ({type(error).__name__}: {error})") from error
