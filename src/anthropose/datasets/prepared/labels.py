"""Whether what a reader gives fits together, and holds numbers."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from anthropose.datasets.prepared.sets import ROWS, taken
from anthropose.datasets.raw.base import Findings, Picture, Pictures, RawSequence
from anthropose.errors import UserError

_WIDTHS = {"boxes": (4,), "pose": (72,), "betas": (10,)}
_MEASURED = ("boxes", "joints", "pose", "betas")
"""Frames where one of these is not a number are left out; keypoints that are none get the confidence zero."""


def sound(raw: RawSequence, findings: Findings) -> RawSequence:
    """The sequence without frames whose labels are not numbers or whose boxes are empty.

    Raises:
        UserError: its arrays do not fit together.
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
    if sequence.boxes is not None:
        empty = finite & ~(sequence.boxes[:, 2:] > 0).all(1)
        findings.note(sequence.name, "frames left out, their boxes are empty", int(empty.sum()))
        finite &= ~empty
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
    for key in ROWS:
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

    pictures: Pictures
    kept: Bool[np.ndarray, "n"]

    def __len__(self) -> int:
        return int(self.kept.sum())

    def frames(self) -> Iterator[Picture]:
        return (picture for picture, keep in zip(self.pictures.frames(), self.kept, strict=False) if keep)

    def missing(self) -> Bool[np.ndarray, "m"]:
        return self.pictures.missing()[self.kept]
