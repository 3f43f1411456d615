"""Films and contact sheets of motions: `write_film` chooses by the file's ending."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import UInt8

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.motion import Motion
from anthropose.render.meshes import BACKGROUND
from anthropose.render.obj import ObjWriter
from anthropose.render.options import Pictures
from anthropose.render.panels import MESHES, Moment, Panel, make_panel, panel_size
from anthropose.render.scene import Performer, camera_for, check_same_video
from anthropose.render.sheet import SheetWriter
from anthropose.video import Video

LARGEST = 1920
"""Of the video's panels, the longer side [px]; a larger video is scaled down, since films are made to be looked at."""

WIDEST = 4096
"""Of all panels together [px]; players do not show much wider films."""

HEIGHTS = {".mp4": None, ".gif": 360, ".png": 270, ".jpg": 270, ".jpeg": 270}
"""How high panels are by the ending of the file [px]; None for as high as the video."""

GIF_FPS = 15.0


@runtime_checkable
class Writer(Protocol):
    """What films and sheets are written by."""

    def __enter__(self) -> "Writer": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def write(self, rgb: UInt8[np.ndarray, "h w 3"], seconds: float) -> None:
        """Appends a picture of a time of the video."""
        ...


@dataclass(frozen=True, eq=False)
class Blank(Video):
    """Stands for a video that is not at hand: plain grey frames at the times that motions tell."""

    @classmethod
    def behind(cls, motions: Sequence[Motion]) -> "Blank":
        """As many frames, and of the size, that the motions need."""
        frames = np.concatenate([motion.track.frames.numpy() for motion in motions])
        times = np.concatenate([motion.seconds.numpy() for motion in motions])
        known, first = np.unique(frames, return_index=True)
        fps, every = motions[0].fps, np.arange(int(known[-1]) + 1)
        seconds = np.interp(every, known, times[first])
        # Before anyone comes, frames follow at the mean rate.
        seconds[: known[0]] = times[first[0]] - (known[0] - every[: known[0]]) / fps
        size = motions[0].camera.size
        return cls(source="", fps=fps, size=size, seconds=seconds - seconds[0], has_audio=False)

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """Grey pictures."""
        for _ in range(len(self))[start:stop]:
            yield np.full((self.size[1], self.size[0], 3), BACKGROUND, np.uint8)


def ending_of(path: Path) -> str:
    """The ending that tells what is written.

    Raises:
        UserError: it is none of those that are known.
    """
    ending = path.suffix.lower()
    if ending not in HEIGHTS:
        raise UserError(
            f"{path}: what does {ending or 'no ending'} stand for? expected .mp4 or .gif for a film, .png or .jpg for a"
            " contact sheet"
        )
    return ending


def write_film(
    video: Video | None,
    motions: Sequence[Motion],
    path: Path,
    pictures: Pictures = Pictures(),  # noqa: B008 - frozen
    *,
    body: BodyModel | None = None,
    truth: Sequence[Motion] = (),
    opacity: float = 0.9,
    progress: Callable[[float], None] = lambda share: None,
) -> None:
    """Writes an .mp4 or .gif of the people of `motions`, or a contact sheet as .png or .jpg.

    Frames are read, drawn and written one by one, so that memory does not grow with the length of the video. The film
    has the video's times, and where it begins with the video its sound; in frames in which a person was not found,
    nobody is drawn.

    Args:
        video: that the motions were made from; without one, they are drawn on plain grey.
        motions: of any number of persons; those without a body are drawn as sticks.
        path: the ending tells what is written.
        body: the model that the bodies belong to; without one, all are drawn as sticks.
        truth: motions for the panel of that name.
        opacity: how much of the video a body hides, from 0 to 1.
        progress: called with the share that is done.

    Raises:
        UserError: the file cannot be written, its ending is unknown, the motions belong to another video, or what is
            asked for is not there.
    """
    ending = ending_of(path)
    views = pictures.panels(video is not None, bool(truth))
    shown = _chosen(motions, pictures.persons)
    behind = Blank.behind([*shown, *truth]) if video is None else video
    for motion in (*shown, *truth):
        check_same_video(motion, behind)
    frames: Sequence[int] = _frames(behind, pictures, GIF_FPS if ending == ".gif" else None)
    if ending not in (".mp4", ".gif"):
        frames = _moments(frames, [*shown, *truth], pictures.moments)
    size = _fit(behind.size, pictures.size or HEIGHTS[ending])
    whole = sum(panel_size(view, size)[0] for view in views)
    size = size if whole <= WIDEST else _fit(size, int(size[1] * WIDEST / whole))
    needed = body if pictures.save_obj is not None or not MESHES.isdisjoint(views) else None
    cast = _Cast(shown, truth, needed, size, pictures.save_obj)
    with ExitStack() as held:
        panels = [
            held.enter_context(closing(make_panel(view, size, shown, truth, pictures, opacity))) for view in views
        ]
        writer = held.enter_context(_writer(path, ending, panels, behind, frames, pictures))
        for count, (frame, seconds, rgb) in enumerate(_taken(behind, frames), 1):
            moment = cast.moment(frame, rgb)
            writer.write(np.hstack([panel.draw(moment) for panel in panels]), seconds)
            progress(count / len(frames))


class _Cast:
    """Everyone who is shown, and who is there in each frame."""

    def __init__(
        self,
        motions: Sequence[Motion],
        truth: Sequence[Motion],
        body: BodyModel | None,
        size: tuple[int, int],
        save_obj: Path | None,
    ) -> None:
        self._size = size
        self._performers = [(Performer(motion, body), camera_for(motion, size)) for motion in motions]
        self._truth = [Performer(motion, None) for motion in truth]
        self._objects = None if save_obj is None else ObjWriter(save_obj)
        if self._objects is not None and (body is None or all(motion.body is None for motion in motions)):
            raise UserError("--save-obj: these motions have joints and no bodies; every method but rie gives bodies")

    def moment(self, frame: int, rgb: UInt8[np.ndarray, "h w 3"]) -> Moment:
        """What is there in a frame; meshes are saved where that is wanted."""
        seen, rows = [], []
        for performer, camera in self._performers:
            person, row = performer.at(frame), performer.row(frame)
            if person is None or row is None:
                continue
            seen.append((person, camera))
            rows.append((performer.motion, row))
            if self._objects is not None and person.mesh is not None:
                self._objects.write(person.person, frame, person.mesh)
        truth = [person for performer in self._truth if (person := performer.at(frame)) is not None]
        if (rgb.shape[1], rgb.shape[0]) != self._size:
            rgb = cv2.resize(rgb, self._size, interpolation=cv2.INTER_AREA)
        return Moment(rgb, seen, rows, truth)


def _chosen(motions: Sequence[Motion], persons: tuple[int, ...]) -> list[Motion]:
    there = [motion.track.person for motion in motions]
    missing = [str(person) for person in persons if person not in there]
    if missing:
        raise UserError(
            f"--persons {' '.join(missing)}: there is no such person among the motions, which are of "
            f"{', '.join(map(str, sorted(set(there)))) or 'nobody'}"
        )
    return [motion for motion in motions if not persons or motion.track.person in persons]


def _frames(video: Video, pictures: Pictures, usual_fps: float | None) -> range:
    """The frames that are drawn."""
    if pictures.skip >= len(video):
        raise UserError(f"--skip {pictures.skip}: the video has {len(video)} frames, so that none is left")
    stop = len(video) if pictures.limit is None else min(len(video), pictures.skip + pictures.limit)
    step, fastest = pictures.downsample, pictures.max_fps or usual_fps
    if fastest is not None:
        step *= max(1, math.ceil(video.fps / step / fastest - 1e-3))
    return range(pictures.skip, stop, step)


def _moments(frames: Sequence[int], motions: Sequence[Motion], count: int) -> list[int]:
    """Some of the frames, evenly among those in which somebody is there."""
    somebody = {frame for motion in motions for frame in motion.track.frames.tolist()}
    there = [frame for frame in frames if frame in somebody] or list(frames)
    return [there[i] for i in np.unique(np.linspace(0, len(there) - 1, count).round().astype(int))]


def _taken(video: Video, frames: Sequence[int]) -> Iterator[tuple[int, float, np.ndarray]]:
    """The chosen frames with their numbers and times, in one pass over the video."""
    chosen, first, last = set(frames), frames[0], frames[-1]
    for frame, (seconds, rgb) in enumerate(video.timed_frames(first, last + 1), first):
        if frame in chosen:
            yield frame, seconds, rgb


def _fit(size: tuple[int, int], height: int | None) -> tuple[int, int]:
    """The size of the video's panels."""
    share = min(1.0, LARGEST / max(size)) if height is None else height / size[1]
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def _writer(
    path: Path, ending: str, panels: Sequence[Panel], video: Video, frames: Sequence[int], pictures: Pictures
) -> Writer:
    from anthropose.render.gif import GifWriter
    from anthropose.video import VideoWriter

    size = (sum(panel.size[0] for panel in panels), panels[0].size[1])
    fps = video.fps / (frames.step if isinstance(frames, range) else 1)
    if ending == ".gif":
        return GifWriter(path, size, fps)
    if ending != ".mp4":
        return SheetWriter(path, size, len(frames))
    audio = Path(video.source) if video.has_audio else None
    return VideoWriter(path, size, fps, audio_from=audio, bitrate=pictures.bitrate)
