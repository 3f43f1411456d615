"""Finished stages of a run, kept in its output folder so that a second run need not redo them."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from anthropose.errors import UserError
from anthropose.writing import whole_file

T = TypeVar("T")


def key_of(*parts: object) -> str:
    """A short key that changes when any of the parts does."""
    return hashlib.sha256(json.dumps(parts, default=str, sort_keys=True).encode()).hexdigest()[:16]


class Workspace:
    """Artefacts in a folder, each valid as long as its key is the one it was made under.

    A key names everything that an artefact depends on. With no folder nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._index = folder / "stages.json" if folder else None
        self._keys: dict[str, str] = {}
        if self._index is not None and self._index.exists():
            try:
                self._keys = dict(json.loads(self._index.read_text()))
            except (OSError, ValueError):
                self._keys = {}  # An index that cannot be read only costs a second computation.

    def path(self, name: str) -> Path | None:
        """Where the artefact lies, or None in a workspace without a folder."""
        return self.folder / name if self.folder else None

    def holds(self, name: str, key: str) -> bool:
        """Whether the artefact is there and was made under this key."""
        path = self.path(name)
        return path is not None and self._keys.get(name) == key and path.exists()

    def record(self, name: str, key: str) -> None:
        """Notes that the artefact now stands for this key."""
        self._keys[name] = key
        self._write_index()

    def drop_outdated(self, wanted: dict[str, str]) -> None:
        """Removes the artefacts outside `stages/` that are not in `wanted` (name -> key) or have another key there."""
        assert self.folder is not None
        outdated = [
            name for name, key in self._keys.items() if not name.startswith("stages/") and wanted.get(name) != key
        ]
        for name in outdated:
            (self.folder / name).unlink(missing_ok=True)
            del self._keys[name]
        if outdated:
            self._write_index()

    def check_writable(self) -> None:
        """Finds out before the work, not after it, whether the folder can be written.

        Raises:
            UserError: it cannot.
        """
        if self.folder is not None:
            with whole_file(self.folder / "stages" / "writable") as part:
                part.write_bytes(b"")
            (self.folder / "stages" / "writable").unlink(missing_ok=True)

    def kept(
        self, name: str, key: str, load: Callable[[Path], T], make: Callable[[], T], save: Callable[[T, Path], None]
    ) -> T:
        """The artefact: loaded where it is valid, else made, saved and recorded."""
        path = self.path(name)
        if path is None:
            return make()
        if self.holds(name, key):
            try:
                return load(path)
            except UserError:
                pass  # Damaged since it was written: make it again.
        self._keys.pop(name, None)
        value = make()
        save(value, path)
        self.record(name, key)
        return value

    def _write_index(self) -> None:
        if self._index is not None:
            with whole_file(self._index) as part:
                part.write_text(json.dumps(self._keys, indent=1, sort_keys=True))
