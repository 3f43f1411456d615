"""Made-up motion capture: people who bend, turn, squat and wave at random, for trainings that have no other data.

    python -m anthropose.synthetic.captures FOLDER

writes a folder in the project's format of motion capture, which `anthropose train METHOD mocap-small --mocap FOLDER`
learns from. Nobody moves quite like this; it shows that a method learns, and is no substitute for recorded motion.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.skinning import rigid_transforms
from anthropose.geometry.rotations import rotmat_to_rotvec, rotvec_to_quat, rotvec_to_rotmat
from anthropose.skeleton import SMPL_24
from anthropose.writing import whole_file

FPS = 30.0
OFFSETS = (
    (0.0, 0.0, 0.0), (0.07, -0.09, 0.0), (-0.07, -0.09, 0.0), (0.0, 0.11, -0.02), (0.0, -0.4, 0.0), (0.0, -0.4, 0.0),
    (0.0, 0.135, 0.0), (0.0, -0.41, 0.0), (0.0, -0.41, 0.0), (0.0, 0.055, 0.02), (0.0, -0.06, 0.13),
    (0.0, -0.06, 0.13), (0.0, 0.215, -0.03), (0.08, 0.115, -0.02), (-0.08, 0.115, -0.02), (0.0, 0.085, 0.05),
    (0.1, 0.04, -0.01), (-0.1, 0.04, -0.01), (0.26, 0.0, 0.0), (-0.26, 0.0, 0.0), (0.25, 0.0, 0.0), (-0.25, 0.0, 0.0),
    (0.085, 0.0, 0.0), (-0.085, 0.0, 0.0),
)  # fmt: skip
"""Of each joint from its parent [m], in the skeleton that the format is meant for: a T-pose with straight limbs."""

Range = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
RANGES: dict[str, Range] = {
    "pelvis": ((-0.15, 0.3), (0.0, 0.0), (-0.12, 0.12)),
    "spine1": ((-0.1, 0.4), (-0.2, 0.2), (-0.15, 0.15)),
    "spine2": ((-0.1, 0.3), (-0.2, 0.2), (-0.1, 0.1)),
    "spine3": ((-0.05, 0.2), (-0.2, 0.2), (-0.1, 0.1)),
    "neck": ((-0.2, 0.4), (-0.4, 0.4), (-0.2, 0.2)),
    "head": ((-0.3, 0.3), (-0.4, 0.4), (-0.2, 0.2)),
    "hip": ((-1.6, 0.35), (-0.3, 0.3), (-0.1, 0.5)),
    "knee": ((0.0, 1.9), (0.0, 0.0), (0.0, 0.0)),
    "ankle": ((-0.4, 0.3), (-0.2, 0.2), (0.0, 0.0)),
    "collar": ((0.0, 0.0), (-0.1, 0.1), (-0.05, 0.15)),
    "shoulder": ((-0.6, 0.6), (-1.3, 0.4), (-1.45, 0.9)),
    "elbow": ((0.0, 0.0), (-2.1, 0.0), (0.0, 0.0)),
    "wrist": ((-0.4, 0.4), (-0.3, 0.3), (-0.4, 0.4)),
}
"""Rotation vectors [rad] that each joint takes, about x to the person's left, y up and z forward. Of limbs those of the
left side, whose mirror image are those of the right. What is not named does not turn."""
CALM = 2.0
"""The power by which small bends of hips and knees are likelier than large ones: people mostly stand."""
SPEEDS = (0.08, 0.9)
"""Of what moves a joint [1/s]; logarithms evenly."""


@dataclass(frozen=True)
class Recording:
    """One made-up motion."""

    rotations: Float[Tensor, "n 24 3"]
    """Rotation vectors [rad]."""
    root: Float[Tensor, "n 3"]
    """The pelvis [m], y up, with the lowest foot on the floor y = 0."""


def made_up(frames: int, seed: int) -> Recording:
    """Somebody who stands or squats, moves every joint within its range, turns round and drifts about."""
    rng = np.random.default_rng([seed, 24])
    seconds = np.arange(frames) / FPS
    turns = np.zeros((frames, 24, 3))
    for row, name in enumerate(SMPL_24.joints):
        side, _, part = name.rpartition("_")
        mirrored = np.array([1, -1, -1]) if side == "right" else np.ones(3)
        for axis, (low, high) in enumerate(RANGES.get(part, ((0.0, 0.0),) * 3)):
            share = _wandering(seconds, rng)
            if (part, axis) == ("knee", 0):
                share = share**CALM
            if (part, axis) == ("hip", 0):
                share = 1 - (1 - share) ** CALM
            turns[:, row, axis] = (low + (high - low) * share) * mirrored[axis]
    heading = rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.3) * seconds
    about_y = torch.from_numpy(np.stack([0 * heading, heading, 0 * heading], axis=1))
    rotations = torch.from_numpy(turns)
    rotations[:, 0] = rotmat_to_rotvec(rotvec_to_rotmat(about_y) @ rotvec_to_rotmat(rotations[:, 0]))
    drift = rng.normal(0, 0.2, 2) * seconds[:, None]
    root = torch.from_numpy(np.stack([drift[:, 0], 0 * seconds, drift[:, 1]], axis=1))
    root[:, 1] = -_lowest(rotations)
    return Recording(rotations.float(), root.float())


def _wandering(seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A share from 0 to 1 that goes slowly up and down, around a middle and with a reach of its own."""
    low, high = np.log(SPEEDS)
    speeds = np.exp(rng.uniform(low, high, 2))
    waves = np.sin(2 * np.pi * (speeds * seconds[:, None] + rng.random(2))) @ rng.dirichlet((1.0, 1.0))
    reach = rng.uniform(0.1, 0.5)
    return rng.uniform(reach, 1 - reach) + reach * waves


def _lowest(rotations: Float[Tensor, "n 24 3"]) -> Float[Tensor, "n"]:
    """The height of the lowest joint over the pelvis [m]; below it, so negative."""
    rest = torch.zeros(24, 3, dtype=rotations.dtype)
    for row, parent in enumerate(SMPL_24.parents):
        rest[row] = torch.tensor(OFFSETS[row], dtype=rotations.dtype) + (rest[parent] if parent >= 0 else 0)
    joints, _ = rigid_transforms(rotvec_to_rotmat(rotations), rest.expand(len(rotations), 24, 3), SMPL_24.parents)
    return joints[..., 1].amin(1)


def write_captures(
    folder: Path, train: int = 120, val: int = 16, test: int = 16, seconds: float = 10.0, seed: int = 0
) -> Path:
    """Writes a folder of motion capture in the project's format, so many motions of each split; returns it."""
    clips, frames = [], round(seconds * FPS)
    for split, count in (("train", train), ("val", val), ("test", test)):
        first = {"train": 0, "val": 100_000, "test": 200_000}[split] + 1_000_000 * seed
        made = [made_up(frames, first + number) for number in range(count)]
        quats = rotvec_to_quat(torch.cat([one.rotations for one in made]))[..., [3, 0, 1, 2]]
        quats = torch.where(quats[..., :1] < 0, -quats, quats)
        shard = folder / f"made_up_{split}.npz"
        with whole_file(shard) as part, part.open("wb") as file:
            np.savez(file, quat=quats.numpy().astype(np.float16), root=torch.cat([one.root for one in made]).numpy())
        clips += [
            {
                "id": f"{split}_{number:03d}", "subject": f"made up {number}", "split": split, "title": "made up",
                "frames": frames, "scale": 1.0, "shard": shard.name, "start": number * frames,
            }
            for number in range(count)
        ]  # fmt: skip
    index = {"fps": FPS, "joints": SMPL_24.joints, "parents": SMPL_24.parents, "offsets": OFFSETS, "clips": clips}
    with whole_file(folder / "index.json") as part:
        part.write_text(json.dumps({**index, "dropped": []}))
    return folder


if __name__ == "__main__":
    print(write_captures(Path(sys.argv[1])))
