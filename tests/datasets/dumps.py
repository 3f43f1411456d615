"""Writes dumps as joblib does, for want of joblib: a pickle with each array's bytes behind its description."""

import bz2
import gzip
import lzma
import pickle
import sys
import types
import zlib
from pathlib import Path
from typing import Any

import numpy as np


class NumpyArrayWrapper:
    """Joblib's description of an array, under joblib's name."""

    __module__ = "joblib.numpy_pickle"

    def __init__(self, array: np.ndarray, alignment: int | None) -> None:
        self.subclass, self.shape, self.dtype = type(array), array.shape, array.dtype
        self.order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        self.allow_mmap = not array.dtype.hasobject
        if alignment is not None:
            self.numpy_array_alignment_bytes = alignment


class _Pickler(pickle._Pickler):
    def __init__(self, file: Any, protocol: int, alignment: int | None) -> None:
        super().__init__(file, protocol)
        self.file, self.alignment = file, alignment

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if type(value) is not np.ndarray:
            super().save(value, save_persistent_id)
            return
        super().save(NumpyArrayWrapper(value, self.alignment))
        if self.proto >= 4:
            self.framer.commit_frame(force=True)
        if value.dtype.hasobject:
            pickle.dump(value, self.file, protocol=2)
            return
        if self.alignment is not None:
            padding = self.alignment - (self.file.tell() + 1) % self.alignment
            self.file.write(bytes([padding]) + b"\xff" * padding)
        self.file.write(value.tobytes("A"))


class _Zlib:
    """Just what the writer needs of a compressed file."""

    def __init__(self, path: Path) -> None:
        self._path, self._content = path, bytearray()

    def write(self, data: bytes) -> None:
        self._content += data

    def tell(self) -> int:
        return len(self._content)

    def __enter__(self) -> "_Zlib":
        return self

    def __exit__(self, *_: object) -> None:
        self._path.write_bytes(zlib.compress(bytes(self._content)))


COMPRESSIONS = ("", "zlib", "gzip", "bz2", "lzma")


def _opened(path: Path, compress: str) -> Any:
    if compress == "zlib":
        return _Zlib(path)
    openers: dict[str, Any] = {"": open, "gzip": gzip.open, "bz2": bz2.open, "lzma": lzma.open}
    return openers[compress](path, "wb")


def dump(path: Path, content: Any, compress: str = "", protocol: int = 4, alignment: int | None = 16) -> Path:
    """Writes `content` as joblib.dump would; without `alignment` as joblib before 1.2."""
    module = types.ModuleType("joblib.numpy_pickle")
    vars(module)["NumpyArrayWrapper"] = NumpyArrayWrapper
    names = {"joblib": types.ModuleType("joblib"), "joblib.numpy_pickle": module}
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update(names)
    try:
        with _opened(path, compress) as file:
            _Pickler(file, protocol, alignment).dump(content)
    finally:
        for name, old in before.items():
            if old is None:
                del sys.modules[name]
            else:
                sys.modules[name] = old
    return path
