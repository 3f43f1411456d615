"""AMASS's layout, read back by numpy and by the project's readers of AMASS."""

from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.body.files import load_body
from anthropose.datasets.mocap.captures import read_captures
from anthropose.datasets.raw.amass import AMASS
from anthropose.datasets.raw.base import Findings, RawOptions
from anthropose.export.amass import gender_of, write_amass
from anthropose.geometry.rotations import quat_to_rotmat, rotvec_to_rotmat
from tests.export.made_up import GAP, motion, scene_joints, stick_body, with_a_gap

BODY = stick_body()
SHAPE = torch.tensor([2.0, -1.0, 1.5, 0, 0, 0, 0.5, 0, 0, -1])
SMPL_FROM_SMPLH = (*range(22), 22, 37)


def posed_joints(path: Path, body=BODY) -> np.ndarray:
    """Where SMPL's body puts the joints (n, 24, 3), z up, from the file alone."""
    file = np.load(path)
    rotvecs = torch.from_numpy(file["poses"]).unflatten(1, (52, 3))[:, list(SMPL_FROM_SMPLH)].float()
    betas = torch.from_numpy(file["betas"][:10]).float()
    joints = body.shaped(betas).posed(rotvec_to_rotmat(rotvecs), torch.from_numpy(file["trans"]).float()).joints
    return joints.numpy().astype(np.float64)


def test_the_keys_are_those_of_amass(tmp_path: Path) -> None:
    write_amass(motion(BODY, betas=SHAPE), BODY, tmp_path / "a.npz")
    file = np.load(tmp_path / "a.npz", allow_pickle=False)
    shapes = {key: file[key].shape for key in file.files}
    assert shapes == {
        "poses": (60, 156), "trans": (60, 3), "betas": (16,), "dmpls": (60, 8), "gender": (),
        "mocap_framerate": (), "body_model": (),
    }  # fmt: skip
    assert float(file["mocap_framerate"]) == 30.0
    assert str(file["gender"]) == "neutral"
    assert np.abs(file["betas"][:10] - SHAPE.numpy()).max() < 1e-6
    assert not file["betas"][10:].any()
    assert not file["poses"][:, 66:].any(), "fingers"


def test_a_body_posed_from_the_file_stands_where_the_motion_says_with_z_up(tmp_path: Path) -> None:
    one = motion(BODY, betas=SHAPE)
    write_amass(one, BODY, tmp_path / "a.npz", floor=-1.1)
    x, y, z = np.moveaxis(scene_joints(one, -1.1), -1, 0)
    assert np.abs(posed_joints(tmp_path / "a.npz") - np.stack([x, -z, y], -1)).max() < 1e-5


def test_the_reader_of_the_data_set_finds_the_same_poses(tmp_path: Path) -> None:
    one = motion(BODY, betas=SHAPE)
    write_amass(one, BODY, tmp_path / "CMU" / "01" / "walk_poses.npz")
    sources = AMASS(RawOptions()).find(tmp_path, "train")
    (raw,) = next(source for source in sources if source.name.startswith("CMU")).load(Findings())
    assert len(raw.sequence) == 60
    rotations = rotvec_to_rotmat(torch.from_numpy(raw.sequence.pose).unflatten(1, (24, 3)))
    assert (rotations[:, 1:22] - one.body.rotations[:, 1:22]).abs().max() < 1e-5
    assert np.abs(raw.sequence.betas - SHAPE.numpy()).max() < 1e-6


def test_the_reader_of_motion_capture_finds_the_same_motion(tmp_path: Path) -> None:
    one = motion(BODY, betas=SHAPE)
    write_amass(one, BODY, tmp_path / "CMU" / "01" / "walk.npz", floor=-1.1)
    (capture,) = read_captures(tmp_path, "train", BODY)
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    truth = one.body.rotations[:, :22].clone()
    truth[:, 0] = flip @ truth[:, 0]
    assert capture.rate == 30.0
    assert (quat_to_rotmat(capture.rotations)[:, :22] - truth).abs().max() < 1e-5
    shift = scene_joints(one, -1.1)[:, 0] - capture.root.numpy()
    assert np.abs(shift - shift[0]).max() < 1e-5, "AMASS's translation differs from the pelvis by a constant"


def test_a_gap_is_bridged_and_the_frames_after_it_keep_their_time(tmp_path: Path) -> None:
    one = with_a_gap(BODY)
    write_amass(one, BODY, tmp_path / "a.npz", floor=0.0)
    joints = posed_joints(tmp_path / "a.npz")
    x, y, z = np.moveaxis(scene_joints(one, 0.0), -1, 0)
    assert len(joints) == 60
    assert np.abs(joints[one.track.frames.numpy()] - np.stack([x, -z, y], -1)).max() < 1e-5
    steps = np.diff(joints[GAP.start - 1 : GAP.stop + 1, 0], axis=0)
    assert np.abs(steps - steps[0]).max() < 1e-5


def test_another_rate_keeps_the_length_in_seconds(tmp_path: Path) -> None:
    write_amass(motion(BODY), BODY, tmp_path / "a.npz", fps=120.0)
    file = np.load(tmp_path / "a.npz")
    assert (len(file["poses"]), float(file["mocap_framerate"])) == (237, 120.0)


@pytest.mark.parametrize(("name", "gender"), [("SMPL_FEMALE", "female"), ("basicmodel_m", "neutral"), ("male", "male")])
def test_the_gender_is_that_of_the_bodys_name(name: str, gender: str) -> None:
    from dataclasses import replace

    assert gender_of(replace(BODY, name=name)) == gender


def test_the_free_body_is_named_since_shapes_mean_its_own(tmp_path: Path) -> None:
    body = load_body("free")
    write_amass(motion(body, torch.arange(3) / 30), body, tmp_path / "a.npz")
    assert str(np.load(tmp_path / "a.npz")["body_model"]) == "free"
