"""Cameras before which people move, such that each person is framed as people are in pictures and videos.

A camera stands still. Its focal length, its distance, and where in the picture the person is, are drawn first; where
it stands and how it is turned follows. The world's y axis points up; camera axes are x right, y down, z forward.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.datasets.mocap.draws import Draws

REACH = 0.6
"""How far limbs reach from the pelvis to the side [m], for framing."""
TALL = 1.75
"""The height of a person [m], for framing."""


@dataclass(frozen=True)
class Cameras:
    """From which cameras differ; angles in degrees."""

    sizes: tuple[tuple[int, int], ...] = (
        (1280, 720), (720, 1280), (1920, 1080), (1080, 1920), (640, 480), (1000, 1000),
    )  # fmt: skip
    """Width and height of pictures [px], each as likely as the others."""
    focal: tuple[float, float] = (0.55, 1.9)
    """Focal length, in diagonals of the picture; logarithms evenly."""
    tall: tuple[float, float] = (0.15, 1.2)
    """Height of a standing person, in heights of the picture; logarithms evenly."""
    close: float = 0.15
    """The share of cameras that come closer, so that parts of the person are outside the picture."""
    close_tall: tuple[float, float] = (1.0, 2.2)
    height: tuple[float, float] = (1.35, 0.4)
    """How high most cameras are over the floor [m]: mean and standard deviation. Hands hold them, or tripods and
    shelves."""
    heights: tuple[float, float] = (0.3, 3.0)
    """The lowest and the highest of these [m]."""
    tilted: float = 0.25
    """The share of cameras that stand where the elevation wants them, as seen from the person; at any height."""
    elevation: tuple[float, float] = (-25.0, 48.0)
    """Of those, evenly; and the least and most of all."""
    lowest: float = 0.15
    """Height over the floor of any camera [m]."""
    nearest: float = 1.0
    """Distance from the nearest place at which the pelvis comes by [m]."""
    roll: float = 3.0
    """Standard deviation."""
    most_roll: float = 8.0
    off_centre: float = 0.9
    """How much of the room beside the person is used to place it off the picture's middle."""


@dataclass(frozen=True)
class Views:
    """A camera for each row."""

    camera_from_world: Float[Tensor, "b 3 3"]
    position: Float[Tensor, "b 3"]
    """In the world [m]."""
    focal: Float[Tensor, "b"]
    """[px]"""
    size: Float[Tensor, "b 2"]
    """[px]"""

    def to_camera(self, points: Float[Tensor, "b *p 3"]) -> Float[Tensor, "b *p 3"]:
        """World points in camera axes [m]."""
        position = self.position.reshape(-1, *[1] * (points.dim() - 2), 3)
        return torch.einsum("bij,b...j->b...i", self.camera_from_world, points - position)


def views_of(root: Float[Tensor, "b t 3"], draws: Draws, cameras: Cameras) -> Views:
    """Cameras for people whose pelvis goes along `root` in the world."""
    target = (root.amax(1) + root.amin(1)) / 2
    radius = (root - target[:, None]).norm(dim=-1).amax(1)
    sizes = root.new_tensor(cameras.sizes)
    size = sizes[(draws.uniform("picture") * len(sizes)).long().clamp_max(len(sizes) - 1)]
    focal = draws.even_log("focal", *cameras.focal) * size.norm(dim=-1)
    distance = _distance(radius, focal, size, draws, cameras)
    elevation = _elevation(target, distance, draws, cameras)
    around = draws.uniform("around", low=-math.pi, high=math.pi)
    position = _position(target, distance, elevation, around, cameras.lowest)
    ray = _ray(radius, distance, focal, size, draws, cameras.off_centre)
    roll = (cameras.roll * draws.normal("roll")).clamp(-cameras.most_roll, cameras.most_roll).deg2rad()
    return Views(_turned_to(target - position, ray, roll), position, focal, size)


def _distance(
    radius: Float[Tensor, "b"], focal: Float[Tensor, "b"], size: Float[Tensor, "b 2"], draws: Draws, cameras: Cameras
) -> Float[Tensor, "b"]:
    """From camera to person, such that the person is as tall as drawn, and stays in the picture unless it is close."""
    is_close = draws.chance("is close", cameras.close)
    tall = torch.where(is_close, draws.even_log("close", *cameras.close_tall), draws.even_log("tall", *cameras.tall))
    distance = focal * TALL / (tall * size[:, 1])
    framed = torch.maximum(distance, 2 * focal * (radius + REACH) / size[:, 0])
    return torch.maximum(torch.where(is_close, distance, framed), cameras.nearest + radius)


def _elevation(
    target: Float[Tensor, "b 3"], distance: Float[Tensor, "b"], draws: Draws, cameras: Cameras
) -> Float[Tensor, "b"]:
    """How high cameras stand as seen from the person [rad]: as people hold them, or looking up or down more steeply."""
    mean, deviation = cameras.height
    height = (mean + deviation * draws.normal("height")).clamp(*cameras.heights)
    low, high = cameras.elevation
    level = ((height - target[:, 1]) / distance).clamp(-1, 1).asin().rad2deg()
    tilted = draws.chance("is tilted", cameras.tilted)
    return torch.where(tilted, draws.uniform("tilted", low=low, high=high), level.clamp(low, high)).deg2rad()


def _position(
    target: Float[Tensor, "b 3"],
    distance: Float[Tensor, "b"],
    elevation: Float[Tensor, "b"],
    around: Float[Tensor, "b"],
    lowest: float,
) -> Float[Tensor, "b 3"]:
    away = torch.stack([elevation.cos() * around.sin(), elevation.sin(), elevation.cos() * around.cos()], dim=-1)
    x, y, z = (target + distance[:, None] * away).unbind(-1)
    return torch.stack([x, y.clamp_min(lowest), z], dim=-1)


def _ray(
    radius: Float[Tensor, "b"],
    distance: Float[Tensor, "b"],
    focal: Float[Tensor, "b"],
    size: Float[Tensor, "b 2"],
    draws: Draws,
    off_centre: float,
) -> Float[Tensor, "b 3"]:
    """The direction in camera axes in which the person is seen: anywhere in the picture where it still is whole."""
    scale = focal / distance
    needed = torch.stack([radius + REACH, radius + TALL / 2], dim=-1) * scale[:, None]
    room = (size / 2 - needed).clamp_min(0) * off_centre
    across = draws.uniform("off centre", 2, low=-1, high=1) * room / focal[:, None]
    return torch.nn.functional.normalize(torch.cat([across, torch.ones_like(across[:, :1])], dim=-1), dim=-1)


def _turned_to(
    direction: Float[Tensor, "b 3"], ray: Float[Tensor, "b 3"], roll: Float[Tensor, "b"]
) -> Float[Tensor, "b 3 3"]:
    """From the world to the axes of a camera that sees what lies in `direction` along `ray`; upright but for `roll`."""
    direction = torch.nn.functional.normalize(direction, dim=-1)
    x, y, z = ray.unbind(-1)
    # Looking down by `pitch`, the ray's part that points down in the world is y cos(pitch) + z sin(pitch).
    length = (y.square() + z.square()).sqrt()
    pitch = (-direction[:, 1] / length).clamp(-1, 1).asin() - torch.atan2(y, z)
    forward = z * pitch.cos() - y * pitch.sin()
    # In the world seen from above: to the camera's right by x, ahead by `forward`.
    heading = torch.atan2(direction[:, 0], direction[:, 2]) + torch.atan2(x, forward)
    sin, cos, zero = heading.sin(), heading.cos(), torch.zeros_like(heading)
    right = torch.stack([-cos, zero, sin], dim=-1)
    ahead = torch.stack([sin, zero, cos], dim=-1)
    down = direction.new_tensor([0.0, -1.0, 0.0]).expand_as(right)
    pitch = pitch[:, None]
    level = torch.stack([right, pitch.cos() * down - pitch.sin() * ahead, pitch.sin() * down + pitch.cos() * ahead], 1)
    sin, cos = roll.sin(), roll.cos()
    rows = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, torch.ones_like(zero)], dim=-1)
    return rows.unflatten(-1, (3, 3)) @ level
