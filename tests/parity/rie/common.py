"""What the checks of RIE share: settings and inputs by the fixtures' words, and that no output is left out."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anthropose.skeleton import H36M_VP3D_17, HUMANEVA_15
from tests.parity import rule
from tests.parity.compare import assert_close, published_state

Arrays = dict[str, np.ndarray]
Meta = dict[str, Any]
SKELETONS = {17: H36M_VP3D_17, 15: HUMANEVA_15}


def state_of(entries: Iterable[tuple[str, list[int], str]], seed: int) -> dict[str, Tensor]:
    """A state dict under its published keys, by the rule."""
    return published_state({"state": entries, "seed": seed})


def made_input(meta: Meta, name: str) -> Tensor:
    """An input that the fixture names but does not hold."""
    given = meta["inputs"][name]
    values = rule.array(name, tuple(given["shape"]), given.get("seed", meta.get("seed")), scale=given["scale"])
    return torch.from_numpy(values)


def tolerance_in_words(meta: Meta, default: float = 1e-4) -> float:
    """The first number of a tolerance that is given as a sentence."""
    found = re.search(r"\d+(\.\d+)?e-\d+", str(meta.get("tolerance", "")))
    return float(found.group()) if found else default


class Compared:
    """The fixture's outputs, of which none may be left without a comparison."""

    def __init__(self, meta: Meta, arrays: Arrays, also: Iterable[str] = ()) -> None:
        self.arrays, self.tolerance = arrays, tolerance_in_words(meta)
        self.left = {name for name in arrays if name.startswith("out_")} | set(also)

    def __call__(self, name: str, ours: Tensor | np.ndarray, tolerance: float | None = None) -> None:
        assert_close(ours, self.arrays[name], name, self.tolerance if tolerance is None else tolerance)
        self.left.discard(name)

    def same(self, name: str, ours: Tensor | np.ndarray | int) -> None:
        """For whole numbers and tables."""
        np.testing.assert_array_equal(np.asarray(ours), self.arrays[name], name)
        self.left.discard(name)

    def done(self) -> None:
        assert not self.left, f"not compared: {', '.join(sorted(self.left))}"
