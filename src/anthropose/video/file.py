"""A video file, decoded as it is read."""

import logging
import struct
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import Float64, UInt8

from anthropose.errors import UserError
from anthropose.video.base import Video, wanted
from anthropose.video.decoding import FramePicture, decoded_frames, time_step
from anthropose.video.timing import INDEXED_FORMATS, Clock, decode_clock, read_clock

log = logging.getLogger(__name__)

DEFAULT_RATE = 30.0
ROUGH_SEEK = 2
"""[s] How far before a key frame to look for it in files without an index."""
RATE_TOLERANCE = 2e-3
"""Share by which the mean of rounded time stamps may differ from the rate that the file names."""
ROUNDING_SHARE = 0.25
"""Ticks longer than this share of a frame do not round times, they count frames."""


@dataclass(frozen=True, eq=False)
class FileVideo(Video):
    """A file whose frames are decoded anew at each pass, from the key frame before the first one wanted."""

    path: Path
    clock: Clock
    picture: FramePicture

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        span = wanted(start, stop, len(self))
        lost = 0
        for frame, fresh in self.in_step(span):
            lost += not fresh
            yield self.picture.rgb(frame)
        if lost:
            log.warning("%s: %d of %d frames are damaged; a neighbour stands in for each", self.path, lost, len(span))

    def in_step(self, span: range) -> Iterator[tuple[VideoFrame, bool]]:
        """One decoded frame for each index, and whether it is that very frame or a neighbour standing in for it."""
        if not span:
            return
        index, last = span.start, None
        with closing(self.numbered(span.start)) as numbered:
            for number, frame in numbered:
                while index < min(number, span.stop):
                    yield last or frame, False
                    index += 1
                if index == number < span.stop:
                    yield frame, True
                    index += 1
                if index == span.stop:
                    return
                last = frame
        if last is None:
            raise UserError(f"{self.path}: no frame from number {span.start} on can be decoded any more; is it whole?")
        for _ in range(index, span.stop):
            yield last, False

    def numbered(self, start: int) -> Generator[tuple[int, VideoFrame], None, None]:
        """Decoded frames with their numbers, from a key frame at or before `start` where seeking is exact."""
        stamps = self.clock.stamps
        if stamps is None:
            with opened(self.path) as (container, stream):
                yield from enumerate(decoded_frames(container, stream))
            return
        key = self.clock.key_before(start)
        with opened(self.path) as (container, stream):
            frames = decoded_frames(container, stream) if key is None else frames_from(container, stream, key)
            if frames is not None:
                yield from recognised(frames, stamps)
                return
        with opened(self.path) as (container, stream):
            yield from recognised(decoded_frames(container, stream), stamps)


def frames_from(container: InputContainer, stream: VideoStream, key: int) -> Iterator[VideoFrame] | None:
    """Frames from the key frame with time stamp `key` on; None where seeking misses it.

    After a seek, frames shown before the key frame may lack what they refer to, and are dropped. Files without an
    index, as transport streams, are searched roughly, so that the search aims a little earlier there.
    """
    early = 0 if container.format.name in INDEXED_FORMATS else round(ROUGH_SEEK / time_step(stream))
    try:
        container.seek(key - early, stream=stream)
    except av.FFmpegError:
        return None
    frames = decoded_frames(container, stream)
    for frame in frames:
        if frame.pts is not None and frame.pts >= key:
            return chain([frame], frames) if frame.pts == key else None
    return None


def recognised(frames: Iterator[VideoFrame], stamps: np.ndarray) -> Iterator[tuple[int, VideoFrame]]:
    """The frames whose time stamps are listed, each with its place in the list."""
    for frame in frames:
        number = len(stamps) if frame.pts is None else int(np.searchsorted(stamps, frame.pts))
        if number < len(stamps) and stamps[number] == frame.pts:
            yield number, frame


def open_file(path: Path, fps: float | None) -> FileVideo:
    """Reads the time stamps of all frames and decodes the first.

    Raises:
        UserError: the file is no video, cut off before its index, without pictures, or not one frame can be decoded.
    """
    with opened(path) as (container, stream):
        has_audio = bool(container.streams.audio)
        named_rate, tick = float(stream.average_rate or 0), float(time_step(stream))
        clock = read_clock(container, stream)
    if clock is None:
        with opened(path) as (container, stream):
            clock = decode_clock(container, stream)
    with opened(path) as (container, stream):
        first = next(decoded_frames(container, stream), None)
        if first is None:
            why = "cut off before its first frame" if clock.missing else "not holding one frame that can be decoded"
            raise UserError(f"{path}: the file is {why}; record it or fetch it again")
        picture = FramePicture.of(first, stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio)
    if clock.missing:
        there = len(clock.seconds)
        log.warning("%s: the file is cut off; its first %d of %d frames are used", path, there, there + clock.missing)
    rate = fps or mean_rate(clock.seconds, named_rate)
    seconds = np.arange(len(clock.seconds)) / fps if fps else unrounded(clock.seconds, named_rate, tick)
    return FileVideo(str(path), rate, picture.shown_size, seconds, has_audio, path, clock, picture)


def mean_rate(seconds: np.ndarray, named_rate: float) -> float:
    """Frames per second; the rate that the file names where the time stamps agree with it but for rounding."""
    if len(seconds) < 2:
        return named_rate or DEFAULT_RATE
    measured = (len(seconds) - 1) / float(seconds[-1])
    return named_rate if abs(named_rate / measured - 1) < RATE_TOLERANCE else measured


def unrounded(seconds: Float64[np.ndarray, "n"], rate: float, tick: float) -> Float64[np.ndarray, "n"]:
    """The times of frames at a constant rate, where they differ from it by rounding to the file's `tick` only.

    WebM and Matroska count milliseconds, which would make a video of 30 frames per second look uneven.
    """
    if rate <= 0 or tick * rate > ROUNDING_SHARE:
        return seconds
    even = np.arange(len(seconds)) / rate
    return even if np.abs(even - seconds).max() <= tick else seconds


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The file and its first stream of moving pictures."""
    with open_container(path) as container:
        stream = picture_stream(container, path)
        stream.thread_type = "AUTO"
        yield container, stream


def open_container(path: Path) -> InputContainer:
    """Opens the file for reading. FFmpeg lets a local file, as a play list, lead to local files only.

    Raises:
        UserError: the file is missing, may not be read, or is no video.
    """
    try:
        container = av.open(f"file:{path}", metadata_errors="replace")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except PermissionError as error:
        raise UserError(f"{path}: no permission to read it; change its permissions or copy it") from error
    except (av.FFmpegError, OSError) as error:
        raise UserError(why_unreadable(path)) from error
    if container.format.name == "tty":  # FFmpeg draws text files as video
        container.close()
        raise UserError(why_unreadable(path))
    return container


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first video stream that is not the cover picture of a piece of music."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic and stream.codec_context is not None:
            return stream
    if is_cut_before_index(path):
        raise UserError(why_unreadable(path))
    if container.streams.video:
        raise UserError(f"{path}: no decoder here knows how the pictures are coded; convert the file to H.264")
    what = "sound but no pictures" if container.streams.audio else "no pictures"
    raise UserError(f"{path}: the file holds {what}; name a video")


def why_unreadable(path: Path) -> str:
    """One line for a file that FFmpeg refuses."""
    try:
        if path.stat().st_size == 0:
            return f"{path}: the file is empty"
        if is_cut_before_index(path):
            return f"{path}: the file is cut off, its index is missing; record it or fetch it again"
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror})"
    return f"{path}: not a video that can be read; give an MP4, MOV, MKV, WebM, AVI or another video file"


def is_cut_before_index(path: Path) -> bool:
    """Whether this is an MP4 or MOV of which the index, the `moov` box, is missing or incomplete.

    Such files are a row of boxes: four bytes of length, four of name, the content. A length of 1 stands for eight
    bytes of length after the name, and 0 for the rest of the file.
    """
    end = path.stat().st_size
    with path.open("rb") as file:
        begin, first = 0, True
        while begin + 8 <= end:
            file.seek(begin)
            length, name = struct.unpack(">I4s", file.read(8))
            if first and name not in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                return False
            if length == 1:
                length = int.from_bytes(file.read(8), "big")
            if name == b"moov":
                return begin + length > end
            if length < 8:
                return length == 0
            begin, first = begin + length, False
    return not first
