"""Results and comparisons on the terminal: ours beside the papers', units in the heads."""

import sys
from collections.abc import Iterable, Mapping
from math import isnan

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from anthropose.evaluate.bootstrap import Difference
from anthropose.evaluate.results import Line, Reported, Results
from anthropose.evaluate.scores import FIGURES

MOST_SEQUENCES = 40
"""More are left to the files."""
_PLURALS = {"action": "actions", "activity": "activities", "scene": "scenes", "joint": "joints"}
_WIDE = 160
"""Columns of a page where there is no terminal that says how many it has."""
_NARROWEST = 132
"""Columns that tables take at least: on a narrower terminal lines are wrapped, and no number is cut."""


def console() -> Console:
    return Console(width=max(_NARROWEST, Console().width) if sys.stdout.isatty() else _WIDE)


def show(results: Results, to: Console | None = None) -> None:
    """Prints all tables of an evaluation, and what there is to say about them."""
    to = to or console()
    to.print(_beside(results))
    for name, lines in results.tables.items():
        to.print(_lines(f"by {name}", _PLURALS.get(name, name), lines, results))
    if len(results.sequences) > MOST_SEQUENCES:
        to.print(f"{len(results.sequences)} sequences: too many to print, see the CSV file", style="dim")
    elif len(results.sequences) > 1:
        to.print(_lines("by sequence", "sequences", results.sequences, results))
    for note in results.notes:
        to.print(f"note: {note}", style="dim", highlight=False, markup=False)


def _new(title: str, first: str, figures: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, title_style="bold")
    table.add_column(first, overflow="fold")
    table.add_column("frames", justify="right", no_wrap=True)
    for figure in figures:
        table.add_column(_head(figure), justify="right", no_wrap=True)
    return table


def _head(figure: str) -> str:
    """Name and unit on two lines; brackets would be markup."""
    return f"{FIGURES[figure].title}\n{escape('[' + FIGURES[figure].unit + ']')}"


def _beside(results: Results) -> Table:
    """Ours, its interval, and the published lines."""
    known = [results.overall.values, *(one.values for one in results.published)]
    figures = [figure for figure in FIGURES if any(figure in values for values in known)]
    table = _new(escape(_title(results)), "", figures)
    ours = results.overall
    table.add_row(
        "[bold]ours[/]", str(ours.count), *(f"[bold]{_number(ours.values.get(figure))}[/]" for figure in figures)
    )
    if results.intervals:
        table.add_row(
            "  95 % interval", "", *(_interval(results.intervals.get(figure)) for figure in figures), style="dim"
        )
    for one in sorted(results.published, key=lambda one: not one.is_ours):
        cells = (_number(one.values.get(figure)) for figure in figures)
        name = escape(_label(one))
        table.add_row(f"[bold]{name}[/]" if one.is_ours else name, "", *cells)
        if one.is_ours:
            table.add_row("  ours less that", "", *(_gap(figure, ours, one) for figure in figures))
    return table


def _label(line: Reported) -> str:
    """Which line of which table it is."""
    row = "" if line.paper.startswith(f"{line.row},") else f"{line.row}: "
    return f"{row}{line.paper}, {line.table}{f' ({line.note})' if line.note else ''}"


def _title(results: Results) -> str:
    about = results.about
    if "truth" in about:
        return f"{about['predicted']} against {about['truth']}, joints {about['joints']}, protocol {about['protocol']}"
    what = " ".join(str(about[key]) for key in ("method", "preset") if about.get(key))
    weights = f", weights {about['weights']}" if about.get("weights") else ""
    over = ", mean over actions" if results.mean_over == "actions" else ""
    return f"{what} on {about.get('test_set', '')}, protocol {about.get('protocol', '')}{weights}{over}"


def _lines(title: str, first: str, lines: Iterable[Line], results: Results) -> Table:
    """One table of lines; actions have the published figures beside ours."""
    lines = list(lines)
    figures = [figure for figure in FIGURES if any(figure in line.values for line in lines)]
    table = _new(title, first, figures)
    beside = [one for one in results.published if one.actions] if title == "by action" else []
    columns = [(one, figure) for one in beside for figure in one.actions if figure in figures]
    for one, figure in columns:
        table.add_column(f"{one.row}\n{_head(figure)}", justify="right", style="dim")
    for line in lines:
        cells = [_number(line.values.get(figure)) for figure in figures]
        cells += [_number(one.actions[figure].get(line.name)) for one, figure in columns]
        table.add_row(escape(line.name), str(line.count), *cells)
    return table


def show_differences(differences: Mapping[str, Difference], first: str, second: str, to: Console | None = None) -> None:
    """Prints how two results differ, and whether that can be chance."""
    table = Table(
        title=escape(f"{second} against {first}"), title_justify="left", box=None, pad_edge=False, title_style="bold"
    )
    for head in ("", escape(first), escape(second), "difference", "95 % interval", "p", ""):
        table.add_column(head, justify="left" if head == "" else "right", no_wrap=head == "")
    for figure, found in differences.items():
        better = (found.value > 0) == FIGURES[figure].more_is_better
        verdict = ("better" if better else "worse") if found.is_significant else "could be chance"
        verdict = "" if figure == "acceleration" and found.is_significant else verdict
        cells = (
            f"{found.first:.1f}",
            f"{found.second:.1f}",
            f"{found.value:+.2f}",
            f"{found.low:+.2f} to {found.high:+.2f}",
        )
        table.add_row(escape(FIGURES[figure].head), *cells, f"{found.p:.4f}", verdict)
    to = to or console()
    to.print(table)
    count = next((found.sequences for found in differences.values()), 0)
    to.print(f"bootstrap over {count} sequences, both results drawn alike", style="dim", highlight=False)


def _number(value: float | None) -> str:
    return "-" if value is None or isnan(value) else f"{value:.1f}"


def _interval(limits: tuple[float, float] | None) -> str:
    return "" if limits is None else f"{limits[0]:.1f}-{limits[1]:.1f}"


def _gap(figure: str, ours: Line, theirs: Reported) -> str:
    if figure not in ours.values or figure not in theirs.values:
        return ""
    return f"{ours.values[figure] - theirs.values[figure]:+.1f}"
