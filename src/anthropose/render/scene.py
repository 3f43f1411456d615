"""Who is seen in a frame and where: motions turned into surfaces and sticks in camera axes."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.colours import person_colour
from anthropose.errors import UserError
from anthropose.motion import Camera, Motion
from anthropose.render.surface import Mesh
from anthropose.skeleton import Skeleton
from anthropose.video import Video

BATCH = 32
"""Frames of one person whose vertices are computed and kept at once."""


@dataclass(frozen=True)
class Seen:
    """One person in one frame, in camera axes [m]."""

    person: int
    joints: Float[np.ndarray, "j 3"]
    skeleton: Skeleton
    mesh: Mesh | None
    """None for a motion without a body, which is drawn as sticks."""


class Performer:
    """One motion's bodies, frame by frame; a few frames are computed at once and then dropped.

    Args:
        body: the model that the motion's body belongs to; not needed for sticks.
    """

    def __init__(self, motion: Motion, body: BodyModel | None) -> None:
        self.motion = motion
        self._body = body if motion.body is not None else None
        self._rows = {frame: row for row, frame in enumerate(motion.track.frames.tolist())}
        self._faces = None if self._body is None else self._body.faces.numpy()
        self._colour = person_colour(motion.track.person)
        self._joints = (motion.joints + motion.translation[:, None]).numpy()
        self._first, self._vertices = 0, np.empty((0, 0, 3), np.float32)

    def row(self, frame: int) -> int | None:
        """The row of the video's frame in the motion; None where the person is not seen."""
        return self._rows.get(frame)

    def at(self, frame: int) -> Seen | None:
        """The person in the video's frame; None where the person is not seen. To be asked for in rising order."""
        row = self._rows.get(frame)
        if row is None:
            return None
        mesh = None if self._faces is None else Mesh(self._vertices_at(row), self._faces, self._colour)
        return Seen(self.motion.track.person, self._joints[row], self.motion.skeleton, mesh)

    def _vertices_at(self, row: int) -> Float[np.ndarray, "v 3"]:
        assert self._body is not None
        if not self._first <= row < self._first + len(self._vertices):
            self._first = row
            rows = torch.arange(row, min(row + BATCH, len(self.motion)))
            self._vertices = vertices_in_camera(self.motion, self._body, rows).numpy()
        vertices = self._vertices[row - self._first]
        if row + 1 == len(self.motion):
            self._vertices = self._vertices[:0]
        return vertices


def vertices_in_camera(motion: Motion, body: BodyModel, rows: Int[Tensor, "r"]) -> Float[Tensor, "r v 3"]:
    """The body's surface [m] in camera axes, at some frames of a motion that has a body."""
    assert motion.body is not None
    with torch.inference_mode():
        posed = body.shaped(motion.body.betas[rows]).posed(motion.body.rotations[rows])
        return posed.vertices - posed.joints[:, :1] + motion.translation[rows, None]


def check_same_video(motion: Motion, video: Video) -> None:
    """Makes sure that a motion can have been made from a video.

    Raises:
        UserError: the video's pictures have another shape, or it ends before the person does.
    """
    found, made, person = video.size, motion.camera.size, motion.track.person
    if abs(found[0] * made[1] - found[1] * made[0]) > 0.01 * found[0] * made[1]:
        raise UserError(
            f"person {person} was found in a video of {made[0]}x{made[1]} pixels, this one has"
            f" {found[0]}x{found[1]}; name the video that the motion files were made from"
        )
    last = int(motion.track.frames.max())
    if last >= len(video):
        raise UserError(
            f"person {person} is seen up to frame {last}, and this video has {len(video)} frames; name the video that"
            " the motion files were made from"
        )


def camera_for(motion: Motion, wanted: tuple[int, int]) -> Camera:
    """The motion's camera for pictures of the size `wanted`."""
    share = wanted[0] / motion.camera.size[0]
    center = (motion.camera.center[0] * share, motion.camera.center[1] * share)
    return replace(motion.camera, focal=motion.camera.focal * share, center=center, size=wanted)
