from pathlib import Path

import pytest

from anthropose.errors import UserError
from anthropose.workspace import Workspace, key_of


def save(value: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value)


def load(path: Path) -> str:
    text = path.read_text()
    if text == "damaged":
        raise UserError("damaged")
    return text


def fail() -> str:
    raise AssertionError("made again although it is valid")


def test_what_was_made_under_the_same_key_is_loaded_even_by_a_later_process(tmp_path: Path) -> None:
    assert Workspace(tmp_path).kept("stages/a", "k1", load, lambda: "first", save) == "first"
    assert Workspace(tmp_path).kept("stages/a", "k1", load, fail, save) == "first"


def test_another_key_makes_it_again(tmp_path: Path) -> None:
    Workspace(tmp_path).kept("stages/a", "k1", load, lambda: "first", save)
    assert Workspace(tmp_path).kept("stages/a", "k2", load, lambda: "second", save) == "second"


def test_a_damaged_or_deleted_artefact_is_made_again(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.kept("stages/a", "k1", load, lambda: "first", save)
    (tmp_path / "stages/a").write_text("damaged")
    assert workspace.kept("stages/a", "k1", load, lambda: "second", save) == "second"
    (tmp_path / "stages/a").unlink()
    assert workspace.kept("stages/a", "k1", load, lambda: "third", save) == "third"


def test_an_index_that_cannot_be_read_counts_as_empty(tmp_path: Path) -> None:
    Workspace(tmp_path).kept("stages/a", "k1", load, lambda: "first", save)
    (tmp_path / "stages.json").write_text("{ cut")
    assert Workspace(tmp_path).kept("stages/a", "k1", load, lambda: "again", save) == "again"


def test_outdated_results_go_and_stages_stay(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for name in ("stages/a", "person-00.npz", "person-01.npz"):
        workspace.kept(name, "k1", load, lambda: "x", save)
    (tmp_path / "of-the-user.txt").write_text("mine")
    workspace.drop_outdated({"person-00.npz": "k1"})
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == [
        "of-the-user.txt",
        "person-00.npz",
        "stages.json",
    ]
    assert workspace.holds("stages/a", "k1")


def test_without_a_folder_everything_is_made_and_nothing_kept() -> None:
    workspace = Workspace(None)
    assert workspace.kept("a", "k", load, lambda: "made", save) == "made"
    assert not workspace.holds("a", "k")


def test_a_folder_that_cannot_be_made_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="in the way"):
        Workspace(tmp_path / "file").check_writable()


def test_keys_differ_with_every_part() -> None:
    assert key_of("a", 1) == key_of("a", 1)
    assert len({key_of("a", 1), key_of("a", 2), key_of("b", 1), key_of("a", 1, None)}) == 4
