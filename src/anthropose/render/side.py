"""The people of a video seen from the side, over a floor: what the video's own view hides shows there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from anthropose.motion import Motion
from anthropose.render.meshes import Mesh, MeshRenderer
from anthropose.render.sticks import draw_joints_seen_by

if TYPE_CHECKING:
    from anthropose.render.overlay import Seen

PAPER, LINES, WORDS = (246, 246, 248), (208, 212, 220), (120, 126, 138)
"""Colours of background, floor grid and text."""

LOOKS_DOWN = math.radians(8)
"""How far the view tips, so that the floor is seen as one."""

LARGEST_TILT = math.radians(30)
"""People who lean more than this, all clip long, are taken to lean; less, and the camera is taken to be tilted."""


@dataclass(frozen=True, eq=False)
class SideView:
    """A camera that does not move, placed so that everyone stays in its picture for the whole clip."""

    size: tuple[int, int]
    """Width and height of the panel [px]."""
    axes: Float[np.ndarray, "3 3"]
    """In the video camera's axes, as rows: away from that camera along the floor, up, and into this view's picture."""
    origin: Float[np.ndarray, "3"]
    """The point on the floor amid the people, in the video camera's axes [m]."""
    height: float
    """Of the middle of the people above the floor [m]."""
    distance: float
    """Of this view's camera from the middle of the people [m]."""
    focal: float
    """[px]"""
    reach: int
    """How far the floor is drawn to either side [m]."""

    @classmethod
    def around(cls, motions: Sequence[Motion], size: tuple[int, int]) -> "SideView":
        """A view of `size` pixels from the right of the video's camera; what is away from that camera is on the right.

        Several people keep their places among each other. The floor is where the lowest feet are.
        """
        points = torch.cat([(m.joints + m.translation[:, None]).flatten(0, 1) for m in motions]).double().numpy()
        up = _up(motions)
        away = np.array([0.0, 0.0, 1.0]) - up[2] * up
        away /= np.linalg.norm(away)
        axes = np.stack([away, up, np.cross(up, away)])
        # Percentiles, so that a few frames gone wrong do not shrink everything else.
        low, high = np.percentile(points[np.isfinite(points).all(1)] @ axes.T, [2, 98], axis=0)
        middle, floor = (low + high) / 2, low[1] - 0.08
        wide, tall, deep = max(high[0] - low[0] + 1.0, 2.0), max(high[1] - floor + 0.5, 2.2), high[2] - low[2]
        distance = 4 * max(wide, tall) + deep / 2
        return cls(
            size=size,
            axes=axes,
            origin=np.array([middle[0], floor, middle[2]]) @ axes,
            height=float(tall / 2),
            distance=float(distance),
            focal=float((distance - deep / 2) * min(size[0] / wide, 0.9 * size[1] / tall)),
            reach=math.ceil(max(wide, deep) + 2),
        )

    @property
    def center(self) -> tuple[float, float]:
        """The principal point [px]."""
        return self.size[0] / 2, self.size[1] / 2

    @cached_property
    def rotation(self) -> Float[np.ndarray, "3 3"]:
        """From the video camera's axes to this view's: right, down, forward."""
        right, up, ahead = self.axes
        cos, sin = math.cos(LOOKS_DOWN), math.sin(LOOKS_DOWN)
        return np.stack([right, -cos * up - sin * ahead, cos * ahead - sin * up])

    def place(self, points: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 3"]:
        """Points from the video camera's axes to this view's [m]."""
        middle = self.origin + self.height * self.axes[1]
        return ((points - middle) @ self.rotation.T + [0, 0, self.distance]).astype(np.float32)

    def draw(self, people: Sequence["Seen"], renderer: MeshRenderer) -> UInt8[np.ndarray, "h w 3"]:
        """The panel with these people, drawn by a renderer of the panel's size."""
        meshes = [Mesh(self.place(p.mesh.vertices), p.mesh.faces, p.mesh.colour) for p in people if p.mesh is not None]
        picture = renderer.draw(self.paper, meshes, self.focal, self.center)
        for person in people:
            if person.mesh is None:
                draw_joints_seen_by(picture, self.place(person.joints), person.skeleton, self.focal, self.center)
        return picture

    @cached_property
    def paper(self) -> UInt8[np.ndarray, "h w 3"]:
        """The floor on a plain background, its lines half a metre apart."""
        width, height = self.size
        picture = np.full((height, width, 3), PAPER, np.uint8)
        right, _, ahead = self.axes
        for at in np.arange(-self.reach, self.reach + 0.5, 0.5):
            for along, across in ((right, ahead), (ahead, right)):
                ends = self.place(self.origin + at * across + np.array([[-self.reach], [self.reach]]) * along)
                start, end = (16 * (ends[:, :2] / ends[:, 2:] * self.focal + self.center)).round().astype(int).tolist()
                cv2.line(picture, start, end, LINES, 1, cv2.LINE_AA, shift=4)
        for text, y in (("from the side", 0.06), ("away from the camera ->", 0.97)):
            place = (width // 20, round(y * height))
            cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, height / 1200, WORDS, 1, cv2.LINE_AA)
        return picture


def _up(motions: Sequence[Motion]) -> Float[np.ndarray, "3"]:
    """The direction from ankles to neck over all people and frames; the picture's up where they lie or lean."""
    picture_up = np.array([0.0, -1.0, 0.0])
    directions = []
    for motion in motions:
        names = motion.skeleton.joints
        if {"neck", "left_ankle", "right_ankle"} <= set(names):
            ankles = motion.joints[:, [names.index("left_ankle"), names.index("right_ankle")]].mean(1)
            directions.append(torch.nn.functional.normalize(motion.joints[:, names.index("neck")] - ankles, dim=1))
    if not directions:
        return picture_up
    up = torch.cat(directions).nanmedian(0).values.double().numpy()
    up /= max(float(np.linalg.norm(up)), 1e-9)
    return up if float(up @ picture_up) > math.cos(LARGEST_TILT) else picture_up
