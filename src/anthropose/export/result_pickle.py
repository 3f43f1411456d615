"""All persons in the results file of VIBE's family (`vibe_output.pkl`, `tcmr_output.pkl`), for the tools made for it.

Read it by `joblib.load` or `pickle.load`; it holds a dictionary of dictionaries of numpy arrays (vibe_base spec, 14.5).
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.body.results import result_of, vertices_of
from anthropose.errors import UserError
from anthropose.export.scene import BODY_METHODS, check_body, check_finite
from anthropose.geometry.cameras import crop_camera_to_image, crop_points_to_image
from anthropose.motion import BodyPose, Camera, Motion, Prediction
from anthropose.skeleton import STAF_21, pick
from anthropose.writing import whole_file

CROP_SCALE = 1.2
"""How much larger than the person's box the square of `pred_cam` is; `bboxes` are these squares, as TCMR has them."""
_CHUNK = 64
"""Frames whose surfaces are made at once."""


def write_results(motions: list[Motion], body: BodyModel, path: Path) -> None:
    """Writes everyone's results under their number, whole or not at all.

    For n frames: `pred_cam` (n, 3) s, tx, ty of the square in `bboxes` (n, 4: centre x, y, side, side [px]);
    `orig_cam` (n, 4) sx, sy, tx, ty of the full image; `verts` (n, v, 3) and `joints3d` (n, 49, 3) [m] in camera axes
    without translation; `pose` (n, 72) rotation vectors [rad]; `betas` (n, 10); `joints2d` (n, 21, 3) what the detector
    saw [px, confidence], or None; `joints2d_img_coord` (n, 49, 2) [px]; `frame_ids` (n,), with the track's gaps.

    Raises:
        UserError: a motion has no body, another body, or numbers that are not finite; or `path` cannot be written.
    """
    results = {motion.track.person: _person(motion, body) for motion in motions}
    with whole_file(path) as part, part.open("wb") as file:
        pickle.dump(results, file, protocol=4)


def _person(motion: Motion, body: BodyModel) -> dict[str, Any]:
    check_finite(motion)
    check_body(motion, body)
    if motion.body is None:
        raise UserError(
            f"person {motion.track.person}: method {motion.method or 'unknown'} gives joints alone, results hold "
            f"bodies; {', '.join(BODY_METHODS)} give them"
        )
    squares = squares_of(motion)
    origin = motion.translation - body.shaped(motion.body.betas).joints[:, 0]
    camera = translation_to_crop_camera(origin, squares, motion.camera)
    result = result_of(Prediction(BodyPose(motion.body.rotations, motion.body.betas), camera), body)
    vertices = [
        vertices_of(Prediction(BodyPose(rotations, betas), camera[:0]), body)
        for rotations, betas in zip(motion.body.rotations.split(_CHUNK), motion.body.betas.split(_CHUNK), strict=True)
    ]
    seen = None
    if motion.track.keypoints is not None and motion.track.skeleton is not None:
        seen = pick(motion.track.keypoints, motion.track.skeleton, STAF_21)[0].numpy()
    return {
        "pred_cam": camera.numpy(),
        "orig_cam": crop_camera_to_image(camera, squares, motion.camera.size).numpy(),
        "verts": torch.cat(vertices).numpy(),
        "pose": result.theta[:, 3:75].numpy(),
        "betas": np.array(motion.body.betas),
        "joints3d": result.joints.numpy(),
        "joints2d": seen,
        "joints2d_img_coord": crop_points_to_image(result.keypoints, squares).numpy(),
        "bboxes": torch.cat([squares, squares[:, 2:]], dim=1).numpy(),
        "frame_ids": motion.track.frames.numpy().astype(np.int64),
    }


def squares_of(motion: Motion) -> Float[Tensor, "n 3"]:
    """Centre x, centre y and side [px] of the square that a crop's camera looks at."""
    corners = motion.track.boxes.unflatten(1, (2, 2))
    side = CROP_SCALE * (corners[:, 1] - corners[:, 0]).amax(1, keepdim=True).clamp_min(2.0)
    return torch.cat([corners.mean(1), side], dim=1)


def translation_to_crop_camera(
    translation: Float[Tensor, "n 3"], squares: Float[Tensor, "n 3"], camera: Camera
) -> Float[Tensor, "n 3"]:
    """The weak-perspective camera s, tx, ty of a square in which the body's origin [m] is where it is in the image.

    The inverse of `geometry.cameras.crop_camera_to_translation`.
    """
    x, y, z = translation.unbind(-1)
    cx, cy, side = squares.unbind(-1)
    scale = 2 * camera.focal / (side * z)
    tx = x - 2 * (cx - camera.center[0]) / (side * scale)
    ty = y - 2 * (cy - camera.center[1]) / (side * scale)
    return torch.stack([scale, tx, ty], dim=-1)
