"""Motions drawn over the video that they were made from: `write_overlay`."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.colours import person_colour
from anthropose.errors import UserError
from anthropose.motion import Camera, Motion
from anthropose.render.meshes import Mesh, MeshRenderer
from anthropose.render.side import SideView
from anthropose.render.sticks import draw_joints_seen_by
from anthropose.skeleton import Skeleton
from anthropose.video import Video, VideoWriter

BATCH = 32
"""Frames of one person whose vertices are computed and kept at once."""

LARGEST = 1920
"""The overlay's longer side [px]; a larger video is scaled down, since the overlay is made to be looked at."""


@dataclass(frozen=True)
class Seen:
    """One person in one frame, in camera axes [m]."""

    person: int
    joints: Float[np.ndarray, "j 3"]
    skeleton: Skeleton
    mesh: Mesh | None
    """None for a motion without a body, which is drawn as sticks."""


def write_overlay(
    video: Video,
    motions: Sequence[Motion],
    body: BodyModel,
    path: Path,
    *,
    side_view: bool = False,
    opacity: float = 0.9,
    stop: int | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> None:
    """Writes an MP4 of the video with the people of `motions` drawn over it, at the video's times and with its sound.

    Frames are read, drawn and written one by one, so that memory does not grow with the length of the video.

    Args:
        video: that the motions were made from.
        motions: of any number of persons; those without a body are drawn as sticks.
        body: the model that the bodies belong to.
        path: of the MP4.
        side_view: adds a panel on the right in which the same people are seen from the side.
        opacity: how much of the picture a body hides, from 0 to 1.
        stop: the frame before which to end; the video's end when not given.
        progress: called with the share that is done.

    Raises:
        UserError: the file cannot be written, or the motions belong to a video of another shape.
    """
    size = _fit(video.size)
    cameras = [_camera_for(motion, video.size, size) for motion in motions]
    performers = [Performer(motion, body) for motion in motions]
    panel = (min(size), size[1])
    side = SideView.around(motions, panel) if side_view and motions else None
    whole = size if side is None else (size[0] + panel[0], size[1])
    frames = len(video) if stop is None else min(stop, len(video))
    with ExitStack() as held:
        renderer = held.enter_context(MeshRenderer(*size, opacity=opacity))
        side_renderer = held.enter_context(MeshRenderer(*panel)) if side is not None else None
        audio = Path(video.source) if video.has_audio else None
        writer = held.enter_context(VideoWriter(path, whole, video.fps, audio_from=audio))
        for frame, (seconds, rgb) in enumerate(video.timed_frames(0, stop)):
            picture = rgb if size == video.size else cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
            everyone = zip((performer.at(frame) for performer in performers), cameras, strict=True)
            seen = [(person, camera) for person, camera in everyone if person is not None]
            picture = draw_people(picture, seen, renderer)
            if side is not None and side_renderer is not None:
                picture = np.hstack([picture, side.draw([person for person, _ in seen], side_renderer)])
            writer.write(picture, seconds)
            progress((frame + 1) / frames)


def draw_people(
    picture: UInt8[np.ndarray, "h w 3"], seen: Sequence[tuple[Seen, Camera]], renderer: MeshRenderer
) -> UInt8[np.ndarray, "h w 3"]:
    """A new picture with the people drawn over `picture`, each labelled with the person's number.

    Bodies that share a camera hide each other by depth, as do almost always all of a video.
    """
    for camera in dict.fromkeys(camera for _, camera in seen):
        meshes = [person.mesh for person, its in seen if person.mesh is not None and its == camera]
        picture = renderer.draw(picture, meshes, camera.focal, camera.center)
    for person, camera in seen:
        if person.mesh is None:
            draw_joints_seen_by(picture, person.joints, person.skeleton, camera.focal, camera.center)
    for person, camera in sorted(seen, key=lambda pair: -float(pair[0].joints[0, 2])):
        _label(picture, person, camera)
    return picture


class Performer:
    """One motion's bodies, frame by frame; a few frames are computed at once and then dropped."""

    def __init__(self, motion: Motion, body: BodyModel) -> None:
        self._motion, self._body = motion, body
        self._rows = {frame: row for row, frame in enumerate(motion.track.frames.tolist())}
        self._faces = body.faces.numpy()
        self._colour = person_colour(motion.track.person)
        self._joints = (motion.joints + motion.translation[:, None]).numpy()
        self._first, self._vertices = 0, np.empty((0, 0, 3), np.float32)

    def at(self, frame: int) -> Seen | None:
        """The person in the video's frame; None where the person is not seen. To be asked for in rising order."""
        row = self._rows.get(frame)
        if row is None:
            return None
        mesh = None if self._motion.body is None else Mesh(self._vertices_at(row), self._faces, self._colour)
        return Seen(self._motion.track.person, self._joints[row], self._motion.skeleton, mesh)

    def _vertices_at(self, row: int) -> Float[np.ndarray, "v 3"]:
        if not self._first <= row < self._first + len(self._vertices):
            self._first = row
            rows = torch.arange(row, min(row + BATCH, len(self._motion)))
            self._vertices = vertices_in_camera(self._motion, self._body, rows).numpy()
        vertices = self._vertices[row - self._first]
        if row + 1 == len(self._motion):
            self._vertices = self._vertices[:0]
        return vertices


def vertices_in_camera(motion: Motion, body: BodyModel, rows: Int[Tensor, "r"]) -> Float[Tensor, "r v 3"]:
    """The body's surface [m] in camera axes, at some frames of a motion that has a body."""
    assert motion.body is not None
    with torch.inference_mode():
        posed = body.shaped(motion.body.betas[rows]).posed(motion.body.rotations[rows])
        return posed.vertices - posed.joints[:, :1] + motion.translation[rows, None]


def _fit(size: tuple[int, int]) -> tuple[int, int]:
    share = min(1.0, LARGEST / max(size))
    return round(size[0] * share), round(size[1] * share)


def _camera_for(motion: Motion, found: tuple[int, int], wanted: tuple[int, int]) -> Camera:
    """The motion's camera for pictures of the size `wanted`.

    Raises:
        UserError: the video's pictures have not the shape of those that the motion was made from.
    """
    made = motion.camera.size
    if abs(found[0] * made[1] - found[1] * made[0]) > 0.01 * found[0] * made[1]:
        raise UserError(
            f"person {motion.track.person} was found in a video of {made[0]}x{made[1]} pixels, this one has"
            f" {found[0]}x{found[1]}; name the video that the motion files were made from"
        )
    share = wanted[0] / made[0]
    center = (motion.camera.center[0] * share, motion.camera.center[1] * share)
    return replace(motion.camera, focal=motion.camera.focal * share, center=center, size=wanted)


def _label(picture: np.ndarray, person: Seen, camera: Camera) -> None:
    """Writes the person's number above the head, on a pill of the person's colour."""
    above = _above_head(person)
    if above[2] <= 0.1 or not np.isfinite(above).all():
        return
    x, y = above[:2] / above[2] * camera.focal + np.asarray(camera.center)
    scale = max(0.4, picture.shape[0] / 1400)
    text, font = str(person.person), cv2.FONT_HERSHEY_SIMPLEX
    (width, height), _ = cv2.getTextSize(text, font, scale, 1)
    if not (0 <= x < picture.shape[1] and -height <= y < picture.shape[0]):
        return
    left, bottom = round(x - width / 2), max(round(y), height + 6)
    colour = [round(255 * part) for part in person_colour(person.person)]
    cv2.rectangle(picture, (left - 5, bottom - height - 5), (left + width + 5, bottom + 5), colour, -1, cv2.LINE_AA)
    cv2.putText(picture, text, (left, bottom), font, scale, (0, 0, 0), max(1, round(scale * 1.5)), cv2.LINE_AA)


def _above_head(person: Seen) -> Float[np.ndarray, "3"]:
    """A point in camera axes [m] a little above the highest part of head and neck."""
    names = [name for name in ("head_top", "head", "nose", "neck") if name in person.skeleton.joints]
    joints = person.joints[[person.skeleton.index(name) for name in names]] if names else person.joints
    highest = joints[joints[:, 1].argmin()]
    return highest - np.array([0, 0.3, 0], np.float32)
