"""Files of torch.save, read without running what they say."""

import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from anthropose.errors import UserError


class _Nothing:
    """Stands for any object of numpy's in a checkpoint: it takes whatever it is given, and keeps none of it."""

    def __new__(cls, *_: Any) -> "_Nothing":
        return super().__new__(cls)

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


_KEPT_AS_NOTHING = (
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *(f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")),
    *(f"numpy.random._pickle.__{kind}_ctor" for kind in ("randomstate", "generator", "bit_generator")),
    *("numpy.random.__RandomState_ctor", "numpy.random._mt19937.MT19937", "numpy.random._pcg64.PCG64"),
    *("numpy.ndarray", "numpy.dtype", "_codecs.encode"),
)
"""What published files hold beside tensors: a metric as numpy's scalar, and the shuffler's RandomState of RIE."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a file of torch.save holds, tensors on the CPU, without running anything that it asks for.

    Both forms are read, the zip of today and the older plain one. Numpy's scalars, arrays and random states, which some
    files hold beside the tensors, become objects that hold nothing.

    Raises:
        UserError: the file is missing, cut, of another kind, or asks for anything but tensors and plain values.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected a published checkpoint, such as tcmr_demo_model.pth.tar")
    stand_ins: list[Any] = [(_Nothing, name) for name in _KEPT_AS_NOTHING]
    try:
        with torch.serialization.safe_globals(stand_ins), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # A damaged or foreign file can raise nearly anything.
        raise UserError(_why_unread(path, error)) from error
    if not isinstance(content, Mapping):
        raise UserError(f"{path}: holds a {type(content).__name__}, a published checkpoint holds named entries")
    return {str(key): value for key, value in content.items()}


def _why_unread(path: Path, error: Exception) -> str:
    asked = re.search(r"GLOBAL (\S+)|function (<[^>]*>|\S+)|class (\S+)", str(error))
    if asked is not None:
        name = next(group for group in asked.groups() if group)
        return (
            f"{path}: refused, since it asks for {name}, which no published checkpoint needs; get it from its authors"
        )
    if isinstance(error, PermissionError):
        return f"{path}: no permission to read it"
    kind = "is empty" if path.stat().st_size == 0 else "is cut short, or no checkpoint of torch.save"
    return f"{path}: {kind}; fetch it again from where it is published"
