"""The sound of a source beside newly written pictures."""

import logging
from collections.abc import Iterator
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from anthropose.video.decoding import time_step
from anthropose.video.file import open_container

log = logging.getLogger(__name__)

COPIED = frozenset({"aac", "mp3", "opus", "flac"})
"""Codings that both MP4 and browsers know."""
AAC_RATES = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000})


class Sound:
    """Moves a source's sound into a file that is being written, in step with the pictures.

    Only as much is read as the pictures have got to, so that memory does not grow with the length of the video.
    """

    def __init__(self, source: InputContainer, stream: AudioStream, origin: float, target: OutputContainer) -> None:
        self.source, self.stream, self.origin, self.target = source, stream, origin, target
        self.copied = stream.codec_context.codec.canonical_name in COPIED
        if self.copied:
            self.output = target.add_stream_from_template(stream)
        else:
            rate = stream.codec_context.sample_rate
            self.output = target.add_stream("aac", rate=rate if rate in AAC_RATES else 48000)
            self.output.layout = "mono" if stream.codec_context.channels == 1 else "stereo"
        self.packets: Iterator[tuple[float, Packet]] = iter(())
        self.waiting: tuple[float, Packet] | None = None

    def begin_at(self, seconds: float) -> None:
        """Sets the time on the pictures' clock that is to be the file's time 0; earlier sound is left out."""
        offset = self.origin + seconds
        self.packets = self.forgiving(self.copies(offset) if self.copied else self.encodings(offset))
        self.waiting = next(self.packets, None)

    def write_until(self, seconds: float) -> None:
        """Writes the sound that begins before `seconds` on the file's clock."""
        while self.waiting is not None and self.waiting[0] < seconds:
            self.target.mux(self.waiting[1])
            self.waiting = next(self.packets, None)

    def finish(self, seconds: float) -> None:
        """Writes the rest up to `seconds`, and what the encoder still holds."""
        self.write_until(seconds)
        if not self.copied:
            self.target.mux(self.output.encode(None))
        self.source.close()

    def copies(self, offset: float) -> Iterator[tuple[float, Packet]]:
        step = time_step(self.stream)
        for packet in self.source.demux(self.stream):
            if packet.pts is None or packet.size == 0:
                continue
            shifted = packet.pts - round(offset / step)
            if shifted + (packet.duration or 0) > 0:
                packet.pts = packet.dts = shifted
                packet.stream = self.output
                yield float(shifted * step), packet

    def encodings(self, offset: float) -> Iterator[tuple[float, Packet]]:
        context = self.output.codec_context
        resampler = av.AudioResampler(format=context.format, layout=context.layout, rate=context.sample_rate)
        begin = 0.0
        for frame in self.source.decode(self.stream):
            if frame.pts is None or frame.time_base is None:
                continue
            frame.pts -= round(offset / frame.time_base)
            begin = float(frame.pts * frame.time_base)
            if begin + frame.samples / frame.sample_rate <= 0:
                continue
            for part in resampler.resample(frame):
                yield from ((begin, packet) for packet in self.output.encode(part))
        for part in resampler.resample(None):
            yield from ((begin, packet) for packet in self.output.encode(part))

    def forgiving(self, packets: Iterator[tuple[float, Packet]]) -> Iterator[tuple[float, Packet]]:
        """Ends at damaged sound instead of failing: the pictures are what matters."""
        try:
            yield from packets
        except (av.FFmpegError, ValueError) as error:
            log.warning("%s: the sound is damaged and ends early in the written file (%s)", self.source.name, error)


def open_sound(path: Path, target: OutputContainer) -> Sound | None:
    """The sound of the file at `path`, ready to be written to `target`; None where there is none."""
    if not path.is_file():
        return None
    source = open_container(path)
    if not source.streams.audio:
        source.close()
        return None
    pictures = next(iter(source.streams.video), None)
    origin = float((pictures.start_time or 0) * time_step(pictures)) if pictures else 0.0
    return Sound(source, source.streams.audio[0], origin, target)
