"""The files that a run can go on from: its last state, and the best weights of each stage.

They are written beside their place and renamed, so that whatever happens, the one before is still there. They hold
tensors and plain values alone, and are read with `weights_only` and no class allowed.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import torch
from torch import Tensor

from anthropose.errors import UserError
from anthropose.writing import whole_file

FORMAT = "anthropose-run/1"


@dataclass(frozen=True)
class Position:
    """How far a training is. With all stages behind it, `stage` is their number."""

    stage: int = 0
    epoch: int = 0
    batch: int = 0
    """Batches of the epoch that are behind it; as many as there are where only the validation is missing."""
    step: int = 0
    """Steps since the start of the run."""
    best: float = float("inf")
    """The lowest figure of this stage so far."""
    best_epoch: int = -1
    """Of this stage; -1: none yet."""


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Writes tensors and plain values, whole or not at all.

    Raises:
        UserError: the folder cannot be written or the disk is full; an earlier file is left as it was.
    """
    with whole_file(path) as part, part.open("wb") as file:
        kept = _KeepsItsError(file)
        try:
            torch.save({"format": FORMAT, **content}, cast(IO[bytes], kept))
        except RuntimeError as error:
            # Torch's writer says only that it could not write; the reason is what the file said.
            raise kept.error or error from error
        file.flush()


class _KeepsItsError:
    """A file that remembers why it could not be written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            self.error = error
            raise


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What `write_checkpoint` wrote, on the CPU.

    Raises:
        UserError: the file is damaged, or is something else.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # A damaged or foreign file can raise nearly anything.
        raise UserError(f"{path}: no checkpoint of a training ({_short(error)}); begin anew with --restart") from error
    found = content.get("format", "no format") if isinstance(content, dict) else type(content).__name__
    if found != FORMAT:
        raise UserError(f"{path}: no checkpoint of a training: expected {FORMAT}, found {found}")
    return content


def _short(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:80].rstrip(". ")


def check_record(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Makes sure that a checkpoint belongs to the training that is to go on.

    Raises:
        UserError: it belongs to another method, preset or configuration; the line says how they differ.
    """
    ways = "choose another folder with --out, or begin anew with --restart"
    theirs, ours = (f"{record['method']} {record['preset']}" for record in (found, wanted))
    if theirs != ours:
        raise UserError(f"{path}: is of a training of {theirs}, not of {ours}; {ways}")
    differences = [
        f"{key} was {_value(before)} and is {_value(now)}" for key, before, now in _different("", found, wanted)
    ]
    if differences:
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise UserError(f"{path}: is of another configuration: {'; '.join(differences[:3])}{more}; {ways}")


def _different(at: str, found: Any, wanted: Any) -> list[tuple[str, Any, Any]]:
    """Where two nests of JSON values differ: the place, what is found there, and what is wanted."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        keys = dict.fromkeys([*found, *wanted])
        return [d for key in keys for d in _different(f"{at}.{key}" if at else key, found.get(key), wanted.get(key))]
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        pairs = enumerate(zip(found, wanted, strict=True))
        return [d for index, (one, other) in pairs for d in _different(f"{at}[{index}]", one, other)]
    return [] if found == wanted else [(at, found, wanted)]


def _value(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def random_state(device: torch.device) -> dict[str, Any]:
    """The states of all global generators, as plain values and tensors."""
    name, keys, at, has_gauss, gauss = cast(tuple[str, np.ndarray, int, int, float], np.random.get_state(legacy=True))
    version, words, second = random.getstate()
    return {
        "python": [version, list(words), second],
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), int(at), int(has_gauss), float(gauss)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def set_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Sets all global generators to what `random_state` returned."""
    version, words, second = state["python"]
    random.setstate((version, tuple(words), second))
    name, keys, at, has_gauss, gauss = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), at, has_gauss, gauss))
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"], device)


def on_cpu(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A copy of a state dict on the CPU, without the memory that its tensors may share."""
    return {key: value.detach().cpu().clone() for key, value in state.items()}
