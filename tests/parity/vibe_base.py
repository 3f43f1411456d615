"""Parity checks of what the systems share (vibe_base spec)."""

from typing import Any

import numpy as np
import torch

from anthropose.geometry.filters import one_euro_as_published
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.skeleton import SPIN_49, SPIN_49_FROM_BODY_54
from tests.parity.compare import assert_close
from tests.parity.synthetic_smpl import synthetic_smpl

H36M_TO_J14 = (6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10)


def check_smpl(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """The body model: 49 joints and vertices, from rotation vectors and matrices, with and without translation."""
    model = synthetic_smpl(meta["smpl_seed"])
    pose, betas, translation = (torch.from_numpy(arrays[name]) for name in ("pose", "betas", "transl"))
    rotations = rotvec_to_rotmat(pose.unflatten(1, (24, 3)))
    assert_close(rotations, arrays["out_rotmat"], "out_rotmat")
    shaped, points = model.shaped(betas), model.points(SPIN_49)
    for prefix, matrices, shift in (
        ("out", rotations, None),
        ("outt", rotations, translation),
        ("outr", torch.from_numpy(arrays["out_rotmat"]), None),
    ):
        posed = shaped.posed(matrices, shift)
        joints = posed.body_54()[:, SPIN_49_FROM_BODY_54]
        assert_close(joints, arrays[f"{prefix}_joints"], f"{prefix}_joints")
        assert_close(points(betas, matrices, shift), arrays[f"{prefix}_joints"], f"{prefix}_joints by points")
        assert_close(posed.vertices[:, :: meta["vertex_stride"]], arrays[f"{prefix}_verts"], f"{prefix}_verts")
    assert_close(shaped.posed(rotations).h36m_17()[:, H36M_TO_J14], arrays["out_joints14"], "out_joints14")


def check_one_euro(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Smoothing of rotation vectors, element by element over frame numbers, and the joints of the smoothed poses."""
    pose, betas = torch.from_numpy(arrays["pose"]), torch.from_numpy(arrays["betas"])
    frames = torch.arange(len(pose), dtype=torch.float64)
    smooth = one_euro_as_published(pose, frames)
    assert_close(smooth, arrays["out_pose"], "out_pose")
    assert_close(one_euro_as_published(pose, frames, 0.05, 1.5), arrays["out_pose2"], "out_pose2")
    points = synthetic_smpl(meta["smpl_seed"]).points(SPIN_49)
    joints = points(betas, rotvec_to_rotmat(smooth.unflatten(1, (24, 3))))
    assert_close(joints, arrays["out_joints3d"], "out_joints3d")


KINDS = {"vibe_base_smpl": check_smpl, "vibe_base_oneeuro": check_one_euro}
