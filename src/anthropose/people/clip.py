"""One track in one video: all that a method may look at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from anthropose.errors import UserError
from anthropose.geometry.crops import crop_image
from anthropose.motion import Camera, Track
from anthropose.video import Video
from anthropose.workspace import Workspace, key_of
from anthropose.writing import whole_file

PART_FRAMES = 256
"""Features are kept in parts of this many frames, so that an interrupted run goes on where it stopped."""


@runtime_checkable
class Extractor(Protocol):
    """From square crops to a vector for each."""

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
class Clip:
    """One person's track, with the camera and the clock of the video that it was found in."""

    track: Track
    fps: float
    """Frames per second of the video; the mean rate where it varies."""
    seconds: Float[Tensor, "n"]
    """The time of each frame of the track, float64."""
    camera: Camera
    video: Video | None = None
    """For methods that look at pixels; None where only keypoints are at hand."""
    workspace: Workspace = field(default_factory=lambda: Workspace(None), compare=False)
    """Where features are kept from one run to the next; a workspace without a folder keeps nothing."""
    key: str = ""
    """Stands for the video's pictures, in the keys of what is kept."""

    @property
    def squares(self) -> Float[Tensor, "n 3"]:
        """The person's place in each frame as centre x, centre y and side [px]: the longer side of the box."""
        corners = self.track.boxes.unflatten(1, (2, 2))
        side = (corners[:, 1] - corners[:, 0]).amax(1, keepdim=True)
        return torch.cat([corners.mean(1), side.clamp_min(2.0)], dim=1)

    def crops(self, size: int = 224, scale: float = 1.0, first: int = 0) -> Iterator[UInt8[np.ndarray, "s s 3"]]:
        """RGB crops of the person, one for each frame of the track from row `first` on; decoded as they are asked for.

        Args:
            size: pixels along a side.
            scale: how much larger than `squares` the cropped part of the picture is; what lies outside is black.

        Raises:
            UserError: there is no video to look at, or it is damaged.
        """
        if self.video is None:
            raise UserError("this method looks at pixels; give the video, not keypoints alone")
        wanted = dict(zip(self.track.frames[first:].tolist(), self.squares[first:].tolist(), strict=True))
        start, stop = min(wanted, default=0), max(wanted, default=-1) + 1
        for frame, image in enumerate(self.video.frames(start, stop), start):
            if frame in wanted:
                yield crop_image(image, wanted[frame], size, scale)

    def features(
        self, extractor: Extractor, scale: float, progress: Callable[[float], None] = lambda share: None
    ) -> Float[Tensor, "n f"]:
        """What the extractor makes of each crop; parts that the workspace holds are read in place of being made.

        The video is decoded once, in order, and only a batch of crops is held at a time.

        Args:
            scale: how much larger than `squares` the crops are.
            progress: called with the share that is done.

        Raises:
            UserError: as `crops`.
        """
        track, parts = self.track, []
        stream = _Stream(self, extractor, scale, progress)
        for first in range(0, len(track), PART_FRAMES):
            rows = slice(first, min(first + PART_FRAMES, len(track)))
            seen = track.frames[rows].tolist(), track.boxes[rows].tolist()
            key = key_of("features", self.key, seen, extractor.settings, extractor.size, scale)
            # Named by extractor and scale: methods that want the same features share them, others do not overwrite.
            name = f"stages/features-{track.person:02d}-{extractor.name}-{scale:g}-{first:06d}.npy"
            parts.append(self.workspace.kept(name, key, _load, partial(stream.features, rows), _save))
            progress(rows.stop / len(track))
        return torch.cat(parts)


class _Stream:
    """Features row by row from one pass over the video, which starts anew only where rows were skipped."""

    def __init__(self, clip: Clip, extractor: Extractor, scale: float, progress: Callable[[float], None]) -> None:
        self._clip, self._extractor, self._scale, self._progress = clip, extractor, scale, progress
        self._crops: Iterator[np.ndarray] = iter(())
        self._next = -1

    def features(self, rows: slice) -> Float[Tensor, "r f"]:
        """Those of a run of rows of the track."""
        if self._next != rows.start:
            self._crops = self._clip.crops(self._extractor.size, self._scale, rows.start)
        found = []
        for row in range(rows.start, rows.stop, self._extractor.batch):
            crops = np.stack(list(islice(self._crops, min(self._extractor.batch, rows.stop - row))))
            found.append(self._extractor(torch.from_numpy(crops)))
            self._progress((row + len(crops)) / len(self._clip.track))
        self._next = rows.stop
        return torch.cat(found)


def _save(features: Float[Tensor, "r f"], path: Path) -> None:
    with whole_file(path) as part, part.open("wb") as file:
        np.save(file, features.numpy())


def _load(path: Path) -> Float[Tensor, "r f"]:
    """What `_save` wrote.

    Raises:
        UserError: the file is damaged.
    """
    try:
        features = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path}: damaged; remove it") from error
    if features.ndim != 2 or features.dtype != np.float32:
        raise UserError(f"{path}: damaged; remove it")
    return torch.from_numpy(features)
