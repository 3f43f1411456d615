"""People on a floor, seen from elsewhere than the video's camera: from the side, from above, or over its shoulder."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from anthropose.motion import Motion
from anthropose.render.meshes import Mesh, MeshRenderer
from anthropose.render.scene import Seen
from anthropose.render.sticks import draw_joints_seen_by

PAPER, LINES, WORDS = (246, 246, 248), (208, 212, 220), (120, 126, 138)
"""Colours of background, floor grid and text."""

GRID = 0.5
"""Between the lines of the floor [m]."""

LARGEST_TILT = math.radians(30)
"""People who lean more than this, all clip long, are taken to lean; less, and the camera is taken to be tilted."""

ABOVE_HEAD, BELOW_FEET = 0.42, 0.08
"""What joints lack of the person [m]: the top of the head with some air over it, and the soles."""

Vector = Float[np.ndarray, "3"]


@dataclass(frozen=True)
class Look:
    """From where people are looked at."""

    turn: float
    """Of the place that is looked from, about the people, from the video's camera to its right [degrees]."""
    tilt: float
    """How far the view looks down [degrees]."""
    words: tuple[str, str] = ("", "")
    """Written at the top and at the bottom."""
    follows: bool = False
    """Whether the view goes along with the person over the floor."""


FROM_SIDE = Look(90, 8, ("from the side", "away from the camera ->"))
FROM_ABOVE = Look(0, 90, ("from above", "the camera is below"))
STICKS_TILT = 15.0
"""As in the published figures of lifters (rie spec, section 9) [degrees]."""


@dataclass(frozen=True, eq=False)
class Stage:
    """A view over a floor, placed so that everyone stays in its picture for the whole clip."""

    look: Look
    size: tuple[int, int]
    """Width and height of the panel [px]."""
    axes: Float[np.ndarray, "3 3"]
    """In the video camera's axes, as rows: along the floor to this view's right, up, and along the floor into it."""
    origin: Vector
    """The point on the floor amid the people, in the video camera's axes [m]."""
    height: float
    """Of the middle of the people above the floor [m]."""
    distance: float
    """Of this view's camera from the middle of the people [m]."""
    focal: float
    """[px]"""
    reach: float
    """How far the floor is drawn to either side [m]."""

    @classmethod
    def around(cls, motions: Sequence[Motion], size: tuple[int, int], look: Look) -> "Stage":
        """A view of `size` pixels in which all motions fit.

        Several people keep their places among each other. The floor is where the lowest feet are.
        """
        axes = _axes(_up(motions), math.radians(look.turn))
        places = [(m.joints + m.translation[:, None]).double().numpy() @ axes.T for m in motions]
        if look.follows:
            places = [place - place[:, :1] * np.array([1, 0, 1]) for place in places]
        points = np.concatenate([np.empty((0, 3)), *(place.reshape(-1, 3) for place in places)])
        points = points[np.isfinite(points).all(1)]
        # Percentiles, so that a few frames gone wrong do not shrink everything else.
        low, high = np.percentile(points, [2, 98], axis=0) if len(points) else (np.zeros(3), np.zeros(3))
        floor, top = low[1] - BELOW_FEET, max(high[1] + ABOVE_HEAD, low[1] + 1.7)
        middle = np.array([(low[0] + high[0]) / 2, (floor + top) / 2, (low[2] + high[2]) / 2])
        if look.follows:
            middle[[0, 2]] = 0.0
        around = 0.4 if look.follows else 1.0
        sides = np.array([high[0] - low[0] + around, top - floor, high[2] - low[2] + around])
        wide, tall, deep = _extents(sides, math.radians(look.tilt))
        distance = 4 * max(wide, tall) + deep / 2
        return cls(
            look=look,
            size=size,
            axes=axes,
            origin=(middle * [1, 0, 1] + [0, floor, 0]) @ axes,
            height=float(middle[1] - floor),
            distance=float(distance),
            focal=float((distance - deep / 2) * min(size[0] / wide, 0.9 * size[1] / tall)),
            reach=float(max(wide, deep) + 2),
        )

    @property
    def center(self) -> tuple[float, float]:
        """The principal point [px]."""
        return self.size[0] / 2, self.size[1] / 2

    @cached_property
    def rotation(self) -> Float[np.ndarray, "3 3"]:
        """From the video camera's axes to this view's: right, down, forward."""
        right, up, ahead = self.axes
        cos, sin = math.cos(math.radians(self.look.tilt)), math.sin(math.radians(self.look.tilt))
        return np.stack([right, -cos * up - sin * ahead, cos * ahead - sin * up])

    def place(self, points: Float[np.ndarray, "*b 3"], origin: Vector | None = None) -> Float[np.ndarray, "*b 3"]:
        """Points from the video camera's axes to this view's [m].

        Args:
            origin: the point of the floor that is in the middle, where the view follows somebody.
        """
        middle = (self.origin if origin is None else origin) + self.height * self.axes[1]
        return ((points - middle) @ self.rotation.T + [0, 0, self.distance]).astype(np.float32)

    def draw(self, people: Sequence[Seen], renderer: MeshRenderer | None) -> UInt8[np.ndarray, "h w 3"]:
        """The panel with these people, drawn by a renderer of the panel's size; by none, all are drawn as sticks."""
        origin = self._origin_at(people[0].joints[0]) if people and self.look.follows else self.origin
        picture = self.paper(origin) if self.look.follows else self._still.copy()
        meshes = [person.mesh for person in people if person.mesh is not None]
        if renderer is not None and meshes:
            placed = [Mesh(self.place(mesh.vertices, origin), mesh.faces, mesh.colour) for mesh in meshes]
            picture = renderer.draw(picture, placed, self.focal, self.center)
        sticks = [(self.place(p.joints, origin), p) for p in people if renderer is None or p.mesh is None]
        for joints, person in sorted(sticks, key=lambda pair: -float(np.nan_to_num(pair[0][0, 2]))):
            draw_joints_seen_by(picture, joints, person.skeleton, self.focal, self.center)
        return picture

    def _origin_at(self, root: Vector) -> Vector:
        """The point of the floor under somebody, or the middle where that is unknown."""
        if not np.isfinite(root).all():
            return self.origin
        right, up, ahead = self.axes
        return (root @ right) * right + (self.origin @ up) * up + (root @ ahead) * ahead

    @cached_property
    def _still(self) -> UInt8[np.ndarray, "h w 3"]:
        return self.paper(self.origin)

    def paper(self, origin: Vector) -> UInt8[np.ndarray, "h w 3"]:
        """The floor on a plain background, with the lines that are near `origin`."""
        width, height = self.size
        picture = np.full((height, width, 3), PAPER, np.uint8)
        right, _, ahead = self.axes
        for along, across in ((right, ahead), (ahead, right)):
            # The lines lie still in the video's world and pass below someone who is followed.
            shift = float((origin - self.origin) @ across)
            at = np.arange(math.ceil((shift - self.reach) / GRID), (shift + self.reach) / GRID) * GRID - shift
            ends = origin + at[:, None, None] * across + np.array([[-self.reach], [self.reach]]) * along
            placed = self.place(ends, origin)
            pixels = (16 * (placed[..., :2] / placed[..., 2:] * self.focal + self.center)).round().astype(np.int32)
            cv2.polylines(picture, list(pixels), False, LINES, 1, cv2.LINE_AA, shift=4)
        for text, y in zip(self.look.words, (0.06, 0.97), strict=True):
            place = (width // 20, round(y * height))
            scale = max(height / 1200, 0.3)
            cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, WORDS, 1, cv2.LINE_AA)
        return picture


def _axes(up: Vector, turn: float) -> Float[np.ndarray, "3 3"]:
    """Right, up and ahead of a view that stands `turn` [rad] to the right of the video's camera, in that one's axes."""
    away = np.array([0.0, 0.0, 1.0]) - up[2] * up
    away /= np.linalg.norm(away)
    beside = np.cross(away, up)
    ahead = math.cos(turn) * away - math.sin(turn) * beside
    return np.stack([np.cross(ahead, up), up, ahead])


def _extents(sides: Vector, tilt: float) -> tuple[float, float, float]:
    """Width, height and depth [m], in a view that looks down, of a box with these sides."""
    tall = sides[1] * math.cos(tilt) + sides[2] * math.sin(tilt)
    deep = sides[2] * math.cos(tilt) + sides[1] * math.sin(tilt)
    return max(float(sides[0]), 1.7), max(float(tall), 1.7), float(deep)


def _up(motions: Sequence[Motion]) -> Vector:
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
