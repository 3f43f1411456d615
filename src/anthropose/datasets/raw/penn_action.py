"""Penn Action: short videos of sports, 2D keypoints only.

Zhang et al., From Actemes to Action, ICCV 2013. Boxes are VIBE's or TCMR's (vibe_base spec, section 9.1). The published
tools write these keypoints in another order than they read them in; here they go by their names.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from anthropose.datasets.raw.base import (
    Findings,
    ImageFiles,
    RawOptions,
    RawSequence,
    RawSource,
    check_folder,
    short_release,
)
from anthropose.datasets.raw.files import needed, read_mat
from anthropose.datasets.raw.rows import boxes_around
from anthropose.datasets.sequence import Sequence
from anthropose.errors import UserError
from anthropose.skeleton import PENN_13

FILES = 2326
"""How many videos the release has."""


class PennAction:
    """Every video of the data set's own training or test part, with VIBE's boxes around the visible joints.

    A frame without one is left out, since it has no box.
    """

    name = "pennaction"
    subsets: tuple[str, ...] = ("train", "test")
    layout = """\
    ROOT/labels/0001.mat
    ROOT/frames/0001/000001.jpg"""
    crop_scale = 1.3
    margin = 1.1
    around = "visible"

    def __init__(self, options: RawOptions) -> None:
        self.options = options

    def find(self, root: Path, subset: str) -> list[RawSource]:
        """A source for each video of both parts; the labels say to which it belongs."""
        check_folder(root, ["labels/*.mat"], self.layout)
        paths = sorted((root / "labels").glob("*.mat"))
        sources = [RawSource(path.stem, partial(self._load, root, path, subset)) for path in paths]
        return sources + short_release(len(paths), FILES, "files in labels")

    def _load(self, root: Path, path: Path, subset: str, findings: Findings) -> Iterator[RawSequence]:
        x, y, seen, train, count = needed(read_mat(path), path, "x", "y", "visibility", "train", "nframes")
        if (int(train) == 1) != (subset == "train"):
            return
        for key, array in zip(("x", "y", "visibility"), (x, y, seen), strict=True):
            if np.ndim(array) != 2 or np.shape(array)[1] != len(PENN_13):
                raise UserError(f"{path}: {key} is of shape {np.shape(array)}, expected {len(PENN_13)} joints")
        x, y, seen = (np.asarray(array, np.float64) for array in (x, y, seen))
        if not len(x) == len(y) == len(seen):
            raise UserError(f"{path}: x has {len(x)} frames, y {len(y)} and visibility {len(seen)}")
        findings.note(path.stem, f"labels of {len(x)} frames, the file says {int(count)}", int(len(x) != int(count)))
        yield self._sequence(root, path.stem, np.stack([x, y, seen], axis=2), findings)

    def _sequence(self, root: Path, name: str, keypoints: np.ndarray, findings: Findings) -> RawSequence:
        counted = keypoints[..., 2] > 0 if self.around == "visible" else keypoints[..., :2].any(2)
        counted &= np.isfinite(keypoints).all(2)
        kept = counted.any(1)
        findings.note(name, "frames left out, none of their joints is seen", int((~kept).sum()))
        frames = np.flatnonzero(kept)
        paths = [f"frames/{name}/{frame + 1:06d}.jpg" for frame in frames.tolist()]
        sequence = Sequence(
            name,
            keypoints=keypoints[kept],
            keypoint_set=PENN_13,
            boxes=boxes_around(keypoints[kept, :, :2], counted[kept], self.margin),
            frames=frames,
            images=np.array(paths),
        )
        return RawSequence(sequence, ImageFiles(tuple(root / path for path in paths)), self.crop_scale)


class PennActionAsTCMR(PennAction):
    """The same with TCMR's boxes: as narrow as can be around all joints that are not at (0, 0), seen or not."""

    name = "pennaction-tcmr"
    crop_scale = 1.2
    margin = 1.0
    around = "not zero"
