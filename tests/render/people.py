"""Motions of the toy body before a camera, for tests of overlays."""

import torch

from anthropose.body.model import BodyModel
from anthropose.motion import BodyPose, Camera, Motion, Track
from anthropose.skeleton import SMPL_24

UPRIGHT = torch.diag(torch.tensor([1.0, -1.0, -1.0]))


def standing(
    body: BodyModel,
    frames: list[int],
    place: tuple[float, float, float] = (0.0, 0.0, 4.0),
    size: tuple[int, int] = (160, 96),
    person: int = 0,
    with_body: bool = True,
) -> Motion:
    """A person who faces the camera in some frames, drifting to the right by a centimetre a frame."""
    n = len(frames)
    rotations = torch.eye(3).expand(n, 24, 3, 3).clone()
    rotations[:, 0] = UPRIGHT
    joints = body.points(SMPL_24)(torch.zeros(n, 10), rotations)
    drift = torch.tensor(frames)[:, None] * torch.tensor([0.01, 0.0, 0.0])
    return Motion(
        track=Track(person, torch.tensor(frames), torch.tensor([0.0, 0.0, *size]).expand(n, 4)),
        skeleton=SMPL_24,
        fps=30.0,
        seconds=torch.tensor(frames).double() / 30,
        camera=Camera(1.2 * size[1], (size[0] / 2, size[1] / 2), size),
        joints=joints - joints[:, :1],
        translation=torch.tensor(place) + drift,
        body=BodyPose(rotations, torch.zeros(n, 10)) if with_body else None,
        body_model=body.name if with_body else "",
    )
