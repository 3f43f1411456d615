import math

import pytest
import torch
from torch import Tensor, nn

from anthropose.nn.attention import (
    NORM_EPS,
    SelfAttention,
    StochasticDepth,
    TransformerBlock,
    attend,
    block_keys,
    drop_path_rates,
)
from anthropose.nn.weights import renamed

WIDTH, HEADS, HIDDEN = 12, 3, 20


def made_block(**options: float) -> TransformerBlock:
    torch.manual_seed(0)
    block = TransformerBlock(WIDTH, HEADS, HIDDEN, **options)
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.4)
    return block.eval()


def made_tokens(samples: int = 4, tokens: int = 7) -> Tensor:
    return torch.randn(samples, tokens, WIDTH, generator=torch.Generator().manual_seed(1))


def test_attention_is_a_mean_of_values_weighted_by_the_softmax_of_products_head_by_head() -> None:
    query, key, value = made_tokens(3).unbind(0)
    width = WIDTH // HEADS
    expected = torch.empty(7, WIDTH)
    for head in range(HEADS):
        channels = slice(head * width, (head + 1) * width)
        scores = query[:, channels] @ key[:, channels].T / math.sqrt(width)
        expected[:, channels] = scores.softmax(dim=1) @ value[:, channels]
    torch.testing.assert_close(attend(query[None], key[None], value[None], HEADS)[0], expected)


def test_a_block_is_torchs_own_encoder_layer_with_its_norms_first() -> None:
    block = made_block()
    theirs = nn.TransformerEncoderLayer(
        WIDTH, HEADS, HIDDEN, activation="gelu", layer_norm_eps=NORM_EPS, batch_first=True, norm_first=True
    ).eval()
    attention, feed_forward = block.attention, block.feed_forward
    theirs.self_attn.in_proj_weight, theirs.self_attn.in_proj_bias = attention.project.weight, attention.project.bias
    theirs.self_attn.out_proj.load_state_dict(attention.out.state_dict())
    theirs.linear1, theirs.linear2 = feed_forward.inner, feed_forward.outer
    theirs.norm1, theirs.norm2 = block.attention_norm, block.feed_forward_norm
    torch.testing.assert_close(block(made_tokens()), theirs(made_tokens()))


def test_the_usual_scale_is_one_over_the_root_of_a_heads_channels_and_biases_can_be_left_out() -> None:
    block, tokens = made_block(bias=False), made_tokens()
    assert block.attention.project.bias is None
    same = made_block(bias=False, scale=(WIDTH // HEADS) ** -0.5)
    same.load_state_dict(block.state_dict())
    torch.testing.assert_close(same(tokens), block(tokens))
    torch.testing.assert_close(block(tokens, slice(2, 4)), block(tokens)[:, 2:4])


def test_a_block_knows_no_order() -> None:
    block, tokens, order = made_block(), made_tokens(), torch.randperm(7)
    torch.testing.assert_close(block(tokens[:, order]), block(tokens)[:, order])


def test_samples_do_not_see_each_other() -> None:
    block, tokens = made_block(), made_tokens()
    torch.testing.assert_close(block(tokens[1:2]), block(tokens)[1:2])


@pytest.mark.parametrize("rows", [slice(3, 4), slice(0, 2), slice(5, None), slice(None)])
def test_some_rows_of_a_block_are_those_of_the_whole(rows: slice) -> None:
    block, tokens = made_block(), made_tokens()
    torch.testing.assert_close(block(tokens, rows), block(tokens)[:, rows])


def test_the_gradient_is_that_of_finite_differences() -> None:
    block = made_block().double()
    assert torch.autograd.gradcheck(block, made_tokens(2, 3).double().requires_grad_())


@pytest.mark.parametrize("options", [{"dropout": 0.5}, {"attention_dropout": 0.5}, {"drop_path": 0.5}])
def test_what_is_left_out_is_left_out_in_training_alone(options: dict[str, float]) -> None:
    block, plain, tokens = made_block(**options), made_block(), made_tokens()
    torch.testing.assert_close(block(tokens), plain(tokens))
    block.train()
    assert not torch.allclose(block(tokens), plain(tokens))
    plain.train()
    torch.testing.assert_close(plain(tokens), plain.eval()(tokens))


def test_stochastic_depth_leaves_out_whole_samples_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    drop = StochasticDepth(0.25).train()
    dropped = drop(torch.ones(20_000, 2, 3)).flatten(1)
    torch.testing.assert_close(dropped, dropped[:, :1].expand(-1, 6))
    assert sorted(dropped.unique().tolist()) == pytest.approx([0, 4 / 3])
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)


def test_the_rate_rises_from_nothing_at_the_first_block_to_the_highest_at_the_last() -> None:
    assert drop_path_rates(0.2, 3) == pytest.approx([0.0, 0.1, 0.2])
    assert drop_path_rates(0.1, 4) == pytest.approx(torch.linspace(0, 0.1, 4).tolist())
    assert drop_path_rates(0.2, 1) == [0.0]
    assert drop_path_rates(0.2, 0) == []


def test_the_table_gives_every_entry_of_a_stack_its_place() -> None:
    stack = nn.ModuleDict({"stack": nn.ModuleList(made_block() for _ in range(2))})
    published = {
        f"branch.blocks.{block}.{layer}.{kind}": torch.zeros(())
        for block in range(2)
        for layer in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
        for kind in ("weight", "bias")
    }
    assert renamed(published, block_keys(r"branch\.blocks", "stack")).keys() == stack.state_dict().keys()


def test_heads_that_do_not_share_the_channels_out_are_refused() -> None:
    with pytest.raises(ValueError, match="do not divide"):
        SelfAttention(10, 4)
