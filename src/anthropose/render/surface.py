"""What is drawn and how it is lit: shared by the rasterisers in `gl.py` and `software.py`."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int32, UInt8

NEAR = 0.05
"""Surfaces nearer than this [m] to the camera's plane are cut away."""

LINE = 0.4
"""Half the width of the edges of a wireframe [px]."""

Direction = tuple[float, float, float]

SOFT_LIGHT: Direction = (-0.45, -0.75, -0.5)
"""Towards a light above, to the left of and behind the camera."""

AMBIENT, KEY, RIM = 0.42, 0.62, 0.16
"""Shares of even light, of the soft light, and of the pale seam that sets an outline off from the picture."""


class Mesh(NamedTuple):
    """A surface to draw; one that is open is seen from both sides."""

    vertices: Float[np.ndarray, "v 3"]
    """Positions [m] in camera axes."""
    faces: np.ndarray
    """(f, 3) vertex indices, all wound the same way; keep one array for all frames, since it is prepared only once."""
    colour: Float[np.ndarray, "v 3"] | Direction
    """Red, green and blue from 0 to 1, of the whole mesh or of each vertex."""


class Rectangle(NamedTuple):
    """A part of the picture, in whole pixels."""

    left: int
    top: int
    width: int
    height: int

    def overlaps(self, other: "Rectangle") -> bool:
        """Whether the two share a pixel."""
        apart_x = self.left >= other.left + other.width or other.left >= self.left + self.width
        apart_y = self.top >= other.top + other.height or other.top >= self.top + self.height
        return not (apart_x or apart_y)

    def around(self, other: "Rectangle") -> "Rectangle":
        """The smallest rectangle that holds both."""
        left, top = min(self.left, other.left), min(self.top, other.top)
        right = max(self.left + self.width, other.left + other.width)
        bottom = max(self.top + self.height, other.top + other.height)
        return Rectangle(left, top, right - left, bottom - top)


class View(NamedTuple):
    """The camera, and the part of its picture that is wanted."""

    focal: float
    center: tuple[float, float]
    rectangle: Rectangle


class Rasteriser(ABC):
    """Draws meshes into a rectangle of the picture."""

    device: str
    """What draws, in words."""

    @abstractmethod
    def draw(self, meshes: list[Mesh], view: View) -> UInt8[np.ndarray, "h w 4"]:
        """Colour times coverage, and coverage, of the rectangle's pixels."""

    @abstractmethod
    def close(self) -> None:
        """Gives back what the graphics library holds."""


class Topology:
    """The faces of a mesh, prepared so that each frame's normals are cheap."""

    def __init__(self, faces: np.ndarray, vertices: Float[np.ndarray, "v 3"]) -> None:
        from scipy.sparse import csr_matrix

        self.source = faces
        """Kept so that its memory is not given to another array, by whose address we know it again."""
        filled = _filled(vertices, faces)
        self.solid = abs(filled) > 0.01
        """Whether the surface encloses something, so that the faces turned away from the camera need not be drawn."""
        self.faces: Int32[np.ndarray, "f 3"] = np.ascontiguousarray(faces[:, ::-1] if filled < 0 else faces, np.int32)
        """Wound counter-clockwise as seen from outside, in axes that are right-handed."""
        self.corners = [np.ascontiguousarray(self.faces[:, i]) for i in range(3)]
        entries = (np.ones(3 * len(faces), np.float32), (self.faces.ravel(), np.repeat(np.arange(len(faces)), 3)))
        self._sum_over_faces = csr_matrix(entries, shape=(len(vertices), len(faces)))

    def normals(self, vertices: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "v 3"]:
        """Outward directions at the vertices, not of unit length: the mean of the faces around, by their area."""
        a, b, c = (np.take(vertices, corner, 0) for corner in self.corners)
        b -= a
        c -= a
        # Written out, since numpy's cross product takes five times as long.
        cross = np.empty_like(a)
        cross[:, 0] = b[:, 1] * c[:, 2] - b[:, 2] * c[:, 1]
        cross[:, 1] = b[:, 2] * c[:, 0] - b[:, 0] * c[:, 2]
        cross[:, 2] = b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0]
        return self._sum_over_faces @ cross


class Topologies:
    """Remembers what was prepared for each array of faces."""

    def __init__(self) -> None:
        self._known: dict[tuple, Topology] = {}

    def of(self, mesh: Mesh) -> Topology:
        """The topology of the mesh; prepared when its array of faces is seen for the first time."""
        key = (mesh.faces.__array_interface__["data"][0], mesh.faces.shape, mesh.faces.strides, len(mesh.vertices))
        if key not in self._known:
            self._known[key] = Topology(mesh.faces, mesh.vertices)
        return self._known[key]


def _filled(vertices: np.ndarray, faces: np.ndarray) -> float:
    """The share of the surface's bounding box that it encloses; negative where its faces are wound inside out."""
    a, b, c = (vertices[faces[:, i]] - vertices.mean(0) for i in range(3))
    volume = float((np.cross(a, b) * c).sum()) / 6
    return volume / max(float(np.ptp(vertices, axis=0).prod()), 1e-9)


def unit(direction: Direction) -> Float[np.ndarray, "3"]:
    """`direction` with length one."""
    array = np.asarray(direction, np.float32)
    return array / np.linalg.norm(array)
