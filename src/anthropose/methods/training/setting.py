"""What a training is given beside its preset."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from anthropose.body.model import BodyModel
from anthropose.methods.base import Preset


@dataclass(frozen=True, eq=False)
class Setting:
    """Where a training finds what it learns from, and what it begins with."""

    body: BodyModel
    data: Path | None = None
    """The folder with the preset's sets, as published or as `anthropose prepare` makes them."""
    mocap: tuple[Path, ...] = ()
    """Folders of motion capture."""
    images: Path | None = None
    """The folder of a release, below which the pictures of its sets lie."""
    start: str = ""
    """Weights of SPIN's to begin with: an installed name or a file; the installed ones when empty; or "none"."""

    def body_on(self, device: torch.device) -> BodyModel:
        """The body on a device, moved there once."""
        if device not in self._bodies:
            self._bodies[device] = self.body.to(device)
        return self._bodies[device]

    @cached_property
    def _bodies(self) -> dict[torch.device, BodyModel]:
        return {}


def seed_of(preset: Preset) -> int:
    """Zero where the publication set none."""
    return 0 if preset.seed is None else preset.seed


@contextmanager
def seeded(preset: Preset) -> Iterator[None]:
    """The first weights of networks that are made inside depend on the preset's seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(preset))
        yield
