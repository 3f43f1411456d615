import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anthropose.datasets.published import H5Rows, read_database, sequences_of
from anthropose.errors import UserError
from anthropose.skeleton import INSTA_25, LSP_14, SPIN_49
from tests.datasets.databases import database
from tests.datasets.dumps import dump


def test_a_database_falls_into_the_sequences_of_its_videos(tmp_path: Path) -> None:
    arrays = database((20, 1, 17)) | {"valid": np.arange(38) % 3}
    sequences = read_database(dump(tmp_path / "3dpw_train_db.pt", arrays))
    assert [sequence.name for sequence in sequences] == ["video_0", "video_1", "video_2"]
    assert [len(sequence) for sequence in sequences] == [20, 1, 17]
    last = sequences[-1]
    assert last.keypoint_set is LSP_14
    assert last.joint_set is SPIN_49
    np.testing.assert_array_equal(last.features[0:17], arrays["features"][21:])
    for ours, key in (
        (last.keypoints, "joints2D"),
        (last.joints, "joints3D"),
        (last.pose, "pose"),
        (last.boxes, "bbox"),
    ):
        np.testing.assert_array_equal(ours, arrays[key][21:])
    np.testing.assert_array_equal(last.usable, arrays["valid"][21:] != 0)
    assert last.scored is None


def test_a_name_that_comes_again_begins_a_sequence_of_its_own() -> None:
    arrays = database((4, 4)) | {"vid_name": np.array(list("aabbaabb"))}
    assert [(s.name, len(s)) for s in sequences_of(arrays)] == [("a", 2), ("b", 2), ("a", 2), ("b", 2)]


def test_marks_of_mpi_inf_3dhp_come_in_a_column() -> None:
    marks = np.array([[1.0], [0.0], [1.0]])
    (sequence,) = sequences_of(database((3,)) | {"valid_i": marks})
    assert sequence.scored is not None
    assert sequence.scored.tolist() == [True, False, True]


def test_poses_are_left_out_where_they_are_not_to_be_looked_at() -> None:
    (sequence,) = sequences_of(database((3,)), bodies=False)
    assert sequence.pose is None
    assert sequence.betas is None
    assert sequence.joints is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": None}, "found no features"),
        ({"vid_name": None, "features": None}, "no vid_name and no features"),
        ({"joints3D": np.zeros((9, 49, 3))}, "features of 10 frames, but joints3D of shape"),
        ({"joints2D": np.zeros((10, 49))}, r"expected joints2D of shape n k 3, found \(10, 49\)"),
        ({"joints2D": np.zeros((10, 17, 3))}, "joints2D has 17 joints"),
        ({"pose": np.zeros((10, 69))}, "expected pose of shape n 72"),
    ],
)
def test_arrays_that_do_not_fit_are_named_with_the_file(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    arrays = {key: value for key, value in (database((10,)) | change).items() if value is not None}
    with pytest.raises(UserError, match=rf"broken_db\.pt: .*{message}"):
        read_database(dump(tmp_path / "broken_db.pt", arrays))


def _insta(path: Path, lengths: tuple[int, ...] = (5, 7)) -> dict[str, Any]:
    h5py = pytest.importorskip("h5py")
    arrays = database(lengths, joints2d=25)
    arrays = {key: arrays[key] for key in ("joints2D", "features", "frame_id")} | {
        "vid_name": arrays["vid_name"].astype(bytes)
    }
    with h5py.File(path, "w") as file:
        for key, value in arrays.items():
            file.create_dataset(key, data=value)
    return arrays


def test_insta_variety_is_read_with_its_features_left_in_the_file(tmp_path: Path) -> None:
    arrays = _insta(tmp_path / "insta_train_db.h5")
    first, second = read_database(tmp_path / "insta_train_db.h5")
    assert [first.name, second.name] == ["video_0", "video_1"]
    assert second.keypoint_set is INSTA_25
    assert second.boxes is None
    assert second.joints is None
    assert isinstance(second.features, H5Rows)
    np.testing.assert_array_equal(second.features[2:5], arrays["features"][7:10])
    elsewhere = pickle.loads(pickle.dumps(second.features))
    np.testing.assert_array_equal(elsewhere[0:7], arrays["features"][5:])


def test_without_h5py_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some_db.h5").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UserError, match=r"pip install 'anthropose\[data\]'"):
        read_database(tmp_path / "some_db.h5")


def test_a_damaged_or_missing_hdf5_file_is_told(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    (tmp_path / "cut_db.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(30))
    with pytest.raises(UserError, match=r"cut_db\.h5: expected a whole HDF5 database"):
        read_database(tmp_path / "cut_db.h5")
    with pytest.raises(UserError, match="no such file"):
        read_database(tmp_path / "none_db.h5")
    whole = tmp_path / "insta_train_db.h5"
    _insta(whole, (40, 30))
    for share in (0.2, 0.6, 0.99):
        cut = tmp_path / f"cut_{share}_db.h5"
        cut.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
        with pytest.raises(UserError, match=rf"cut_{share}_db\.h5: expected a whole HDF5 database"):
            read_database(cut)


def test_features_that_turn_out_damaged_in_the_middle_are_told_with_the_file(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    arrays = _insta(tmp_path / "plain_db.h5", (40,))
    path = tmp_path / "insta_train_db.h5"
    with h5py.File(path, "w") as file:
        for key, value in arrays.items():
            chunks = {"chunks": (8, value.shape[1]), "fletcher32": True} if key == "features" else {}
            file.create_dataset(key, data=value, **chunks)
        place = file["features"].id.get_chunk_info(2).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 9] ^= 255
    path.write_bytes(content)
    (sequence,) = read_database(path)
    assert sequence.features is not None
    np.testing.assert_array_equal(sequence.features[0:16], arrays["features"][:16])
    with pytest.raises(UserError, match=r"insta_train_db\.h5: features in it are damaged"):
        sequence.features[10:20]
