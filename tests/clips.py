"""Makers of small test videos, each frame of which says which one it is and which way up it belongs.

A frame has four coloured quarters (red, green; blue, yellow) and across its middle a band of ten fields, black or
white: the frame's number in binary, highest bit first.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

RED, GREEN, BLUE, YELLOW = (200, 30, 30), (30, 160, 30), (30, 30, 200), (200, 190, 30)
BITS = 10


def numbered_frame(number: int, size: tuple[int, int] = (160, 96)) -> np.ndarray:
    """The RGB frame, (h, w, 3) uint8, that stands for `number`."""
    width, height = size
    frame = np.empty((height, width, 3), dtype=np.uint8)
    frame[: height // 2, : width // 2], frame[: height // 2, width // 2 :] = RED, GREEN
    frame[height // 2 :, : width // 2], frame[height // 2 :, width // 2 :] = BLUE, YELLOW
    for bit, (left, right) in enumerate(fields(width)):
        frame[height // 3 : 2 * height // 3, left:right] = 235 if number >> (BITS - 1 - bit) & 1 else 16
    return frame


def read_number(frame: np.ndarray) -> int:
    """The number that a frame shows, also after lossy coding."""
    height, width = frame.shape[:2]
    band = frame[int(height * 0.42) : int(height * 0.58)].mean(axis=(0, 2))
    return sum((band[left:right].mean() > 125) << (BITS - 1 - bit) for bit, (left, right) in enumerate(fields(width)))


def read_corners(frame: np.ndarray) -> list[str]:
    """The names of the colours at top left, top right, bottom left and bottom right."""
    names = {"red": RED, "green": GREEN, "blue": BLUE, "yellow": YELLOW}
    height, width = frame.shape[0] // 6, frame.shape[1] // 6
    corners = [frame[:height, :width], frame[:height, -width:], frame[-height:, :width], frame[-height:, -width:]]
    return [min(names, key=lambda name: np.abs(corner.mean(axis=(0, 1)) - names[name]).sum()) for corner in corners]


def fields(width: int) -> list[tuple[int, int]]:
    edges = np.linspace(0, width, BITS + 1).round().astype(int).tolist()
    return list(pairwise(edges))


def write_clip(
    path: Path,
    count: int = 12,
    size: tuple[int, int] = (160, 96),
    rate: Fraction | int = 30,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    stamps: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    pixel_aspect: Fraction | None = None,
    matrix: str = "ITU601",
    matrix_tag: int | None = None,
    audio: str | None = None,
    container: str | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Writes numbered frames with any codec and container that FFmpeg has; `audio` names the codec of a tone beside it.

    Colours go through `matrix`; `matrix_tag`, FFmpeg's number for it, tells players so (1 is BT.709, 6 is BT.601).
    `stamps` are the frames' time stamps in units of `time_base`; without them the rate is constant.
    """
    time_base = time_base or 1 / Fraction(rate)
    with av.open(str(path), "w", format=container, container_options=container_options or {}) as output:
        stream = output.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        stream.codec_context.time_base = stream.time_base = time_base
        if pixel_aspect:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if matrix_tag is not None:
            stream.codec_context.colorspace = matrix_tag
        sound = add_sound(output, audio) if audio else None
        if sound:
            write_tone(output, sound, seconds=float(count / Fraction(rate)))
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number, size), format="rgb24")
            frame = frame.reformat(format=pixel_format, dst_colorspace=matrix)
            frame.pts = number if stamps is None else stamps[number]
            frame.time_base = time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def add_sound(output: av.container.OutputContainer, codec: str) -> av.AudioStream:
    stream = output.add_stream(codec, rate=48000)
    stream.layout = "mono"
    return stream


def write_tone(output: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    """A tone of 440 Hz that is silent in its first half, so that a shift in time can be heard."""
    times = np.arange(int(seconds * 48000)) / 48000
    wave = np.where(times > seconds / 2, 0.5 * np.sin(2 * np.pi * 440 * times), 0)
    frame = av.AudioFrame.from_ndarray((wave * 32767).astype(np.int16)[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
    context = stream.codec_context
    for part in av.AudioResampler(context.format, "mono", 48000, context.frame_size or 1024).resample(frame):
        output.mux(stream.encode(part))
    output.mux(stream.encode(None))


def write_images(folder: Path, count: int = 5, size: tuple[int, int] = (160, 96), suffix: str = ".png") -> Path:
    """A folder of numbered images named frame_0, frame_1, ... frame_10 without padding."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(numbered_frame(number, size)).save(folder / f"frame_{number}{suffix}")
    return folder


QUARTER_TURNS = {
    0: (1, 0, 0, 1),
    90: (0, 1, -1, 0),
    180: (-1, 0, 0, -1),
    270: (0, -1, 1, 0),
}
"""By how far a player is to turn the stored picture clockwise -> (a, b, c, d) of the display matrix."""


def set_display_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Writes a display matrix into the track header of an MP4 or MOV file, as phones do.

    The bytes are patched, since older PyAV cannot set it, and since another way of writing checks the reading. In a
    `tkhd` box of version 0 the matrix stands 40 bytes after the name: a, b, u, c, d, v, x, y, w in 16.16 fixed point.
    """
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    struct.pack_into(">9i", data, matrix, a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def shift_edit_list(path: Path, ticks: int) -> Path:
    """Lets the presentation of an MP4 begin `ticks` of its media time scale later: what comes before is not shown.

    An `elst` box of version 0 holds version, count, and per entry a duration, the media time and a rate.
    """
    data = bytearray(path.read_bytes())
    entry = data.index(b"elst") + 4 + 8
    (media_time,) = struct.unpack_from(">i", data, entry + 4)
    struct.pack_into(">i", data, entry + 4, media_time + ticks)
    path.write_bytes(data)
    return path


def cut_off(path: Path, share: float) -> Path:
    """Keeps the first `share` of a file's bytes, as an interrupted download does."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


@contextmanager
def without_rights() -> Iterator[None]:
    """Takes root's power over all files away for the length of the block, where the tests run as root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
