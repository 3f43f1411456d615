"""Windows with their labels: what a training draws, and batches of it.

The targets are those of VIBE, TCMR and GLoT (specs vibe_base 10, tcmr 4.1, glot 4.3).
"""

from collections.abc import Iterator
from collections.abc import Sequence as List
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anthropose.datasets.sequence import Batch, Rows, Sequence
from anthropose.datasets.windows import Windows
from anthropose.geometry.cameras import CROP
from anthropose.geometry.crops import crop_affine, points_through
from anthropose.skeleton import SPIN_49, Skeleton, pick

TARGET_SCALE = 1.2
"""By how much the square of a person is widened before keypoints are written in its coordinates, whatever scale the
features' crops had; as published."""


@dataclass(frozen=True)
class Targets:
    """How labels become targets."""

    joint_set: Skeleton = SPIN_49
    """Which 3D joints: SPIN-49 to learn from; validations compare LSP-14 or MPII3D-17."""
    repeat: int = 1
    """How often the labels of a window stand in an item: three times for TCMR, which has three outputs to teach."""
    half: bool = False
    """Whether targets are rounded to 16 bits, as all published trainings do: half a millimetre at two metres, more
    farther away."""


@dataclass(frozen=True)
class Item:
    """A window of one sequence with its labels; those that are absent are zero."""

    features: Float[Tensor, "t f"]
    keypoints: Float[Tensor, "o 49 3"]
    """In coordinates of the crop, -1 to 1, with a confidence. A joint that the set does not have is where the transform
    takes the image's corner, as published, and its confidence is zero."""
    joints: Float[Tensor, "o j 3"]
    theta: Float[Tensor, "o 85"]
    from_3d_set: bool
    has_joints: Bool[Tensor, "o"]
    has_body: Bool[Tensor, "o"]
    scored: Bool[Tensor, "o"]
    """Whether the frame counts in a validation."""
    name: str = ""
    """Of the sequence."""


class WindowSet:
    """The windows of some sequences, by number: a map-style data set for torch's loaders, with `batch_of` to collate.

    Args:
        windows: counted over all frames of the sequences, laid end to end.

    Raises:
        UserError: a sequence has no features.
    """

    def __init__(self, sequences: List[Sequence], windows: Windows, targets: Targets = Targets()) -> None:
        for sequence in sequences:
            sequence.required_features()  # Told here, in one line, and not by the worker of a loader.
        self.sequences, self.windows, self.targets = sequences, windows, targets
        self._ends = np.cumsum([len(sequence) for sequence in sequences])

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, number: int) -> Item:
        if not -len(self) <= number < len(self):
            raise IndexError(f"window {number} of {len(self)}")
        frames, predicts = self.windows.frames[number].numpy(), self.windows.predicts[number].numpy()
        which = int(np.searchsorted(self._ends, frames[0], side="right"))
        start = int(self._ends[which]) - len(self.sequences[which])
        return item_of(self.sequences[which], frames - start, predicts - start, self.targets)


def item_of(sequence: Sequence, frames: np.ndarray, predicts: np.ndarray, targets: Targets) -> Item:
    """The window of `frames` of a sequence, with the labels of the frames that it predicts."""
    predicts = np.tile(predicts, targets.repeat)

    def tensor(values: np.ndarray) -> Tensor:
        return torch.from_numpy((values.astype(np.float16) if targets.half else values).astype(np.float32))

    def mask(values: np.ndarray | bool) -> Tensor:
        return torch.from_numpy(np.broadcast_to(values, predicts.shape).copy())

    is_3d = sequence.joints is not None
    return Item(
        features=torch.from_numpy(rows(sequence.required_features(), frames).astype(np.float32, copy=False)),
        keypoints=tensor(_keypoints(sequence, predicts)),
        joints=tensor(_joints(sequence, predicts, targets.joint_set)),
        theta=tensor(_theta(sequence, predicts)),
        from_3d_set=is_3d,
        has_joints=mask(is_3d),
        has_body=mask(_posed(sequence, predicts)),
        scored=mask(True if sequence.scored is None else sequence.scored[predicts]),
        name=sequence.name,
    )


def _posed(sequence: Sequence, frames: np.ndarray) -> np.ndarray | bool:
    """Whether pose and shape are labels, in all frames or in each."""
    counts = sequence.pose is not None and sequence.body_counts
    return counts if sequence.posed is None else counts & sequence.posed[frames]


def rows(source: Rows, frames: np.ndarray) -> np.ndarray:
    """A copy of some rows, in any order and with repetitions; what lies between the first and last is read."""
    first, last = int(frames.min()), int(frames.max())
    return source[first : last + 1][frames - first]


def _keypoints(sequence: Sequence, frames: np.ndarray) -> np.ndarray:
    """Keypoints of SPIN-49 in coordinates of the crop."""
    if sequence.keypoints is None or sequence.keypoint_set is None:
        return np.zeros((len(frames), len(SPIN_49), 3))
    points = _by_name(sequence.keypoints[frames], sequence.keypoint_set, SPIN_49)
    if sequence.boxes is not None:
        affines = torch.from_numpy(np.stack([crop_affine(box, TARGET_SCALE) for box in sequence.boxes[frames]]))
        points[..., :2] = points_through(affines, torch.from_numpy(points[..., :2])).numpy()
    points[..., :2] = 2 * points[..., :2] / CROP - 1
    return points


def _joints(sequence: Sequence, frames: np.ndarray, joint_set: Skeleton) -> np.ndarray:
    if sequence.joints is None or sequence.joint_set is None:
        return np.zeros((len(frames), len(joint_set), 3))
    return _by_name(sequence.joints[frames], sequence.joint_set, joint_set)


def _by_name(points: np.ndarray, source: Skeleton, target: Skeleton) -> np.ndarray:
    """The joints of `target` in float64; those that `source` lacks are zero, and so is their confidence."""
    return pick(torch.from_numpy(points.astype(np.float64)), source, target, exact=True)[0].numpy()


def _theta(sequence: Sequence, frames: np.ndarray) -> np.ndarray:
    """Camera 1, 0, 0, which no loss looks at, pose and shape."""
    theta = np.zeros((len(frames), 85))
    theta[:, 0] = sequence.joints is not None
    if sequence.pose is not None and sequence.betas is not None:
        theta[:, 3:75], theta[:, 75:] = sequence.pose[frames], sequence.betas[frames]
    return theta


def batch_of(items: List[Item]) -> Batch:
    """The items stacked, those of 2D sets first, as the published losses expect."""
    items = sorted(items, key=lambda item: item.from_3d_set)
    return Batch(
        features=torch.stack([item.features for item in items]),
        keypoints=torch.stack([item.keypoints for item in items]),
        joints=torch.stack([item.joints for item in items]),
        theta=torch.stack([item.theta for item in items]),
        from_3d_set=torch.tensor([item.from_3d_set for item in items]),
        has_joints=torch.stack([item.has_joints for item in items]),
        has_body=torch.stack([item.has_body for item in items]),
        names=tuple(item.name for item in items),
    )


def mixed_batches(
    sets_2d: List[WindowSet], sets_3d: List[WindowSet], batch_2d: int, batch_3d: int, generator: torch.Generator
) -> Iterator[Batch]:
    """Batches without end, of so many windows of 2D sets and so many of 3D sets; a kind without sets is left out.

    As published, the sets of a kind are laid together, so that a set counts by its windows, and drawn in a shuffled
    order until all have been seen, the last batch being smaller; then in another order, for each kind apart.
    """
    if not any(len(part) for part in (*sets_2d, *sets_3d)):
        raise ValueError("there are no windows to draw from")
    drawn_2d, drawn_3d = _drawn(sets_2d, batch_2d, generator), _drawn(sets_3d, batch_3d, generator)
    while True:
        yield batch_of([*next(drawn_2d), *next(drawn_3d)])


def _drawn(sets: List[WindowSet], size: int, generator: torch.Generator) -> Iterator[list[Item]]:
    ends = np.cumsum([len(part) for part in sets], dtype=int)
    if not len(ends) or not ends[-1] or not size:
        while True:
            yield []
    while True:
        for numbers in torch.randperm(int(ends[-1]), generator=generator).split(size):
            which = np.searchsorted(ends, numbers.numpy(), side="right").tolist()
            yield [sets[k][int(n) - int(ends[k])] for k, n in zip(which, numbers, strict=True)]
