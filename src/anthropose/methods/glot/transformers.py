"""GLoT's transformers over the frames of a window, and the hiding of frames while training."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from anthropose.nn.attention import TransformerBlock, attend, drop_path_rates
from anthropose.nn.regressor import STATE, RegressorState


@dataclass(frozen=True)
class Masking:
    """Which frames of each window the global encoder sees."""

    order: Int[Tensor, "b t"]
    """The frames, shuffled; the first `kept` of them are seen, and in this order."""
    kept: int

    @property
    def restore(self) -> Int[Tensor, "b t"]:
        """The place of each frame in `order`."""
        return self.order.argsort(dim=1)

    @property
    def hidden(self) -> Bool[Tensor, "b t"]:
        """Whether a frame is not seen."""
        return self.restore >= self.kept

    def seen(self, tokens: Float[Tensor, "b t d"]) -> Float[Tensor, "b k d"]:
        """The tokens of the frames that are seen, shuffled."""
        return _taken(tokens, self.order[:, : self.kept])

    def filled(self, seen: Float[Tensor, "b k d"], token: Float[Tensor, "d"]) -> Float[Tensor, "b t d"]:
        """All frames in their own order, with `token` for each one that is not seen."""
        hidden = token.expand(len(seen), self.order.shape[1] - self.kept, -1)
        return _taken(torch.cat([seen, hidden], dim=1), self.restore)


def _taken(tokens: Float[Tensor, "b n d"], places: Int[Tensor, "b m"]) -> Float[Tensor, "b m d"]:
    return tokens.gather(1, places[..., None].expand(-1, -1, tokens.shape[-1]))


def random_masking(noise: Float[Tensor, "b t"], ratio: float) -> Masking:
    """Hides a share `ratio` of the frames of each window: those with the most noise. It shuffles them even if none."""
    return Masking(noise.argsort(dim=1), int(noise.shape[1] * (1 - ratio)))


class FrameTransformer(nn.Module):
    """Frames of a window that look at each other: a learnt place in time, blocks, a norm.

    Args:
        hidden: inner width of the blocks' feed-forward parts.
        drop_path: stochastic depth's rate for each of the blocks.
    """

    def __init__(
        self,
        frames: int,
        width: int,
        heads: int,
        hidden: int,
        drop_path: Sequence[float],
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.zeros(1, frames, width))
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads, hidden, dropout, attention_dropout, rate) for rate in drop_path
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, tokens: Float[Tensor, "b t d"], masking: Masking | None = None) -> Float[Tensor, "b k d"]:
        """The frames after all blocks; with a masking those that are seen, in its order."""
        tokens = tokens + self.position
        if masking is not None:
            tokens = masking.seen(tokens)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)


class GlobalTransformer(nn.Module):
    """An encoder of the frames that are seen, and a decoder with half its channels that fills in the others.

    The others' token is made of the mean body, the same for all; only their places in time tell them apart.
    """

    def __init__(
        self,
        frames: int,
        width: int,
        depth: int,
        heads: int,
        hidden: int,
        decoder_hidden: int,
        token_hidden: tuple[int, int] = (256, 512),
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        rates, half = drop_path_rates(drop_path, depth), width // 2
        self.encoder = FrameTransformer(frames, width, heads, hidden, rates, dropout, attention_dropout)
        self.narrow = nn.Linear(width, half)
        self.mask_token = nn.Sequential(
            nn.Linear(STATE, token_hidden[0]),
            nn.ReLU(),
            nn.Linear(token_hidden[0], token_hidden[1]),
            nn.ReLU(),
            nn.Linear(token_hidden[1], half),
        )
        # As published the decoder's rates are the first of the encoder's, so that its one block is never left out.
        self.decoder = FrameTransformer(
            frames, half, heads, decoder_hidden, rates[: depth // 2], dropout, attention_dropout
        )

    def encode(self, tokens: Float[Tensor, "b t d"], masking: Masking | None = None) -> Float[Tensor, "b k d"]:
        """The frames that are seen, all of them without a masking."""
        return self.encoder(tokens, masking)

    def decode(
        self, memory: Float[Tensor, "b k d"], mean: RegressorState, masking: Masking | None = None
    ) -> Float[Tensor, "b t h"]:
        """All frames, in their own order.

        Args:
            memory: what `encode` gave for the same masking.
            mean: the mean body, for the frames that are not seen.
        """
        tokens = self.narrow(memory)
        if masking is not None:
            tokens = masking.filled(tokens, self.mask_token(mean.cat()))
        return self.decoder(tokens)


class CrossAttention(nn.Module):
    """Each query takes from a memory: no residual, no norm, nothing after it."""

    def __init__(self, width: int, heads: int, bias: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=bias)
        self.key_value = nn.Linear(width, 2 * width, bias=bias)
        self.out = nn.Linear(width, width)

    def forward(self, queries: Float[Tensor, "b q d"], memory: Float[Tensor, "b n d"]) -> Float[Tensor, "b q d"]:
        key, value = self.key_value(memory).chunk(2, dim=-1)
        return self.out(attend(self.query(queries), key, value, self.heads))
