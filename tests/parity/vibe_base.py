"""Parity checks of what the systems share (vibe_base spec)."""

from typing import Any

import numpy as np
import torch

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


KINDS = {"vibe_base_smpl": check_smpl}
