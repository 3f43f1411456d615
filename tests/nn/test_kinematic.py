import torch

from anthropose.nn.kinematic import CHAINS, KinematicRegressor
from anthropose.skeleton import SMPL_24


def made_regressor() -> KinematicRegressor:
    torch.manual_seed(0)
    regressor = KinematicRegressor(features=6, hidden=5)
    for parameter in regressor.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # the default start gives next to nothing
    return regressor.eval()


def test_chains_lead_from_the_root_to_the_parent() -> None:
    assert CHAINS[0] == ()
    assert CHAINS[SMPL_24.index("left_hand")] == (0, 3, 6, 9, 13, 16, 18, 20)
    assert all(chain[-1] == parent for chain, parent in zip(CHAINS[1:], SMPL_24.parents[1:], strict=True))


@torch.no_grad()
def test_a_joint_is_read_with_those_above_it_and_no_others() -> None:
    regressor, features = made_regressor(), torch.randn(2, 6)
    before = regressor(features).pose6d.unflatten(-1, (24, 6))
    elbow = SMPL_24.index("left_elbow")
    regressor.joints[elbow].get_parameter("bias").add_(1)
    moved = (regressor(features).pose6d.unflatten(-1, (24, 6)) - before).abs().amax((0, 2)) > 1e-6
    below = {joint for joint, chain in enumerate(CHAINS) if elbow in chain}
    assert set(moved.nonzero()[:, 0].tolist()) == below | {elbow}


@torch.no_grad()
def test_any_batch_axes_are_taken() -> None:
    regressor, features = made_regressor(), torch.randn(2, 3, 6)
    state = regressor(features)
    assert state.prediction().pose.rotations.shape == (2, 3, 24, 3, 3)
    torch.testing.assert_close(regressor(features[1, 2]).camera, state.camera[1, 2])


def test_dropout_is_for_training_alone() -> None:
    regressor, features = made_regressor(), torch.randn(2, 6)
    assert torch.equal(regressor(features).pose6d, regressor(features).pose6d)
    regressor.train()
    assert not torch.equal(regressor(features).pose6d, regressor(features).pose6d)
