import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anthropose.datasets.occlusion import Occluding
from anthropose.datasets.prepared import Extractor, prepare, read_set
from anthropose.datasets.raw.base import EncodedImages, Findings, ImageFiles, RawSequence
from anthropose.datasets.sequence import Sequence
from anthropose.errors import UserError
from anthropose.skeleton import LSP_14, SPIN_49
from tests.datasets.raw.releases import MadeUp, MeanColour, encoded, giving, jpeg, write_pictures


def _labels(name: str = "a", count: int = 7, seed: int = 0) -> Sequence:
    rng = np.random.default_rng(seed)
    return Sequence(
        name,
        keypoints=np.concatenate([60 * rng.random((count, 14, 2)), np.ones((count, 14, 1))], 2),
        keypoint_set=LSP_14,
        boxes=np.tile([32.0, 24.0, 20.0, 20.0], (count, 1)),
        joints=rng.standard_normal((count, 49, 3)),
        joint_set=SPIN_49,
        pose=rng.standard_normal((count, 72)),
        betas=rng.standard_normal((count, 10)),
        usable=np.arange(count) % 2 == 0,
        gender="female",
        frames=np.arange(count) + 3,
        images=np.array([f"x/{k}.jpg" for k in range(count)]),
    )


def _pictures(*encoded: bytes) -> EncodedImages:
    return EncodedImages(encoded, "release.bin")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    labels = _labels()
    raw = RawSequence(labels, _pictures(*(jpeg(40 + k) for k in range(7))), 1.0)
    prepared = prepare(MadeUp(one=giving(raw)), tmp_path, tmp_path / "out", "test", MeanColour())
    (sequence,) = read_set(prepared.path)
    assert prepared.path == tmp_path / "out" / "made-up-test"
    assert (prepared.sequences, prepared.frames, prepared.left_out, prepared.findings.counts) == (1, 7, (), {})
    for key in ("keypoints", "boxes", "joints", "pose", "betas"):
        np.testing.assert_array_equal(getattr(sequence, key), getattr(labels, key).astype(np.float32))
    for key in ("usable", "frames", "images"):
        np.testing.assert_array_equal(getattr(sequence, key), getattr(labels, key))
    assert (sequence.keypoint_set, sequence.joint_set, sequence.gender) == (LSP_14, SPIN_49, "female")
    assert sequence.body_counts
    np.testing.assert_allclose(sequence.required_features()[0:7][:, 0], 40 + np.arange(7), atol=2)


def test_a_name_that_says_the_subset_is_not_followed_by_it(tmp_path: Path) -> None:
    release = MadeUp(one=giving(RawSequence(_labels())))
    release.name = "made-up-test"
    assert prepare(release, tmp_path, tmp_path / "out", "test").path.name == "made-up-test"
    assert prepare(release, tmp_path, tmp_path / "out", "train").path.name == "made-up-test-train"


def test_the_features_file_is_an_ordinary_npy_of_the_kind_asked_for(tmp_path: Path) -> None:
    raw = RawSequence(_labels(), _pictures(*[jpeg()] * 7), 1.0)
    for half, kind in ((False, np.float32), (True, np.float16)):
        out = tmp_path / str(half)
        prepared = prepare(MadeUp(one=giving(raw)), tmp_path, out, "train", MeanColour(), half=half)
        array = np.load(prepared.path / "sequences" / "a.features.npy", mmap_mode="r")
        assert (array.shape, array.dtype) == ((7, 2), kind)


def test_crops_are_widened_by_the_sets_own_scale_or_by_that_asked_for(tmp_path: Path) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[14:34, 22:42] = 200  # exactly the box
    raw = RawSequence(_labels(count=1), _pictures(encoded(picture)), 1.0)

    def red(crop_scale: float | None) -> float:
        out = tmp_path / str(crop_scale)
        made = prepare(MadeUp(one=giving(raw)), tmp_path, out, "", MeanColour(), crop_scale=crop_scale)
        return float(read_set(made.path)[0].required_features()[0:1][0, 0])

    assert red(None) > 170
    assert red(2.0) == pytest.approx(red(None) / 4, rel=0.2)


def test_pictures_that_are_crops_already_are_not_cropped(tmp_path: Path) -> None:
    labels = replace(_labels(count=2), boxes=None)
    raw = RawSequence(labels, _pictures(jpeg(50, (8, 8)), jpeg(90, (16, 16))), None)
    made = prepare(MadeUp(one=giving(raw)), tmp_path, tmp_path / "out", "", MeanColour())
    np.testing.assert_allclose(read_set(made.path)[0].required_features()[0:2][:, 0], [50, 90], atol=2)


def test_frames_with_bad_pictures_or_labels_are_left_out_and_told(tmp_path: Path) -> None:
    labels = _labels(count=9)
    assert labels.boxes is not None
    assert labels.joints is not None
    assert labels.keypoints is not None
    labels.boxes[1, 2:] = 0
    labels.joints[2, 5, 1] = np.nan
    labels.keypoints[3, 4, 0] = np.nan
    pictures = [jpeg(40 + 10 * k) for k in range(9)]
    pictures[6] = pictures[6][:200]
    raw = RawSequence(labels, _pictures(*pictures), 1.0)
    made = prepare(MadeUp(one=giving(raw)), tmp_path, tmp_path / "out", "", MeanColour())
    (sequence,) = read_set(made.path)
    assert sequence.frames is not None
    assert sequence.keypoints is not None
    assert (sequence.frames - 3).tolist() == [0, 3, 4, 5, 7, 8]
    assert sequence.keypoints[1, 4].tolist() == [0, 0, 0]
    np.testing.assert_allclose(sequence.required_features()[0:6][:, 0], [40, 70, 80, 90, 110, 120], atol=2)
    report = made.report()
    assert "frames left out, their boxes are empty" in report
    assert "frames left out, their joints are not numbers" in report
    assert "keypoints that are not numbers" in report
    assert "the first: release.bin: picture 6 in it is damaged" in report


def test_what_cannot_be_read_is_left_out_and_the_rest_is_done(tmp_path: Path) -> None:
    def half_good(findings: Findings) -> Iterator[RawSequence]:
        yield RawSequence(_labels("good"))
        raise UserError("labels.pkl: cut short")

    def unforeseen(findings: Findings) -> Iterator[RawSequence]:
        raise KeyError("poses")

    wrong = replace(_labels("wrong"), keypoints=np.zeros((7, 13, 3)))
    release = MadeUp(
        one=half_good,
        two=unforeseen,
        three=giving(RawSequence(wrong), RawSequence(_labels("also good"))),
        four=giving(RawSequence(_labels("blind"), ImageFiles(tuple(tmp_path / f"{k}.jpg" for k in range(7))), 1.0)),
    )
    made = prepare(release, tmp_path, tmp_path / "out", "", MeanColour())
    assert [sequence.name for sequence in read_set(made.path)] == ["good", "also good"]
    assert len(made.left_out) == 4
    for line, part in zip(
        made.left_out,
        (
            "one: labels.pkl: cut short",
            "two: could not be read (KeyError: 'poses')",
            "wrong: its keypoints have the shape (7, 13, 3), expected (7, 14, 3)",
            "blind: none of its 7 frames can be used",
        ),
        strict=True,
    ):
        assert part in line
        assert part in made.report()
    assert json.loads((made.path / "set.json").read_text())["sources"]["two"]["left_out"] == [made.left_out[1]]


def test_an_interrupted_call_goes_on_where_it_stopped(tmp_path: Path) -> None:
    loads: list[str] = []

    def source(name: str, stop: bool = False) -> object:
        def load(findings: Findings) -> Iterator[RawSequence]:
            loads.append(name)
            findings.note(name, "odd")
            yield RawSequence(_labels(name), _pictures(*[jpeg()] * 7), 1.0)
            if stop:
                raise KeyboardInterrupt

        return load

    def release(stop: bool) -> MadeUp:
        return MadeUp(a=source("a"), b=source("b", stop), c=source("c"))  # type: ignore[arg-type]

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        prepare(release(True), tmp_path, out, "", MeanColour())
    with pytest.raises(UserError, match="was not finished"):
        read_set(out / "made-up-train")
    (out / "made-up-train" / "sequences" / ".b.features.99.part.npy").write_bytes(b"of a call that was killed")
    made = prepare(release(False), tmp_path, out, "", MeanColour())
    assert loads == ["a", "b", "b", "c"]
    assert [sequence.name for sequence in read_set(made.path)] == ["a", "b", "c"]
    assert [path.name for path in sorted(made.path.iterdir())] == ["sequences", "set.json"]
    assert len(list((made.path / "sequences").iterdir())) == 6
    assert made.findings.counts.keys() == {"a", "b", "c"}
    extractor = MeanColour()
    again = prepare(release(False), tmp_path, out, "", extractor)
    assert (extractor.crops, len(loads)) == (0, 4)
    assert again.report() == made.report()


def test_what_was_left_out_is_tried_again(tmp_path: Path) -> None:
    def broken(findings: Findings) -> Iterator[RawSequence]:
        raise UserError("x.pkl: damaged")

    prepare(MadeUp(a=giving(RawSequence(_labels("a"))), b=broken), tmp_path, tmp_path / "out")
    release = MadeUp(a=broken, b=giving(RawSequence(_labels("b"))))
    made = prepare(release, tmp_path, tmp_path / "out")
    assert [sequence.name for sequence in read_set(made.path)] == ["a", "b"]


def test_a_line_of_the_journal_that_was_cut_off_costs_its_source_alone(tmp_path: Path) -> None:
    def stop(findings: Findings) -> Iterator[RawSequence]:
        raise KeyboardInterrupt

    sources = {name: giving(RawSequence(_labels(name))) for name in "ab"}
    with pytest.raises(KeyboardInterrupt):
        prepare(MadeUp(**sources, c=stop), tmp_path, tmp_path / "out")
    journal = tmp_path / "out" / "made-up-train" / "unfinished.jsonl"
    journal.write_text(journal.read_text()[:-20])
    made = prepare(MadeUp(**sources, c=giving(RawSequence(_labels("c")))), tmp_path, tmp_path / "out")
    assert [sequence.name for sequence in read_set(made.path)] == ["a", "b", "c"]


def test_names_that_make_the_same_file_do_not_overwrite_each_other(tmp_path: Path) -> None:
    names = ["a/b", "a_b", "A_B", "", "..", "ü" * 200]
    release = MadeUp(one=giving(*(RawSequence(_labels(name, seed=k)) for k, name in enumerate(names))))
    sequences = read_set(prepare(release, tmp_path, tmp_path / "out").path)
    assert [sequence.name for sequence in sequences] == names
    for seed, sequence in enumerate(sequences):
        np.testing.assert_array_equal(sequence.pose, _labels(seed=seed).pose.astype(np.float32))  # type: ignore[union-attr]


def test_without_an_extractor_frames_without_pictures_are_kept_and_told(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["0.jpg", "2.jpg"])
    raw = RawSequence(_labels(count=3), ImageFiles(tuple(tmp_path / f"{k}.jpg" for k in range(3))), 1.0)
    made = prepare(MadeUp(one=giving(raw)), tmp_path, tmp_path / "out")
    (sequence,) = read_set(made.path)
    assert (len(sequence), sequence.features) == (3, None)
    assert made.findings.counts == {"a": {"missing: pictures": 1}}
    with pytest.raises(UserError, match=r"a: its set was prepared without image features; .*--features"):
        sequence.required_features()


def test_a_folder_with_another_set_is_not_touched(tmp_path: Path) -> None:
    release = MadeUp(one=giving(RawSequence(_labels(), _pictures(*[jpeg()] * 7), 1.0)))
    prepare(release, tmp_path, tmp_path / "out", "", MeanColour())
    with pytest.raises(UserError, match="prepared with another extractor; choose another --out"):
        prepare(release, tmp_path, tmp_path / "out", "", MeanColour(version=2))
    with pytest.raises(UserError, match="another extractor, gendered"):
        prepare(release, tmp_path, tmp_path / "out", settings={"gendered": True})


def test_features_of_other_crops_or_of_occluded_people_go_to_folders_of_their_own(tmp_path: Path) -> None:
    release = MadeUp(one=giving(RawSequence(_labels(), _pictures(*[jpeg()] * 7), 1.0)))
    things = Occluding(MeanColour(), [np.full((3, 3, 4), 255, np.uint8)])

    def name(extractor: Extractor, crop_scale: float | None = None) -> str:
        return prepare(release, tmp_path, tmp_path / "out", "", extractor, crop_scale=crop_scale).path.name

    assert name(MeanColour()) == "made-up-train"
    assert name(things) == "made-up-train-occ"
    assert name(MeanColour(), 1.3) == "made-up-train-crop1.3"
    assert name(things, 1.0) == "made-up-train-crop1.0-occ"
    assert len({*(tmp_path / "out").iterdir()}) == 4


def test_subsets_that_a_release_does_not_have_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="made-up has no subset 'val'; it has train, test"):
        prepare(MadeUp(), tmp_path, tmp_path / "out", "val")


def test_a_release_of_which_nothing_can_be_read_is_an_error(tmp_path: Path) -> None:
    def broken(findings: Findings) -> Iterator[RawSequence]:
        raise UserError("x.pkl: damaged")

    with pytest.raises(UserError, match=r"nothing of made-up train could be prepared: one: x\.pkl: damaged"):
        prepare(MadeUp(one=broken), tmp_path, tmp_path / "out")


def test_progress_runs_from_nothing_to_everything(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    raw = RawSequence(_labels(), _pictures(*[jpeg()] * 7), 1.0)
    release = MadeUp(one=giving(raw), two=giving(raw))
    prepare(release, tmp_path, tmp_path / "out", "", MeanColour(), lambda stage, share: told.append((stage, share)))
    shares = [share for _, share in told]
    assert {stage for stage, _ in told} == {"prepare"}
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert any(0 < share < 0.5 for share in shares)
