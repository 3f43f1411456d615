"""The published figures and result files of DynaBOA and BOA (dynaboa spec, sections 11, 14 and 15)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel, Posed
from anthropose.body.results import vertices_of
from anthropose.geometry.cameras import CROP, CROP_FOCAL
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.metrics import mpjpe, pa_mpjpe, vertex_error
from anthropose.motion import BodyPose, Prediction
from anthropose.skeleton import H36M_17, LSP_14, pick

Gender = Literal["neutral", "male", "female"]
Bodies = Mapping[Gender, BodyModel]


@dataclass(frozen=True)
class Truth:
    """The true body of each frame."""

    rotvecs: Float[Tensor, "n 24 3"]
    """Rotations [rad] relative to the parent, the root's relative to the camera."""
    betas: Float[Tensor, "n 10"]
    """Of the body of its gender."""
    genders: tuple[Gender, ...]

    def pose(self, row: int) -> BodyPose:
        """That of one frame, with its axis."""
        return BodyPose(rotvec_to_rotmat(self.rotvecs[row : row + 1]), self.betas[row : row + 1])


@dataclass(frozen=True)
class Errors:
    """Of each frame [m]."""

    mpjpe: Float[Tensor, "n"]
    pa_mpjpe: Float[Tensor, "n"]
    pve: Float[Tensor, "n"]
    """Not root-aligned; against the true pose and betas on the neutral body, as published, or on the gender's own."""


def errors(prediction: Prediction, truth: Truth, bodies: Bodies, gendered_pve: bool = False) -> Errors:
    """The errors as DynaBOA reports them for 3DPW: joints from the Human3.6M regressor, relative to its pelvis.

    Args:
        gendered_pve: against the mesh of the true gender, which is right, and not what was published.
    """
    ours, theirs, meshes = _posed(prediction.pose, bodies["neutral"]), [], []
    for row, gender in enumerate(truth.genders):
        own = _posed(truth.pose(row), bodies[gender])
        theirs.append(_joints(own))
        meshes.append(own if gendered_pve else _posed(truth.pose(row), bodies["neutral"]))
    joints, true_joints = _joints(ours), torch.cat(theirs)
    pve = vertex_error(ours.vertices, torch.cat([mesh.vertices for mesh in meshes]))
    return Errors(mpjpe(joints, true_joints), pa_mpjpe(joints, true_joints), pve)


def mesh_errors(prediction: Prediction, truth: Truth, bodies: Bodies) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
    """BOA's errors of the unposed and of the posed mesh [m]: the prediction on the neutral body, the truth on its own.

    Neither is aligned.
    """
    still, betas = torch.eye(3).expand(1, 24, 3, 3), prediction.pose.betas
    rest, posed = [], []
    for row, gender in enumerate(truth.genders):
        pose = truth.pose(row)
        rest.append(_posed(BodyPose(still, pose.betas), bodies[gender]).vertices)
        posed.append(_posed(pose, bodies[gender]).vertices)
    ours = _posed(prediction.pose, bodies["neutral"]).vertices
    unposed = _posed(BodyPose(still.expand(len(betas), 24, 3, 3), betas), bodies["neutral"]).vertices
    return vertex_error(unposed, torch.cat(rest)), vertex_error(ours, torch.cat(posed))


def _posed(pose: BodyPose, body: BodyModel) -> Posed:
    return body.shaped(pose.betas).posed(pose.rotations)


def _joints(posed: Posed) -> Float[Tensor, "n 14 3"]:
    points = posed.h36m_17()
    return pick(points - points[:, :1], H36M_17, LSP_14)[0]


def crop_translation(camera: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3"]:
    """The body's translation [m] before a camera of the crop with a focal length of 5000 px, from s, tx, ty."""
    scale, tx, ty = camera.unbind(-1)
    return torch.stack([tx, ty, 2 * CROP_FOCAL / (CROP * scale + 1e-9)], dim=-1)


def crop_camera(translation: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3"]:
    """The inverse of `crop_translation`."""
    x, y, z = translation.unbind(-1)
    return torch.stack([(2 * CROP_FOCAL / z - 1e-9) / CROP, x, y], dim=-1)


def published_result(prediction: Prediction, body: BodyModel) -> dict[str, Tensor]:
    """What the published programs write for a frame, under their names; `cam` is a translation there."""
    return {
        "verts": vertices_of(prediction, body),
        "cam": crop_translation(prediction.camera),
        "rotmat": prediction.pose.rotations,
        "beta": prediction.pose.betas,
    }
