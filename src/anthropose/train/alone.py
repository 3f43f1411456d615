"""What the loop asks of Fabric, for one process, where lightning-fabric is not installed: on a bare machine."""

from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn


class OneDevice:
    """One process with one device, in float32 or bfloat16."""

    world_size = 1
    global_rank = 0
    is_global_zero = True

    def __init__(self, device: str, precision: str) -> None:
        """
        Args:
            device: cpu or cuda.
            precision: Fabric's name of it, "32-true" or "bf16-mixed"; float16 needs Fabric's scaling of gradients.
        """
        self.device = torch.device(device, 0) if device == "cuda" else torch.device(device)
        nothing: dict[str, Any] = {}
        self.strategy = SimpleNamespace(precision=SimpleNamespace(precision=precision, state_dict=lambda: nothing))

    def to_device(self, network: nn.Module) -> nn.Module:
        return network.to(self.device)

    def setup_optimizers(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        return optimizer

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def clip_gradients(
        self, network: nn.Module, optimizer: torch.optim.Optimizer, max_norm: float, error_if_nonfinite: bool
    ) -> Tensor:
        """Clips the gradients of a network; returns their norm before."""
        return nn.utils.clip_grad_norm_(network.parameters(), max_norm, error_if_nonfinite=error_if_nonfinite)

    def autocast(self) -> AbstractContextManager:
        return torch.autocast(self.device.type, torch.bfloat16)
