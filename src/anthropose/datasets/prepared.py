"""The project's own database of a data set: a folder that `anthropose prepare` makes of a raw release.

    3dpw-train/
        set.json                        which sequences there are, how they were made, and what was left out
        sequences/NAME.npz              the labels of one sequence
        sequences/NAME.features.npy     its image features, "n f"; mapped into memory, never read as a whole

The arrays in a `.npz` are the fields of `Sequence` under their own names. docs/data.md has the format.
"""

import json
import re
from collections.abc import Callable, Iterator
from collections.abc import Sequence as List
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from anthropose.datasets.published import read_database
from anthropose.datasets.raw.base import Findings, RawSequence, RawSet, RawSource
from anthropose.datasets.sequence import Sequence
from anthropose.errors import UserError
from anthropose.geometry.crops import crop_image
from anthropose.progress import StageProgress, silent
from anthropose.skeleton import SKELETONS
from anthropose.writing import remove_quietly, whole_file

FORMAT = "anthropose-set/1"
INDEX = "set.json"
_ROWS = ("keypoints", "boxes", "joints", "pose", "betas", "usable", "scored", "posed", "frames", "images")
"""The fields of a sequence with a row for each frame, other than its features."""
_WIDTHS = {"boxes": (4,), "pose": (72,), "betas": (10,)}
_MEASURED = ("boxes", "joints", "pose", "betas")
"""Frames where one of these is not a number are left out; keypoints that are none get the confidence zero."""


@runtime_checkable
class Extractor(Protocol):
    """From square crops to a vector of features for each."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int:
        """Pixels along a side of the crops."""
        ...

    @property
    def batch(self) -> int:
        """How many crops it wants at once."""
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that changes the features, as JSON values."""
        ...

    def __call__(self, crops: UInt8[Tensor, "b h w 3"]) -> Float[Tensor, "b f"]: ...


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
    """The sequences of a prepared folder, or of a published database (`*_db.pt`, `.h5`).

    Args:
        path: the folder, its set.json, or the file.
        body_counts: as in `read_database`, for a published database.
        bodies: the same.

    Raises:
        UserError: there is nothing of the kind, or it is damaged.
    """
    path = Path(path)
    if path.name == INDEX or path.is_dir():
        return read_set(path.parent if path.name == INDEX else path)
    return read_database(path, body_counts, bodies)


def read_set(folder: Path) -> list[Sequence]:
    """The sequences of a prepared set, in its order; features stay in their files.

    Raises:
        UserError: the folder is no prepared set, was not finished, or is damaged.
    """
    folder = Path(folder)
    index = _read_index(folder)
    if index is None:
        raise UserError(f"{folder}: no prepared set, it has no {INDEX}; `anthropose prepare NAME ROOT` makes one")
    if not index["complete"]:
        raise UserError(f"{folder}: preparing this set was not finished; run the same `anthropose prepare` again")
    entries = [entry for source in index["sources"].values() for entry in source["sequences"]]
    return [_read_sequence(folder, entry) for entry in entries]


def _read_index(folder: Path) -> dict[str, Any] | None:
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
        rows = {key: arrays[key] for key in _ROWS if key in arrays}
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
    for key in _ROWS:
        array = getattr(sequence, key)
        if array is not None:
            arrays[key] = array.astype(np.float32) if array.dtype.kind == "f" else array
    for key in ("keypoint_set", "joint_set"):
        if getattr(sequence, key) is not None:
            arrays[key] = np.array(getattr(sequence, key).name)
    with whole_file(folder / "sequences" / f"{file}.npz") as part, part.open("wb") as opened:
        np.savez(opened, **arrays)


@dataclass(frozen=True)
class Prepared:
    """What `prepare` has made."""

    path: Path
    sequences: int
    frames: int
    findings: Findings
    left_out: tuple[str, ...]
    """A line for each source and sequence that is not in the set."""

    def report(self) -> str:
        """What there is, what was odd, and what was left out, for the terminal."""
        lines = [f"{self.path}: {self.sequences} sequences, {self.frames} frames"]
        table = self.findings.table()
        if table:
            lines += ["missing or odd, by sequence, with how often:", table]
        if self.left_out:
            lines += [f"{len(self.left_out)} left out:", *(f"  {line}" for line in self.left_out)]
        return "\n".join(lines)


def prepare(
    raw_set: RawSet,
    root: Path,
    out: Path,
    subset: str = "",
    extractor: Extractor | None = None,
    progress: StageProgress = silent,
    *,
    crop_scale: float | None = None,
    half: bool = False,
    settings: dict[str, Any] | None = None,
) -> Prepared:
    """Makes the folder NAME-SUBSET in `out` of a raw release.

    A source that cannot be read is left out and listed, and the others are done. After an interruption the same call
    goes on where it stopped; what was left out is tried again.

    Args:
        root: the release's folder.
        subset: "train", "val" or "test"; the release's first when empty.
        extractor: makes the features; the set is prepared without them where None.
        progress: called with the stage "prepare".
        crop_scale: by how much boxes are widened for the features, in place of the set's own scale.
        half: whether features are stored in 16 bits, in half the space.
        settings: everything else that changes the labels, as JSON values.

    Raises:
        UserError: the folder is not the release's, the release has no such subset, nothing of it could be read, or
            `out` holds a set that was made with other settings, or cannot be written.
    """
    subset = subset or raw_set.subsets[0]
    if subset not in raw_set.subsets:
        raise UserError(f"{raw_set.name} has no subset {subset!r}; it has {', '.join(raw_set.subsets)}")
    sources = raw_set.find(Path(root), subset)
    made_with = {
        "set": raw_set.name,
        "subset": subset,
        "extractor": None if extractor is None else {"name": extractor.name, **extractor.settings},
        "crop_scale": crop_scale,
        "half": half,
        **(settings or {}),
    }
    folder = _Folder.opened(Path(out) / f"{raw_set.name}-{subset}", made_with)
    folder.keep([source.name for source in sources])
    for number, source in enumerate(sources):
        if folder.is_done(source.name):
            continue

        def within(share: float, number: int = number) -> None:
            progress("prepare", (number + share) / len(sources))

        within(0.0)
        _prepare_source(source, folder, _Features(extractor, crop_scale, half, within))
    folder.finish([source.name for source in sources])
    progress("prepare", 1.0)
    prepared = folder.prepared()
    if not prepared.sequences:
        reason = prepared.left_out[0] if prepared.left_out else "it has no sequences of this subset"
        raise UserError(f"{root}: nothing of {raw_set.name} {subset} could be prepared: {reason}")
    return prepared


class _Folder:
    """A set that is being prepared."""

    def __init__(self, path: Path, made_with: dict[str, Any], sources: dict[str, Any]) -> None:
        self.path, self.made_with, self.sources = path, made_with, sources
        self._done = set(sources)

    @staticmethod
    def opened(path: Path, made_with: dict[str, Any]) -> "_Folder":
        """The folder as an earlier call has left it, or a new one."""
        index = _read_index(path)
        if index is None:
            return _Folder(path, made_with, {})
        if index["made_with"] != json.loads(json.dumps(made_with)):
            theirs, ours = index["made_with"], made_with
            odd = sorted(key for key in {*theirs, *ours} if theirs.get(key) != ours.get(key))
            raise UserError(
                f"{path}: it holds a set that was prepared with another {', '.join(odd)}; choose another --out or "
                "remove the folder"
            )
        done = {name: source for name, source in index["sources"].items() if not source["left_out"]}
        return _Folder(path, made_with, done)

    def is_done(self, source: str) -> bool:
        """Whether an earlier call has prepared the source as a whole."""
        return source in self._done

    def keep(self, names: List[str]) -> None:
        """Forgets sources that the release does not have any more."""
        self.sources = {name: source for name, source in self.sources.items() if name in set(names)}

    def file_for(self, sequence: str, fresh: List[str]) -> str:
        """A file's name for a sequence, unique in the set, wherever upper and lower case are the same as well."""
        taken = {entry["file"].lower() for source in self.sources.values() for entry in source["sequences"]}
        taken |= {name.lower() for name in fresh}
        plain = re.sub(r"[^\w.-]+", "_", sequence).strip("._")[:120] or "sequence"
        names = (plain if k == 1 else f"{plain}~{k}" for k in range(1, len(taken) + 2))
        return next(name for name in names if name.lower() not in taken)

    def record(self, source: str, sequences: list[dict[str, Any]], findings: Findings, left_out: list[str]) -> None:
        """Notes what has been made of a source."""
        found = {name: dict(counts) for name, counts in findings.counts.items()}
        self.sources[source] = {"sequences": sequences, "findings": found, "left_out": left_out}
        self._write(complete=False)

    def finish(self, order: List[str]) -> None:
        """Notes that all sources have been gone through."""
        self.sources = {name: self.sources[name] for name in order}
        self._write(complete=True)

    def _write(self, complete: bool) -> None:
        index = {"format": FORMAT, "made_with": self.made_with, "complete": complete, "sources": self.sources}
        with whole_file(self.path / INDEX) as part:
            part.write_text(json.dumps(index, indent=1))

    def prepared(self) -> Prepared:
        entries = [entry for source in self.sources.values() for entry in source["sequences"]]
        findings = Findings()
        for source in self.sources.values():
            for name, counts in source["findings"].items():
                for text, count in counts.items():
                    findings.note(name, text, count)
        left_out = tuple(line for source in self.sources.values() for line in source["left_out"])
        return Prepared(self.path, len(entries), sum(entry["frames"] for entry in entries), findings, left_out)


def _prepare_source(source: RawSource, folder: _Folder, extraction: "_Features") -> None:
    """Writes all sequences of a source; what goes wrong in reading is noted and ends the source."""
    findings, left_out = Findings(), list[str]()
    entries: list[dict[str, Any]] = []
    loaded = source.load(findings)
    while True:
        try:
            raw = next(loaded, None)
            if raw is None:
                break
            raw = _sound(raw, findings)
        except UserError as error:
            left_out.append(f"{source.name}: {error}")
            break
        except Exception as error:  # What is damaged in a way that the reader did not think of must not end the rest.
            left_out.append(f"{source.name}: could not be read ({type(error).__name__}: {error})")
            break
        name = raw.sequence.name
        file = folder.file_for(name, [entry["file"] for entry in entries])
        sequence, width = extraction.write(raw, folder.path, file, findings)
        if not len(sequence):
            left_out.append(f"{name}: none of its {len(raw.sequence)} frames can be used")
            continue
        write_sequence(folder.path, file, sequence)
        entries.append({"name": name, "file": file, "frames": len(sequence), "features": width})
    folder.record(source.name, entries, findings, left_out)


def _sound(raw: RawSequence, findings: Findings) -> RawSequence:
    """The sequence without frames whose labels are not numbers, after its arrays have been checked to fit together.

    Raises:
        UserError: they do not.
    """
    sequence = raw.sequence
    _check_shapes(raw)
    finite = np.ones(len(sequence), bool)
    for key in _MEASURED:
        array = getattr(sequence, key)
        if array is not None:
            fine = np.isfinite(array).reshape(len(array), -1).all(1)
            findings.note(sequence.name, f"frames left out, their {key} are not numbers", int((~fine).sum()))
            finite &= fine
    if sequence.keypoints is not None:
        lost = ~np.isfinite(sequence.keypoints).all(2)
        findings.note(sequence.name, "keypoints that are not numbers, taken as unseen", int(lost.sum()))
        sequence = replace(sequence, keypoints=np.where(lost[..., None], 0, sequence.keypoints))
    if finite.all():
        return replace(raw, sequence=sequence)
    pictures = None if raw.pictures is None else _Some(raw.pictures, finite)
    return replace(raw, sequence=taken(sequence, finite), pictures=pictures)


def _check_shapes(raw: RawSequence) -> None:
    sequence, count = raw.sequence, len(raw.sequence)
    if raw.pictures is not None and len(raw.pictures) != count:
        raise UserError(f"{sequence.name}: {len(raw.pictures)} pictures for {count} frames")
    for key in _ROWS:
        array = getattr(sequence, key)
        if array is None:
            continue
        joint_set = {"keypoints": sequence.keypoint_set, "joints": sequence.joint_set}.get(key)
        wanted: tuple[int, ...] = (len(joint_set), 3) if joint_set is not None else _WIDTHS.get(key, ())
        if array.shape != (count, *wanted):
            raise UserError(f"{sequence.name}: its {key} have the shape {array.shape}, expected {(count, *wanted)}")


@dataclass(frozen=True)
class _Some:
    """Some of a sequence's pictures."""

    pictures: Any
    kept: Bool[np.ndarray, "n"]

    def __len__(self) -> int:
        return int(self.kept.sum())

    def frames(self) -> Iterator[Any]:
        return (picture for picture, keep in zip(self.pictures.frames(), self.kept, strict=True) if keep)

    def missing(self) -> Bool[np.ndarray, "m"]:
        return self.pictures.missing()[self.kept]


def taken(sequence: Sequence, rows: np.ndarray) -> Sequence:
    """Some frames of a sequence without features, by mask or by index."""
    known = {field.name for field in fields(Sequence)}
    arrays = {key: getattr(sequence, key) for key in _ROWS if key in known}
    return replace(sequence, **{key: array[rows] for key, array in arrays.items() if array is not None})


@dataclass(frozen=True)
class _Features:
    """Makes the features of one sequence after the other."""

    extractor: Extractor | None
    crop_scale: float | None
    half: bool
    progress: Callable[[float], None]

    def write(self, raw: RawSequence, folder: Path, file: str, findings: Findings) -> tuple[Sequence, int | None]:
        """Writes the features of all frames whose pictures can be read; gives the sequence of those, and their width.

        Without an extractor all frames are kept, and pictures that are not there are only told.
        """
        sequence, pictures = raw.sequence, raw.pictures
        gone = 0 if pictures is None else int(pictures.missing().sum())
        if self.extractor is None:
            findings.missing(sequence.name, "pictures", gone)
            return sequence, None
        if pictures is None:
            findings.note(sequence.name, "no features, since the release has no pictures of it")
            return sequence, None
        if gone == len(sequence):
            findings.missing(sequence.name, "pictures", gone)
            return taken(sequence, np.zeros(len(sequence), bool)), None
        read = np.zeros(len(sequence), bool)
        path = folder / "sequences" / f"{file}.features.npy"
        width = _write_rows(path, self._rows(raw, self.extractor, read, findings), self.half)
        if width is None:
            remove_quietly(path)
        return taken(sequence, read), width

    def _rows(
        self, raw: RawSequence, extractor: Extractor, read: np.ndarray, findings: Findings
    ) -> Iterator[np.ndarray]:
        """Features, a batch at a time; `read` is told which frames they are of."""
        assert raw.pictures is not None
        crops, errors = [], []
        for frame, picture in enumerate(raw.pictures.frames()):
            if isinstance(picture, UserError):
                errors.append(picture)
                continue
            crops.append(self._crop(raw, frame, picture, extractor.size))
            read[frame] = True
            if len(crops) == extractor.batch:
                yield extractor(torch.from_numpy(np.stack(crops))).numpy()
                crops = []
                self.progress((frame + 1) / len(read))
        if crops:
            yield extractor(torch.from_numpy(np.stack(crops))).numpy()
        if errors:
            findings.note(raw.sequence.name, f"frames left out for their pictures, the first: {errors[0]}", len(errors))

    def _crop(self, raw: RawSequence, frame: int, picture: np.ndarray, size: int) -> np.ndarray:
        if raw.crop_scale is None:
            return picture if picture.shape[:2] == (size, size) else cv2.resize(picture, (size, size))
        if raw.sequence.boxes is None:
            raise ValueError(f"{raw.sequence.name}: its reader gives pictures to crop, but no boxes")
        return crop_image(picture, raw.sequence.boxes[frame], size, self.crop_scale or raw.crop_scale)


def _write_rows(path: Path, batches: Iterator[np.ndarray], half: bool) -> int | None:
    """Writes rows as a `.npy` file without holding them; gives their width, None where there were none."""
    kind, count, width = np.dtype(np.float16 if half else np.float32), 0, None
    with whole_file(path) as part, part.open("wb") as file:
        for batch in batches:
            if width is None:
                width = batch.shape[1]
                _write_header(file, (0, width), kind)
            file.write(np.ascontiguousarray(batch, kind).tobytes())
            count += len(batch)
        if width is not None:
            file.seek(0)
            _write_header(file, (count, width), kind)
    return width


_HEADER = 128
"""Bytes before the rows, as numpy writes them for any array of two axes."""


def _write_header(file: Any, shape: tuple[int, int], kind: np.dtype) -> None:
    """A `.npy` header that has the same length whatever the number of rows."""
    text = repr({"descr": kind.str, "fortran_order": False, "shape": shape})
    magic = b"\x93NUMPY\x01\x00" + (_HEADER - 10).to_bytes(2, "little")
    file.write(magic + text.ljust(_HEADER - 11).encode() + b"\n")
