"""Published checkpoints in, networks out: reading them safely, telling whose they are, and keeping what they become.

`install_weights` takes a published file in once: it finds the state dict, renames it by the system's table, drops the
body model inside, holds it against the network strictly, and writes safetensors to the user's folder with the
configuration in the header. From then on `load_network` needs only a name. No published file is ever shipped.
"""

import hashlib
import json
import os
import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from anthropose.errors import UserError
from anthropose.nn.weights import Published, renamed
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


class _Nothing:
    """Stands for any object of numpy's in a checkpoint: it takes whatever it is given, and keeps none of it."""

    def __new__(cls, *_: Any) -> "_Nothing":
        return super().__new__(cls)

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


_KEPT_AS_NOTHING = (
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *(f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")),
    *(f"numpy.random._pickle.__{kind}_ctor" for kind in ("randomstate", "generator", "bit_generator")),
    *("numpy.random.__RandomState_ctor", "numpy.random._mt19937.MT19937", "numpy.random._pcg64.PCG64"),
    *("numpy.ndarray", "numpy.dtype", "_codecs.encode"),
)
"""What published files hold beside tensors: a metric as numpy's scalar, and the shuffler's RandomState of RIE."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a file of torch.save holds, tensors on the CPU, without running anything that it asks for.

    Both forms are read, the zip of today and the older plain one. Numpy's scalars, arrays and random states, which some
    files hold beside the tensors, become objects that hold nothing.

    Raises:
        UserError: the file is missing, cut, of another kind, or asks for anything but tensors and plain values.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected a published checkpoint, such as tcmr_demo_model.pth.tar")
    stand_ins: list[Any] = [(_Nothing, name) for name in _KEPT_AS_NOTHING]
    try:
        with torch.serialization.safe_globals(stand_ins), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # A damaged or foreign file can raise nearly anything.
        raise UserError(_why_unread(path, error)) from error
    if not isinstance(content, Mapping):
        raise UserError(f"{path}: holds a {type(content).__name__}, a published checkpoint holds named entries")
    return {str(key): value for key, value in content.items()}


def _why_unread(path: Path, error: Exception) -> str:
    asked = re.search(r"GLOBAL (\S+)|function (<[^>]*>|\S+)|class (\S+)", str(error))
    if asked is not None:
        name = next(group for group in asked.groups() if group)
        return (
            f"{path}: refused, since it asks for {name}, which no published checkpoint needs; get it from its authors"
        )
    kind = "is empty" if path.stat().st_size == 0 else "is cut short or no checkpoint of torch.save"
    return f"{path}: {kind} ({_first_line(error)}); fetch it again from where it is published"


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    last = text.splitlines()[-1] if "WeightsUnpickler error" in text else text.splitlines()[0]
    return last.replace("WeightsUnpickler error:", "").strip().rstrip(".")[:120]


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
    tensors = _fitted(path, published.title, tensors, network)
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


def _fitted(path: Path, title: str, tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
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


def weights_folder() -> Path:
    """Where the user's weights are kept: $ANTHROPOSE_HOME/weights, or ~/.local/share/anthropose/weights."""
    home = os.environ.get("ANTHROPOSE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share" / "anthropose") / "weights"


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
        ours = _read_header(path)
        published = next((p for p in systems if p.system == ours.system), None)
        if published is None:
            raise UserError(f"{path}: holds weights of {ours.system!r}, which is no known system")
        tensors = _fitted(path, published.title, _read_tensors(path), _build(published, ours, _read_tensors(path)))
        kept, lines = replace(ours, name=name), [f"{path.name}: {published.title}, installed before"]
    else:
        made = convert(path, systems, system)
        published, tensors = made.published, made.tensors
        kept = Weights(
            name, published.system, asdict(made.config), published.front_end, path.name, _sha256(path), Path()
        )
        lines = _account(path, made)
    target = weights_folder() / f"{name}.safetensors"
    if target.exists() and (found := _read_header(target)).system != published.system:
        raise UserError(f"the name {name!r} is taken by weights of {found.system}; give another with --name")
    write_weights(kept, tensors, target)
    return replace(kept, path=target), [*lines, f"installed as {name}: {target}"]


def write_weights(weights: Weights, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Writes tensors as safetensors, whole or not at all, with what is known about them as JSON in the header."""
    known = {key: value for key, value in asdict(weights).items() if key not in ("name", "path")}
    with whole_file(path) as part:
        save_file(
            {key: value.contiguous() for key, value in tensors.items()},
            part,
            metadata={"format": FORMAT, "weights": json.dumps(known, sort_keys=True)},
        )


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
    found = []
    for path in sorted(weights_folder().glob("*.safetensors")):
        try:
            found.append(_read_header(path))
        except UserError:
            continue
    return [weights for weights in found if system in ("", weights.system)]


def weights_table(systems: Sequence[Published]) -> str:
    """A line for each of the installed weights, and for each system that has none, where to get them."""
    found = installed_weights()
    titles = {published.system: published.title for published in systems if not published.only_when_asked}
    lines = [
        f"{weights.name}: {titles.get(weights.system, weights.system)}, from {weights.source}, fed with "
        f"{weights.front_end}"
        for weights in found
    ]
    missing = {published.system: published for published in reversed(systems) if not published.only_when_asked}
    for weights in found:
        missing.pop(weights.system, None)
    lines += [how_to_install(published) for published in reversed(missing.values())]
    return "\n".join(lines)


def find_weights(name_or_path: str, published: Published | Sequence[Published]) -> Weights:
    """The weights that a user means, for one of the systems (or layouts of one system) in `published`.

    Args:
        name_or_path: an installed name, a .safetensors, or a published file; empty for the installed ones of
            `published`: those that are named after the system where several are installed.

    Raises:
        UserError: there are none; the line says which file is needed, where it is published, and how to take it in.
    """
    known = (published,) if isinstance(published, Published) else tuple(published)
    system = known[0].system
    if not name_or_path:
        return _usual(system, known[0])
    path = weights_folder() / f"{name_or_path}.safetensors"
    if not path.is_file():
        path = Path(name_or_path)
    if not path.is_file():
        others = ", ".join(weights.name for weights in installed_weights(system)) or "none"
        raise UserError(f"no weights {name_or_path!r}; installed for {system}: {others}. {how_to_install(known[0])}")
    if path.suffix == ".safetensors":
        weights = _read_header(path)
        if weights.system not in [one.system for one in known]:
            raise UserError(f"weights {name_or_path!r} belong to {weights.system}, not to {known[0].title}")
        return weights
    return Weights(path.name, system, {}, known[0].front_end, path.name, _sha256(path), path)


def _usual(system: str, published: Published) -> Weights:
    found = installed_weights(system)
    if len(found) > 1:
        found = [weights for weights in found if weights.name == system] or found
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
        tensors = _read_tensors(weights.path)
        network = _build(next(one for one in known if one.system == weights.system), weights, tensors)
        tensors = _fitted(weights.path, known[0].title, tensors, network)
    else:
        made = convert(weights.path, known, weights.system)
        network, tensors = made.published.network(made.config), made.tensors
    network.load_state_dict(tensors, assign=True)
    return network.eval().requires_grad_(False)


def _build(published: Published, weights: Weights, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The network of the stored configuration; the shapes of the tensors give its type, and what was not stored."""
    try:
        config = _configured(published.config(tensors), weights.config)
        return published.network(config)
    except (KeyError, TypeError, ValueError, IndexError, StopIteration) as error:
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


def _read_header(path: Path) -> Weights:
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


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is not a dictionary
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: cannot be read ({error}); install the weights again") from error
