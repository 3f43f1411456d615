from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anthropose.datasets.joblib_files import read_joblib
from anthropose.errors import UserError
from tests.datasets.dumps import COMPRESSIONS, dump


def _content() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((30, 8)).astype(np.float32)
    return {
        "vid_name": np.array(["walk", "run"] * 15),
        "features": features,
        "the same array again": features,
        "columns first": np.asfortranarray(rng.standard_normal((4, 5))),
        "other byte order": np.arange(5, dtype=">i4"),
        "empty": np.empty((0, 3)),
        "single": np.array(2.5),
        "flags": rng.random((30, 1)) > 0.5,
        "objects": np.array(["a", "bcd"], dtype=object),
        "list": [1, 2, 3],
        "list of texts": ["a", "bb"],
    }


@pytest.mark.parametrize("compress", COMPRESSIONS)
@pytest.mark.parametrize("alignment", [None, 16])
def test_arrays_come_back_as_they_were_written(tmp_path: Path, compress: str, alignment: int | None) -> None:
    content = _content()
    read = read_joblib(dump(tmp_path / "db.pt", content, compress, alignment=alignment))
    assert read.keys() == content.keys()
    for name, value in content.items():
        np.testing.assert_array_equal(read[name], np.asarray(value), name)
        assert read[name].dtype.isnative


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol_that_joblib_wrote_is_read(tmp_path: Path, protocol: int) -> None:
    content = _content()
    read = read_joblib(dump(tmp_path / "db.pt", content, protocol=protocol))
    np.testing.assert_array_equal(read["features"], content["features"])
    np.testing.assert_array_equal(read["list"], content["list"])


def test_arrays_of_a_plain_file_are_mapped_and_cannot_be_changed(tmp_path: Path) -> None:
    path = dump(tmp_path / "db.pt", _content())
    features = read_joblib(path)["features"]
    assert isinstance(features, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        features[0] = 0


class Evil:
    """Unpickles by calling something."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("compress", ["", "zlib"])
def test_code_in_a_file_is_refused_and_not_run(tmp_path: Path, compress: str) -> None:
    mark = tmp_path / "mark"
    for number, value in enumerate((Evil(mark), np.array([Evil(mark)], dtype=object), [Evil(mark)])):
        path = dump(tmp_path / f"{number}.pt", {"a": value}, compress)
        with pytest.raises(UserError, match="refused"):
            read_joblib(path)
    assert not mark.exists()


def test_a_cut_file_is_told_wherever_it_is_cut(tmp_path: Path) -> None:
    whole = dump(tmp_path / "db.pt", {"features": np.ones((4, 4), np.float32), "vid_name": np.array(["a"] * 4)})
    content = whole.read_bytes()
    for length in range(len(content)):
        (tmp_path / "cut.pt").write_bytes(content[:length])
        with pytest.raises(UserError, match=r"cut\.pt: (expected a whole database|refused)"):
            read_joblib(tmp_path / "cut.pt")


def test_a_cut_compressed_file_is_told(tmp_path: Path) -> None:
    for compress in ("zlib", "gzip", "lzma"):
        path = dump(tmp_path / "db.pt", _content(), compress)
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(UserError, match="expected a whole database"):
            read_joblib(path)


def test_a_compression_that_needs_another_library_is_named(tmp_path: Path) -> None:
    path = tmp_path / "db.pt"
    path.write_bytes(b"\x04\x22\x4d\x18" + bytes(20))
    with pytest.raises(UserError, match="compressed by lz4"):
        read_joblib(path)


def test_files_of_other_kinds_are_told(tmp_path: Path) -> None:
    for name, content in (("zip.pt", b"PK\x03\x04" + bytes(50)), ("text.pt", b"hello"), ("empty.pt", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=name):
            read_joblib(tmp_path / name)
    with pytest.raises(UserError, match="a database is a dictionary"):
        read_joblib(dump(tmp_path / "list.pt", [1, 2]))
    with pytest.raises(UserError, match="no such file"):
        read_joblib(tmp_path / "nowhere.pt")
