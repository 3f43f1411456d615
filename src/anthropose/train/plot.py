"""A run's curves as a picture: the loss and its terms, the validation, and the rate."""

import itertools
import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from anthropose.colours import PALETTE
from anthropose.train.logs import Row
from anthropose.writing import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _FAINT = "#222222", "#d0d0d0"
_NAMES = {"pa_mpjpe": "PA-MPJPE [mm]", "mpjpe": "MPJPE [mm]"}
"""Of figures of validations, with their units; others go by their own names."""
_SMALL = 1e-6
"""Terms that never reach this share of the loss are told and not drawn, since they would flatten all others."""


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def write_curve(path: Path, rows: Sequence[Row], title: str, best: Sequence[str]) -> None:
    """Writes a PNG of what a log holds; panels that would be empty are left out.

    Args:
        best: the figure of the validation that chooses the best epoch, for each stage; "" where there is none.

    Raises:
        UserError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    trained = [row for row in rows if "loss" in row]
    validated = [row for row in rows if any(key.startswith("validation/") for key in row)]
    panels = [_draw_losses] * bool(trained) + [_draw_validation] * bool(validated) + [_draw_rates] * bool(trained)
    heights = {_draw_losses: 3.4, _draw_validation: 2.6, _draw_rates: 1.5}
    figure = Figure(figsize=(9.6, sum(heights[draw] for draw in panels) + 0.8), layout="constrained")
    all_axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=[heights[p] for p in panels])
    for draw, (axes,) in zip(panels, all_axes, strict=True):
        _plain_axes(axes)
        draw(axes, trained if draw is not _draw_validation else validated, best)
        _mark_stages(axes, rows)
    figure.suptitle(title, fontsize=11, color=_INK)
    all_axes[-1, 0].set_xlabel("step")
    with whole_file(path) as part:
        FigureCanvasAgg(figure).print_png(part)


def _draw_losses(axes: "Axes", rows: Sequence[Row], best: Sequence[str]) -> None:
    terms = sorted({key for row in rows for key in row if key.startswith("loss/")})
    least = _SMALL * max((row["loss"] for row in rows if math.isfinite(row["loss"])), default=0.0)
    for index, key in enumerate(terms if len(terms) > 1 else []):
        colour, style = PALETTE[index % len(PALETTE)], "--" if index >= len(PALETTE) else "-"
        if all(row.get(key, 0.0) < least for row in rows):
            axes.plot([], [], " ", label=f"{key.removeprefix('loss/')} (below {least:.0e})")
            continue
        _line(axes, rows, key, key.removeprefix("loss/"), color=colour, linestyle=style)
    _line(axes, rows, "loss", "loss", color=_INK, linewidth=1.6)
    if all(row["loss"] > 0 for row in rows):
        axes.set_yscale("log")
    axes.set_ylabel("loss")
    _legend(axes)


def _draw_validation(axes: "Axes", rows: Sequence[Row], best: Sequence[str]) -> None:
    keys = list(dict.fromkeys(key for row in rows for key in row if key.startswith("validation/")))
    chosen = {f"validation/{key}" for key in best}
    shown = [key for key in keys if key in chosen] or keys
    for index, key in enumerate(shown):
        colour = PALETTE[(6 - index) % len(PALETTE)]
        _line(axes, rows, key, _name(key), color=colour, marker=".", markersize=4)
        last = [row for row in rows if key in row and row["stage"] == rows[-1]["stage"]] or [rows[-1]]
        lowest = min(last, key=lambda row: row.get(key, math.inf))
        if key not in lowest:
            continue
        axes.plot(lowest["step"], lowest[key], "o", color=colour, markersize=7, markerfacecolor="none")
        axes.annotate(
            f"{lowest[key]:.4g}", (lowest["step"], lowest[key]), xytext=(0, 7), textcoords="offset points",
            ha="center", fontsize=9, color=_INK,
        )  # fmt: skip
    axes.margins(y=0.15)
    axes.set_ylabel("validation" if len(shown) > 1 else f"validation: {_name(shown[0])}")
    _legend(axes)


def _name(key: str) -> str:
    """Of a figure of the validation."""
    name = key.removeprefix("validation/")
    return _NAMES.get(name, name)


def _draw_rates(axes: "Axes", rows: Sequence[Row], best: Sequence[str]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    _line(axes, rows, "rate", "rate", color=_INK, drawstyle="steps-pre")
    rates = [row["rate"] for row in rows if "rate" in row]
    if rates and min(rates) > 0:
        axes.set_yscale("log")
        is_wide = max(rates) > 300 * min(rates)
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if is_wide else (1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:.0e}".replace("e-0", "e-")))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("learning rate")


def _line(axes: "Axes", rows: Sequence[Row], key: str, label: str, **style: object) -> None:
    """Draws a column, with a gap where a stage ends."""
    steps, values = [], []
    for _, own in itertools.groupby(rows, key=lambda row: row["stage"]):
        points = [(row["step"], row[key]) for row in own if key in row and math.isfinite(row[key])]
        steps += [step for step, _ in points] + [math.nan]
        values += [value for _, value in points] + [math.nan]
    axes.plot(steps, values, label=label, **{"linewidth": 1.1, **style})  # type: ignore[arg-type]


def _plain_axes(axes: "Axes") -> None:
    axes.grid(color=_FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def _legend(axes: "Axes") -> None:
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9)


def _mark_stages(axes: "Axes", rows: Sequence[Row]) -> None:
    """Where there are several stages, a line where each begins, with its name."""
    begins = {rows[0]["stage"]: 0}
    for before, after in itertools.pairwise(rows):
        begins.setdefault(after["stage"], before["step"])
    for name, step in begins.items() if len(begins) > 1 else ():
        axes.axvline(step, color=_INK, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.text(step, 1.01, f" {name}", transform=axes.get_xaxis_transform(), fontsize=8, color=_INK)
