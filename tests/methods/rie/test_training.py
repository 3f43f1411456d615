"""The three stages: what is taken over, what moves, and how fast."""

from dataclasses import asdict, replace

import pytest
import torch

from anthropose.datasets.lifting import LiftingBatch
from anthropose.methods.rie import PRESETS, RIEConfig, RIENetwork, loss
from anthropose.methods.rie.training import (
    ENCODERS,
    Decay,
    make_optimizer,
    rooted,
    set_norm_momentum,
    set_training,
    take_over,
    trained_parameters,
)

SMALL = RIEConfig(widths=(3, 3), channels=8, latent=6, hidden=16)


def batch(count: int = 8) -> LiftingBatch:
    return LiftingBatch(torch.randn(count, 9, 17, 2), torch.randn(count, 1, 17, 3))


def state_of(network: RIENetwork) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in network.state_dict().items()}


def test_the_loss_is_the_mean_distance_with_the_root_at_zero() -> None:
    network, given = RIENetwork(SMALL).eval(), batch()
    target = given.joints[:, 0].clone()
    target[:, 0] = 0
    expected = (network(given.keypoints) - target).norm(dim=-1).mean()
    terms = loss(network, given)
    assert list(terms) == ["joints"]
    torch.testing.assert_close(terms["joints"], expected)
    assert torch.equal(rooted(given.joints[:, 0]), target)


def test_the_second_stage_takes_the_encoders_and_nothing_else() -> None:
    first, second = RIENetwork(replace(SMALL, fusion=False)), RIENetwork(SMALL)
    before = state_of(second)
    taken = take_over(second, first.state_dict(), "encoders")
    for key, value in second.state_dict().items():
        assert torch.equal(value, first.state_dict()[key] if key.startswith(ENCODERS) else before[key]), key
    assert taken == sum(key.startswith(ENCODERS) for key in before)


def test_the_third_stage_takes_everything() -> None:
    second, third = RIENetwork(SMALL), RIENetwork(SMALL)
    assert take_over(third, second.state_dict(), "everything") == len(second.state_dict())
    given = torch.randn(2, 9, 17, 2)
    assert torch.equal(second.eval()(given), third.eval()(given))
    assert take_over(third, {}, "nothing") == 0


def test_encoders_of_another_size_or_missing_ones_are_refused() -> None:
    deeper = RIENetwork(replace(SMALL, widths=(3, 3, 3)))
    with pytest.raises(RuntimeError, match="lacks"):
        take_over(deeper, RIENetwork(SMALL).state_dict(), "encoders")
    with pytest.raises(RuntimeError, match="beside"):
        take_over(RIENetwork(SMALL), deeper.state_dict(), "encoders")


@pytest.mark.parametrize("really", [False, True])
def test_frozen_encoders_keep_their_weights_and_as_published_not_their_statistics(really: bool) -> None:
    network = RIENetwork(SMALL)
    before = state_of(network)
    parameters = trained_parameters(network, frozen_encoders=True)
    set_training(network, frozen_encoders=True, really=really)
    optimizer = make_optimizer(parameters, PRESETS["gt-stage2"].optimizer)
    loss(network, batch())["joints"].backward()
    optimizer.step()
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    weights = {name for name, _ in network.named_parameters()}
    assert not any(key.startswith(ENCODERS) for key in changed & weights)
    assert any(key.startswith("fusions.") for key in changed)
    assert any(key.startswith(ENCODERS) for key in changed - weights) is not really


def test_unfrozen_parameters_are_all_trained_again() -> None:
    network = RIENetwork(SMALL)
    some = trained_parameters(network, frozen_encoders=True)
    every = trained_parameters(network, frozen_encoders=False)
    assert len(some) < len(every) == len(list(network.parameters()))
    assert all(parameter.requires_grad for parameter in every)


def test_rate_and_momentum_fall_from_epoch_to_epoch() -> None:
    decay = Decay()
    assert decay.learning_rate(1e-3, 1) == 1e-3
    assert decay.learning_rate(1e-3, 3) == pytest.approx(1e-3 * 0.95**2)
    assert decay.norm_momentum(0, 80) == 0.1
    assert decay.norm_momentum(80, 80) == pytest.approx(0.001)
    network = RIENetwork(SMALL)
    set_norm_momentum(network, 0.05)
    momenta = {
        name.split(".")[0]: module.momentum
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.BatchNorm1d)
    }
    assert momenta == {"encoders": 0.05, "whole": 0.1, "fusions": 0.1, "decoders": 0.1}


def test_a_few_steps_bring_the_loss_down() -> None:
    torch.manual_seed(0)
    network, given = RIENetwork(SMALL), batch(32)
    optimizer = make_optimizer(trained_parameters(network, False), PRESETS["gt-stage1"].optimizer)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        total = loss(network, given)["joints"]
        total.backward()
        optimizer.step()
        values.append(total.item())
    assert values[-1] < 0.9 * values[0]


@pytest.mark.parametrize("name", PRESETS)
def test_every_stage_follows_one_that_it_can_take_from(name: str) -> None:
    preset = PRESETS[name]
    assert (preset.after == "") == (preset.takes == "nothing")
    assert preset.window == preset.network.frames
    assert preset.frozen_encoders == (preset.takes == "encoders")
    if preset.after:
        before = PRESETS[preset.after].network
        wanted = {"encoders": {"fusion": False}, "everything": {}}[preset.takes]
        assert asdict(before) == asdict(replace(preset.network, **wanted))


def test_the_published_commands_are_all_there() -> None:
    assert {"gt-stage1", "gt-stage2", "gt-stage3", "gt-stage3-short", "cpn-stage3", "gt-27-stage1"} <= set(PRESETS)
    assert PRESETS["cpn-stage1"].network.latent == 512
    assert dict(PRESETS["cpn-stage2"].files)["keypoints"] == "data_2d_h36m_cpn_ft_h36m_dbb.npz"
    assert PRESETS["gt-stage3"].optimizer.learning_rate == 5e-4
    assert (PRESETS["gt-stage3"].epochs, PRESETS["gt-stage3-short"].epochs) == (80, 20)
