"""What a user may do wrong, through the command line: one clear line, exit code 2, nothing half-written."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from anthropose import cli
from anthropose.outputs import run
from anthropose.settings import Settings
from anthropose.video import VideoWriter, open_video
from tests.clips import write_images
from tests.fakes import OnePerson, Standing

FAKES = ["--detector", "tests.fakes:OnePerson", "--method", "tests.fakes:Standing"]
RESULTS = {"overlay.mp4", "report.html", "scene.glb", "person-00.npz", "person-00.bvh"}


def make_clip(path: Path, frames: int = 12, size: tuple[int, int] = (160, 120)) -> Path:
    with VideoWriter(path, size, 30.0) as writer:
        for n in range(frames):
            writer.write(np.full((size[1], size[0], 3), 10 * (n % 20), np.uint8))
    return path


def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> tuple[int, str]:
    """Runs the command line in this process; gives the exit code and what went to stderr after the progress bars."""
    monkeypatch.setattr(sys, "argv", ["anthropose", *map(str, words)])
    code = 0
    try:
        cli.main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, capsys.readouterr().err


def files_in(folder: Path) -> set[str]:
    """Everything under a folder that could be taken for a result, parts included."""
    return {p.name for p in folder.rglob("*") if p.is_file()} if folder.exists() else set()


@pytest.fixture
def mistake(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Calls `anthropose WORDS` and expects one line that contains `expected`."""

    def check(expected: str, *words: object) -> None:
        code, error = call(capsys, monkeypatch, *words)
        lines = [line for line in error.splitlines() if line.startswith("anthropose: ")]
        assert code == 2, error
        assert len(lines) == 1, error
        assert expected in lines[0], lines[0]
        assert "Traceback" not in error

    return check


def test_a_missing_file(mistake, tmp_path: Path) -> None:
    mistake("no such file", "run", tmp_path / "absent.mp4", "--out", tmp_path / "out")
    assert not files_in(tmp_path)


def test_a_text_file_named_mp4(mistake, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("this is no video\n" * 100)
    mistake("text.mp4", "run", tmp_path / "text.mp4", "--out", tmp_path / "out")
    assert files_in(tmp_path) == {"text.mp4"}


def test_a_video_cut_before_its_index(mistake, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", 60)
    clip.write_bytes(clip.read_bytes()[:200])
    mistake("clip.mp4", "run", clip, "--out", tmp_path / "out")


def test_an_empty_file(mistake, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    mistake("empty.mp4", "run", tmp_path / "empty.mp4", "--out", tmp_path / "out")


def test_a_video_without_people(mistake, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "grey.mp4", 6)
    mistake("nobody was found", "run", clip, "--out", tmp_path / "out")
    assert not files_in(tmp_path / "out") & RESULTS


def test_a_folder_without_images(mistake, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    mistake("images", "run", tmp_path / "images", "--out", tmp_path / "out")


def test_a_folder_with_images_of_several_sizes(mistake, tmp_path: Path) -> None:
    write_images(tmp_path / "images", 3, (160, 96))
    write_images(tmp_path / "other", 1, (120, 96))
    (tmp_path / "other" / "frame_0.png").rename(tmp_path / "images" / "frame_9.png")
    mistake("frame_9.png", "run", tmp_path / "images", "--out", tmp_path / "out", *FAKES)
    assert not files_in(tmp_path / "out") & RESULTS


def test_images_of_twelve_megapixels(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    images = write_images(tmp_path / "images", 2, (4000, 3000))
    code, error = call(capsys, monkeypatch, "run", images, "--out", tmp_path / "out", *FAKES)
    assert code == 0, error
    assert files_in(tmp_path / "out") >= RESULTS


def test_people_in_only_some_frames_are_drawn_there_and_the_video_stays_whole(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", 60)
    settings = Settings(detector="tests.fakes:Passing", method=FAKES[3])
    (motion,) = run(clip, tmp_path / "out", settings)
    assert motion.track.frames.tolist() == list(range(20, 40))
    assert len(open_video(tmp_path / "out" / "overlay.mp4")) == 60


def test_a_folder_that_cannot_be_written(mistake, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4")
    mistake("no permission", "run", clip, "--out", "/sys/anthropose", *FAKES)


def test_a_result_folder_that_is_a_file(mistake, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4")
    (tmp_path / "taken").touch()
    mistake("in the way", "run", clip, "--out", tmp_path / "taken", *FAKES)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--method", "nonsense"], "known: "),
        (["--method", "no_such_package:Thing"], "no_such_package"),
        (["--detector", "nonsense"], "mediapipe"),
        (["--body", "nonsense"], "nonsense"),
        (["--focal", "-3"], "greater than 0"),
        (["--persons", "7"], "it has 0"),
        (["--tracks", "absent.json"], "absent.json"),
    ],
)
def test_a_setting_that_does_not_fit(mistake, tmp_path: Path, words: list[str], expected: str) -> None:
    clip = make_clip(tmp_path / "clip.mp4")
    fakes = [word for pair in zip(FAKES[::2], FAKES[1::2], strict=True) if pair[0] not in words for word in pair]
    mistake(expected, "run", clip, "--out", tmp_path / "out", *fakes, *words)
    assert not files_in(tmp_path / "out") & RESULTS


def test_motion_files_that_are_none(mistake, tmp_path: Path) -> None:
    (tmp_path / "foreign.npz").write_bytes(b"PK\x03\x04 nothing")
    mistake("no such file", "export", tmp_path / "absent.npz", "--out", tmp_path / "a.glb")
    mistake("expected a motion file", "export", tmp_path / "foreign.npz", "--out", tmp_path / "a.glb")
    assert not (tmp_path / "a.glb").exists()


def test_a_disk_that_is_full(mistake, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        clip = make_clip(tmp_path / "clip.mp4", 60, (640, 480))
        mistake("disk is full", "run", clip, "--out", small / "out", *FAKES)
        left = files_in(small)
        assert not any("part" in name for name in left), left
        assert "person-00.npz" in left, "what was finished before the disk was full is kept"
        assert "report.html" not in left
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("frames", [1, 3])
def test_a_video_of_a_few_frames_gives_all_results(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, frames: int
) -> None:
    clip = make_clip(tmp_path / "one.mp4", frames)
    code, error = call(capsys, monkeypatch, "run", clip, "--out", tmp_path / "out", *FAKES)
    assert code == 0, error
    assert files_in(tmp_path / "out") >= RESULTS


@pytest.mark.parametrize("stage", ["detect", "reconstruct", "overlay"])
def test_ctrl_c_in_each_stage_keeps_what_is_finished_and_the_next_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stage: str
) -> None:
    monkeypatch.setattr("anthropose.reconstruction.PART_FRAMES", 10)
    clip, out = make_clip(tmp_path / "clip.mp4", 40), tmp_path / "out"
    settings = Settings(detector=FAKES[1], method=FAKES[3])
    OnePerson.seen = Standing.calls = 0

    def interrupt(at: str, share: float) -> None:
        if at == stage and 0.4 < share < 1.0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(clip, out, settings, progress=interrupt)
    seen, calls = OnePerson.seen, Standing.calls
    assert not any("part" in name for name in files_in(out))
    assert "overlay.mp4" not in files_in(out)
    run(clip, out, settings)
    assert files_in(out) >= RESULTS
    if stage == "detect":
        assert OnePerson.seen < seen + 40, "finished parts of the detection are not done again"
    else:
        assert OnePerson.seen == seen == 40
    if stage == "overlay":
        assert Standing.calls == calls == 1


def test_ctrl_c_ends_the_command_with_one_line_and_130(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", 30)
    program = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits it ignored\n"
        "from tests import fakes\n"
        "plain = fakes.OnePerson.detect\n"
        "def detect(self, *given):\n"
        "    for n, found in enumerate(plain(self, *given)):\n"
        "        if n == 5: os.kill(os.getpid(), signal.SIGINT)\n"
        "        yield found\n"
        "fakes.OnePerson.detect = detect\n"
        f"sys.argv = ['anthropose', 'run', {str(clip)!r}, '--out', {str(tmp_path / 'out')!r}, *{FAKES!r}]\n"
        "from anthropose.cli import main\n"
        "main()\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=root, env={**os.environ, "PYTHONPATH": "."}
    )
    assert done.returncode == 130, done.stderr
    assert "interrupted while finding people" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_answers_in_half_a_second() -> None:
    import time

    def once() -> float:
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "anthropose", "run", "--help"], capture_output=True, text=True)
        assert done.returncode == 0
        assert "--method" in done.stdout
        return time.perf_counter() - start

    assert min(once() for _ in range(5)) < 0.5
