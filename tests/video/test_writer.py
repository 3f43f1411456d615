"""What is written plays in browsers, keeps rate, times and sound, and appears whole or not at all."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from anthropose.errors import UserError
from anthropose.video import VideoWriter, open_video
from tests import clips
from tests.clips import without_rights


def write(path: Path, count: int = 12, size: tuple[int, int] = (160, 96), fps: float = 30) -> Path:
    with VideoWriter(path, size, fps) as writer:
        for number in range(count):
            writer.write(clips.numbered_frame(number, size))
    return path


def tone(path: Path) -> tuple[str, float, float]:
    """The coding of a file's sound, when its tone begins and when it ends, in seconds after the first picture."""
    with av.open(str(path)) as container:
        stream, pictures = container.streams.audio[0], container.streams.video[0]
        first = float((pictures.start_time or 0) * pictures.time_base)
        frames = list(container.decode(stream))
        begin = float(frames[0].pts * frames[0].time_base) - first
        resampler = av.AudioResampler("fltp", "mono", 48000)
        wave = np.concatenate([part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)])
        loud = np.flatnonzero(np.abs(wave) > 0.2) / 48000 + begin
        return stream.codec_context.codec.canonical_name, loud[0], loud[-1]


def test_frames_come_back_in_order_and_colour(tmp_path: Path) -> None:
    video = open_video(write(tmp_path / "out.mp4", count=40))
    assert len(video) == 40
    for number, frame in enumerate(video):
        assert clips.read_number(frame) == number
        np.testing.assert_allclose(frame[:16, :26].mean((0, 1)), clips.RED, atol=4)
        np.testing.assert_allclose(frame[:16, -26:].mean((0, 1)), clips.GREEN, atol=4)
        np.testing.assert_allclose(frame[-16:, :26].mean((0, 1)), clips.BLUE, atol=4)


def test_the_file_is_what_browsers_play(tmp_path: Path) -> None:
    path = write(tmp_path / "out.mp4")
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "the index must come first, for playing while loading"
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.codec.canonical_name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        frame = next(container.decode(stream))
        assert (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range) == (6, 1, 1, 1)


@pytest.mark.parametrize("size", [(161, 96), (160, 97), (161, 97), (1, 1)])
def test_odd_sizes_are_padded_to_even_ones(tmp_path: Path, size: tuple[int, int]) -> None:
    video = open_video(write(tmp_path / "out.mp4", count=3, size=size))
    assert video.size == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert len(list(video)) == 3


@pytest.mark.parametrize(
    "rate", [Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60000, 1001), 5, 25, 12.5, 240]
)
def test_the_rate_is_kept_to_the_tick(tmp_path: Path, rate: Fraction | float) -> None:
    path = write(tmp_path / "out.mp4", count=31, fps=float(rate))
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == Fraction(rate)
    video = open_video(path)
    assert video.fps == pytest.approx(float(rate))
    np.testing.assert_allclose(video.seconds, np.arange(31) / float(rate), atol=1e-9)


def test_times_of_a_variable_rate_are_kept(tmp_path: Path) -> None:
    times = np.cumsum([0, 0.02, 0.1, 0.033, 0.033, 0.5, 0.01, 0.01, 0.02])
    with VideoWriter(tmp_path / "out.mp4", (160, 96), 30) as writer:
        for number, seconds in enumerate(times):
            writer.write(clips.numbered_frame(number), float(seconds))
    video = open_video(tmp_path / "out.mp4")
    np.testing.assert_allclose(video.seconds, times, atol=1e-5)
    assert [clips.read_number(frame) for frame in video] == list(range(len(times)))


def test_a_video_copied_through_the_writer_keeps_its_clock(tmp_path: Path) -> None:
    stamps = [0, 1, 5, 6, 7, 30, 31, 40, 41, 42, 50, 90]
    source = open_video(clips.write_clip(tmp_path / "in.mp4", stamps=stamps, time_base=Fraction(1, 600)))
    with VideoWriter(tmp_path / "out.mp4", source.size, source.fps) as writer:
        for seconds, frame in source.timed_frames():
            writer.write(frame, seconds)
    np.testing.assert_allclose(open_video(tmp_path / "out.mp4").seconds, source.seconds, atol=1e-5)


def test_times_that_stand_still_do_not_stop_the_writer(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", (160, 96), 30) as writer:
        for number, seconds in enumerate([0, 0.1, 0.1, 0.05, 0.2]):
            writer.write(clips.numbered_frame(number), seconds)
    assert [clips.read_number(frame) for frame in open_video(tmp_path / "out.mp4")] == list(range(5))


@pytest.mark.parametrize(
    ("name", "audio", "expected"),
    [
        ("a.mp4", "aac", "aac"),
        ("a.webm", "libopus", "opus"),
        ("a.mkv", "libmp3lame", "mp3"),
        ("a.mkv", "flac", "flac"),
        ("a.ts", "aac", "aac"),
        ("a.ts", "ac3", "aac"),
        ("a.mov", "pcm_s16le", "aac"),
        ("a.avi", "pcm_s16le", "aac"),
    ],
)
@pytest.mark.parametrize("start", [0, 20])
def test_sound_stays_with_its_pictures(tmp_path: Path, name: str, audio: str, expected: str, start: int) -> None:
    codec = {"codec": "libvpx", "options": {"deadline": "realtime"}} if name.endswith("webm") else {}
    source = open_video(clips.write_clip(tmp_path / name, count=60, audio=audio, **codec))
    with VideoWriter(tmp_path / "out.mp4", source.size, source.fps, audio_from=tmp_path / name) as writer:
        for seconds, frame in source.timed_frames(start):
            writer.write(frame, seconds)
    coding, begin, end = tone(tmp_path / "out.mp4")
    assert coding == expected
    assert begin == pytest.approx(1 - start / 30, abs=0.01), "the tone begins one second into the source"
    assert end == pytest.approx(2 - start / 30, abs=0.05)
    assert [clips.read_number(frame) for frame in open_video(tmp_path / "out.mp4")] == list(range(start, 60))


def test_sound_ends_with_the_pictures(tmp_path: Path) -> None:
    source = open_video(clips.write_clip(tmp_path / "in.mp4", count=90, audio="aac"))
    with VideoWriter(tmp_path / "out.mp4", source.size, source.fps, audio_from=tmp_path / "in.mp4") as writer:
        for seconds, frame in source.timed_frames(0, 60):
            writer.write(frame, seconds)
    _, begin, end = tone(tmp_path / "out.mp4")
    assert begin == pytest.approx(1.5, abs=0.01)
    assert end == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("silent", ["in.mp4", "images"])
def test_a_source_without_sound_gives_a_silent_file(tmp_path: Path, silent: str) -> None:
    clips.write_clip(tmp_path / "in.mp4")
    clips.write_images(tmp_path / "images")
    with VideoWriter(tmp_path / "out.mp4", (160, 96), 30, audio_from=tmp_path / silent) as writer:
        writer.write(clips.numbered_frame(0))
    assert not open_video(tmp_path / "out.mp4").has_audio


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="80x60 pixels"),
        VideoWriter(tmp_path / "out.mp4", (160, 96), 30) as writer,
    ):
        writer.write(clips.numbered_frame(0, (80, 60)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_file_leaves_nothing_behind_and_the_old_one_in_place(
    tmp_path: Path, stop: type[BaseException]
) -> None:
    path = write(tmp_path / "out.mp4", count=3)
    old = path.read_bytes()

    def interrupted() -> None:
        with VideoWriter(path, (160, 96), 30) as writer:
            for number in range(30):
                writer.write(clips.numbered_frame(number))
            raise stop

    with pytest.raises(stop):
        interrupted()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == old


def test_a_file_without_frames_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no frames to write"), VideoWriter(tmp_path / "out.mp4", (160, 96), 30):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is found on Linux only")
@pytest.mark.parametrize("count", [1, 100])
def test_a_full_disk_is_named_and_leaves_nothing_behind(tmp_path: Path, count: int) -> None:
    (tmp_path / f".out.{os.getpid()}.part.mp4").symlink_to("/dev/full")  # where whole_file writes first
    with pytest.raises(UserError, match=r"out\.mp4: the disk is full"):
        write(tmp_path / "out.mp4", count=count)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_written_is_named_before_the_first_frame(public_folder: Path) -> None:
    with without_rights():
        public_folder.chmod(0o555) if os.geteuid() != 65534 else None
        with (
            pytest.raises(UserError, match=r"out\.mp4: no permission to write"),
            VideoWriter(public_folder / "out.mp4", (160, 96), 30),
        ):
            pytest.fail("the block must not begin")
