"""When each frame of a file is shown, from its time stamps."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from jaxtyping import Float64, Int64

from anthropose.video.decoding import decoded_frames, time_step

INDEXED_FORMATS = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"})
ONE_FRAME_PER_PACKET = frozenset({"h264", "hevc", "vp9", "av1", "mjpeg", "prores"})
"""Codecs of which each packet in an indexed file gives one frame. Others hide frames in packets (VP8) or pack several
into one (MPEG-4 in AVI), so that only decoding tells."""


@dataclass(frozen=True, eq=False)
class Clock:
    """The time stamps of a file's frames in the order in which they are shown."""

    seconds: Float64[np.ndarray, "n"]
    """Increasing from 0."""
    stamps: Int64[np.ndarray, "n"] | None
    """The frames' own time stamps, strictly increasing, by which decoded frames are known again; None where the file's
    are missing or repeated, so that frames can only be counted."""
    keys: Int64[np.ndarray, "k"]
    """Time stamps of the frames at which decoding can begin, increasing."""
    missing: int
    """How many frames the file's index promises and its data do not hold."""

    def key_before(self, frame: int) -> int | None:
        """The time stamp of the last key frame at or before a frame; None where that is the file's first frame."""
        if self.stamps is None:
            return None
        position = int(np.searchsorted(self.keys, self.stamps[frame], side="right"))
        return int(self.keys[position - 1]) if position > 1 else None


def read_clock(container: InputContainer, stream: VideoStream) -> Clock | None:
    """The clock from the packets alone, without decoding; None where that might not be what decoding gives."""
    if container.format.name not in INDEXED_FORMATS:
        return None
    if stream.codec_context.codec.canonical_name not in ONE_FRAME_PER_PACKET:
        return None
    packets: list[int] = []
    keys: list[int] = []
    start: int | None = None
    try:
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            if packet.is_corrupt or packet.pts is None or (start is None and not packet.is_keyframe):
                return None
            start = packet.pts if start is None else start
            if packet.pts < start:
                return None
            if not packet.is_discard:
                packets.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
    except (av.FFmpegError, OSError):
        return None
    if not packets or len(set(packets)) < len(packets) or frames_past_end(container, stream):
        return None
    stamps = np.array(sorted(packets), dtype=np.int64)
    seconds = (stamps - stamps[0]) * float(time_step(stream))
    return Clock(seconds, stamps, np.array(sorted(keys), dtype=np.int64), 0)


def decode_clock(container: InputContainer, stream: VideoStream) -> Clock:
    """The clock from decoding everything once: slow, and right for any file."""
    stamps: list[int | None] = []
    keys: list[int] = []
    for frame in decoded_frames(container, stream):
        stamps.append(frame.pts)
        if frame.key_frame and frame.pts is not None:
            keys.append(frame.pts)
    seconds = mended_seconds(stamps, time_step(stream), stream.average_rate)
    given = [stamp for stamp in stamps if stamp is not None]
    increasing = len(given) == len(stamps) and all(a < b for a, b in pairwise(given))
    known = np.array(given, dtype=np.int64) if increasing else None
    return Clock(seconds, known, np.array(sorted(keys), dtype=np.int64), frames_past_end(container, stream))


def frames_past_end(container: InputContainer, stream: VideoStream) -> int:
    """How many frames an MP4's index places, wholly or in part, behind the end of the file."""
    if not container.format.name.startswith("mov"):
        return 0
    return sum(entry.pos + entry.size > container.size for entry in stream.index_entries)


def mended_seconds(
    stamps: Sequence[int | None], time_base: Fraction, rate: Fraction | None
) -> Float64[np.ndarray, "n"]:
    """Increasing times from 0 for frames in the order shown.

    Stamps that are merely shuffled (AVI numbers frames in the order of coding) are sorted. Otherwise one that is
    missing, repeated or runs backwards is replaced between its neighbours; where there are no neighbours on one side,
    frames follow at the mean rate.
    """
    if None not in stamps and len(set(stamps)) == len(stamps):
        stamps = sorted(stamp for stamp in stamps if stamp is not None)
    step = float(1 / rate) if rate else 1 / 30
    good: list[tuple[int, int]] = []
    for position, stamp in enumerate(stamps):
        if stamp is not None and (not good or stamp > good[-1][1]):
            good.append((position, stamp))
    if not good:
        return np.arange(len(stamps)) * step
    index, ticks = np.array(good, dtype=np.float64).T
    time = ticks * float(time_base)
    positions = np.arange(len(stamps), dtype=np.float64)
    seconds = np.interp(positions, index, time)
    before, after = positions < index[0], positions > index[-1]
    seconds[before] = time[0] + (positions[before] - index[0]) * step
    seconds[after] = time[-1] + (positions[after] - index[-1]) * step
    return seconds - seconds[0]
