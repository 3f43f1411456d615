"""The windows of keypoints that lifters are trained on, in the published order (rie spec, sections 4 and 7)."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anthropose.geometry.lens import mirrored_intrinsics
from anthropose.geometry.mirror import mirrored


@dataclass(frozen=True)
class LiftingBatch:
    """Windows of keypoints and the joints of the frames in their middle."""

    keypoints: Float[Tensor, "b t k 2"]
    """Screen coordinates."""
    joints: Float[Tensor, "b o j 3"]
    """Camera axes [m]; `o` is the chunk, one frame for all published trainings."""
    intrinsics: Float[Tensor, "b 9"] | None = None
    """Of the camera's lens, where it is known."""


def chunks_of(lengths: Sequence[int], chunk: int = 1, flipped: bool = True) -> Int[np.ndarray, "c 4"]:
    """Rows of sequence, first frame, last frame + 1, and 1 where the window is mirrored.

    Chunks of several frames are laid centred over a sequence and may reach over its ends. A sequence's mirrored windows
    come after its plain ones.
    """
    rows = []
    for sequence, length in enumerate(lengths):
        count = -(-length // chunk)
        bounds = np.arange(count + 1) * chunk - (count * chunk - length) // 2
        for flip in (0, 1) if flipped else (0,):
            rows.append(np.stack([np.full(count, sequence), bounds[:-1], bounds[1:], np.full(count, flip)], axis=1))
    return np.concatenate(rows)


class LiftingWindows:
    """Windows over sequences, gathered batch by batch by index; what lies outside a sequence repeats its end frames."""

    def __init__(
        self,
        keypoints: Sequence[Float[Tensor, "_ k 2"]],
        joints: Sequence[Float[Tensor, "_ j 3"]],
        mirrors: tuple[Sequence[int], Sequence[int]],
        reach: int,
        intrinsics: Sequence[Float[Tensor, "9"]] | None = None,
        *,
        chunk: int = 1,
        causal_shift: int = 0,
        flipped: bool = True,
        seed: int = 1234,
    ) -> None:
        """
        Args:
            keypoints: of each sequence, in screen coordinates.
            joints: of each sequence.
            mirrors: for each keypoint, and for each joint, its counterpart on the other side.
            reach: frames that a window has before and after its chunk: 121 for a receptive field of 243.
            causal_shift: frames by which windows lie earlier than their chunks.
            flipped: whether every window is there a second time, mirrored.
            seed: of the order in which epochs take the windows.
        """
        self.chunks = torch.from_numpy(chunks_of([len(one) for one in keypoints], chunk, flipped))
        self._shuffler = np.random.RandomState(seed)
        self._before, self._after = reach + causal_shift, reach - causal_shift
        self._mirrors = mirrors
        self._lengths = torch.tensor([len(one) for one in keypoints])
        self._starts = self._lengths.cumsum(0) - self._lengths
        self._keypoints, self._joints = torch.cat(list(keypoints)), torch.cat(list(joints))
        self._intrinsics = None if intrinsics is None else torch.stack(list(intrinsics))

    def __len__(self) -> int:
        return len(self.chunks)

    def batches(self, size: int) -> int:
        """How many batches an epoch has; the last may be smaller."""
        return -(-len(self) // size)

    def order(self) -> Int[Tensor, "c"]:
        """The next epoch's order: every call draws another."""
        return torch.from_numpy(self._shuffler.permutation(len(self)))

    def epoch(self, size: int) -> Iterator[LiftingBatch]:
        """All windows once, in the next epoch's order."""
        for rows in self.order().split(size):
            yield self.gather(rows)

    def gather(self, rows: Int[Tensor, "b"]) -> LiftingBatch:
        """The windows of the given rows of `chunks`."""
        sequence, first, end, flip = self.chunks[rows].unbind(1)
        span = int(end[0] - first[0]) if len(rows) else 0
        frames = first[:, None] + torch.arange(-self._before, span + self._after)
        keypoints = self._keypoints[self._within(frames, sequence)]
        joints = self._joints[self._within(first[:, None] + torch.arange(span), sequence)]
        mirrors, is_flipped = self._mirrors, flip.bool()
        intrinsics = None if self._intrinsics is None else self._intrinsics[sequence]
        if intrinsics is not None:
            intrinsics = _where(is_flipped, mirrored_intrinsics(intrinsics), intrinsics)
        return LiftingBatch(
            _where(is_flipped, mirrored(keypoints, mirrors[0]), keypoints),
            _where(is_flipped, mirrored(joints, mirrors[1]), joints),
            intrinsics,
        )

    def _within(self, frames: Int[Tensor, "b t"], sequence: Int[Tensor, "b"]) -> Int[Tensor, "b t"]:
        """Indices into all sequences laid end to end; frames outside their sequence become its first or last."""
        last = self._lengths[sequence][:, None] - 1
        return self._starts[sequence][:, None] + torch.minimum(frames.clamp_min(0), last)


def _where(
    condition: Bool[Tensor, "b"], yes: Float[Tensor, "b *c"], no: Float[Tensor, "b *c"]
) -> Float[Tensor, "b *c"]:
    return torch.where(condition.reshape(-1, *[1] * (yes.dim() - 1)), yes, no)


@dataclass(frozen=True)
class Stretch:
    """Which frames of a sequence a training with little data takes."""

    first: int
    frames: int
    """From the first to the last, before every `step`-th is taken."""
    step: int = 1

    @property
    def taken(self) -> slice:
        return slice(self.first, self.first + self.frames, self.step)


def stretch_of(length: int, share: float, step: int = 1) -> Stretch:
    """The published choice (`--subset`, `--downsample`) of a share of a sequence, which its length alone decides.

    With a share of 1, every `step`-th frame is taken from the first on.
    """
    if share >= 1:
        return Stretch(0, length, step)
    frames = round(length // step * share) * step
    digest = hashlib.sha256(str(length).encode()).digest()
    position = int.from_bytes(digest[:4], "little") / (2**32 - 1)
    return Stretch(int(position * (length - frames + 1)), frames, step)
