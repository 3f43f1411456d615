from pathlib import Path

import numpy as np
import pytest

from anthropose.datasets.raw.base import (
    EncodedImages,
    Findings,
    ImageFiles,
    VideoFrames,
    check_folder,
    raw_set,
    short_release,
)
from anthropose.errors import UserError
from anthropose.video.writer import VideoWriter
from tests.datasets.raw.releases import jpeg, write_pictures


def test_images_come_in_order_and_a_bad_one_does_not_stop_the_others(tmp_path: Path) -> None:
    write_pictures(tmp_path, [f"{k}.jpg" for k in range(5)])
    (tmp_path / "1.jpg").unlink()
    (tmp_path / "3.jpg").write_bytes(b"no picture")
    pictures = ImageFiles(tuple(tmp_path / f"{k}.jpg" for k in range(5)))
    frames = list(pictures.frames())
    assert [isinstance(frame, UserError) for frame in frames] == [False, True, False, True, False]
    assert "3.jpg: not an image" in str(frames[3])
    assert frames[4].shape == (48, 64, 3)  # type: ignore[union-attr]
    assert pictures.missing().tolist() == [False, True, False, False, False]


def test_encoded_images_come_in_order_and_a_bad_one_does_not_stop_the_others() -> None:
    pictures = EncodedImages((jpeg(10), jpeg(20)[:100], b"", jpeg(40)), "x.tfrecord")
    frames = list(pictures.frames())
    assert [isinstance(frame, UserError) for frame in frames] == [False, True, True, False]
    assert "x.tfrecord: picture 1 in it is damaged" in str(frames[1])
    assert int(frames[3][0, 0, 0]) == pytest.approx(40, abs=2)  # type: ignore[index]
    assert pictures.missing().tolist() == [False, False, True, False]


def test_frames_of_a_video_are_those_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    with VideoWriter(path, (64, 48), 25.0) as writer:
        for value in range(10):
            writer.write(np.full((48, 64, 3), 20 * value, np.uint8))
    pictures = VideoFrames(path, np.array([1, 4, 5, 20]))
    frames = list(pictures.frames())
    means = [frame.mean() for frame in frames[:3]]  # type: ignore[union-attr]
    np.testing.assert_allclose(means, [20, 80, 100], atol=4)
    assert "v.mp4: the video ends before frame 20" in str(frames[3])
    assert len(pictures) == 4
    assert not pictures.missing().any()


def test_a_video_that_is_not_there_gives_an_error_for_each_frame(tmp_path: Path) -> None:
    pictures = VideoFrames(tmp_path / "none.mp4", np.array([0, 3]))
    assert [isinstance(frame, UserError) for frame in pictures.frames()] == [True, True]
    assert pictures.missing().all()


def test_findings_are_counted_by_sequence() -> None:
    findings = Findings()
    findings.note("a", "odd", 3)
    findings.note("a", "odd")
    findings.note("a", "never", 0)
    findings.missing("b", "pictures", 2)
    assert findings.counts == {"a": {"odd": 4}, "b": {"missing: pictures": 2}}
    assert findings.table().splitlines() == ["a        4  odd", "b        2  missing: pictures"]
    other = Findings()
    other.add(findings)
    other.add(findings)
    assert other.counts["a"]["odd"] == 8
    assert Findings().table() == ""


def test_long_tables_are_cut() -> None:
    findings = Findings()
    for k in range(9):
        findings.note(str(k), "odd")
    assert findings.table(most=5).splitlines()[-1] == "... and 4 more; set.json has them all"


def test_a_wrong_folder_is_told_with_the_right_layout(tmp_path: Path) -> None:
    layout = "    ROOT/labels/*.mat"
    with pytest.raises(UserError, match=r"no such folder; expected\n    ROOT/labels"):
        check_folder(tmp_path / "none", ["labels"], layout)
    (tmp_path / "inner" / "labels").mkdir(parents=True)
    check_folder(tmp_path / "inner", ["labels"], layout)
    with pytest.raises(UserError, match=r"it has no labels; did you mean .*inner\? Expected\n    ROOT/labels"):
        check_folder(tmp_path, ["labels"], layout)
    with pytest.raises(UserError, match=r"did you mean .*inner\?"):
        check_folder(tmp_path / "inner" / "labels", ["labels"], layout)


def test_a_release_that_is_not_whole_tells_how_much_is_missing() -> None:
    assert short_release(24, 24, "files") == []
    (source,) = short_release(20, 24, "files")
    findings = Findings()
    assert list(source.load(findings)) == []
    assert findings.counts == {"the release": {"missing: files, of 24": 4}}


def test_an_unknown_set_is_told_with_those_that_are_known() -> None:
    with pytest.raises(UserError, match=r"no data set '3dwp'; known are 3dpw, .*mpii3d"):
        raw_set("3dwp")
