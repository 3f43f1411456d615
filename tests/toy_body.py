"""A body made of rods, in the layout of SMPL: for tests that need limbs but no likeness."""

import numpy as np
import torch

from anthropose.body.model import BodyModel
from anthropose.skeleton import PICKED_21, SMPL_24

JOINTS = torch.tensor(
    [
        [0.0, 0.92, 0.0], [0.07, 0.83, 0.0], [-0.07, 0.83, 0.0], [0.0, 1.03, -0.02],
        [0.1, 0.46, 0.0], [-0.1, 0.46, 0.0], [0.0, 1.16, -0.02], [0.09, 0.07, -0.03],
        [-0.09, 0.07, -0.03], [0.0, 1.22, 0.0], [0.11, 0.02, 0.1], [-0.11, 0.02, 0.1],
        [0.0, 1.42, -0.03], [0.08, 1.34, -0.02], [-0.08, 1.34, -0.02], [0.0, 1.52, 0.0],
        [0.18, 1.36, -0.03], [-0.18, 1.36, -0.03], [0.43, 1.35, -0.04], [-0.43, 1.35, -0.04],
        [0.68, 1.35, -0.04], [-0.68, 1.35, -0.04], [0.76, 1.35, -0.05], [-0.76, 1.35, -0.05],
    ]
)  # fmt: skip
"""Where SMPL's mean person has them, more or less [m]."""

THICKNESS = {"pelvis": 0.13, "spine3": 0.14, "spine1": 0.13, "spine2": 0.13, "left_knee": 0.07, "right_knee": 0.07}
ENDS = {
    "head": (0.0, 0.2, 0.0),
    "left_foot": (0.0, 0.0, 0.1),
    "right_foot": (0.0, 0.0, 0.1),
    "pelvis": (0.0, -0.1, 0.0),
    "left_hand": (0.1, 0.0, 0.0),
    "right_hand": (-0.1, 0.0, 0.0),
}
PICKED = {
    "nose": (0.0, 1.6, 0.12),
    "right_eye": (-0.03, 1.64, 0.1),
    "left_eye": (0.03, 1.64, 0.1),
    "right_ear": (-0.07, 1.6, 0.0),
    "left_ear": (0.07, 1.6, 0.0),
    "left_heel": (0.09, 0.0, -0.08),
    "right_heel": (-0.09, 0.0, -0.08),
}


def toy_body() -> BodyModel:
    """One rod per bone, each following the joint at its upper end; the first shape component makes it taller."""
    rods = []
    for joint, name in enumerate(SMPL_24.joints):
        for child, parent in SMPL_24.edges:
            if parent == joint:
                rods.append((joint, JOINTS[joint].numpy(), JOINTS[child].numpy(), THICKNESS.get(name, 0.05)))
        if name in ENDS:
            rods.append((joint, JOINTS[joint].numpy(), (JOINTS[joint] + torch.tensor(ENDS[name])).numpy(), 0.06))
    parts = [_rod(start, end, thickness) for _, start, end, thickness in rods]
    vertices = np.concatenate([vertices for vertices, _ in parts])
    vertices[:, 1] = vertices[:, 1].clip(0)
    offsets = np.cumsum([0] + [len(vertices) for vertices, _ in parts])
    faces = np.concatenate([faces + offset for (_, faces), offset in zip(parts, offsets, strict=False)])
    owner = np.concatenate([[joint] * len(v) for (joint, *_), (v, _) in zip(rods, parts, strict=True)])
    template = torch.from_numpy(vertices).float()
    shape_basis = torch.zeros(len(template), 3, 10)
    shape_basis[:, 1, 0] = 0.02 * template[:, 1]
    return BodyModel(
        name="toy",
        template=template,
        shape_basis=shape_basis,
        pose_basis=None,
        joint_regressor=_regressor(template, torch.from_numpy(owner)),
        skinning=torch.nn.functional.one_hot(torch.from_numpy(owner), 24).float(),
        faces=torch.from_numpy(faces).long(),
        extra_regressor=None,
        h36m_regressor=None,
        picked=torch.tensor([_nearest(template, PICKED.get(name, (0.0, 1.0, 0.1))) for name in PICKED_21.split()]),
    )


def _rod(
    start: np.ndarray, end: np.ndarray, radius: float, sides: int = 12, rings: int = 9
) -> tuple[np.ndarray, np.ndarray]:
    """A closed capsule-like surface around a line."""
    along = (end - start) / max(np.linalg.norm(end - start), 1e-6)
    across = np.cross(along, [0.3, 0.5, 0.8])
    across /= np.linalg.norm(across)
    third = np.cross(along, across)
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    vertices = [start - 0.6 * radius * along]
    for share in np.linspace(0, 1, rings):
        middle = start + share * (end - start)
        width = radius * (0.75 if share in (0.0, 1.0) else 1.0)
        vertices += list(middle + width * (np.cos(turn)[:, None] * across + np.sin(turn)[:, None] * third))
    vertices.append(end + 0.6 * radius * along)
    last = len(vertices) - 1
    faces = []
    for k in range(sides):
        next_ = (k + 1) % sides
        faces += [(0, 1 + next_, 1 + k), (last, last - sides + k, last - sides + next_)]
        for ring in range(rings - 1):
            a, b = 1 + ring * sides + k, 1 + ring * sides + next_
            faces += [(a, b, b + sides), (a, b + sides, a + sides)]
    return np.array(vertices), np.array(faces)


def _regressor(template: torch.Tensor, owner: torch.Tensor) -> torch.Tensor:
    """Weights over all vertices whose sums give the joints exactly: the smallest that do."""
    homogeneous = torch.cat([template, torch.ones(len(template), 1)], dim=1).double()
    wanted = torch.cat([JOINTS, torch.ones(24, 1)], dim=1).double()
    return (wanted @ torch.linalg.pinv(homogeneous)).float()


def _nearest(template: torch.Tensor, place: tuple[float, float, float]) -> int:
    return int((template - torch.tensor(place)).norm(dim=1).argmin())
