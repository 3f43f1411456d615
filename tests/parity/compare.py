"""What the parity checks share: the rule that makes weights, and the comparison."""

import numpy as np
import torch


def assert_close(ours: np.ndarray | torch.Tensor, published: np.ndarray, name: str, tolerance: float = 1e-4) -> None:
    """max |ours - published| <= tolerance * (1 + max |published|), the agreement that the fixtures' README asks for."""
    if isinstance(ours, torch.Tensor):
        ours = ours.detach().numpy()
    assert ours.shape == published.shape, f"{name}: shape {ours.shape}, published {published.shape}"
    worst = np.abs(ours.astype(np.float64) - published.astype(np.float64)).max(initial=0.0)
    limit = tolerance * (1 + np.abs(published.astype(np.float64)).max(initial=0.0))
    assert worst <= limit, f"{name}: off by {worst:.3g}, allowed {limit:.3g}"
