"""Small databases in the published layout."""

from typing import Any

import numpy as np


def database(
    lengths: tuple[int, ...], joints2d: int = 14, joints3d: int = 49, seed: int = 0, f: int = 6
) -> dict[str, Any]:
    """A database of videos of these lengths, as its file holds it."""
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    center, side = 500 + 20 * rng.standard_normal((n, 2)), 300 + 50 * rng.random((n, 1))
    return {
        "vid_name": np.repeat([f"video_{k}" for k in range(len(lengths))], lengths),
        "frame_id": np.arange(n),
        "img_name": np.array([f"{k:06d}.jpg" for k in range(n)]),
        "joints2D": np.concatenate([500 + 80 * rng.standard_normal((n, joints2d, 2)), np.ones((n, joints2d, 1))], -1),
        "joints3D": 0.4 * rng.standard_normal((n, joints3d, 3)),
        "bbox": np.concatenate([center, side, side], 1),
        "pose": 0.3 * rng.standard_normal((n, 72)),
        "shape": rng.standard_normal((n, 10)),
        "features": rng.standard_normal((n, f)).astype(np.float32),
    }
