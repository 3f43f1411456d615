"""The folder of a prepared set: what is in it, and how it is read and written. docs/data.md has the format."""

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from anthropose.datasets.published import read_database
from anthropose.datasets.published_images import read_images, read_stream
from anthropose.datasets.sequence import Sequence
from anthropose.errors import UserError
from anthropose.skeleton import SKELETONS
from anthropose.writing import whole_file

FORMAT = "anthropose-set/1"
INDEX = "set.json"
ROWS = ("keypoints", "boxes", "joints", "pose", "betas", "usable", "scored", "posed", "frames", "images", "activities")
"""The fields of a sequence with a row for each frame, other than its features."""


class NpyRows:
    """Rows of a `.npy` file, read when they are asked for; may go to the workers of a loader."""

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.path, self.shape = path, shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        try:
            array = _mapped(self.path)
        except (OSError, ValueError, EOFError) as error:
            raise UserError(
                f"{self.path}: missing or damaged ({error}); remove it and prepare the set again"
            ) from error
        if array.shape != self.shape:
            raise UserError(
                f"{self.path}: its shape is {array.shape}, the set says {self.shape}; prepare the set again"
            )
        return array[rows]


@lru_cache(maxsize=64)
def _mapped(path: Path) -> np.ndarray:
    """A file, mapped; only so many at a time, since a set may have more sequences than a process may have maps."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


def open_set(path: Path, body_counts: bool = True, bodies: bool = True) -> list[Sequence]:
    """The sequences of a prepared folder, or of published files.

    Args:
        path: a prepared folder or its set.json; a database of VIBE's, TCMR's or GLoT's (`*_db.pt`, `.h5`); a file of
            labels as SPIN and DynaBOA store them (`.npz`), or a folder of those.
        body_counts: as in `read_database`, for a published database.
        bodies: the same.

    Raises:
        UserError: there is nothing of the kind, or it is damaged.
    """
    path = Path(path)
    folder = path.parent if path.name == INDEX else path
    if path.suffix == ".npz":
        return [raw.sequence for raw in read_images(path, path.parent)]
    if folder.is_dir():
        if not (folder / INDEX).exists() and any(folder.glob("*.npz")):
            return [raw.sequence for raw in read_stream(folder, folder)]
        return read_set(folder)
    return read_database(path, body_counts, bodies)


def read_set(folder: Path) -> list[Sequence]:
    """The sequences of a prepared set, in its order; features stay in their files.

    Raises:
        UserError: the folder is no prepared set, was not finished, or is damaged.
    """
    folder = Path(folder)
    index = read_index(folder)
    if index is None:
        raise UserError(f"{folder}: no prepared set, it has no {INDEX}; `anthropose prepare NAME ROOT` makes one")
    if not index["complete"]:
        raise UserError(f"{folder}: preparing this set was not finished; run the same `anthropose prepare` again")
    entries = [entry for source in index["sources"].values() for entry in source["sequences"]]
    return [_read_sequence(folder, entry) for entry in entries]


def read_index(folder: Path) -> dict[str, Any] | None:
    """What the folder's set.json says, None where there is none.

    Raises:
        UserError: it is damaged, or of another program.
    """
    path = folder / INDEX
    if not path.exists():
        return None
    try:
        index = json.loads(path.read_bytes())
        if index["format"] != FORMAT:
            raise ValueError(f"expected the format {FORMAT}, found {index['format']}")
        return {"sources": dict(index["sources"]), "complete": bool(index["complete"]), **index}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: damaged, or of another program ({error}); prepare the set again") from error


def _read_sequence(folder: Path, entry: dict[str, Any]) -> Sequence:
    try:
        path = folder / "sequences" / f"{entry['file']}.npz"
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        rows = {key: arrays[key] for key in ROWS if key in arrays}
        sets: dict[str, Any] = {
            key: SKELETONS[str(arrays[key])] for key in ("keypoint_set", "joint_set") if key in arrays
        }
        width = entry["features"]
        features = None
        if width is not None:
            features = NpyRows(path.with_name(f"{entry['file']}.features.npy"), (entry["frames"], width))
        sequence = Sequence(
            entry["name"],
            features,
            **rows,
            **sets,
            body_counts=bool(arrays["body_counts"]),
            gender=str(arrays["gender"]),  # type: ignore[arg-type]
        )
        if any(len(array) != entry["frames"] for array in rows.values()):
            raise ValueError(f"not all of its arrays have {entry['frames']} rows")
    except Exception as error:  # numpy, zipfile and zlib each raise their own for a damaged file.
        raise UserError(
            f"{folder / 'sequences' / str(entry.get('file'))}.npz: missing or damaged ({error}); remove {INDEX} beside "
            "its folder and prepare the set again"
        ) from error
    return sequence


def write_sequence(folder: Path, file: str, sequence: Sequence) -> None:
    """Writes the labels of a sequence as `sequences/FILE.npz`; numbers with a fraction are rounded to 32 bits."""
    arrays: dict[str, Any] = {"body_counts": np.array(sequence.body_counts), "gender": np.array(sequence.gender)}
    for key in ROWS:
        array = getattr(sequence, key)
        if array is not None:
            arrays[key] = array.astype(np.float32) if array.dtype.kind == "f" else array
    for key in ("keypoint_set", "joint_set"):
        if getattr(sequence, key) is not None:
            arrays[key] = np.array(getattr(sequence, key).name)
    with whole_file(folder / "sequences" / f"{file}.npz") as part, part.open("wb") as opened:
        np.savez(opened, **arrays)


def taken(sequence: Sequence, rows: np.ndarray) -> Sequence:
    """Some frames of a sequence without features, by mask or by index."""
    arrays = {key: getattr(sequence, key) for key in ROWS}
    return replace(sequence, **{key: array[rows] for key, array in arrays.items() if array is not None})
