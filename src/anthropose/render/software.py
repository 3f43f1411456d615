"""Rasterising in plain numpy, for machines without OpenGL: the same picture, some ten times slower."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from anthropose.render.surface import AMBIENT, KEY, LINE, NEAR, RIM, Direction, Mesh, Rasteriser, Topologies, View, unit

SAMPLES = 2
"""Samples per pixel along each axis, which smooth the outlines."""

CANDIDATES = 4_000_000
"""Pairs of a triangle and a sample looked at in one go; bounds the memory."""

FACING_AWAY = np.repeat(np.array([1, -1, 1], np.float32), 3)
"""What turns the normal among a corner's position, normal and colour."""


class SoftwareRasteriser(Rasteriser):
    """A z-buffer: every sample of the picture keeps the nearest triangle that covers it, then those are lit."""

    device = "numpy, without OpenGL"

    def __init__(self, light: Direction, wireframe: bool = False) -> None:
        self._light, self._wireframe = unit(light), wireframe
        self._topologies = Topologies()

    def close(self) -> None:
        """Nothing is held."""

    def draw(self, meshes: list[Mesh], view: View) -> UInt8[np.ndarray, "h w 4"]:
        """Colour times coverage, and coverage, of the rectangle's pixels."""
        corners = _cut_by_near_plane(np.concatenate([self._corners(mesh) for mesh in meshes]))
        height, width = view.rectangle.height * SAMPLES, view.rectangle.width * SAMPLES
        pixels = np.zeros((height, width, 4), np.float32)
        if len(corners):
            screen = _to_samples(corners[..., :3], view)
            sample, triangle, shares = _nearest(screen, width, height)
            lit = self._lit(np.einsum("sk,skc->sc", shares, corners[triangle]))
            if self._wireframe:
                lit *= _near_edge(screen[triangle, :, :2], sample % width + 0.5, sample // width + 0.5)[:, None]
            pixels.reshape(-1, 4)[sample] = lit
        small = cv2.resize(pixels, (view.rectangle.width, view.rectangle.height), interpolation=cv2.INTER_AREA)
        return np.rint(small * 255).astype(np.uint8)

    def _corners(self, mesh: Mesh) -> Float[np.ndarray, "f 3 9"]:
        """Position, normal and colour at the corners of the triangles that may be seen."""
        topology = self._topologies.of(mesh)
        colour = np.broadcast_to(np.asarray(mesh.colour, np.float32), mesh.vertices.shape)
        corners = np.concatenate([mesh.vertices, topology.normals(mesh.vertices), colour], axis=1)[topology.faces]
        a, b, c = (corners[:, i, :3] for i in range(3))
        away = (np.cross(b - a, c - a) * a).sum(-1) >= 0
        if topology.solid:
            return corners[~away]
        return np.where(away[:, None, None], corners * FACING_AWAY, corners)

    def _lit(self, surface: Float[np.ndarray, "s 9"]) -> Float[np.ndarray, "s 4"]:
        """The colour of points on the surface, as in the fragment shader of `gl.py`."""
        at, normal, colour = surface[:, :3], surface[:, 3:6], surface[:, 6:]
        normal = normal / np.linalg.norm(normal, axis=1, keepdims=True).clip(1e-20)
        towards_camera = -at / np.linalg.norm(at, axis=1, keepdims=True)
        key = 0.5 + 0.5 * normal @ self._light
        rim = 1 - (normal * towards_camera).sum(1).clip(0)
        lit = colour * (AMBIENT + KEY * key)[:, None] + (RIM * rim**3)[:, None]
        return np.concatenate([lit.clip(0, 1), np.ones((len(lit), 1), np.float32)], axis=1)


def _cut_by_near_plane(corners: Float[np.ndarray, "f 3 c"]) -> Float[np.ndarray, "g 3 c"]:
    """The triangles with what lies before the near plane cut away; a cut one becomes one or two."""
    inside = corners[..., 2] > NEAR
    count = inside.sum(1)
    pieces = [corners[count == 3]]
    for kept in (1, 2):
        cut = np.flatnonzero(count == kept)
        # Turned, in order, until the corner that is alone on its side of the plane comes first.
        alone = (inside if kept == 1 else ~inside)[cut].argmax(1)
        first, second, third = (corners[cut, (alone + i) % 3] for i in range(3))
        to_second, to_third = _at_near_plane(first, second), _at_near_plane(first, third)
        if kept == 1:
            pieces.append(np.stack([first, to_second, to_third], 1))
        else:
            pieces += [np.stack([to_second, second, third], 1), np.stack([to_second, third, to_third], 1)]
    return np.concatenate(pieces)


def _at_near_plane(a: Float[np.ndarray, "f c"], b: Float[np.ndarray, "f c"]) -> Float[np.ndarray, "f c"]:
    share = (NEAR - a[:, 2:3]) / (b[:, 2:3] - a[:, 2:3])
    return a + share * (b - a)


def _to_samples(points: Float[np.ndarray, "f 3 3"], view: View) -> Float[np.ndarray, "f 3 3"]:
    """Sample coordinates x and y within the rectangle, and the inverse depth, which is linear over the picture."""
    origin = np.array(view.center) - np.array(view.rectangle[:2])
    pixels = points[..., :2].astype(np.float64) / points[..., 2:] * view.focal + origin
    return np.concatenate([pixels * SAMPLES, 1 / points[..., 2:]], axis=-1)


def _nearest(
    screen: Float[np.ndarray, "f 3 3"], width: int, height: int
) -> tuple[np.ndarray, np.ndarray, Float[np.ndarray, "s 3"]]:
    """The covered samples, for each its nearest triangle, and the shares of that triangle's corners in it."""
    low = np.floor(screen[..., :2].min(1)).clip(0).astype(int)
    high = np.ceil(screen[..., :2].max(1)).clip(None, [width, height]).astype(int)
    extent = (high - low).clip(0)
    nearest, owner = np.zeros(width * height), np.zeros(width * height, int)
    order = np.argsort(extent.prod(1), kind="stable")
    order = order[extent[order].prod(1) > 0]
    ends = np.cumsum(extent[order].prod(1))
    for part in np.split(order, np.searchsorted(ends, np.arange(CANDIDATES, ends[-1] if len(ends) else 0, CANDIDATES))):
        triangle, x, y = _candidates(part, low, extent)
        shares = _shares(screen[triangle, :, :2], x + 0.5, y + 0.5)
        covered = (shares >= 0).all(1)
        triangle, sample, shares = triangle[covered], (y * width + x)[covered], shares[covered]
        inverse_depth = (shares * screen[triangle, :, 2]).sum(1)
        # Written from far to near: of several values for one sample, numpy keeps the last.
        by_depth = np.argsort(inverse_depth, kind="stable")
        by_depth = by_depth[inverse_depth[by_depth] > nearest[sample[by_depth]]]
        nearest[sample[by_depth]] = inverse_depth[by_depth]
        owner[sample[by_depth]] = triangle[by_depth]
    sample = np.flatnonzero(nearest)
    triangle = owner[sample]
    flat = _shares(screen[triangle, :, :2], sample % width + 0.5, sample // width + 0.5)
    true = flat * screen[triangle, :, 2]
    return sample, triangle, true / true.sum(1, keepdims=True)


def _candidates(
    triangles: np.ndarray, low: np.ndarray, extent: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangle, x and y for every sample in the bounding rectangle of every triangle."""
    counts = extent[triangles].prod(1)
    triangle = np.repeat(triangles, counts)
    within = np.arange(len(triangle)) - np.repeat(np.cumsum(counts) - counts, counts)
    columns = extent[triangle, 0]
    return triangle, low[triangle, 0] + within % columns, low[triangle, 1] + within // columns


def _shares(corners: Float[np.ndarray, "s 3 2"], x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "s 3"]:
    """Barycentric coordinates of points in triangles of the picture; negative outside."""
    (ax, ay), (bx, by), (cx, cy) = (corners[:, i].T for i in range(3))
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    area = np.where(area == 0, np.inf, area)
    b = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
    c = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
    flat = np.isinf(area)
    return np.stack([np.where(flat, -1, 1 - b - c), b, c], axis=1)


def _near_edge(corners: Float[np.ndarray, "s 3 2"], x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "s"]:
    """How much each sample belongs to an edge of its triangle, from 0 to 1, as in the wireframe's shader of `gl.py`."""
    bases = np.roll(corners, -2, axis=1) - np.roll(corners, -1, axis=1)
    (a, b), (c, d) = (corners[:, 1] - corners[:, 0]).T, (corners[:, 2] - corners[:, 0]).T
    heights = np.abs(a * d - b * c)[:, None] / np.linalg.norm(bases, axis=2).clip(1e-6)
    nearest = (_shares(corners, x, y) * heights).min(1) / SAMPLES
    inward = (nearest - LINE + 0.5).clip(0, 1)
    return (1 - inward**2 * (3 - 2 * inward)).astype(np.float32)
