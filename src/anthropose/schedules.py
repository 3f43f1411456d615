"""How learning rates move over a training: functions of the epoch, which runs from 0."""

import math


def warmup_cosine(epoch: int, lowest: float, highest: float, warmup: int, epochs: int) -> float:
    """The rate during an epoch: straight up from `lowest` to `highest`, then down to it along half a cosine.

    GLoT's schedule (glot spec, section 5). Epoch 0 runs at `lowest`, epoch `warmup` at `highest`, the last one a little
    above `lowest`; after `epochs` it begins anew.

    Raises:
        ValueError: the warm-up takes all epochs.
    """
    if not 0 <= warmup < epochs:
        raise ValueError(f"a warm-up of {warmup} epochs does not fit into {epochs}")
    epoch %= epochs
    if epoch < warmup:
        return lowest + (highest - lowest) * epoch / warmup
    return lowest + (highest - lowest) * (1 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup))) / 2
