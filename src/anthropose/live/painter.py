"""The last stage: the people drawn over the frame."""

from types import TracebackType

import cv2
import numpy as np
import torch
from jaxtyping import UInt8

from anthropose.body.model import BodyModel
from anthropose.colours import person_colour
from anthropose.live.crowd import Present
from anthropose.live.figures import Speed
from anthropose.motion import Camera
from anthropose.render.meshes import Mesh, MeshRenderer
from anthropose.render.overlay import Seen, draw_people
from anthropose.skeleton import SMPL_24


class Painter:
    """Draws bodies; to be made and used in one thread, since OpenGL is bound to it."""

    def __init__(self, body: BodyModel, camera: Camera, opacity: float = 0.9) -> None:
        self._body, self._camera = body, camera
        self._faces = body.faces.numpy()
        self._renderer = MeshRenderer(*camera.size, opacity=opacity)

    def __enter__(self) -> "Painter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._renderer.close()

    def draw(self, image: UInt8[np.ndarray, "h w 3"], present: list[Present]) -> UInt8[np.ndarray, "h w 3"]:
        """A new picture with the people over the frame, each labelled with the number."""
        return draw_people(image, [(self._seen(one), self._camera) for one in present], self._renderer)

    @torch.no_grad()
    def _seen(self, one: Present) -> Seen:
        pose, place = one.instant.body, one.instant.translation
        posed = self._body.shaped(pose.betas[None]).posed(pose.rotations[None])
        vertices = (posed.vertices - posed.joints[:, :1])[0] + place
        mesh = Mesh(vertices.numpy(), self._faces, person_colour(one.person))
        return Seen(one.person, (one.instant.joints + place).numpy(), SMPL_24, mesh)


def with_speed(picture: UInt8[np.ndarray, "h w 3"], speed: Speed) -> UInt8[np.ndarray, "h w 3"]:
    """A new picture with rate and latency in its lower left corner."""
    picture, font = picture.copy(), cv2.FONT_HERSHEY_SIMPLEX
    scale = max(0.45, picture.shape[0] / 1000)
    place = (round(16 * scale), picture.shape[0] - round(20 * scale))
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(picture, str(speed), place, font, scale, colour, max(1, round(2 * scale * thickness)), cv2.LINE_AA)
    return picture
