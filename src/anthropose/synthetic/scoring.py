"""How far recovered motions are from the truth of a made-up clip."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anthropose.metrics import acceleration_error, mpjpe, pa_mpjpe
from anthropose.motion import Motion
from anthropose.skeleton import LSP_14, SMPL_24, pick

SCORED = [*(name for name in LSP_14.joints if name in SMPL_24.joints), "head"]
"""The fourteen joints that are compared: those of the published evaluations, but the tree's head for the head's top."""

LEAST_OVERLAP = 0.3
"""Of the boxes, averaged over common frames, for a motion to be of a person of the truth."""


@dataclass(frozen=True)
class Score:
    """Errors over all matched people and frames; NaN where nobody was found."""

    found: int
    """True people of whom at least half of the frames were recovered."""
    coverage: float
    """Share of the true people's frames that were recovered."""
    mpjpe: float
    """Mean distance of the joints with the middle of the hips at the same place [mm]."""
    pa_mpjpe: float
    """The same after the best similarity alignment of each frame [mm]."""
    acceleration: float
    """Mean distance of the joints' second differences [mm/frame^2]."""


def score(recovered: Sequence[Motion], truth: Sequence[Motion]) -> Score:
    """Compares motions with true ones, each to the one whose boxes it overlaps most.

    A true person may have been recovered in several pieces; of two that cover the same frame the longer one counts.
    """
    pieces: list[tuple[Tensor, Tensor]] = []
    covered = [0] * len(truth)
    for person, true in enumerate(truth):
        mine = [motion for motion in recovered if _match(motion, truth) == person]
        taken: set[int] = set()
        for motion in sorted(mine, key=len, reverse=True):
            found, rows = _common(motion, true, taken)
            taken |= set(motion.track.frames[found].tolist())
            (ours, known), (theirs, _) = _joints(motion), _joints(true)
            pieces.append((ours[found][:, known], theirs[rows][:, known]))
        covered[person] = len(taken)
    return _summary(pieces, covered, [len(true) for true in truth])


def _summary(pieces: list[tuple[Tensor, Tensor]], covered: list[int], lengths: list[int]) -> Score:
    def mean(values: list[Tensor]) -> float:
        joined = torch.cat(values) if values else torch.zeros(0)
        return 1000 * float(joined.mean()) if len(joined) else math.nan

    return Score(
        found=sum(2 * done >= length for done, length in zip(covered, lengths, strict=True)),
        coverage=sum(covered) / max(sum(lengths), 1),
        mpjpe=mean([mpjpe(ours, true) for ours, true in pieces]),
        pa_mpjpe=mean([pa_mpjpe(ours, true) for ours, true in pieces]),
        acceleration=mean([acceleration_error(ours, true) for ours, true in pieces if len(ours) > 2]),
    )


def _match(motion: Motion, truth: Sequence[Motion]) -> int | None:
    """The number of the true person whom the motion's boxes overlap most; None where they hardly overlap anyone's."""
    overlaps = [_overlap(motion, true) for true in truth]
    best = max(range(len(truth)), key=lambda person: overlaps[person], default=None)
    return best if best is not None and overlaps[best] >= LEAST_OVERLAP else None


def _overlap(motion: Motion, true: Motion) -> float:
    """Intersection over union of the boxes, averaged over the motion's frames."""
    found, rows = _common(motion, true, set())
    a, b = motion.track.boxes[found], true.track.boxes[rows]
    sides = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp_min(0)
    both = sides.prod(1)
    either = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - both
    return float((both / either.clamp_min(1e-6)).sum()) / max(len(motion), 1)


def _common(motion: Motion, true: Motion, without: set[int]) -> tuple[Tensor, Tensor]:
    """Rows of both motions that are of the same frames, in order."""
    row_of = {frame: row for row, frame in enumerate(true.track.frames.tolist()) if frame not in without}
    frames = motion.track.frames.tolist()
    found = [row for row, frame in enumerate(frames) if frame in row_of]
    return torch.tensor(found, dtype=torch.long), torch.tensor([row_of[frames[row]] for row in found], dtype=torch.long)


def _joints(motion: Motion) -> tuple[Float[Tensor, "n 14 3"], Bool[Tensor, "14"]]:
    """The compared joints, and which of them the motion has; the middle of the hips is at the origin."""
    joints, valid = pick(motion.joints, motion.skeleton, SMPL_24)
    hips = joints[:, [SMPL_24.index("left_hip"), SMPL_24.index("right_hip")]]
    compared = [SMPL_24.index(name) for name in SCORED]
    return (joints - hips.mean(1, keepdim=True))[:, compared], valid[compared]
