"""A furnished room for made-up people to walk in: painted once, as a camera that stands still sees it."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from anthropose.synthetic.viewpoint import Viewpoint

LOW, HIGH = np.array([-3.9, 0.0, -10.0]), np.array([3.9, 2.9, 4.0])
"""Corners of the room [m]."""

SHADOW_SCALE = 4
"""Shadows are soft, so that they are computed on a picture so many times smaller."""


@dataclass(frozen=True, eq=False)
class Room:
    """A picture of a room, and where its floor is in it."""

    picture: UInt8[np.ndarray, "h w 3"]
    floor: Float[np.ndarray, "h w"]
    """Share of each pixel that shows the floor."""
    ground: Float[np.ndarray, "hs ws 2"]
    """x and z [m] on the floor, or under it behind the walls, at the pixels of a smaller picture."""

    def shaded(self, blobs: Float[np.ndarray, "b 4"]) -> UInt8[np.ndarray, "h w 3"]:
        """The room with soft shadows on its floor: x, z, radius [m] and darkness of each."""
        height, width = self.floor.shape
        light = np.ones(self.ground.shape[:2], np.float32)
        for x, z, radius, darkness in blobs.astype(np.float32):
            apart = (self.ground[..., 0] - x) ** 2 + (self.ground[..., 1] - z) ** 2
            light *= 1 - darkness * np.exp(-apart / (2 * radius**2))
        shadow = (1 - cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR)) * self.floor
        return cv2.multiply(self.picture, cv2.cvtColor(1 - shadow, cv2.COLOR_GRAY2RGB), dtype=cv2.CV_8U)


def paint_room(view: Viewpoint, seed: int) -> Room:
    """The room from `view`; colours and patterns depend on the seed."""
    rng = np.random.default_rng([seed, 5])
    width, height = view.camera.size
    rays = _rays(view, 2.0)
    point, axis, distance = _hit(rays, view.position.double().numpy())
    noise = cv2.GaussianBlur(rng.standard_normal((512, 512)).astype(np.float32), (0, 0), 2.0)
    noise = noise / noise.std()
    colour = np.where((axis == 1)[..., None], _floor(point, noise, rng), _walls(point, axis, noise, rng))
    ceiling = (axis == 1) & (point[..., 1] > 1)
    colour[ceiling] = (0.90, 0.89, 0.87)
    colour *= _corners(point)[..., None] * (1.08 - 0.022 * distance[..., None])
    small = cv2.resize(colour.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    floor = cv2.resize(((axis == 1) & ~ceiling).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return Room((small.clip(0, 1) * 255).astype(np.uint8), floor, _ground(view))


def _rays(view: Viewpoint, samples: float) -> Float[np.ndarray, "h w 3"]:
    """Directions in the world of the samples of the picture, `samples` per pixel along each axis."""
    width, height = (round(side * samples) for side in view.camera.size)
    x = (np.arange(width) + 0.5) / samples - view.camera.center[0]
    y = (np.arange(height) + 0.5) / samples - view.camera.center[1]
    seen = np.stack([*np.meshgrid(x, y), np.full((height, width), view.camera.focal)], axis=-1)
    return seen / view.camera.focal @ view.rotation.double().numpy()


def _hit(rays: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where rays from inside the room meet its sides, across which axis, and how far away."""
    reach = np.where(rays > 0, HIGH - origin, LOW - origin) / np.where(rays == 0, 1e-9, rays)
    axis = reach.argmin(-1)
    share = np.take_along_axis(reach, axis[..., None], -1)
    return origin + share * rays, axis, share[..., 0]


def _ground(view: Viewpoint) -> Float[np.ndarray, "hs ws 2"]:
    rays = _rays(view, 1 / SHADOW_SCALE)
    share = float(view.position[1]) / (-rays[..., 1]).clip(1e-3)
    return (view.position[[0, 2]].double().numpy() + share[..., None] * rays[..., [0, 2]]).astype(np.float32)


def _pattern(noise: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Smooth noise at coordinates that count its grains; it repeats every 512."""
    return cv2.remap(noise, (u % 511).astype(np.float32), (v % 511).astype(np.float32), cv2.INTER_LINEAR)


def _floor(point: np.ndarray, noise: np.ndarray, rng: np.random.Generator) -> Float[np.ndarray, "h w 3"]:
    """Wooden boards that run away from the camera, with a rug."""
    x, z = point[..., 0], point[..., 2]
    board = np.floor(x / 0.16)
    shades, shifts = rng.uniform(0.82, 1.08, 97), rng.uniform(0, 2.4, 97)
    along = z + shifts[board.astype(int) % 97]
    gap = (x / 0.16 % 1 < 0.05) | (along / 1.9 % 1 < 0.006)
    grain = 1 + 0.045 * _pattern(noise, x * 300, z * 14) + 0.03 * _pattern(noise, x * 60, z * 60)
    wood = np.array([0.60, 0.45, 0.31]) * rng.uniform(0.85, 1.1)
    colour = (
        wood
        * (shades[(board + 31 * np.floor(along / 1.9)).astype(int) % 97] * grain * np.where(gap, 0.6, 1))[..., None]
    )
    rug = np.hypot((x - 0.3) / 1.5, (z + 6.2) / 0.9)
    weave = np.array([0.42, 0.47, 0.52]) * (1 + 0.06 * _pattern(noise, x * 150, z * 150))[..., None]
    ring = (rug > 0.86) & (rug < 0.93)
    weave = np.where(ring[..., None], weave * 1.35, weave)
    return np.where((rug < 1)[..., None], weave, colour)


def _walls(
    point: np.ndarray, axis: np.ndarray, noise: np.ndarray, rng: np.random.Generator
) -> Float[np.ndarray, "h w 3"]:
    """Plaster with a skirting board; pictures on the far wall, a window on the left and a shelf on the right."""
    across = np.where(axis == 2, point[..., 0], point[..., 2])
    up = point[..., 1]
    tint = np.array([0.74, 0.73, 0.68]) * rng.uniform(0.92, 1.05, 3)
    mottled = 1 + 0.012 * _pattern(noise, across * 25, up * 25) + 0.012 * _pattern(noise, across * 160, up * 160)
    colour = tint * mottled[..., None]
    far, left, right = (axis == 2), (axis == 0) & (point[..., 0] < 0), (axis == 0) & (point[..., 0] > 0)
    for middle in (-2.3, 0.4, 2.6):
        size = rng.uniform(0.3, 0.55, 2)
        inks = rng.uniform(0.2, 0.8, (2, 3))
        u, v = (across - middle) / size[0], (up - 1.75) / size[1]
        blend = (0.5 + 0.35 * _pattern(noise, across * 18 + 90 * middle, up * 18)).clip(0, 1)[..., None]
        painted = inks[0] * blend + inks[1] * (1 - blend)
        _put(colour, far & (np.maximum(abs(u), abs(v)) < 1.12), np.array([0.16, 0.13, 0.11]))
        _put(colour, far & (np.maximum(abs(u), abs(v)) < 1), painted)
    pane = left & (abs(across + 6.5) < 1.0) & (abs(up - 1.6) < 0.75)
    _put(colour, left & (abs(across + 6.5) < 1.1) & (abs(up - 1.6) < 0.85), np.array([0.93, 0.93, 0.91]))
    _put(colour, pane & (abs(across + 6.5) > 0.03), np.array([0.80, 0.90, 0.98]))
    _put(
        colour,
        right & (abs(across + 7.0) < 0.9) & (abs((up - 0.5) % 0.45) < 0.05) & (up < 2),
        np.array([0.34, 0.25, 0.18]),
    )
    _put(colour, up < 0.1, np.array([0.86, 0.85, 0.83]))
    return colour


def _put(colour: np.ndarray, where: np.ndarray, paint: np.ndarray) -> None:
    colour[where] = paint[where] if paint.ndim == 3 else paint


def _corners(point: np.ndarray) -> np.ndarray:
    """Less light reaches the edges where two sides of the room meet."""
    apart = np.sort(np.minimum(point - LOW, HIGH - point), axis=-1)[..., 1]
    return 1 - 0.28 * np.exp(-apart / 0.35)
