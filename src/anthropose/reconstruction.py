"""Video -> tracks -> clips -> motions, stage by stage, each kept where a folder is given."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from anthropose import __version__
from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.geometry.filters import gaussian, gaussian_rotations, one_euro, one_euro_rotations
from anthropose.methods.base import Method, Progress, make_method, settings_of
from anthropose.methods.smplify import SMPLify
from anthropose.motion import BodyPose, Camera, Motion, Track
from anthropose.nn.compute import Compute
from anthropose.people.clip import Clip
from anthropose.people.detect import Detector, find_detector
from anthropose.people.detections import Detections, concatenate
from anthropose.people.follow import FollowConfig, follow
from anthropose.people.readers import read_tracks
from anthropose.people.sort import sort_tracks
from anthropose.progress import StageProgress, silent
from anthropose.settings import Settings
from anthropose.skeleton import SMPL_24
from anthropose.video import Video, open_video
from anthropose.workspace import Workspace, key_of

PART_FRAMES = 240
"""Detections are kept in parts of this many frames, so that an interrupted run goes on where it stopped."""
DEFAULT_METHOD, DEFAULT_WEIGHTS = "parallel-branch", "free-parallel-branch"
"""What `--method default` is: the best of the weights that come along, by docs/default-weights.md."""
LEARNT_SHARE = 0.3
"""Of the work on a clip that is refined after a network, for the progress that is reported."""


def reconstruct(
    source: str | Path,
    settings: Settings | None = None,
    *,
    out: Path | None = None,
    progress: StageProgress = silent,
    **options: object,
) -> list[Motion]:
    """The motion of every person in a video.

    Args:
        source: a video file, a folder of images, or `camera:N`.
        settings: what to do; single fields can be given by name instead, as `method="smplify"`.
        out: a folder where finished stages are kept and found again; nothing is written without it.
        progress: called with the stage's name and the share of it that is done.

    Raises:
        UserError: the source cannot be read, holds no person, or a setting does not fit.
    """
    settings = replace(settings or Settings(), **options)  # type: ignore[arg-type]
    video = open_video(source, settings.fps)
    method = method_for(settings)
    workspace = Workspace(out)
    tracks, key = find_people(video, settings, workspace, progress)
    return find_motions(video, tracks, key, method, settings, workspace, progress)


def method_for(settings: Settings) -> Method:
    """The method that the settings name. It is made before any work, so that missing weights are told at once.

    Raises:
        UserError: there is no such method or body, or something that the method needs is missing.
    """
    compute = Compute(settings.device, settings.precision)
    name, weights = settings.method, settings.weights
    if name == "default":
        name, weights = DEFAULT_METHOD, weights or DEFAULT_WEIGHTS
    return make_method(name, load_body(settings.body), weights, compute, settings.preset, settings.exemplars)


def find_people(
    video: Video, settings: Settings, workspace: Workspace, progress: StageProgress
) -> tuple[list[Track], str]:
    """The tracks of everyone in the video, and the key that they depend on.

    Raises:
        UserError: nobody was found, or none of the persons asked for.
    """
    stop = frames_to_use(video, settings)
    if settings.tracks is not None:
        tracks = read_tracks(settings.tracks, video.size, video.fps)
        key = key_of("tracks", __version__, fingerprint(settings.tracks), fingerprint(video.source), video.fps, stop)
    else:
        key = key_of("detections", __version__, fingerprint(video.source), video.fps, settings.detector)
        detections = _detect(video, stop, settings, workspace, key, progress)
        tracks = _follow(detections, video, stop, settings)
        key = key_of("follow", key, stop, settings.tracker)
    if not tracks:
        raise UserError(
            f"{video.source}: nobody was found in {stop} frames; people should be at least about 60 pixels tall, "
            "and detections from another program can be given with --tracks"
        )
    tracks = [t for t in (_within(t, stop) for t in tracks) if len(t)]
    if settings.persons:
        known = ", ".join(str(t.person) for t in tracks)
        tracks = [t for t in tracks if t.person in settings.persons]
        if not tracks:
            raise UserError(f"{video.source}: none of the persons asked for is in it; it has {known}")
    return tracks, key


def find_motions(
    video: Video,
    tracks: list[Track],
    key: str,
    method: Method,
    settings: Settings,
    workspace: Workspace,
    progress: StageProgress,
) -> list[Motion]:
    """The motion of each track, by the method and with the smoothing that the settings name.

    Args:
        key: stands for everything that the tracks depend on.
        method: what `method_for` gives for the settings.
    """
    body = load_body(settings.body)
    camera = camera_for(video, settings)
    refiner = refiner_for(settings, method, body)
    made_by = [settings.method, settings_of(method), *([] if refiner is None else ["refined"])]
    own_key = key_of("motion", key, *made_by, body.name, fingerprint(settings.body), camera.focal)
    pictures = key_of("pictures", fingerprint(video.source), video.fps)
    motions = []
    for index, track in enumerate(tracks):
        seconds = torch.from_numpy(video.seconds)[track.frames]
        clip = Clip(track, video.fps, seconds, camera, video, workspace, pictures)
        share = partial(_share_of, progress, index, len(tracks))
        motion = workspace.kept(
            f"stages/motion-{track.person:02d}.npz",
            own_key,
            Motion.load,
            partial(_motion_of, clip, method, refiner, settings.refine == "on", share),
            Motion.save,
        )
        motions.append(smoothed(motion, settings.smooth, body))
    progress("reconstruct", 1.0)
    return motions


def refiner_for(settings: Settings, method: Method, body: BodyModel) -> SMPLify | None:
    """What refines the method's motions, or None where the settings want them as they are.

    SMPLify's own motions are on their keypoints already. Methods that look at pictures are left alone unless asked for:
    they know more than the keypoints, and are compared with what was published.
    """
    fed_with_keypoints = settings_of(method).get("front_end") == "keypoints"
    wanted = settings.refine == "on" or (settings.refine == "auto" and fed_with_keypoints)
    return SMPLify(body) if wanted and not isinstance(method, SMPLify) else None


def _motion_of(clip: Clip, method: Method, refiner: SMPLify | None, always: bool, progress: Progress) -> Motion:
    """The motion of one clip.

    Args:
        always: refines also what cannot be, for the sake of the error.
    """
    if refiner is None:
        return method.reconstruct(clip, progress)
    motion = method.reconstruct(clip, lambda share: progress(LEARNT_SHARE * share))
    if not always and (motion.body is None or not refiner.can_refine(clip)):
        return motion
    return refiner.refine(motion, clip, lambda share: progress(LEARNT_SHARE + (1 - LEARNT_SHARE) * share))


def frames_to_use(video: Video, settings: Settings) -> int:
    """How many frames from the start the settings ask for."""
    if settings.seconds is None:
        return len(video)
    return max(1, int((video.seconds - video.seconds[0] < settings.seconds).sum()))


def camera_for(video: Video, settings: Settings) -> Camera:
    """The video's camera: centred, with the focal length given or guessed."""
    camera = Camera.guess(*video.size)
    if settings.focal is None:
        return camera
    if not settings.focal > 0:
        raise UserError(f"--focal {settings.focal}: a focal length in pixels is greater than 0")
    return replace(camera, focal=settings.focal)


def fingerprint(source: str | Path) -> list[object]:
    """What tells one state of a file or folder from another: its place, size and time of change."""
    path = Path(source)
    if path.is_dir():
        return [str(path.resolve()), *[fingerprint(p) for p in sorted(path.iterdir()) if p.is_file()]]
    if path.is_file():
        stat = path.stat()
        return [str(path.resolve()), stat.st_size, stat.st_mtime_ns]
    return [str(source)]


def smoothed(motion: Motion, kind: str, body: BodyModel) -> Motion:
    """The motion with its translation and its rotations, or joints where it has no body, filtered over time."""
    if kind == "none" or len(motion) < 3:
        return motion
    seconds = motion.seconds
    plain = partial(one_euro, seconds=seconds) if kind == "one-euro" else partial(gaussian, seconds=seconds, sigma=0.06)
    translation = plain(motion.translation)
    if motion.body is None:
        return replace(motion, joints=plain(motion.joints), translation=translation)
    if kind == "one-euro":
        rotations = one_euro_rotations(motion.body.rotations, seconds)
    else:
        rotations = gaussian_rotations(motion.body.rotations, seconds, 0.06)
    joints = body.points(SMPL_24)(motion.body.betas, rotations)
    return replace(
        motion,
        body=BodyPose(rotations, motion.body.betas),
        joints=joints - joints[:, :1],
        translation=translation,
    )


def _detect(
    video: Video, stop: int, settings: Settings, workspace: Workspace, key: str, progress: StageProgress
) -> Detections:
    """Detections in all frames, part by part; valid parts are loaded in place of being made."""
    detector: Detector | None = None
    images: Iterator[np.ndarray] | None = None
    parts: list[Detections] = []

    def make(first: int, last: int) -> Detections:
        nonlocal detector, images
        detector = detector or find_detector(settings.detector)
        images = images or video.frames(first, stop)
        found = []
        previous = parts[-1] if parts else None
        for one in detector.detect(islice(images, last - first), first, video.seconds, previous):
            found.append(one)
            progress("detect", (first + len(found)) / stop)
        return concatenate(found) if found else Detections.empty(detector.skeleton)

    progress("detect", 0.0)
    for first in range(0, stop, PART_FRAMES):
        last = min(first + PART_FRAMES, stop)
        name = f"stages/detections-{first:06d}.npz"
        own_key = key_of(key, first, last)
        if workspace.holds(name, own_key):
            images = None  # The decoder stands elsewhere once a part has been skipped.
        parts.append(workspace.kept(name, own_key, Detections.load, partial(make, first, last), Detections.save))
        progress("detect", last / stop)
    return concatenate([part for part in parts if len(part)] or parts[:1])


def _follow(detections: Detections, video: Video, stop: int, settings: Settings) -> list[Track]:
    if settings.tracker == "sort":
        return sort_tracks(detections)
    usual = FollowConfig()
    # In a clip of a few frames, a person seen for half of them is no glimpse.
    config = replace(
        usual,
        glimpse_seconds=min(usual.glimpse_seconds, 0.5 * stop / video.fps),
        least_seconds=min(usual.least_seconds, 0.5 * stop / video.fps),
        least_frames=min(usual.least_frames, stop),
    )
    return follow(detections, video.fps, video.size, config)


def _within(track: Track, stop: int) -> Track:
    """The part of a track in the first `stop` frames."""
    keep = track.frames < stop
    if bool(keep.all()):
        return track
    return replace(
        track,
        frames=track.frames[keep],
        boxes=track.boxes[keep],
        keypoints=None if track.keypoints is None else track.keypoints[keep],
        world=None if track.world is None else track.world[keep],
    )


def _share_of(progress: StageProgress, index: int, count: int, share: float) -> None:
    """Progress of one clip as a part of that of all."""
    progress("reconstruct", (index + share) / count)
