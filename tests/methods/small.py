"""Every method in a small configuration with random weights, installed as published ones would be."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from anthropose.methods.base import known_systems
from anthropose.methods.dynaboa.model import BaseModelConfig
from anthropose.methods.glot import GLoTConfig
from anthropose.methods.parallel_branch import ParallelBranchConfig
from anthropose.methods.rie.network import RIEConfig
from anthropose.methods.tcmr import TCMRConfig
from anthropose.nn.checkpoints import Weights, weights_folder, write_weights
from anthropose.nn.hmr import HMRConfig
from anthropose.nn.temporal import RecurrentConfig
from anthropose.nn.weights import Published

FEATURES = 128
"""Of the small trunk."""

CONFIGS: dict[str, Any] = {
    "spin": HMRConfig(blocks=(1, 1, 1, 1), width=4, hidden=16),
    "tcmr": TCMRConfig(layers=1, hidden=8, features=FEATURES, attention=8),
    "vibe": RecurrentConfig(features=FEATURES, hidden=8, layers=1),
    "glot": GLoTConfig(features=FEATURES, width=16, local_width=16, regressor_hidden=16, token_hidden=(8, 8)),
    "parallel-branch": ParallelBranchConfig(features=FEATURES, hidden=8, layers=1, regressor_hidden=16, lifting=None),
    "rie": RIEConfig(widths=(3, 3), channels=8, latent=8, hidden=16),
    "dynaboa": BaseModelConfig(blocks=(1, 1, 1, 1), width=4, hidden=16),
}
"""System -> the configuration that tests run it in."""


def published_of(system: str) -> Published:
    """How the files of a system look."""
    return next(published for published in known_systems() if published.system == system)


def install_small(systems: Sequence[str], seed: int = 0, name: str = "") -> list[Path]:
    """Installs random weights of each system in the folder that ANTHROPOSE_HOME names."""
    paths = []
    for system in systems:
        published = published_of(system)
        torch.manual_seed(seed)
        network = published.network(CONFIGS[system])
        path = weights_folder() / f"{name or system}.safetensors"
        config = asdict(CONFIGS[system])
        header = Weights(path.stem, system, config, published.front_end, "made-up.pth.tar", f"{system}-{seed}", path)
        write_weights(header, network.state_dict(), path)
        paths.append(path)
    return paths
