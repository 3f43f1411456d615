"""What the small commands print."""

import sys
from pathlib import Path

import numpy as np
import pytest

from anthropose import cli
from anthropose.motion import Motion
from anthropose.video import VideoWriter
from tests.export.made_up import motion
from tests.nn.published_files import write_case


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["anthropose", *map(str, words)])
    cli.main()


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    from anthropose.body.files import load_body

    motion(load_body("free")).save(tmp_path / "person-00.npz")
    return tmp_path / "person-00.npz"


def test_the_doctor_finds_this_machine_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, "doctor")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert all(line.startswith("  ok ") for line in lines[1:]), lines


def test_the_doctor_says_what_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(name: str) -> None:
        raise RuntimeError("no such thing here")

    monkeypatch.setattr("anthropose.people.detect.find_detector", broken)
    call(monkeypatch, "doctor")
    assert "FAIL  detector" in capsys.readouterr().out


def test_export_writes_by_ending_and_prints_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], walk: Path
) -> None:
    for ending in ("glb", "bvh"):
        out = walk.with_name(f"scene.{ending}")
        call(monkeypatch, "export", walk, "--out", out)
        assert out.exists()
        assert str(out) in capsys.readouterr().out


def test_render_draws_motions_over_their_video(monkeypatch: pytest.MonkeyPatch, walk: Path) -> None:
    clip, out = walk.with_name("clip.mp4"), walk.with_name("picture.mp4")
    with VideoWriter(clip, (640, 480), 30.0) as writer:
        for _ in range(len(Motion.load(walk))):
            writer.write(np.zeros((480, 640, 3), np.uint8))
    call(monkeypatch, "render", walk, "--video", clip, "--out", out)
    from anthropose.video import open_video

    drawn = next(open_video(out).frames(30, 31))
    assert drawn.max() > 100, "the body stands out from a black video"


def test_body_list_names_the_free_body_and_add_without_a_file_says_what_to_bring(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, "body")
    assert "free" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, "body", "add")
    assert stop.value.code == 2
    assert "SMPL_NEUTRAL.pkl" in capsys.readouterr().err


def test_weights_list_says_what_to_get_and_add_takes_it_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    call(monkeypatch, "weights")
    assert "`anthropose weights add tcmr_demo_model.pth.tar`" in capsys.readouterr().out
    call(monkeypatch, "weights", "add", write_case("vibe", tmp_path), "--name", "mine", "--system", "parallel-branch")
    assert "installed as mine" in capsys.readouterr().out
    call(monkeypatch, "weights", "list")
    assert capsys.readouterr().out.startswith("mine: Parallel-Branch (CAVW 2022), from vibe_model_w_3dpw.pth.tar")
    call(monkeypatch, "doctor")
    assert "mine (parallel-branch)" in capsys.readouterr().out
    (tmp_path / "home" / "weights" / "mine.safetensors").write_bytes(b"damaged")
    call(monkeypatch, "doctor")
    assert "FAIL  weights" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, "weights", "add")
    assert stop.value.code == 2


def test_adaptation_of_a_file_is_refused_with_what_does_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, "run", tmp_path / "clip.mp4", "--adapt")
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said == "anthropose: --adapt is for live sessions (--live); a file is adapted to with --method dynaboa\n"


def test_names_of_result_folders_come_from_the_source() -> None:
    assert cli._name_of("videos/my clip.final.mp4") == "my_clip.final"
    assert cli._name_of("camera:0") == "camera-0"
    assert cli._name_of("images/") == "images"
