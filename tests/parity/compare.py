"""What the parity checks share: the rule that makes weights, and the comparison."""

from typing import Any

import numpy as np
import torch

from tests.parity import rule


def assert_close(ours: np.ndarray | torch.Tensor, published: np.ndarray, name: str, tolerance: float = 1e-4) -> None:
    """max |ours - published| <= tolerance * (1 + max |published|), the agreement that the fixtures' README asks for."""
    if isinstance(ours, torch.Tensor):
        ours = ours.detach().numpy()
    assert ours.shape == published.shape, f"{name}: shape {ours.shape}, published {published.shape}"
    worst = np.abs(ours.astype(np.float64) - published.astype(np.float64)).max(initial=0.0)
    limit = tolerance * (1 + np.abs(published.astype(np.float64)).max(initial=0.0))
    assert worst <= limit, f"{name}: off by {worst:.3g}, allowed {limit:.3g}"


def tolerance_of(meta: dict[str, Any], name: str, default: float = 1e-4) -> float:
    """The fixture's own tolerance: one number for each array by name; where it is given in words, the check has it."""
    own = meta.get("tolerance")
    return float(own.get(name, default)) if isinstance(own, dict) else default


def published_state(meta: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The state dict that the fixture's network had, under its published keys and without the body model."""
    return {
        key: torch.from_numpy(rule.tensor(key, tuple(shape), meta["seed"], integer="int" in dtype))
        for key, shape, dtype in meta["state"]
    }
