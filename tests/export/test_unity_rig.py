import math

import pytest
import torch

from anthropose.export.unity_rig import bone_names, unity_rig_keys
from anthropose.geometry.rotations import quat_to_rotmat, rotvec_to_rotmat
from anthropose.skeleton import SMPL_24

HEAD = torch.tensor([1.0, 2.0, 3.0])


def rotations(frames: int) -> torch.Tensor:
    torch.manual_seed(0)
    return rotvec_to_rotmat(torch.randn(frames, 24, 3))


def matrices(quaternions: torch.Tensor) -> torch.Tensor:
    return quat_to_rotmat(quaternions[..., [1, 2, 3, 0]])


def test_all_bones_but_the_pelvis_turn_as_smpls_joints_do() -> None:
    given = rotations(4)
    keys = unity_rig_keys(given, torch.zeros(4, 3), HEAD)
    torch.testing.assert_close(matrices(keys.quaternions[:, 1:]), given[:, 1:], atol=1e-5, rtol=0)


def test_the_pelvis_is_turned_into_the_rigs_axes_first() -> None:
    given = rotations(4)
    keys = unity_rig_keys(given, torch.zeros(4, 3), HEAD)
    quarter = -math.pi / 2
    turn = rotvec_to_rotmat(torch.tensor([quarter, 0, 0])) @ rotvec_to_rotmat(torch.tensor([0, 0, quarter]))
    torch.testing.assert_close(matrices(keys.quaternions[:, 0]), turn @ given[:, 0], atol=1e-5, rtol=0)


def test_the_pelvis_is_in_centimetres_from_where_its_bone_rests() -> None:
    keys = unity_rig_keys(rotations(2), torch.tensor([[0.0, 0.0, 0.0], [0.1, 0.2, 0.3]]), HEAD)
    torch.testing.assert_close(keys.pelvis, torch.tensor([[-1.0, -2.0, -3.0], [19.0, 28.0, 7.0]]))


def test_a_motion_that_starts_at_the_origin_keeps_its_distance() -> None:
    translation = torch.tensor([[1.0, 2.0, 3.0], [1.5, 2.0, 4.0]])
    keys = unity_rig_keys(rotations(2), translation, HEAD, start_at_origin=True)
    torch.testing.assert_close(keys.pelvis + HEAD, torch.tensor([[0.0, 300.0, 0.0], [0.0, 400.0, 50.0]]))


@pytest.mark.parametrize(("gender", "first"), [("male", "m_avg_Pelvis"), ("female", "f_avg_Pelvis")])
def test_bones_are_named_in_the_order_of_the_joints(gender: str, first: str) -> None:
    names = bone_names(gender)  # type: ignore[arg-type]
    assert names[0] == first
    assert len(names) == len(SMPL_24)
    for bone, joint in zip(names, SMPL_24.joints, strict=True):
        side = {"left": "L_", "right": "R_"}.get(joint.split("_")[0], "")
        assert bone.split("_avg_")[1].lower() == (side + joint.split("_")[-1]).lower()
