"""What small raw releases are made of: pictures, extractors that are quick, and readers that are made up."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from anthropose.datasets.raw.base import Findings, RawSequence, RawSource


def jpeg(value: int = 99, size: tuple[int, int] = (64, 48)) -> bytes:
    """A grey picture of width and height `size`."""
    return encoded(np.full((size[1], size[0], 3), value, np.uint8), "JPEG")


def encoded(picture: np.ndarray, kind: str = "PNG") -> bytes:
    """A picture as its file would be."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, kind)
    return stream.getvalue()


def write_pictures(folder: Path, names: list[str], size: tuple[int, int] = (64, 48)) -> None:
    """A grey picture for each name, each a little lighter than the one before it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(jpeg(min(40 + number, 255), size))


class MeanColour:
    """Two features: the mean of a crop's red, and of its middle."""

    name, size, batch = "mean", 8, 3

    def __init__(self, version: int = 1) -> None:
        self.settings: dict[str, Any] = {"version": version}
        self.crops = 0

    def __call__(self, crops: torch.Tensor) -> torch.Tensor:
        assert len(crops) <= self.batch
        self.crops += len(crops)
        red = crops[..., 0].float()
        return torch.stack([red.mean((1, 2)), red[:, 2:6, 2:6].mean((1, 2))], dim=1)


Load = Callable[[Findings], Iterator[RawSequence]]


class MadeUp:
    """A release of sources given as functions."""

    name, subsets, layout = "made-up", ("train", "test"), "    ROOT/anything"

    def __init__(self, **sources: Load) -> None:
        self._sources = sources

    def find(self, root: Path, subset: str) -> list[RawSource]:
        return [RawSource(name, load) for name, load in self._sources.items()]


def giving(*sequences: RawSequence) -> Load:
    """A source of sequences that are there already."""
    return lambda findings: iter(sequences)
