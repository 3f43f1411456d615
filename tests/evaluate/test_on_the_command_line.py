"""`anthropose evaluate` and `anthropose score`, as a user calls them."""

import json
import sys
from pathlib import Path

import pytest

from anthropose.cli import main
from tests.evaluate import sets
from tests.evaluate.test_score import saved
from tests.methods.small import install_small


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with weights installed."""
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    install_small(["glot", "tcmr"])
    return tmp_path


def called(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setattr(sys, "argv", ["anthropose", *line.split()])
    main()


def test_an_evaluation_prints_its_table_and_leaves_files_that_can_be_compared(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sets.threedpw(folder / "3dpw")
    called(monkeypatch, "evaluate glot table1-3dpw --data 3dpw")
    called(monkeypatch, "evaluate tcmr --data 3dpw --set 3dpw --protocol published --only _0 --out mine")
    printed = capsys.readouterr().out
    assert "glot table1-3dpw on 3dpw, protocol clamp, weights glot" in printed
    assert "GLoT, CVPR 2023, Table 1" in printed
    assert "tcmr on 3dpw, protocol tcmr" in printed
    assert (folder / "out/evaluate/glot-table1-3dpw-3dpw/results.csv").is_file()
    assert [line["name"] for line in json.loads((folder / "mine/results.json").read_text())["sequences"]] == [
        "arguing_0",
        "bar_0",
    ]
    called(monkeypatch, "evaluate glot --data 3dpw --protocol tcmr --only _0 --out other")
    called(monkeypatch, "score --compare mine/results.json other/results.json")
    assert "bootstrap over 2 sequences" in capsys.readouterr().out


def test_a_score_prints_its_table(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(folder / "a.npz", sets.moving_body(20))
    called(monkeypatch, "score a.npz a.npz --out scored")
    printed = capsys.readouterr().out
    assert "a.npz against a.npz, joints smpl-24, protocol root-aligned" in printed
    assert (folder / "scored/results.json").is_file()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("score", "say which motions and which truth"),
        ("score a.npz b.npz --compare a.json b.json", "--compare takes the two results files and no motions"),
        ("score --compare a.json b.json", "a.json: no such file"),
        ("evaluate glot table1-3dpw --data none", "none: no such file or folder"),
    ],
)
def test_mistakes_are_told_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, told: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        called(monkeypatch, line)
    assert caught.value.code == 2
    assert told in capsys.readouterr().err.strip().splitlines()[-1]
