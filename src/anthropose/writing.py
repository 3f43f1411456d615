"""Files that appear whole or not at all: written beside their place, then renamed."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from anthropose.errors import UserError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; renames it to `path` on success and removes it on any failure.

    The temporary name keeps the suffix, since many writers choose their format by it.

    Raises:
        UserError: the folder cannot be written or the disk is full.
    """
    path = Path(path)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        raise UserError(explain(error, path)) from error
    finally:
        remove_quietly(part)


def remove_quietly(path: Path) -> None:
    """Removes `path` where it exists; a failure to do so must not hide the error that led here."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def explain(error: OSError, path: Path) -> str:
    """One line for a failed write to `path`."""
    if error.errno == errno.ENOSPC:
        return f"{path}: the disk is full; free some space and run the same command again, finished stages are kept"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path}: no permission to write there; choose another folder with --out"
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return f"{path}: a file or folder of another kind is in the way; choose another folder with --out"
    return f"{path}: could not be written ({error.strerror or error}); check the folder and run the same command again"
