from dataclasses import replace

import torch
from torch import nn

from anthropose.nn.hrnet import HRNET_KEYS, PUBLISHED, Fusion, HRNet, HRNetConfig
from anthropose.nn.weights import renamed

SMALL = HRNetConfig(
    stem=4,
    first_width=2,
    first_blocks=2,
    modules=(1, 2, 1),
    blocks=((1, 1), (2, 1, 1), (1, 1, 1, 2)),
    widths=((2, 4), (2, 4, 8), (2, 4, 8, 16)),
    head=(2, 3, 4, 5),
    features=6,
)


def made_network(config: HRNetConfig = SMALL) -> HRNet:
    torch.manual_seed(0)
    return HRNet(config).eval()


@torch.no_grad()
def test_each_crop_has_features_of_its_own() -> None:
    network, crops = made_network(), torch.randn(3, 3, 64, 64)
    features = network(crops)
    assert features.shape == (3, SMALL.features)
    torch.testing.assert_close(network(crops[1:2]), features[1:2])
    assert features.std(0).max() > 1e-4


@torch.no_grad()
def test_every_branch_reaches_every_other() -> None:
    torch.manual_seed(0)
    fusion = Fusion((2, 3, 4)).eval()
    branches = [torch.rand(1, width, 16 // 2**k, 16 // 2**k) for k, width in enumerate((2, 3, 4))]
    before = fusion(branches)
    assert [branch.shape for branch in before] == [branch.shape for branch in branches]
    for source in range(3):
        changed = [branch + (k == source) for k, branch in enumerate(branches)]
        assert all((new - old).abs().max() > 1e-4 for new, old in zip(fusion(changed), before, strict=True))


@torch.no_grad()
def test_a_coarse_branch_is_enlarged_without_smoothing() -> None:
    fusion = Fusion((1, 1)).eval()
    for parameter in fusion.parameters():
        nn.init.ones_(parameter)
    fine = fusion([torch.zeros(1, 1, 4, 4), torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])])[0][0, 0]
    assert torch.equal(fine, fine[::2, ::2].repeat_interleave(2, 0).repeat_interleave(2, 1))
    assert len(fine.unique()) == 4


def published_layout(config: HRNetConfig) -> dict[str, torch.Tensor]:
    """The published keys of a network of these sizes, written out from the specification (section 3.6)."""
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(key: str, outputs: int, inputs: int, kernel: int, bias: bool = False) -> None:
        shapes[f"{key}.weight"] = (outputs, inputs, kernel, kernel)
        if bias:
            shapes[f"{key}.bias"] = (outputs,)

    def norm(key: str, size: int) -> None:
        shapes.update({f"{key}.{leaf}": (size,) for leaf in ("weight", "bias", "running_mean", "running_var")})
        shapes[f"{key}.num_batches_tracked"] = ()

    def bottleneck(key: str, inputs: int, width: int) -> None:
        for number, (outputs, entering, kernel) in enumerate(
            ((width, inputs, 1), (width, width, 3), (4 * width, width, 1)), 1
        ):
            conv(f"{key}.conv{number}", outputs, entering, kernel)
            norm(f"{key}.bn{number}", outputs)
        if inputs != 4 * width:
            conv(f"{key}.downsample.0", 4 * width, inputs, 1)
            norm(f"{key}.downsample.1", 4 * width)

    def stage(number: int) -> None:
        widths, before = config.widths[number], (config.widths[number - 1] if number else (4 * config.first_width,))
        for branch, width in enumerate(widths):
            new = branch >= len(before)
            if new or before[branch] != width:
                key = f"transition{number + 1}.{branch}" + (".0" if new else "")
                conv(f"{key}.0", width, before[min(branch, len(before) - 1)], 3)
                norm(f"{key}.1", width)
        for module in range(config.modules[number]):
            key = f"stage{number + 2}.{module}"
            for branch, width in enumerate(widths):
                for block in range(config.blocks[number][branch]):
                    for layer in (1, 2):
                        conv(f"{key}.branches.{branch}.{block}.conv{layer}", width, width, 3)
                        norm(f"{key}.branches.{branch}.{block}.bn{layer}", width)
            for i, target in enumerate(widths):
                for j, source in enumerate(widths):
                    path = f"{key}.fuse_layers.{i}.{j}"
                    if j > i:
                        conv(f"{path}.0", target, source, 1)
                        norm(f"{path}.1", target)
                    for step in range(i - j):
                        outputs = target if step == i - j - 1 else source
                        conv(f"{path}.{step}.0", outputs, source, 3)
                        norm(f"{path}.{step}.1", outputs)

    for number, inputs in ((1, 3), (2, config.stem)):
        conv(f"conv{number}", config.stem, inputs, 3)
        norm(f"bn{number}", config.stem)
    for block in range(config.first_blocks):
        bottleneck(f"layer1.{block}", 4 * config.first_width if block else config.stem, config.first_width)
    for number in range(3):
        stage(number)
    outputs = [4 * width for width in config.head]
    for branch, (width, inner) in enumerate(zip(config.widths[-1], config.head, strict=True)):
        bottleneck(f"incre_modules.{branch}.0", width, inner)
    for branch in range(3):
        conv(f"downsamp_modules.{branch}.0", outputs[branch + 1], outputs[branch], 3, bias=True)
        norm(f"downsamp_modules.{branch}.1", outputs[branch + 1])
    conv("final_layer.0", config.features, outputs[-1], 1, bias=True)
    norm("final_layer.1", config.features)
    shapes |= {"classifier.weight": (10, config.features), "classifier.bias": (10,)}
    return {key: torch.zeros(shape) for key, shape in shapes.items()}


def test_published_weights_find_their_places_and_tell_the_sizes() -> None:
    for config in (SMALL, replace(SMALL, modules=(1, 1, 2), widths=((2, 3), (2, 3, 5), (2, 3, 5, 7)))):
        published = published_layout(config)
        assert PUBLISHED.fits(published)
        state = renamed(published, HRNET_KEYS)
        assert PUBLISHED.config(state) == config
        HRNet(config).load_state_dict(state)


def test_the_published_network_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        network = HRNet()
    classifier = 2048 * 1000 + 1000
    assert sum(parameter.numel() for parameter in network.parameters()) + classifier == 128_059_944


def test_no_convolution_before_the_head_has_a_bias() -> None:
    convolutions = {name: module for name, module in made_network().named_modules() if isinstance(module, nn.Conv2d)}
    biased = {name for name, module in convolutions.items() if module.bias is not None}
    assert biased == {"halve.0.0", "halve.1.0", "halve.2.0", "final.0"}
