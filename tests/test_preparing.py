"""`anthropose prepare`, from a release to a set, as it is typed."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anthropose import cli, preparing
from anthropose.body.files import load_body
from anthropose.datasets.prepared import open_set
from anthropose.datasets.raw.base import RAW_SETS, RawSet, raw_set
from anthropose.datasets.raw.lifting import LIFTING_RELEASES, LiftingRelease, lifting_release
from anthropose.errors import UserError
from anthropose.preparing import Bodies, layout_of, prepare_release, releases_table
from tests.datasets.raw import test_threedpw as threedpw
from tests.datasets.raw.releases import write_pictures


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["anthropose", *map(str, words)])
    cli.main()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small 3DPW, and nobody's bodies installed."""
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    root = tmp_path / "3DPW"
    threedpw.write_labels(root, threedpw.labels())
    write_pictures(root / "imageFiles/courtyard_test_00", [f"image_{k:05d}.jpg" for k in range(30)], (300, 300))
    return root


def test_a_release_becomes_a_set(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = root.parent / "data"
    for _ in range(2):  # the second time, all is there
        call(monkeypatch, "prepare", "3dpw", root, "--out", out, "--body", "free")
        printed = capsys.readouterr().out
        assert f"{out / '3dpw-train'}: 1 sequences, 30 frames" in printed
        assert "missing: sequence files, of 24" in printed
    (sequence,) = open_set(out / "3dpw-train")
    assert (sequence.name, sequence.features) == ("courtyard_test_00_0", None)


def test_features_are_made_with_spins_weights(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Few:
        name, size, batch, settings = "few", 224, 16, {"weights": "abc"}

        def __init__(self, *_: Any) -> None: ...

        def __call__(self, crops: torch.Tensor) -> torch.Tensor:
            return crops.float().mean((1, 2))

    asked: list[str] = []
    monkeypatch.setattr(preparing, "ImageFeatures", Few)
    monkeypatch.setattr(preparing, "find_weights", lambda name, published: asked.append(name))
    out = root.parent / "data"
    call(monkeypatch, "prepare", "3dpw", root, "--out", out, "--body", "free", "--features", "spin", "--half")
    (sequence,) = open_set(out / "3dpw-train")
    assert asked == [""]
    rows = sequence.required_features()
    assert (rows.shape, rows[0:1].dtype) == ((30, 3), np.float16)
    made_with = json.loads((out / "3dpw-train" / "set.json").read_text())["made_with"]
    assert made_with["extractor"] == {"name": "few", "weights": "abc"}
    assert made_with["bodies"] == {"neutral": "free", "male": "", "female": "", "gendered": False}


def test_things_are_pasted_over_people_before_their_features_are_made(root: Path) -> None:
    with pytest.raises(UserError, match="give --features too"):
        prepare_release("3dpw", root, root.parent / "data", bodies=Bodies("free"), occluders=root)


def test_the_want_of_weights_is_told_before_the_work(root: Path) -> None:
    with pytest.raises(UserError, match="spin_model_checkpoint"):
        prepare_release("3dpw", root, root.parent / "data", features="spin", bodies=Bodies("free"))


def test_labels_of_a_body_want_smpls(root: Path) -> None:
    with pytest.raises(UserError, match=r"SMPL's neutral body, and none is here;.*--body free"):
        prepare_release("3dpw", root, root.parent / "data")
    with pytest.raises(UserError, match=r"it has no sequenceFiles/test/\*\.pkl"):
        prepare_release("3dpw-dynaboa", root, root.parent / "data", bodies=Bodies(male="free", female="free"))
    threedpw.write_labels(root, threedpw.labels(), "test")
    with pytest.raises(UserError, match=r"SMPL's male body, and none is here;.*--male free"):
        prepare_release("3dpw-dynaboa", root, root.parent / "data", bodies=Bodies("free"))


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        (("smpl_neutral", "smpl_male", "smpl_female"), ("smpl_neutral", "smpl_male", "smpl_female")),
        (
            (
                "basicmodel_neutral_lbs_10_207_0_v1.1.0",
                "basicmodel_m_lbs_10_207_0_v1.1.0",
                "basicmodel_f_lbs_10_207_0_v1.1.0",
            ),
            (
                "basicmodel_neutral_lbs_10_207_0_v1.1.0",
                "basicmodel_m_lbs_10_207_0_v1.1.0",
                "basicmodel_f_lbs_10_207_0_v1.1.0",
            ),
        ),
    ],
)
def test_installed_bodies_are_told_apart_by_their_names(
    monkeypatch: pytest.MonkeyPatch, installed: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    loaded: list[str] = []

    def load(name: str) -> Any:
        loaded.append(name)
        return load_body("free")

    monkeypatch.setattr(preparing, "installed_bodies", lambda: ["free", *installed])
    monkeypatch.setattr(preparing, "load_body", load)
    options = Bodies(gendered=True).options()
    for gender in ("neutral", "male", "female", "male"):
        options.body(gender)  # type: ignore[arg-type]
    assert tuple(loaded) == expected
    monkeypatch.setattr(preparing, "installed_bodies", lambda: ["free", "neutral-1", "neutral-2"])
    with pytest.raises(UserError, match="several are here: neutral-1, neutral-2"):
        Bodies().options().body("neutral")


def test_without_names_the_command_says_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, "prepare")
    assert "3dpw-dynaboa" in capsys.readouterr().out
    call(monkeypatch, "prepare", "humaneva15")
    assert "ROOT/S1/Walking_1.mat" in capsys.readouterr().out


@pytest.mark.parametrize("name", RAW_SETS)
def test_every_release_can_be_asked_for(name: str, tmp_path: Path) -> None:
    release = raw_set(name, Bodies("free", "free", "free").options())
    assert isinstance(release, RawSet)
    assert release.name == name
    assert release.subsets
    assert "ROOT" in layout_of(name)
    assert name in releases_table()
    with pytest.raises(UserError, match="ROOT"):
        release.find(tmp_path, release.subsets[0])
    with pytest.raises(UserError, match=rf"{name} has no subset 'x'"):
        prepare_release(name, tmp_path, tmp_path / "out", subset="x")


@pytest.mark.parametrize("name", LIFTING_RELEASES)
def test_every_lifting_release_can_be_asked_for(name: str, tmp_path: Path) -> None:
    assert isinstance(lifting_release(name), LiftingRelease)
    with pytest.raises(UserError, match="ROOT"):
        prepare_release(name, tmp_path, tmp_path / "out")
    with pytest.raises(UserError, match="it has no subsets and no features"):
        prepare_release(name, tmp_path, tmp_path / "out", subset="train")


def test_unknown_releases_are_told_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no data set '3dwp'; known are 3dpw, .*humaneva15"):
        prepare_release("3dwp", tmp_path, tmp_path)
