"""Motion capture as video: windows of `datasets.mocap` drawn as somebody dressed in a room, with the truth.

    source = MocapSource("capture/cmu", body, config)
    scene = film(next(source.clips()), 0, body)
    scene.write(Path("clip.mp4"))            # or scene.frames(), one picture after the other
    scene.truth[0], scene.keypoints          # the true motion, and where a detector's keypoints truly are

What a detector makes of these pictures can be held against what it should have made of them.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.datasets.mocap import MocapBatch
from anthropose.motion import Camera
from anthropose.skeleton import SMPL_24, Skeleton
from anthropose.synthetic.performance import Performance
from anthropose.synthetic.room import HIGH, LOW, Room, paint_room
from anthropose.synthetic.scene import Scene
from anthropose.synthetic.viewpoint import Viewpoint

AROUND = 1.3
"""Room [m] that is left between people or cameras and the walls."""
OVERHEAD = 0.6
"""The same below the ceiling."""
LOWEST = 0.12
"""How high over the floor [m] cameras stand at least; the floor is lower where the recording has none."""
PAINTED = 480
"""The longer side of the picture [px] in which rooms are painted."""
SKEW = 0.5
"""How far cameras are turned from the length of the room [rad], at most."""


@dataclass(frozen=True, eq=False)
class FilmedScene(Scene):
    """Somebody who moves as recorded, before a camera that stands still in a room large enough for both."""

    keypoints: Float[Tensor, "n k 2"]
    """Where a detector's keypoints truly are [px]."""
    skeleton: Skeleton
    """Their names."""
    hall: float
    """How many times larger than `room.LOW` and `HIGH` the room is."""

    @cached_property
    def _room(self) -> Room:
        """The room as a camera in a world so many times smaller sees it, which is the same picture.

        Painted small, since that takes seconds, and stretched: rooms behind people are out of focus anyhow.
        """
        size, camera = self.camera.size, self.camera
        scale = min(1.0, PAINTED / max(size))
        width, height = (round(scale * side) for side in size)
        small = Camera(scale * camera.focal, (scale * camera.center[0], scale * camera.center[1]), (width, height))
        room = paint_room(Viewpoint(small, self.view.position / self.hall, self.view.rotation), self.seed)
        picture, floor = (
            cv2.resize(image, size, interpolation=cv2.INTER_LINEAR) for image in (room.picture, room.floor)
        )
        return Room(picture.astype(np.uint8), floor, room.ground)

    def _shadows(self, frame: int) -> Float[np.ndarray, "b 4"]:
        return super()._shadows(frame) / np.array([self.hall, self.hall, self.hall, 1.0])


def film(batch: MocapBatch, row: int, body: BodyModel, seed: int = 0) -> FilmedScene:
    """The window `row` as a scene: as many frames as its motion lasts, at the batch's rate.

    Args:
        batch: on the CPU, with labels of all its frames.
        body: the one that the batch was made with.
        seed: of the clothes and of the room.

    Raises:
        ValueError: some frames have no labels.
    """
    frames = batch.keypoints.shape[1]
    if batch.labelled.tolist() != list(range(frames)):
        raise ValueError(f"filming wants labels of all {frames} frames, these are of {len(batch.labelled)}")
    within = batch.within[row]
    width, height = batch.size[row].round().int().tolist()
    camera = Camera(float(batch.focal[row]), (width / 2, height / 2), (width, height))
    rotation = _along_the_room(batch.camera_from_world[row], np.random.default_rng([seed, 11]))
    betas, in_camera = batch.betas[row], batch.rotations[row, within]
    joints = body.points(SMPL_24)(betas, in_camera, batch.translation[row, within])
    turned = torch.cat([(rotation.T @ in_camera[:, 0])[:, None], in_camera[:, 1:]], dim=1)
    position, hall = _standing(joints @ rotation, seed)
    performance = Performance(batch.rate, betas, turned, joints[:, 0] @ rotation + position)
    return FilmedScene(
        body=body,
        view=Viewpoint(camera, position, rotation),
        performances=(performance,),
        seed=seed,
        keypoints=batch.true_keypoints[row, within],
        skeleton=batch.skeleton,
        hall=hall,
    )


def _along_the_room(camera_from_world: Float[Tensor, "3 3"], rng: np.random.Generator) -> Float[Tensor, "3 3"]:
    """The camera's rotation in a world turned about its y axis, such that the camera looks along the room, to -z."""
    ahead = camera_from_world[2]
    turn = math.atan2(-float(ahead[0]), -float(ahead[2])) + rng.uniform(-SKEW, SKEW)
    sin, cos = math.sin(turn), math.cos(turn)
    # Rows are the old world's axes in the new one.
    return camera_from_world @ camera_from_world.new_tensor([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def _standing(joints: Float[Tensor, "n 24 3"], seed: int) -> tuple[Float[Tensor, "3"], float]:
    """Where the camera stands in a room, and how large this is; joints are as seen from it, in the world's axes [m]."""
    rng = np.random.default_rng([seed, 12])
    points = torch.cat([joints.flatten(0, 1), joints.new_zeros(1, 3)]).double().numpy()
    # The soles are somewhat below the joints of the toes.
    floor = min(points[:, 1].min() - 0.03, -LOWEST)
    low, high = points.min(0) - AROUND, points.max(0) + AROUND
    low[1], high[1] = floor, points[:, 1].max() + OVERHEAD
    hall = max(1.0, float(((high - low) / (HIGH - LOW)).max()))
    slack = hall * (HIGH - LOW) - (high - low)
    share = rng.uniform(0.2, 0.8, 3) * (1, 0, 1)
    return torch.from_numpy(hall * LOW + share * slack - low).float(), hall
