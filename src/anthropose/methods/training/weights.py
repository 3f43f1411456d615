"""What becomes of the best network of a training: a file of weights that `--weights` takes."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from anthropose.nn.checkpoints import Weights, write_weights


def publisher(
    method: str, preset: str, config: Any, front_end: Literal["image", "keypoints"]
) -> Callable[[Mapping[str, Tensor], Path], None]:
    """What writes a state dict of a method's network as weights.

    Args:
        preset: which training they come from.
        config: of the network.
        front_end: what it is fed with.
    """
    return partial(write_own, method, f"anthropose train {method} {preset}", asdict(config), front_end)


def write_own(
    system: str, source: str, config: dict[str, Any], front_end: str, state: Mapping[str, Tensor], path: Path
) -> None:
    """Writes weights that were made here, known by what is in them.

    Args:
        source: what made them.
        config: the network's configuration as plain values.
    """
    digest = hashlib.sha256()
    for key, value in sorted(state.items()):
        digest.update(key.encode())
        digest.update(value.contiguous().numpy().tobytes())
    write_weights(Weights(path.stem, system, config, front_end, source, digest.hexdigest(), path), state, path)
