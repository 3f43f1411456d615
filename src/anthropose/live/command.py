"""The whole of `anthropose run --live`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.live.adapting import AdaptingMethod
from anthropose.live.figures import Figures, Learnt
from anthropose.live.options import Live
from anthropose.live.page import Page
from anthropose.live.pipeline import Parts, Pipeline
from anthropose.live.recording import PARTS, Recording, assemble
from anthropose.live.window import Window, has_display
from anthropose.methods.dynaboa.config import preset_named
from anthropose.methods.streaming import StreamingMethod
from anthropose.motion import Camera
from anthropose.people.detect import find_detector
from anthropose.reconstruction import camera_for, method_for
from anthropose.settings import Outputs, Settings
from anthropose.video import Video

LIVE_DETECTORS = {"mediapipe": {"look_back_seconds": 0.0, "search_seconds": 2.0}}
"""What a detector is told to do otherwise: not to wait for later frames, and to spend less on newcomers."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C, with a line that says what was recorded."""


def run_live(
    source: str, settings: Settings, outputs: Outputs, live: Live, out: Path | None, restart: bool = False
) -> list[str]:
    """Runs a session until it ends; gives the lines that sum it up.

    Args:
        source: `camera:0`, or a file or folder to be played as if it were a camera.
        out: the folder that it is recorded in; nothing is written without it.
        restart: whether to overwrite a recording that is there.

    Raises:
        UserError: the camera, the method or a setting cannot be used live, or the camera went away; what was recorded
            until then is kept, and the line says where.
        KeyboardInterrupt: Ctrl-C, likewise.
    """
    check_settings(settings, outputs)
    if out is not None:
        check_folder(out, restart)
    figures = Figures()
    parts = live_parts(settings, out, outputs.overlay, figures.learn if live.adapt else None)
    screen: Window | Page = Window(figures) if _wants_window(live) else Page(live.host, live.port, figures)
    pipeline = Pipeline(source, parts, screen, figures, settings.fps, settings.seconds)
    with screen, one_thread():
        print(f"{source}: {screen.where}; Ctrl-C stops", file=sys.stderr, flush=True)
        return _summed_up(pipeline, figures, *_run(pipeline))


def live_parts(
    settings: Settings, out: Path | None, overlay: bool, learnt: Callable[[Learnt], None] | None = None
) -> Parts:
    """Everything that a session is made of; what does not fit is told before the camera is opened.

    Args:
        out: the folder that it is recorded in, if it is.
        overlay: whether the drawn pictures are recorded too.
        learnt: told what adaptation has done so far; nothing is adapted without it.

    Raises:
        UserError: the method or its weights cannot be used live, or adapted if that is asked for.
    """
    if settings.method == "dynaboa":
        raise UserError(
            "--live: say --adapt in place of --method dynaboa; it adapts whichever weights are fed with keypoints"
        )
    method = method_for(settings if learnt is None else replace(settings, preset="", exemplars=None))
    if not isinstance(method, StreamingMethod):
        raise UserError(
            f"--live: {settings.method} looks at whole clips; use --method parallel-branch, tcmr, glot or vibe with "
            "weights that are fed with keypoints"
        )
    detector = find_detector(settings.detector, **LIVE_DETECTORS.get(settings.detector, {}))
    method.stream(detector.skeleton, Camera.guess(640, 480))
    body = load_body(settings.body)
    used = method if learnt is None else _adapting(method, body, settings, learnt)
    if isinstance(used, AdaptingMethod):
        used.check(detector.skeleton)
    record = None if out is None else partial(_recording, out, overlay, used, body.name)
    return Parts(detector, used, body, lambda video: camera_for(video, settings), record)


def _adapting(
    method: StreamingMethod, body: BodyModel, settings: Settings, learnt: Callable[[Learnt], None]
) -> AdaptingMethod:
    if settings.precision != "float32":
        raise UserError(f"--adapt learns in float32; leave --precision {settings.precision} away")
    _, config = preset_named(settings.preset or "clip")
    if settings.exemplars is not None:
        lower, upper = (replace(level, labelled=True) for level in (config.lower, config.upper))
        config = replace(config, lower=lower, upper=upper)
    return AdaptingMethod(method, body, config, settings.exemplars, learnt)


def check_settings(settings: Settings, outputs: Outputs) -> None:
    """
    Raises:
        UserError: a setting needs the whole clip.
    """
    unfit = {
        "--tracks": settings.tracks is not None,
        "--tracker sort": settings.tracker == "sort",
        "--persons": bool(settings.persons),
        "--refine on": settings.refine == "on",
        "--smooth gaussian": settings.smooth == "gaussian",
        "--side-view": outputs.side_view,
        "--export": outputs.export != Outputs().export,
    }
    asked = [option for option, given in unfit.items() if given]
    if asked:
        raise UserError(
            f"--live: {', '.join(asked)} needs the whole clip; record it with --out DIR and run on DIR/video.mp4 after"
        )


def check_folder(out: Path, restart: bool) -> None:
    """Makes sure that no recording is overwritten; one that was broken off is put together.

    Raises:
        UserError: there is one, and it is not to be overwritten.
    """
    if (out / PARTS).exists():
        made = assemble(out)
        if made and not restart:
            raise UserError(
                f"{out}: held a recording that was broken off, which is whole now ({_names(made)}); "
                "name another folder with --out, or overwrite it with --restart"
            )
    if (out / "video.mp4").exists() and not restart:
        raise UserError(
            f"{out}: a recording is there already; name another folder with --out, or overwrite it with --restart"
        )
    for old in (*out.glob("person-*.npz"), out / "overlay.mp4", out / "video.mp4"):
        old.unlink(missing_ok=True)


def _run(pipeline: Pipeline) -> tuple[list[Path], BaseException | None]:
    """Runs to the end; what was recorded, and what ended it: what is recorded is finished even after a bug."""
    ended: BaseException | None = None
    try:
        pipeline.run()
    except BaseException as error:
        ended = error
    made: list[Path] = []
    if pipeline.recording is not None:
        print(f"finishing {pipeline.recording.folder}", file=sys.stderr, flush=True)
        made = pipeline.recording.finish()
    return made, ended


def _summed_up(pipeline: Pipeline, figures: Figures, made: list[Path], ended: BaseException | None) -> list[str]:
    """
    Raises:
        UserError, KeyboardInterrupt: what ended the session, with what was recorded.
    """
    kept = f"{made[0].parent}: {_names(made)}" if made else ""
    if isinstance(ended, KeyboardInterrupt):
        raise Stopped(f"stopped; recorded {kept}" if kept else "stopped") from ended
    if ended is not None and not isinstance(ended, UserError):
        raise ended
    if ended is not None:
        raise UserError(f"{ended}; recorded {kept}" if kept else str(ended)) from ended
    lines = [
        f"{figures.shown} pictures at {figures.rate:.1f} a second, "
        f"{1000 * figures.latency():.0f} ms after their frames (95 %: {1000 * figures.latency(0.95):.0f} ms); "
        f"persons: {', '.join(map(str, sorted(pipeline.persons))) or 'nobody'}"
    ]
    if figures.learnt is not None:
        lines.append(str(figures.learnt))
    if pipeline.unkept:
        lines.append(f"{pipeline.unkept} frames could not be recorded in time and are left out")
    return [*lines, kept] if kept else lines


def _names(paths: list[Path]) -> str:
    return ", ".join(path.name for path in paths)


def _wants_window(live: Live) -> bool:
    if live.show == "page":
        return False
    found = has_display()
    if live.show == "window" and not found:
        raise UserError("--show window: there is no display here; use --show page and open it in a browser")
    return found


def _recording(out: Path, overlay: bool, method: StreamingMethod, body: str, video: Video, camera: Camera) -> Recording:
    weights = getattr(getattr(method, "weights", None), "name", "")
    return Recording(out, video, camera, overlay, (method.name, weights, body))


@contextmanager
def one_thread() -> Iterator[None]:
    """Each network in one thread: the pipeline itself is what keeps the cores busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
