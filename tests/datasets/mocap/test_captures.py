"""Motion capture is read such that limbs point where they did, in both formats; what is wrong is said in a line."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.body.skinning import rigid_transforms
from anthropose.datasets.mocap.captures import LEG, changed_rest, read_captures, rest_change
from anthropose.errors import UserError
from anthropose.geometry.rotations import quat_to_rotmat, rotvec_to_rotmat
from anthropose.skeleton import SMPL_24
from tests.datasets.mocap.folders import OFFSETS, swaying, walk, write_amass, write_folder
from tests.toy_body import toy_body

LIMBS = [
    (f"{side}_{joint}", f"{side}_{child}")
    for side in ("left", "right")
    for joint, child in (
        ("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "hand"),
    )
]  # fmt: skip


def posed(rotations: Float[Tensor, "n 24 3 3"], rest: Float[Tensor, "24 3"]) -> Float[Tensor, "n 24 3"]:
    return rigid_transforms(rotations, rest.expand(len(rotations), 24, 3), SMPL_24.parents)[0]


def recorded_rest() -> Float[Tensor, "24 3"]:
    rest = torch.zeros(24, 3)
    for joint, parent in SMPL_24.edges:
        rest[joint] = rest[parent] + torch.from_numpy(OFFSETS[joint])
    return rest


def direction(points: Float[Tensor, "n 24 3"], start: str, end: str) -> Float[Tensor, "n 3"]:
    bone = points[:, SMPL_24.index(end)] - points[:, SMPL_24.index(start)]
    return bone / bone.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize("which", ["free", "toy"])
def test_limbs_point_where_they_were_recorded_whatever_the_bodys_rest_pose(
    folder: Path, body: BodyModel, which: str
) -> None:
    model = body if which == "free" else toy_body()
    read = read_captures(folder, "train", model)[0]
    ours = posed(quat_to_rotmat(read.rotations), model.rest_joints[0])
    source = posed(rotvec_to_rotmat(swaying(90, 0)), recorded_rest())
    uncorrected = posed(rotvec_to_rotmat(swaying(90, 0)), model.rest_joints[0])
    for start, end in LIMBS:
        wanted = direction(source, start, end)
        assert (direction(ours, start, end) - wanted).norm(dim=-1).max() < 3e-3, start
    worst = max((direction(uncorrected, *limb) - direction(source, *limb)).norm(dim=-1).max() for limb in LIMBS)
    assert worst > 0.03, "the body's rest pose is another than the capture's, or this test shows nothing"


def test_feet_keep_their_soles_and_point_where_they_were_recorded(body: BodyModel) -> None:
    change = quat_to_rotmat(rest_change(body))
    for side in ("left", "right"):
        ankle, foot = (body.rest_joints[0][SMPL_24.index(f"{side}_{name}")] for name in ("ankle", "foot"))
        turned = change[SMPL_24.index(f"{side}_ankle")] @ (foot - ankle)
        assert turned[0].abs() < 1e-5
        assert turned[1] == pytest.approx(float((foot - ankle)[1]), abs=1e-6)
        assert turned[2] > 0.05


def test_the_trunk_and_head_keep_their_orientation(body: BodyModel) -> None:
    """Global rotations of joints without a correction are those that were recorded."""
    local = torch.nn.functional.normalize(torch.randn(5, 24, 4, generator=torch.Generator().manual_seed(1)), dim=-1)
    changed = changed_rest(local, rest_change(body))
    rest = torch.zeros(24, 3)
    before, after = (
        rigid_transforms(quat_to_rotmat(quats), rest.expand(5, 24, 3), SMPL_24.parents)[1] for quats in (local, changed)
    )
    for name in ("pelvis", "spine1", "spine3", "neck", "head", "left_collar", "left_foot"):
        joint = SMPL_24.index(name)
        torch.testing.assert_close(after[:, joint, :, :3], before[:, joint, :, :3], atol=1e-5, rtol=0)


def test_a_split_holds_its_own_motions_in_order(folder: Path, body: BodyModel) -> None:
    train, val = read_captures(folder, "train", body), read_captures(folder, "val", body)
    assert [(one.name, len(one)) for one in train] == [("train_0", 90), ("train_1", 40), ("train_2", 12)]
    assert [(one.name, len(one), one.rate, one.folder) for one in val] == [("val_0", 50, 30.0, "made")]
    torch.testing.assert_close(train[0].root, walk(90, 0))
    torch.testing.assert_close(train[1].root, walk(40, 1)), "the root is scaled"


def test_quaternions_do_not_jump_between_frames(folder: Path, body: BodyModel) -> None:
    for capture in read_captures(folder, "train", body):
        assert (capture.rotations[1:] * capture.rotations[:-1]).sum(-1).min() > 0.9
        assert (capture.rotations.norm(dim=-1) - 1).abs().max() < 1e-5


def test_people_of_amass_stand_upright_with_y_up(tmp_path: Path, body: BodyModel) -> None:
    write_amass(tmp_path / "amass", "KIT/3/walk_poses", 100, 100.0)
    write_amass(tmp_path / "amass", "SFU/1/walk_poses", 100, 100.0)
    (capture,) = read_captures(tmp_path / "amass", "train", body)
    assert (capture.name, capture.subject, capture.title) == ("KIT_3_walk_poses", "3", "walk_poses")
    assert len(capture) == 34, "every third frame is near 30 per second"
    assert capture.rate == pytest.approx(100 / 3)
    assert [one.name for one in read_captures(tmp_path / "amass", "val", body)] == ["SFU_1_walk_poses"]
    joints = posed(quat_to_rotmat(capture.rotations), body.rest_joints[0])
    up = joints[:, SMPL_24.index("head")] - joints[:, 0]
    assert (up[:, 1] / up.norm(dim=-1)).min() > 0.98
    assert torch.allclose(capture.root[:, 1], torch.tensor(0.9))
    ahead = capture.root[-1] - capture.root[0]
    nose = body.points(SMPL_24)(torch.zeros(1, 10), quat_to_rotmat(capture.rotations[:1]))[0, 10] - joints[0, 7]
    assert float(ahead @ nose) > 0, "the foot points where the person walks"
    left, right = (SMPL_24.index(f"{side}_hand") for side in ("left", "right"))
    turns = quat_to_rotmat(capture.rotations[0])
    assert torch.allclose(turns[right], rotvec_to_rotmat(torch.tensor([0.0, 0.5, 0.0])), atol=1e-5)
    assert torch.allclose(turns[left], torch.eye(3), atol=1e-5)


def break_index(folder: Path) -> None:
    (folder / "index.json").write_text("{")


def cut_shard(folder: Path) -> None:
    path = folder / "made_train_00.npz"
    path.write_bytes(path.read_bytes()[:300])


def short_shard(folder: Path) -> None:
    np.savez(folder / "made_train_00.npz", quat=np.zeros((10, 24, 4), np.float16), root=np.zeros((10, 3), np.float32))


def other_joints(folder: Path) -> None:
    index = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps({**index, "joints": index["joints"][::-1]}))


@pytest.mark.parametrize("damage", [break_index, cut_shard, short_shard, other_joints])
def test_a_damaged_folder_is_told_in_one_line(tmp_path: Path, body: BodyModel, damage: object) -> None:
    folder = write_folder(tmp_path / "made", {"train": [20]})
    damage(folder)  # type: ignore[operator]
    with pytest.raises(UserError, match="made") as caught:
        read_captures(folder, "train", body)
    assert "\n" not in str(caught.value)


def test_absent_folders_and_empty_splits_are_told(tmp_path: Path, folder: Path, body: BodyModel) -> None:
    with pytest.raises(UserError, match="no such folder"):
        read_captures(tmp_path / "nowhere", "train", body)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"index\.json"):
        read_captures(tmp_path / "empty", "train", body)
    only_train = write_folder(tmp_path / "made", {"train": [20]})
    with pytest.raises(UserError, match="no motion for test"):
        read_captures(only_train, "test", body)


def test_the_scale_of_roots_is_that_of_the_formats_legs() -> None:
    rest = recorded_rest()
    hip, knee, ankle = (rest[SMPL_24.index(f"left_{name}")] for name in ("hip", "knee", "ankle"))
    assert float((hip - knee).norm() + (knee - ankle).norm()) == pytest.approx(LEG)
