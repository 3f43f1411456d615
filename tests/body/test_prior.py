import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.body.files import load_body
from anthropose.body.prior import GaussianMixturePrior, carry_over, expectation_maximisation
from anthropose.body.skinning import rigid_transforms
from anthropose.errors import UserError
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.skeleton import SMPL_24


def bent(**angles: tuple[float, float, float]) -> torch.Tensor:
    """A body pose with the named joints turned [rad]."""
    pose = torch.zeros(24, 3)
    for joint, angle in angles.items():
        pose[SMPL_24.index(joint)] = torch.tensor(angle)
    return pose[1:].flatten()


ARM_AND_LEG = (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
STANDING = bent(left_shoulder=(0.0, 0.0, -1.2), right_shoulder=(0.0, 0.0, 1.2))


def test_the_shipped_prior_is_a_proper_mixture() -> None:
    prior = GaussianMixturePrior.load()
    assert prior.means.shape == (8, 69)
    assert float(prior.weights.sum()) == pytest.approx(1.0, abs=1e-5)
    assert torch.isfinite(prior.energies(torch.zeros(69))).any()
    for covariance in prior.covariances:
        assert torch.linalg.eigvalsh(covariance.double()).min() > 0


@pytest.mark.parametrize(
    "odd",
    [
        bent(left_knee=(-1.5, 0.0, 0.0)),
        bent(head=(0.0, 2.5, 0.0)),
        bent(right_elbow=(0.0, -1.5, 0.0)),
        bent(spine1=(-1.5, 0.0, 0.0)),
    ],
    ids=["knee backwards", "head to the back", "elbow backwards", "spine folded backwards"],
)
def test_impossible_poses_are_less_likely_than_standing(odd: torch.Tensor) -> None:
    prior = GaussianMixturePrior.load()
    assert prior(STANDING + odd) > prior(STANDING) + 5


def test_left_and_right_are_about_as_likely() -> None:
    prior = GaussianMixturePrior.load()
    pose = bent(left_hip=(-0.8, 0.1, 0.1), left_knee=(0.9, 0.0, 0.0), right_shoulder=(0.2, 0.3, 1.0))
    mirrored = pose.unflatten(0, (23, 3))[[SMPL_24.mirror[j] - 1 for j in range(1, 24)]]
    mirrored = (mirrored * torch.tensor([1.0, -1.0, -1.0])).flatten()
    assert float(prior(mirrored)) == pytest.approx(float(prior(pose)), rel=0.15)


def test_the_mean_pose_has_its_arms_down() -> None:
    prior = GaussianMixturePrior.load()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        turn = rotvec_to_rotmat(prior.mean.unflatten(0, (23, 3))[SMPL_24.index(f"{side}_shoulder") - 1])
        upper_arm = turn @ torch.tensor([sign, 0.0, 0.0])
        assert upper_arm[1] < -0.5


def test_limbs_that_are_carried_over_point_where_they_did() -> None:
    source = load_body("free").shaped(torch.zeros(10)).joints
    target = load_body("free").shaped(torch.full((10,), 2.0)).joints.clone()
    for side, droop in (("left", -0.1), ("right", -0.1)):
        target[[SMPL_24.index(f"{side}_{part}") for part in ("elbow", "wrist", "hand")], 1] += droop
    rotations = rotvec_to_rotmat(0.5 * torch.randn(4, 24, 3, generator=torch.Generator().manual_seed(0)))

    def limbs(rest: torch.Tensor, turned: torch.Tensor) -> torch.Tensor:
        joints = rigid_transforms(turned, rest.expand(4, 24, 3), SMPL_24.parents)[0]
        ends = [(SMPL_24.index("left_" + a), SMPL_24.index("left_" + b)) for a, b in ARM_AND_LEG]
        return torch.nn.functional.normalize(torch.stack([joints[:, b] - joints[:, a] for a, b in ends]), dim=-1)

    torch.testing.assert_close(carry_over(rotations, source, source), rotations)
    carried = carry_over(rotations, source, target)
    torch.testing.assert_close(limbs(target, carried), limbs(source, rotations), atol=1e-5, rtol=0.0)


def test_the_fit_of_a_mixture_finds_the_clusters_that_the_data_have() -> None:
    make = torch.Generator().manual_seed(0)
    centres = torch.stack([torch.zeros(69), torch.full((69,), 1.0)]).double()
    poses = centres.repeat_interleave(300, 0) + 0.2 * torch.randn(600, 69, generator=make, dtype=torch.float64)
    weights = torch.cat([torch.full((300,), 3.0), torch.ones(300)]).double()
    prior = expectation_maximisation(poses, weights, components=2, rounds=20)
    order = prior.means[:, 0].argsort()
    torch.testing.assert_close(prior.means[order], centres, atol=0.06, rtol=0.0)
    torch.testing.assert_close(prior.weights[order], torch.tensor([0.75, 0.25]).double(), atol=1e-3, rtol=0.0)
    knee = 3 * (SMPL_24.index("left_knee") - 1)
    deviations = prior.covariances.diagonal(dim1=-2, dim2=-1)[:, knee].sqrt()
    torch.testing.assert_close(deviations, torch.full((2,), 0.206).double(), atol=0.04, rtol=0.0)


def test_what_is_saved_is_what_is_loaded_and_the_pickle_of_the_same_arrays_too(tmp_path: Path) -> None:
    prior = GaussianMixturePrior.load()
    prior.save(tmp_path / "prior.npz")
    names = {"means": prior.means, "covars": prior.covariances, "weights": prior.weights}
    content = {name: array.numpy() for name, array in names.items()}
    (tmp_path / "gmm_08.pkl").write_bytes(pickle.dumps(content, protocol=2))
    for file in ("prior.npz", "gmm_08.pkl"):
        loaded = GaussianMixturePrior.load(tmp_path / file)
        torch.testing.assert_close(loaded(STANDING), prior(STANDING))


class Attack:
    def __reduce__(self) -> tuple:
        return os.system, ("touch /tmp/anthropose-was-attacked",)


def test_a_pickle_that_tries_to_run_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    mark = Path("/tmp/anthropose-was-attacked")
    mark.unlink(missing_ok=True)
    (tmp_path / "gmm_08.pkl").write_bytes(pickle.dumps({"means": Attack()}))
    with pytest.raises(UserError, match="system"):
        GaussianMixturePrior.load(tmp_path / "gmm_08.pkl")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["absent.pkl", "text.pkl", "list.pkl", "small.npz", "cut.npz"])
def test_other_files_get_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.pkl").write_text("no pickle")
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1, 2]))
    small = {"means": np.zeros((8, 63)), "covars": np.zeros((8, 63, 63)), "weights": np.ones(8)}
    np.savez(tmp_path / "small.npz", **small)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "small.npz").read_bytes()[:300])
    with pytest.raises(UserError) as caught:
        GaussianMixturePrior.load(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
