import pickle
from pathlib import Path

import numpy as np
import pytest

from anthropose.datasets.items import Targets, WindowSet
from anthropose.datasets.prepared import open_set, prepare, read_set
from anthropose.datasets.raw.base import EncodedImages, RawSequence
from anthropose.datasets.sequence import Sequence
from anthropose.datasets.windows import vibe_windows
from anthropose.errors import UserError
from tests.datasets.databases import database
from tests.datasets.dumps import dump
from tests.datasets.raw.releases import MadeUp, MeanColour, giving, jpeg


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    boxes, betas = np.tile([32.0, 24, 20, 20], (20, 1)), np.ones((20, 10))
    pictures = EncodedImages(tuple(jpeg(40 + k) for k in range(20)), "x")
    raw = [RawSequence(Sequence(name, boxes=boxes, pose=np.zeros((20, 72)), betas=betas), pictures) for name in "ab"]
    return prepare(MadeUp(one=giving(*raw)), tmp_path, tmp_path / "out", "", MeanColour()).path


def test_rows_of_features_go_to_other_processes(folder: Path) -> None:
    rows = pickle.loads(pickle.dumps(read_set(folder)[1].features))
    assert rows.shape == (20, 2)
    np.testing.assert_allclose(rows[5:8][:, 0], [45, 46, 47], atol=2)


def test_a_set_opens_by_its_folder_or_its_index_and_a_published_file_by_its_name(folder: Path, tmp_path: Path) -> None:
    assert [sequence.name for sequence in open_set(folder)] == ["a", "b"]
    assert [sequence.name for sequence in open_set(folder / "set.json")] == ["a", "b"]
    assert len(open_set(dump(tmp_path / "3dpw_val_db.pt", database((4, 5))))) == 2


def test_windows_are_drawn_from_a_set(folder: Path) -> None:
    sequences = read_set(folder)
    items = WindowSet(sequences, vibe_windows([len(s) for s in sequences]), Targets())
    item = items[1]
    np.testing.assert_allclose(item.features[:, 0], 40 + np.arange(16), atol=2)
    assert item.has_body.all()
    assert not item.has_joints.any()


def test_a_set_without_features_gives_no_windows(tmp_path: Path) -> None:
    raw = RawSequence(Sequence("a", pose=np.zeros((20, 72)), betas=np.ones((20, 10))))
    sequences = read_set(prepare(MadeUp(one=giving(raw)), tmp_path, tmp_path / "out").path)
    with pytest.raises(UserError, match="a: its set was prepared without image features"):
        WindowSet(sequences, vibe_windows([20]))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_damage_is_told_with_the_files_name(folder: Path, tmp_path: Path) -> None:
    _cut(folder / "sequences" / "a.features.npy")
    rows = read_set(folder)[0].required_features()
    with pytest.raises(UserError, match=r"a\.features\.npy: missing or damaged"):
        rows[0:1]
    _cut(folder / "sequences" / "b.npz")
    with pytest.raises(UserError, match=r"b\.npz: missing or damaged"):
        read_set(folder)
    _cut(folder / "set.json")
    with pytest.raises(UserError, match=r"set\.json: damaged, or of another program"):
        read_set(folder)
    with pytest.raises(UserError, match=r"no prepared set, it has no set\.json; `anthropose prepare"):
        open_set(tmp_path)


def test_a_folder_of_dynaboas_files_opens_in_the_streams_order(tmp_path: Path) -> None:
    row = {"center": np.zeros((1, 2)), "scale": np.ones(1), "j2d": np.zeros((1, 49, 3))}
    for name in ("3dpw_10_0", "3dpw_2_1", "3dpw_2_0"):
        np.savez(tmp_path / f"{name}.npz", imgname=np.array(["a/1.jpg"]), **row)
    assert [sequence.name for sequence in open_set(tmp_path)] == ["3dpw_2_0", "3dpw_2_1", "3dpw_10_0"]
    assert [sequence.name for sequence in open_set(tmp_path / "3dpw_2_1.npz")] == ["3dpw_2_1"]
