"""What the published systems put out for each frame, computed from a prediction and a body model.

Networks hold no body: only who needs joints or vertices asks for them here. (vibe_base spec, section 1.)
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.geometry.cameras import project_crop
from anthropose.geometry.rotations import rotmat_to_rotvec_as_published
from anthropose.motion import Prediction
from anthropose.skeleton import H36M_17, LSP_14, SPIN_49, Skeleton, pick


@dataclass(frozen=True)
class Result:
    """A prediction in the published form; differentiable."""

    theta: Float[Tensor, "*b 85"]
    """Crop camera s, tx, ty; rotation vectors [rad] of the 24 joints, root first; shape."""
    joints: Float[Tensor, "*b k 3"]
    """[m], camera axes, not root-relative."""
    keypoints: Float[Tensor, "*b k 2"]
    """The joints seen by the crop's camera, -1 to 1 over the crop."""
    rotations: Float[Tensor, "*b 24 3 3"]


def result_of(prediction: Prediction, body: BodyModel, joints: Skeleton = SPIN_49) -> Result:
    """The result without vertices, which nothing but a picture or a vertex error needs.

    Args:
        joints: which joints. LSP_14 are read through the Human3.6M regressor, as the published evaluations do; all
            others as `BodyModel.points` reads them.
    """
    pose, camera = prediction.pose, prediction.camera
    points = body.points(H36M_17 if joints is LSP_14 else joints)(pose.betas, pose.rotations)
    if joints is LSP_14:
        points, _ = pick(points, H36M_17, LSP_14)
    rotvecs = rotmat_to_rotvec_as_published(pose.rotations).flatten(-2)
    theta = torch.cat([camera, rotvecs, pose.betas], dim=-1)
    return Result(theta, points, project_crop(points, camera), pose.rotations)


def vertices_of(prediction: Prediction, body: BodyModel) -> Float[Tensor, "*b v 3"]:
    """The surface [m] in camera axes, without translation."""
    return body.shaped(prediction.pose.betas).posed(prediction.pose.rotations).vertices
