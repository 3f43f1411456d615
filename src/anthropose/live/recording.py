"""What is kept of a live session: the video as it came, the drawn one, and everyone's motion.

While the camera runs everything is written into the folder `parts`: videos in fragments of a second, and motions every
few seconds, so that a crash loses no more than that. At the end the parts become ordinary files and the folder goes.
"""

import re
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from queue import Full, Queue
from threading import Thread

import av
import numpy as np
import torch
from av.container import InputContainer
from av.packet import Packet
from jaxtyping import UInt8

from anthropose.errors import UserError
from anthropose.live.capture import Frame
from anthropose.live.crowd import Present
from anthropose.motion import BodyPose, Camera, Motion, Track
from anthropose.people.detections import Detections
from anthropose.skeleton import SMPL_24
from anthropose.video import Video, VideoWriter, open_video
from anthropose.writing import explain, whole_file

PARTS = "parts"
PART_SECONDS = 10.0
"""Motions are written this often."""
WAITING_BYTES = 100_000_000
"""Pictures that may wait to be written; when there are more, the next ones are left out."""


class FragmentWriter(VideoWriter):
    """Writes an MP4 that can be read up to the last second at any time, also when it was never finished."""

    @contextmanager
    def writing(self) -> Iterator[None]:
        options = {"movflags": "empty_moov+default_base_moof", "frag_duration": "1000000", "flush_packets": "1"}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.container = av.open(str(self.path), "w", format="mp4", container_options=options)
            self.stream, self.sound = self.add_pictures(self.container), None
            self.container.start_encoding()
            try:
                yield
            finally:
                if self.count:
                    self.finish()
        except OSError as error:
            raise UserError(explain(error, self.path)) from error


class Film(Thread):
    """A video that is written in a thread of its own, which pictures are offered to."""

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        super().__init__(name=f"live-{path.stem}", daemon=True)
        self._writer = FragmentWriter(path, size, fps)
        self._waiting: Queue[tuple[float, np.ndarray] | None] = Queue(max(4, WAITING_BYTES // (3 * size[0] * size[1])))
        self._error: BaseException | None = None
        self.start()

    def offer(self, seconds: float, picture: UInt8[np.ndarray, "h w 3"]) -> bool:
        """Takes a picture, unless too many wait already.

        Raises:
            UserError: the disk is full, or another reason why nothing can be written any more.
        """
        if self._error is not None:
            raise self._error
        try:
            self._waiting.put_nowait((seconds, picture))
        except Full:
            return False
        return True

    def run(self) -> None:
        try:
            with self._writer:
                while (item := self._waiting.get()) is not None:
                    self._writer.write(item[1], item[0])
        except BaseException as error:
            self._error = error
            while self._waiting.get() is not None:
                pass

    def finish(self) -> BaseException | None:
        """Writes what still waits; what went wrong, if anything did."""
        self._waiting.put(None)
        self.join()
        return self._error


class Recording:
    """Keeps a session in a folder."""

    def __init__(
        self, folder: Path, video: Video, camera: Camera, overlay: bool, made_by: tuple[str, str, str]
    ) -> None:
        """
        Args:
            video: whose frames come.
            overlay: whether the drawn pictures are kept too.
            made_by: the names of the method, of its weights and of the body model.
        """
        self.folder, self.camera, self.fps, self.made_by = folder, camera, video.fps, made_by
        parts = folder / PARTS
        self._video = Film(parts / "video.mp4", video.size, video.fps)
        self._overlay = Film(parts / "overlay.mp4", video.size, video.fps) if overlay else None
        self._rows: dict[int, list[tuple[Frame, Present, Detections]]] = {}
        self._since = 0.0
        self._saver = ThreadPoolExecutor(1)
        self._saved: list[Future[None]] = []

    def frame(self, seconds: float, image: UInt8[np.ndarray, "h w 3"]) -> bool:
        """Takes a frame as it came; False where it cannot be kept up with."""
        return self._video.offer(seconds, image)

    def drawn(self, seconds: float, picture: UInt8[np.ndarray, "h w 3"]) -> None:
        """Takes a drawn picture, if these are kept."""
        if self._overlay is not None:
            self._overlay.offer(seconds, picture)

    def people(self, frame: Frame, present: list[Present], found: Detections) -> None:
        """Takes the people of a frame."""
        for one in present:
            # Only this row is kept: the frame's picture and the others' rows are let go of.
            light = Frame(frame.number, frame.seconds, frame.taken, np.empty((0, 0, 3), np.uint8))
            self._rows.setdefault(one.person, []).append((light, one, found[one.row : one.row + 1]))
        if frame.seconds - self._since >= PART_SECONDS:
            self._since = frame.seconds
            self._check_saved()
            self._submit_part()

    def _check_saved(self) -> None:
        """Raises what went wrong with earlier parts."""
        for done in [saved for saved in self._saved if saved.done()]:
            self._saved.remove(done)
            done.result()

    def _submit_part(self) -> None:
        rows, self._rows = self._rows, {}
        for person, entries in rows.items():
            motion = self._motion(person, entries)
            path = self.folder / PARTS / f"person-{person:02d}-{entries[0][0].number:08d}.npz"
            self._saved.append(self._saver.submit(motion.save, path))

    def _motion(self, person: int, entries: list[tuple[Frame, Present, Detections]]) -> Motion:
        found = [row for _, _, row in entries]
        instants = [one.instant for _, one, _ in entries]
        worlds = [row.world for row in found if row.world is not None]
        track = Track(
            person,
            torch.tensor([frame.number for frame, _, _ in entries]),
            torch.cat([row.boxes for row in found]),
            torch.cat([row.keypoints for row in found]),
            found[0].skeleton,
            torch.cat(worlds) if len(worlds) == len(found) else None,
        )
        body = BodyPose(
            torch.stack([one.body.rotations for one in instants]), torch.stack([one.body.betas for one in instants])
        )
        method, weights, body_model = self.made_by
        return Motion(
            track=track,
            skeleton=SMPL_24,
            fps=self.fps,
            seconds=torch.tensor([frame.seconds for frame, _, _ in entries], dtype=torch.float64),
            camera=self.camera,
            joints=torch.stack([one.joints for one in instants]),
            translation=torch.stack([one.translation for one in instants]),
            body=body,
            body_model=body_model,
            method=method,
            weights=weights,
            crop_camera=torch.stack([one.crop_camera for one in instants]),
        )

    def finish(self) -> list[Path]:
        """Makes ordinary files of what was recorded, and tells which.

        Raises:
            UserError: not everything could be written; what could is there.
        """
        self._submit_part()
        self._saver.shutdown()
        failures = [film.finish() for film in (self._video, self._overlay) if film is not None]
        failures += [saved.exception() for saved in self._saved]
        made = assemble(self.folder)
        for failure in failures:
            if failure is not None:
                raise failure
        return made


def assemble(folder: Path) -> list[Path]:
    """Makes ordinary files of the parts that a recording left in a folder, and removes the parts.

    Also after a crash: motions are cut where the video ends.

    Raises:
        UserError: a file cannot be written.
    """
    parts, made = folder / PARTS, []
    for name in ("video.mp4", "overlay.mp4"):
        if _repack(parts / name, folder / name):
            made.append(folder / name)
    if folder / "video.mp4" in made:
        video = open_video(folder / "video.mp4")
        for person, paths in _motion_parts(parts).items():
            motion = joined_motion([Motion.load(path) for path in paths], video)
            if motion is not None:
                made.append(folder / f"person-{person:02d}.npz")
                motion.save(made[-1])
    shutil.rmtree(parts, ignore_errors=True)
    with suppress(OSError):
        folder.rmdir()  # Only where nothing was made at all.
    return made


def _repack(source: Path, target: Path) -> bool:
    """An ordinary MP4, index in front, of one in fragments; False where that has no whole frame."""
    try:
        fragments = av.open(str(source))
    except (av.FFmpegError, OSError):
        return False
    with fragments:
        packets = _packets(fragments)
        first = next(packets, None)
        if first is None:
            return False
        options = {"movflags": "+faststart"}
        with whole_file(target) as part, av.open(str(part), "w", format="mp4", container_options=options) as container:
            stream = container.add_stream_from_template(fragments.streams.video[0])
            for packet in chain([first], packets):
                packet.stream = stream
                container.mux(packet)
    return True


def _packets(fragments: InputContainer) -> Iterator[Packet]:
    """Up to where the file was broken off."""
    packets = fragments.demux(fragments.streams.video[0])
    with suppress(av.FFmpegError, OSError):
        yield from (packet for packet in packets if packet.dts is not None)


def _motion_parts(parts: Path) -> dict[int, list[Path]]:
    """Person -> the parts of the motion, in order."""
    found: dict[int, list[Path]] = {}
    for path in sorted(parts.glob("person-*-*.npz")):
        match = re.fullmatch(r"person-(\d+)-\d+\.npz", path.name)
        if match:
            found.setdefault(int(match[1]), []).append(path)
    return found


def joined_motion(motions: list[Motion], video: Video) -> Motion | None:
    """One person's motions, one after the other, within a video; None where nothing of them is."""
    first, tracks = motions[0], [motion.track for motion in motions]
    frames = torch.cat([track.frames for track in tracks])
    kept = frames < len(video)
    if not bool(kept.any()):
        return None

    def column(values: list) -> torch.Tensor | None:
        return None if any(value is None for value in values) else torch.cat(values)[kept]

    def always(values: list[torch.Tensor]) -> torch.Tensor:
        return torch.cat(values)[kept]

    bodies = [motion.body for motion in motions if motion.body is not None]
    return Motion(
        track=Track(
            first.track.person,
            frames[kept],
            always([track.boxes for track in tracks]),
            column([track.keypoints for track in tracks]),
            first.track.skeleton,
            column([track.world for track in tracks]),
        ),
        skeleton=first.skeleton,
        fps=video.fps,
        seconds=always([motion.seconds for motion in motions]),
        camera=first.camera,
        joints=always([motion.joints for motion in motions]),
        translation=always([motion.translation for motion in motions]),
        body=BodyPose(always([body.rotations for body in bodies]), always([body.betas for body in bodies])),
        body_model=first.body_model,
        method=first.method,
        weights=first.weights,
        crop_camera=column([motion.crop_camera for motion in motions]),
    )
