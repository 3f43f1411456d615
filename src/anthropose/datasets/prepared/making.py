"""Making a prepared set of a raw release, source by source."""

import json
import re
from collections.abc import Iterator
from collections.abc import Sequence as List
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anthropose.datasets.prepared.features import Extractor, FeatureWriter
from anthropose.datasets.prepared.labels import sound
from anthropose.datasets.prepared.names import SetName
from anthropose.datasets.prepared.sets import FORMAT, INDEX, read_index, write_sequence
from anthropose.datasets.raw.base import Findings, RawSequence, RawSet, RawSource
from anthropose.errors import UserError
from anthropose.progress import StageProgress, silent
from anthropose.writing import explain, remove_quietly, whole_file

JOURNAL = "unfinished.jsonl"
"""While a set is being prepared: a line for each source that is done, so that noting one costs the same however many
there are."""


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
    """Makes the folder NAME-SUBSET in `out` of a raw release, called as `SetName` has it.

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
    occluded = extractor is not None and "occluders" in extractor.settings
    name = SetName(raw_set.name, subset, crop_scale, occluded)
    folder = _Folder.opened(Path(out) / name.folder, made_with)
    for number, source in enumerate(sources):
        if source.name in folder.sources:
            continue

        def within(share: float, number: int = number) -> None:
            progress("prepare", (number + share) / len(sources))

        within(0.0)
        _prepare_source(source, folder, FeatureWriter(extractor, crop_scale, half, within))
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
        self._taken = {entry["file"].lower() for entry in self.entries()}

    @staticmethod
    def opened(path: Path, made_with: dict[str, Any]) -> "_Folder":
        """The folder as an earlier call has left it, or a new one. What an earlier call left out is forgotten.

        Raises:
            UserError: the folder holds a set that was made otherwise.
        """
        index = read_index(path)
        if index is None:
            folder = _Folder(path, made_with, {})
            folder._write(complete=False)
            return folder
        if index["made_with"] != json.loads(json.dumps(made_with)):
            theirs, ours = index["made_with"], made_with
            odd = sorted(key for key in {*theirs, *ours} if theirs.get(key) != ours.get(key))
            raise UserError(
                f"{path}: it holds a set that was prepared with another {', '.join(odd)}; choose another --out or "
                "remove the folder"
            )
        sources = index["sources"] | _journal(path / JOURNAL)
        return _Folder(path, made_with, {name: source for name, source in sources.items() if not source["left_out"]})

    def entries(self) -> list[dict[str, Any]]:
        """One for each sequence."""
        return [entry for source in self.sources.values() for entry in source["sequences"]]

    def file_for(self, sequence: str) -> str:
        """A file's name for a sequence, unique in the set, wherever upper and lower case are the same as well."""
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", sequence).strip("._")[:120] or "sequence"
        name, number = plain, 1
        while name.lower() in self._taken:
            number += 1
            name = f"{plain}~{number}"
        self._taken.add(name.lower())
        return name

    def record(self, source: str, sequences: list[dict[str, Any]], findings: Findings, left_out: list[str]) -> None:
        """Notes what has been made of a source.

        Raises:
            UserError: it cannot be written.
        """
        found = {name: dict(counts) for name, counts in findings.counts.items()}
        self.sources[source] = {"sequences": sequences, "findings": found, "left_out": left_out}
        try:
            with (self.path / JOURNAL).open("a", encoding="utf-8") as file:
                file.write(json.dumps({source: self.sources[source]}) + "\n")
        except OSError as error:
            raise UserError(explain(error, self.path / JOURNAL)) from error

    def finish(self, order: List[str]) -> None:
        """Notes that all sources have been gone through; those that the release does not have any more are dropped."""
        self.sources = {name: self.sources[name] for name in order}
        self._write(complete=True)
        for left in (self.path / JOURNAL, *(self.path / "sequences").glob(".*.part*")):
            remove_quietly(left)  # Half-written files are those of a call that was killed.

    def _write(self, complete: bool) -> None:
        index = {"format": FORMAT, "made_with": self.made_with, "complete": complete, "sources": self.sources}
        with whole_file(self.path / INDEX) as part:
            part.write_text(json.dumps(index, indent=1), encoding="utf-8")

    def prepared(self) -> Prepared:
        """What has been made in all calls."""
        findings = Findings()
        for source in self.sources.values():
            for name, counts in source["findings"].items():
                for text, count in counts.items():
                    findings.note(name, text, count)
        left_out = tuple(line for source in self.sources.values() for line in source["left_out"])
        entries = self.entries()
        return Prepared(self.path, len(entries), sum(entry["frames"] for entry in entries), findings, left_out)


def _journal(path: Path) -> dict[str, Any]:
    """The sources that an unfinished call has noted; a last line that was cut off is no source."""
    found: dict[str, Any] = {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for line in lines:
        try:
            found |= json.loads(line)
        except ValueError:
            continue
    return found


def _prepare_source(source: RawSource, folder: _Folder, features: FeatureWriter) -> None:
    """Writes all sequences of a source, and notes what has been made of it."""
    findings, left_out = Findings(), list[str]()
    entries: list[dict[str, Any]] = []
    for raw in _loaded(source, findings, left_out):
        name = raw.sequence.name
        file = folder.file_for(name)
        sequence, width = features.write(raw, folder.path, file, findings)
        if not len(sequence):
            left_out.append(f"{name}: none of its {len(raw.sequence)} frames can be used")
            continue
        write_sequence(folder.path, file, sequence)
        entries.append({"name": name, "file": file, "frames": len(sequence), "features": width})
    folder.record(source.name, entries, findings, left_out)


def _loaded(source: RawSource, findings: Findings, left_out: list[str]) -> Iterator[RawSequence]:
    """The sequences of a source that can be used; what goes wrong in reading ends the source, and nothing else."""
    loaded: Iterator[RawSequence] | None = None
    while True:
        try:
            loaded = source.load(findings) if loaded is None else loaded
            raw = next(loaded, None)
        except UserError as error:
            left_out.append(f"{source.name}: {error}")
            return
        except Exception as error:  # What is damaged in a way that the reader did not think of must not end the rest.
            left_out.append(f"{source.name}: could not be read ({type(error).__name__}: {error})")
            return
        if raw is None:
            return
        try:
            yield sound(raw, findings)
        except UserError as error:
            left_out.append(str(error))
