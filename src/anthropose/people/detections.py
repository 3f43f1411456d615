"""Detections: what a detector saw in a span of frames, one row per person and frame."""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anthropose.errors import UserError
from anthropose.skeleton import SKELETONS, Skeleton
from anthropose.writing import whole_file

FORMAT = "anthropose-detections/1"


@dataclass(frozen=True)
class Detections:
    """People seen in a span of frames, one row per person and frame, in the order of the frames."""

    frames: Int[Tensor, "d"]
    """Indices into the video, never decreasing."""
    boxes: Float[Tensor, "d 4"]
    """Left, top, right, bottom, in pixels of the full image."""
    scores: Float[Tensor, "d"]
    """How sure the detector is that this is a person, from 0 to 1."""
    keypoints: Float[Tensor, "d k 3"]
    """x, y in pixels of the full image, and a confidence from 0 to 1."""
    skeleton: Skeleton
    """The names of the keypoints."""
    looks: Float[Tensor, "d c"]
    """Colours of the clothes as a histogram that sums to one, zero where nothing was seen; c may be 0."""
    world: Float[Tensor, "d k 3"] | None = None
    """The detector's own 3D guess: metres, camera axes, origin between the hips. None where it makes none."""

    def __post_init__(self) -> None:
        counts = {len(self.frames), len(self.boxes), len(self.scores), len(self.keypoints), len(self.looks)}
        if len(counts) > 1 or (self.world is not None and len(self.world) != len(self.frames)):
            raise ValueError("all fields of detections must have one row per person and frame")
        if self.keypoints.shape[1] != len(self.skeleton):
            raise ValueError(
                f"{self.skeleton.name} has {len(self.skeleton)} joints, the keypoints {self.keypoints.shape[1]}"
            )

    @classmethod
    def empty(cls, skeleton: Skeleton, colours: int = 0, world: bool = False) -> "Detections":
        """No rows at all, for `skeleton` and looks of `colours` bins."""
        k = len(skeleton)
        return cls(
            frames=torch.zeros(0, dtype=torch.int64),
            boxes=torch.zeros(0, 4),
            scores=torch.zeros(0),
            keypoints=torch.zeros(0, k, 3),
            skeleton=skeleton,
            looks=torch.zeros(0, colours),
            world=torch.zeros(0, k, 3) if world else None,
        )

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, rows: slice | Int[Tensor, "m"] | Bool[Tensor, "d"]) -> "Detections":
        """The chosen rows: a slice, row numbers, or a mask."""
        return Detections(
            frames=self.frames[rows],
            boxes=self.boxes[rows],
            scores=self.scores[rows],
            keypoints=self.keypoints[rows],
            skeleton=self.skeleton,
            looks=self.looks[rows],
            world=None if self.world is None else self.world[rows],
        )

    def at(self, frame: int) -> "Detections":
        """The rows of one frame."""
        return self[self.frames == frame]

    def save(self, path: Path) -> None:
        """Writes the rows as .npz, whole or not at all."""
        arrays = {
            "format": np.array(FORMAT),
            "frames": self.frames.numpy(),
            "boxes": self.boxes.numpy(),
            "scores": self.scores.numpy(),
            "keypoints": self.keypoints.numpy(),
            "skeleton": np.array(self.skeleton.name),
            "joint_names": np.array(self.skeleton.joints),
            "joint_parents": np.array(self.skeleton.parents),
            "looks": self.looks.numpy(),
        }
        if self.world is not None:
            arrays["world"] = self.world.numpy()
        with whole_file(path) as part, part.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    @staticmethod
    def load(path: Path) -> "Detections":
        """Reads what `save` wrote.

        Raises:
            UserError: the file is missing, cut short, or of another kind.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            return _from_arrays(arrays)
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; `anthropose run VIDEO` writes detections") from None
        except (
            ValueError,
            KeyError,
            TypeError,
            OSError,
            EOFError,
            zipfile.BadZipFile,
            zlib.error,
            AttributeError,
        ) as error:
            raise UserError(
                f"{path}: expected detections ({FORMAT}), found something else or a cut file; remove it"
            ) from error


def concatenate(parts: Sequence[Detections]) -> Detections:
    """The rows of all parts, one after another; at least one part, all from the same detector."""
    first = parts[0]
    worlds = [part.world for part in parts if part.world is not None]
    return Detections(
        frames=torch.cat([part.frames for part in parts]),
        boxes=torch.cat([part.boxes for part in parts]),
        scores=torch.cat([part.scores for part in parts]),
        keypoints=torch.cat([part.keypoints for part in parts]),
        skeleton=first.skeleton,
        looks=torch.cat([part.looks for part in parts]),
        world=torch.cat(worlds) if len(worlds) == len(parts) else None,
    )


def _from_arrays(arrays: dict[str, np.ndarray]) -> Detections:
    if str(arrays["format"]) != FORMAT:
        raise ValueError(f"format {arrays['format']}")
    names = tuple(str(name) for name in arrays["joint_names"])
    known = SKELETONS.get(str(arrays["skeleton"]))
    if known is None or known.joints != names:
        known = Skeleton(str(arrays["skeleton"]), names, tuple(int(p) for p in arrays["joint_parents"]))
    tensors = {name: torch.from_numpy(arrays[name]) for name in ("frames", "boxes", "scores", "keypoints", "looks")}
    world = torch.from_numpy(arrays["world"]) if "world" in arrays else None
    return Detections(**tensors, skeleton=known, world=world)
