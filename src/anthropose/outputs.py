"""The whole job of `anthropose run`: motions of a video, and every file made of them, in one folder."""

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from anthropose import __version__
from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.export.formats import Format, formats_named
from anthropose.export.report import write_report
from anthropose.export.scene import floor_height
from anthropose.methods.base import settings_of
from anthropose.motion import Motion
from anthropose.progress import StageProgress, silent
from anthropose.reconstruction import find_motions, find_people, frames_to_use, method_for
from anthropose.render.overlay import write_overlay
from anthropose.settings import ExportOptions, Outputs, Settings
from anthropose.video import open_video
from anthropose.workspace import Workspace, key_of


class Stopwatch:
    """Seconds spent per stage, as told by its progress."""

    def __init__(self, progress: StageProgress) -> None:
        self._progress = progress
        self._last = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def __call__(self, stage: str, share: float) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now
        self._progress(stage, share)


def run(
    source: str | Path,
    out: Path,
    settings: Settings | None = None,
    outputs: Outputs | None = None,
    progress: StageProgress = silent,
) -> list[Motion]:
    """Reconstructs a video and writes `out`: motion files, overlay, exports and report.

    Stages that `out` already holds under the same settings are not done again; files of another video or other
    settings that an earlier run left there are removed before they could be taken for this run's.

    Raises:
        UserError: see `reconstruct`; also where `out` cannot be written.
    """
    settings, outputs = settings or Settings(), outputs or Outputs()
    formats_named(outputs.export)  # A wrong name is told before the work, not after it.
    video = open_video(source, settings.fps)
    method = method_for(settings)
    workspace = Workspace(out)
    workspace.check_writable()
    watch = Stopwatch(progress)
    tracks, people_key = find_people(video, settings, workspace, watch)
    motions = find_motions(video, tracks, people_key, method, settings, workspace, watch)
    body = load_body(settings.body)
    key = key_of("files", __version__, people_key, asdict(settings), settings_of(method))
    files = _motion_files(motions, body, outputs)
    keys = dict.fromkeys(files, key)
    if outputs.overlay:
        keys["overlay.mp4"] = key_of(key, outputs.side_view)
    if outputs.report:
        keys["report.html"] = key_of(sorted(keys.items()))
    workspace.drop_outdated(keys)

    for name, write in files.items():
        _write(workspace, name, keys[name], write)
    if outputs.overlay:
        draw = partial(
            write_overlay,
            video,
            motions,
            body,
            side_view=outputs.side_view,
            stop=frames_to_use(video, settings),
            progress=partial(watch, "overlay"),
        )
        _write(workspace, "overlay.mp4", keys["overlay.mp4"], draw)
        watch("overlay", 1.0)
    if outputs.report:
        overlay = out / "overlay.mp4" if outputs.overlay else None
        record = {"source": str(source), **asdict(settings)}
        page = partial(
            write_report, motions=motions, body=body, settings=record, overlay=overlay, timings=watch.seconds
        )
        _write(workspace, "report.html", keys["report.html"], page)
    watch("files", 1.0)
    return motions


def _motion_files(motions: list[Motion], body: BodyModel, outputs: Outputs) -> dict[str, Callable[[Path], None]]:
    """Name -> writer of the motion files and of the exports that these motions allow."""
    files: dict[str, Callable[[Path], None]] = {}
    for motion in motions:
        files[f"person-{motion.track.person:02d}.npz"] = motion.save
    # One floor and one clock, so that all files make one scene.
    options = ExportOptions(floor=floor_height(motions, body), start=0.0)
    for found in formats_named(outputs.export).values():
        fit = [motion for motion in motions if motion.body is not None or not found.bodies]
        parts = {f"scene{found.ending}": fit} if found.several else {_name_of(one, found.ending): [one] for one in fit}
        for name, persons in parts.items():
            if persons:
                files[name] = partial(_export, found, persons, body, options)
    return files


def _name_of(motion: Motion, ending: str) -> str:
    """The name of one person's file; AMASS's has the ending of motion files and says what it is."""
    return f"person-{motion.track.person:02d}{'.amass.npz' if ending == '.npz' else ending}"


def _export(found: Format, motions: list[Motion], body: BodyModel, options: ExportOptions, path: Path) -> None:
    found.write(motions, body, path, found.heeded(options))


def left_out(motions: list[Motion], outputs: Outputs) -> list[str]:
    """A line for each kind of file that was asked for and that these motions do not allow, with the reason."""
    lines = []
    for found in formats_named(outputs.export).values():
        try:
            found.check_motions(motions)
        except UserError as error:
            lines.append(str(error))
    return lines


def _write(workspace: Workspace, name: str, key: str, write: Callable[[Path], None]) -> None:
    path = workspace.path(name)
    assert path is not None
    if not workspace.holds(name, key):
        write(path)
        workspace.record(name, key)


def forget_stages(folder: Path) -> None:
    """Removes what an earlier run finished in `folder`, so that everything is done anew."""
    shutil.rmtree(folder / "stages", ignore_errors=True)
    (folder / "stages.json").unlink(missing_ok=True)
