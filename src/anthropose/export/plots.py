"""The report's plots as SVG text that takes its colours from the page, so that one plot serves light and dark."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from anthropose.export.measures import Measures, longest_step
from anthropose.motion import Motion

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

LEFT, RIGHT = 0.085, 0.99
"""Where the time axis lies in a timeline, as shares of its width; the page puts its playhead there."""
WIDTH, PANEL = 9.6, 1.2
"""Of every plot, and the height of one strip of a timeline [inches]."""
_TEXT, _GRID = "#010203", "#040506"
"""Stand-ins for the page's colours of text and grid, replaced once the SVG is drawn."""
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "anthropose",
    "font.size": 9.5,
    "text.color": _TEXT,
    "axes.labelcolor": _TEXT,
    "axes.edgecolor": _GRID,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _TEXT,
    "ytick.labelcolor": _TEXT,
    "lines.linewidth": 1.3,
    "lines.solid_joinstyle": "round",
    "legend.frameon": False,
    "legend.labelcolor": _TEXT,
    "figure.facecolor": "none",
    "path.simplify_threshold": 0.3,
}


@dataclass(frozen=True)
class _Panel:
    """One strip of a person's timeline."""

    label: str
    lines: dict[str, Float[Tensor, "n"]] = field(default_factory=dict)
    """Name in the legend -> values; the second line is drawn dashed."""
    top: float | None = None
    """The least upper end of the axis."""
    bottom: float | None = 0.0


def presence(motions: list[Motion], end: float) -> str:
    """When each person is seen: a bar per person on the video's time axis."""

    def draw(figure: "Drawing") -> None:
        axes = figure.add_axes(_frame(figure, 0.12, 0.52))
        for row, motion in enumerate(motions):
            spans = [(start, length) for start, length in _spans(motion)]
            axes.broken_barh(spans, (row - 0.3, 0.6), facecolor=_person(motion), linewidth=0)
        axes.set_yticks(range(len(motions)), [f"person {m.track.person}" for m in motions])
        axes.set_ylim(len(motions) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        _time_axis(axes, end)

    return _svg(draw, 0.7 + 0.32 * len(motions), "when each person is seen")


def floor_plan(motions: list[Motion], measures: list[Measures]) -> str:
    """Where each person goes, seen from above: the camera at the bottom, equal scales."""

    from matplotlib.ticker import MultipleLocator

    def draw(figure: "Drawing") -> None:
        axes = figure.add_axes(_frame(figure, 0.1, 0.5))
        for motion, measured in zip(motions, measures, strict=True):
            path = _with_gaps(motion, measured.path)
            axes.plot(path[:, 0], -path[:, 2], color=_person(motion))
            axes.plot(path[0, 0], -path[0, 2], "o", color=_person(motion), markersize=6)
            label = f"person {motion.track.person}"
            axes.annotate(label, (path[0, 0], -path[0, 2]), xytext=(7, 5), textcoords="offset points")
        axes.plot(0, 0, marker=(3, 0, 0), color=_TEXT, markersize=9)
        axes.annotate("camera", (0, 0), xytext=(9, -3), textcoords="offset points")
        axes.set_aspect("equal", adjustable="datalim")
        axes.margins(0.08)
        axes.apply_aspect()
        step = max(0.5, 2.0 ** np.ceil(np.log2(np.ptp(axes.get_xlim()) / 14)))
        axes.xaxis.set_major_locator(MultipleLocator(step))
        axes.yaxis.set_major_locator(MultipleLocator(step))
        axes.set_xlabel("to the right of the camera [m]")
        axes.set_ylabel("away from the camera [m]")

    return _svg(draw, 4.2, "paths seen from above")


def timeline(motion: Motion, measured: Measures, end: float) -> str:
    """Everything about one person over time, in strips above each other on the video's time axis."""
    panels = [panel for panel in _panels(measured) if panel.lines]

    def draw(figure: "Drawing") -> None:
        for row, panel in enumerate(panels):
            below = 0.45 + PANEL * (len(panels) - 1 - row)
            axes = figure.add_axes(_frame(figure, 0.32 + PANEL * row, below))
            _draw_panel(axes, panel, motion)
            _time_axis(axes, end, last=row == len(panels) - 1)

    return _svg(draw, 0.45 + PANEL * len(panels), f"person {motion.track.person} over time")


def _panels(measured: Measures) -> list[_Panel]:
    def both(part: str) -> dict[str, Float[Tensor, "n"]]:
        found = {side: measured.angles.get(f"{side}_{part}") for side in ("left", "right")}
        return {side: values for side, values in found.items() if values is not None}

    confidence = {} if measured.confidence is None else {"": measured.confidence}
    return [
        _Panel("keypoint\nconfidence", confidence, top=1.0),
        _Panel("height\n[m]", measured.heights, bottom=None),
        _Panel("speed\n[m/s]", {"": measured.speed}, top=1.0),
        _Panel("knee bend\n[degrees]", both("knee"), top=90.0),
        _Panel("hip bend\n[degrees]", both("hip"), top=90.0),
        _Panel("elbow bend\n[degrees]", both("elbow"), top=90.0),
        _Panel("jitter\n[m/s²]", {"": measured.jitter}, top=10.0),
        _Panel("foot slide\n[m/s]", {"": measured.foot_slide}, top=0.5),
    ]


def _draw_panel(axes: "Axes", panel: _Panel, motion: Motion) -> None:
    times = _with_gaps(motion, motion.seconds)
    styles: list[dict[str, Any]] = [
        {"color": _person(motion)},
        {"color": _TEXT, "linestyle": (0, (3, 1.5)), "linewidth": 1.0},
    ]
    highest = 0.0
    for (name, values), style in zip(panel.lines.items(), styles, strict=False):
        # A frame between two gaps is a dot: a line through one point cannot be seen.
        alone = _stands_alone(motion, values)
        axes.plot(times, _with_gaps(motion, values), label=name, **style)
        axes.plot(motion.seconds.numpy()[alone], values.numpy()[alone], ".", markersize=3, color=style["color"])
        highest = max(highest, float(values[values.isfinite()].numpy().max(initial=0.0)))
    axes.set_ylabel(panel.label)
    axes.yaxis.set_label_coords(-0.055, 0.5)
    axes.locator_params(axis="y", nbins=4)
    if panel.bottom is not None:
        axes.set_ylim(panel.bottom, 1.06 * max(highest, panel.top or 0.0) or 1.0)
    if len(panel.lines) > 1:
        axes.legend(loc="lower right", ncols=2, borderaxespad=0.0, handlelength=1.8, bbox_to_anchor=(1.0, 1.0))


def _stands_alone(motion: Motion, values: Float[Tensor, "n"]) -> np.ndarray:
    """Which frames hold a value but have no drawn neighbour."""
    there = np.isfinite(values.numpy())
    joined = (np.diff(motion.seconds.numpy()) <= longest_step(motion)) & there[1:] & there[:-1]
    return there & ~np.append(joined, False) & ~np.insert(joined, 0, False)


def _frame(figure: "Drawing", top: float, bottom: float) -> tuple[float, float, float, float]:
    """A drawing area with margins in inches above and below."""
    height = figure.get_figheight()
    return LEFT, bottom / height, RIGHT - LEFT, 1 - (top + bottom) / height


def _time_axis(axes: "Axes", end: float, last: bool = True) -> None:
    axes.set_xlim(0, end)
    if end > 120:
        axes.xaxis.set_major_formatter(lambda second, _: f"{int(second // 60)}:{int(second % 60):02d}")
    if last:
        axes.set_xlabel("time in the video [min:s]" if end > 120 else "time in the video [s]")
    else:
        axes.tick_params(axis="x", labelbottom=False, length=0)


def _spans(motion: Motion) -> list[tuple[float, float]]:
    """Start and length [s] of the stretches in which the person is seen."""
    times = motion.seconds.numpy()
    breaks = np.flatnonzero(np.diff(times) > longest_step(motion))
    starts, ends = times[np.append(0, breaks + 1)], times[np.append(breaks, len(times) - 1)]
    return list(zip(starts.tolist(), (ends - starts + 1 / motion.fps).tolist(), strict=True))


def _with_gaps(motion: Motion, values: Float[Tensor, "n *c"]) -> np.ndarray:
    """The values with a row of not-a-number in each gap, where a line then breaks."""
    breaks = np.flatnonzero(np.diff(motion.seconds.numpy()) > longest_step(motion)) + 1
    return np.insert(values.double().numpy(), breaks, np.nan, axis=0)


def _person(motion: Motion) -> str:
    """The stand-in for a person's colour."""
    return f"#0b0c{motion.track.person % 256:02x}"


def _svg(draw: Callable[["Drawing"], None], height: float, title: str) -> str:
    """An `svg` element to be put into a page that defines --grid and, for person k, --person-k."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Drawing

    text = io.StringIO()
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": title}):
        figure = Drawing(figsize=(WIDTH, height))
        draw(figure)
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*"', rf'<svg role="img" aria-label="{title}" \1', svg, count=1)
    svg = re.sub(r'height="[\d.]+pt"', "", svg, count=1)
    svg = re.sub(r"('DejaVu Sans'|DejaVu Sans)[^;\"]*", "system-ui, sans-serif", svg)
    svg = svg.replace(_TEXT, "currentColor").replace(_GRID, "var(--grid)")
    return re.sub(r"#0b0c([0-9a-f]{2})", lambda m: f"var(--person-{int(m[1], 16)})", svg)
