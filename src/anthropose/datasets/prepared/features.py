"""The image features of a sequence, from its pictures to a file, a batch at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from anthropose.datasets.prepared.sets import taken
from anthropose.datasets.raw.base import Findings, RawSequence
from anthropose.datasets.sequence import Sequence
from anthropose.errors import UserError
from anthropose.geometry.crops import crop_image
from anthropose.writing import remove_quietly, whole_file


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


@dataclass(frozen=True)
class FeatureWriter:
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
        for frame, picture in zip(range(len(read)), raw.pictures.frames(), strict=False):
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
        findings.missing(raw.sequence.name, "pictures at the end", int((~read).sum()) - len(errors))

    def _crop(self, raw: RawSequence, frame: int, picture: np.ndarray, size: int) -> np.ndarray:
        if raw.crop_scale is None:
            if picture.shape[:2] == (size, size):
                return picture
            import cv2  # here, since trainings on bare machines import this file and prepare nothing

            return cv2.resize(picture, (size, size))
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
