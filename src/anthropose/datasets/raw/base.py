"""What a reader of a raw release gives, and the table of all readers.

A release is a `RawSet`. It finds its sources, files or folders each of which holds one or a few sequences, and loads
them one after the other, so that a set far larger than the memory can be prepared and gone on with.
"""

import io
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as List
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int

from anthropose.body.model import BodyModel
from anthropose.datasets.sequence import Gender, Sequence
from anthropose.errors import UserError

T = TypeVar("T")
_THREADS = min(8, os.cpu_count() or 1)
"""That decode pictures; the memory that they take is that of so many pictures, three times."""
Picture = np.ndarray | UserError
"""RGB "h w 3", or why the picture cannot be had."""


@runtime_checkable
class Pictures(Protocol):
    """The pictures of a sequence's frames, decoded when they are asked for."""

    def __len__(self) -> int: ...

    def frames(self) -> Iterator[Picture]:
        """All of them in order; one that cannot be read comes as its error, and the others follow."""
        ...

    def missing(self) -> Bool[np.ndarray, "n"]:
        """Which are known not to be there without decoding any."""
        ...


@dataclass(frozen=True)
class ImageFiles:
    """A picture for each frame in a file of its own."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def frames(self) -> Iterator[Picture]:
        return _ahead(self.paths, _read)

    def missing(self) -> Bool[np.ndarray, "n"]:
        """Those whose file is not there; each folder is listed once."""
        listed = {folder: _files_in(folder) for folder in {path.parent for path in self.paths}}
        return np.array([path.name not in listed[path.parent] for path in self.paths], bool)


def _read(path: Path) -> Picture:
    from anthropose.video.images import read_image  # here, as below: trainings without pictures import this file

    try:
        return read_image(path)
    except UserError as error:
        return error


def _ahead(items: Iterable[T], read: Callable[[T], Picture]) -> Iterator[Picture]:
    """What is read of each item, in order, by threads that are a few pictures ahead: decoding does not hold Python's
    lock, and else a GPU would wait for it."""
    waiting: deque[Future[Picture]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(read, item))
                if len(waiting) > 2 * _THREADS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


@dataclass(frozen=True)
class VideoFrames:
    """Some frames of a video file."""

    path: Path
    numbers: Int[np.ndarray, "n"]
    """From 0, never decreasing; a frame that holds two people may come twice."""

    def __len__(self) -> int:
        return len(self.numbers)

    def frames(self) -> Iterator[Picture]:
        from anthropose.video import open_video

        given, first = 0, int(self.numbers[0]) if len(self) else 0
        try:
            for index, picture in enumerate(open_video(self.path).frames(first), first):
                while given < len(self) and self.numbers[given] == index:
                    yield picture
                    given += 1
                if given == len(self):
                    return
            error = UserError(f"{self.path}: the video ends before frame {self.numbers[given:][0]}")
        except UserError as failure:
            error = failure
        for _ in range(given, len(self)):
            yield error

    def missing(self) -> Bool[np.ndarray, "n"]:
        return np.full(len(self), not self.path.is_file())


@dataclass(frozen=True)
class EncodedImages:
    """Pictures inside another file, as JPEG or PNG."""

    encoded: tuple[bytes, ...]
    source: str
    """The file that they come from, for messages."""

    def __len__(self) -> int:
        return len(self.encoded)

    def frames(self) -> Iterator[Picture]:
        return _ahead(enumerate(self.encoded), self._decode)

    def _decode(self, item: tuple[int, bytes]) -> Picture:
        from PIL import Image

        number, data = item
        try:
            with Image.open(io.BytesIO(data)) as image:
                return np.array(image.convert("RGB"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            return UserError(f"{self.source}: picture {number} in it is damaged ({error})")

    def missing(self) -> Bool[np.ndarray, "n"]:
        return np.array([not data for data in self.encoded], bool)


@dataclass(frozen=True)
class RawSequence:
    """What a raw release says of one person in one video."""

    sequence: Sequence
    """The labels; its features are None, and its boxes are what the pictures are cropped by."""
    pictures: Pictures | None = None
    """One for each frame; None where the release has none."""
    crop_scale: float | None = 1.0
    """By how much the boxes are widened for the features, as the set's published script has it; None where the pictures
    are crops already."""


@dataclass
class Findings:
    """What was missing or odd in a release, counted by sequence."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def note(self, sequence: str, text: str, count: int = 1) -> None:
        """Something odd that happened so many times: to so many frames, where the text says nothing else."""
        if count:
            self.counts.setdefault(sequence, Counter())[text] += int(count)

    def missing(self, sequence: str, what: str, count: int = 1) -> None:
        """Something that should be there."""
        self.note(sequence, f"missing: {what}", count)

    def left_out(self, sequence: str, why: str) -> None:
        """A source or sequence of which nothing is taken."""
        self.note(sequence, f"left out: {why}")

    def add(self, other: "Findings") -> None:
        """Takes over what another has found."""
        for sequence, counts in other.counts.items():
            self.counts.setdefault(sequence, Counter()).update(counts)

    def table(self, most: int = 200) -> str:
        """A line for each sequence and finding, with its count; empty where nothing was found."""
        rows = [(name, count, text) for name, counts in self.counts.items() for text, count in counts.items()]
        if not rows:
            return ""
        width = max(len(name) for name, _, _ in rows[:most])
        lines = [f"{name:<{width}}  {count:>7}  {text}" for name, count, text in rows[:most]]
        if len(rows) > most:
            lines.append(f"... and {len(rows) - most} more; set.json has them all")
        return "\n".join(lines)


@dataclass(frozen=True)
class RawSource:
    """A file or folder of a release."""

    name: str
    """Unique in the set."""
    load: Callable[[Findings], Iterator[RawSequence]]
    """Its sequences, each read when it is asked for; raises UserError for what cannot be read."""


def _no_body(gender: Gender) -> BodyModel:
    raise UserError(f"labels of this set are made of a {gender} body, and none was given")


@dataclass(frozen=True)
class RawOptions:
    """How a release is read, where there is a choice."""

    body: Callable[[Gender], BodyModel] = _no_body
    """For labels that are made of a body. "neutral" is the one that the published tools take for everybody."""
    gendered: bool = False
    """Whether such labels are made of the body of the person's gender, which the published tools do not."""


@runtime_checkable
class RawSet(Protocol):
    """A reader of one release; made with RawOptions."""

    name: str
    subsets: tuple[str, ...]
    """Of "train", "val" and "test", those that the release has; the first is the default."""
    layout: str
    """The folders as they should be, printed when a wrong one is given."""

    def find(self, root: Path, subset: str) -> list[RawSource]:
        """The sources of a subset in a fixed order, found without reading them.

        Raises:
            UserError: the folder is not the release's.
        """
        ...


RAW_SETS: dict[str, str] = {
    "3dpw": "anthropose.datasets.raw.threedpw:ThreeDPW",
    "3dpw-whole": "anthropose.datasets.raw.threedpw:ThreeDPWWhole",
    "3dpw-dynaboa": "anthropose.datasets.raw.threedpw:ThreeDPWAsDynaBOA",
    "h36m": "anthropose.datasets.raw.human36m:Human36M",
    "h36m-tight": "anthropose.datasets.raw.human36m:Human36MTight",
    "mpii3d": "anthropose.datasets.raw.mpi_inf_3dhp:MPIInf3DHP",
    "mpii3d-test": "anthropose.datasets.raw.mpi_inf_3dhp:MPIInf3DHPTest",
    "mpii3d-test-whole": "anthropose.datasets.raw.mpi_inf_3dhp:MPIInf3DHPTestWhole",
    "mpii3d-test-annot3": "anthropose.datasets.raw.mpi_inf_3dhp:MPIInf3DHPTestOwnSkeletons",
    "insta": "anthropose.datasets.raw.instavariety:InstaVariety",
    "posetrack": "anthropose.datasets.raw.posetrack:PoseTrack",
    "pennaction": "anthropose.datasets.raw.penn_action:PennAction",
    "pennaction-tcmr": "anthropose.datasets.raw.penn_action:PennActionAsTCMR",
    "amass": "anthropose.datasets.raw.amass:AMASS",
    "internet": "anthropose.datasets.raw.internet:Internet",
    "internet-dynaboa": "anthropose.datasets.raw.internet:InternetAsDynaBOA",
}
"""Every release that `anthropose prepare` reads, by the name that it is asked for."""


def raw_set(name: str, options: RawOptions | None = None) -> RawSet:
    """The reader of that name.

    Raises:
        UserError: there is none.
    """
    if name not in RAW_SETS:
        raise UserError(f"no data set {name!r}; known are {', '.join(RAW_SETS)}")
    module, _, kind = RAW_SETS[name].partition(":")
    return getattr(import_module(module), kind)(options or RawOptions())


def short_release(found: int, expected: int, what: str) -> list[RawSource]:
    """A source without sequences that tells, where a release is not whole, how much of it is missing."""

    def told(findings: Findings) -> Iterator[RawSequence]:
        findings.missing("the release", f"{what}, of {expected}", expected - found)
        return iter(())

    return [RawSource("the release", told)] if found < expected else []


def check_folder(root: Path, markers: List[str], layout: str) -> None:
    """Makes sure that a folder is the one of a release.

    Args:
        markers: files or folders, as globs, all of which the release has in its root.

    Raises:
        UserError: it is not; the message says what is missing, where it was seen instead, and shows the layout.
    """
    if not root.is_dir():
        raise UserError(f"{root}: {'not a folder' if root.exists() else 'no such folder'}; expected\n{layout}")
    lacking = [marker for marker in markers if not any(root.glob(marker))]
    if not lacking:
        return
    near = [root.parent, *sorted(path for path in root.iterdir() if path.is_dir())]
    better = next((path for path in near if all(any(path.glob(marker)) for marker in markers)), None)
    hint = f"; did you mean {better}?" if better else ""
    raise UserError(f"{root}: it has no {', no '.join(lacking)}{hint} Expected\n{layout}")
