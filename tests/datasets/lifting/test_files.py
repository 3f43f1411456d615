"""VideoPose3D's archives: read as they are written, and never run."""

import pickle
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anthropose.datasets.lifting import read_archive, read_joints, read_keypoints
from anthropose.errors import UserError

JOINTS = {"S1": {"Walking": np.random.rand(5, 32, 3).astype(np.float32), "Walking 1": np.zeros((2, 32, 3))}}
KEYPOINTS = {"S1": {"Walking": [np.random.rand(6, 17, 2) * 1000 for _ in range(4)]}}
METADATA = {"layout_name": "h36m", "num_joints": 17, "keypoints_symmetry": [[4, 5], [1, 2]]}


def written(path: Path, **entries: Any) -> Path:
    np.savez_compressed(path, **{name: np.array(entry, dtype=object) for name, entry in entries.items()})
    return path


def test_joints_and_keypoints_come_back_as_float32(tmp_path: Path) -> None:
    joints = read_joints(written(tmp_path / "data_3d_h36m.npz", positions_3d=JOINTS))
    assert list(joints["S1"]) == ["Walking", "Walking 1"]
    assert np.array_equal(joints["S1"]["Walking"], JOINTS["S1"]["Walking"])
    assert joints["S1"]["Walking 1"].dtype == np.float32
    file = read_keypoints(written(tmp_path / "data_2d_h36m_gt.npz", positions_2d=KEYPOINTS, metadata=METADATA))
    assert (file.left, file.right) == ((4, 5), (1, 2))
    assert len(file.positions["S1"]["Walking"]) == 4
    np.testing.assert_allclose(file.positions["S1"]["Walking"][3], KEYPOINTS["S1"]["Walking"][3], rtol=1e-6)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", [np.float32, np.int64, np.uint8])
def test_plain_arrays_are_read_beside_objects(tmp_path: Path, order: Any, kind: type) -> None:
    array = np.asarray(np.arange(24).reshape(2, 3, 4), kind, order=order)
    np.savez(tmp_path / "a.npz", array=array, listed=np.array([[1, "x"], None], dtype=object))
    found = read_archive(tmp_path / "a.npz")
    assert np.array_equal(found["array"], array)
    assert found["array"].dtype == kind
    assert found["listed"][0] == [1, "x"]


class Trap:
    """A pickle of this would run a command."""

    def __reduce__(self) -> Any:
        return subprocess.check_output, (["touch", "trapped"],)


def test_a_pickle_that_asks_for_anything_else_is_refused_before_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path / "bad.npz", positions_3d={"S1": {"Walking": Trap()}})
    with pytest.raises(UserError, match=r"refused, since it asks for subprocess\.check_output"):
        read_joints(path)
    assert not (tmp_path / "trapped").exists()


def test_damaged_missing_and_foreign_files_are_refused_in_one_line(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole.npz", positions_3d=JOINTS)
    for share in (0.0, 0.3, 0.9):
        cut = tmp_path / "cut.npz"
        cut.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
        with pytest.raises(UserError, match=r"expected a whole \.npz") as caught:
            read_joints(cut)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="no such file"):
        read_joints(tmp_path / "none.npz")
    with pytest.raises(UserError, match="holds positions_3d; expected a dictionary positions_2d"):
        read_keypoints(whole)
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("positions_3d.npy", pickle.dumps(JOINTS))
    with pytest.raises(UserError, match=r"expected a whole \.npz"):
        read_joints(tmp_path / "other.npz")


@pytest.mark.parametrize("sides", [[], [[1, 2]], [[1, 2], [3]]])
def test_keypoints_without_sides_are_refused(tmp_path: Path, sides: list) -> None:
    path = written(tmp_path / "a.npz", positions_2d=KEYPOINTS, metadata={"keypoints_symmetry": sides})
    with pytest.raises(UserError, match="which keypoints are left"):
        read_keypoints(path)
