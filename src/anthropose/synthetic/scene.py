"""Made-up clips: bodies that walk about a room before a camera, whose truth is known in every frame."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.geometry.cameras import guess_focal
from anthropose.motion import Camera, Motion
from anthropose.render.meshes import Mesh, MeshRenderer
from anthropose.skeleton import SMPL_24
from anthropose.synthetic.clothes import clothe
from anthropose.synthetic.parts import parts
from anthropose.synthetic.performance import Performance, perform
from anthropose.synthetic.room import Room, paint_room
from anthropose.synthetic.viewpoint import BATCH, Viewpoint, seen_by
from anthropose.video import VideoWriter

FOCAL_SHARE = 0.88
"""The true focal length over the pipeline's guess from the picture's size: the guess is off, as with real cameras."""

HEIGHT, PITCH = 1.5, np.radians(6.5)
"""Of the camera above the floor [m], and how far it looks down [rad]: a telephone held before the chest."""

GRAIN = 8
"""Grey levels added to the sensor noise to store it without a sign."""


@dataclass(frozen=True, eq=False)
class Scene:
    """People in a room before a camera that stands still."""

    body: BodyModel
    view: Viewpoint
    performances: tuple[Performance, ...]
    """Of the people, in the order of their numbers."""
    seed: int

    @property
    def camera(self) -> Camera:
        """The true camera."""
        return self.view.camera

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.performances[0].fps

    def __len__(self) -> int:
        return len(self.performances[0])

    @cached_property
    def truth(self) -> list[Motion]:
        """Everyone's true motion in the camera, in the frames in which the person is in the picture."""
        return seen_by(self.view, list(self.performances), self.body)

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """The pictures from `start` to `stop`, drawn one after the other; the same ones every time."""
        clothes = [clothe(self.body, person, self.seed) for person in range(len(self.performances))]
        faces = self.body.faces.numpy()
        grain = _grain(self.seed, self.camera.size)
        wanted = range(len(self))[start:stop]
        with MeshRenderer(*self.camera.size) as renderer:
            for first in wanted[::BATCH]:
                surfaces = [self._surface(performance, first) for performance in self.performances]
                for frame in wanted[first - wanted.start :][:BATCH]:
                    meshes = [Mesh(s[frame - first], faces, c) for s, c in zip(surfaces, clothes, strict=True)]
                    picture = self._room.shaded(self._shadows(frame))
                    picture = renderer.draw(picture, meshes, self.camera.focal, self.camera.center)
                    yield _developed(picture, grain, np.random.default_rng([self.seed, frame]))

    def write(self, path: Path, progress: Callable[[float], None] = lambda share: None) -> None:
        """Writes the pictures as an MP4.

        Raises:
            UserError: the file cannot be written.
        """
        with VideoWriter(path, self.camera.size, self.fps) as writer:
            for done, picture in enumerate(self.frames(), start=1):
                writer.write(picture)
                progress(done / len(self))

    def _surface(self, performance: Performance, start: int) -> Float[np.ndarray, "b v 3"]:
        with torch.inference_mode():
            return self.view.place(performance.posed(self.body, start, start + BATCH).vertices).numpy()

    @cached_property
    def _room(self) -> Room:
        return paint_room(self.view, self.seed)

    @cached_property
    def _joints(self) -> list[Float[np.ndarray, "n 24 3"]]:
        points = self.body.points(SMPL_24)
        rest = [p.pelvis - self.body.shaped(p.betas).joints[0] for p in self.performances]
        return [
            points(p.betas.expand(len(p), 10), p.rotations, shift).numpy()
            for p, shift in zip(self.performances, rest, strict=True)
        ]

    def _shadows(self, frame: int) -> Float[np.ndarray, "b 4"]:
        """x, z, radius and darkness: small dark spots under feet that touch the floor, a wide one under each body."""
        blobs = []
        for joints in self._joints:
            for name in ("left_ankle", "left_foot", "right_ankle", "right_foot"):
                x, y, z = joints[frame, SMPL_24.index(name)]
                blobs.append((x, z, 0.10 + 0.3 * max(y - 0.08, 0), 0.38 * np.exp(-max(y - 0.08, 0) / 0.12)))
            x, _, z = joints[frame, SMPL_24.index("spine1")]
            blobs.append((x, z, 0.34, 0.32))
        return np.array(blobs)


def make_scene(
    seed: int = 0,
    seconds: float = 6.0,
    size: tuple[int, int] = (960, 540),
    persons: int = 2,
    fps: float = 30.0,
    body: BodyModel | None = None,
) -> Scene:
    """A clip in which one person comes, waves and goes, and another crosses behind and squats.

    Args:
        seed: chooses the people's shapes and clothes, the room's looks, and where exactly people walk.
        seconds: of the clip.
        size: width and height of the pictures [px].
        persons: one to three.
        fps: frames per second.
        body: what the people are made of; the free body when not given.

    Raises:
        ValueError: there are not so many parts.
    """
    model = load_body("free") if body is None else body
    known = parts(seed)
    if not 1 <= persons <= len(known):
        raise ValueError(f"a made-up scene has 1 to {len(known)} persons, not {persons}")
    focal = FOCAL_SHARE * guess_focal(*size)
    view = Viewpoint.standing(Camera(focal, (size[0] / 2, size[1] / 2), size), HEIGHT, PITCH)
    shapes = np.random.default_rng([seed, 3]).standard_normal((len(known), 10)).clip(-1.5, 1.5)
    performances = tuple(
        perform(part, model, torch.from_numpy(betas).float(), seconds, fps)
        for part, betas in zip(known[:persons], shapes, strict=False)
    )
    return Scene(model, view, performances, seed)


def _grain(seed: int, size: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    """Sensor noise for a picture a little larger than needed, of which each frame takes another part."""
    noise = np.random.default_rng([seed, 7]).standard_normal((size[1] + 64, size[0] + 64, 3))
    return np.clip(GRAIN + 2.2 * noise, 0, 2 * GRAIN).astype(np.uint8)


def _developed(picture: np.ndarray, grain: np.ndarray, rng: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
    """The picture as a lens and a sensor would give it: not quite sharp, with noise."""
    height, width = picture.shape[:2]
    top, left = rng.integers(0, 64, 2)
    soft = cv2.GaussianBlur(picture, (3, 3), 0.6)
    noise = np.ascontiguousarray(grain[top : top + height, left : left + width])
    return cv2.addWeighted(soft, 1, noise, 1, -GRAIN)
