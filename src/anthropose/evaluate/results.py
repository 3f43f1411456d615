"""What an evaluation leaves behind: figures of all, by sequence, action and activity, as values, JSON and CSV.

A results file, `anthropose-results/1`, is JSON: `about` says what was evaluated and how, `overall` has the figures with
their intervals, `sequences` those of each sequence with the numbers of frames they are means of, `tables` the others,
`published` the lines of the papers beside which they stand. Units are in `units`.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from anthropose.errors import UserError
from anthropose.evaluate.bootstrap import Difference, Sample, interval, paired_difference
from anthropose.evaluate.pck import GROUPS_14, PCK, evaluate_pck
from anthropose.evaluate.scores import FIGURES, Errors
from anthropose.writing import whole_file

FORMAT = "anthropose-results/1"


@dataclass(frozen=True)
class Line:
    """The figures of some frames."""

    name: str
    values: dict[str, float]
    frames: dict[str, int]
    """For each figure the number of frames that it is the mean of."""
    action: str = ""

    @property
    def count(self) -> int:
        """The number of frames that count."""
        return max(self.frames.values(), default=0)


@dataclass(frozen=True)
class Reported:
    """A published line beside ours."""

    paper: str
    table: str
    row: str
    values: dict[str, float]
    is_ours: bool = False
    """Whether it is of the very training that was evaluated."""
    note: str = ""
    actions: dict[str, dict[str, float]] = field(default_factory=dict)
    """Figure -> action -> value."""


@dataclass(frozen=True)
class Results:
    """All figures of one evaluation."""

    about: dict[str, Any]
    """What was evaluated: method, weights, data, test_set, protocol; JSON values."""
    mean_over: Literal["frames", "actions"]
    """What `overall` is the mean over."""
    overall: Line
    intervals: dict[str, tuple[float, float]]
    """Of `overall`, with a probability of 95 %; figures of too few sequences have none."""
    sequences: tuple[Line, ...]
    tables: dict[str, tuple[Line, ...]] = field(default_factory=dict)
    """By "action", "activity", "scene" and "joint", where there are such."""
    published: tuple[Reported, ...] = ()
    notes: tuple[str, ...] = ()

    def sample(self, figure: str) -> Sample:
        """A figure by sequence."""
        own = [line for line in self.sequences if figure in line.values]
        counts = np.array([line.frames[figure] for line in own])
        # A sequence may have a value of no frames, such as an acceleration of two: NaN, and nothing is lost with it.
        sums = np.array([line.values[figure] * line.frames[figure] if line.frames[figure] else 0.0 for line in own])
        groups = tuple(line.action for line in own) if self.mean_over == "actions" else ()
        return Sample(sums.astype(np.float64), counts.astype(np.int64), groups)


def results_of(
    parts: Sequence[Errors],
    about: Mapping[str, Any],
    mean_over: Literal["frames", "actions"] = "frames",
    published: Sequence[Reported] = (),
    notes: Sequence[str] = (),
    seed: int = 0,
) -> Results:
    """The results of evaluated sequences.

    Args:
        mean_over: "actions" as for lifters, whose figure is the plain mean over actions.
        seed: of the bootstrap.
    """
    lines = tuple(_line(part.name, [part], part.action) for part in parts)
    tables = {}
    actions = tuple(_line(action, some, action) for action, some in _by_action(parts).items() if action)
    if actions:
        tables["action"] = actions
    counted = _pck_of(parts)
    if counted is not None:
        tables |= _pck_tables(counted)
    overall = _mean(actions) if mean_over == "actions" and actions else _line("all", parts)
    whole = Results(dict(about), mean_over, overall, {}, lines, tables, tuple(published), tuple(notes))
    found = {figure: interval(whole.sample(figure), seed=seed) for figure in overall.values}
    intervals = {figure: limits for figure, limits in found.items() if limits is not None}
    return Results(dict(about), mean_over, overall, intervals, lines, tables, tuple(published), tuple(notes))


def _values(part: Errors) -> dict[str, Tensor]:
    return {figure: getattr(part, figure) for figure in FIGURES if getattr(part, figure) is not None}


def _line(name: str, parts: Sequence[Errors], action: str = "") -> Line:
    measured = [_values(part) for part in parts]
    common = [figure for figure in FIGURES if measured and all(figure in values for values in measured)]
    joined = {figure: torch.cat([values[figure] for values in measured]).double() for figure in common}
    return Line(
        name,
        {figure: float(values.mean()) for figure, values in joined.items()},
        {figure: len(values) for figure, values in joined.items()},
        action,
    )


def _mean(lines: Sequence[Line]) -> Line:
    """The plain mean of lines."""
    common = [figure for figure in FIGURES if all(figure in line.values for line in lines)]
    return Line(
        "all",
        {figure: float(np.mean([line.values[figure] for line in lines])) for figure in common},
        {figure: sum(line.frames[figure] for line in lines) for figure in common},
    )


def _by_action(parts: Sequence[Errors]) -> dict[str, list[Errors]]:
    found: dict[str, list[Errors]] = {}
    for part in parts:
        found.setdefault(part.action, []).append(part)
    return found


def _pck_of(parts: Sequence[Errors]) -> PCK | None:
    """MPI-INF-3DHP's own evaluation, where its joints were compared and activities are known."""
    errors = [part.joint_errors for part in parts if part.joint_errors is not None]
    activities = [part.activities for part in parts if part.activities is not None]
    if not parts or len(errors) < len(parts) or len(activities) < len(parts):
        return None
    return evaluate_pck(errors, activities, [part.name for part in parts])


def _pck_tables(counted: PCK) -> dict[str, tuple[Line, ...]]:
    tables = {"activity": counted.activities} | ({} if counted.scenes is None else {"scene": counted.scenes})
    found = {
        name: tuple(
            Line(
                row,
                {"mpjpe": float(error), "pck": float(pck), "auc": float(auc)},
                dict.fromkeys(("mpjpe", "pck", "auc"), int(frames)),
            )
            for row, frames, pck, auc, error in zip(
                table.rows, table.frames, table.pck[:, -1], table.auc[:, -1], table.mpjpe[:, -1], strict=True
            )
        )
        for name, table in tables.items()
    }
    frames = int(counted.activities.frames[-1])
    last = zip((*GROUPS_14, "Total"), counted.activities.pck[-1], counted.activities.auc[-1], strict=True)
    found["joint"] = tuple(
        Line(group, {"pck": float(pck), "auc": float(auc)}, {"pck": frames, "auc": frames}) for group, pck, auc in last
    )
    return found


def write_results(results: Results, folder: Path, name: str = "results") -> tuple[Path, Path]:
    """Writes NAME.json and NAME.csv into a folder; returns their paths."""
    paths = folder / f"{name}.json", folder / f"{name}.csv"
    with whole_file(paths[0]) as part:
        part.write_text(json.dumps(_content(results), indent=1, allow_nan=False), encoding="utf-8")
    with whole_file(paths[1]) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(_csv_rows(results))
    return paths


def _content(results: Results) -> dict[str, Any]:
    content = asdict(results)
    units = {figure: FIGURES[figure].unit for figure in results.overall.values}
    return {"format": FORMAT, "units": units, **_plain(content)}


def _plain(value: Any) -> Any:
    """With null where there is no number, which JSON has no word for."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _csv_rows(results: Results) -> list[list[Any]]:
    figures = list(results.overall.values)
    heads = ["level", "name", "action", "frames", *(FIGURES[figure].head for figure in figures)]
    lines = [("overall", results.overall)]
    lines += [("sequence", line) for line in results.sequences]
    lines += [(level, line) for level, table in results.tables.items() for line in table]
    rows: list[list[Any]] = [heads]
    for level, line in lines:
        rows.append([level, line.name, line.action, line.count, *(line.values.get(figure, "") for figure in figures)])
    for reported in results.published:
        cells = (reported.values.get(figure, "") for figure in figures)
        rows.append(["published", f"{reported.row}: {reported.paper}, {reported.table}", "", "", *cells])
    return rows


def read_results(path: Path) -> Results:
    """The results in a file that `write_results` wrote.

    Raises:
        UserError: there is none, or the file is cut, of another program, or of another version.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']}")
        return Results(
            content["about"],
            content["mean_over"],
            _read_line(content["overall"]),
            {figure: tuple(limits) for figure, limits in content["intervals"].items()},
            tuple(_read_line(line) for line in content["sequences"]),
            {name: tuple(_read_line(line) for line in table) for name, table in content["tables"].items()},
            tuple(Reported(**line) for line in content["published"]),
            tuple(content["notes"]),
        )
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; `anthropose evaluate` and `score` write results.json with --out"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: expected {FORMAT} ({type(error).__name__}: {error})") from error


def _read_line(content: Mapping[str, Any]) -> Line:
    values = {figure: float("nan") if value is None else float(value) for figure, value in content["values"].items()}
    return Line(
        content["name"], values, {key: int(count) for key, count in content["frames"].items()}, content["action"]
    )


def compare(first: Results, second: Results, seed: int = 0) -> dict[str, Difference]:
    """For each figure that both have how much larger it is in the second, with its interval.

    Raises:
        UserError: the two are not of the same sequences and frames, or of too few, or were summed up differently.
    """
    names = [line.name for line in first.sequences], [line.name for line in second.sequences]
    if set(names[0]) != set(names[1]):
        only = [sorted({*names[k]} - {*names[1 - k]})[:3] for k in (0, 1)]
        raise UserError(
            f"the two results are of different sequences: only the first has {', '.join(only[0]) or 'none'}, only the "
            f"second {', '.join(only[1]) or 'none'}"
        )
    if first.mean_over != second.mean_over:
        raise UserError(f"one is a mean over {first.mean_over}, the other over {second.mean_over}; evaluate both alike")
    theirs = {line.name: line for line in second.sequences}
    same = Results(**{**_fields(second), "sequences": tuple(theirs[name] for name in names[0])})
    found = {}
    for figure in first.overall.values:
        if figure not in second.overall.values:
            continue
        ours, others = first.sample(figure), same.sample(figure)
        if not np.array_equal(ours.counts, others.counts):
            raise UserError(
                f"the two results count different frames ({int(ours.counts.sum())} and {int(others.counts.sum())} of "
                f"{FIGURES[figure].title}); evaluate both by the same protocol, on the same frames"
            )
        difference = paired_difference(ours, others, seed=seed)
        if difference is None:
            raise UserError("a comparison needs two sequences or more, these results have one")
        found[figure] = difference
    return found


def _fields(results: Results) -> dict[str, Any]:
    return {name: getattr(results, name) for name in Results.__dataclass_fields__}
