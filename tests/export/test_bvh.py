"""BVH files, read back by a plain parser with forward kinematics of its own."""

from pathlib import Path

import numpy as np
import pytest
import roma
import torch
from scipy.spatial.transform import Rotation

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.export.bvh import euler_zxy, write_bvh
from anthropose.export.regular import even_times
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.skeleton import SMPL_24
from tests.export.made_up import GAP, lifted, motion, scene_joints, stick_body, with_a_gap
from tests.export.read_bvh import Bvh

SHAPE = torch.tensor([2.0, -1.0, 1.5, 0, 0, 0, 0.5, 0, 0, -1])


@pytest.fixture
def body() -> BodyModel:
    return stick_body()


def joints_of(path: Path) -> np.ndarray:
    bvh = Bvh(path)
    return bvh.positions()[:, [bvh.names.index(name) for name in SMPL_24.joints]]


@pytest.mark.parametrize(("unit", "per_metre"), [("cm", 100), ("m", 1), ("mm", 1000)])
def test_the_joints_come_back_within_a_tenth_of_a_millimetre(unit, per_metre, body: BodyModel, tmp_path: Path) -> None:
    one = motion(body, betas=SHAPE)
    write_bvh(one, body, tmp_path / "a.bvh", unit=unit, floor=-1.1)
    joints = joints_of(tmp_path / "a.bvh") / per_metre
    assert joints.shape == (60, 24, 3)
    assert np.abs(joints - scene_joints(one, -1.1)).max() < 1e-4


def test_another_library_reads_the_same_joints(body: BodyModel, tmp_path: Path) -> None:
    bvhio = pytest.importorskip("bvhio", reason="a second reader of BVH files; pip install bvhio")
    one = motion(body, torch.arange(20) / 30, betas=SHAPE)
    write_bvh(one, body, tmp_path / "a.bvh", floor=-1.1)
    skeleton = bvhio.readAsHierarchy(str(tmp_path / "a.bvh"))
    for frame in range(0, 20, 6):
        skeleton.loadPose(frame)
        places = {joint.Name: np.array(joint.PositionWorld) / 100 for joint, *_ in skeleton.layout()}
        joints = np.stack([places[name] for name in SMPL_24.joints])
        assert np.abs(joints - scene_joints(one, -1.1)[frame]).max() < 1e-3


def test_pybvh_reads_the_same_joints(body: BodyModel, tmp_path: Path) -> None:
    pybvh = pytest.importorskip("pybvh", reason="a third reader of BVH files; pip install pybvh")
    one = motion(body, torch.arange(20) / 30, betas=SHAPE)
    write_bvh(one, body, tmp_path / "a.bvh", floor=-1.1)
    read = pybvh.read_bvh_file(str(tmp_path / "a.bvh"))
    assert read.frame_time == pytest.approx(1 / 30, abs=1e-6)
    joints = read.joint_positions()[:, [read.joint_names.index(name) for name in SMPL_24.joints]] / 100
    assert np.abs(joints - scene_joints(one, -1.1)).max() < 1e-3


def test_wild_rotations_come_back_as_well(body: BodyModel, tmp_path: Path) -> None:
    rotations = rotvec_to_rotmat(3 * torch.randn(40, 24, 3, generator=torch.Generator().manual_seed(0)))
    one = motion(body, torch.arange(40) / 25, fps=25.0, rotations=rotations)
    write_bvh(one, body, tmp_path / "a.bvh", floor=0.0)
    assert np.abs(joints_of(tmp_path / "a.bvh") / 100 - scene_joints(one, 0.0)).max() < 1e-4


def test_uneven_time_stamps_become_even_ones_and_gaps_are_bridged(body: BodyModel, tmp_path: Path) -> None:
    seconds = torch.tensor([1.0, 1.03, 1.08, 1.1, 2.0, 2.07], dtype=torch.float64)
    one = motion(body, seconds, fps=20.0)
    write_bvh(one, body, tmp_path / "a.bvh", fps=50.0, floor=0.0)
    bvh = Bvh(tmp_path / "a.bvh")
    assert bvh.frame_time == pytest.approx(0.02)
    assert len(bvh.values) == 54
    joints, truth = joints_of(tmp_path / "a.bvh") / 100, scene_joints(one, 0.0)
    for frame, key in ((0, 0), (4, 2), (5, 3), (50, 4)):
        assert np.abs(joints[frame] - truth[key]).max() < 1e-4
    pelvis = joints[:, 0, 0]
    assert pelvis[27] == pytest.approx(truth[3, 0, 0] + (truth[4, 0, 0] - truth[3, 0, 0]) * 0.44 / 0.9, abs=1e-5)


def test_the_file_can_begin_with_the_video_so_that_persons_keep_step(body: BodyModel, tmp_path: Path) -> None:
    one = motion(body, torch.arange(30, 60) / 30)
    write_bvh(one, body, tmp_path / "a.bvh", start=0.0, floor=0.0)
    joints, truth = joints_of(tmp_path / "a.bvh") / 100, scene_joints(one, 0.0)
    assert len(joints) == 60
    assert np.abs(joints[:31] - truth[0]).max() < 1e-4
    assert np.abs(joints[30:] - truth).max() < 1e-4


def test_no_frame_is_lost_to_rounding_at_film_rates() -> None:
    for fps in (24000 / 1001, 25.0, 30000 / 1001, 59.94, 120.0):
        seconds = torch.arange(2000, dtype=torch.float64) / fps
        assert len(even_times(seconds.float().double(), fps, None)) == 2000


def test_bones_end_where_the_surface_ends(body: BodyModel, tmp_path: Path) -> None:
    one = motion(body, torch.tensor([0.0]), rotations=torch.eye(3).expand(1, 24, 3, 3).clone())
    write_bvh(one, body, tmp_path / "a.bvh", floor=0.0)
    bvh = Bvh(tmp_path / "a.bvh")
    ends = {name: place / 100 for name, place in zip(bvh.names, bvh.positions()[0], strict=True) if "_end" in name}
    assert set(ends) == {"head_end", "left_foot_end", "right_foot_end", "left_hand_end", "right_hand_end"}
    surface = body.template - body.shaped(torch.zeros(10)).joints[0]
    # The root is turned by no rotation in camera axes, so head down in the scene.
    assert ends["head_end"][1] == pytest.approx(-0.1 - float(surface[:, 1].max()), abs=1e-4)
    assert ends["left_hand_end"][0] == pytest.approx(float(surface[:, 0].max()), abs=1e-4)


def test_euler_angles_are_those_of_scipy_up_to_equivalent_triples() -> None:
    rotations = roma.random_rotmat(100, dtype=torch.float64).numpy()
    angles = euler_zxy(rotations[:, None])[:, 0]
    back = Rotation.from_euler("ZXY", angles).as_matrix()
    assert np.abs(back - rotations).max() < 1e-9


def test_angles_go_on_without_jumps_through_full_turns_and_the_gimbal() -> None:
    t = np.linspace(0, 4 * np.pi, 400)
    spin_about_y = Rotation.from_euler("ZXY", np.stack([0.2 * np.sin(t), 0.3 * np.cos(t), 2 * t], 1)).as_matrix()
    bend_past_90 = Rotation.from_euler("ZXY", np.stack([0 * t, 2 * np.sin(t / 4), 0 * t], 1)).as_matrix()
    for rotations in (spin_about_y, bend_past_90):
        angles = euler_zxy(rotations[:, None])[:, 0]
        assert np.abs(np.diff(angles, axis=0)).max() < 0.1
        assert np.abs(Rotation.from_euler("ZXY", angles).as_matrix() - rotations).max() < 1e-6


@pytest.mark.parametrize("sign", [1, -1])
def test_the_gimbal_itself_is_a_rotation_like_any_other(sign: int) -> None:
    truth = np.array([[0.4, 1.5, 0.3], [0.4, np.pi / 2, 0.3], [0.5, np.pi / 2, 0.1]]) * [1, sign, 1]
    rotations = Rotation.from_euler("ZXY", truth).as_matrix()
    angles = euler_zxy(rotations[:, None])[:, 0]
    assert np.abs(Rotation.from_euler("ZXY", angles).as_matrix() - rotations).max() < 1e-6
    assert np.abs(np.diff(angles, axis=0)).max() < 0.35


def test_a_frame_rate_of_zero_is_refused(body: BodyModel, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="greater than 0"):
        write_bvh(motion(body), body, tmp_path / "a.bvh", fps=0.0)


def test_a_motion_with_bad_numbers_is_refused(body: BodyModel, tmp_path: Path) -> None:
    one = motion(body)
    one.body.rotations[3, 2, 1, 1] = float("inf")
    with pytest.raises(UserError, match="rotations of 1 frames, the first of them 3, are not finite"):
        write_bvh(one, body, tmp_path / "a.bvh")
    assert list(tmp_path.iterdir()) == []


def test_the_joints_of_a_body_can_go_by_the_names_of_mixamo(body: BodyModel, tmp_path: Path) -> None:
    write_bvh(motion(body), body, tmp_path / "a.bvh", joints="mixamo")
    names = Bvh(tmp_path / "a.bvh").names
    assert names[0] == "mixamorig:Hips"
    assert "mixamorig:LeftForeArm" in names


def test_a_gap_in_the_track_is_bridged_and_the_frames_after_it_keep_their_time(body: BodyModel, tmp_path: Path) -> None:
    one = with_a_gap(body)
    write_bvh(one, body, tmp_path / "a.bvh", floor=0.0)
    joints, truth = joints_of(tmp_path / "a.bvh") / 100, scene_joints(one, 0.0)
    assert len(joints) == 60
    assert np.abs(joints[one.track.frames.numpy()] - truth).max() < 1e-4
    along = np.linspace(truth[GAP.start - 1, 0], truth[GAP.start, 0], 12)[1:-1]
    assert np.abs(joints[GAP, 0] - along).max() < 1e-4


def test_lifted_joints_come_back_where_their_bones_keep_their_length(body: BodyModel, tmp_path: Path) -> None:
    one = lifted(motion(body, betas=SHAPE))
    write_bvh(one, body, tmp_path / "a.bvh", floor=-1.1)
    bvh = Bvh(tmp_path / "a.bvh")
    joints = bvh.positions()[:, [bvh.names.index(name) for name in one.skeleton.joints]] / 100
    assert np.abs(joints - scene_joints(one, -1.1)).max() < 1e-4


def test_another_library_reads_the_same_lifted_joints(body: BodyModel, tmp_path: Path) -> None:
    bvhio = pytest.importorskip("bvhio", reason="a second reader of BVH files; pip install bvhio")
    one = lifted(motion(body, torch.arange(8) / 30))
    write_bvh(one, body, tmp_path / "a.bvh", floor=0.0)
    skeleton = bvhio.readAsHierarchy(str(tmp_path / "a.bvh"))
    for frame in (0, 7):
        skeleton.loadPose(frame)
        places = {joint.Name: np.array(joint.PositionWorld) / 100 for joint, *_ in skeleton.layout()}
        joints = np.stack([places[name] for name in one.skeleton.joints])
        assert np.abs(joints - scene_joints(one, 0.0)[frame]).max() < 1e-3
