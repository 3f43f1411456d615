"""Recorded motions as rotations of SMPL's joints, laid end to end: folders of the project's format, and AMASS.

A folder of the project's format has an index.json and shards of numbers (its README says what they mean); a folder of
AMASS has SET/SUBJECT/ACTION.npz. In both the world's y axis points up here.
"""

import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.geometry.rotations import quat_inverse, quat_product, rotvec_to_quat
from anthropose.skeleton import SMPL_24

Split = Literal["train", "val", "test"]
LEG = 0.810
"""The length of thigh and shin [m] of the skeleton that the project's format scales its roots to."""
LEAST_FRAMES = 8
"""Shorter motions are left out."""
STRAIGHT = {
    "hip": (0.0, -1.0, 0.0),
    "knee": (0.0, -1.0, 0.0),
    "shoulder": (1.0, 0.0, 0.0),
    "elbow": (1.0, 0.0, 0.0),
    "wrist": (1.0, 0.0, 0.0),
}
"""Where the bone below each left joint points in the rest pose of the project's format."""
BELOW = {"hip": "knee", "knee": "ankle", "shoulder": "elbow", "elbow": "wrist", "wrist": "hand", "ankle": "foot"}
BROKEN = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)
"""What reading a damaged or foreign file can raise."""
AMASS_SPLITS: dict[str, Split] = {
    "HumanEva": "val", "MPI_HDM05": "val", "SFU": "val", "MPI_mosh": "val", "Transitions_mocap": "test",
    "SSM_synced": "test",
}  # fmt: skip
"""The usual ones, by set; the others are for training."""
AMASS_RATE = 30.0
"""Frames per second that AMASS's motions are thinned to, or a little more."""
SMPL_FROM_SMPLH = (*range(22), 22, 37)
"""For each joint of SMPL its rotation among SMPL-H's 52; the hands are the first joints of the middle fingers."""


@dataclass(frozen=True)
class Capture:
    """One recorded motion."""

    name: str
    folder: str
    """The name of the folder that it comes from."""
    subject: str
    title: str
    """What is done."""
    rate: float
    """Frames per second."""
    rotations: Float[Tensor, "n 24 4"]
    """Of each joint relative to its parent, unit quaternions x, y, z, w of one sign along the motion; for the rest pose
    of the body that it was read for."""
    root: Float[Tensor, "n 3"]
    """The pelvis [m], y up, the floor near y = 0; lengths are right for legs of length LEG."""

    def __len__(self) -> int:
        return len(self.root)


def read_captures(folder: Path, split: Split, body: BodyModel) -> list[Capture]:
    """The motions of a folder that belong to a split.

    Raises:
        UserError: there is no such folder, it holds neither of the two formats, a file is damaged, or nothing in it
            belongs to the split.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; expected motion capture, with an index.json or AMASS's SET/SUBJECT")
    if (folder / "index.json").is_file():
        found = _read_project(folder, split, body)
    else:
        found = _read_amass(folder, split)
    if not found:
        raise UserError(f"{folder}: holds no motion for {split}")
    return found


def _read_project(folder: Path, split: Split, body: BodyModel) -> list[Capture]:
    try:
        index = json.loads((folder / "index.json").read_text())
        clips = [clip for clip in index["clips"] if clip["split"] == split and clip["frames"] >= LEAST_FRAMES]
        if tuple(index["joints"]) != SMPL_24.joints:
            raise ValueError("its joints are not SMPL's 24")
        shards = {name: _shard(folder / name) for name in {clip["shard"] for clip in clips}}
        change = rest_change(body)
        return [_project_capture(folder.name, clip, *shards[clip["shard"]], change, index["fps"]) for clip in clips]
    except BROKEN as error:
        raise UserError(f"{folder}: not motion capture of the project's format ({error})") from error


def _shard(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return file["quat"], file["root"]


def _project_capture(
    folder: str, clip: dict, quats: np.ndarray, roots: np.ndarray, change: Float[Tensor, "24 4"], rate: float
) -> Capture:
    rows = slice(clip["start"], clip["start"] + clip["frames"])
    if len(quats[rows]) != clip["frames"] or len(roots[rows]) != clip["frames"]:
        raise ValueError(f"{clip['shard']} ends before {clip['id']} does")
    stored = torch.from_numpy(quats[rows].astype(np.float32))[..., [1, 2, 3, 0]]
    rotations = steady_signs(changed_rest(stored / stored.norm(dim=-1, keepdim=True), change))
    root = torch.from_numpy(roots[rows].astype(np.float32)) * float(clip["scale"])
    return Capture(clip["id"], folder, str(clip["subject"]), clip["title"], float(rate), rotations, root)


def rest_change(body: BodyModel) -> Float[Tensor, "24 4"]:
    """For each joint the rotation C from the body's rest pose to that of the project's format; quaternions x, y, z, w.

    There limbs are exactly straight, arms level, legs vertical. A body whose bones point elsewhere at rest needs
    G C in place of a global rotation G, so that each bone points where it was recorded. C is the smallest rotation that
    does it for thighs, shins, arms and hands; for feet only the part about the vertical, since soles are flat in both;
    for the trunk and head nothing.
    """
    rest = body.rest_joints[0].cpu().double()
    change = torch.zeros(24, 4, dtype=torch.float64)
    change[:, 3] = 1
    for side, sign in (("left_", 1.0), ("right_", -1.0)):
        for joint, child in BELOW.items():
            row = SMPL_24.index(side + joint)
            bone = rest[SMPL_24.index(side + child)] - rest[row]
            if joint == "ankle":
                bone, wanted = bone * bone.new_tensor([1, 0, 1]), bone.new_tensor([0, 0, 1])
            else:
                wanted = bone.new_tensor(STRAIGHT[joint]) * bone.new_tensor([sign, 1, 1])
            change[row] = _smallest_turn(bone / bone.norm(), wanted)
    return change.float()


def _smallest_turn(start: Float[Tensor, "3"], end: Float[Tensor, "3"]) -> Float[Tensor, "4"]:
    quaternion = torch.cat([torch.linalg.cross(start, end), 1 + (start * end).sum()[None]])
    return quaternion / quaternion.norm()


def changed_rest(rotations: Float[Tensor, "*n 24 4"], change: Float[Tensor, "24 4"]) -> Float[Tensor, "*n 24 4"]:
    """Local rotations for another rest pose: with G C in place of G they are inverse(C of the parent) R C."""
    parents = change[[max(parent, 0) for parent in SMPL_24.parents]].clone()
    parents[0] = parents.new_tensor([0, 0, 0, 1])
    inverse = quat_inverse(parents).expand(rotations.shape)
    return quat_product(quat_product(inverse, rotations), change.expand(rotations.shape))


def steady_signs(quaternions: Float[Tensor, "n j 4"]) -> Float[Tensor, "n j 4"]:
    """Quaternions of which neighbours in time are on the same side, so that they can be blended."""
    turned = (quaternions[1:] * quaternions[:-1]).sum(-1) < 0
    signs = torch.where(turned, -1.0, 1.0).cumprod(0)
    return torch.cat([quaternions[:1], quaternions[1:] * signs[..., None]])


def _read_amass(folder: Path, split: Split) -> list[Capture]:
    files = sorted(folder.glob("*/*/*.npz"))
    if not files:
        raise UserError(f"{folder}: expected an index.json with its shards, or AMASS as SET/SUBJECT/ACTION.npz")
    return [
        capture
        for path in files
        if path.stem not in ("shape", "neutral_stagei") and AMASS_SPLITS.get(path.parts[-3], "train") == split
        for capture in _amass_capture(folder, path)
    ]


def _amass_capture(folder: Path, path: Path) -> Sequence[Capture]:
    try:
        with np.load(path, allow_pickle=False) as file:
            rate = float(file["mocap_framerate"] if "mocap_framerate" in file else file["mocap_frame_rate"])
            step = max(1, int(rate // AMASS_RATE))
            poses, root = file["poses"][::step], file["trans"][::step]
    except BROKEN as error:
        raise UserError(f"{path}: not a motion of AMASS ({error})") from error
    if poses.ndim != 2 or poses.shape[1] != 156 or len(root) != len(poses) or rate <= 0:
        raise UserError(f"{path}: expected poses of SMPL-H, n 156, found {poses.shape}")
    if len(poses) < LEAST_FRAMES:
        return []
    rotvecs = torch.from_numpy(poses.astype(np.float32)).unflatten(1, (52, 3))[:, list(SMPL_FROM_SMPLH)]
    quaternions = rotvec_to_quat(rotvecs)
    # AMASS's z axis points up: turned by a quarter about x, it becomes y.
    up = quaternions.new_tensor([-(0.5**0.5), 0, 0, 0.5**0.5]).expand(len(quaternions), 4)
    quaternions[:, 0] = quat_product(up, quaternions[:, 0])
    x, y, z = torch.from_numpy(root.astype(np.float32)).unbind(-1)
    where = path.relative_to(folder).with_suffix("").parts
    name = "_".join(where)
    return [
        Capture(
            name, folder.name, where[1], where[2], rate / step, steady_signs(quaternions), torch.stack([x, z, -y], 1)
        )
    ]


@dataclass(frozen=True, eq=False)
class Library:
    """Motions laid end to end, on one device."""

    captures: tuple[Capture, ...]
    rotations: Float[Tensor, "n 24 4"]
    root: Float[Tensor, "n 3"]
    starts: Int[Tensor, "c"]
    lengths: Int[Tensor, "c"]
    rates: Float[Tensor, "c"]

    @classmethod
    def of(cls, captures: Sequence[Capture], device: torch.device | str = "cpu") -> "Library":
        lengths = torch.tensor([len(capture) for capture in captures])
        return cls(
            tuple(captures),
            torch.cat([capture.rotations for capture in captures]).to(device),
            torch.cat([capture.root for capture in captures]).to(device),
            (lengths.cumsum(0) - lengths).to(device),
            lengths.to(device),
            torch.tensor([capture.rate for capture in captures]).to(device),
        )
