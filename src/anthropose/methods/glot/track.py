"""GLoT over a whole track: what neighbouring windows share is computed once, and many windows at a time.

The same numbers as window by window, but for rounding. Shared by the windows that a frame is in: the two projections of
its features, and their products with the first block's weights. Left out: the frames, queries and rows of the decoder
and of the local branch that only lead to frames which are not asked for.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from anthropose.methods.glot.transformers import FrameTransformer
from anthropose.nn.attention import TransformerBlock

ALL = slice(None)


def encoded(
    transformer: FrameTransformer, frames: Float[Tensor, "n d"], windows: Int[Tensor, "w t"], rows: slice = ALL
) -> Float[Tensor, "w q d"]:
    """`transformer(frames[windows])[:, rows]`, with the first block's projection shared by the windows of a frame."""
    first, *others = transformer.blocks
    assert isinstance(first, TransformerBlock)
    tokens = frames[windows] + transformer.position
    query, key, value = _first_projection(first, frames, transformer.position[0], windows).chunk(3, dim=-1)
    kept = ALL if others else rows
    tokens = first.completed(tokens[:, kept], first.attention.mixed(query[:, kept], key, value))
    return transformer.norm(_through(others, tokens, rows))


def decoded(transformer: FrameTransformer, tokens: Float[Tensor, "w t d"], rows: slice) -> Float[Tensor, "w q d"]:
    """`transformer(tokens)[:, rows]`, the last block only for the rows that are kept."""
    tokens = tokens + transformer.position
    if len(transformer.blocks) == 0:
        return transformer.norm(tokens[:, rows])
    return transformer.norm(_through(list(transformer.blocks), tokens, rows))


def _through(blocks: list[nn.Module], tokens: Float[Tensor, "w t d"], rows: slice) -> Float[Tensor, "w q d"]:
    for block in blocks:
        tokens = block(tokens, rows if block is blocks[-1] else ALL)
    return tokens


def _first_projection(
    block: TransformerBlock, frames: Float[Tensor, "n d"], position: Float[Tensor, "t d"], windows: Int[Tensor, "w t"]
) -> Float[Tensor, "w t 3*d"]:
    """`project(norm(frames[windows] + position))` of a block's attention.

    The norm divides by a deviation that frame and place make together, but what it divides is a sum: with the means
    taken off, (frame + place) W = frame W + place W. So there is one product for each frame and one for each place,
    in place of one for each frame in each place.
    """
    norm, project = block.attention_norm, block.attention.project
    frames, position = (tokens - tokens.mean(-1, keepdim=True) for tokens in (frames, position))
    variance = (frames[:, None] + position).square().mean(-1)
    scale = (variance + norm.eps).rsqrt().gather(0, windows)[..., None]
    weight = project.weight * norm.weight
    bias = F.linear(norm.bias, project.weight, project.bias)
    return torch.addcmul(bias, F.linear(frames, weight)[windows] + F.linear(position, weight), scale)
