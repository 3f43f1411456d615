"""Windows with their labels, and batches of them.

The targets are those of VIBE, TCMR and GLoT (specs vibe_base 10, tcmr 4.1, glot 4.3).
"""

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

    The labels of a sequence become targets when the first of its windows is asked for, and are kept: a tenth of the
    size of its features, and many times faster than to make them anew for each window.

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
        self._labels: dict[int, Labels] = {}

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, number: int) -> Item:
        if not -len(self) <= number < len(self):
            raise IndexError(f"window {number} of {len(self)}")
        frames, predicts = self.windows.frames[number].numpy(), self.windows.predicts[number].numpy()
        which = int(np.searchsorted(self._ends, frames[0], side="right"))
        sequence = self.sequences[which]
        start = int(self._ends[which]) - len(sequence)
        if which not in self._labels:
            self._labels[which] = labels_of(sequence, self.targets)
        features = torch.from_numpy(rows(sequence.required_features(), frames - start).astype(np.float32, copy=False))
        return self._labels[which].item(features, np.tile(predicts - start, self.targets.repeat), sequence.name)


@dataclass(frozen=True)
class Labels:
    """The targets of every frame of a sequence, float16 where targets are rounded to it; None where there are none."""

    joint_set: Skeleton
    keypoints: Float[Tensor, "n 49 3"] | None
    joints: Float[Tensor, "n j 3"] | None
    body: Float[Tensor, "n 82"] | None
    """Pose and shape."""
    from_3d_set: bool
    has_body: Bool[Tensor, "n"]
    scored: Bool[Tensor, "n"]

    def item(self, features: Float[Tensor, "t f"], frames: np.ndarray, name: str) -> Item:
        """The window with these features, and the labels of these frames."""
        index = torch.from_numpy(frames)
        theta = torch.zeros(len(index), 85)
        theta[:, 0] = self.from_3d_set  # The camera 1, 0, 0, which no loss looks at.
        if self.body is not None:
            theta[:, 3:] = self.body[index]
        return Item(
            features=features,
            keypoints=_taken(self.keypoints, index, len(SPIN_49)),
            joints=_taken(self.joints, index, len(self.joint_set)),
            theta=theta,
            from_3d_set=self.from_3d_set,
            has_joints=torch.full((len(index),), self.from_3d_set),
            has_body=self.has_body[index],
            scored=self.scored[index],
            name=name,
        )


def _taken(values: Tensor | None, index: Tensor, joints: int) -> Float[Tensor, "o j 3"]:
    return torch.zeros(len(index), joints, 3) if values is None else values[index].float()


def labels_of(sequence: Sequence, targets: Targets) -> Labels:
    """The targets of all frames of a sequence."""

    def stored(values: np.ndarray | None) -> Tensor | None:
        return None if values is None else torch.from_numpy(values.astype(np.float16 if targets.half else np.float32))

    def mask(values: np.ndarray | bool) -> Tensor:
        return torch.from_numpy(np.broadcast_to(values, len(sequence)).copy())

    body = None
    if sequence.pose is not None and sequence.betas is not None:
        body = np.concatenate([sequence.pose, sequence.betas], axis=1)
    counts = sequence.pose is not None and sequence.body_counts
    return Labels(
        targets.joint_set,
        keypoints=stored(_keypoints(sequence)),
        joints=stored(_joints(sequence, targets.joint_set)),
        body=stored(body),
        from_3d_set=sequence.joints is not None,
        has_body=mask(counts if sequence.posed is None else counts & sequence.posed),
        scored=mask(True if sequence.scored is None else sequence.scored),
    )


def rows(source: Rows, frames: np.ndarray) -> np.ndarray:
    """A copy of some rows, in any order and with repetitions; what lies between the first and last is read."""
    first, last = int(frames.min()), int(frames.max())
    return source[first : last + 1][frames - first]


def _keypoints(sequence: Sequence) -> np.ndarray | None:
    """Keypoints of SPIN-49 in coordinates of the crop."""
    if sequence.keypoints is None or sequence.keypoint_set is None:
        return None
    points = _by_name(sequence.keypoints, sequence.keypoint_set, SPIN_49)
    if sequence.boxes is not None:
        affines = torch.from_numpy(np.stack([crop_affine(box, TARGET_SCALE) for box in sequence.boxes]))
        points[..., :2] = points_through(affines, torch.from_numpy(points[..., :2])).numpy()
    points[..., :2] = 2 * points[..., :2] / CROP - 1
    return points


def _joints(sequence: Sequence, joint_set: Skeleton) -> np.ndarray | None:
    if sequence.joints is None or sequence.joint_set is None:
        return None
    return _by_name(sequence.joints, sequence.joint_set, joint_set)


def _by_name(points: np.ndarray, source: Skeleton, target: Skeleton) -> np.ndarray:
    """The joints of `target` in float64; those that `source` lacks are zero, and so is their confidence."""
    return pick(torch.from_numpy(points.astype(np.float64)), source, target, exact=True)[0].numpy()


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
