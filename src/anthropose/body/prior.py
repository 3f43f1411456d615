"""What poses are likely: a mixture of Gaussians over the 69 body angles, in the format of SMPLify's gmm_08 file.

The mixture that is shipped is fitted here on CMU motion capture: `python -m anthropose.body.prior OUT.npz --data DIR`.
"""

import argparse
import json
import math
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anthropose.body.pickles import read_pickle
from anthropose.errors import UserError
from anthropose.geometry.alignment import rotation_between
from anthropose.geometry.rotations import quat_to_rotmat, rotmat_to_rotvec
from anthropose.skeleton import SMPL_24
from anthropose.writing import whole_file


@dataclass(frozen=True)
class GaussianMixturePrior:
    """Gaussians over body pose: the rotation vectors [rad] of the 23 joints below the root, end to end (69 numbers)."""

    means: Float[Tensor, "m 69"]
    covariances: Float[Tensor, "m 69 69"]
    weights: Float[Tensor, "m"]
    """All three as in the file; calculations follow SMPLify-X in float32 (temporal_smplify spec, section 5)."""

    @cached_property
    def precisions(self) -> Float[Tensor, "m 69 69"]:
        """Inverse covariances, taken in float32 as published."""
        return torch.from_numpy(np.linalg.inv(self.covariances.numpy().astype(np.float32)))

    @cached_property
    def scaled_weights(self) -> Float[Tensor, "m"]:
        """The components' weights over the normalisers of their Gaussians, about 1e-29.

        Float32 is part of the published result: a weight that underflows to 0 there is never chosen. The logarithm must
        therefore not be taken in float64.
        """
        root_determinants = np.sqrt(
            [np.linalg.det(c) for c in self.covariances.numpy().astype(np.float32).astype(np.float64)]
        )
        normaliser = (2 * math.pi) ** (self.means.shape[1] / 2) * (root_determinants / root_determinants.min())
        return torch.from_numpy(self.weights.numpy() / normaliser).float()

    @property
    def mean(self) -> Float[Tensor, "69"]:
        """The mean pose of the whole mixture."""
        return self.weights.float() @ self.means.float()

    def energies(self, body_pose: Float[Tensor, "*b 69"]) -> Float[Tensor, "*b m"]:
        """The negative logarithm of each weighted Gaussian."""
        away = body_pose[..., None, :] - self.means.float().to(body_pose)
        squares = torch.einsum("...mi,mij,...mj->...m", away, self.precisions.to(body_pose), away)
        return 0.5 * squares - self.scaled_weights.to(body_pose).log()

    def component(self, body_pose: Float[Tensor, "*b 69"]) -> Int[Tensor, "*b"]:
        """The Gaussian that explains each pose best."""
        return self.energies(body_pose).argmin(dim=-1)

    def __call__(self, body_pose: Float[Tensor, "*b 69"]) -> Float[Tensor, "*b"]:
        """How unlikely each pose is: the energy of its best Gaussian."""
        return self.energies(body_pose).min(dim=-1).values

    @staticmethod
    def load(path: Path | None = None) -> "GaussianMixturePrior":
        """The prior in `path` (SMPLify's gmm_08.pkl, or .npz of the same names), or the one that is shipped.

        Raises:
            UserError: the file is missing, of another format, or tries to run code.
        """
        if path is None:
            path = Path(str(files("anthropose") / "data" / "pose_prior.npz"))
        arrays = _read(Path(path))
        try:
            means, covariances, weights = (
                np.asarray(arrays[name], np.float64) for name in ("means", "covars", "weights")
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: expected arrays means, covars and weights as in gmm_08.pkl ({error})") from error
        size = (len(means), 69, 69)
        if means.shape != size[:2] or covariances.shape != size or weights.shape != size[:1]:
            raise UserError(
                f"{path}: expected a mixture over 69 angles, found means of shape {means.shape}; give gmm_08.pkl"
            )
        return GaussianMixturePrior(*(torch.from_numpy(a) for a in (means, covariances, weights)))

    def save(self, path: Path) -> None:
        """Writes the mixture as .npz under the names of gmm_08, in float32."""
        arrays = {"means": self.means, "covars": self.covariances, "weights": self.weights}
        with whole_file(path) as part, part.open("wb") as file:
            np.savez_compressed(file, **{name: array.numpy().astype(np.float32) for name, array in arrays.items()})


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise UserError(f"{path}: no such file; leave the prior out to use the one that is shipped")
    if path.suffix != ".npz":
        return read_pickle(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError) as error:
        raise UserError(f"{path}: expected an .npz file with means, covars and weights ({error})") from error


# Fitting, for maintainers.

POSES_PER_SECOND = 6
LONGEST_CLIP = 8.0
"""Seconds of one clip that count in full; the rest of a long clip shares their weight."""
LARGEST_ACTIVITY = 0.08
"""The share of the whole weight that clips of one title, such as salsa, may have together."""
LEAST_DEVIATION = 0.05
"""Radians added to every angle's deviation: measurement error, and what the data's proportions leave open."""
STANDING_SHARE, SITTING_SHARE = 0.25, 0.08
"""Of the poses: upper bodies from the data over legs that stand, and over legs that sit."""
STRAIGHT = 0.3
"""Radians that the knees of a standing person are bent at most; twice that for the hips."""
TOO_BENT = {"hip": 0.1, "knee": -0.2, "ankle": 0.1}
"""Taken from the source `bvh_daz`, whose knees read 10 to 15 degrees too bent (README of the data) [rad]."""
_LEGS = ("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle")
UNSEEN_DEVIATION = {
    "left_foot": 0.1,
    "right_foot": 0.1,
    "left_hand": 0.15,
    "right_hand": 0.15,
    "left_wrist": 0.2,
    "right_wrist": 0.2,
}
"""The same for joints that the data hold still or nearly so [rad]."""


def fit_prior(folder: Path, rest_joints: Float[Tensor, "24 3"], components: int = 8) -> GaussianMixturePrior:
    """The mixture fitted on the training split of the motion capture in `folder` and its mirror image.

    Args:
        folder: with index.json and the shards of CMU motion, as its README says.
        rest_joints: of the body that the rotations are meant for: at rest its limbs point elsewhere than the data's.
    """
    poses, weights = _with_everyday_legs(*_training_poses(folder, rest_joints))
    mirrored = poses.unflatten(-1, (23, 3))[:, [i - 1 for i in SMPL_24.mirror[1:]]] * poses.new_tensor(
        [1.0, -1.0, -1.0]
    )
    return expectation_maximisation(torch.cat([poses, mirrored.flatten(1)]), weights.repeat(2), components)


def _training_poses(folder: Path, rest_joints: Tensor) -> tuple[Tensor, Tensor]:
    index = json.loads((folder / "index.json").read_text())
    rest_data = rest_from_offsets(index["offsets"])
    poses, weights, titles = [], [], []
    step = round(index["fps"] / POSES_PER_SECOND)
    shards: dict[str, np.ndarray] = {}
    for clip in index["clips"]:
        if clip["split"] != "train":
            continue
        if clip["shard"] not in shards:
            shards[clip["shard"]] = np.load(folder / clip["shard"])["quat"]
        wxyz = torch.from_numpy(
            shards[clip["shard"]][clip["start"] : clip["start"] + clip["frames"] : step].astype(np.float64)
        )
        rotations = carry_over(quat_to_rotmat(wxyz[..., [1, 2, 3, 0]]), rest_data, rest_joints.double())
        angles = rotmat_to_rotvec(rotations[:, 1:])
        if clip["source"] == "bvh_daz":
            angles[:, _joint_rows(_LEGS), 0] += torch.tensor([TOO_BENT[name.split("_")[1]] for name in _LEGS])
        poses.append(angles.flatten(1))
        weights.append(
            torch.full((len(wxyz),), min(1.0, LONGEST_CLIP * POSES_PER_SECOND / len(wxyz)), dtype=torch.float64)
        )
        titles += [clip["title"].split("(")[0].rstrip("0123456789_- ").lower()] * len(wxyz)
    return torch.cat(poses), _capped(torch.cat(weights), titles)


def _with_everyday_legs(poses: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The poses, and their upper bodies once more over the legs of people who stand or sit.

    The data show sport and dance; most people who are filmed merely stand or sit and do something with their hands.
    """
    make = torch.Generator().manual_seed(0)
    angles = poses.unflatten(1, (23, 3))
    legs, (left_hip, right_hip, left_knee, right_knee) = _joint_rows(_LEGS), _joint_rows(_LEGS[:4])
    straight = (angles[:, [left_knee, right_knee]].norm(dim=-1) < STRAIGHT).all(1) & (
        angles[:, [left_hip, right_hip]].norm(dim=-1) < 2 * STRAIGHT
    ).all(1)
    standing, sitting = angles.clone(), angles.clone()
    drawn = torch.randint(int(straight.sum()), (len(poses),), generator=make)
    standing[:, legs] = angles[straight][drawn][:, legs]
    bent = torch.zeros(len(legs), 3, dtype=poses.dtype)
    bent[:2, 0], bent[2:4, 0] = -1.4, 1.4
    spread = torch.tensor([[0.25, 0.15, 0.15]] * 2 + [[0.3, 0.03, 0.03]] * 2 + [[0.2, 0.1, 0.1]] * 2, dtype=poses.dtype)
    sitting[:, legs] = bent + spread * torch.randn(len(poses), len(legs), 3, generator=make, dtype=poses.dtype)
    parts = [1 - STANDING_SHARE - SITTING_SHARE, STANDING_SHARE, SITTING_SHARE]
    everyone = torch.cat([poses, standing.flatten(1), sitting.flatten(1)])
    return everyone, torch.cat([weights * part for part in parts])


def _joint_rows(names: tuple[str, ...]) -> list[int]:
    return [SMPL_24.index(name) - 1 for name in names]


def _capped(weights: Tensor, titles: list[str]) -> Tensor:
    """The weights with no title above its largest share of their sum."""
    names = sorted(set(titles))
    group = torch.tensor([names.index(title) for title in titles])
    shares = torch.zeros(len(names), dtype=weights.dtype).index_add(0, group, weights) / weights.sum()
    return weights * (LARGEST_ACTIVITY / shares).clamp_max(1.0)[group]


def rest_from_offsets(offsets: list[list[float]]) -> Float[Tensor, "24 3"]:
    """The joints of a skeleton at rest [m], from each joint's place relative to its parent."""
    joints: list[Tensor] = []
    for offset, parent in zip(torch.tensor(offsets, dtype=torch.float64), SMPL_24.parents, strict=True):
        joints.append(offset if parent < 0 else joints[parent] + offset)
    return torch.stack(joints)


_LIMBS = {"hip": "knee", "knee": "ankle", "shoulder": "elbow", "elbow": "wrist"}


def carry_over(
    rotations: Float[Tensor, "*b 24 3 3"], rest_source: Float[Tensor, "24 3"], rest_target: Float[Tensor, "24 3"]
) -> Float[Tensor, "*b 24 3 3"]:
    """Rotations for the body `rest_target`, with arms and legs pointing where those of `rest_source` do in `rotations`.

    Two bodies' limbs may point some degrees apart at rest (arms that droop, legs that stand apart).
    """
    between = torch.eye(3, dtype=rotations.dtype).repeat(24, 1, 1)
    for side in ("left_", "right_"):
        for joint, child in _LIMBS.items():
            j, c = SMPL_24.index(side + joint), SMPL_24.index(side + child)
            source, target = (
                torch.nn.functional.normalize(rest[c] - rest[j], dim=0) for rest in (rest_source, rest_target)
            )
            normal = torch.linalg.cross(target, source)
            still = torch.nn.functional.normalize(torch.linalg.cross(torch.roll(source, 1), source), dim=0)
            axis = normal / normal.norm() if normal.norm() > 1e-6 else still
            frames = [torch.stack([axis, d, torch.linalg.cross(axis, d)]) for d in (target, source)]
            between[j] = rotation_between(*frames).to(rotations.dtype)
    parents = [max(p, 0) for p in SMPL_24.parents]
    return between[parents].transpose(-1, -2) @ rotations @ between


def expectation_maximisation(
    poses: Tensor, weights: Tensor, components: int, rounds: int = 100
) -> GaussianMixturePrior:
    """The mixture that weighted poses are likeliest under, from a start by k-means; covariances keep a least width."""
    weights = weights / weights.sum()
    floor = torch.full((69,), LEAST_DEVIATION, dtype=poses.dtype)
    for name, deviation in UNSEEN_DEVIATION.items():
        joint = SMPL_24.index(name) - 1
        floor[3 * joint : 3 * joint + 3] = deviation
    shares = torch.nn.functional.one_hot(_nearest_centres(poses, weights, components), components).to(poses.dtype)
    for _ in range(rounds):
        counted = shares * weights[:, None]
        totals = counted.sum(0)
        means = counted.T @ poses / totals[:, None]
        away = poses[None] - means[:, None]
        covariances = (
            torch.einsum("nm,mni,mnj->mij", counted, away, away) / totals[:, None, None] + floor.square().diag()
        )
        factor = torch.linalg.cholesky(covariances)
        squares = torch.linalg.solve_triangular(factor, away.transpose(-1, -2), upper=False).square().sum(1)
        log_determinant = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        shares = (totals.log() - 0.5 * log_determinant - 0.5 * squares.T).softmax(dim=1)
    return GaussianMixturePrior(means, covariances, totals)


def _nearest_centres(poses: Tensor, weights: Tensor, components: int, rounds: int = 30) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    centres = poses[torch.multinomial(weights, components, generator=generator)]
    for _ in range(rounds):
        nearest = torch.cdist(poses, centres).argmin(1)
        counted = torch.nn.functional.one_hot(nearest, components).to(poses.dtype) * weights[:, None]
        centres = counted.T @ poses / counted.sum(0).clamp_min(1e-12)[:, None]
    return nearest


def main() -> None:
    """Fits the shipped prior again."""
    from anthropose.body.files import load_body

    parser = argparse.ArgumentParser(description="Fit the pose prior on CMU motion capture.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with index.json and the shards")
    arguments = parser.parse_args()
    rest = load_body("free").shaped(torch.zeros(10)).joints
    prior = fit_prior(arguments.data, rest)
    prior.save(arguments.out)
    print(f"{arguments.out}: weights {[round(float(w), 3) for w in prior.weights]}")


if __name__ == "__main__":
    main()
