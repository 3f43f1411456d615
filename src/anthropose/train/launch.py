"""Starting Fabric: one process or several, by its own launch or by torchrun."""

import logging
import os
import random
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from anthropose.errors import UserError
from anthropose.train.alone import OneDevice
from anthropose.train.options import Options

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_PRECISIONS: dict[str, Any] = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}
MISSING = "several devices and float16 need lightning-fabric: pip install 'anthropose[train]'"


def launch(options: Options) -> "Fabric":
    """Fabric with all its processes running; in each of them this call returns.

    With several devices and without torchrun, Fabric runs the command of this process once more for each of them. One
    device does without Fabric where it is not installed.

    Raises:
        UserError: the machine lacks what is asked for, or Fabric is not installed and it takes that.
    """
    device = _device(options)
    devices, nodes = _processes(options)
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        if devices * nodes > 1 or options.precision == "float16":
            raise UserError(f"{MISSING} ({error})") from error
        return cast("Fabric", OneDevice(device, _PRECISIONS[options.precision]))
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    fabric = Fabric(
        accelerator=device,
        devices=devices,
        num_nodes=nodes,
        strategy="ddp" if devices * nodes > 1 else "auto",
        precision=_PRECISIONS[options.precision],
    )
    fabric.launch()
    return fabric


def _device(options: Options) -> str:
    here = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if options.device == "cuda" and not here:
        raise UserError("--device cuda: torch finds no GPU here; leave --device away, or see `anthropose doctor`")
    device = "cuda" if here and options.device != "cpu" else "cpu"
    if device == "cuda" and options.devices > here:
        raise UserError(f"--devices {options.devices}: this machine has {here}; ask for fewer, or take --device cpu")
    if device == "cpu" and options.precision == "float16":
        raise UserError("--precision float16 needs a GPU; on a CPU take bfloat16 or float32")
    return device


def _processes(options: Options) -> tuple[int, int]:
    """Processes on this machine, and machines."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        here, everywhere = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
        return here, everywhere // here
    if options.devices < 1 or options.nodes < 1:
        raise UserError(f"--devices {options.devices} --nodes {options.nodes}: both are at least 1")
    return options.devices, options.nodes


def seed_all(seed: int) -> None:
    """Seeds every global generator: Python's, numpy's and torch's on all devices."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
