"""Frames of files come out whole, upright, in order and at their times, whatever the coding."""

import os
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropose.video import Video, open_video
from anthropose.video import file as video_file
from anthropose.video.timing import mended_seconds
from tests import clips

REAL_VIDEOS = Path(__file__).parents[3] / "shared" / "data" / "videos"

B_FRAMES = {"bf": "3", "g": "10"}
TRUSTED = {
    "plain.mp4": {},
    "b_frames.mp4": {"count": 60, "options": B_FRAMES},
    "open_groups.mp4": {"count": 60, "options": {**B_FRAMES, "x264-params": "open-gop=1"}},
    "short_groups.mp4": {"count": 40, "options": {"g": "3", "bf": "2", "x264-params": "scenecut=0"}},
    "all_key.mov": {"options": {"g": "1"}},
    "fragmented.mp4": {
        "count": 60,
        "options": B_FRAMES,
        "container_options": {"movflags": "frag_keyframe+empty_moov"},
    },
    "odd_size.mp4": {"size": (161, 91), "pixel_format": "yuv444p"},
    "odd_size.webm": {"size": (161, 91), "codec": "libvpx-vp9"},
    "ten_bit.mp4": {"pixel_format": "yuv420p10le"},
    "hidden_frames.webm": {
        "count": 60,
        "codec": "libvpx-vp9",
        "options": {"auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "realtime"},
    },
    "ntsc.mkv": {"rate": Fraction(30000, 1001), "count": 60},
    "variable.mp4": {"stamps": [0, 1, 5, 6, 7, 30, 31, 40, 41, 42, 50, 90], "time_base": Fraction(1, 600)},
    "late.mp4": {"stamps": range(100, 112), "time_base": Fraction(1, 30)},
    "prores.mov": {"codec": "prores_ks", "pixel_format": "yuv422p10le"},
    "sound.mp4": {"audio": "aac"},
    "one_frame.mp4": {"count": 1},
}
"""Files of which the packets alone tell the time of each frame."""
HEVC = {"codec": "libx265", "options": {"x265-params": "log-level=none:bframes=3:keyint=10"}}
DECODED = {
    "vp8_hidden.webm": {
        "count": 60,
        "codec": "libvpx",
        "options": {"auto-alt-ref": "1", "lag-in-frames": "16", "b": "200k", "deadline": "realtime"},
    },
    "xvid.avi": {"codec": "mpeg4", "options": {"bf": "2"}, "count": 30},
    "motion_jpeg.avi": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
    "h264.avi": {"count": 30, "options": {"bf": "3"}},
    "mpeg2.ts": {"codec": "mpeg2video", "count": 100, "options": {"bf": "2", "g": "6"}},
    "h264.ts": {"count": 100, "options": {"bf": "2", "g": "6"}},
    "flash.flv": {"count": 20},
    "windows.wmv": {"codec": "wmv2"},
    "transparent.mov": {"codec": "png", "pixel_format": "rgba"},
    "grey.mkv": {"codec": "ffv1", "pixel_format": "gray"},
    "animated.gif": {"codec": "gif", "pixel_format": "rgb8", "rate": 10},
    "no_stamps.h264": {"count": 30, "options": {"bf": "3"}, "rate": 25},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"bf": "2"}, "count": 30},
}
"""Files that only decoding tells about."""
CASES = {**TRUSTED, **DECODED, "hevc_ten_bit.mp4": {**HEVC, "pixel_format": "yuv420p10le", "count": 40}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One clip per case, made when first asked for."""
    folder = tmp_path_factory.mktemp("clips")

    class Made(dict[str, Path]):
        def __missing__(self, name: str) -> Path:
            self[name] = clips.write_clip(folder / name, **CASES[name])
            return self[name]

    return Made()


def numbers(video: Video) -> list[int]:
    return [clips.read_number(frame) for frame in video]


@pytest.mark.parametrize("name", CASES)
def test_every_frame_comes_once_and_in_order(made: dict[str, Path], name: str) -> None:
    video = open_video(made[name])
    assert numbers(video) == list(range(CASES[name].get("count", 12)))
    assert len(video) == CASES[name].get("count", 12)


@pytest.mark.parametrize("name", CASES)
def test_frames_are_upright_rgb_of_the_size_promised(made: dict[str, Path], name: str) -> None:
    video = open_video(made[name])
    frame = next(iter(video))
    assert frame.dtype == np.uint8
    assert frame.flags.c_contiguous
    assert frame.flags.writeable
    assert frame.shape == (video.size[1], video.size[0], 3)
    assert video.size == CASES[name].get("size", (160, 96))
    if name != "grey.mkv":
        assert clips.read_corners(frame) == ["red", "green", "blue", "yellow"]


@pytest.mark.parametrize("name", CASES)
def test_starting_late_gives_the_very_frames_of_a_full_pass(made: dict[str, Path], name: str) -> None:
    video = open_video(made[name])
    full = list(video)
    for start in range(0, len(full), 7):
        some = list(video.frames(start, start + 3))
        assert len(some) == len(full[start : start + 3])
        assert all(np.array_equal(a, b) for a, b in zip(some, full[start:], strict=False))


@pytest.mark.parametrize("name", CASES)
def test_times_increase_from_zero_as_the_frames_were_stamped(made: dict[str, Path], name: str) -> None:
    video, case = open_video(made[name]), CASES[name]
    rate, stamps = Fraction(case.get("rate", 30)), case.get("stamps")
    if stamps:
        expected = np.array([(stamp - stamps[0]) * float(case["time_base"]) for stamp in stamps])
    else:
        expected = np.arange(case.get("count", 12)) / float(rate)
        assert video.fps == pytest.approx(float(rate), rel=1e-9)
    assert video.seconds.dtype == np.float64
    np.testing.assert_allclose(video.seconds, expected, atol=1e-9)


@pytest.mark.parametrize("name", TRUSTED)
def test_ordinary_files_are_timed_without_decoding(
    made: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_file, "decode_clock", lambda *_: pytest.fail("decoded the whole file"))
    assert len(open_video(made[name])) == CASES[name].get("count", 12)


@pytest.mark.parametrize("name", ["b_frames.mp4", "open_groups.mp4", "short_groups.mp4", "all_key.mov", "h264.ts"])
def test_a_late_start_does_not_decode_from_the_beginning(made: dict[str, Path], name: str) -> None:
    video = open_video(made[name])
    for start in range(5, len(video), 9):
        key = video.clock.key_before(start)
        with video_file.opened(video.path) as (container, stream):
            assert key is None or video_file.frames_from(container, stream, key) is not None


def test_a_seek_that_misses_falls_back_to_the_beginning(made: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    video = open_video(made["b_frames.mp4"])
    monkeypatch.setattr(video_file, "frames_from", lambda *_: None)
    assert clips.read_number(next(video.frames(47))) == 47


def test_only_frames_whose_time_stamps_are_listed_are_numbered() -> None:
    decoded = [SimpleNamespace(pts=pts) for pts in (0, 10, 15, None, 20, 99)]
    numbered = list(video_file.recognised(iter(decoded), np.array([0, 10, 20, 30])))
    assert [(number, frame.pts) for number, frame in numbered] == [(0, 0), (1, 10), (2, 20)]


def test_repeated_time_stamps_are_spread_and_keep_their_frames(tmp_path: Path) -> None:
    video = open_video(clips.write_clip(tmp_path / "fast.mkv", rate=2000, count=30))  # Matroska counts milliseconds
    assert numbers(video) == list(range(30))
    assert np.all(np.diff(video.seconds) > 0)
    assert [clips.read_number(frame) for frame in video.frames(11, 14)] == [11, 12, 13]


def test_frames_cut_away_by_an_edit_list_are_not_shown(tmp_path: Path) -> None:
    path = clips.write_clip(tmp_path / "edited.mp4", count=40, rate=30, options=B_FRAMES)
    with av.open(str(path)) as container:
        frame_ticks = round(1 / 30 / container.streams.video[0].time_base)
    video = open_video(clips.shift_edit_list(path, ticks=15 * frame_ticks))
    assert numbers(video) == list(range(15, 40))
    assert len(video) == 25
    assert video.seconds[:3] == pytest.approx([0, 1 / 30, 2 / 30])
    assert clips.read_number(next(video.frames(20))) == 35


@pytest.mark.parametrize(
    ("turn", "corners"),
    [
        (0, ["red", "green", "blue", "yellow"]),
        (90, ["blue", "red", "yellow", "green"]),
        (180, ["yellow", "blue", "green", "red"]),
        (270, ["green", "yellow", "red", "blue"]),
    ],
)
def test_the_turn_that_phones_write_is_applied(tmp_path: Path, turn: int, corners: list[str]) -> None:
    path = clips.set_display_matrix(clips.write_clip(tmp_path / "phone.mp4"), *clips.QUARTER_TURNS[turn])
    video = open_video(path)
    assert video.size == ((96, 160) if turn in (90, 270) else (160, 96))
    for frame in video.frames(3):
        assert frame.shape == (video.size[1], video.size[0], 3)
        assert clips.read_corners(frame) == corners


def test_a_mirrored_selfie_is_mirrored(tmp_path: Path) -> None:
    path = clips.set_display_matrix(clips.write_clip(tmp_path / "selfie.mp4"), -1, 0, 0, 1)
    assert clips.read_corners(next(iter(open_video(path)))) == ["green", "red", "yellow", "blue"]


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    wide = open_video(clips.write_clip(tmp_path / "wide.mp4", pixel_aspect=Fraction(4, 3)))
    assert wide.size == (213, 96)
    assert numbers(wide) == list(range(12))
    tall = open_video(clips.write_clip(tmp_path / "tall.mp4", pixel_aspect=Fraction(3, 4)))
    assert tall.size == (160, 128)
    assert next(iter(tall)).shape == (128, 160, 3)


@pytest.mark.parametrize(
    ("size", "matrix", "tag", "pixel_format"),
    [
        ((160, 96), "ITU601", None, "yuv420p"),
        ((160, 96), "ITU601", 6, "yuv420p"),
        ((160, 96), "ITU709", 1, "yuv420p"),
        ((160, 96), "ITU709", 1, "yuv420p10le"),
        ((160, 96), "ITU601", None, "yuvj420p"),
        ((1280, 720), "ITU709", None, "yuv420p"),
    ],
)
def test_colours_survive_coding(
    tmp_path: Path, size: tuple[int, int], matrix: str, tag: int | None, pixel_format: str
) -> None:
    path = clips.write_clip(
        tmp_path / "c.mp4", count=1, size=size, matrix=matrix, matrix_tag=tag, pixel_format=pixel_format
    )
    frame = next(iter(open_video(path)))
    height, width = size[1] // 6, size[0] // 6
    np.testing.assert_allclose(frame[:height, :width].mean((0, 1)), clips.RED, atol=4)
    np.testing.assert_allclose(frame[:height, -width:].mean((0, 1)), clips.GREEN, atol=4)
    np.testing.assert_allclose(frame[-height:, :width].mean((0, 1)), clips.BLUE, atol=4)


def test_a_given_rate_takes_the_place_of_the_time_stamps(made: dict[str, Path]) -> None:
    video = open_video(made["variable.mp4"], fps=50)
    assert video.fps == 50
    np.testing.assert_allclose(video.seconds, np.arange(12) / 50)


def test_sound_is_noticed(made: dict[str, Path]) -> None:
    assert open_video(made["sound.mp4"]).has_audio
    assert not open_video(made["plain.mp4"]).has_audio


def test_passes_over_one_video_do_not_disturb_each_other(made: dict[str, Path]) -> None:
    video = open_video(made["b_frames.mp4"])
    pairs = list(zip(video.frames(0, 8), video.frames(20, 28), strict=True))
    assert [clips.read_number(a) for a, _ in pairs] == list(range(8))
    assert [clips.read_number(b) for _, b in pairs] == list(range(20, 28))


def test_spans_are_cut_as_slices_are_and_may_be_empty(made: dict[str, Path]) -> None:
    video = open_video(made["plain.mp4"])
    assert len(list(video.frames(10, 99))) == 2
    assert list(video.frames(12)) == []
    assert list(video.frames(5, 5)) == []
    assert list(video.frames(8, 3)) == []
    with pytest.raises(ValueError, match="counted from 0"):
        list(video.frames(-1))


def test_timed_frames_pair_each_frame_with_its_time(made: dict[str, Path]) -> None:
    video = open_video(made["variable.mp4"])
    seconds, frames = zip(*video.timed_frames(2, 5), strict=True)
    assert list(seconds) == video.seconds[2:5].tolist()
    assert [clips.read_number(frame) for frame in frames] == [2, 3, 4]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the memory in use from /proc")
def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path) -> None:
    path = clips.write_clip(tmp_path / "long.mp4", count=200, size=(640, 480), options={"preset": "ultrafast"})

    def megabytes() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    video = open_video(path)
    for _ in video.frames(0, 20):
        pass
    before = megabytes()
    growth = max(megabytes() - before for _ in video)
    assert growth < 60, "200 frames of this size are 184 MB"


@pytest.mark.parametrize("path", sorted(REAL_VIDEOS.glob("*.mp4")) or [None], ids=lambda p: p.stem if p else "none")
def test_real_clips_hold_as_many_frames_as_they_promise(path: Path | None) -> None:
    if path is None:
        pytest.skip(f"no clips in {REAL_VIDEOS}")
    video = open_video(path)
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert sum(1 for _ in video) == len(video) == len(times)
    np.testing.assert_allclose(video.seconds, np.array(times) - times[0], atol=1e-9)


@given(st.lists(st.none() | st.integers(-50, 50), max_size=30))
@settings(max_examples=200, deadline=None)
def test_mended_times_always_increase_from_zero(stamps: list[int | None]) -> None:
    seconds = mended_seconds(stamps, Fraction(1, 30), Fraction(30))
    assert len(seconds) == len(stamps)
    assert np.all(np.diff(seconds) > 0)
    assert not len(seconds) or seconds[0] == 0


def test_rounding_is_undone_where_the_rate_is_constant_and_only_there() -> None:
    even = np.arange(50) / 29.97
    np.testing.assert_array_equal(video_file.unrounded(even.round(3), 29.97, 1e-3), even)
    uneven = np.where(np.arange(50) < 25, even, even + 0.002).round(3)
    np.testing.assert_array_equal(video_file.unrounded(uneven, 29.97, 1e-3), uneven)
    skipped = np.array([0, 1, 2, 4]) / 30
    np.testing.assert_array_equal(video_file.unrounded(skipped, 30.0, 1 / 30), skipped)


def test_mending_leaves_good_stamps_alone_and_sorts_shuffled_ones() -> None:
    good = mended_seconds([3, 4, 9], Fraction(1, 10), None)
    np.testing.assert_allclose(good, [0, 0.1, 0.6])
    np.testing.assert_allclose(mended_seconds([3, 9, 4], Fraction(1, 10), None), good)
    np.testing.assert_allclose(mended_seconds([0, 2, 2, 4], Fraction(1, 10), None), [0, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(
        mended_seconds([None, 1, None, 3, None], Fraction(1), Fraction(2)), [0, 0.5, 1.5, 2.5, 3]
    )
