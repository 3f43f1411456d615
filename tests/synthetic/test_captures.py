from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from anthropose.body.files import load_body
from anthropose.datasets.mocap import MocapSource, read_captures
from anthropose.skeleton import SMPL_24
from anthropose.synthetic.captures import FPS, RANGES, made_up, write_captures


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_captures(tmp_path_factory.mktemp("captures") / "made-up", train=4, val=2, test=1, seconds=2.0)


def test_the_folder_is_read_as_motion_capture_with_its_splits(folder: Path) -> None:
    body = load_body()
    counts = [len(read_captures(folder, split, body)) for split in ("train", "val", "test")]
    assert counts == [4, 2, 1]
    batch = MocapSource(folder, body).batch(0, 0, 6, 16)
    assert batch.joints.isfinite().all()
    assert batch.keypoints.shape[:2] == (6, 16)


def test_what_is_written_is_what_was_made_up(folder: Path) -> None:
    made = made_up(60, 100_001)
    with np.load(folder / "made_up_val.npz") as file:
        quats = torch.from_numpy(file["quat"][60:].astype(np.float32))[..., [1, 2, 3, 0]]
    turned = roma.unitquat_to_rotmat(quats / quats.norm(dim=-1, keepdim=True))
    assert (turned - roma.rotvec_to_rotmat(made.rotations)).abs().max() < 2e-3


def test_motions_differ_and_come_out_the_same_again() -> None:
    assert torch.equal(made_up(30, 5).rotations, made_up(30, 5).rotations)
    assert (made_up(30, 5).rotations - made_up(30, 6).rotations).abs().max() > 0.1


def test_joints_stay_within_their_ranges_and_move_smoothly() -> None:
    made = made_up(300, 3)
    for row, name in enumerate(SMPL_24.joints[1:], 1):
        side, _, part = name.rpartition("_")
        for axis, (low, high) in enumerate(RANGES.get(part, ((0.0, 0.0),) * 3)):
            sign = -1 if side == "right" and axis else 1
            values = sign * made.rotations[:, row, axis]
            assert low - 1e-5 <= values.min()
            assert values.max() <= high + 1e-5
    assert made.rotations[:, 1:].diff(dim=0).abs().max() * FPS < 12


def test_knees_bend_backward_and_mostly_little() -> None:
    knees = torch.cat([made_up(60, seed).rotations[:, SMPL_24.index("left_knee"), 0] for seed in range(20)])
    assert knees.min() >= 0
    assert knees.mean() < 0.95
