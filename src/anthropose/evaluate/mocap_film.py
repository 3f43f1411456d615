"""Motion capture filmed, and found again by a detector: clips whose keypoints are a real detector's, with the truth.

Films and detections are kept in a folder, and made once.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose import __version__
from anthropose.datasets.mocap import Cameras, MocapBatch, MocapConfig, MocapSource
from anthropose.errors import UserError
from anthropose.evaluate.mocap import KnownClip, action_of
from anthropose.evaluate.mocap_errors import common_rows
from anthropose.motion import Camera, Motion, Track
from anthropose.people.clip import Clip
from anthropose.synthetic.filmed import film
from anthropose.video import Video, open_video
from anthropose.workspace import Workspace, key_of

FILMED = MocapConfig(split="test", everyday=0.0, cameras=Cameras(sizes=((960, 540), (540, 960), (720, 720))))
"""Pictures small enough to be drawn and searched in a moment."""
Find = Callable[[Video, Workspace], list[Track]]
"""From a video and a place to keep things in to the tracks of everyone in it; raises UserError where nobody is."""
LEAST_OVERLAP = 0.3
"""Of boxes, mean over common frames, for a track to be of the person who was filmed."""


@dataclass(frozen=True, eq=False)
class FilmedClip:
    """What a detector found in a film of one motion."""

    known: KnownClip | None
    """The longest of the tracks that lie on the person; None where nobody was found."""
    name: str
    frames: int
    """In which the person is in the picture."""
    path: Path
    """The film."""


def filmed_clips(
    source: MocapSource,
    folder: Path,
    count: int,
    find: Find,
    longest: int = 120,
    shortest: int = 45,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[FilmedClip]:
    """Motions of all folders and kinds of action in turn, each as a film in which the person was looked for.

    Args:
        source: on the CPU.
        folder: where films and detections are kept.
        count: of films.
        find: gives everyone's tracks in a film, and may keep things in the workspace, as `reconstruction.find_people`.
        longest: frames of a film; longer motions are filmed in part.
        shortest: frames of the motions that are taken.
        progress: called with the number of films that are done.

    Raises:
        UserError: the folder cannot be written.
    """
    for done, batch in enumerate(chosen_windows(source, count, longest, shortest), start=1):
        yield _filmed(source, batch, folder / batch.names[0].replace("/", "_"), find)
        progress(done)


def chosen_windows(source: MocapSource, count: int, longest: int, shortest: int) -> list[MocapBatch]:
    """The middle piece of so many motions: one of each folder's kinds of action after the other."""
    captures = {capture.name: capture for capture in source.library.captures}
    kinds: dict[tuple[str, str], dict[str, list[MocapBatch]]] = {}
    for batch in source.clips(longest=longest):
        capture = captures[batch.names[0]]
        if batch.keypoints.shape[1] >= shortest:
            own = kinds.setdefault((capture.folder, action_of(capture.title)), {})
            own.setdefault(capture.name, []).append(batch)
    rows = [[pieces[len(pieces) // 2] for pieces in own.values()] for own in kinds.values()]
    turns = max((len(row) for row in rows), default=0)
    return [row[turn] for turn in range(turns) for row in rows if turn < len(row)][:count]


def _filmed(source: MocapSource, batch: MocapBatch, folder: Path, find: Find) -> FilmedClip:
    capture = next(capture for capture in source.library.captures if capture.name == batch.names[0])
    number = source.library.captures.index(capture)
    scene = film(batch, 0, source.body, seed=number)
    truth = scene.truth[0]
    workspace = Workspace(folder)
    path, key = folder / "film.mp4", key_of("film", __version__, source.body.name, number, _content(batch))
    if not workspace.holds(path.name, key):
        scene.write(path)
        workspace.record(path.name, key)
    video = open_video(path)
    try:
        tracks = find(video, workspace)
    except UserError:
        return FilmedClip(None, capture.name, len(truth), path)
    track = track_on(truth, tracks)
    if track is None:
        return FilmedClip(None, capture.name, len(truth), path)
    own, true = _together(track, truth)
    seconds = torch.from_numpy(video.seconds)[own.frames]
    clip = Clip(own, video.fps, seconds, Camera.guess(*video.size), video)
    return FilmedClip(KnownClip(capture.name, action_of(capture.title), clip, true), capture.name, len(truth), path)


def _content(batch: MocapBatch) -> list[str]:
    """What a film of the window depends on, and nothing of what a detector may say of it."""
    seen = (batch.rotations, batch.betas, batch.translation, batch.camera_from_world, batch.size, batch.focal)
    return [hashlib.sha256(values.numpy().tobytes()).hexdigest() for values in seen]


def track_on(truth: Motion, tracks: Sequence[Track]) -> Track | None:
    """The longest track that lies on the person; None where none does."""
    mine = [track for track in tracks if _overlap(track, truth.track) >= LEAST_OVERLAP]
    return max(mine, key=len, default=None)


def _overlap(found: Track, true: Track) -> float:
    rows, own = common_rows(found.frames, true.frames)
    return float(overlaps_of(found.boxes[rows], true.boxes[own]).mean()) if len(rows) else 0.0


def overlaps_of(found: Float[Tensor, "n 4"], true: Float[Tensor, "n 4"]) -> Float[Tensor, "n"]:
    """Intersection over union of boxes."""
    sides = (torch.minimum(found[:, 2:], true[:, 2:]) - torch.maximum(found[:, :2], true[:, :2])).clamp_min(0)
    both = sides.prod(1)
    either = (found[:, 2:] - found[:, :2]).prod(1) + (true[:, 2:] - true[:, :2]).prod(1) - both
    return both / either.clamp_min(1e-6)


def _together(track: Track, truth: Motion) -> tuple[Track, Motion]:
    """Both in their common frames."""
    rows, own = common_rows(track.frames, truth.track.frames)
    return track_rows(track, rows), motion_rows(truth, own)


def track_rows(track: Track, rows: Tensor) -> Track:
    """Some rows of a track."""
    keypoints, world = track.keypoints, track.world
    return replace(
        track,
        frames=track.frames[rows],
        boxes=track.boxes[rows],
        keypoints=None if keypoints is None else keypoints[rows],
        world=None if world is None else world[rows],
    )


def motion_rows(motion: Motion, rows: Tensor) -> Motion:
    """Some rows of a motion."""
    body = motion.body
    return replace(
        motion,
        track=track_rows(motion.track, rows),
        seconds=motion.seconds[rows],
        joints=motion.joints[rows],
        translation=motion.translation[rows],
        body=None if body is None else replace(body, rotations=body.rotations[rows], betas=body.betas[rows]),
        crop_camera=None if motion.crop_camera is None else motion.crop_camera[rows],
    )
