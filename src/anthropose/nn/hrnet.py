"""HRNet with the classification head, as an extractor of 2048 features of a crop.

Sun et al., Deep High-Resolution Representation Learning, CVPR 2019 (parallel_branch spec, section 3.6). Branches of
falling resolution run side by side and are fused after every module. Parallel-Branch's preprocessing took the values
before the ImageNet classifier of the network of width 64; such features do not fit a network trained on SPIN's.
"""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.nn.resnet import Bottleneck
from anthropose.nn.weights import KeyTable, Published


@dataclass(frozen=True)
class HRNetConfig:
    """The network's sizes; the defaults are those of the published width of 64."""

    stem: int = 64
    """Channels at the entrance."""
    first_width: int = 64
    """Inner channels of the bottlenecks at a quarter of the resolution, before the branches part."""
    first_blocks: int = 4
    modules: tuple[int, ...] = (1, 4, 3)
    """Of each of the stages, which have two, three, four branches."""
    blocks: tuple[tuple[int, ...], ...] = ((4, 4), (4, 4, 4), (4, 4, 4, 4))
    """In each branch of a stage's modules."""
    widths: tuple[tuple[int, ...], ...] = ((64, 128), (64, 128, 256), (64, 128, 256, 512))
    """Channels of each stage's branches, each of half the resolution of the one before."""
    head: tuple[int, ...] = (32, 64, 128, 256)
    """Inner channels of the bottleneck that each branch passes at the end."""
    features: int = 2048


def conv_norm(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, *, bias: bool = False, relu: bool = True
) -> nn.Sequential:
    """A convolution that keeps the size but for its stride, batch normalisation, and ReLU where asked for."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=bias),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, nn.ReLU()) if relu else nn.Sequential(*layers)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = conv_norm(width, width)
        self.second = conv_norm(width, width, relu=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return torch.relu(x + self.second(self.first(x)))


class Fusion(nn.Module):
    """Every branch receives the sum of all, brought to its own resolution and width."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        count = range(len(widths))
        self.paths = nn.ModuleList(nn.ModuleList(_path(widths, source, target) for source in count) for target in count)

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        fused = []
        for paths in self.paths:
            assert isinstance(paths, nn.ModuleList)
            terms = (path(branch) for path, branch in zip(paths, branches, strict=True))
            fused.append(torch.relu(sum(terms)))  # type: ignore[arg-type]
        return fused


def _path(widths: tuple[int, ...], source: int, target: int) -> nn.Module:
    """From one branch to another: enlarged from a coarser one, halved step by step from a finer one."""
    if source == target:
        return nn.Identity()
    if source > target:
        narrowed = conv_norm(widths[source], widths[target], kernel=1, relu=False)
        return nn.Sequential(narrowed, nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"))
    steps = [conv_norm(widths[source], widths[source], stride=2) for _ in range(target - source - 1)]
    return nn.Sequential(*steps, conv_norm(widths[source], widths[target], stride=2, relu=False))


class Module(nn.Module):
    """Branches by themselves, then fused."""

    def __init__(self, blocks: tuple[int, ...], widths: tuple[int, ...]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width) for _ in range(count)))
            for count, width in zip(blocks, widths, strict=True)
        )
        self.fusion = Fusion(widths)

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        return self.fusion([own(x) for own, x in zip(self.branches, branches, strict=True)])


class Transition(nn.Module):
    """From the branches of one stage to those of the next, which has one more."""

    def __init__(self, before: tuple[int, ...], after: tuple[int, ...]) -> None:
        super().__init__()
        kept = [
            nn.Identity() if old == new else conv_norm(old, new)
            for old, new in zip(before, after[: len(before)], strict=True)
        ]
        self.paths = nn.ModuleList([*kept, conv_norm(before[-1], after[-1], stride=2)])

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        # The new branch begins from the lowest that there is.
        return [path(x) for path, x in zip(self.paths, [*branches, branches[-1]], strict=True)]


class HRNet(nn.Module):
    """Normalised RGB crops to one vector each, the input of the ImageNet classifier (which is not kept)."""

    def __init__(self, config: HRNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or HRNetConfig()
        self.stem = nn.Sequential(conv_norm(3, config.stem, stride=2), conv_norm(config.stem, config.stem, stride=2))
        wide = config.first_width * Bottleneck.expansion
        self.first = nn.Sequential(
            *(Bottleneck(wide if i else config.stem, config.first_width) for i in range(config.first_blocks))
        )
        self.transitions = nn.ModuleList(
            Transition(old, new) for old, new in itertools.pairwise([(wide,), *config.widths])
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Module(blocks, widths) for _ in range(modules)))
            for modules, blocks, widths in zip(config.modules, config.blocks, config.widths, strict=True)
        )
        outputs = [width * Bottleneck.expansion for width in config.head]
        self.widen = nn.ModuleList(
            Bottleneck(width, inner) for width, inner in zip(config.widths[-1], config.head, strict=True)
        )
        self.halve = nn.ModuleList(conv_norm(old, new, stride=2, bias=True) for old, new in itertools.pairwise(outputs))
        self.final = conv_norm(outputs[-1], config.features, kernel=1, bias=True)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b f"]:
        branches = [self.first(self.stem(images))]  # (b, 256, h / 4, w / 4)
        for transition, stage in zip(self.transitions, self.stages, strict=True):
            branches = stage(transition(branches))
        widened = [own(x) for own, x in zip(self.widen, branches, strict=True)]
        total = widened[0]
        for halve, branch in zip(self.halve, widened[1:], strict=True):
            total = branch + halve(total)
        return self.final(total).mean(dim=(2, 3))


def _bottleneck_keys(published: str, ours: str) -> KeyTable:
    """Of bottlenecks; `published` is a pattern with one group, which `ours` refers to."""
    return (
        (rf"{published}\.conv1\.weight", rf"{ours}.narrow.weight"),
        (rf"{published}\.conv2\.weight", rf"{ours}.look.weight"),
        (rf"{published}\.conv3\.weight", rf"{ours}.widen.weight"),
        (rf"{published}\.bn(\d)\.(\w+)", rf"{ours}.norm\2.\3"),
        (rf"{published}\.downsample\.(.+)", rf"{ours}.shortcut.\2"),
    )


def _stage_keys(number: int) -> KeyTable:
    """Of our stage `number` and the transition before it; the publication counts the stages from 2."""
    block = rf"stage{number + 2}\.(\d+)\.branches\.(\d+\.\d+)"
    ours = rf"stages.{number}.\1.branches.\2"
    path, own_path = rf"stage{number + 2}\.(\d+)\.fuse_layers\.(\d+\.\d+)", rf"stages.{number}.\1.fusion.paths.\2"
    return (
        # A new branch of the publication is a sequence of one step.
        (rf"transition{number + 1}\.(\d+)\.(?:0\.)?([01]\.\w+)", rf"transitions.{number}.paths.\1.\2"),
        (rf"{block}\.conv1\.weight", rf"{ours}.first.0.weight"),
        (rf"{block}\.bn1\.(\w+)", rf"{ours}.first.1.\3"),
        (rf"{block}\.conv2\.weight", rf"{ours}.second.0.weight"),
        (rf"{block}\.bn2\.(\w+)", rf"{ours}.second.1.\3"),
        (rf"{path}\.(\d+\.[01]\.\w+)", rf"{own_path}.\3"),  # from a finer branch, step by step
        (rf"{path}\.([01]\.\w+)", rf"{own_path}.0.\3"),  # from a coarser one
    )


HRNET_KEYS: KeyTable = (
    *((rf"conv{step + 1}\.weight", f"stem.{step}.0.weight") for step in range(2)),
    *((rf"bn{step + 1}\.(\w+)", rf"stem.{step}.1.\1") for step in range(2)),
    *_bottleneck_keys(r"layer1\.(\d+)", r"first.\1"),
    *(row for number in range(3) for row in _stage_keys(number)),
    *_bottleneck_keys(r"incre_modules\.(\d+)\.0", r"widen.\1"),
    (r"downsamp_modules\.(.+)", r"halve.\1"),
    (r"final_layer\.(.+)", r"final.\1"),
    (r"classifier\.(?:weight|bias)", None),
)
"""Published keys -> those of HRNet."""


def _config(state: Mapping[str, Tensor]) -> HRNetConfig:
    """The sizes that the tensors, under our names, have."""

    def count(prefix: str) -> int:
        """How many numbers follow the prefix in the keys."""
        return len({match[1] for key in state if (match := re.match(re.escape(prefix) + r"(\d+)\.", key))})

    stages = [f"stages.{number}.0.branches." for number in range(count("stages."))]
    return HRNetConfig(
        stem=len(state["stem.1.0.weight"]),
        first_width=len(state["first.0.narrow.weight"]),
        first_blocks=count("first."),
        modules=tuple(count(f"stages.{number}.") for number in range(len(stages))),
        blocks=tuple(tuple(count(f"{stage}{k}.") for k in range(count(stage))) for stage in stages),
        widths=tuple(
            tuple(len(state[f"{stage}{k}.0.first.0.weight"]) for k in range(count(stage))) for stage in stages
        ),
        head=tuple(len(state[f"widen.{k}.narrow.weight"]) for k in range(count("widen."))),
        features=len(state["final.0.weight"]),
    )


PUBLISHED = Published(
    system="hrnet",
    title="HRNet-W64-C (ImageNet)",
    page="https://github.com/HRNet/HRNet-Image-Classification",
    files=("hrnetv2_w64_imagenet_pretrained.pth",),
    entry="",
    signature=(r"stage4\.0\.fuse_layers\..+", r"incre_modules\.0\.0\.conv1\.weight", r"final_layer\.0\.weight"),
    keys=HRNET_KEYS,
    config=_config,
    network=HRNet,
)
