"""Formats of other programs, chosen by a file's ending or by name: the one table of all that can be written."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.export.amass import write_amass
from anthropose.export.bvh import write_bvh
from anthropose.export.c3d import write_c3d
from anthropose.export.fbx import blender_command, write_fbx
from anthropose.export.gltf import write_glb
from anthropose.export.result_pickle import write_results
from anthropose.export.scene import BODY_METHODS, check_body
from anthropose.export.tables import write_csv
from anthropose.export.trc import write_trc
from anthropose.export.usd import write_usd
from anthropose.motion import FORMAT, Motion
from anthropose.settings import ExportOptions

Writer = Callable[[list[Motion], BodyModel, Path, dict[str, Any]], None]
"""Writes motions that were made with a body, whole or not at all, as the options say."""
TABLE, CLOCK = ("skeleton", "unit"), ("fps", "start")


@dataclass(frozen=True)
class Format:
    """One format: what it holds, and how it is written."""

    endings: tuple[str, ...]
    """In lower case; the first is the one that `anthropose run` writes."""
    holds: str
    """In a few words, for the list of formats."""
    write: Writer
    options: tuple[str, ...] = ()
    """The fields of ExportOptions that it heeds."""
    several: bool = True
    """Whether one file takes several persons."""
    bodies: bool = False
    """Whether it holds bodies, so that joints alone will not do."""
    extra: str = ""
    """The extra of this package that it needs, if any."""
    check: Callable[[], object] = lambda: None
    """Raises UserError where what it needs is not installed."""

    @property
    def ending(self) -> str:
        return self.endings[0]

    def check_motions(self, motions: list[Motion]) -> None:
        """Raises UserError where a motion lacks what the format holds."""
        for motion in motions:
            if motion.body is None and self.bodies:
                raise UserError(
                    f"no {self.ending} of person {motion.track.person}: it holds bodies, and method "
                    f"{motion.method or 'unknown'} gives joints alone; {', '.join(BODY_METHODS)} give bodies"
                )

    def heeded(self, options: ExportOptions) -> dict[str, Any]:
        """The options that it heeds, by name, without those that nothing is said of."""
        return {name: getattr(options, name) for name in self.options if name in _said(options)}


def _module(name: str, package: str, extra: str) -> Callable[[], None]:
    """A check that a module is there."""

    def check() -> None:
        if find_spec(name) is None:
            raise UserError(f".{extra} is written by {package}, which is not here: pip install 'anthropose[{extra}]'")

    return check


def _everyone(write: Callable[..., None]) -> Writer:
    """Of a function that takes several motions and the options by name."""
    return lambda motions, body, path, options: write(motions, body, path, **options)


def _one(write: Callable[..., None]) -> Writer:
    """Of a function that takes one motion and the options by name."""
    return lambda motions, body, path, options: write(motions[0], body, path, **options)


FORMATS = {
    "glb": Format((".glb",), "everyone, skinned and animated", _everyone(write_glb), ("joints", "floor")),
    "fbx": Format(
        (".fbx",),
        "everyone, skinned and animated, by Blender",
        _everyone(write_fbx),
        ("joints", *CLOCK, "floor"),
        bodies=True,
        extra="fbx",
        check=blender_command,
    ),
    "bvh": Format(
        (".bvh",), "one person's skeleton", _one(write_bvh), ("joints", "unit", "fps", "start", "floor"), several=False
    ),
    "trc": Format(
        (".trc",), "one person's joints, for OpenSim", _one(write_trc), (*TABLE, *CLOCK, "floor"), several=False
    ),
    "csv": Format((".csv",), "everyone's joints as a table", _everyone(write_csv), (*TABLE, "wide", "floor")),
    "c3d": Format(
        (".c3d",),
        "everyone's joints as markers",
        _everyone(write_c3d),
        (*TABLE, *CLOCK, "floor"),
        extra="c3d",
        check=_module("ezc3d", "ezc3d", "c3d"),
    ),
    "usd": Format(
        (".usd", ".usda", ".usdc"),
        "everyone, skinned and animated",
        _everyone(write_usd),
        ("joints", "floor"),
        extra="usd",
        check=_module("pxr", "usd-core", "usd"),
    ),
    "amass": Format(
        (".npz",), "one person in AMASS's layout", _one(write_amass), (*CLOCK, "floor"), several=False, bodies=True
    ),
    "pkl": Format((".pkl",), "everyone as VIBE's family stores them", _everyone(write_results), bodies=True),
}
"""Name -> format. A new one is a line here; the commands, their help and the tests follow."""


def export(motions: list[Motion], body: BodyModel, path: Path, options: ExportOptions | None = None) -> None:
    """Writes motions as the ending of `path` says.

    Raises:
        UserError: the ending is not known, an option is not for it, a motion lacks what the format holds, something is
            not installed, or the file cannot be written.
    """
    options = options or ExportOptions()
    found = format_of(path)
    if not motions:
        raise UserError("there is no motion to export; `anthropose run VIDEO` makes them")
    if not found.several and len(motions) != 1:
        raise UserError(f"{path}: a {found.ending} holds one person, {len(motions)} were given; call once for each")
    foreign = [name for name in _said(options) if name not in found.options]
    if foreign:
        heeded = ", ".join(f"--{name}" for name in found.options) or "no option"
        raise UserError(f"{path}: a {found.ending} does not heed --{foreign[0]}; it heeds {heeded}")
    found.check_motions(motions)
    for motion in motions:
        check_body(motion, body)
    found.check()
    if _is_motion_file(path):
        raise UserError(f"{path} is a motion file and is not written over; name the file to write last")
    found.write(motions, body, path, found.heeded(options))


def format_of(path: Path) -> Format:
    """The format that a file's ending stands for.

    Raises:
        UserError: none; the line lists those that are known.
    """
    for found in FORMATS.values():
        if path.suffix.lower() in found.endings:
            return found
    known = ", ".join(f"{' '.join(one.endings)} ({one.holds})" for one in FORMATS.values())
    raise UserError(f"{path}: cannot write {path.suffix or 'a file without ending'}; known are {known}")


def formats_table() -> str:
    """The formats, one a line: name, endings, what they hold, what they heed."""
    lines = []
    for name, one in FORMATS.items():
        notes = [one.holds, *(["of bodies only"] if one.bodies else [])]
        notes += [f"heeds {' '.join(f'--{option}' for option in one.options)}"] if one.options else []
        notes += [f"needs anthropose[{one.extra}]"] if one.extra else []
        lines.append(f"{name:6} {' '.join(one.endings):18} {'; '.join(notes)}")
    return "\n".join(lines)


def formats_named(names: Iterable[str]) -> dict[str, Format]:
    """Name -> format for names that may hold commas, as in `--export fbx,glb`; endings do as well.

    Raises:
        UserError: a name is not known, or the format needs something that is not installed.
    """
    found: dict[str, Format] = {}
    for name in (part.strip().lstrip(".").lower() for text in names for part in text.split(",")):
        key = next((key for key, one in FORMATS.items() if name == key or f".{name}" in one.endings), None)
        if key is None:
            raise UserError(f"--export: no format {name!r}; known are {', '.join(FORMATS)}")
        FORMATS[key].check()
        found[key] = FORMATS[key]
    return found


def _said(options: ExportOptions) -> list[str]:
    """The names of the options that are not as they are when nothing is said."""
    usual = ExportOptions()
    return [one.name for one in fields(options) if getattr(options, one.name) != getattr(usual, one.name)]


def _is_motion_file(path: Path) -> bool:
    """Whether a motion lies there, which a slip on the command line would destroy."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return "format" in file.files and str(file["format"]) == FORMAT
    except Exception:  # Whatever is wrong with a file, it is no motion then.
        return False
