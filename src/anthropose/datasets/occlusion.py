"""Things pasted over people before their features are made: TCMR's `occ` sets (tcmr spec, section 4.3).

After Sárándi et al., How Robust is 3D Human Pose Estimation to Occlusion?, IROS Workshop 2018; the things are objects
that Pascal VOC 2012 has outlines of.
"""

import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from anthropose.datasets.prepared.features import Extractor
from anthropose.datasets.raw.base import check_folder
from anthropose.errors import UserError
from anthropose.video.images import opened, read_image

LAYOUT = """    ROOT/Annotations/2007_000032.xml ...
    ROOT/JPEGImages/2007_000032.jpg ...
    ROOT/SegmentationObject/2007_000032.png ...
as VOCdevkit/VOC2012 of http://host.robots.ox.ac.uk/pascal/VOC/voc2012"""
LEAST_AREA = 500
"""[px] Smaller objects are not used."""
BORDER_ALPHA = 192
"""Of the border of an object, which is that wide: what an ellipse of 8 x 8 pixels erodes."""
_BORDER = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (8, 8))
MOST = 7
"""Objects over one crop; at least one is there."""
SCALES = (0.2, 1.0)
"""By how much an object is scaled in a crop of 256 pixels, in proportion in others."""

Occluder = UInt8[np.ndarray, "_ _ 4"]
"""Red, green, blue and alpha."""


def read_occluders(root: Path) -> list[Occluder]:
    """All objects of Pascal VOC with an outline that are neither difficult nor truncated, at half their size.

    Raises:
        UserError: the folder is not VOC's, or a file in it is damaged.
    """
    root = Path(root)
    check_folder(root, ["Annotations/*.xml", "JPEGImages", "SegmentationObject"], LAYOUT)
    found = [one for path in sorted((root / "Annotations").glob("*.xml")) for one in _objects(root, path)]
    if not found:
        raise UserError(f"{root}: none of its objects has an outline and is whole; expected\n{LAYOUT}")
    return found


def _objects(root: Path, path: Path) -> list[Occluder]:
    try:
        annotation = ElementTree.parse(path).getroot()
        if annotation.findtext("segmented") in (None, "0"):
            return []
        boxes = [
            (number, tuple(int(float(one.findtext(f"bndbox/{edge}", ""))) for edge in ("xmin", "ymin", "xmax", "ymax")))
            for number, one in enumerate(annotation.findall("object"))
            if one.findtext("difficult") in (None, "0") and one.findtext("truncated") in (None, "0")
        ]
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{path}: damaged, or not an annotation of VOC's ({error})") from error
    if not boxes:
        return []
    picture, drawn = read_image(root / "JPEGImages" / f"{path.stem}.jpg"), root / "SegmentationObject"
    with opened(drawn / f"{path.stem}.png") as image:
        outlines = np.array(image)
    if outlines.shape != picture.shape[:2]:
        raise UserError(f"{drawn / path.stem}.png: expected the number of an object for each pixel of {path.stem}.jpg")
    cut = [_cut_out(picture, outlines == number + 1, box) for number, box in boxes]
    return [one for one in cut if one is not None]


def _cut_out(picture: np.ndarray, outline: np.ndarray, box: tuple[int, ...]) -> Occluder | None:
    left, top, right, bottom = box
    mask = outline[top:bottom, left:right].astype(np.uint8) * 255
    if np.count_nonzero(mask) < LEAST_AREA:
        return None
    mask[cv2.erode(mask, _BORDER) < mask] = BORDER_ALPHA
    return _scaled(np.dstack([picture[top:bottom, left:right], mask]), 0.5)


def _scaled(occluder: Occluder, factor: float) -> Occluder:
    height, width = (max(1, round(size * factor)) for size in occluder.shape[:2])
    return cv2.resize(occluder, (width, height), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)


def occluded(
    crop: UInt8[np.ndarray, "s s 3"], occluders: list[Occluder], random: np.random.Generator
) -> UInt8[np.ndarray, "s s 3"]:
    """A copy of a crop with one to seven objects over it, wherever their centres fall."""
    result, size = crop.copy(), len(crop)
    for _ in range(random.integers(1, MOST + 1)):
        factor = random.uniform(*SCALES) * size / 256
        occluder = _scaled(occluders[random.integers(len(occluders))], factor)
        _paste(occluder, result, np.round(random.uniform(0, size, 2)).astype(int))
    return result


def _paste(occluder: Occluder, onto: UInt8[np.ndarray, "h w 3"], center: np.ndarray) -> None:
    """Blends an object in, in place; what lies outside is cut off."""
    size = np.array(occluder.shape[1::-1])
    start = center - size // 2
    low, high = np.maximum(start, 0), np.minimum(start + size, onto.shape[1::-1])
    if (low >= high).any():
        return
    part = occluder[low[1] - start[1] : high[1] - start[1], low[0] - start[0] : high[0] - start[0]].astype(np.float32)
    region = onto[low[1] : high[1], low[0] : high[0]]
    alpha = part[..., 3:] / 255
    region[:] = np.round(alpha * part[..., :3] + (1 - alpha) * region)


@dataclass(frozen=True, eq=False)
class Occluding:
    """An extractor that sees its crops occluded, each as its pixels and the seed decide.

    So the features of a set do not depend on where an interrupted preparation went on.
    """

    extractor: Extractor
    occluders: list[Occluder] = field(repr=False)
    seed: int = 0

    @property
    def name(self) -> str:
        return f"{self.extractor.name}-occluded"

    @property
    def size(self) -> int:
        """As the extractor's own."""
        return self.extractor.size

    @property
    def batch(self) -> int:
        """As the extractor's own."""
        return self.extractor.batch

    @property
    def settings(self) -> dict[str, Any]:
        """The extractor's own, and how many objects there are."""
        return {**self.extractor.settings, "occluders": len(self.occluders), "seed": self.seed}

    def __call__(self, crops: UInt8[Tensor, "b h w 3"]) -> Float[Tensor, "b f"]:
        covered = [
            occluded(crop, self.occluders, np.random.default_rng([self.seed, zlib.crc32(crop.tobytes())]))
            for crop in crops.numpy()
        ]
        return self.extractor(torch.from_numpy(np.stack(covered)))
