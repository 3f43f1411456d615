"""Published checkpoints in, networks out: reading them safely, telling whose they are, and keeping what they become.

`install_weights` takes a published file in once: it finds the state dict, renames it by the system's table, drops the
body model inside, holds it against the network strictly, and writes safetensors to the user's folder with the
configuration in the header. From then on `load_network` needs only a name. No published file is ever shipped.
"""

from anthropose.nn.checkpoints.conversion import Converted, convert
from anthropose.nn.checkpoints.installed import (
    find_weights,
    how_to_install,
    install_weights,
    installed_weights,
    load_network,
    shipped_weights,
    weights_folder,
    weights_table,
)
from anthropose.nn.checkpoints.reading import read_checkpoint
from anthropose.nn.checkpoints.stored import Weights, write_weights

__all__ = [
    "Converted",
    "Weights",
    "convert",
    "find_weights",
    "how_to_install",
    "install_weights",
    "installed_weights",
    "load_network",
    "read_checkpoint",
    "shipped_weights",
    "weights_folder",
    "weights_table",
    "write_weights",
]
