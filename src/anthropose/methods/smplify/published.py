"""Temporal SMPLify as published with VIBE: refines a network's bodies to 2D keypoints in crop pixels.

Kept for comparison and held by parity fixtures (temporal_smplify spec); what is done on video is in fit.py.
All coordinates are pixels of the 224 crop, seen by a camera of focal length 5000.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.body.prior import GaussianMixturePrior
from anthropose.geometry.cameras import project
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.losses import geman_mcclure, wrong_bending
from anthropose.skeleton import SPIN_49, SPIN_49_FROM_BODY_54

FOCAL = 5000.0
CENTER = 112.0
CROP = 224.0
IGNORED = tuple(SPIN_49.index(j) for j in ("op_neck", "op_right_hip", "op_left_hip", "right_hip", "left_hip"))
TORSO = tuple(SPIN_49.index(j) for j in ("op_right_hip", "op_left_hip", "op_right_shoulder", "op_left_shoulder"))
OTHER_TORSO = tuple(SPIN_49.index(j) for j in ("right_hip", "left_hip", "right_shoulder", "left_shoulder"))

ROBUST_PIXELS = 100.0
DEPTH_WEIGHT = 100.0
POSE_WEIGHT = 4.78
BENDING_WEIGHT = 15.2
SHAPE_WEIGHT = 5.0
SMOOTH_2D_WEIGHT = 0.01
SMOOTH_3D_WEIGHT = 1.0


@dataclass(frozen=True)
class PublishedConfig:
    """How the published procedure optimises; the defaults are those of VIBE's demo."""

    step_size: float = 1.0
    iterations: int = 1
    """Calls of the optimiser per stage."""
    lbfgs: bool = True
    """L-BFGS with strong Wolfe line search; otherwise Adam."""
    lbfgs_iterations: int = 20
    camera_stage: bool = False
    """Whether orientation and translation are fitted first. The published program means to and does not: it has by then
    zeroed the confidences that the stage asks for, in place."""


@dataclass(frozen=True)
class Bodies:
    """Variables of the fit: one body per frame, of one shape."""

    orientation: Float[Tensor, "n 3"]
    """Root rotation vectors [rad]."""
    body_pose: Float[Tensor, "n 69"]
    """Rotation vectors of the other 23 joints [rad]."""
    betas: Float[Tensor, "#n 10"]
    """One row for all frames, or a row each."""
    translation: Float[Tensor, "n 3"]
    """SMPL's `transl` in the camera [m]."""

    def joints(self, model: BodyModel) -> Float[Tensor, "n 49 3"]:
        """SPIN-49 joints without the translation [m]."""
        rotvecs = torch.cat([self.orientation, self.body_pose], dim=1).unflatten(1, (24, 3))
        return model.shaped(self.betas).posed(rotvec_to_rotmat(rotvecs)).body_54()[:, SPIN_49_FROM_BODY_54]


@dataclass(frozen=True)
class Refined:
    """What the procedure returns."""

    theta: Float[Tensor, "n 85"]
    """Crop camera s, tx, ty; 72 rotation vector entries; betas."""
    joints: Float[Tensor, "n 49 3"]
    loss_before: Float[Tensor, "n"]
    """Mean reprojection penalty over the 49 joints."""
    loss_after: Float[Tensor, "n"]
    best_frame: int
    """The frame whose betas the fit began with."""
    improved: Bool[Tensor, "n"]
    """Frames in which the caller should take the result."""


def _projected(joints: Tensor, translation: Tensor) -> Tensor:
    n = len(joints)
    return project(joints + translation[:, None], joints.new_full((n,), FOCAL), joints.new_full((n, 2), CENTER))


def reprojection(
    joints: Float[Tensor, "n 49 3"], translation: Float[Tensor, "n 3"], keypoints: Float[Tensor, "n 49 3"]
) -> Float[Tensor, "n 49"]:
    """Robust squared distance from each keypoint [px^2], times its squared confidence."""
    away = _projected(joints, translation) - keypoints[..., :2]
    return keypoints[..., 2].square() * geman_mcclure(away, ROBUST_PIXELS).sum(-1)


def camera_loss(
    joints: Float[Tensor, "n 49 3"],
    translation: Float[Tensor, "n 3"],
    start: Float[Tensor, "n 3"],
    keypoints: Float[Tensor, "n 49 3"],
    other_torso: bool = False,
) -> Float[Tensor, ""]:
    """Squared distances of the torso's four keypoints where all are seen, and how far the depth leaves its start.

    Args:
        other_torso: where they are not all seen, take the other four (SPIN's single-frame form) rather than nothing.
    """
    squares = (_projected(joints, translation) - keypoints[..., :2]).square().sum(-1)
    seen = keypoints[:, TORSO, 2].min(dim=1).values > 0
    instead = squares[:, OTHER_TORSO].sum(1) if other_torso else torch.zeros_like(squares[:, 0])
    depth = (translation[:, 2] - start[:, 2]).square() * DEPTH_WEIGHT**2
    return (torch.where(seen, squares[:, TORSO].sum(1), instead) + depth).sum()


def body_loss(
    bodies: Bodies, joints: Float[Tensor, "n 49 3"], keypoints: Float[Tensor, "n 49 3"], prior: GaussianMixturePrior
) -> Float[Tensor, ""]:
    """Reprojection, pose prior, bending and shape terms, and absolute differences between neighbouring frames."""
    pixels, confidence = _projected(joints, bodies.translation), keypoints[..., 2].square()
    single = reprojection(joints, bodies.translation, keypoints).sum(1)
    single = single + POSE_WEIGHT**2 * prior(bodies.body_pose)
    single = single + BENDING_WEIGHT**2 * wrong_bending(bodies.body_pose).sum(1)
    single = single + SHAPE_WEIGHT**2 * bodies.betas.square().sum(1)
    smooth_2d = confidence[1:] * (pixels[1:] - pixels[:-1]).abs().sum(-1)
    smooth_3d = confidence[1:] * (joints[1:] - joints[:-1]).abs().sum(-1)
    return single.sum() + SMOOTH_2D_WEIGHT**2 * smooth_2d.sum() + SMOOTH_3D_WEIGHT**2 * smooth_3d.sum()


def without_ignored(keypoints: Float[Tensor, "n 49 3"]) -> Float[Tensor, "n 49 3"]:
    """The keypoints with no confidence in those whose definition differs most from SMPL's joints."""
    kept = keypoints.clone()
    kept[:, IGNORED, 2] = 0.0
    return kept


def refine(
    model: BodyModel,
    prior: GaussianMixturePrior,
    pose: Float[Tensor, "n 72"],
    betas: Float[Tensor, "n 10"],
    camera: Float[Tensor, "n 3"],
    keypoints: Float[Tensor, "n 49 3"],
    config: PublishedConfig | None = None,
) -> Refined:
    """The whole published call: choice of the best frame's shape, fit of all frames, comparison with the start.

    Args:
        pose: rotation vectors of a network [rad].
        betas: of the network, a row per frame.
        camera: crop camera s, tx, ty of the network.
        keypoints: in crop pixels with confidence; left as they are.
    """
    config = config or PublishedConfig()
    translation = torch.stack([camera[:, 1], camera[:, 2], 2 * FOCAL / (CROP * camera[:, 0] + 1e-9)], dim=1)
    start = Bodies(pose[:, :3], pose[:, 3:], betas, translation)
    kept = without_ignored(keypoints)
    with torch.no_grad():
        loss_before = reprojection(start.joints(model), translation, kept).mean(1)
    best = int(loss_before.argmin())
    bodies = replace(start, betas=betas[best : best + 1])
    if config.camera_stage:
        bodies = _fit_camera(model, bodies, keypoints, config)
    bodies = _fit_bodies(model, prior, bodies, kept, config)
    with torch.no_grad():
        joints = bodies.joints(model)
        loss_after = reprojection(joints, bodies.translation, kept).mean(1)
    tx, ty, tz = bodies.translation.unbind(1)
    crop_camera = torch.stack([2 * FOCAL / (CROP * tz + 1e-9), tx, ty], dim=1)
    theta = torch.cat([crop_camera, bodies.orientation, bodies.body_pose, bodies.betas.expand(len(pose), 10)], dim=1)
    return Refined(theta, joints, loss_before, loss_after, best, loss_after < loss_before)


def _fit_camera(model: BodyModel, start: Bodies, keypoints: Tensor, config: PublishedConfig) -> Bodies:
    def loss(orientation: Tensor, translation: Tensor) -> Tensor:
        joints = replace(start, orientation=orientation).joints(model)
        return camera_loss(joints, translation, start.translation, keypoints)

    orientation, translation = _minimise(loss, [start.orientation, start.translation], config)
    return replace(start, orientation=orientation, translation=translation)


def _fit_bodies(
    model: BodyModel, prior: GaussianMixturePrior, start: Bodies, keypoints: Tensor, config: PublishedConfig
) -> Bodies:
    def loss(body_pose: Tensor, betas: Tensor, orientation: Tensor) -> Tensor:
        bodies = replace(start, body_pose=body_pose, betas=betas, orientation=orientation)
        return body_loss(bodies, bodies.joints(model), keypoints, prior)

    body_pose, betas, orientation = _minimise(loss, [start.body_pose, start.betas, start.orientation], config)
    return replace(start, body_pose=body_pose, betas=betas, orientation=orientation)


def _minimise(loss: Callable[..., Tensor], start: list[Tensor], config: PublishedConfig) -> list[Tensor]:
    variables = [value.detach().clone().requires_grad_() for value in start]
    optimiser: torch.optim.Optimizer
    if config.lbfgs:
        optimiser = torch.optim.LBFGS(
            variables, lr=config.step_size, max_iter=config.lbfgs_iterations, line_search_fn="strong_wolfe"
        )
    else:
        optimiser = torch.optim.Adam(variables, lr=config.step_size, betas=(0.9, 0.999))

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(*variables)
        value.backward()
        return value

    for _ in range(config.iterations):
        optimiser.step(closure)
    return [value.detach() for value in variables]
