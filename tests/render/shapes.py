"""Simple surfaces for tests of rendering."""

import numpy as np

from anthropose.render.meshes import Mesh

RED, GREEN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


def ball(middle: tuple[float, float, float], radius: float, colour: tuple[float, float, float] = RED) -> Mesh:
    """A closed ball of 12 by 16 faces, or rather pairs of triangles."""
    around, up = np.meshgrid(np.arange(16) * np.pi / 8, np.arange(13) * np.pi / 12)
    unit = np.stack([np.sin(up) * np.cos(around), np.cos(up), np.sin(up) * np.sin(around)], axis=-1).reshape(-1, 3)
    index = np.arange(13 * 16).reshape(13, 16)
    a, b = index[:-1], np.roll(index, -1, axis=1)[:-1]
    c, d = index[1:], np.roll(index, -1, axis=1)[1:]
    faces = np.concatenate([np.stack([a, b, d], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)])
    return Mesh((np.array(middle) + radius * unit).astype(np.float32), faces, colour)


def wall(depth: float, size: float = 50.0) -> Mesh:
    """A square across the view."""
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32) * size
    corners[:, 2] = depth
    return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]), GREEN)
