"""Bodies drawn over a picture: `MeshRenderer`, with OpenGL where there is some and else in plain numpy.

The picture is exactly that of `geometry.cameras.project`: a point of a surface lands on the pixel of its projection.
"""

import logging
import math
from collections.abc import Sequence
from functools import cache
from types import TracebackType

import cv2
import numpy as np
from jaxtyping import UInt8

from anthropose.render.surface import NEAR, SOFT_LIGHT, Direction, Mesh, Rasteriser, Rectangle, View

__all__ = ["Mesh", "MeshRenderer"]

LOG = logging.getLogger(__name__)

BACKGROUND = 235
"""The grey that stands behind bodies where no picture is given."""


class MeshRenderer:
    """Draws bodies over pictures of one size; to be used in a `with` block and in one thread.

    Args:
        width: of the pictures [px].
        height: of the pictures [px].
        opacity: how much of the picture a body hides, from 0 to 1.
        light: direction towards the light, in camera axes.
        wireframe: draws the edges of the faces that are seen, and nothing between them.
        software: draws without OpenGL even where there is some.
    """

    def __init__(
        self,
        width: int,
        height: int,
        *,
        opacity: float = 1.0,
        light: Direction = SOFT_LIGHT,
        wireframe: bool = False,
        software: bool = False,
    ) -> None:
        self.width, self.height, self.opacity = width, height, opacity
        self._rasteriser = _make_rasteriser(width, height, light, wireframe, software)

    @property
    def device(self) -> str:
        """What draws, in words."""
        return self._rasteriser.device

    def __enter__(self) -> "MeshRenderer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives back what the graphics library holds; the renderer is of no use afterwards."""
        self._rasteriser.close()

    def draw(
        self,
        background: UInt8[np.ndarray, "h w 3"] | None,
        meshes: Sequence[tuple],
        focal: float,
        center: tuple[float, float],
    ) -> UInt8[np.ndarray, "h w 3"]:
        """A new picture with the meshes over `background`, nearer surfaces in front.

        Args:
            background: RGB, or None for a plain light grey.
            meshes: of type `Mesh`; one that is not finite or lies wholly behind the camera is left out.
            focal: focal length [px].
            center: principal point [px].

        Raises:
            ValueError: the background has another size than the renderer.
        """
        picture = self._picture(background)
        single = [Mesh(np.asarray(vertices, np.float32), faces, colour) for vertices, faces, colour in meshes]
        drawable = [mesh for mesh in single if _is_drawable(mesh)]
        for rectangle, group in _groups(drawable, focal, center, Rectangle(0, 0, self.width, self.height)):
            drawn = self._rasteriser.draw(group, View(focal, center, rectangle))
            _lay_over(picture, drawn, rectangle, self.opacity)
        return picture

    def _picture(self, background: np.ndarray | None) -> np.ndarray:
        shape = (self.height, self.width, 3)
        if background is None:
            return np.full(shape, BACKGROUND, np.uint8)
        if background.shape != shape:
            raise ValueError(f"expected a picture of shape {shape}, got {background.shape}")
        return background.copy()


def _make_rasteriser(width: int, height: int, light: Direction, wireframe: bool, software: bool) -> Rasteriser:
    from anthropose.render.gl import GLRasteriser, NoOpenGL
    from anthropose.render.software import SoftwareRasteriser

    if not software:
        try:
            return GLRasteriser(width, height, light, wireframe)
        except NoOpenGL as error:
            _tell_once(f"no OpenGL ({error}); pictures are drawn in numpy, which takes ten times as long")
    return SoftwareRasteriser(light, wireframe)


@cache
def _tell_once(message: str) -> None:
    """An overlay with a side view has two renderers, which need not both complain."""
    LOG.warning(message)


def _is_drawable(mesh: Mesh) -> bool:
    return bool(np.isfinite(mesh.vertices).all() and mesh.vertices[:, 2].max(initial=0.0) > NEAR)


def _groups(
    meshes: list[Mesh], focal: float, center: tuple[float, float], picture: Rectangle
) -> list[tuple[Rectangle, list[Mesh]]]:
    """Meshes that may hide each other, and the part of the picture that holds them; the rest need not be touched."""
    groups: list[tuple[Rectangle, list[Mesh]]] = []
    for mesh in meshes:
        rectangle, together = _rectangle(mesh, focal, center, picture), [mesh]
        if rectangle.width == 0 or rectangle.height == 0:
            continue
        while met := next((group for group in groups if group[0].overlaps(rectangle)), None):
            groups = [group for group in groups if group is not met]
            rectangle, together = rectangle.around(met[0]), [*met[1], *together]
        groups.append((rectangle, together))
    return groups


def _rectangle(mesh: Mesh, focal: float, center: tuple[float, float], picture: Rectangle) -> Rectangle:
    """The part of the picture that the mesh may cover; it has no size where the mesh is outside."""
    x, y, depth = mesh.vertices.T
    if depth.min() <= NEAR:
        # What the near plane cuts through may reach any edge of the picture.
        return picture
    ends = []
    for across, middle, size in ((x, center[0], picture.width), (y, center[1], picture.height)):
        pixels = across / depth
        # One pixel of margin keeps smoothed outlines whole.
        low, high = focal * float(pixels.min()) + middle - 1, focal * float(pixels.max()) + middle + 1
        ends.append((math.floor(min(max(low, 0), size)), math.ceil(min(max(high, 0), size))))
    (left, right), (top, bottom) = ends
    return Rectangle(left, top, right - left, bottom - top)


def _lay_over(picture: np.ndarray, drawn: np.ndarray, rectangle: Rectangle, opacity: float) -> None:
    """Blends a rectangle of colours, already multiplied by their coverage, into the picture."""
    rows = slice(rectangle.top, rectangle.top + rectangle.height)
    columns = slice(rectangle.left, rectangle.left + rectangle.width)
    kept = cv2.convertScaleAbs(cv2.cvtColor(drawn[..., 3], cv2.COLOR_GRAY2RGB), alpha=-opacity, beta=255)
    behind = cv2.multiply(np.ascontiguousarray(picture[rows, columns]), kept, scale=1 / 255)
    picture[rows, columns] = cv2.addWeighted(behind, 1, cv2.cvtColor(drawn, cv2.COLOR_RGBA2RGB), opacity, 0)
