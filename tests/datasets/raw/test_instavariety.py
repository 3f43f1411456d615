"""InstaVariety in its published layout: TFRecord files of examples with JPEG crops."""

from pathlib import Path

import numpy as np
import pytest

from anthropose.datasets.raw.base import EncodedImages, Findings, RawSequence, raw_set
from anthropose.errors import UserError
from anthropose.skeleton import INSTA_25
from tests.datasets.raw.releases import jpeg
from tests.datasets.raw.tfrecord_files import write_records


def made(frames: int = 3, seed: int = 0, side: int = 224) -> dict[str, list[bytes] | np.ndarray]:
    generator = np.random.default_rng(seed)
    return {
        "meta/N": np.array([frames]),
        "image/encoded": [jpeg(40 * k, (side, side)) for k in range(frames)],
        "image/xys": generator.uniform(0, 224, (frames, 2, 14)).astype(np.float32),
        "image/visibilities": generator.integers(0, 2, (frames, 1, 14)),
        "image/face_pts": generator.uniform(0, 1, (frames, 3, 5)).astype(np.float32),
        "image/toe_pts": generator.uniform(0, 1, (frames, 3, 6)).astype(np.float32),
    }


def loaded(root: Path, findings: Findings | None = None) -> list[RawSequence]:
    sources = raw_set("insta").find(root, "train")
    return [raw for source in sources[:-1] for raw in source.load(findings if findings is not None else Findings())]


def test_each_example_is_a_sequence_of_crops_with_25_keypoints(tmp_path: Path) -> None:
    examples = [made(3, 0), made(5, 1)]
    write_records(tmp_path / "train" / "insta_variety_00.tfrecord", examples)
    first, second = loaded(tmp_path)
    assert [raw.sequence.name for raw in (first, second)] == ["insta_variety_00-0", "insta_variety_00-1"]
    sequence, written = second.sequence, examples[1]
    assert sequence.keypoint_set == INSTA_25
    assert sequence.boxes is None
    assert second.crop_scale is None
    keypoints = sequence.keypoints
    assert keypoints is not None
    np.testing.assert_allclose(keypoints[:, :14, :2], np.asarray(written["image/xys"]).transpose(0, 2, 1))
    np.testing.assert_array_equal(keypoints[:, :14, 2], np.asarray(written["image/visibilities"])[:, 0])
    nose, toe = INSTA_25.index("op_nose"), INSTA_25.index("op_left_big_toe")
    np.testing.assert_allclose(keypoints[:, nose], np.asarray(written["image/face_pts"])[:, :, 0])
    np.testing.assert_allclose(keypoints[:, toe], np.asarray(written["image/toe_pts"])[:, :, 0])
    assert isinstance(second.pictures, EncodedImages)
    means = [np.asarray(picture).mean() for picture in second.pictures.frames()]
    np.testing.assert_allclose(means, [0, 40, 80, 120, 160], atol=2)


def test_keypoints_from_minus_one_to_one_become_pixels(tmp_path: Path) -> None:
    plain = made()
    scaled = plain | {"image/phis": np.zeros((3, 2048), np.float32)}
    for key in ("image/xys", "image/face_pts", "image/toe_pts"):
        rows = np.asarray(plain[key]).copy()
        rows[:, :2] = rows[:, :2] / 112 - 1
        scaled[key] = rows
    write_records(tmp_path / "train" / "a.tfrecord", [plain, scaled])
    first, second = loaded(tmp_path)
    np.testing.assert_allclose(second.sequence.keypoints, first.sequence.keypoints, atol=1e-4)


def test_examples_without_toes_have_none(tmp_path: Path) -> None:
    example = made() | {"image/toe_pts": np.zeros(0, np.float32)}
    write_records(tmp_path / "train" / "a.tfrecord", [example])
    (raw,) = loaded(tmp_path)
    assert (raw.sequence.keypoints[:, 19:] == 0).all()  # type: ignore[index]


def test_what_is_damaged_is_left_out_and_the_others_are_read(tmp_path: Path) -> None:
    bad = [
        made() | {"meta/N": np.array([4])},
        made() | {"image/xys": np.zeros(5, np.float32)},
        {key: value for key, value in made().items() if key != "image/xys"},
        made(side=300),
        made() | {"image/encoded": [b"no picture"] * 3},
    ]
    path = write_records(tmp_path / "train" / "a.tfrecord", [*bad, made(), made()])
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(data)
    findings = Findings()
    assert [raw.sequence.name for raw in loaded(tmp_path, findings)] == ["a-5"]
    assert sorted(findings.counts) == ["a-0", "a-1", "a-2", "a-3", "a-4", "a-6"]
    table = findings.table()
    for words in ("3 pictures, it says 4", "image/xys", "pictures of 300 x 300 pixels", "a wrong checksum"):
        assert words in table
    assert table.count(str(path)) == 6


def test_a_file_cut_short_gives_the_examples_before_the_cut(tmp_path: Path) -> None:
    path = write_records(tmp_path / "train" / "a.tfrecord", [made(), made()])
    path.write_bytes(path.read_bytes()[:-100])
    source = raw_set("insta").find(tmp_path, "train")[0]
    found = source.load(Findings())
    assert next(found).sequence.name == "a-0"
    with pytest.raises(UserError, match=r"a\.tfrecord: record 1 is cut short"):
        next(found)


def test_files_may_lie_right_in_the_folder_and_those_that_are_not_there_are_told(tmp_path: Path) -> None:
    write_records(tmp_path / "a.tfrecord", [made()])
    assert len(loaded(tmp_path)) == 1
    findings = Findings()
    list(raw_set("insta").find(tmp_path, "train")[-1].load(findings))
    assert findings.counts["the release"] == {"missing: TFRecord files, of 273": 272}
    with pytest.raises(UserError, match=r"ROOT/train/\*\.tfrecord"):
        raw_set("insta").find(tmp_path.parent, "val")
