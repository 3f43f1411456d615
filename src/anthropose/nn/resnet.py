"""The ResNet-50 trunk of HMR, SPIN and DynaBOA: a crop of a person to 2048 features.

He et al., Deep Residual Learning for Image Recognition, CVPR 2016, with the stride on the 3x3 convolution. SPIN has
batch normalisation, DynaBOA group normalisation (vibe_base spec, section 6.1; dynaboa spec, section 2).
"""

import math
import re
from collections import deque
from collections.abc import Iterator
from typing import Literal, assert_never

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.nn.weights import KeyTable

Norm = Literal["batch", "group"]
GROUPS = 4
"""Of DynaBOA's group normalisation, whatever the number of channels."""


def _norm(kind: Norm, channels: int) -> nn.Module:
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "group":
        return nn.GroupNorm(GROUPS, channels)
    assert_never(kind)


class Bottleneck(nn.Module):
    """Narrow, look around, widen; added to the input, which a 1x1 convolution fits where the shape changes."""

    expansion = 4
    """A block gives this many times the channels that its 3x3 convolution has."""

    def __init__(self, inputs: int, channels: int, stride: int = 1, norm: Norm = "batch") -> None:
        super().__init__()
        outputs = self.expansion * channels
        self.narrow = nn.Conv2d(inputs, channels, 1, bias=False)
        self.norm1 = _norm(norm, channels)
        self.look = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.norm2 = _norm(norm, channels)
        self.widen = nn.Conv2d(channels, outputs, 1, bias=False)
        self.norm3 = _norm(norm, outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), _norm(norm, outputs))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d k l"]:
        y = self.norm1(self.narrow(x)).relu_()
        y = self.norm2(self.look(y)).relu_()
        return (self.norm3(self.widen(y)) + self.shortcut(x)).relu_()


class ResNet50Trunk(nn.Module):
    """Normalised RGB crops of 224 x 224 to features, which are never negative.

    Args:
        norm: "batch" as SPIN and VIBE have it, "group" as DynaBOA does.
        blocks: how many blocks each of the four stages has.
        width: channels of the first convolution; the features are 32 times as many.
    """

    def __init__(self, norm: Norm = "batch", blocks: tuple[int, int, int, int] = (3, 4, 6, 3), width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.stem_norm = _norm(norm, width)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = [width * 2**stage for stage in range(4)]
        inputs = [width, *(Bottleneck.expansion * c for c in channels)]
        self.stage1 = self._stage(inputs[0], channels[0], 1, blocks[0], norm)
        self.stage2 = self._stage(inputs[1], channels[1], 2, blocks[1], norm)
        self.stage3 = self._stage(inputs[2], channels[2], 2, blocks[2], norm)
        self.stage4 = self._stage(inputs[3], channels[3], 2, blocks[3], norm)
        self.outputs = inputs[4]
        self.init_weights()

    @staticmethod
    def _stage(inputs: int, channels: int, stride: int, blocks: int, norm: Norm) -> nn.Sequential:
        rest = (Bottleneck(Bottleneck.expansion * channels, channels, 1, norm) for _ in range(blocks - 1))
        return nn.Sequential(Bottleneck(inputs, channels, stride, norm), *rest)

    def init_weights(self) -> None:
        """Convolutions normal with variance 2 / (kernel area x output channels); normalisations 1 and 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, math.sqrt(2 / (module.weight[0, 0].numel() * module.out_channels)))

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b f"]:
        """The last stage's output, averaged over the image."""
        last = deque(self._steps(images), maxlen=1).pop()  # None of the other maps is kept.
        return last.mean((2, 3))

    def maps(self, images: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b c k l"]]:
        """What the first convolution (before its normalisation) and each of the four stages give."""
        return list(self._steps(images))

    def _steps(self, images: Float[Tensor, "b 3 h w"]) -> Iterator[Float[Tensor, "b c k l"]]:
        if not torch.is_grad_enabled():
            # The same values, in up to a quarter less time for batches on a CPU (benchmarks/features.py); learning
            # gains nothing, and its gradients would lie otherwise in memory than their weights.
            images = images.contiguous(memory_format=torch.channels_last)
        x = self.stem(images)
        yield x
        x = self.pool(self.stem_norm(x).relu())
        for stage in (self.stage1, self.stage2, self.stage3, self.stage4):
            x = stage(x)
            yield x


TRUNK_KEYS: KeyTable = (
    (r"conv1\.weight", r"stem.weight"),
    (r"bn1\.(\w+)", r"stem_norm.\1"),
    (r"layer(\d)\.(\d+)\.conv1\.weight", r"stage\1.\2.narrow.weight"),
    (r"layer(\d)\.(\d+)\.conv2\.weight", r"stage\1.\2.look.weight"),
    (r"layer(\d)\.(\d+)\.conv3\.weight", r"stage\1.\2.widen.weight"),
    (r"layer(\d)\.(\d+)\.bn(\d)\.(\w+)", r"stage\1.\2.norm\3.\4"),
    (r"layer(\d)\.(\d+)\.downsample\.(.*)", r"stage\1.\2.shortcut.\3"),
)
"""Published keys (torchvision's) -> those of ResNet50Trunk."""


def trunk_keys(published: str = "", ours: str = "") -> KeyTable:
    """TRUNK_KEYS under prefixes, such as "module." and "trunk."."""
    return tuple((re.escape(published) + key, f"{ours}{name}") for key, name in TRUNK_KEYS)
