"""InstaVariety: crops of people in videos of all kinds, with the keypoints that a detector found in them.

Kanazawa et al., Learning 3D Human Dynamics from Video, CVPR 2019; its authors' TFRecord files, read as VIBE does
(vibe_base spec, section 9.1).
"""

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from anthropose.datasets.raw.base import (
    EncodedImages,
    Findings,
    RawOptions,
    RawSequence,
    RawSource,
    check_folder,
    short_release,
)
from anthropose.datasets.raw.tfrecords import Feature, example, records
from anthropose.datasets.sequence import Sequence
from anthropose.errors import UserError
from anthropose.geometry.cameras import CROP
from anthropose.skeleton import INSTA_25

TRAIN_FILES = 273
"""How many files the release has to train on."""


class InstaVariety:
    """One sequence for each example of each file, with keypoints in pixels of its crops, which need no box."""

    name = "insta"
    subsets: tuple[str, ...] = ("train", "test", "val")
    layout = """\
    ROOT/train/*.tfrecord                            273 files; also test/ and val/, or the files right in ROOT"""

    def __init__(self, options: RawOptions) -> None:
        self.options = options

    def find(self, root: Path, subset: str) -> list[RawSource]:
        """A source for each file."""
        folder = root / subset if (root / subset).is_dir() else root
        check_folder(folder, ["*.tfrecord"], self.layout)
        paths = sorted(folder.glob("*.tfrecord"))
        sources = [RawSource(path.stem, partial(_load, path)) for path in paths]
        return sources + short_release(len(paths), TRAIN_FILES if subset == "train" else 0, "TFRecord files")


def _load(path: Path, findings: Findings) -> Iterator[RawSequence]:
    for number, record in enumerate(records(path)):
        name = f"{path.stem}-{number}"
        try:
            if isinstance(record, UserError):
                raise record
            yield _sequence(name, path, example(record))
        except UserError as error:
            findings.left_out(name, str(error))
        except (KeyError, ValueError, TypeError, OSError, SyntaxError, Image.DecompressionBombError) as error:
            findings.left_out(name, f"{path}: not an example of InstaVariety ({type(error).__name__}: {error})")


def _sequence(name: str, path: Path, features: dict[str, Feature]) -> RawSequence:
    encoded = features["image/encoded"]
    assert isinstance(encoded, list)
    count = int(features["meta/N"][0]) if "meta/N" in features else len(encoded)
    if count != len(encoded) or not count:
        raise ValueError(f"{len(encoded)} pictures, it says {count}")
    with Image.open(io.BytesIO(encoded[0])) as image:
        if image.size != (CROP, CROP):
            raise ValueError(f"pictures of {image.size[0]} x {image.size[1]} pixels, expected {CROP} x {CROP}")
    sequence = Sequence(name, keypoints=_keypoints(features, count), keypoint_set=INSTA_25, frames=np.arange(count))
    return RawSequence(sequence, EncodedImages(tuple(encoded), f"{path} ({name})"), None)


def _keypoints(features: dict[str, Feature], count: int) -> np.ndarray:
    """Pixels of the crop, and a confidence: 14 of the body, 5 of the face, 6 of the feet."""

    def numbers(key: str, *shape: int) -> np.ndarray:
        values = np.asarray(features.get(key, ()), np.float64)
        return values.reshape(count, *shape) if values.size else np.zeros((count, *shape))

    if "image/xys" not in features:
        raise KeyError("image/xys")
    body = np.concatenate([numbers("image/xys", 2, 14), numbers("image/visibilities", 1, 14)], axis=1)
    parts = [body, numbers("image/face_pts", 3, 5), numbers("image/toe_pts", 3, 6)]
    keypoints = np.concatenate(parts, axis=2).transpose(0, 2, 1)
    if "image/phis" in features:  # Then they run from -1 to 1.
        keypoints[..., :2] = (keypoints[..., :2] + 1) / 2 * CROP
    return keypoints
