"""The report: one self-contained page on what was found in a video, with overlay, plots, settings and versions."""

import base64
import math
import os
import platform
from collections.abc import Iterable, Mapping
from html import escape
from importlib import metadata, resources
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

import torch

from anthropose import __version__
from anthropose.body.model import BodyModel
from anthropose.colours import person_hex
from anthropose.errors import UserError
from anthropose.export import plots
from anthropose.export.measures import PATH_SIGMA, STANDING_SPEED, Measures, longest_step, measure
from anthropose.export.scene import check_finite, floor_height
from anthropose.motion import Motion
from anthropose.writing import whole_file

EMBEDDED = 50_000_000
"""The largest overlay [bytes] that is put into the page; a larger one is linked, for browsers open huge pages badly."""
PACKAGES = ("torch", "numpy", "mediapipe", "av", "scipy")


def write_report(
    path: Path,
    motions: list[Motion],
    body: BodyModel | None,
    settings: Mapping[str, object],
    overlay: Path | None = None,
    timings: Mapping[str, float] | None = None,
) -> None:
    """Writes the page, whole or not at all. It loads nothing from anywhere else.

    Args:
        motions: of everyone that was found; an empty list makes a page that says so.
        body: the model that the motions were made with; None where they have joints only.
        settings: what was asked for, shown as it is; "source" gives the title.
        overlay: the video to put into the page; above 50 MB it is linked by its place relative to the page.
        timings: seconds spent per stage.

    Raises:
        UserError: a motion holds numbers that are not finite, the overlay cannot be read, or `path` cannot be written.
    """
    for motion in motions:
        check_finite(motion)
    motions = sorted(motions, key=lambda motion: motion.track.person)
    floor = floor_height(motions, body)
    measures = [measure(motion, body, floor) for motion in motions]
    end = max((float(m.seconds[-1]) + 1 / m.fps for m in motions), default=1.0)
    parts = [
        _video(overlay, Path(path)),
        *_people(motions, measures, end, overlay is not None),
        *_made_by(motions, body, settings, timings),
    ]
    page = _template("report.html").substitute(
        title=escape(Path(str(settings.get("source", ""))).name or "People in 3D"),
        summary=_summary(motions, end),
        body="\n".join(part for part in parts if part),
        colours_light=_colours(motions, "black"),
        colours_dark=_colours(motions, "white"),
        axis_left=plots.LEFT,
        axis_right=plots.RIGHT,
        end=f"{end:.6f}",
    )
    with whole_file(path) as part:
        part.write_text(page, encoding="utf-8")


def _colours(motions: list[Motion], towards: str) -> str:
    """The persons' colours as CSS properties, moved a little away from the paper so that yellow lines can be seen."""
    share = 75 if towards == "black" else 90
    numbers = sorted({motion.track.person % 256: person_hex(motion.track.person) for motion in motions}.items())
    return " ".join(f"--person-{k}: color-mix(in srgb, {code} {share}%, {towards});" for k, code in numbers)


def _summary(motions: list[Motion], end: float) -> str:
    if not motions:
        return f"No people were found. anthropose {__version__}"
    count = "1 person" if len(motions) == 1 else f"{len(motions)} people"
    methods = ", ".join(sorted({motion.method for motion in motions if motion.method}))
    by = f" by {escape(methods)}" if methods else ""
    return f"{count} in {_clock(end)}, reconstructed{by} with anthropose {__version__}"


def _clock(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else "{} min {} s".format(*divmod(round(seconds), 60))


def _video(overlay: Path | None, page: Path) -> str:
    """The overlay inside the page, or a link where it is too large."""
    if overlay is None:
        return ""
    try:
        size = overlay.stat().st_size
        if size > EMBEDDED:
            link = quote(Path(os.path.relpath(overlay.resolve(), page.resolve().parent)).as_posix())
            return (
                f'<video controls loop muted playsinline src="{link}"></video><p class="quiet">The overlay video is '
                f'{size / 1e6:.0f} MB, too large to be part of this page: it is the file <a href="{link}">'
                f"{escape(overlay.name)}</a> beside it, and has to be moved along with it.</p>"
            )
        data = base64.b64encode(overlay.read_bytes()).decode("ascii")
    except OSError as error:
        raise UserError(f"{overlay}: the overlay for the report cannot be read ({error.strerror})") from error
    return f'<video controls loop muted playsinline src="data:video/mp4;base64,{data}"></video>'


def _people(motions: list[Motion], measures: list[Measures], end: float, with_video: bool) -> Iterable[str]:
    if not motions:
        yield (
            "<p>No people were found in this video, so there are no motions, plots or exports. People should be at "
            "least about 60 pixels tall and in view for half a second.</p>"
        )
        return
    yield "<h2>People</h2>" + _people_table(motions, measures)
    yield "<h2>When they are seen</h2>" + _figure(plots.presence(motions, end), on_time=True)
    if with_video:
        yield '<p class="quiet">A click into a plot over time goes to that moment of the video.</p>'
    yield "<h2>Where they go</h2>" + _figure(plots.floor_plan(motions, measures))
    for motion, measured in zip(motions, measures, strict=True):
        yield f"<h2>{_dot(motion)}Person {motion.track.person}</h2>"
        yield _figure(plots.timeline(motion, measured, end), on_time=True)


def _figure(svg: str, on_time: bool = False) -> str:
    return f'<figure><div class="plot{" on-time" if on_time else ""}">{svg}</div></figure>'


def _dot(motion: Motion) -> str:
    return f'<span class="dot" style="background: var(--person-{motion.track.person % 256})"></span>'


def _people_table(motions: list[Motion], measures: list[Measures]) -> str:
    heads = (
        "person",
        "frames",
        "seen [s]",
        "gaps",
        "mean keypoint confidence",
        "body height [m]",
        "distance [m]",
        "median jitter [m/s²]",
        "median foot slide [m/s]",
    )
    rows = []
    for motion, measured in zip(motions, measures, strict=True):
        gaps = int((motion.seconds.diff() > longest_step(motion)).sum())
        confidence = None if measured.confidence is None else float(measured.confidence.mean())
        cells = (
            f"{_dot(motion)}{motion.track.person}",
            str(len(motion)),
            f"{len(motion) / motion.fps:.1f}",
            str(gaps),
            _number(confidence, 2),
            _number(measured.stature, 2),
            _number(measured.distance, 1),
            _number(_median(measured.jitter), 1),
            _number(_median(measured.foot_slide), 2),
        )
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _median(values: torch.Tensor) -> float | None:
    known = values[values.isfinite()]
    return float(known.median()) if len(known) else None


def _number(value: float | None, digits: int) -> str:
    return "&ndash;" if value is None else f"{value:.{digits}f}"


def _made_by(
    motions: list[Motion],
    body: BodyModel | None,
    settings: Mapping[str, object],
    timings: Mapping[str, float] | None,
) -> Iterable[str]:
    """Settings, versions, timings, and what the numbers mean."""
    yield '<div class="two">'
    yield "<div><h2>Settings</h2>" + _pairs({k: _setting(v) for k, v in settings.items()}) + "</div>"
    yield "<div><h2>Made with</h2>" + _pairs(_versions(motions, body)) + "</div>"
    if timings:
        spent = {name: f"{seconds:.1f} s" for name, seconds in timings.items()}
        yield "<div><h2>Time spent</h2>" + _pairs({**spent, "together": f"{sum(timings.values()):.1f} s"}) + "</div>"
    yield "</div>"
    if motions:
        yield "<h2>What the numbers mean</h2>" + _notes(motions[0])


def _pairs(values: Mapping[str, str]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in values.items())
    return f'<table class="pairs"><tbody>{rows}</tbody></table>'


def _setting(value: Any) -> str:
    if value is None or value == () or value == []:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(str(v) for v in value) if isinstance(value, list | tuple) else str(value)


def _versions(motions: list[Motion], body: BodyModel | None) -> dict[str, str]:
    found = {"anthropose": __version__, "Python": platform.python_version(), "system": platform.platform(terse=True)}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    if body is not None:
        found["body model"] = body.name
    for field in ("method", "weights"):
        names = sorted({getattr(motion, field) for motion in motions} - {""})
        if names:
            found[field] = ", ".join(names)
    return found


def _notes(motion: Motion) -> str:
    camera = motion.camera
    view = 2 * math.degrees(math.atan(camera.size[0] / 2 / camera.focal))
    return _template("report_notes.html").substitute(
        focal=f"{camera.focal:.0f}",
        width=camera.size[0],
        height=camera.size[1],
        view=f"{view:.0f}",
        path_sigma=PATH_SIGMA,
        standing_speed=STANDING_SPEED,
    )


def _template(name: str) -> Template:
    return Template(resources.files("anthropose.export").joinpath(name).read_text(encoding="utf-8"))
