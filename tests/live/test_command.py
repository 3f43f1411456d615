"""What `anthropose run --live` refuses, protects and says."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from anthropose.errors import UserError
from anthropose.live.command import check_folder, check_settings, run_live
from anthropose.live.options import Live
from anthropose.motion import Motion
from anthropose.settings import Outputs, Settings
from anthropose.video import open_video
from tests import clips
from tests.live.test_recording import begin, record

PAGE = Live(live=True, show="page", port=0)
FAKES = Settings(method="tests.live.cameras:LiveStanding", detector="tests.live.cameras:LivePerson")


@pytest.mark.parametrize(
    ("settings", "outputs", "option"),
    [
        (Settings(tracker="sort"), Outputs(), "--tracker sort"),
        (Settings(refine="on"), Outputs(), "--refine on"),
        (Settings(smooth="gaussian", persons=(1,)), Outputs(), "--persons, --smooth gaussian"),
        (Settings(tracks=Path("a.json")), Outputs(), "--tracks"),
        (Settings(), replace(Outputs(), side_view=True, export=("usd",)), "--side-view, --export"),
    ],
)
def test_what_needs_the_whole_clip_is_refused(settings: Settings, outputs: Outputs, option: str) -> None:
    with pytest.raises(UserError, match=f"^--live: {option} needs the whole clip"):
        check_settings(settings, outputs)


def test_a_method_for_whole_clips_is_refused_before_the_camera_is_opened() -> None:
    with pytest.raises(UserError, match=r"^--live: smplify looks at whole clips; use --method parallel-branch"):
        run_live("camera:97", Settings(method="smplify"), Outputs(), PAGE, None)


def test_a_recording_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    recording = begin(folder, clips.write_clip(tmp_path / "source.mp4", count=3))
    record(recording, 5)
    recording.finish()
    with pytest.raises(UserError, match="a recording is there already; name another folder"):
        check_folder(folder, restart=False)
    check_folder(folder, restart=True)
    assert not list(folder.iterdir())


def test_a_recording_that_was_broken_off_is_put_together_first(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    recording = begin(folder, clips.write_clip(tmp_path / "source.mp4", count=3))
    record(recording, 90)
    recording._video.finish()
    recording._overlay.finish()
    with pytest.raises(UserError, match=r"broken off, which is whole now \(video\.mp4, overlay\.mp4\)"):
        check_folder(folder, restart=False)
    assert len(open_video(folder / "video.mp4")) == 90


def test_a_file_is_run_live_shown_and_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = clips.write_clip(tmp_path / "clip.mp4", count=25, rate=10)
    lines = run_live(str(clip), FAKES, Outputs(), PAGE, tmp_path / "session")
    assert "pictures at" in lines[0]
    assert lines[0].endswith("persons: 0")
    assert lines[1].endswith("session: video.mp4, overlay.mp4, person-00.npz")
    assert "live on http://localhost:" in capsys.readouterr().err
    assert Motion.load(tmp_path / "session/person-00.npz").method == "standing"


@pytest.mark.slow
def test_ctrl_c_ends_a_session_cleanly_and_keeps_what_was_recorded(tmp_path: Path) -> None:
    clip = clips.write_clip(tmp_path / "clip.mp4", count=900)
    words = ["run", clip, "--live", "--show", "page", "--port", "0", "--out", tmp_path / "session"]
    words += ["--method", FAKES.method, "--detector", FAKES.detector]
    handled = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a background job ignores it
    process = subprocess.Popen(
        [sys.executable, "-c", f"{handled}\nfrom anthropose.__main__ import main\nmain()", *words],
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stderr is not None
    assert "Ctrl-C stops" in process.stderr.readline()
    parts, deadline = tmp_path / "session/parts/video.mp4", time.monotonic() + 60
    while not (parts.exists() and parts.stat().st_size > 5000) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "anthropose: stopped; recorded" in rest
    assert 10 < len(open_video(tmp_path / "session/video.mp4")) < 900
    assert not (tmp_path / "session/parts").exists()
