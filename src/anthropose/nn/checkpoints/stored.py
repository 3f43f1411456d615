"""Our own files of weights: safetensors with what is known about them as JSON in the header."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from anthropose.errors import UserError
from anthropose.writing import whole_file

FORMAT = "anthropose-weights/1"


@dataclass(frozen=True)
class Weights:
    """Weights of a network in our names, and what is known about them."""

    name: str
    """What motion files remember them by: the installed name, or the file's own."""
    system: str
    """`Published.system`."""
    config: dict[str, Any]
    """The network's configuration as plain values."""
    front_end: str
    """What the network is fed with: "image" or "keypoints"."""
    source: str
    """The name of the file they came in."""
    sha256: str
    """Of that file."""
    path: Path
    """Where the tensors are read from: .safetensors of ours, or a published file."""


def write_weights(weights: Weights, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Writes tensors as safetensors, whole or not at all, with what is known about them as JSON in the header."""
    known = {key: value for key, value in asdict(weights).items() if key not in ("name", "path")}
    with whole_file(path) as part:
        save_file(
            {key: value.contiguous() for key, value in tensors.items()},
            part,
            metadata={"format": FORMAT, "weights": json.dumps(known, sort_keys=True)},
        )


def read_header(path: Path) -> Weights:
    """What is known about the weights in a .safetensors.

    Raises:
        UserError: the file is cut, or is not one that `write_weights` wrote.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise ValueError(f"expected {FORMAT}, found {metadata.get('format', 'no format')}")
        known = json.loads(metadata["weights"])
        return Weights(name=path.stem, path=path, **known)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not weights that anthropose wrote ({error}); install them again") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors, those of 16 bits as float32.

    Raises:
        UserError: the file is cut.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is not a dictionary
        return {key: value.float() if value.dtype == torch.float16 else value for key, value in tensors.items()}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: cannot be read ({error}); install the weights again") from error
