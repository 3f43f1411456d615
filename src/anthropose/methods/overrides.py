"""Presets with some of their values changed, as the command line asks for it."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from anthropose.errors import UserError

P = TypeVar("P")


def overridden(preset: P, changes: Mapping[str, Any]) -> P:
    """The preset with values changed by name: {"epochs": 3, "network.hidden": 64, "losses.pose": "30"}.

    A dot leads into what a field holds; in a tuple of presets (the stages of one training) each is changed. Texts
    become what the field holds so far: a number, true or false, or a JSON value.

    Raises:
        UserError: there is no such field, the line says which there are; or the value is not of its kind.
    """
    for name, value in changes.items():
        preset = _changed(preset, name.split("."), value, name)
    return preset


def _changed(holder: Any, path: list[str], value: Any, name: str) -> Any:
    if isinstance(holder, tuple):
        return tuple(_changed(part, path, value, name) for part in holder)
    known = [field.name for field in fields(holder)] if is_dataclass(holder) else []
    if path[0] not in known:
        raise UserError(f"{name}: no such setting here; there are {', '.join(known) or 'none'}")
    current = getattr(holder, path[0])
    if len(path) > 1:
        changed = _changed(current, path[1:], value, name)
    else:
        changed = _of_kind(value, current, name) if isinstance(value, str) else value
    try:
        return replace(holder, **{path[0]: changed})
    except (ValueError, TypeError) as error:
        raise UserError(f"{name} = {value}: {error}") from error


def _of_kind(text: str, current: Any, name: str) -> Any:
    """The value that a text means, where so far there is `current`."""
    if isinstance(current, str):
        return text
    if is_dataclass(current):
        inner = ", ".join(field.name for field in fields(current))
        raise UserError(f"{name} holds several settings; name one of them by {name}.NAME: {inner}")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UserError(f"{name} = {text}: expected a value such as {json.dumps(current)}") from error
    if isinstance(current, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    value = tuple(value) if isinstance(value, list) else value
    if current is not None and type(value) is not type(current):
        raise UserError(f"{name} = {text}: expected a value such as {json.dumps(current)}")
    return value
