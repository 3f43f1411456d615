"""Doubles the widths of a Parallel-Branch with coupled branches; it says the same as before, and can learn more.

    python runs/grow.py SMALL.safetensors WIDE.safetensors

Every channel becomes two with the same value. What reads them reads each with half the weight and a random number, once
added and once taken away: the copies cancel at first, and then learn different things. Heads double with the channels.
Chen et al., Net2Net: Accelerating Learning via Knowledge Transfer, ICLR 2016, section 2.2.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anthropose.methods.training.weights import write_own
from anthropose.nn.checkpoints.stored import read_header, read_tensors

SPREAD = 0.5
"""Of the random numbers, in standard deviations of the weights that they are added to."""
WIDTHS = ("features", "regressor_hidden", "heads", "hidden", "joint_width", "joint_heads")
"""What doubles in the configuration."""

KEPT, TWICE, TOKEN, QKV = "kept", "twice", "token", "qkv"
"""An axis: numbers of the outside; channels; a frame's token, that is those of all joints in a row; thrice channels."""
AXES = (
    (r"front_end\.(entrance|absent)\.weight", TWICE, KEPT),
    (r"network\.encoder\..*\.in_proj_(weight|bias)", QKV, TWICE),
    (r"network\.(encoder\.positions|lifting\.joint_positions)", KEPT, TWICE),
    (r"network\.lifting\.frame_positions", KEPT, TOKEN),
    (r"network\.lifting\.embed\.weight", TWICE, KEPT),
    (r"network\.lifting\.over_frames\..*\.project\.(weight|bias)", QKV, TOKEN),
    (r"network\.lifting\.over_joints\..*\.project\.(weight|bias)", QKV, TWICE),
    (r"network\.lifting\.over_frames\..*\.inner\.(weight|bias)", TWICE, TOKEN),
    (r"network\.(lifting\.over_frames\..*|lifting\.frame_norm\..*|from_body\..*|head_norm\..*)", TOKEN, TWICE),
    (r"network\.(from_keypoints|from_lifted)\.(weight|bias)", TWICE, TOKEN),
    (r"network\.head\.(weight|bias)", KEPT, TOKEN),
    (r"network\.regressor\.mean_.*", KEPT, KEPT),
    (r"network\.regressor\.to_.*", KEPT, TWICE),
    (r".*", TWICE, TWICE),
)
"""The rows and columns of tensors by their names: the first pattern that fits."""
PARTLY = {"network.from_lifted.weight": 147, "network.regressor.hidden1.weight": 157}
"""The last columns of these are numbers of the outside."""


def doubled(count: int, kind: str, joints: int) -> Tensor:
    """Which channel each channel of a doubled axis is a copy of."""
    old = torch.arange(count)
    match kind:
        case "kept":
            return old
        case "twice":
            return old.repeat(2)
        case "token":
            return old.view(joints, -1).repeat(1, 2).flatten()
        case _:
            return old.view(3, -1).repeat(1, 2).flatten()


def widened(name: str, tensor: Tensor, joints: int, random: torch.Generator) -> Tensor:
    """A tensor with its axes doubled."""
    rows, columns = next(kinds for pattern, *kinds in AXES if re.fullmatch(pattern, name))
    if tensor.ndim == 1:
        return tensor[doubled(len(tensor), rows, joints)]
    if tensor.ndim == 3:  # Positions: values of channels, which nothing multiplies.
        return tensor[..., doubled(tensor.shape[-1], columns, joints)]
    tensor = tensor[doubled(len(tensor), rows, joints)]
    outside = PARTLY.get(name, 0)
    inside = tensor.shape[1] - outside
    read, kept = tensor.split([inside, outside], dim=1)
    copy_of = doubled(inside, columns, joints)
    if len(copy_of) == inside:
        return tensor
    apart = torch.randn(read.shape, generator=random) * SPREAD * read.std()
    first = torch.zeros(len(copy_of)).index_put((first_copies(copy_of),), torch.ones(inside)).bool()
    split = read[:, copy_of] / 2 + torch.where(first, 1, -1) * apart[:, copy_of]
    return torch.cat([split, kept], dim=1)


def first_copies(copy_of: Tensor) -> Tensor:
    """Where each channel stands for the first time."""
    return torch.stack([(copy_of == channel).nonzero()[0, 0] for channel in range(int(copy_of.max()) + 1)])


def with_doubled_widths(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration of twice the widths."""
    wide = dict(config)
    for key, value in config.items():
        if isinstance(value, Mapping):
            wide[key] = with_doubled_widths(value)
        elif key in WIDTHS and isinstance(value, int):
            wide[key] = 2 * value
    return wide


def main(small: str, target: str) -> None:
    weights, tensors = read_header(Path(small)), read_tensors(Path(small))
    joints = weights.config["network"]["lifting"]["joints"]
    random = torch.Generator().manual_seed(0)
    wide = {name: widened(name, tensor, joints, random) for name, tensor in tensors.items()}
    config, source = with_doubled_widths(weights.config), f"{weights.source}, grown"
    write_own(weights.system, source, config, weights.front_end, wide, Path(target))
    print(f"{target}: {sum(tensor.numel() for tensor in wide.values()) / 1e6:.1f} million numbers")


if __name__ == "__main__":
    main(*sys.argv[1:])
