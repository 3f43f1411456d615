"""Labelled clips, and windows of them stacked for a network."""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from torch import Tensor

from anthropose.errors import UserError
from anthropose.skeleton import Skeleton

Gender = Literal["neutral", "male", "female"]


@runtime_checkable
class Rows(Protocol):
    """An array of rows that may lie in a file: sliced like numpy's, and only what is asked for is read."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice) -> np.ndarray: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, eq=False)
class Sequence:
    """One person in one video, with what a data set says of it. What it does not say is None.

    The frames count as consecutive, which those of some published databases are not. Arrays are numpy's and may be
    mapped from a file that is larger than the memory; nothing ever writes to them.
    """

    name: str
    features: Rows | None = None
    """Image features of each frame, "n f"; None where the set was prepared without them."""
    keypoints: Real[np.ndarray, "n k 3"] | None = None
    """x, y and a confidence; in pixels of the image where there are `boxes`, of the 224 crop where there are none."""
    keypoint_set: Skeleton | None = None
    boxes: Real[np.ndarray, "n 4"] | None = None
    """Centre x, y, width and height of the person's square [px]."""
    joints: Real[np.ndarray, "n j 3"] | None = None
    """[m], camera axes; where the origin lies differs from set to set, so only differences mean something."""
    joint_set: Skeleton | None = None
    pose: Real[np.ndarray, "n 72"] | None = None
    """Rotation vectors [rad] of the 24 joints of SMPL; the root's leads to camera axes."""
    betas: Real[np.ndarray, "n 10"] | None = None
    body_counts: bool = True
    """Whether `pose` and `betas` are labels to learn from, where there are any."""
    usable: Bool[np.ndarray, "n"] | None = None
    """Frames that evaluations look at, the others are left out before windows are cut; None: all."""
    scored: Bool[np.ndarray, "n"] | None = None
    """Frames whose errors count, among those that are looked at; None: all."""
    posed: Bool[np.ndarray, "n"] | None = None
    """Frames that have a label in `pose` and `betas`; None: all."""
    gender: Gender = "neutral"
    """Of the body that `betas` are meant for."""
    frames: Int[np.ndarray, "n"] | None = None
    """The number of each frame in its video, from 0; published databases do not tell."""
    images: np.ndarray | None = None
    """Of each frame the path of its picture, below the folder of the release; texts."""
    activities: Int[np.ndarray, "n"] | None = None
    """What the person does in each frame, by the number that the data set has for it; for tables by activity."""

    def __len__(self) -> int:
        for rows in (self.features, self.keypoints, self.joints, self.pose, self.boxes):
            if rows is not None:
                return len(rows)
        return 0

    def required_features(self) -> Rows:
        """The features, for those who cannot do without.

        Raises:
            UserError: the set was prepared without features.
        """
        if self.features is None:
            raise UserError(
                f"{self.name}: its set was prepared without image features; prepare it again with --features WEIGHTS"
            )
        return self.features


@dataclass(frozen=True)
class Batch:
    """Windows of people's image features with their labels.

    As published, windows of 2D sets come first, and a window of a 3D set may still lack some labels. Labels that are
    absent are zero, and false in their mask. `t` is the number of input frames, `o` that of labelled output frames:
    16 of 16 for VIBE and GLoT, the middle one three times for TCMR.
    """

    features: Float[Tensor, "b t f"]
    keypoints: Float[Tensor, "b o 49 3"]
    """SPIN-49 in coordinates of the crop, -1 to 1, and a confidence."""
    joints: Float[Tensor, "b o 49 3"]
    """SPIN-49 [m], camera axes; the published losses take only 25 to 38, relative to the hips."""
    theta: Float[Tensor, "b o 85"]
    """Crop camera, rotation vectors of the 24 joints, shape."""
    from_3d_set: Bool[Tensor, "b"]
    """Whether the window comes from a set with 3D labels."""
    has_joints: Bool[Tensor, "b o"]
    has_body: Bool[Tensor, "b o"]
    """Whether `theta` is a label."""
    names: tuple[str, ...] = ()
    """Of the sequence of each window, to tell where something odd came from; empty where nobody said."""
