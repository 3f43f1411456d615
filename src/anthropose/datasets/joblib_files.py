"""Reading the prepared databases (`*_db.pt`), which are joblib dumps, without joblib and without running what they say.

A joblib dump is a pickle, plain or compressed, in which every array is a small object that tells type and shape, with
the array's bytes right behind it in the file. Where the file is not compressed, arrays are mapped into memory rather
than read: a database of features is gigabytes, and a training looks at a window at a time.
"""

import bz2
import gzip
import io
import lzma
import pickle
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from anthropose.body.pickles import NUMPY_GLOBALS, Forbidden
from anthropose.errors import UserError

_CHUNK = 1 << 20
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZ": "bz2",
    b"\xfd7zXZ": "lzma",
    b"\x5d\x00": "lzma",
    b"\x04\x22\x4d\x18": "lz4",
    b"ZF": "an old form of zlib",
    b"\x78": "zlib",
}
"""How joblib's compressed files begin; a plain pickle begins with 0x80."""


def read_joblib(path: Path) -> dict[str, np.ndarray]:
    """The arrays in a joblib dump of a dictionary; entries of other kinds are left out.

    Arrays of a plain file are mapped, and cannot be written to.

    Raises:
        UserError: the file is missing, cut short, compressed in a way that needs more than Python's own libraries, not
            joblib's, or asks for anything but numpy arrays.
    """
    content = read_nested(path, "database")
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise UserError(f"{path}: expected a whole database by joblib (it holds a {kind}, a database is a dictionary)")
    try:
        arrays = {key: _plain(value) for key, value in content.items()}
    except ValueError as error:
        raise UserError(f"{path}: expected a whole database by joblib (a list of unequal parts: {error})") from error
    return {key: value for key, value in arrays.items() if isinstance(value, np.ndarray)}


def read_nested(path: Path, what: str = "file of results") -> Any:
    """What a joblib dump or a plain pickle holds: dictionaries, lists, plain values, and arrays.

    Args:
        what: it is expected to be, for messages.

    Raises:
        UserError: as `read_joblib`.
    """
    try:
        with path.open("rb") as file:
            return _nested(_load(file, path))
    except UserError:
        raise
    except FileNotFoundError:
        known = ", such as 3dpw_test_db.pt" if what == "database" else ""
        raise UserError(f"{path}: no such file; expected a {'prepared ' if known else ''}{what}{known}") from None
    except Forbidden as error:
        raise UserError(f"{path}: refused, since it asks for {error}, which no {what} of arrays needs") from error
    except Exception as error:  # A damaged pickle can raise nearly anything.
        raise UserError(f"{path}: expected a whole {what} by joblib ({type(error).__name__}: {error})") from error


def _nested(value: Any) -> Any:
    if isinstance(value, _ArrayInFile):
        return value.array
    if isinstance(value, dict):
        return {key: _nested(one) for key, one in value.items()}
    return [_nested(one) for one in value] if isinstance(value, list) else value


def _load(file: io.BufferedReader, path: Path) -> Any:
    start = file.read(5)
    file.seek(0)
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), "plain")
    if kind == "plain":
        return _Reader(file, mapped=path).load()
    if kind == "zlib":
        return _Reader(io.BufferedReader(_ZlibFile(file), _CHUNK)).load()
    openers: dict[str, Any] = {"gzip": gzip.open, "bz2": bz2.open, "lzma": lzma.open}
    if kind not in openers:
        raise UserError(
            f"{path}: compressed by {kind}, which is not read here; write it again without compression,"
            " joblib.dump(joblib.load(FILE), NEW_FILE)"
        )
    with openers[kind](file) as unpacked:
        return _Reader(io.BufferedReader(unpacked, _CHUNK)).load()


class _ZlibFile(io.RawIOBase):
    """A zlib stream as a file, for which Python has a decompressor but no file type."""

    def __init__(self, packed: io.BufferedReader) -> None:
        self._packed, self._unpack, self._ready = packed, zlib.decompressobj(), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._unpack.eof:
            packed = self._packed.read(_CHUNK)
            if not packed:
                raise EOFError("the compressed stream ends early")
            self._ready = self._unpack.decompress(packed)
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


class _Rest:
    """What a pickle reader needs of a file. Without `peek` it takes no byte more than it understands, so that the file
    stands at an array's bytes when the array's description has been read."""

    def __init__(self, file: io.BufferedReader) -> None:
        self.read, self.readline = file.read, file.readline


class _ArrayInFile:
    """Stands for joblib's description of an array; reads the array from the file as soon as it is described."""

    file: io.BufferedReader
    mapped: Path | None
    array: np.ndarray

    def __setstate__(self, state: dict[str, Any]) -> None:
        kind, order = state["dtype"], state["order"]
        if state["subclass"] is not np.ndarray or not isinstance(kind, np.dtype) or order not in ("C", "F"):
            raise Forbidden(f"an array of type {state['subclass']}")
        shape = tuple(int(size) for size in state["shape"])
        if kind.hasobject:
            self.array = _Reader(self.file).load()
            return
        if state.get("numpy_array_alignment_bytes") is not None:  # joblib 1.2 and later
            self.file.read(self.file.read(1)[0])
        read = self._read if self.mapped is None else partial(self._map, self.mapped)
        array = read(kind, shape, order)
        self.array = array if kind.isnative else array.astype(kind.newbyteorder("="))

    def _map(self, path: Path, kind: np.dtype, shape: tuple[int, ...], order: Any) -> np.ndarray:
        size = kind.itemsize * int(np.prod(shape, dtype=object))
        if size == 0:
            return np.empty(shape, kind)
        start = self.file.tell()
        if self.file.seek(0, io.SEEK_END) < start + size:
            raise EOFError("an array ends early")
        self.file.seek(start + size)
        return np.memmap(path, kind, "r", start, shape, order)

    def _read(self, kind: np.dtype, shape: tuple[int, ...], order: Any) -> np.ndarray:
        size = kind.itemsize * int(np.prod(shape, dtype=object))
        parts = []
        while size > 0:
            part = self.file.read(min(size, _CHUNK))
            if not part:
                raise EOFError("an array ends early")
            parts.append(part)
            size -= len(part)
        return np.frombuffer(bytearray().join(parts), kind).reshape(shape, order=order)


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BufferedReader, mapped: Path | None = None) -> None:
        super().__init__(_Rest(file), encoding="latin1")
        self._arrays = type("ArrayInFile", (_ArrayInFile,), {"file": file, "mapped": mapped})

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
            return self._arrays
        if module.startswith("joblib.") and name.endswith("NDArrayWrapper"):
            raise Forbidden("arrays in files of their own (joblib before 0.10)")
        if (module, name) not in NUMPY_GLOBALS:
            raise Forbidden(f"{module}.{name}")
        return NUMPY_GLOBALS[module, name]


def _plain(value: Any) -> Any:
    """Arrays as they are, lists of numbers or texts as arrays."""
    return _texts(np.array(value)) if isinstance(value, list) else _texts(value)


def _texts(array: Any) -> Any:
    """An array of Python's own strings as one of numpy's; such arrays of other objects are no data of ours."""
    if not isinstance(array, np.ndarray) or array.dtype != object:
        return array
    if all(isinstance(item, str | bytes) for item in array.ravel()):
        return array.astype(str) if array.size else array.astype("<U1")
    return None
