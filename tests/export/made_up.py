"""A small body and motions that need no data files."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.motion import BodyPose, Camera, Motion, Track
from anthropose.skeleton import COCO_17, H36M_VP3D_17, SMPL_24

REST = torch.tensor(
    [[0, 0.95, 0], [0.07, 0.86, 0], [-0.07, 0.86, 0], [0, 1.06, -0.02], [0.08, 0.46, 0], [-0.08, 0.46, 0],
     [0, 1.19, -0.02], [0.08, 0.06, -0.02], [-0.08, 0.06, -0.02], [0, 1.25, 0], [0.09, 0.02, 0.11],
     [-0.09, 0.02, 0.11], [0, 1.46, -0.03], [0.08, 1.37, -0.02], [-0.08, 1.37, -0.02], [0, 1.55, 0.02],
     [0.18, 1.40, -0.03], [-0.18, 1.40, -0.03], [0.44, 1.39, -0.04], [-0.44, 1.39, -0.04], [0.69, 1.40, -0.03],
     [-0.69, 1.40, -0.03], [0.77, 1.40, -0.03], [-0.77, 1.40, -0.03]]
)  # fmt: skip
"""Rest joints of a round-number adult [m]."""
RADIUS = {"pelvis": 0.12, "spine1": 0.12, "spine2": 0.12, "spine3": 0.12, "neck": 0.06, "head": 0.09}
TIPS = {15: (0, 0.2, 0.0), 10: (0, 0, 0.08), 11: (0, 0, 0.08), 22: (0.1, 0, 0), 23: (-0.1, 0, 0)}
SIDES = 8


@lru_cache
def stick_body(seed: int = 0) -> BodyModel:
    """A body of a prism per bone, with all that an export needs; weights blend over up to six joints."""
    vertices, weights, faces = [], [], []
    for joint, parent in [(j, p) for j, p in enumerate(SMPL_24.parents) if p >= 0] + [(-1, j) for j in TIPS]:
        start = REST[parent]
        end = REST[joint] if joint >= 0 else start + torch.tensor(TIPS[parent])
        radius = RADIUS.get(SMPL_24.joints[parent], 0.045)
        faces.append(_prism_faces(len(vertices) * 2 * SIDES))
        vertices.append(torch.cat([_ring(start, end, radius, 0.05), _ring(start, end, radius, 0.95)]))
        weights.append(_blend(parent, joint))
    template = torch.cat(vertices)
    generator = torch.Generator().manual_seed(seed)
    shape_basis = 0.004 * torch.randn(1, 3, 10, generator=generator) * template[:, :, None]
    shape_basis[:, :, 0] = 0.04 * template
    regressor = torch.linalg.pinv(torch.cat([template.T, torch.ones(1, len(template))]))
    regressor = (torch.cat([REST.T, torch.ones(1, 24)]).T @ regressor.T).float()
    return BodyModel(
        name="stick",
        template=template,
        shape_basis=shape_basis,
        pose_basis=None,
        joint_regressor=regressor,
        skinning=torch.cat(weights),
        faces=torch.cat(faces),
        extra_regressor=None,
        h36m_regressor=None,
        picked=_picked(template),
    )


def _ring(start: Tensor, end: Tensor, radius: float, share: float) -> Tensor:
    along = torch.nn.functional.normalize(end - start, dim=0)
    helper = torch.eye(3)[int(along.abs().argmin())]
    u = torch.nn.functional.normalize(torch.linalg.cross(along, helper), dim=0)
    v = torch.linalg.cross(along, u)
    angle = torch.arange(SIDES) * 2 * torch.pi / SIDES
    return start + share * (end - start) + radius * (angle.cos()[:, None] * u + angle.sin()[:, None] * v)


def _prism_faces(base: int) -> Tensor:
    sides = [
        f
        for k in range(SIDES)
        for a, b in [(k, (k + 1) % SIDES)]
        for f in ([a, b, a + SIDES], [b, b + SIDES, a + SIDES])
    ]
    caps = [f for k in range(1, SIDES - 1) for f in ([0, k + 1, k], [SIDES, SIDES + k, SIDES + k + 1])]
    return torch.tensor(sides + caps) + base


def _blend(parent: int, child: int) -> Tensor:
    """The bone's own joint leads; the far ring leans on the next joint, the near ring on the one before."""
    weights = torch.zeros(2 * SIDES, 24)
    weights[:, parent] = 0.9
    weights[:SIDES, max(SMPL_24.parents[parent], 0)] += 0.1
    weights[SIDES:, child if child >= 0 else parent] += 0.1
    return weights


def _picked(template: Tensor) -> Tensor:
    """Vertices nearest to where PICKED_21 lie: the face, then toes and heels, then finger tips."""
    face = [(0, 1.6, 0.1), (-0.03, 1.64, 0.1), (0.03, 1.64, 0.1), (-0.08, 1.6, 0), (0.08, 1.6, 0)]
    foot = [(0.08, 0, 0.2), (0.13, 0, 0.18), (0.09, 0, -0.05)]
    feet = foot + [(-x, y, z) for x, y, z in foot]
    hands = [(0.87, 1.4, -0.03)] * 5 + [(-0.87, 1.4, -0.03)] * 5
    return torch.cdist(torch.tensor(face + feet + hands), template).argmin(1)


def walking(seconds: Tensor) -> Tensor:
    """Rotations "n 24 3 3" of a walk in place, facing the camera: camera axes."""
    phase = 2 * torch.pi * seconds.float()
    turns = torch.zeros(len(seconds), 24, 3)
    swing = phase.sin()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        index = {part: SMPL_24.index(f"{side}_{part}") for part in ("hip", "knee", "shoulder", "elbow")}
        turns[:, index["hip"], 0] = -0.5 * sign * swing
        turns[:, index["knee"], 0] = 0.5 + 0.4 * sign * phase.cos()
        turns[:, index["shoulder"], 2] = -1.2 * sign
        turns[:, index["elbow"], 1] = -sign * (0.6 + 0.3 * swing)
    rotations = rotvec_to_rotmat(turns)
    rotations[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ rotvec_to_rotmat(
        torch.stack([0 * phase, 0.3 * swing, 0 * phase], -1)
    )
    return rotations


def motion(
    body: BodyModel,
    seconds: Tensor | None = None,
    person: int = 0,
    fps: float = 30.0,
    betas: Tensor | None = None,
    rotations: Tensor | None = None,
    start: tuple[float, float, float] = (0.0, 0.1, 4.0),
    velocity: tuple[float, float, float] = (0.6, 0.0, 0.3),
    with_keypoints: bool = True,
) -> Motion:
    """A person who walks past the camera, pelvis joint from `start` with `velocity` [m/s]."""
    seconds = torch.arange(60, dtype=torch.float64) / fps if seconds is None else seconds.double()
    n = len(seconds)
    rotations = walking(seconds) if rotations is None else rotations
    betas = (torch.zeros(10) if betas is None else betas).expand(n, 10)
    joints = body.shaped(betas).posed(rotations).joints
    translation = torch.tensor(start) + seconds.float()[:, None] * torch.tensor(velocity)
    keypoints = torch.rand(n, 17, 3, generator=torch.Generator().manual_seed(person))
    return Motion(
        track=Track(
            person=person,
            frames=(seconds * fps).round().long(),
            boxes=torch.tensor([100.0, 50.0, 300.0, 450.0]).expand(n, 4),
            keypoints=keypoints if with_keypoints else None,
            skeleton=COCO_17 if with_keypoints else None,
        ),
        skeleton=SMPL_24,
        fps=fps,
        seconds=seconds,
        camera=Camera.guess(640, 480),
        joints=joints - joints[:, :1],
        translation=translation,
        body=BodyPose(rotations, betas),
        body_model=body.name,
        method="made-up",
    )


GAP = slice(20, 30)
"""The frames in which the person of `with_a_gap` is not seen."""


def with_a_gap(body: BodyModel, **settings: object) -> Motion:
    """A person seen in frames 0 to 59 but for those of GAP."""
    frames = torch.cat([torch.arange(GAP.start), torch.arange(GAP.stop, 60)])
    return motion(body, frames.double() / 30, **settings)


def lifted(one: Motion) -> Motion:
    """The same as a lifter gives it: joints of H36M_VP3D_17 without a body, bones as long in every frame."""
    other = {"hip": "pelvis", "h36m_spine": "spine2", "h36m_head": "head", "head_top": "head"}
    joints = one.joints[:, [SMPL_24.index(other.get(name, name)) for name in H36M_VP3D_17.joints]]
    top = H36M_VP3D_17.index("head_top")
    joints[:, top] += joints[:, top] - joints[:, H36M_VP3D_17.index("neck")]
    return replace(one, skeleton=H36M_VP3D_17, joints=joints, body=None, body_model="", method="rie")


def scene_joints(one: Motion, floor: float) -> np.ndarray:
    """The joints of the motion with y up, metres."""
    return (one.joints + one.translation[:, None]).numpy().astype(np.float64) * [1, -1, -1] - [0, floor, 0]
