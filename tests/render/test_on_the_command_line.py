"""`anthropose render`: what is written, and what a user may do wrong."""

import errno
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from anthropose import cli
from anthropose.motion import Motion
from anthropose.video import open_video
from tests import mistakes
from tests.clips import write_clip
from tests.evaluate import sets
from tests.methods.small import install_small
from tests.render.people import standing
from tests.toy_body import toy_body

BODY = toy_body()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """clip.mp4, and a motion of joints alone whose person is not found in the middle."""
    write_clip(tmp_path / "clip.mp4", 12)
    standing(BODY, [1, 2, 8, 9], with_body=False).save(tmp_path / "person-00.npz")
    return tmp_path


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs `anthropose render WORDS`; gives the exit code and all that was printed but the progress."""

    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["anthropose", "render", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        lines = [line for line in (printed.out + printed.err).splitlines() if "%" not in line and line.strip()]
        return code, "\n".join(lines)

    return run


@pytest.fixture
def mistake(call):
    """Expects one line that contains `expected`, and exit code 2."""
    return mistakes.expecting(call)


def test_where_a_person_is_not_found_nobody_is_drawn_and_the_time_line_stays(folder: Path, call) -> None:
    out = folder / "film.mp4"
    assert call(folder / "person-00.npz", "--video", folder / "clip.mp4", "--out", out) == (0, str(out))
    made, source = open_video(out), open_video(folder / "clip.mp4")
    assert np.allclose(made.seconds, source.seconds)
    pairs = zip(made.frames(), source.frames(), strict=True)
    there = [(np.abs(a.astype(int) - b).max(-1) > 60).mean() > 0.003 for a, b in pairs]
    assert np.flatnonzero(there).tolist() == [1, 2, 8, 9]


def test_motions_and_videos_that_do_not_belong_together_get_one_line(folder: Path, mistake) -> None:
    motion = folder / "person-00.npz"
    out = folder / "film.mp4"
    short = write_clip(folder / "short.mp4", 5)
    mistake("seen up to frame 9, and this video has 5 frames", motion, "--video", short, "--out", out)
    upright = write_clip(folder / "upright.mp4", 12, size=(96, 160))
    mistake("found in a video of 160x96 pixels, this one has 96x160", motion, "--video", upright, "--out", out)
    assert not out.exists()


def test_cut_files_get_one_line(folder: Path, mistake) -> None:
    for name in ("person-00.npz", "clip.mp4"):
        (folder / f"cut-{name}").write_bytes((folder / name).read_bytes()[:400])
    out = folder / "film.mp4"
    mistake("cut file", folder / "cut-person-00.npz", "--video", folder / "clip.mp4", "--out", out)
    mistake("cut-clip.mp4", folder / "person-00.npz", "--video", folder / "cut-clip.mp4", "--out", out)
    mistake("no such file", folder / "person-01.npz", "--out", out)
    assert not out.exists()


def test_what_cannot_be_written_gets_one_line_and_leaves_nothing(
    folder: Path, mistake, monkeypatch: pytest.MonkeyPatch
) -> None:
    motion = folder / "person-00.npz"
    for name in ("a.mp4", "a.gif", "a.png"):
        mistake("in the way", motion, "--out", motion / name)
        for code, words in ((errno.ENOSPC, "the disk is full"), (errno.EACCES, "no permission to write there")):
            with monkeypatch.context() as closed:
                closed.setattr("os.replace", partial(_fail, code))
                mistake(words, motion, "--out", folder / name)
    assert sorted(path.name for path in folder.iterdir()) == ["clip.mp4", "person-00.npz"]


def _fail(code: int, *_: object) -> None:
    raise OSError(code, "as the system says it")


def test_what_is_not_there_gets_one_line(folder: Path, mistake) -> None:
    motion = folder / "person-00.npz"
    mistake("film.avi: what does .avi stand for? expected .mp4 or .gif", motion, "--out", "film.avi")
    mistake("no motion file was given", "--out", "film.mp4")
    mistake("of which video? name it by --video", motion, "--views", "overlay")
    mistake("there is no truth to show", motion, "--views", "truth")
    mistake("--persons 5: there is no such person", motion, "--persons", "5")
    mistake("every method but rie gives bodies", motion, "--save-obj", folder / "meshes")
    mistake("--skip 99: the video has 10 frames", motion, "--skip", "99")
    mistake("--size 3: expected 32 to 4320 pixels", motion, "--size", "3")


def test_a_sequence_of_human36m_is_lifted_and_shown_beside_its_truth(
    tmp_path: Path, call, mistake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    archive = sets.archives(tmp_path / "vp")
    install_small(["rie"])
    out, joints, motion = tmp_path / "a.mp4", tmp_path / "joints.npy", tmp_path / "joints.npz"
    chosen = ("--data", archive, "--subject", "S11", "--action", "Walking 1", "--camera", "2")
    assert call(*chosen, "--size", "120", "--save-joints", joints, "--out", out)[0] == 0
    made = open_video(out)
    assert (len(made), made.fps, made.size) == (12, 50.0, (360, 120))
    assert np.load(joints).shape == (12, 17, 3)
    assert np.load(joints).dtype == np.float32
    assert call(*chosen, "--save-joints", motion, "--out", tmp_path / "a.png")[0] == 0
    saved = Motion.load(motion)
    plain = np.load(joints)
    assert np.allclose(saved.joints.numpy(), plain - plain[:, :1], atol=1e-5)
    assert saved.camera.size == (1000, 1000)
    mistake("no subject 'S1'; there are S9, S11", "--data", archive, "--subject", "S1")
    mistake("no action of S9 'Waiting'; there are Walking, Walking 1, Eating", "--data", archive, "--action", "Waiting")
    mistake("--camera 4: S9 Walking has cameras 0, 1, 2, 3", "--data", archive, "--camera", "4")
    mistake("data_2d_h36m_cpn.npz: no such file", "--data", archive, "--keypoints", "cpn")
    mistake("takes the place of motion files", motion, "--data", archive)
    mistake("expected .npy for an array", "--data", archive, "--save-joints", "a.csv")
