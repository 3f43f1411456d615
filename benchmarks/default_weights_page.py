"""The figures of default_weights.py: kept as JSON and CSV, and as tables in docs/default-weights.md."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from anthropose import __version__
from anthropose.errors import UserError
from anthropose.evaluate.bootstrap import Difference
from anthropose.evaluate.results import Results, compare, read_results, write_results
from anthropose.writing import whole_file

MARKS = "<!-- figures of benchmarks/default_weights.py -->", "<!-- end of figures -->"
COLUMNS = {
    "mpjpe": "MPJPE [mm]",
    "pa_mpjpe": "PA-MPJPE [mm]",
    "vertex_error": "PVE [mm]",
    "acceleration_error": "acceleration error [mm/frame²]",
    "acceleration": "own acceleration [mm/frame²]",
    "foot_slide": "foot slide [cm/s]",
}
WITH_INTERVAL = ("mpjpe", "pa_mpjpe")
ACTIONS = ("walk", "run", "jump", "fight", "dance", "exercise", "everyday", "floor", "climb", "other")
DETECTOR, SCRATCH, TURNED, TRUTH = (
    "detector's own 3D", "SMPLify from scratch", "mean pose, turned as the truth", "the truth itself",
)  # fmt: skip
SOME, LIMBS, JOINTS = "some of both sets", "limbs in films", "joints in films"
NAMES = {"cmu": "CMU", "hdm05": "HDM05", "reactidle": "ReActIdle"}


@dataclass(frozen=True)
class Reprojected:
    """How a row fits a real clip."""

    clip: str
    reference: str
    """Whose 2D keypoints it is measured with."""
    row: str
    frames: int
    median: float
    """Distance of the limbs' keypoints [% of the person's height in the picture]."""
    mean: float
    acceleration: float
    """Of the limbs in 3D, at 30 frames per second [mm/frame²]."""


@dataclass(frozen=True)
class Filmed:
    """What was found in a film."""

    name: str
    action: str
    frames: int
    found: int


Tables = dict[str, dict[str, Results]]


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def write_table(title: str, rows: Mapping[str, Results], folder: Path) -> None:
    """Writes the results of each row, in place of what was there."""
    for old in (folder / slug(title)).glob("*.*"):
        old.unlink()
    for number, (name, results) in enumerate(rows.items()):
        write_results(results, folder / slug(title), f"{number:02d}-{slug(name)}")


def write_list(values: Sequence[Reprojected] | Sequence[Filmed], path: Path) -> None:
    with whole_file(path) as part:
        part.write_text(json.dumps([asdict(value) for value in values], indent=1))


def read_tables(folder: Path) -> Tables:
    """Every table that was written, in whichever run."""
    found: Tables = {}
    for path in sorted(folder.glob("*/*.json")):
        results = read_results(path)
        found.setdefault(results.about["table"], {})[results.about["row"]] = results
    return found


def page_of(folder: Path) -> str:
    """The tables of everything in the folder, as Markdown."""
    tables = read_tables(folder)
    parts = [
        f"Measured on {time.strftime('%Y-%m-%d')} with anthropose {__version__}; "
        "in brackets: 95 % of the results of a bootstrap over motions."
    ]
    parts += [_decision(tables)]
    for title, name in NAMES.items():
        if title in tables:
            parts.append(f"### {name}, as keypoints: {_size(tables[title])}\n\n{_main(tables[title])}")
    if SOME in tables:
        parts.append(f"### The motions that SMPLify was run on: {_size(tables[SOME])}\n\n{_main(tables[SOME])}")
    parts += [_actions({name: rows for name, rows in tables.items() if name in NAMES})]
    parts += _films(tables, folder)
    parts += _videos(folder)
    return "\n\n".join(part for part in parts if part)


def write_page(folder: Path, page: Path) -> None:
    """Puts the tables between the page's marks.

    Raises:
        UserError: the page has no marks.
    """
    before, mark, rest = page.read_text().partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not mark or not end:
        raise UserError(f"{page}: expected the lines {MARKS[0]} and {MARKS[1]} around the figures")
    with whole_file(page) as part:
        part.write_text(f"{before}{MARKS[0]}\n\n{page_of(folder)}\n\n{MARKS[1]}{after}")


def _size(rows: Mapping[str, Results]) -> str:
    some = next(iter(rows.values()))
    return f"{len(some.sequences)} motions, {some.overall.frames['mpjpe']} frames"


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = ["| " + " | ".join(cells) + " |" for cells in (heads, ["---"] + ["---:"] * (len(heads) - 1), *lines)]
    return "\n".join(rows)


def _main(rows: Mapping[str, Results]) -> str:
    """A line for each row with all measures."""
    has_work = any(results.about.get("work") is not None for results in rows.values())
    columns = [figure for figure in COLUMNS if any(figure in results.overall.values for results in rows.values())]
    heads = ["", *(COLUMNS[figure] for figure in columns), *(["work [s/s]"] if has_work else [])]
    lines = []
    for name, results in rows.items():
        work = results.about.get("work")
        cells = [_cell(results, figure) for figure in columns]
        lines.append([name, *cells, *([f"{work:.2f}" if work is not None else "-"] if has_work else [])])
    return _table(heads, lines)


def _cell(results: Results, figure: str) -> str:
    value = results.overall.values.get(figure)
    if value is None or value != value:
        return "-"
    if abs(value) < 0.05:
        return "0"
    if figure not in WITH_INTERVAL or figure not in results.intervals:
        return f"{value:.1f}"
    low, high = results.intervals[figure]
    return f"{value:.1f} ({low:.0f} to {high:.0f})"


def _decision(tables: Tables) -> str:
    """Each candidate less what it has to beat, on the same frames."""
    against = [(SOME, TURNED, "mean pose"), (SOME, SCRATCH, SCRATCH), (LIMBS, DETECTOR, f"{DETECTOR}, in films")]
    known = [(title, row, head) for title, row, head in against if row in tables.get(title, {})]
    names = dict.fromkeys(name for title, _, _ in known for name in tables[title] if name not in _BASELINES)
    lines = []
    for name in names:
        found = [one for title, row, _ in known for one in _differences(tables[title], name, row)]
        lines.append([name, *("-" if one is None else _difference(one) for one in found), _verdict(name, found)])
    heads = ["", *(f"{short} less {head}" for _, _, head in known for short in ("MPJPE", "PA-MPJPE")), "beats all"]
    intro = (
        "### Whom each candidate beats\n\n"
        "Less than zero is better [mm]; in bold where all of the interval is. Both of a pair are of the same frames."
    )
    return f"{intro}\n\n{_table(heads, lines)}" if lines else ""


def _verdict(name: str, found: Sequence[Difference | None]) -> str:
    known = [one for one in found if one is not None]
    if any(one.value >= 0 for one in known):
        return "no"
    if len(known) < len(found) and name != SCRATCH:
        return "not measured"
    return "yes" if all(one.is_significant for one in known) else "on average"


_BASELINES = (TRUTH, DETECTOR, TURNED, "mean pose, facing the camera")


def _differences(rows: Mapping[str, Results], name: str, baseline: str) -> list[Difference | None]:
    """In MPJPE and PA-MPJPE; None where there is nothing to compare."""
    if name not in rows or name == baseline:
        return [None, None]
    found = compare(rows[baseline], rows[name])
    return [found[figure] for figure in WITH_INTERVAL]


def _difference(found: Difference) -> str:
    text = f"{found.value:+.1f} ({found.low:+.0f} to {found.high:+.0f})"
    return f"**{text}**" if found.is_significant and found.value < 0 else text


def _actions(tables: Tables) -> str:
    """MPJPE and PA-MPJPE of each action, over all sets together."""
    if not tables:
        return ""
    names = list(next(iter(tables.values())))
    measured = {name: _by_action([rows[name] for rows in tables.values() if name in rows]) for name in names}
    actions = [action for action in ACTIONS if any(action in values for values in measured.values())]
    lines = [
        [name, *("{:.0f} / {:.0f}".format(*values[action]) if action in values else "-" for action in actions)]
        for name, values in measured.items()
        if name != TRUTH
    ]
    return f"### By action, as keypoints: MPJPE / PA-MPJPE [mm]\n\n{_table(['', *actions], lines)}"


def _by_action(parts: Sequence[Results]) -> dict[str, tuple[float, float]]:
    sums: dict[str, list[float]] = {}
    for results in parts:
        for line in results.tables.get("action", ()):
            frames = line.frames["mpjpe"]
            before = sums.setdefault(line.name, [0.0, 0.0, 0.0])
            for k, value in enumerate((1.0, line.values["mpjpe"], line.values["pa_mpjpe"])):
                before[k] += frames * value
    return {action: (first / frames, second / frames) for action, (frames, first, second) in sums.items()}


def _films(tables: Tables, folder: Path) -> list[str]:
    if LIMBS not in tables:
        return []
    films = [Filmed(**one) for one in json.loads((folder / "films.json").read_text())]
    whole, found = sum(film.frames for film in films), sum(film.found for film in films)
    lost = [film.name for film in films if not film.found]
    seen = f"The detector found the person in {found} of {whole} frames of {len(films)} films"
    seen += f"; nobody in {', '.join(lost)}." if lost else "."
    limbs = f"### Films: the limbs' landmarks, which the detector gives too: {_size(tables[LIMBS])}\n\n{seen}\n\n"
    joints = f"### Films: joints, surface, feet\n\n{_main(tables[JOINTS])}"
    actions = _actions({LIMBS: tables[LIMBS]}).replace("as keypoints", "limbs in films")
    return [limbs + _main(tables[LIMBS]), joints, actions]


def _videos(folder: Path) -> list[str]:
    path = folder / "videos.json"
    if not path.is_file():
        return []
    rows = [Reprojected(**one) for one in json.loads(path.read_text())]
    clips = dict.fromkeys(row.clip for row in rows)
    heads = [""]
    for clip in clips:
        first = next(row for row in rows if row.clip == clip)
        heads += [f"{clip}: median, mean from {first.reference} [% of height]", f"{clip}: own acceleration [mm/frame²]"]
    lines = []
    for name in dict.fromkeys(row.row for row in rows):
        own = {row.clip: row for row in rows if row.row == name}
        cells = [
            cell
            for clip in clips
            for cell in (
                (f"{own[clip].median:.1f}, {own[clip].mean:.1f}", f"{own[clip].acceleration:.1f}")
                if clip in own
                else ("-", "-")
            )
        ]
        lines.append([name, *cells])
    return [f"### Real clips: limbs in the picture beside another detector's 2D keypoints\n\n{_table(heads, lines)}"]
