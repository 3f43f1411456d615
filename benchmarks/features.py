"""How long SPIN's features of a crop take on the CPU, by memory layout and batch size.

    python benchmarks/features.py [--crops 32] [--threads 1 2]

The weights are random. Columns, in milliseconds for each crop: the trunk as it is (channels last), the same with
channels first, and with its normalisations folded into the convolutions; then the largest difference of any feature
between the three, over 1 + the largest feature. Turns alternate, and the fastest counts: whatever else the machine
does only adds time.
"""

import argparse
import copy
import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from anthropose.nn.resnet import Bottleneck, ResNet50Trunk

BATCHES = (1, 4, 8, 16, 32)
ROUNDS = 3


class ChannelsFirst(ResNet50Trunk):
    """The trunk in PyTorch's usual layout."""

    def _steps(self, images: Tensor) -> Iterator[Tensor]:
        x = self.pool(self.stem_norm(self.stem(images)).relu())
        for stage in (self.stage1, self.stage2, self.stage3, self.stage4):
            x = stage(x)
        yield x


def folded(trunk: ResNet50Trunk) -> ResNet50Trunk:
    """The same function with the normalisations inside the convolutions."""
    trunk = copy.deepcopy(trunk)
    trunk.stem, trunk.stem_norm = fuse_conv_bn_eval(trunk.stem, trunk.stem_norm), nn.Identity()
    for block in trunk.modules():
        if not isinstance(block, Bottleneck):
            continue
        for name, norm in (("narrow", "norm1"), ("look", "norm2"), ("widen", "norm3")):
            setattr(block, name, fuse_conv_bn_eval(getattr(block, name), getattr(block, norm)))
            setattr(block, norm, nn.Identity())
        if isinstance(block.shortcut, nn.Sequential):
            block.shortcut = fuse_conv_bn_eval(*block.shortcut)
    return trunk


def lively(trunk: ResNet50Trunk) -> ResNet50Trunk:
    """Statistics that are not those of the start, so that folding has something to do."""
    for module in trunk.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.2)
            nn.init.uniform_(module.weight, 0.3, 0.6)
    return trunk.eval()


@torch.no_grad()
def measured(trunks: dict[str, nn.Module], crops: Tensor, batch: int) -> tuple[dict[str, float], float]:
    """Milliseconds for each crop by trunk, and how far the features are apart."""
    best = dict.fromkeys(trunks, float("inf"))
    found: dict[str, Tensor] = {}
    for _ in range(ROUNDS):
        for name, trunk in trunks.items():
            start = time.perf_counter()
            found[name] = torch.cat([trunk(part) for part in crops.split(batch)])
            best[name] = min(best[name], 1000 * (time.perf_counter() - start) / len(crops))
    first, *others = found.values()
    apart = max(float((first - other).abs().max()) for other in others)
    return best, apart / (1 + float(first.abs().max()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crops", type=int, default=32)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    torch.manual_seed(0)
    ours, first = lively(ResNet50Trunk()), ChannelsFirst().eval()
    first.load_state_dict(ours.state_dict())
    trunks: dict[str, nn.Module] = {"ours": ours, "channels first": first, "folded": folded(ours)}
    crops = torch.randn(arguments.crops, 3, 224, 224)
    print("threads  batch  " + "  ".join(f"{name:>14}" for name in trunks) + "  apart")
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        for batch in BATCHES:
            best, apart = measured(trunks, crops, batch)
            print(f"{threads:7}  {batch:5}  " + "  ".join(f"{best[name]:14.1f}" for name in trunks) + f"  {apart:.1g}")


if __name__ == "__main__":
    main()
