"""Cameras with lens distortion and a place in the world, and screen coordinates, as lifters of keypoints use them.

Screen coordinates divide pixels by the image's *width*: x runs from -1 to 1, y from -h/w to h/w, and the aspect ratio
is kept. World axes are the data set's; camera axes are x right, y down, z forward; metres (rie spec, section 4).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


def to_screen(pixels: Float[Tensor, "*b 2"], size: tuple[int, int]) -> Float[Tensor, "*b 2"]:
    """Screen coordinates of pixels in an image of width and height `size`."""
    width, height = size
    return pixels / width * 2 - pixels.new_tensor([1, height / width])


def to_pixels(screen: Float[Tensor, "*b 2"], size: tuple[int, int]) -> Float[Tensor, "*b 2"]:
    """The inverse of `to_screen`."""
    width, height = size
    return (screen + screen.new_tensor([1, height / width])) * width / 2


def rotated(points: Float[Tensor, "*b 3"], quaternion: Float[Tensor, "4"]) -> Float[Tensor, "*b 3"]:
    """Points turned by a unit quaternion w, x, y, z."""
    axis = quaternion[1:].expand_as(points)
    across = torch.linalg.cross(axis, points)
    return points + 2 * (quaternion[0] * across + torch.linalg.cross(axis, across))


def inverted(quaternion: Float[Tensor, "4"]) -> Float[Tensor, "4"]:
    """The turn back, for a unit quaternion w, x, y, z."""
    return quaternion * quaternion.new_tensor([1, -1, -1, -1])


@dataclass(frozen=True)
class Lens:
    """How a camera images, with Human3.6M's model of distortion."""

    intrinsics: Float[Tensor, "9"]
    """fx, fy, cx, cy, three radial and two tangential coefficients, lengths in screen units.

    The tangential pair is exchanged with respect to the data set's own files and to OpenCV's p1, p2.
    """

    @classmethod
    def of_pixels(
        cls,
        focal: Sequence[float],
        center: Sequence[float],
        radial: Sequence[float],
        tangential: Sequence[float],
        size: tuple[int, int],
    ) -> "Lens":
        """The lens whose focal lengths and centre are in pixels of an image of width and height `size`."""
        screen_focal = torch.tensor(focal) / size[0] * 2
        parts = [screen_focal, to_screen(torch.tensor(center), size), torch.tensor(radial), torch.tensor(tangential)]
        return cls(torch.cat(parts))

    def project(self, points: Float[Tensor, "*b 3"], distort: bool = True) -> Float[Tensor, "*b 2"]:
        """Screen coordinates of points in camera axes [m].

        x/z and y/z are clamped to -1..1 first, and points behind the camera are not told from those before it, both as
        published. The tangential terms are half of OpenCV's: cv2.projectPoints does not give the same.
        """
        focal, center = self.intrinsics[:2], self.intrinsics[2:4]
        across = (points[..., :2] / points[..., 2:]).clamp(-1, 1)
        if not distort:
            return focal * across + center
        radial, tangential = self.intrinsics[4:7], self.intrinsics[7:]
        r2 = across.square().sum(-1, keepdim=True)
        radial_share = 1 + (radial * torch.cat([r2, r2**2, r2**3], dim=-1)).sum(-1, keepdim=True)
        tangential_share = (tangential * across).sum(-1, keepdim=True)
        return focal * (across * (radial_share + tangential_share) + tangential * r2) + center


def mirrored_intrinsics(intrinsics: Float[Tensor, "*b 9"]) -> Float[Tensor, "*b 9"]:
    """Intrinsics for the mirrored image: the centre's x and the first tangential coefficient change sign."""
    return intrinsics * intrinsics.new_tensor([1, 1, -1, 1, 1, 1, 1, -1, 1])


@dataclass(frozen=True)
class View:
    """One of a data set's cameras: where it stands, and its lens where that is known."""

    size: tuple[int, int]
    """Width and height of its images in pixels."""
    orientation: Float[Tensor, "4"]
    """Unit quaternion w, x, y, z that turns camera axes into world axes."""
    position: Float[Tensor, "3"]
    """The camera's centre in the world [m]."""
    lens: Lens | None = None
    azimuth: float = 0.0
    """From where figures show the world [degrees]; for drawing only."""

    def to_camera(self, world: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3"]:
        """World points in camera axes [m]."""
        return rotated(world - self.position, inverted(self.orientation))

    def to_world(self, points: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3"]:
        """The inverse of `to_camera`."""
        return rotated(points, self.orientation) + self.position

    def upright(self, relative: Float[Tensor, "n j 3"]) -> Float[Tensor, "n j 3"]:
        """Root-relative joints of a clip turned into world axes, the clip's lowest point on the floor, z = 0."""
        world = rotated(relative, self.orientation)
        return world - world.new_tensor([0, 0, 1]) * world[..., 2].min()
