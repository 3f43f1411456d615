"""Writes TFRecord files of tf.train.Example messages, by the book and bit by bit."""

import struct
from pathlib import Path

import numpy as np


def plain_crc32c(data: bytes) -> int:
    """CRC-32C, one bit after the other."""
    check = 0xFFFFFFFF
    for byte in data:
        check ^= byte
        for _ in range(8):
            check = check >> 1 ^ (0x82F63B78 if check & 1 else 0)
    return check ^ 0xFFFFFFFF


def framed(data: bytes) -> bytes:
    """A record as it stands in a file."""

    def masked(part: bytes) -> bytes:
        check = plain_crc32c(part)
        return struct.pack("<I", ((check >> 15 | check << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def message(features: dict[str, list[bytes] | np.ndarray], packed: bool = True) -> bytes:
    """A tf.train.Example; numbers are packed, as tensorflow writes them, or stand one by one, as they may."""
    entries = b""
    for name, values in features.items():
        if isinstance(values, list):
            feature = field(1, b"".join(field(1, value) for value in values))
        elif values.dtype.kind == "f":
            floats = [struct.pack("<f", value) for value in values.ravel()]
            body = field(1, b"".join(floats)) if packed else b"".join(b"\x0d" + value for value in floats)
            feature = field(2, body)
        else:
            numbers = [varint(int(value)) for value in values.ravel()]
            body = field(1, b"".join(numbers)) if packed else b"".join(b"\x08" + value for value in numbers)
            feature = field(3, body)
        entries += field(1, field(1, name.encode()) + field(2, feature))
    return field(1, entries)


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    groups = b""
    while value > 0x7F:
        groups += bytes([value & 0x7F | 0x80])
        value >>= 7
    return groups + bytes([value])


def write_records(path: Path, examples: list[dict[str, list[bytes] | np.ndarray]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(framed(message(example)) for example in examples))
    return path
