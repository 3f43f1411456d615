from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropose.datasets.raw.tfrecords import crc32c, example, records
from anthropose.errors import UserError
from tests.datasets.raw.tfrecord_files import framed, message, plain_crc32c, write_records


@given(st.binary(max_size=300))
def test_the_checksum_is_the_one_taken_bit_by_bit(data: bytes) -> None:
    assert crc32c(data) == plain_crc32c(data)


def test_the_checksum_is_that_of_the_standard() -> None:
    """RFC 3720, B.4."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


@pytest.mark.parametrize("packed", [True, False])
def test_features_come_back_as_they_were_written(packed: bool) -> None:
    written = {
        "pictures": [b"one", b"", b"three" * 100],
        "floats": np.array([1.5, -2.25, 1e30], np.float32),
        "numbers": np.array([0, 1, 300, -1, 2**40]),
        "nothing": np.zeros(0),
    }
    read = example(message(written, packed))
    assert list(read) == list(written)
    assert read["pictures"] == written["pictures"]
    np.testing.assert_array_equal(read["floats"], written["floats"])
    np.testing.assert_array_equal(read["numbers"], written["numbers"])
    assert read["floats"].dtype == np.float32  # type: ignore[union-attr]
    assert len(read["nothing"]) == 0


@given(st.binary(min_size=1, max_size=200))
def test_bytes_that_are_no_message_are_refused_or_read_but_never_crash(data: bytes) -> None:
    with suppress(ValueError):
        assert isinstance(example(data), dict)


@given(st.integers(0, 60))
def test_a_message_cut_anywhere_is_refused(cut: int) -> None:
    whole = message({"a": np.arange(20, dtype=np.float32), "b": [b"x" * 10]})
    with pytest.raises(ValueError, match="ends behind the message"):
        example(whole[: 1 + cut])


def test_records_come_in_order_and_one_that_is_damaged_does_not_stop_the_others(tmp_path: Path) -> None:
    contents = [b"first", b"second" * 50, b"", b"last"]
    data = bytearray(b"".join(framed(content) for content in contents))
    data[len(framed(contents[0])) + 20] ^= 1
    path = tmp_path / "x.tfrecord"
    path.write_bytes(data)
    found = list(records(path))
    assert [found[k] for k in (0, 2, 3)] == [b"first", b"", b"last"]
    assert "x.tfrecord: record 1 has a wrong checksum" in str(found[1])


@pytest.mark.parametrize("cut", [1, 12, 17, 20])
def test_a_file_cut_short_gives_its_whole_records_and_then_says_so(tmp_path: Path, cut: int) -> None:
    path = write_records(tmp_path / "x.tfrecord", [{"a": [b"b" * 30]}] * 2)
    path.write_bytes(path.read_bytes()[:-cut])
    found = records(path)
    assert example(next(found)) == {"a": [b"b" * 30]}  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"x\.tfrecord: record 1 is cut short"):
        next(found)


def test_another_file_is_told_by_the_checksum_of_its_first_length(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    path.write_bytes(b"this is no such file at all")
    with pytest.raises(UserError, match=r"x\.tfrecord: record 0: its length has a wrong checksum"):
        list(records(path))
    with pytest.raises(UserError, match="no such file"):
        list(records(tmp_path / "none"))
