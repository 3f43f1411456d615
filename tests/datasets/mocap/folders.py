"""Small folders of motion capture, in the project's format and in AMASS's."""

import json
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.skeleton import SMPL_24

OFFSETS = np.array(
    [
        [0, 0, 0], [0.07, -0.09, 0], [-0.07, -0.09, 0], [0, 0.11, -0.02], [0, -0.4, 0], [0, -0.4, 0], [0, 0.135, 0],
        [0, -0.41, 0], [0, -0.41, 0], [0, 0.055, 0.02], [0, -0.06, 0.13], [0, -0.06, 0.13], [0, 0.215, -0.03],
        [0.08, 0.115, -0.02], [-0.08, 0.115, -0.02], [0, 0.085, 0.05], [0.1, 0.04, -0.01], [-0.1, 0.04, -0.01],
        [0.26, 0, 0], [-0.26, 0, 0], [0.25, 0, 0], [-0.25, 0, 0], [0.085, 0, 0], [-0.085, 0, 0],
    ],
    np.float32,
)  # fmt: skip
"""Of the skeleton that the project's format is meant for: limbs exactly straight."""


def swaying(frames: int, seed: int, amount: float = 0.3) -> Float[Tensor, "n 24 3"]:
    """Rotation vectors of somebody who stands, arms down, and sways in every joint."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(frames)[:, None, None] / 30
    phase, speed = 6.3 * torch.rand(1, 24, 3, generator=generator), 1 + 2 * torch.rand(1, 24, 3, generator=generator)
    turns = amount * (phase + speed * time).sin() * torch.rand(1, 24, 3, generator=generator)
    for name, angle in (("left_shoulder", -1.2), ("right_shoulder", 1.2)):
        turns[:, SMPL_24.index(name), 2] += angle
    turns[:, 0] *= 0.3
    return turns


def walk(frames: int, seed: int) -> Float[Tensor, "n 3"]:
    """Where the pelvis goes: forward, at 0.9 m over the floor."""
    time = torch.arange(frames) / 30
    return torch.stack([0.1 * torch.sin(time + seed), 0.9 + 0.02 * torch.sin(8 * time), 0.8 * time], dim=1)


def write_folder(folder: Path, frames: dict[str, list[int]], amount: float = 0.3) -> Path:
    """A folder of the project's format with motions of these lengths in each split; one in two has scale 0.5."""
    folder.mkdir(parents=True)
    clips = []
    for split, lengths in frames.items():
        turns = [swaying(n, seed, amount) for seed, n in enumerate(lengths)]
        quats = roma.rotvec_to_unitquat(torch.cat(turns))[..., [3, 0, 1, 2]]
        quats = torch.where(quats[..., :1] < 0, -quats, quats)
        roots = [walk(n, seed) * (1 if seed % 2 == 0 else 2) for seed, n in enumerate(lengths)]
        shard = f"made_{split}_00.npz"
        np.savez(folder / shard, quat=quats.numpy().astype(np.float16), root=torch.cat(roots).numpy())
        start = 0
        for seed, n in enumerate(lengths):
            clips.append(
                {"id": f"{split}_{seed}", "subject": f"{seed:02d}", "split": split, "title": "sways", "frames": n,
                 "scale": 1.0 if seed % 2 == 0 else 0.5, "shard": shard, "start": start}
            )  # fmt: skip
            start += n
    index = {"fps": 30.0, "joints": SMPL_24.joints, "parents": SMPL_24.parents, "offsets": OFFSETS.tolist()}
    (folder / "index.json").write_text(json.dumps({**index, "clips": clips, "dropped": []}))
    return folder


def write_amass(folder: Path, name: str, frames: int, rate: float) -> Path:
    """A motion of AMASS: somebody who stands upright on the floor z = 0, faces -y, and walks there."""
    path = folder / f"{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    poses = np.zeros((frames, 156))
    poses[:, 0] = np.pi / 2
    poses[:, 3 * 4 + 0] = np.linspace(0, 1, frames)
    poses[:, 3 * 37 + 1] = 0.5
    trans = np.stack([np.zeros(frames), -np.arange(frames) / rate, np.full(frames, 0.9)], axis=1)
    np.savez(path, poses=poses, trans=trans, betas=np.zeros(16), gender="neutral", mocap_framerate=rate)
    return path
