"""The weights that the user has taken in: putting them there, finding them, and networks from them."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from anthropose.errors import UserError
from anthropose.nn.checkpoints.conversion import Converted, convert, fitted
from anthropose.nn.checkpoints.stored import Weights, read_header, read_tensors, write_weights
from anthropose.nn.weights import Published


def weights_folder() -> Path:
    """Where the user's weights are kept: $ANTHROPOSE_HOME/weights, or ~/.local/share/anthropose/weights."""
    home = os.environ.get("ANTHROPOSE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share" / "anthropose") / "weights"


def shipped_folder() -> Path:
    """Where the weights lie that come with the package: our own, trained on free motion capture."""
    return Path(__file__).parents[2] / "data" / "weights"


def install_weights(
    path: str | Path, systems: Sequence[Published], name: str = "", system: str = ""
) -> tuple[Weights, list[str]]:
    """Takes a published checkpoint in; returns what was installed, and lines that say what was done.

    Args:
        path: the file as its authors published it, or a .safetensors that another machine installed.
        systems: every system that is known.
        name: to use it by; the file's own in lower case when empty.
        system: the one to take the file for; told by its keys when empty.

    Raises:
        UserError: the file is no checkpoint of a known system, does not fit its network, or cannot be kept.
    """
    path = Path(path)
    name = name or re.sub(r"[^a-z0-9._-]+", "-", path.name.split(".")[0].lower()).strip("-.")
    if not re.fullmatch(r"[\w][\w.-]*", name):
        raise UserError(f"{name!r} cannot be a name for weights; give another with letters, digits, dots and dashes")
    if path.suffix == ".safetensors":
        kept, published, tensors = _of_another_machine(path, name, systems)
        lines = [f"{path.name}: {published.title}, installed before"]
    else:
        made = convert(path, systems, system)
        published, tensors, lines = made.published, made.tensors, _account(path, made)
        config = asdict(made.config)
        kept = Weights(name, published.system, config, published.front_end, path.name, _sha256(path), Path())
    for other in installed_weights():
        if other.name == name and other.system != published.system:
            raise UserError(f"the name {name!r} is taken by weights of {other.system}; give another with --name")
    target = weights_folder() / f"{name}.safetensors"
    write_weights(kept, tensors, target)
    return replace(kept, path=target), [*lines, f"installed as {name}: {target}"]


def _of_another_machine(
    path: Path, name: str, systems: Sequence[Published]
) -> tuple[Weights, Published, dict[str, Tensor]]:
    """A .safetensors of ours, checked as strictly as a published file."""
    ours, tensors = read_header(path), read_tensors(path)
    published = _layout_of(ours, systems, tensors)
    return replace(ours, name=name), published, fitted(path, published.title, tensors, _build(published, ours, tensors))


def _account(path: Path, made: Converted) -> list[str]:
    """What was done with a file, for the user to read."""
    parameters = sum(tensor.numel() for tensor in made.tensors.values())
    left = f"; entries dropped, of a body model or unused: {made.dropped}" if made.dropped else ""
    beside = f"left out: {', '.join(made.others)}" if made.others else ""
    return [
        f"{path.name}: {made.published.title}",
        f"configuration: {_differences(made.config)}",
        f"{len(made.tensors)} tensors of {parameters:,} numbers, all of which fit{left}",
        *([beside] if beside else []),
    ]


def _differences(config: Any) -> str:
    """How a configuration differs from the usual one, which is that of its class."""
    usual = asdict(type(config)())
    changed = [f"{key} {value}" for key, value in asdict(config).items() if value != usual[key]]
    return ", ".join(changed) or "the usual one"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def installed_weights(system: str = "") -> list[Weights]:
    """What has been installed, by name; only the weights of `system` where one is named. Damaged files are left out."""
    return _weights_in(weights_folder(), system)


def shipped_weights(system: str = "") -> list[Weights]:
    """What comes with the package, likewise."""
    return _weights_in(shipped_folder(), system)


def _weights_in(folder: Path, system: str) -> list[Weights]:
    found = []
    for path in sorted(folder.glob("*.safetensors")):
        try:
            found.append(read_header(path))
        except UserError:
            continue
    return [weights for weights in found if system in ("", weights.system)]


def weights_table(systems: Sequence[Published]) -> str:
    """A line for each of the weights at hand, and for each system whose published ones are not, where to get them."""
    found = installed_weights()
    titles = {published.system: published.title for published in systems if not published.only_when_asked}
    lines = [
        f"{weights.name}: {titles.get(weights.system, weights.system)}, from {weights.source}, fed with "
        f"{weights.front_end}"
        for weights in found
    ]
    ours = shipped_weights()
    lines += [f"{weights.name}: ours, comes along; {weights.system}, fed with keypoints" for weights in ours]
    missing = {published.system: published for published in reversed(systems) if not published.only_when_asked}
    for weights in found:
        missing.pop(weights.system, None)
    lines += [how_to_install(published) for published in reversed(missing.values())]
    return "\n".join(lines)


def find_weights(name_or_path: str, published: Published | Sequence[Published]) -> Weights:
    """The weights that a user means, for one of the systems (or layouts of one system) in `published`.

    Args:
        name_or_path: an installed or shipped name, a .safetensors, or a published file; empty for the installed ones of
            `published`, those that are named after the system where several are installed, else for the shipped ones.

    Raises:
        UserError: there are none; the line says which file is needed, where it is published, and how to take it in.
    """
    known = (published,) if isinstance(published, Published) else tuple(published)
    system = known[0].system
    if not name_or_path:
        return _usual(system, known[0])
    places = [folder / f"{name_or_path}.safetensors" for folder in (weights_folder(), shipped_folder())]
    path = next((place for place in (*places, Path(name_or_path)) if place.is_file()), None)
    if path is None:
        others = [weights.name for weights in (*installed_weights(system), *shipped_weights(system))]
        at_hand = ", ".join(others) or "none"
        raise UserError(f"no weights {name_or_path!r}; at hand for {system}: {at_hand}. {how_to_install(known[0])}")
    if path.suffix == ".safetensors":
        weights = read_header(path)
        if weights.system not in [one.system for one in known]:
            raise UserError(f"weights {name_or_path!r} belong to {weights.system}, not to {known[0].title}")
        return weights
    return Weights(path.name, system, {}, known[0].front_end, path.name, _sha256(path), path)


def _usual(system: str, published: Published) -> Weights:
    found = installed_weights(system)
    if len(found) > 1:
        found = [weights for weights in found if weights.name == system] or found
    found = found or shipped_weights(system)[:1]
    if not found:
        raise UserError(how_to_install(published))
    if len(found) > 1:
        names = ", ".join(weights.name for weights in found)
        raise UserError(
            f"several weights are installed for {system}: {names}; choose with --weights, or add the usual ones "
            f"again with --name {system}"
        )
    return found[0]


def how_to_install(published: Published) -> str:
    """One sentence: which file a system needs, where it is published, and the command that takes it in."""
    first, *others = published.files
    alternatives = f" (or {others[0]})" if len(others) == 1 else " (or another of its files)" if others else ""
    return (
        f"{published.title} needs {first}{alternatives} from {published.page}; "
        f"take it in with `anthropose weights add {first}`"
    )


def load_network(name_or_path: str | Weights, published: Published | Sequence[Published]) -> nn.Module:
    """The network with the weights that a user means, in eval mode and without gradients.

    Args:
        name_or_path: as in `find_weights`, or what it returned.

    Raises:
        UserError: there are no such weights, or they do not fit.
    """
    weights = name_or_path if isinstance(name_or_path, Weights) else find_weights(name_or_path, published)
    known = (published,) if isinstance(published, Published) else tuple(published)
    if weights.path.suffix == ".safetensors":
        tensors = read_tensors(weights.path)
        network = _build(_layout_of(weights, known, tensors), weights, tensors)
        tensors = fitted(weights.path, known[0].title, tensors, network)
    else:
        made = convert(weights.path, known, weights.system)
        network, tensors = made.published.network(made.config), made.tensors
    network.load_state_dict(tensors, assign=True)
    return network.eval().requires_grad_(False)


def _layout_of(weights: Weights, known: Sequence[Published], tensors: Mapping[str, Tensor]) -> Published:
    """How the weights look: a system can have several networks and front ends, each with parts of its own.

    Raises:
        UserError: none of those that are known looks so.
    """
    for published in known:
        same = (published.system, published.front_end) == (weights.system, weights.front_end)
        if same and published.is_layout_of(tensors):
            return published
    raise UserError(
        f"{weights.path}: holds weights of {weights.system!r} that are fed with {weights.front_end}, which is no known "
        "system"
    )


def _build(published: Published, weights: Weights, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The network of the stored configuration; the shapes of the tensors give its type, and what was not stored."""
    try:
        config = _configured(published.config(tensors), weights.config)
        return published.network(config)
    except (KeyError, AttributeError, TypeError, ValueError, IndexError, StopIteration) as error:
        raise UserError(
            f"{weights.path}: its configuration does not fit {published.title} ({error}); install the weights again"
        ) from error


def _configured(config: Any, values: Mapping[str, Any]) -> Any:
    """`config` with the fields that `values` names; lists become tuples, as JSON has no tuples."""
    changes: dict[str, Any] = {}
    for key, value in values.items():
        current = getattr(config, key)
        if is_dataclass(current) and isinstance(value, Mapping):
            changes[key] = _configured(current, value)
        else:
            changes[key] = _tuples(value)
    return replace(config, **changes)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
