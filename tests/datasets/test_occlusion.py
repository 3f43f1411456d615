from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anthropose.datasets.occlusion import Occluding, occluded, read_occluders
from anthropose.datasets.prepared import Extractor
from anthropose.errors import UserError
from tests.datasets.raw.releases import MeanColour

BOXES = {"whole": (20, 10, 80, 70), "small": (100, 10, 110, 20), "truncated": (120, 10, 180, 70)}


def voc(root: Path, segmented: int = 1) -> Path:
    """One picture with three objects: one of use, one too small, one cut off by the picture's edge."""
    for folder in ("Annotations", "JPEGImages", "SegmentationObject"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    picture, outlines = np.full((100, 200, 3), 30, np.uint8), np.zeros((100, 200), np.uint8)
    text = f"<annotation><segmented>{segmented}</segmented>"
    for number, (name, (left, top, right, bottom)) in enumerate(BOXES.items()):
        picture[top:bottom, left:right] = 200
        inside = 10 if name == "whole" else 0
        outlines[top + inside : bottom - inside, left + inside : right - inside] = number + 1
        edges = f"<xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
        text += f"<object><name>{name}</name><difficult>0</difficult><truncated>{int(name == 'truncated')}</truncated>"
        text += f"<bndbox>{edges}</bndbox></object>"
    (root / "Annotations" / "a.xml").write_text(text + "</annotation>")
    Image.fromarray(picture).save(root / "JPEGImages" / "a.jpg", quality=95)
    coloured = Image.fromarray(outlines, "P")
    coloured.putpalette(bytes(range(256)) * 3)
    coloured.save(root / "SegmentationObject" / "a.png")
    return root


def test_whole_objects_are_cut_out_at_half_size_with_a_soft_border(tmp_path: Path) -> None:
    (occluder,) = read_occluders(voc(tmp_path))
    assert occluder.shape == (30, 30, 4)
    assert occluder[15, 15, 3] == 255
    assert occluder[15, 6, 3] == 192
    assert not occluder[:4, :, 3].any()
    assert (np.abs(occluder[..., :3].astype(int) - 200) < 12).all()


def test_crops_are_covered_in_part_and_left_as_they_were() -> None:
    crop = np.zeros((224, 224, 3), np.uint8)
    thing = np.full((100, 80, 4), 255, np.uint8)
    covered = [occluded(crop, [thing], np.random.default_rng(seed)) for seed in range(60)]
    shares = np.array([one.any(2).mean() for one in covered])
    assert not crop.any()
    assert shares.min() > 0
    assert shares.max() < 0.9
    biggest = 100 * 80 * (224 / 256) ** 2 / 224**2
    one = shares[[np.random.default_rng(seed).integers(1, 8) == 1 for seed in range(60)]]
    assert 0 < one.max() <= biggest * 1.03
    assert 2.5 < np.mean([np.random.default_rng(seed).integers(1, 8) for seed in range(60)]) < 5.5


def test_objects_blend_by_their_alpha() -> None:
    crop = np.full((64, 64, 3), 100, np.uint8)
    thing = np.full((400, 400, 4), 200, np.uint8)
    thing[..., 3] = 51  # a fifth
    seen = set(np.unique(occluded(crop, [thing], np.random.default_rng(0))).tolist())
    expected, value = [], 100.0
    for _ in range(8):
        expected.append(round(value))
        value = round(0.2 * 200 + 0.8 * value)
    assert seen <= set(expected)
    assert len(seen) > 1


def test_a_crop_is_always_covered_in_the_same_way(tmp_path: Path) -> None:
    extractor = Occluding(MeanColour(), read_occluders(voc(tmp_path)))
    assert isinstance(extractor, Extractor)
    assert extractor.settings == {"version": 1, "occluders": 1, "seed": 0}
    crops = torch.randint(0, 255, (3, 8, 8, 3), dtype=torch.uint8)
    together = extractor(crops)
    torch.testing.assert_close(together[1:2], extractor(crops[1:2]))
    other = Occluding(MeanColour(), extractor.occluders, seed=1)
    assert not torch.equal(other(crops), together)
    assert not torch.equal(together, MeanColour()(crops))


def test_what_is_wrong_is_told_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"it has no Annotations/\*\.xml, .*Expected\n    ROOT/Annotations"):
        read_occluders(tmp_path)
    with pytest.raises(UserError, match="none of its objects has an outline"):
        read_occluders(voc(tmp_path / "unsegmented", segmented=0))
    root = voc(tmp_path / "VOC2012")
    (root / "SegmentationObject" / "a.png").write_bytes(b"none")
    with pytest.raises(UserError, match=r"a\.png: not an image"):
        read_occluders(root)
    (root / "Annotations" / "a.xml").write_text("<annotation><segmented>1</segm")
    with pytest.raises(UserError, match=r"a\.xml: damaged, or not an annotation"):
        read_occluders(root)
