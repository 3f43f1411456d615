"""A camera that stands in the world, and what it sees of a performance."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.geometry.cameras import project
from anthropose.motion import BodyPose, Camera, Motion, Track
from anthropose.skeleton import SMPL_24
from anthropose.synthetic.performance import Performance
from anthropose.synthetic.turns import about_x

BATCH = 32
"""Bodies whose surfaces are computed at once."""

THICK = 0.09
"""Half the width [m] that a limb hides of what is behind it."""


@dataclass(frozen=True, eq=False)
class Viewpoint:
    """A pinhole camera at a place in the world, whose y points up."""

    camera: Camera
    position: Float[Tensor, "3"]
    """In the world [m]."""
    rotation: Float[Tensor, "3 3"]
    """From world axes to camera axes."""

    @classmethod
    def standing(cls, camera: Camera, height: float, pitch: float) -> "Viewpoint":
        """A camera at x = z = 0, `height` above the floor [m], looking to negative z and down by `pitch` [rad]."""
        ahead = np.diag([1.0, -1.0, -1.0])
        rotation = torch.from_numpy(about_x(np.array(pitch)) @ ahead).float()
        return cls(camera, torch.tensor([0.0, height, 0.0]), rotation)

    def place(self, points: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3"]:
        """Points from the world to camera axes [m]."""
        return (points - self.position) @ self.rotation.T

    def pixels(self, points: Float[Tensor, "*b k 3"]) -> Float[Tensor, "*b k 2"]:
        """Where points in camera axes are in the picture."""
        batch = points.shape[:-2]
        focal, center = points.new_full(batch, self.camera.focal), points.new_tensor(self.camera.center)
        return project(points, focal, center.expand(*batch, 2))


def seen_by(view: Viewpoint, performances: list[Performance], body: BodyModel) -> list[Motion]:
    """The true motions of people who are before a camera together, in the frames in which they are in the picture.

    The tracks carry the projected joints as keypoints, with confidence 1 where a joint is in the picture and not
    behind somebody else, and 0 elsewhere.
    """
    joints = []
    boxes = []
    for performance in performances:
        parts = [performance.posed(body, at, at + BATCH) for at in range(0, len(performance), BATCH)]
        joints.append(view.place(torch.cat([part.joints for part in parts])))
        boxes.append(torch.cat([_boxes(view, part.vertices) for part in parts]))
    motions = []
    for person, performance in enumerate(performances):
        others = [other for index, other in enumerate(joints) if index != person]
        visible = _inside(view, joints[person]) & ~_hidden(view, joints[person], others)
        motions.append(_motion(view, performance, body.name, person, joints[person], boxes[person], visible))
    return motions


def _motion(
    view: Viewpoint,
    performance: Performance,
    body: str,
    person: int,
    joints: Float[Tensor, "n 24 3"],
    boxes: Float[Tensor, "n 4"],
    visible: Bool[Tensor, "n 24"],
) -> Motion:
    frames = _inside(view, joints).float().mean(1).gt(0.5).nonzero()[:, 0]
    keypoints = torch.cat([view.pixels(joints), visible[..., None]], dim=-1)
    rotations = performance.rotations.clone()
    rotations[:, 0] = view.rotation @ rotations[:, 0]
    return Motion(
        track=Track(person, frames, boxes[frames], keypoints[frames], SMPL_24),
        skeleton=SMPL_24,
        fps=performance.fps,
        seconds=frames.double() / performance.fps,
        camera=view.camera,
        joints=(joints - joints[:, :1])[frames],
        translation=joints[frames, 0],
        body=BodyPose(rotations[frames], performance.betas.expand(len(frames), 10).clone()),
        body_model=body,
        method="truth",
    )


def _boxes(view: Viewpoint, vertices: Float[Tensor, "n v 3"]) -> Float[Tensor, "n 4"]:
    """Left, top, right, bottom of the surface, within the picture."""
    pixels = view.pixels(view.place(vertices))
    width, height = view.camera.size
    return torch.cat([pixels.amin(1), pixels.amax(1)], 1).clamp(
        pixels.new_zeros(4), pixels.new_tensor([width, height] * 2)
    )


def _inside(view: Viewpoint, points: Float[Tensor, "*b k 3"]) -> Bool[Tensor, "*b k"]:
    pixels, size = view.pixels(points), points.new_tensor(view.camera.size)
    return ((pixels >= 0) & (pixels < size)).all(-1) & (points[..., 2] > 0)


def _hidden(
    view: Viewpoint, points: Float[Tensor, "n k 3"], others: list[Float[Tensor, "n 24 3"]]
) -> Bool[Tensor, "n k"]:
    """Which points are behind a limb of somebody nearer to the camera."""
    hidden = torch.zeros(points.shape[:2], dtype=torch.bool)
    pixels = view.pixels(points)[:, :, None]
    for other in others:
        ends = view.pixels(other)
        for joint, parent in SMPL_24.edges:
            a, along = ends[:, None, None, parent], (ends[:, joint] - ends[:, parent])[:, None, None]
            share = ((pixels - a) * along).sum(-1, keepdim=True) / along.square().sum(-1, keepdim=True).clamp_min(1e-6)
            apart = (pixels - a - share.clamp(0, 1) * along).norm(dim=-1)[..., 0]
            depth = other[:, None, joint, 2]
            hidden |= (apart < THICK * view.camera.focal / depth) & (depth < points[..., 2])
    return hidden
