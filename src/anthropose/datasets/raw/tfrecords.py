"""TFRecord files and the tf.train.Example messages in them, read without tensorflow.

A record is its length (8 bytes), a checksum of the length, its bytes, and a checksum of these; the checksums are
CRC-32C, masked (TFRecord's documentation). A message is protobuf's wire format: fields of a number and a kind.
"""

import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from anthropose.errors import UserError

Feature = list[bytes] | np.ndarray
"""The values of a feature: bytes, float32 or int64."""

_POLYNOMIAL = 0x82F63B78
"""Castagnoli's, lowest bit first."""
_HEAD = struct.Struct("<QI")
_FOOT = struct.Struct("<I")


def records(path: Path) -> Iterator[bytes | UserError]:
    """The records of a file in order, one at a time; one whose checksum is wrong comes as its error.

    Raises:
        UserError: the file is missing, cut short, or no TFRecord file. The records before a cut have come by then.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            number = 0
            while file.tell() < size:
                yield _next_record(file.read(_HEAD.size), file, size, f"{path}: record {number}")
                number += 1
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error})") from error


def _next_record(head: bytes, file, size: int, where: str) -> bytes | UserError:
    if len(head) < _HEAD.size:
        raise UserError(f"{where} is cut short; fetch the file again")
    length, check = _HEAD.unpack(head)
    if masked_crc(head[:8]) != check:
        raise UserError(f"{where}: its length has a wrong checksum; expected a TFRecord file")
    if file.tell() + length + _FOOT.size > size:
        raise UserError(f"{where} is cut short: {length} bytes, {size - file.tell()} are left; fetch the file again")
    data = file.read(length)
    if masked_crc(data) != _FOOT.unpack(file.read(_FOOT.size))[0]:
        return UserError(f"{where} has a wrong checksum")
    return data


def masked_crc(data: bytes) -> int:
    """The checksum that TFRecord writes."""
    check = crc32c(data)
    return ((check >> 15 | check << 17) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """The CRC-32C of some bytes.

    The bytes are cut into rows, whose checksums are taken side by side and then joined pair by pair: a checksum is
    linear, and moving one past 2^k bytes is a fixed map of its bits.
    """
    if len(data) < 4:
        check = 0xFFFFFFFF
        for byte in data:
            check = int(_table()[(check ^ byte) & 0xFF]) ^ check >> 8
        return check ^ 0xFFFFFFFF
    power = max(0, (len(data).bit_length() - 1) // 2)
    count = 1 << max(0, (-(-len(data) >> power) - 1).bit_length())
    rows = np.zeros(count << power, np.uint8)
    rows[len(rows) - len(data) :] = np.frombuffer(data, np.uint8)  # Zeros in front change nothing.
    rows[len(rows) - len(data) :][:4] ^= 0xFF  # The same as to begin with all ones.
    checks = np.zeros(count, np.uint32)
    for column in np.ascontiguousarray(rows.reshape(count, -1).T):
        checks = _table()[(checks ^ column) & 0xFF] ^ checks >> 8
    while len(checks) > 1:
        checks = _mapped(_moving(power), checks[::2]) ^ checks[1::2]
        power += 1
    return int(checks[0]) ^ 0xFFFFFFFF


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    """The checksum of each byte."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ _POLYNOMIAL, table >> 1).astype(np.uint32)
    return table


@lru_cache(maxsize=64)
def _moving(power: int) -> np.ndarray:
    """What becomes of each of a checksum's 32 bits past 2^power zero bytes."""
    if power == 0:
        bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
        return _table()[bits & 0xFF] ^ bits >> 8
    half = _moving(power - 1)
    return _mapped(half, half)


def _mapped(images: np.ndarray, checks: np.ndarray) -> np.ndarray:
    """The checksums under the linear map that takes each bit to its image."""
    mapped = np.zeros_like(checks)
    for bit, image in enumerate(images):
        mapped ^= np.where(checks >> np.uint32(bit) & 1, image, np.uint32(0))
    return mapped


def example(data: bytes) -> dict[str, Feature]:
    """The features of a tf.train.Example.

    Raises:
        ValueError: the bytes are no such message.
    """
    features = {}
    for _, entries in _fields(data, 1):
        for _, entry in _fields(entries, 1):
            (_, name), *_ = _fields(entry, 1)
            values = [_values(kind, part) for _, value in _fields(entry, 2) for kind, part in _fields(value)]
            features[name.decode()] = values[-1] if values else []
    return features


def _values(kind: int, data: bytes) -> Feature:
    """The list of a feature: 1 of bytes, 2 of floats, 3 of integers; numbers stand packed or one by one."""
    parts = [part for _, part in _fields(data, 1)]
    if kind == 1:
        return parts
    if kind == 2:
        return np.frombuffer(b"".join(parts), "<f4").astype(np.float32)
    if kind == 3:
        return np.array([value for part in parts for value in _varints(part)], np.uint64).astype(np.int64)
    raise ValueError(f"a feature of unknown kind {kind}")


def _fields(data: bytes, wanted: int | None = None) -> Iterator[tuple[int, bytes]]:
    """The number and bytes of each field, or of those with the wanted number."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        start = at
        if key & 7 == 2:
            length, start = _varint(data, at)
            at = start + length
        elif key & 7 in (1, 5):
            at += 8 if key & 7 == 1 else 4
        elif key & 7 == 0:
            _, at = _varint(data, at)
        else:
            raise ValueError(f"a field of unknown kind {key & 7}")
        if at > len(data):
            raise ValueError("a field ends behind the message")
        if wanted in (None, key >> 3):
            yield key >> 3, data[start:at]


def _varints(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, lowest first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("a number ends behind the message")
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
    raise ValueError("a number of more than ten bytes")
