"""A camera has no end and no length; one that is absent is said to be so."""

from pathlib import Path

import pytest

from anthropose.errors import UserError
from anthropose.video import camera, open_video
from tests import clips


@pytest.fixture
def fake_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file in place of the device, for machines without a camera."""
    path = clips.write_clip(tmp_path / "camera.mp4", count=12)
    monkeypatch.setattr(camera, "device_of", lambda name: (str(path), None))
    return "camera:0"


def test_a_camera_that_is_absent_is_named() -> None:
    with pytest.raises(UserError, match=r"^camera:97: the camera cannot be opened .*plugged in"):
        open_video("camera:97")


def test_a_camera_gives_all_its_frames_with_rising_times(fake_camera: str) -> None:
    video = open_video(fake_camera)
    assert video.size == (160, 96)
    assert video.fps == 30
    seconds, frames = zip(*video.timed_frames(), strict=True)
    assert [clips.read_number(frame) for frame in frames] == list(range(12))
    assert seconds[0] == 0
    assert list(seconds) == sorted(seconds)


def test_a_camera_has_no_length_and_no_past(fake_camera: str) -> None:
    video = open_video(fake_camera)
    with pytest.raises(TypeError, match="no length"):
        len(video)
    with pytest.raises(ValueError, match="not at frame 3"):
        next(video.frames(3))
    assert len(list(video.frames(0, 4))) == 4
    video.close()


def test_a_camera_without_frames_is_refused(fake_camera: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "decoded_frames", lambda *_: iter(()))
    with pytest.raises(UserError, match="gives no frames"):
        open_video(fake_camera)


@pytest.mark.parametrize(
    ("platform", "expected"),
    [("linux", ("/dev/video2", "v4l2")), ("darwin", ("2", "avfoundation"))],
)
def test_each_system_has_its_own_name_for_a_camera(
    platform: str, expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera.sys, "platform", platform)
    assert camera.device_of("2") == expected


def test_on_windows_a_camera_goes_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera.sys, "platform", "win32")
    assert camera.device_of("Integrated Camera") == ("video=Integrated Camera", "dshow")
