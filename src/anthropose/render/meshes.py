"""Bodies drawn over a picture: `MeshRenderer`, with OpenGL where there is some and else in plain numpy.

The picture is exactly that of `geometry.cameras.project`: a point of a surface lands on the pixel of its projection.
"""

import warnings
from collections.abc import Sequence
from types import TracebackType

import cv2
import numpy as np
from jaxtyping import UInt8

from anthropose.render.surface import NEAR, SOFT_LIGHT, Direction, Mesh, Rasteriser, Rectangle, View

__all__ = ["Mesh", "MeshRenderer"]

BACKGROUND = 235
"""The grey that stands behind bodies where no picture is given."""


class MeshRenderer:
    """Draws bodies over pictures of one size; to be used in a `with` block and in one thread.

    Args:
        width: of the pictures [px].
        height: of the pictures [px].
        opacity: how much of the picture a body hides, from 0 to 1.
        light: direction towards the light, in camera axes.
        software: draws without OpenGL even where there is some.
    """

    def __init__(
        self,
        width: int,
        height: int,
        *,
        opacity: float = 1.0,
        light: Direction = SOFT_LIGHT,
        software: bool = False,
    ) -> None:
        self.width, self.height, self.opacity = width, height, opacity
        self._rasteriser = _make_rasteriser(width, height, light, software)

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
        rectangle = _rectangle(drawable, focal, center, self.width, self.height)
        if rectangle is not None:
            drawn = self._rasteriser.draw(drawable, View(focal, center, rectangle))
            _lay_over(picture, drawn, rectangle, self.opacity)
        return picture

    def _picture(self, background: np.ndarray | None) -> np.ndarray:
        shape = (self.height, self.width, 3)
        if background is None:
            return np.full(shape, BACKGROUND, np.uint8)
        if background.shape != shape:
            raise ValueError(f"expected a picture of shape {shape}, got {background.shape}")
        return background.copy()


def _make_rasteriser(width: int, height: int, light: Direction, software: bool) -> Rasteriser:
    from anthropose.render.gl import GLRasteriser, NoOpenGL
    from anthropose.render.software import SoftwareRasteriser

    if not software:
        try:
            return GLRasteriser(width, height, light)
        except NoOpenGL as error:
            warnings.warn(f"no OpenGL ({error}), so pictures are drawn in numpy, about 30 times slower", stacklevel=3)
    return SoftwareRasteriser(light)


def _is_drawable(mesh: Mesh) -> bool:
    return bool(np.isfinite(mesh.vertices).all() and mesh.vertices[:, 2].max(initial=0.0) > NEAR)


def _rectangle(
    meshes: list[Mesh], focal: float, center: tuple[float, float], width: int, height: int
) -> Rectangle | None:
    """The smallest rectangle of the picture that holds all meshes; None where they are all outside."""
    size = np.array([width, height])
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for mesh in meshes:
        depth = mesh.vertices[:, 2:]
        if depth.min() <= NEAR:
            # What the near plane cuts through may reach any edge of the picture.
            return Rectangle(0, 0, width, height)
        pixels = mesh.vertices[:, :2] / depth * focal + np.asarray(center, np.float32)
        low, high = np.minimum(low, pixels.min(0)), np.maximum(high, pixels.max(0))
    # One pixel of margin keeps smoothed outlines whole.
    left, top = np.clip(np.floor(low) - 1, 0, size).astype(int).tolist()
    right, bottom = np.clip(np.ceil(high) + 1, 0, size).astype(int).tolist()
    if right <= left or bottom <= top:
        return None
    return Rectangle(left, top, right - left, bottom - top)


def _lay_over(picture: np.ndarray, drawn: np.ndarray, rectangle: Rectangle, opacity: float) -> None:
    """Blends a rectangle of colours, already multiplied by their coverage, into the picture."""
    rows = slice(rectangle.top, rectangle.top + rectangle.height)
    columns = slice(rectangle.left, rectangle.left + rectangle.width)
    kept = cv2.convertScaleAbs(cv2.cvtColor(drawn[..., 3], cv2.COLOR_GRAY2RGB), alpha=-opacity, beta=255)
    behind = cv2.multiply(np.ascontiguousarray(picture[rows, columns]), kept, scale=1 / 255)
    picture[rows, columns] = cv2.addWeighted(behind, 1, cv2.cvtColor(drawn, cv2.COLOR_RGBA2RGB), opacity, 0)
