"""Whose checkpoint it is, and what it becomes under our names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from anthropose.errors import UserError
from anthropose.nn.checkpoints.reading import read_checkpoint
from anthropose.nn.weights import Published, renamed


@dataclass(frozen=True)
class Converted:
    """A published checkpoint under our names, checked against its network."""

    published: Published
    tensors: dict[str, Tensor]
    config: Any
    dropped: int
    """Entries of the state dict that are not kept, such as those of a body model."""
    others: tuple[str, ...]
    """Entries of the file beside the state dict, such as an optimiser's; they are not kept."""


def convert(path: Path, systems: Sequence[Published], system: str = "") -> Converted:
    """A published checkpoint under our names, checked strictly against the network that it is for.

    Args:
        systems: every system that is known.
        system: the one to take the file for; told by its keys when empty.

    Raises:
        UserError: as `read_checkpoint`; also if the file is of no known system, or does not fit its network.
    """
    content = read_checkpoint(path)
    published, state = _recognised(path, content, systems, system)
    config, tensors = None, {}
    try:
        tensors = renamed(state, published.keys)
        config = published.config(tensors)
    except UserError as error:
        raise UserError(f"{path}: looks like {published.title}, but {error}") from error
    except (KeyError, IndexError, ValueError, ZeroDivisionError, StopIteration) as error:
        raise UserError(
            f"{path}: looks like {published.title}, but its sizes cannot be told ({error}); is it whole?"
        ) from error
    network = published.network(config)
    tensors = fitted(path, published.title, tensors, network)
    entry = content.get(published.entry)
    others = tuple(key for key in content if key != published.entry) if isinstance(entry, Mapping) else ()
    return Converted(published, tensors, config, len(state) - len(tensors), others)


def _recognised(
    path: Path, content: Mapping[str, Any], systems: Sequence[Published], system: str
) -> tuple[Published, dict[str, Tensor]]:
    """Whose file it is, and its state dict without the prefix that torch's DataParallel puts before every key."""
    states = [(published, _state(content, published)) for published in systems]
    named = [(published, state) for published, state in states if published.system == system]
    if system and not named:
        known = ", ".join(dict.fromkeys(published.system for published in systems))
        raise UserError(f"no system {system!r}; known are {known}")
    wanted = named or [(published, state) for published, state in states if not published.only_when_asked]
    fitting = [(published, state) for published, state in wanted if published.fits(state)]
    if not fitting:
        raise UserError(_unknown(path, content, states, wanted))
    if len(fitting) > 1:
        titles = " and ".join(published.title for published, _ in fitting)
        raise UserError(f"{path}: could be of {titles}; name one with --system")
    return fitting[0]


def _state(content: Mapping[str, Any], published: Published) -> dict[str, Tensor]:
    """The tensors of the system's entry, or of the file itself where it has no such entry."""
    entry = content.get(published.entry, content)
    if not isinstance(entry, Mapping):
        return {}
    return {str(key).removeprefix("module."): value for key, value in entry.items() if isinstance(value, Tensor)}


def _unknown(
    path: Path,
    content: Mapping[str, Any],
    states: Iterable[tuple[Published, dict[str, Tensor]]],
    wanted: Iterable[tuple[Published, dict[str, Tensor]]],
) -> str:
    titles = ", ".join(dict.fromkeys(published.title for published, _ in wanted))
    fits = [published.title for published, state in states if not published.only_when_asked and published.fits(state)]
    if fits:
        return f"{path}: is a file of {fits[0]}, not of {titles}"
    keys = max((list(state) for _, state in states), key=len, default=[]) or list(content)
    shown = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
    return f"{path}: of no system that is known ({titles}); it holds {shown or 'nothing'}"


def fitted(path: Path, title: str, tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The tensors in the network's types, each of them needed and none of them missing.

    Raises:
        UserError: entries are missing, left over, or of another shape; the line lists them.
    """
    wanted = network.state_dict()
    faults = [f"{key} is missing" for key in wanted if key not in tensors]
    faults += [f"{key} does not belong" for key in tensors if key not in wanted]
    faults += [
        f"{key} is {_shape(tensors[key])}, not {_shape(value)}"
        for key, value in wanted.items()
        if key in tensors and tensors[key].shape != value.shape
    ]
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise UserError(f"{path}: does not fit the network of {title}: {'; '.join(faults[:5])}{more}")
    return {key: tensors[key].to(value.dtype) for key, value in wanted.items()}


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"
