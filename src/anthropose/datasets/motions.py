"""Recorded motions without pictures, which a discriminator of motion learns from."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anthropose.datasets.joblib_files import read_joblib
from anthropose.datasets.prepared import open_set
from anthropose.datasets.windows import vibe_windows
from anthropose.errors import UserError

BODY = slice(3, 72)
"""Of a pose of 72 numbers, those of the 23 joints below the root."""


class RecordedMotions:
    """Windows of recorded motions that do not overlap, by number of a step; drawn as `Mixture` draws."""

    def __init__(self, motions: list[np.ndarray], window: int, batch: int, seed: int = 0) -> None:
        """
        Args:
            motions: rotation vectors "n 69" of the joints below the root.

        Raises:
            UserError: none is as long as a window.
        """
        self._poses = np.concatenate(motions)
        self.windows = vibe_windows([len(motion) for motion in motions], window, window).frames.numpy()
        if not len(self.windows):
            raise UserError(f"the recorded motions are all shorter than a window of {window} frames")
        self._batch, self._seed = batch, seed

    def batch(
        self, step: int, part: Callable[[Int[np.ndarray, "n"]], Int[np.ndarray, "n"]] = lambda numbers: numbers
    ) -> Float[Tensor, "r t 69"]:
        """The motions of a step, counted from 0; `part` says which of them."""
        count = len(self.windows)
        pass_number, place = divmod(step, -(-count // self._batch))
        order = np.random.default_rng([self._seed, pass_number]).permutation(count)
        chosen = part(order[place * self._batch : (place + 1) * self._batch])
        return torch.from_numpy(self._poses[self.windows[chosen]].astype(np.float32))


def read_motions(path: Path) -> list[np.ndarray]:
    """The motions in VIBE's `amass_db.pt`, or in a prepared set whose sequences have poses: "n 69" each.

    Raises:
        UserError: there is nothing of the kind.
    """
    path = Path(path)
    if path.is_dir() or path.name == "set.json":
        motions = [sequence.pose[:, BODY] for sequence in open_set(path) if sequence.pose is not None]
        if not motions:
            raise UserError(f"{path}: its sequences have no poses; expected recorded motions such as AMASS")
        return motions
    arrays = read_joblib(path)
    theta, names = arrays.get("theta"), arrays.get("vid_name")
    if theta is None or names is None or theta.ndim != 2 or theta.shape[1] != 82 or len(names) != len(theta):
        raise UserError(f"{path}: expected recorded motions as VIBE's amass_db.pt has them: vid_name n, theta n 82")
    starts = [k for k in range(len(names)) if k == 0 or names[k] != names[k - 1]]
    return [theta[first:last, BODY] for first, last in zip(starts, [*starts[1:], len(names)], strict=True)]
