"""What RIE's network is made of: temporal convolutions of a group of joints, and fully connected blocks."""

from itertools import accumulate

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv1d, leaky_relu

SLOPE = 0.2
"""Of the leaky ReLU below zero, everywhere."""


class TemporalLayer(nn.Module):
    """A convolution over several frames, one over a single frame, and the frame in the middle added to them."""

    def __init__(self, channels: int, width: int, dropout: float) -> None:
        super().__init__()
        self.wide = nn.Conv1d(channels, channels, width, stride=width, bias=False)
        self.wide_norm = nn.BatchNorm1d(channels)
        self.narrow = nn.Conv1d(channels, channels, 1, bias=False)
        self.narrow_norm = nn.BatchNorm1d(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Float[Tensor, "b c t"], spacing: int | None = None) -> Float[Tensor, "b c u"]:
        """Strided, or with a `spacing` between the frames that are put together: one result for every place."""
        width = self.wide.kernel_size[0]
        if spacing is None:
            middle, wide = frames[..., width // 2 :: width], self.wide(frames)
        else:
            margin = spacing * (width // 2)
            middle = frames[..., margin : frames.shape[-1] - margin]
            wide = conv1d(frames, self.wide.weight, dilation=spacing)
        wide = self.dropout(leaky_relu(self.wide_norm(wide), SLOPE))
        return middle + self.dropout(leaky_relu(self.narrow_norm(self.narrow(wide)), SLOPE))


class TemporalEncoder(nn.Module):
    """What one group of joints does around a frame: VideoPose3D's temporal convolutions with leaky ReLUs."""

    def __init__(self, inputs: int, channels: int, latent: int, widths: tuple[int, ...], dropout: float = 0.2) -> None:
        super().__init__()
        self.widths = widths
        self.first = nn.Conv1d(inputs, channels, widths[0], stride=widths[0], bias=False)
        self.first_norm = nn.BatchNorm1d(channels)
        self.layers = nn.ModuleList(TemporalLayer(channels, width, dropout) for width in widths[1:])
        self.last = nn.Conv1d(channels, latent, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, codes: Float[Tensor, "b c t"], dilated: bool = False) -> Float[Tensor, "b o l"]:
        """The feature of a window of exactly the frames that are seen; or dilated, of every place in a longer one."""
        first = conv1d(codes, self.first.weight) if dilated else self.first(codes)
        frames = self.dropout(leaky_relu(self.first_norm(first), SLOPE))
        for layer, spacing in zip(self.layers, accumulate(self.widths, int.__mul__), strict=False):
            frames = layer(frames, spacing if dilated else None)
        return self.last(frames).transpose(1, 2)


class ResidualBlock(nn.Module):
    """Two fully connected layers whose result is added to what went in."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Linear(width, width), nn.BatchNorm1d(width)
        self.second, self.second_norm = nn.Linear(width, width), nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Float[Tensor, "b h"]) -> Float[Tensor, "b h"]:
        hidden = self.dropout(leaky_relu(self.first_norm(self.first(features)), SLOPE))
        return features + self.dropout(leaky_relu(self.second_norm(self.second(hidden)), SLOPE))


class DenseBlock(nn.Module):
    """A fully connected layer, residual blocks, and a linear layer out."""

    def __init__(self, inputs: int, outputs: int, hidden: int = 1024, blocks: int = 1, dropout: float = 0.25) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(ResidualBlock(hidden, dropout) for _ in range(blocks)))
        self.last = nn.Linear(hidden, outputs)

    def forward(self, features: Float[Tensor, "b c"]) -> Float[Tensor, "b o"]:
        return self.last(self.blocks(self.dropout(leaky_relu(self.first_norm(self.first(features)), SLOPE))))
