import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.body.prior import GaussianMixturePrior
from anthropose.errors import UserError
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.skeleton import SMPL_24


def bent(**angles: tuple[float, float, float]) -> torch.Tensor:
    """A body pose with the named joints turned [rad]."""
    pose = torch.zeros(24, 3)
    for joint, angle in angles.items():
        pose[SMPL_24.index(joint)] = torch.tensor(angle)
    return pose[1:].flatten()


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
