"""Damaged, missing and wrong input: one clear line, and the frames that can be had."""

from pathlib import Path

import av
import pytest

from anthropose.errors import UserError
from anthropose.video import Video, open_video
from tests import clips
from tests.clips import without_rights

B_FRAMES = {"bf": "3", "g": "10"}
FAST_START = {"movflags": "+faststart"}


def numbers(video: Video) -> list[int]:
    return [clips.read_number(frame) for frame in video]


def refusal(source: str | Path, **arguments: float) -> str:
    """The one line with which a source is refused, at opening or while it is read."""
    with pytest.raises(UserError) as error:
        list(open_video(source, **arguments))
    line = str(error.value)
    assert "\n" not in line
    return line


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    line = refusal(tmp_path / "nowhere.mp4")
    assert "nowhere.mp4" in line
    assert "no such file" in line


@pytest.mark.parametrize("name", ["notes.mp4", "notes.txt", "notes", "notes.avi"])
def test_text_is_not_taken_for_a_video(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("This is a shopping list.\n" * 200)
    assert "not a video that can be read" in refusal(tmp_path / name)


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert "empty" in refusal(tmp_path / "empty.mp4")


def test_an_mp4_without_its_index_is_called_cut_off(tmp_path: Path) -> None:
    path = clips.cut_off(clips.write_clip(tmp_path / "cut.mp4", count=60), 0.8)
    assert "cut off, its index is missing" in refusal(path)


@pytest.mark.parametrize("share", [0.03, 0.1])
def test_an_mp4_with_half_an_index_is_called_cut_off(tmp_path: Path, share: float) -> None:
    path = clips.cut_off(clips.write_clip(tmp_path / "cut.mp4", count=60, container_options=FAST_START), share)
    assert "cut off, its index is missing" in refusal(path)


@pytest.mark.parametrize("options", [{"bf": "0"}, B_FRAMES])
def test_a_cut_mp4_gives_the_frames_that_are_there_and_says_how_many_are_not(
    tmp_path: Path, options: dict[str, str], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    path = clips.write_clip(tmp_path / "cut.mp4", count=100, options=options, container_options=FAST_START)
    video = open_video(clips.cut_off(path, 0.7))
    shown = numbers(video)
    assert 10 < len(shown) < 90
    assert len(shown) == len(video)
    assert shown[: len(shown) - 3] == list(range(len(shown) - 3)), "only next to the cut may frames be missing"
    assert shown == sorted(shown)
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"first {len(shown)} of 100 frames" in line
    assert capfd.readouterr().err == "", "FFmpeg's own messages must stay unseen"


def test_a_cut_between_two_frames_is_noticed_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = clips.write_clip(tmp_path / "cut.mp4", count=60, options={"bf": "0"}, container_options=FAST_START)
    with av.open(str(path)) as container:
        end = container.streams.video[0].index_entries[40].pos
    path.write_bytes(path.read_bytes()[:end])
    assert numbers(open_video(path)) == list(range(40))
    assert "first 40 of 60 frames" in caplog.text


def test_an_mp4_cut_before_its_first_frame_is_refused(tmp_path: Path) -> None:
    path = clips.write_clip(tmp_path / "cut.mp4", count=60, container_options=FAST_START)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + 20])
    assert "cut off before its first frame" in refusal(path)


def test_damage_in_the_middle_costs_no_frame_numbers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = clips.write_clip(tmp_path / "damaged.mp4", count=60, options={"bf": "0", "g": "10"})
    with av.open(str(path)) as container:
        entry = container.streams.video[0].index_entries[30]
        place, size = entry.pos, entry.size
    data = bytearray(path.read_bytes())
    data[place : place + size] = b"\xff" * size
    path.write_bytes(data)
    video = open_video(path)
    shown = numbers(video)
    assert len(shown) == len(video) == 60
    assert shown[:30] == list(range(30))
    assert shown[30] == 29, "the frame before stands in"
    assert shown[40:] == list(range(40, 60))
    assert "damaged" in caplog.text
    assert [clips.read_number(frame) for frame in video.frames(41)] == list(range(41, 60))


def test_a_cut_webm_gives_the_frames_that_are_there(tmp_path: Path) -> None:
    path = clips.write_clip(tmp_path / "cut.webm", count=60, codec="libvpx-vp9", options={"deadline": "realtime"})
    shown = numbers(open_video(clips.cut_off(path, 0.7)))
    assert 10 < len(shown) < 60
    assert shown == list(range(len(shown)))


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        output.start_encoding()
    assert "frame" in refusal(path) or "pictures" in refusal(path)


def test_a_file_with_sound_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w") as output:
        clips.write_tone(output, clips.add_sound(output, "aac"), seconds=0.5)
    assert "sound but no pictures" in refusal(path)


def test_a_file_that_may_not_be_read_is_named(public_folder: Path) -> None:
    path = clips.write_clip(public_folder / "secret.mp4")
    path.chmod(0)
    with without_rights():
        line = refusal(path)
    assert "secret.mp4: no permission to read it" in line


def test_a_folder_that_may_not_be_entered_is_named(public_folder: Path) -> None:
    folder = clips.write_images(public_folder / "secret", count=1)
    folder.chmod(0)
    with without_rights():
        assert "secret: no permission to read it" in refusal(folder)


def test_a_frame_rate_of_nought_is_refused(tmp_path: Path) -> None:
    assert "frame rate" in refusal(clips.write_images(tmp_path / "images"), fps=0)
