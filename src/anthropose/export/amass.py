"""One person's motion in AMASS's layout (.npz): SMPL+H's pose, shape and translation in a world whose z axis is up.

Mahmood et al., AMASS: Archive of Motion Capture as Surface Shapes, ICCV 2019; the keys are those of its SMPL+H archive.
"""

import io
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.export.regular import even_times_of
from anthropose.export.scene import figures_of, floor_height
from anthropose.geometry.filters import interpolate, interpolate_rotations
from anthropose.geometry.rotations import rotmat_to_rotvec
from anthropose.motion import Motion
from anthropose.writing import whole_file

JOINTS, BODY_JOINTS = 52, 22
"""SMPL+H's joints, and how many of them come before the fingers; SMPL has the same ones first."""
BETAS, DMPLS = 16, 8


def write_amass(
    motion: Motion,
    body: BodyModel,
    path: Path,
    fps: float | None = None,
    start: float | None = None,
    floor: float | None = None,
) -> None:
    """Writes one person's motion at a constant frame rate, whole or not at all.

    Keys: `poses` (n, 156) rotation vectors [rad], fingers zero; `trans` (n, 3) SMPL's translation [m]; `betas` (16,),
    the last six zero; `dmpls` (n, 8) zeros; `gender`; `mocap_framerate` [1/s]; and `body_model`, which AMASS has not:
    shape components mean what they mean only with this body. Poses are interpolated to even times, also through gaps.

    Args:
        body: the model that the motion was made with.
        fps: frames per second; the video's mean rate when not given.
        start: the time in the video [s] of the first frame; the person's first frame when not given.
        floor: height of the floor over the camera [m], estimated from the feet when not given; there z is 0.

    Raises:
        UserError: the motion has no body or numbers that are not finite, or `path` cannot be written.
    """
    floor = floor_height([motion], body) if floor is None else floor
    (figure,) = figures_of([motion], body, floor)
    rate, times = even_times_of([motion], fps, start)
    rotations = interpolate_rotations(figure.rotations.double(), motion.seconds, times)
    rotations[:, 0] = y_up_to_z_up(rotations[:, 0].transpose(-1, -2)).transpose(-1, -2)
    pelvis = interpolate(figure.positions.double(), motion.seconds, times)
    betas = torch.zeros(BETAS, dtype=torch.float64)
    betas[: figure.shape.betas.shape[-1]] = figure.shape.betas.double()
    poses = torch.zeros(len(times), JOINTS, 3, dtype=torch.float64)
    poses[:, :BODY_JOINTS] = rotmat_to_rotvec(rotations[:, :BODY_JOINTS])
    arrays = {
        "poses": poses.flatten(1).numpy(),
        "trans": (y_up_to_z_up(pelvis) - figure.shape.joints[0].double()).numpy(),
        "betas": betas.numpy(),
        "dmpls": np.zeros((len(times), DMPLS)),
        "gender": np.array(gender_of(body)),
        "mocap_framerate": np.array(rate),
        "body_model": np.array(body.name),
    }
    packed = io.BytesIO()  # An archive that is cut by a full disk would complain once more when it is cleared away.
    np.savez_compressed(packed, **arrays)
    with whole_file(path) as part:
        part.write_bytes(packed.getvalue())


def y_up_to_z_up(vectors: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3"]:
    """Vectors in axes turned a quarter about x: what was up along y is up along z."""
    x, y, z = vectors.unbind(-1)
    return torch.stack([x, -z, y], dim=-1)


def gender_of(body: BodyModel) -> str:
    """As the body's name tells: SMPL's files are called male, female or neutral."""
    name = body.name.lower()
    return next((gender for gender in ("female", "male") if gender in name), "neutral")
