"""What `anthropose train` does: a preset by its name, changed and given data, through the loop."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from anthropose.errors import UserError
from anthropose.train.options import Changes, Options, Sources


def train_preset(
    method: str,
    preset: str,
    out: Path | None = None,
    sources: Sources = Sources(),  # noqa: B008 - frozen
    changes: Changes = Changes(),  # noqa: B008 - frozen
    options: Options = Options(),  # noqa: B008 - frozen
) -> Path:
    """Trains a method as one of its presets says, or goes on with it; returns the file of the best weights.

    Args:
        out: the run's folder; out/METHOD-PRESET when None.

    Raises:
        UserError: no such method or preset, what it learns from is missing, or as `train.train`.
    """
    from anthropose.body.files import load_body
    from anthropose.methods.overrides import overridden
    from anthropose.methods.training import Setting
    from anthropose.train.loop import train

    module, trainings = _trainings_of(method)
    if preset not in trainings:
        raise UserError(f"{method} has no training {preset or 'without a name'!r}; known: {', '.join(trainings)}")
    wanted = changes_of(trainings[preset], changes)
    setting = Setting(load_body(sources.body), sources.data, sources.mocap, sources.images, sources.start)
    job = module.job(preset, overridden(trainings[preset], wanted), setting)
    return train(replace(job, overrides=wanted), out or Path("out") / f"{method}-{preset}", options)


def changes_of(preset: Any, changes: Changes) -> dict[str, Any]:
    """The changes as `methods.overrides` wants them, by the names that the preset's fields have.

    Raises:
        UserError: an entry of `set` is no NAME=VALUE.
    """
    first = preset[0] if isinstance(preset, tuple) else preset
    network = "network.network" if hasattr(first.network, "front_end") else "network"
    inner = first.network.network if hasattr(first.network, "front_end") else first.network
    names = {entry.name: [entry.name] for entry in fields(changes) if entry.name != "set"}
    follows = {entry.name for entry in fields(first.schedule)} if is_dataclass(first.schedule) else set()
    names["epochs"] += ["schedule.epochs"] * ("epochs" in follows)
    names["learning_rate"] = ["optimizer.learning_rate", *["schedule.highest"] * ("highest" in follows)]
    names["hidden"] = [f"{network}.hidden"]
    names["window"] = ["window", *([f"{network}.window"] if hasattr(inner, "window") else [])]
    if getattr(inner, "lifting", None) is not None:
        names["window"].append(f"{network}.lifting.frames")
    found = {
        name: getattr(changes, option)
        for option, settings in names.items()
        for name in settings
        if getattr(changes, option) is not None
    }
    for text in changes.set:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--set {text}: expected NAME=VALUE, such as network.layers=1")
        found[name] = value
    return found


def list_trainings() -> str:
    """A line for every training of every method: its name, and the published figure that it stands for."""
    lines = []
    for method, trainings in all_trainings().items():
        width = max(map(len, trainings))
        lines += [method, *(f"  {name:<{width}}  {_stands_for(preset)}" for name, preset in trainings.items())]
    return "\n".join(lines)


def all_trainings() -> dict[str, Mapping[str, Any]]:
    """Method -> name -> preset, or one preset for each stage."""
    from anthropose.methods.base import METHODS

    found = {}
    for method, target in METHODS.items():
        trainings = getattr(import_module(target.partition(":")[0]), "TRAININGS", None)
        if trainings:
            found[method] = trainings
    return found


def _trainings_of(method: str) -> tuple[Any, Mapping[str, Any]]:
    from anthropose.methods.base import METHODS, find_method

    kind = find_method(method)
    module = import_module(METHODS.get(method, method).partition(":")[0])
    trainings = getattr(module, "TRAININGS", None)
    if not trainings:
        raise UserError(f"{method} ({kind.__name__}) is not trained; those that are: {', '.join(all_trainings())}")
    return module, trainings


def _stands_for(preset: Any) -> str:
    if isinstance(preset, tuple):
        return f"{preset[-1].stands_for}, and the {len(preset) - 1} before it"
    return preset.stands_for
