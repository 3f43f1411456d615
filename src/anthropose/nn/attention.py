"""Transformer layers as the video networks use them: normalised first, with stochastic depth around each branch.

The block is that of ViT and PoseFormer; GLoT's three transformers and Parallel-Branch's two are made of it.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

NORM_EPS = 1e-6
"""Of every layer norm in these networks; torch's own default is ten times as large."""


class StochasticDepth(nn.Module):
    """Leaves a residual branch out for a share `rate` of the samples while training; the others count for more."""

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        if not self.training or self.rate == 0:
            return branch
        kept = branch.new_empty(len(branch), 1, 1).bernoulli_(1 - self.rate)
        return branch * kept / (1 - self.rate)


def attend(
    query: Float[Tensor, "b q d"],
    key: Float[Tensor, "b n d"],
    value: Float[Tensor, "b n d"],
    heads: int,
    dropout: float = 0.0,
    scale: float | None = None,
) -> Float[Tensor, "b q d"]:
    """Scaled dot-product attention; a head is a run of `d / heads` consecutive channels.

    Args:
        scale: of the products before the softmax; one over the root of a head's channels when None.
    """
    q, k, v = (tokens.unflatten(-1, (heads, -1)).transpose(1, 2) for tokens in (query, key, value))
    return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scale).transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    """Each token takes from all tokens of its sample."""

    def __init__(
        self,
        width: int,
        heads: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        bias: bool = True,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{width} channels do not divide into {heads} heads")
        self.heads, self.attention_dropout, self.scale = heads, attention_dropout, scale
        self.project = nn.Linear(width, 3 * width, bias=bias)  # query, key and value, one after the other
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Float[Tensor, "b n d"], rows: slice = slice(None)) -> Float[Tensor, "b q d"]:
        """What the tokens in `rows` take from all of them."""
        width = tokens.shape[-1]
        weight, bias = self.project.weight, self.project.bias
        if rows == slice(None):
            query, key, value = self.project(tokens).chunk(3, dim=-1)
        else:
            query_bias, other_bias = (None, None) if bias is None else (bias[:width], bias[width:])
            query = F.linear(tokens[:, rows], weight[:width], query_bias)
            key, value = F.linear(tokens, weight[width:], other_bias).chunk(2, dim=-1)
        return self.mixed(query, key, value)

    def mixed(
        self, query: Float[Tensor, "b q d"], key: Float[Tensor, "b n d"], value: Float[Tensor, "b n d"]
    ) -> Float[Tensor, "b q d"]:
        """The output for tokens that are projected already."""
        dropout = self.attention_dropout if self.training else 0.0
        return self.dropout(self.out(attend(query, key, value, self.heads, dropout, self.scale)))


class FeedForward(nn.Module):
    """Two layers with an exact GELU between them, each token by itself."""

    def __init__(self, width: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.inner = nn.Linear(width, hidden)
        self.outer = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        return self.dropout(self.outer(self.dropout(F.gelu(self.inner(tokens)))))


class TransformerBlock(nn.Module):
    """`x + attention(norm(x))`, then `x + feed_forward(norm(x))`.

    Args:
        hidden: width between the two layers of the feed-forward part.
        dropout: after the attention's last layer and after both layers of the feed-forward part.
        attention_dropout: on the attention weights.
        drop_path: the rate of stochastic depth, drawn for each of the two branches.
        bias: whether query, key and value have one.
        scale: of the attention's products; one over the root of a head's channels when None.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        drop_path: float = 0.0,
        bias: bool = True,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.attention = SelfAttention(width, heads, dropout, attention_dropout, bias, scale)
        self.feed_forward_norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.feed_forward = FeedForward(width, hidden, dropout)
        self.drop_path = StochasticDepth(drop_path)

    def forward(self, tokens: Float[Tensor, "b n d"], rows: slice = slice(None)) -> Float[Tensor, "b q d"]:
        """The tokens in `rows` after this layer; all of them are looked at."""
        taken = self.attention(self.attention_norm(tokens), rows)
        return self.completed(tokens[:, rows], taken)

    def completed(self, tokens: Float[Tensor, "b q d"], taken: Float[Tensor, "b q d"]) -> Float[Tensor, "b q d"]:
        """The tokens after this layer, given what their attention took."""
        tokens = tokens + self.drop_path(taken)
        return tokens + self.drop_path(self.feed_forward(self.feed_forward_norm(tokens)))


def drop_path_rates(highest: float, depth: int) -> list[float]:
    """Stochastic depth's rate for each block of a stack: from 0 at the first evenly up to `highest` at the last."""
    return [highest * k / max(1, depth - 1) for k in range(depth)]


BLOCK_KEYS = {
    "norm1": "attention_norm",
    "attn.qkv": "attention.project",
    "attn.proj": "attention.out",
    "norm2": "feed_forward_norm",
    "mlp.fc1": "feed_forward.inner",
    "mlp.fc2": "feed_forward.outer",
}
"""The published names of a block's layers, and ours."""


def block_keys(published: str, ours: str) -> tuple[tuple[str, str | None], ...]:
    """The table of names of a stack of blocks.

    Args:
        published: pattern of the stack's published name, such as `local_trans_en\\.blocks`, without groups.
        ours: the stack's name in our network.
    """
    return tuple(
        (rf"{published}\.(\d+)\.{theirs.replace('.', chr(92) + '.')}\.(weight|bias)", rf"{ours}.\1.{own}.\2")
        for theirs, own in BLOCK_KEYS.items()
    )
