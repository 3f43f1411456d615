"""How a training runs; none of it changes what is trained."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Options:
    """Where and how a training runs."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto takes the GPU where there is one."""
    devices: int = 1
    """Processes on this machine, each with a GPU of its own or a part of the CPU. Under torchrun it decides."""
    nodes: int = 1
    """Machines that train together. Under torchrun it decides."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the networks' matrix products and convolutions; weights and losses stay float32."""
    save_every: int = 0
    """Steps from one checkpoint to the next within an epoch; 0: one at the end of each epoch."""
    log_every: int = 20
    """Steps that a row of the log is the mean of."""
    prefetch: int = 2
    """Batches that are made ahead of their turn."""
    restart: bool = False
    """Forget what the folder holds of an earlier training."""
