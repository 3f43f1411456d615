"""The groups' features of every frame of a track, sharing between windows what does not depend on their middle frame.

A window's codes change with its middle frame, but the first convolution is linear: its result is that of the track,
which is computed once, minus that of the middle frame. After the ReLU that follows, nothing is common to windows any
more. Inside a window, though, all blocks of frames before the track's beginning are equal, and so are those after its
end: each convolution computes them once. Batch norms are folded into the convolutions.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import conv1d, leaky_relu_, linear, pad

from anthropose.methods.rie.blocks import SLOPE, TemporalEncoder, TemporalLayer


def encode_track(
    encoders: Iterable[nn.Module],
    groups: Sequence[Sequence[int]],
    keypoints: Float[Tensor, "f n j 2"],
    batch: int,
) -> Iterator[tuple[Int[Tensor, "w"], Float[Tensor, "f w g l"]]]:
    """For some frames at a time, their numbers and what each group's encoder makes of the windows around them.

    Several tracks of the same length, such as one and its mirror image, go side by side.
    """
    folded = [FoldedEncoder(encoder) for encoder in encoders if isinstance(encoder, TemporalEncoder)]
    length, root = keypoints.shape[1], keypoints[:, :, groups[0][0]]
    starts = [one.start(keypoints[:, :, list(group)], root) for one, group in zip(folded, groups, strict=True)]
    for middles in torch.arange(length, device=keypoints.device).split(batch):
        levels = distinct_blocks(middles, length, folded[0].widths)
        local = [one.encode(start, middles, levels) for one, start in zip(folded, starts, strict=True)]
        yield middles, torch.stack(local, dim=2)


@dataclass(frozen=True)
class Level:
    """The distinct blocks of frames that one convolution is computed for, over several windows."""

    window: Int[Tensor, "r"]
    """Which window each block belongs to."""
    first: Int[Tensor, "r"]
    """Its first frame; those that lie wholly before the track are moved to just before it, the same after it."""
    parts: Int[Tensor, "r f"] | None
    """The blocks of the level below that it consists of; None for the lowest, which consist of frames."""


def distinct_blocks(middles: Int[Tensor, "w"], length: int, widths: Sequence[int]) -> list[Level]:
    """The levels from the first convolution to the last, for windows around `middles` in a track of `length` frames."""
    frames, size, number, levels = int(torch.tensor(widths).prod()), 1, None, []
    for width in widths:
        size *= width
        offsets = torch.arange(0, frames, size, device=middles.device) - frames // 2
        first = (middles[:, None] + offsets).clamp(1 - size, length - 1)
        fresh: Bool[Tensor, "w k"] = torch.ones_like(first, dtype=torch.bool)
        fresh[:, 1:] = first[:, 1:] != first[:, :-1]
        window, place = fresh.nonzero(as_tuple=True)
        parts = None
        if number is not None:
            parts = number[window[:, None], place[:, None] * width + torch.arange(width, device=middles.device)]
        levels.append(Level(window, first[fresh], parts))
        number = fresh.flatten().cumsum(0).sub(1).view_as(fresh)
    return levels


@dataclass(frozen=True)
class Start:
    """The first convolution over a track, before what belongs to a window's middle frame is taken away."""

    of_blocks: Float[Tensor, "f s c"]
    """Of the block of frames that begins at each frame, from the last block that lies wholly before the track."""
    of_middles: Float[Tensor, "f n c"]
    """What each frame takes away where it is the middle one."""


class FoldedEncoder:
    """A group's encoder in eval mode, its batch norms folded in, as matrix products over blocks of frames."""

    def __init__(self, encoder: TemporalEncoder) -> None:
        weight, self.shift = folded(encoder.first, encoder.first_norm)
        plain, to_root, to_middle = weight.unflatten(1, (3, -1)).unbind(1)
        self.widths, self.width = encoder.widths, encoder.widths[0]
        self.frames = torch.cat([plain + to_root + to_middle, -to_root.unflatten(1, (-1, 2)).sum(1)], dim=1)
        self.middle = to_middle.sum(-1)
        self.layers = [
            (*_matrix(*folded(layer.wide, layer.wide_norm)), *_matrix(*folded(layer.narrow, layer.narrow_norm)))
            for layer in encoder.layers
            if isinstance(layer, TemporalLayer)
        ]
        self.last = encoder.last

    def start(self, keypoints: Float[Tensor, "f n j 2"], root: Float[Tensor, "f n 2"]) -> Start:
        """The first convolution over tracks of the group's keypoints and the root."""
        own = keypoints.flatten(2)
        around = pad(torch.cat([own, root], dim=2).mT, (self.width - 1, self.width - 1), mode="replicate")
        blocks = conv1d(around, self.frames, self.shift).mT.contiguous()
        return Start(blocks, linear(own, self.middle))

    def encode(self, start: Start, middles: Int[Tensor, "w"], levels: Sequence[Level]) -> Float[Tensor, "f w l"]:
        """The features of the windows around `middles`, for which `levels` are the blocks."""
        lowest = levels[0]
        blocks = start.of_blocks[:, lowest.first + (self.width - 1)]
        rows = leaky_relu_(blocks - start.of_middles[:, middles[lowest.window]], SLOPE)
        for level, (wide, wide_shift, narrow, narrow_shift) in zip(levels[1:], self.layers, strict=True):
            assert level.parts is not None
            together = rows[:, level.parts]  # f r k c
            hidden = leaky_relu_(linear(together.flatten(2), wide, wide_shift), SLOPE)
            hidden = leaky_relu_(linear(hidden, narrow, narrow_shift), SLOPE)
            rows = together[:, :, level.parts.shape[1] // 2] + hidden
        return linear(rows, self.last.weight[..., 0], self.last.bias)


def folded(convolution: nn.Conv1d, norm: nn.BatchNorm1d) -> tuple[Float[Tensor, "c i k"], Float[Tensor, "c"]]:
    """Weight and bias of one convolution that does what a convolution and a batch norm in eval mode do."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return convolution.weight * scale[:, None, None], norm.bias - norm.running_mean * scale


def _matrix(
    weight: Float[Tensor, "c i k"], shift: Float[Tensor, "c"]
) -> tuple[Float[Tensor, "c _"], Float[Tensor, "c"]]:
    """The same as a matrix for rows in which the frames of a block lie one after the other."""
    return weight.transpose(1, 2).flatten(1).contiguous(), shift
