"""Small test sets in the layouts that evaluations read: prepared folders, published files, VideoPose3D's archives."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from anthropose.body.files import load_body
from anthropose.body.results import result_of
from anthropose.datasets.prepared import FORMAT, write_sequence
from anthropose.datasets.sequence import Sequence
from anthropose.geometry.rotations import rotmat_to_rotvec, rotvec_to_rotmat
from anthropose.motion import BodyPose, Prediction
from anthropose.skeleton import LSP_14, MPII3D_17, SPIN_49, Skeleton
from tests.datasets.dumps import dump
from tests.methods.small import FEATURES

NAMES = ("arguing_0", "bar_0", "cafe_1")


def moving_body(n: int, seed: int = 0) -> BodyPose:
    """A person who stands before the camera and fidgets."""
    generator = torch.Generator().manual_seed(seed)
    rotvecs = torch.randn(n, 24, 3, generator=generator).cumsum(0) * 0.02
    rotvecs[:, 0, 0] += torch.pi
    return BodyPose(rotvec_to_rotmat(rotvecs), 0.5 * torch.randn(10, generator=generator).expand(n, 10))


def sequence(name: str, n: int = 24, seed: int = 0, joint_set: Skeleton = LSP_14, **fields: Any) -> Sequence:
    """Features of noise, and labels of a moving body, somewhere in an image."""
    rng, pose = np.random.default_rng(seed), moving_body(n, seed)
    joints = result_of(Prediction(pose, torch.zeros(n, 3)), load_body("free"), joint_set).joints.numpy()
    places = joints - joints.mean(1, keepdims=True) + [0.3, 0.1, 4.0]
    keypoints = 1100 * places[..., :2] / places[..., 2:] + 500
    made: dict[str, Any] = {
        "features": rng.standard_normal((n, FEATURES)).astype(np.float32),
        "keypoints": np.concatenate([keypoints, np.ones((*keypoints.shape[:2], 1))], 2).astype(np.float32),
        "keypoint_set": joint_set,
        "boxes": np.tile(np.array([580.0, 530.0, 500.0, 500.0], np.float32), (n, 1)),
        "joints": joints,
        "joint_set": joint_set,
        "pose": rotmat_to_rotvec(pose.rotations).flatten(1).numpy(),
        "betas": pose.betas.numpy(),
        "frames": np.arange(n),
    }
    return Sequence(name, **{**made, **fields})


def write_set(
    folder: Path, sequences: list[Sequence], name: str = "3dpw", subset: str = "test", **made_with: Any
) -> Path:
    """A prepared set of these sequences."""
    entries = []
    folder.mkdir(parents=True, exist_ok=True)
    for one in sequences:
        write_sequence(folder, one.name, one)
        width = None
        if one.features is not None:
            width = one.features.shape[1]
            np.save(folder / "sequences" / f"{one.name}.features.npy", one.features[: len(one)])
        entries.append({"name": one.name, "file": one.name, "frames": len(one), "features": width})
    sources = {"all": {"sequences": entries, "findings": {}, "left_out": []}}
    index = {
        "format": FORMAT,
        "made_with": {"set": name, "subset": subset, **made_with},
        "complete": True,
        "sources": sources,
    }
    (folder / "set.json").write_text(json.dumps(index))
    return folder


def threedpw(folder: Path, **fields: Any) -> Path:
    """A prepared set of three sequences."""
    return write_set(folder, [sequence(name, 20 + 4 * k, k, **fields) for k, name in enumerate(NAMES)])


def mpii3d(folder: Path) -> Path:
    """Two sequences in the joints of MPI-INF-3DHP, with activities."""
    sequences = [
        sequence(f"TS{k}", 20, k, MPII3D_17, pose=None, betas=None, activities=np.arange(20) % 7 + 1) for k in (1, 5)
    ]
    return write_set(folder, sequences, "mpii3d-test")


def database(path: Path, n: int = 20, joint_set: Skeleton = SPIN_49) -> Path:
    """A published file of two videos of Human3.6M."""
    videos = [sequence(f"s_09_act_{act:02d}_subact_01_ca_0{act - 1}", n, act, joint_set) for act in (2, 3)]
    content = {
        "vid_name": np.repeat([video.name for video in videos], n),
        "features": np.concatenate([video.features[:n] for video in videos if video.features is not None]),
        "joints3D": np.concatenate([video.joints for video in videos]),
        "joints2D": np.concatenate([video.keypoints for video in videos]),
        "bbox": np.concatenate([video.boxes for video in videos]),
        "pose": np.concatenate([video.pose for video in videos]),
        "shape": np.concatenate([video.betas for video in videos]),
    }
    return dump(path, content)


def archives(folder: Path, actions: tuple[str, ...] = ("Walking", "Walking 1", "Eating"), frames: int = 12) -> Path:
    """VideoPose3D's joints of Human3.6M's two test subjects; its true keypoints are left to be projected."""
    rng = np.random.default_rng(0)
    joints = {
        subject: {
            action: (rng.standard_normal((frames, 32, 3)) * 0.3 + [0, 0, 1]).astype(np.float32) for action in actions
        }
        for subject in ("S9", "S11")
    }
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "data_3d_h36m.npz", positions_3d=np.array(joints, dtype=object))
    return folder / "data_3d_h36m.npz"


def humaneva_archives(folder: Path, frames: int = 12) -> Path:
    """VideoPose3D's joints and keypoints of HumanEva-I, two of the subjects."""
    rng = np.random.default_rng(0)
    joints: dict[str, Any] = {}
    seen: dict[str, Any] = {}
    for subject in ("Validate/S1", "Validate/S2", "Train/S1"):
        for action in ("Walking 1 chunk0", "Jog 1 chunk0", "Gestures 1 chunk0"):
            joints.setdefault(subject, {})[action] = rng.standard_normal((frames, 15, 3)).astype(np.float32) * 0.3
            views = [rng.uniform(0, 480, (frames, 15, 2)).astype(np.float32) for _ in range(3)]
            seen.setdefault(subject, {})[action] = views
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "data_3d_humaneva15.npz", positions_3d=np.array(joints, dtype=object))
    metadata = {"keypoints_symmetry": [[2, 3, 4, 8, 9, 10], [5, 6, 7, 11, 12, 13]]}
    np.savez(
        folder / "data_2d_humaneva15_gt.npz",
        positions_2d=np.array(seen, dtype=object),
        metadata=np.array(metadata, dtype=object),
    )
    return folder / "data_3d_humaneva15.npz"
