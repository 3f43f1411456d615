"""The iterative regressor: what starts it, what it repeats, and that its two ways of computing agree."""

import pytest
import torch

from anthropose.errors import UserError
from anthropose.nn.regressor import MANY, IterativeRegressor, RegressorState, regressor_keys
from anthropose.nn.weights import renamed

FEATURES, HIDDEN = 20, 16
BATCHES = [(), (5,), (2, 3)]


def made(seed: int = 0) -> IterativeRegressor:
    torch.manual_seed(seed)
    regressor = IterativeRegressor(FEATURES, HIDDEN).eval()
    for parameter in regressor.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return regressor


def close(a: RegressorState, b: RegressorState) -> None:
    torch.testing.assert_close(a.cat(), b.cat(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_any_batch_gives_a_body_for_each_row(batch: tuple[int, ...]) -> None:
    regressor, features = made(), torch.randn(*batch, FEATURES)
    state = regressor(features)
    prediction = state.prediction()
    assert prediction.pose.rotations.shape == (*batch, 24, 3, 3)
    assert prediction.camera.shape == (*batch, 3)
    flat = regressor(features.reshape(-1, FEATURES))
    close(
        flat, RegressorState(*(part.reshape(-1, part.shape[-1]) for part in (state.pose6d, state.betas, state.camera)))
    )


def test_three_iterations_are_one_three_times() -> None:
    regressor, features = made(), torch.randn(4, FEATURES)
    state = None
    for _ in range(3):
        state = regressor(features, state, 1)
    assert state is not None
    close(regressor(features), state)


def test_no_iteration_gives_the_start_which_is_upright_unless_given() -> None:
    regressor, features = IterativeRegressor(FEATURES, HIDDEN), torch.randn(2, FEATURES)
    state = regressor(features, iterations=0)
    torch.testing.assert_close(state.prediction().pose.rotations, torch.eye(3).expand(2, 24, 3, 3))
    assert state.camera.tolist() == [pytest.approx([0.9, 0, 0])] * 2
    given = RegressorState(torch.randn(2, 144), torch.randn(2, 10), torch.randn(2, 3))
    assert torch.equal(regressor(features, given, 0).cat(), given.cat())


def test_a_start_without_batch_axes_serves_every_row() -> None:
    regressor, features = made(), torch.randn(3, FEATURES)
    start = RegressorState(torch.randn(144), torch.randn(10), torch.randn(3))
    repeated = RegressorState(*(part.expand(3, -1) for part in (start.pose6d, start.betas, start.camera)))
    close(regressor(features, start), regressor(features, repeated))


def test_many_rows_at_once_give_what_few_give_one_after_the_other() -> None:
    regressor, features = made(), torch.randn(2 * MANY, FEATURES)
    start = RegressorState(torch.randn(2 * MANY, 144), torch.randn(2 * MANY, 10), torch.randn(2 * MANY, 3))
    with torch.no_grad():
        at_once = regressor(features, start, 4)
    layer_by_layer = regressor(features, start, 4)
    assert layer_by_layer.betas.requires_grad
    assert not at_once.betas.requires_grad
    close(at_once, layer_by_layer)
    sequences = features.unflatten(0, (2, MANY))
    with torch.no_grad():
        close(regressor(sequences[:1]), regressor(sequences[0, :, None].transpose(0, 1)))


def test_dropout_is_at_work_while_training_whatever_the_number_of_rows() -> None:
    regressor, features = made().train(), torch.randn(MANY, FEATURES)
    with torch.no_grad():
        assert not torch.equal(regressor(features).cat(), regressor(features).cat())


def test_gradients_reach_features_start_and_every_layer() -> None:
    regressor, features = made(), torch.randn(2, FEATURES, requires_grad=True)
    start = RegressorState(torch.randn(2, 144, requires_grad=True), torch.randn(2, 10), torch.randn(2, 3))
    regressor(features, start).prediction().pose.rotations[..., 0].sum().backward()
    for tensor in (features, start.pose6d, *regressor.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.abs().sum() > 0


def test_what_happens_on_the_way_is_to_be_had() -> None:
    regressor, features = made(), torch.randn(3, FEATURES)
    start = regressor.mean().expand(3)
    hidden = regressor.hidden(features, start)
    assert torch.equal(hidden.first, hidden.dropped)
    torch.testing.assert_close(hidden.second, regressor.hidden2(hidden.first))
    close(regressor.improved(start, hidden), regressor(features, iterations=1))


def test_published_keys_become_ours_under_any_prefix() -> None:
    regressor = made()
    names = {"hidden1": "fc1", "hidden2": "fc2", "to_pose": "decpose", "to_betas": "decshape", "to_camera": "deccam"}
    buffers = {"mean_pose": "init_pose", "mean_betas": "init_shape", "mean_camera": "init_cam"}
    published = {}
    for key, value in regressor.state_dict().items():
        layer, _, leaf = key.partition(".")
        published["net." + (f"{names[layer]}.{leaf}" if leaf else buffers[key])] = value
    ours = renamed(published, regressor_keys("net.", "head."))
    assert set(ours) == {"head." + key for key in regressor.state_dict()}
    assert all(torch.equal(ours["head." + key], value) for key, value in regressor.state_dict().items())
    with pytest.raises(UserError, match=r"netXfc1\.bias"):
        renamed({"netXfc1.bias": torch.zeros(1)}, regressor_keys("net."))
