"""What holds for every method, published networks in a small configuration with random weights among them.

A method that is listed in METHODS is tested by that.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose import cli
from anthropose.body.files import load_body
from anthropose.errors import UserError
from anthropose.methods.base import METHODS, Method, make_method, settings_of
from anthropose.motion import Camera, Motion, Track
from anthropose.nn.checkpoints import shipped_weights, weights_folder
from anthropose.people.clip import Clip
from anthropose.skeleton import COCO_17
from anthropose.video import VideoWriter, open_video
from tests.fakes import OnePerson
from tests.methods.small import CONFIGS, install_small

WITH_WEIGHTS = [method for method in METHODS if method in CONFIGS]
JOINTS_ONLY = {"rie"}
READY = ("dynaboa", *(weights.system for weights in shipped_weights()))
"""Methods that run with the weights that come along."""
FRAMES, SIZE = 21, (160, 120)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for what is installed."""
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video whose every frame is other noise than the one before."""
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    noise = np.random.default_rng(0)
    with VideoWriter(path, SIZE, 30.0) as writer:
        for _ in range(FRAMES):
            coarse = noise.integers(0, 255, (SIZE[1] // 8, SIZE[0] // 8, 3), np.uint8)
            writer.write(coarse.repeat(8, 0).repeat(8, 1))
    return path


def install(method: str, seed: int = 0) -> None:
    install_small([system for system in ("spin", method) if system in CONFIGS], seed)


def track_of(rows: list[int]) -> Track:
    """A person who sways a little, in some frames of the video."""
    generator = torch.Generator().manual_seed(1)
    keypoints = torch.rand(1, 17, 3, generator=generator) * torch.tensor([50.0, 90.0, 0.0])
    keypoints = keypoints + torch.tensor([50.0, 15.0, 0.9])
    keypoints = keypoints + 2 * torch.rand(len(rows), 1, 3, generator=generator) * torch.tensor([1.0, 1.0, 0.0])
    corners = [keypoints[..., :2].amin(1) - 5, keypoints[..., :2].amax(1) + 5]
    return Track(0, torch.tensor(rows), torch.cat(corners, dim=1), keypoints, COCO_17)


def clip_of(video: Path, rows: list[int]) -> Clip:
    source = open_video(video)
    return Clip(track_of(rows), 30.0, torch.from_numpy(source.seconds)[rows], Camera.guess(*SIZE), source)


def made(method: str) -> Method:
    return make_method(method, load_body("free"))


def command(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """The exit code of `anthropose WORDS`."""
    monkeypatch.setattr(sys, "argv", ["anthropose", *map(str, words)])
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.mark.parametrize("method", METHODS)
def test_the_command_writes_the_same_kinds_of_files_and_the_same_again(
    method: str, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(method)
    out = tmp_path / "out"
    words = ["run", video, "--out", out, "--method", method, "--detector", "tests.fakes:OnePerson"]
    assert command(monkeypatch, *words) == 0
    printed = capsys.readouterr().out
    expected = {"overlay.mp4", "report.html", "scene.glb", "person-00.npz", "person-00.bvh"}
    assert all(name in printed for name in expected)
    assert {path.name for path in out.iterdir() if path.is_file()} - {"stages.json"} == expected
    motion = Motion.load(out / "person-00.npz")
    assert motion.track.frames.tolist() == list(range(FRAMES)), "every frame has its row"
    assert motion.method == method
    assert motion.weights == (method if method in CONFIGS else "")
    assert (motion.body is None) == (method in JOINTS_ONLY)
    assert motion.joints.isfinite().all()
    assert motion.projected.isfinite().all()
    assert len(open_video(out / "overlay.mp4")) == FRAMES

    assert command(monkeypatch, *words, "--restart", "--no-overlay", "--no-report", "--export") == 0
    again = Motion.load(out / "person-00.npz")
    assert torch.equal(again.joints, motion.joints)
    assert torch.equal(again.translation, motion.translation)


@pytest.mark.parametrize("method", sorted({*WITH_WEIGHTS} - {*READY}))
def test_without_weights_one_line_says_what_to_get_and_nobody_is_looked_for(
    method: str, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    OnePerson.seen = 0
    words = ["run", video, "--out", tmp_path / "out", "--method", method, "--detector", "tests.fakes:OnePerson"]
    assert command(monkeypatch, *words) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("anthropose: ")]
    for part in ("https://", "`anthropose weights add "):
        assert part in line
    assert OnePerson.seen == 0
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "rows", [[3], [0, 1], [0, 1, *range(4, 19), 20]], ids=["one", "two", "more than a window, with gaps"]
)
def test_any_track_has_a_row_for_each_of_its_frames(method: str, rows: list[int], video: Path) -> None:
    install(method)
    clip = clip_of(video, rows)
    shares: list[float] = []
    motion = made(method).reconstruct(clip, shares.append)
    assert len(motion) == len(rows)
    assert motion.track is clip.track
    assert motion.joints.isfinite().all()
    assert motion.translation.isfinite().all()
    assert motion.joints[:, 0].abs().max() < 1e-4, "joints are relative to the root"
    assert shares == sorted(shares)
    assert min(shares) >= 0
    assert max(shares) <= 1.0


@pytest.mark.parametrize("method", METHODS)
def test_a_track_of_boxes_alone_is_done_or_refused_in_one_line(method: str, video: Path) -> None:
    install(method)
    clip = clip_of(video, list(range(5)))
    clip = replace(clip, track=replace(clip.track, keypoints=None, skeleton=None))
    if method in ("smplify", "rie", "dynaboa"):
        with pytest.raises(UserError, match="keypoints") as caught:
            made(method).reconstruct(clip)
        assert "\n" not in str(caught.value)
    else:
        assert len(made(method).reconstruct(clip)) == 5


@pytest.mark.parametrize("method", METHODS)
def test_settings_are_json_and_tell_one_result_from_another(method: str) -> None:
    install(method)
    first = json.dumps(settings_of(made(method)), sort_keys=True)
    assert json.dumps(settings_of(made(method)), sort_keys=True) == first
    if method in WITH_WEIGHTS:
        install(method, seed=1)
        assert json.dumps(settings_of(made(method)), sort_keys=True) != first


@pytest.mark.parametrize("method", WITH_WEIGHTS)
def test_weights_can_be_named_and_are_remembered(method: str, video: Path) -> None:
    install(method)
    install_small([method], seed=1, name="mine")
    clip = clip_of(video, list(range(4)))
    usual = made(method).reconstruct(clip)
    other = make_method(method, load_body("free"), "mine").reconstruct(clip)
    assert (usual.weights, other.weights) == (method, "mine")
    assert not torch.allclose(usual.joints, other.joints)
    with pytest.raises(UserError, match="nonsense"):
        make_method(method, load_body("free"), "nonsense")
    assert weights_folder().is_dir()


def test_a_method_without_weights_takes_none() -> None:
    with pytest.raises(UserError, match="smplify has no weights"):
        make_method("smplify", load_body("free"), "some")


def test_a_preset_or_exemplars_for_a_method_that_has_no_use_for_them_are_refused(tmp_path: Path) -> None:
    install_small(["spin", "tcmr"])
    with pytest.raises(UserError, match=r"^--preset internet: method tcmr has no use for it; it is for dynaboa$"):
        make_method("tcmr", load_body("free"), preset="internet")
    with pytest.raises(UserError, match=r"^--exemplars .*: method smplify has no use for it; it is for dynaboa$"):
        make_method("smplify", load_body("free"), exemplars=tmp_path / "bank.npz")
