"""The motion discriminator: its three ways of pooling, and names."""

import pytest
import torch

from anthropose.nn.discriminator import DISCRIMINATOR_KEYS, DiscriminatorConfig, MotionDiscriminator, Pool
from anthropose.nn.weights import renamed

POOLS: tuple[Pool, ...] = ("attention", "concat", "last")


def small(pool: Pool) -> MotionDiscriminator:
    torch.manual_seed(0)
    return MotionDiscriminator(DiscriminatorConfig(inputs=6, hidden=8, pool=pool)).eval()


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("motions", [1, 3])
def test_one_score_for_each_motion_whatever_the_others(pool: Pool, motions: int) -> None:
    network, motion = small(pool), torch.randn(motions, 9, 6)
    scores = network(motion)
    assert scores.shape == (motions, 1)
    torch.testing.assert_close(scores[:1], network(motion[:1]))


@pytest.mark.parametrize("pool", POOLS)
def test_every_frame_counts(pool: Pool) -> None:
    network, motion = small(pool), torch.randn(1, 9, 6, requires_grad=True)
    network(motion).sum().backward()
    assert motion.grad is not None
    assert (motion.grad.abs().sum(-1) > 0).all()


def test_attention_is_an_average_of_states_whose_weights_sum_to_one() -> None:
    network = small("attention")
    with torch.no_grad():
        for parameter in network.gru.parameters():
            parameter.zero_()
        network.score.bias.fill_(0.25)
    assert network(torch.randn(2, 9, 6)).tolist() == [[0.25], [0.25]]


def test_concatenated_mean_and_maximum_do_not_depend_on_the_order_of_the_states() -> None:
    network = small("concat")
    states = torch.randn(2, 9, 8)
    torch.testing.assert_close(network._pooled(states), network._pooled(states.flip(1)))
    assert network.score.in_features == 16


@pytest.mark.parametrize("pool", POOLS)
def test_published_keys_become_ours(pool: Pool) -> None:
    network = small(pool)
    published = {}
    for key, value in network.state_dict().items():
        published[key.replace("attention.", "attention.attention.").replace("score.", "fc.")] = value
    ours = renamed(published, DISCRIMINATOR_KEYS)
    small(pool).load_state_dict(ours)
    linear = [key for key in published if key.endswith("weight") and "attention" in key]
    assert linear == ([f"attention.attention.{k}.weight" for k in (0, 3, 6)] if pool == "attention" else [])
