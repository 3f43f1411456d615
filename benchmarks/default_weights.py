"""Which weights `anthropose run` should use: every candidate beside the mean pose, SMPLify and the detector's own 3D.

    python benchmarks/default_weights.py --weights a.safetensors b.safetensors [--parts keypoints films videos]
    python benchmarks/default_weights.py --pipeline "smooth a:weights=a.safetensors,smooth=one-euro,refine=off"

Three parts. `keypoints`: held-out motion capture (CMU's subjects 02 and 05, HDM05's actor mm) through held-out cameras,
as keypoints with a detector's errors. `films`: some of these motions drawn as pictures and found by the built-in
detector. `videos`: real clips, of which only another detector's 2D keypoints are known. All go the way that `run` goes,
from a track to a motion, with the camera that is guessed from the picture's size. Figures are written as JSON and CSV
to --out, as tables into --page. `--split val` measures keypoints of the motions on which weights may be chosen.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from default_weights_page import (
    DETECTOR,
    JOINTS,
    LIMBS,
    SCRATCH,
    SOME,
    TRUTH,
    TURNED,
    Filmed,
    Reprojected,
    page_of,
    slug,
    write_list,
    write_page,
    write_table,
)
from jaxtyping import Float
from torch import Tensor

import anthropose
from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.datasets.mocap import MocapConfig, MocapSource, read_captures
from anthropose.errors import UserError
from anthropose.evaluate.mocap import KnownClip, mean_motion, mean_pose, recorded_clips
from anthropose.evaluate.mocap_errors import (
    LIMBS_12,
    detector_errors_of,
    errors_of,
    limb_errors_of,
    limbs_of_detector,
    limbs_on,
    origin_of,
)
from anthropose.evaluate.mocap_film import FILMED, filmed_clips
from anthropose.evaluate.results import Results, results_of
from anthropose.evaluate.scores import Errors
from anthropose.geometry.cameras import project
from anthropose.methods.base import settings_of
from anthropose.metrics import acceleration
from anthropose.motion import Motion, Track
from anthropose.nn.checkpoints.stored import read_header
from anthropose.people.clip import Clip
from anthropose.progress import silent
from anthropose.reconstruction import camera_for, find_people, method_for, refiner_for, smoothed
from anthropose.settings import Settings
from anthropose.skeleton import COCO_17, MEDIAPIPE_33, Skeleton, pick
from anthropose.video import Video, open_video
from anthropose.workspace import Workspace, key_of
from anthropose.writing import whole_file

SETS = {"val": ("cmu", "reactidle"), "test": ("cmu", "hdm05")}
"""Folders of motion capture by split; HDM05 is for tests only."""
SLOW_EVERY = 5
"""SMPLify fits and refines only every so many motions, since it is slow; the others are compared on the same ones."""
SURFACES_EVERY = 4
"""The surface's error is taken in every so many frames."""
REFERENCES = {"squats": ("BlazePose", MEDIAPIPE_33), "synthetic_dance": ("MoveNet", COCO_17)}
"""Real clips with a file of 2D keypoints beside them -> whose they are, and their names."""
GUESSES = {"mean pose, facing the camera": True, TURNED: False}


@dataclass(frozen=True)
class Pipeline:
    """One way from a clip to a motion."""

    name: str
    settings: Settings

    @property
    def every(self) -> int:
        """It is run on every so many clips of keypoints."""
        return 1 if self.settings.method == "rie" or self.settings.refine == "off" else SLOW_EVERY


@dataclass
class Table:
    """The errors of one comparison: each row of the same clips."""

    title: str
    rows: dict[str, list[Errors]] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    """Row -> for each clip seconds of work for a second of video."""

    def add(self, name: str, errors: Errors, work: float | None = None) -> None:
        self.rows.setdefault(name, []).append(errors)
        if work is not None:
            self.seconds.setdefault(name, []).append(work)

    def results(self) -> dict[str, Results]:
        return {
            name: results_of(
                parts,
                {
                    "row": name,
                    "table": self.title,
                    "work": float(np.mean(self.seconds[name])) if name in self.seconds else None,
                },
            )
            for name, parts in self.rows.items()
        }


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def pipelines_of(files: Sequence[Path], more: Sequence[str]) -> list[Pipeline]:
    """SMPLify from scratch, each file of weights by the method that it is of, and those that are spelled out.

    Those that give bodies come twice, as they are and refined.
    """
    plain = [Pipeline(path.stem, Settings(method=read_header(path).system, weights=str(path))) for path in files]
    plain = [replace(one, settings=replace(one.settings, refine="off")) for one in plain]
    refined = [Pipeline(f"{one.name}, refined", replace(one.settings, refine="on")) for one in plain if has_body(one)]
    return [Pipeline(SCRATCH, Settings(method="smplify")), *plain, *refined, *(spelled(text) for text in more)]


def has_body(pipeline: Pipeline) -> bool:
    return pipeline.settings.method not in ("rie", "smplify")


def spelled(text: str) -> Pipeline:
    """NAME:field=value,field=value in the fields of Settings; the method is that of the weights where it is not said.

    Raises:
        UserError: there is no such field.
    """
    name, _, listed = text.partition(":")
    usual = {entry.name: getattr(Settings(), entry.name) for entry in fields(Settings)}
    given = dict(pair.split("=", 1) for pair in listed.split(",") if "=" in pair)
    unknown = set(given) - set(usual)
    if unknown:
        raise UserError(f"--pipeline {text}: no setting {', '.join(unknown)}; known are {', '.join(usual)}")
    values: dict[str, Any] = {key: _like(usual[key], value) for key, value in given.items()}
    if "weights" in values:
        values.setdefault("method", read_header(Path(values["weights"])).system)
    return Pipeline(name, replace(Settings(), **values))


def _like(usual: object, value: str) -> Any:
    """A value of the type of the usual one."""
    if isinstance(usual, bool):
        return value.lower() in ("true", "yes", "1")
    return type(usual)(value) if isinstance(usual, int | float) else value


Run = Callable[[Clip], tuple[Motion, float]]


def runner(pipeline: Pipeline, body: BodyModel, out: Path) -> Run:
    """What `run` does with a track: gives the motion, and the seconds of work for a second of video.

    Motions are kept in `out`, by clip, settings, weights and code: a run that was stopped goes on, and SMPLify, which
    takes most of the time, is not run again for every new candidate.
    """
    method = method_for(pipeline.settings)
    refiner = refiner_for(pipeline.settings, method, body)
    workspace = Workspace(out / "motions" / slug(pipeline.name))
    key = [state_of_code(), settings_of(method), refiner is not None, pipeline.settings.smooth]

    def make(clip: Clip) -> tuple[Motion, float]:
        start = time.process_time()
        motion = method.reconstruct(clip)
        if refiner is not None:
            motion = refiner.refine(motion, clip)
        motion = smoothed(motion, pipeline.settings.smooth, body)
        return motion, (time.process_time() - start) * clip.fps / len(clip.track)

    def run(clip: Clip) -> tuple[Motion, float]:
        content = content_of(clip)
        own_key = key_of(*key, content)
        return workspace.kept(f"{content}.npz", own_key, load_motion, partial(make, clip), save_motion)

    return run


def state_of_code() -> str:
    """Changes with every line of what makes a motion of a track."""
    root = Path(anthropose.__file__).parent
    files = sorted(path for name in ("methods", "body", "geometry", "nn") for path in (root / name).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def content_of(clip: Clip) -> str:
    """Changes with everything that a method that looks at no pictures sees."""
    track = clip.track
    seen = [values.numpy().tobytes() for values in (track.frames, track.boxes, track.keypoints, track.world)
            if values is not None]  # fmt: skip
    return hashlib.sha256(b"".join(seen) + repr((clip.camera, clip.fps)).encode()).hexdigest()[:16]


def save_motion(made: tuple[Motion, float], path: Path) -> None:
    made[0].save(path)
    with whole_file(path.with_suffix(".json")) as part:
        part.write_text(json.dumps({"work": made[1]}))


def load_motion(path: Path) -> tuple[Motion, float]:
    try:
        return Motion.load(path), float(json.loads(path.with_suffix(".json").read_text())["work"])
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: damaged; remove it") from error


def over_keypoints(
    data: Path, out: Path, split: str, longest: int, pipelines: Sequence[Pipeline], body: BodyModel
) -> list[Table]:
    """A table for each set of motion capture, and one of the motions of all sets that SMPLify was run on."""
    mean = mean_pose(read_captures(data / "cmu", "train", body))
    some = Table(SOME)
    tables = [Table(name) for name in SETS[split]]
    for table in tables:
        source = MocapSource(data / table.title, body, MocapConfig(split=cast(Any, split), everyday=0.0))
        clips = list(recorded_clips(source, longest))
        say(f"{table.title}: {len(clips)} motions, {sum(map(len, clips))} frames")
        add_baselines(table, clips, mean, body)
        for pipeline in pipelines:
            run, target = runner(pipeline, body, out), table if pipeline.every == 1 else some
            for known in clips[:: pipeline.every]:
                motion, work = run(known.clip)
                target.add(pipeline.name, compared(motion, known, body), work)
            say(f"{table.title}: {pipeline.name}")
        for name, parts in table.rows.items():
            for errors in parts[::SLOW_EVERY]:
                some.add(name, errors)
    return [*tables, some]


def add_baselines(table: Table, clips: Sequence[KnownClip], mean: Tensor, body: BodyModel) -> None:
    """The mean pose, and the truth beside itself, for the scale of its accelerations and of feet that slide."""
    for known in clips:
        for name, facing in GUESSES.items():
            errors = compared(mean_motion(known, mean, body, facing), known, body)
            table.add(name, replace(errors, foot_slide=None))  # It says nothing of where a person is.
        table.add(TRUTH, compared(known.truth, known, body))


def compared(motion: Motion, known: KnownClip, body: BodyModel) -> Errors:
    return errors_of(motion, known.truth, body, known.name, known.action, SURFACES_EVERY)


def limb_compared(motion: Motion, known: KnownClip, body: BodyModel) -> Errors:
    return limb_errors_of(motion, known.truth, body, known.name, known.action)


def over_films(
    data: Path, out: Path, count: int, pipelines: Sequence[Pipeline], body: BodyModel
) -> tuple[list[Table], list[Filmed]]:
    """A table of the limbs' landmarks, which the detector has too, and one of joints and surfaces; and the films."""
    source = MocapSource([data / name for name in SETS["test"]], body, FILMED)
    films = list(filmed_clips(source, out / "films", count, find, progress=lambda done: say(f"film {done} of {count}")))
    clips = [film.known for film in films if film.known is not None]
    limbs, joints = Table(LIMBS), Table(JOINTS)
    for known in clips:
        limbs.add(DETECTOR, detector_errors_of(known.clip, known.truth, body, known.name, known.action))
        limbs.add(TRUTH, limb_compared(known.truth, known, body))
        joints.add(TRUTH, compared(known.truth, known, body))
    for pipeline in pipelines:
        run = runner(pipeline, body, out)
        for known in clips:
            motion, work = run(known.clip)
            limbs.add(pipeline.name, limb_compared(motion, known, body), work)
            joints.add(pipeline.name, compared(motion, known, body), work)
        say(f"films: {pipeline.name}")
    return [limbs, joints], [
        Filmed(film.name, film.known.action if film.known else "", film.frames, len(film.known) if film.known else 0)
        for film in films
    ]


def over_videos(folder: Path, out: Path, pipelines: Sequence[Pipeline], body: BodyModel) -> list[Reprojected]:
    """Of real clips: how far each pipeline's limbs, seen by its camera, lie from another detector's 2D keypoints."""
    found = []
    for stem, (whose, skeleton) in REFERENCES.items():
        video = open_video(folder / f"{stem}.mp4")
        clip = found_in(video, out / "videos" / stem)
        with np.load(folder / f"{stem}_keypoints.npz") as file:
            reference = pick(torch.from_numpy(file["xy"]).float()[clip.track.frames], skeleton, LIMBS_12)[0]
        rows = {DETECTOR: own_guess(clip)}
        rows |= {pipeline.name: seen(runner(pipeline, body, out)(clip)[0], body, skeleton) for pipeline in pipelines}
        tall = float((clip.track.boxes[:, 3] - clip.track.boxes[:, 1]).median())
        for name, (limbs, pixels) in rows.items():
            off = 100 * (pixels - reference).norm(dim=-1) / tall
            shaken = acceleration(limbs - limbs.mean(1, keepdim=True)) * 1000 * (clip.fps / 30) ** 2
            frames = len(clip.track)
            found.append(
                Reprojected(stem, whose, name, frames, float(off.median()), float(off.mean()), float(shaken.mean()))
            )
        say(f"videos: {stem}")
    return found


def find(video: Video, workspace: Workspace) -> list[Track]:
    """As `run` does."""
    return find_people(video, Settings(), workspace, silent)[0]


def found_in(video: Video, folder: Path) -> Clip:
    """The person who is seen longest, as a clip; detections are kept in the folder."""
    track = max(find(video, Workspace(folder)), key=len)
    seconds = torch.from_numpy(video.seconds)[track.frames]
    return Clip(track, video.fps, seconds, camera_for(video, Settings()), video)


def own_guess(clip: Clip) -> tuple[Float[Tensor, "n 12 3"], Float[Tensor, "n 12 2"]]:
    """The detector's limbs in 3D [m], and its keypoints of them [px]."""
    assert clip.track.keypoints is not None
    return limbs_of_detector(clip.track, clip.camera), pick(clip.track.keypoints[..., :2], MEDIAPIPE_33, LIMBS_12)[0]


def seen(
    motion: Motion, body: BodyModel, skeleton: Skeleton
) -> tuple[Float[Tensor, "n 12 3"], Float[Tensor, "n 12 2"]]:
    """A motion's limbs as a detector of `skeleton` sees them: in 3D [m], and in the picture [px]."""
    limbs = limbs_on(motion, body, skeleton)
    focal = limbs.new_full((len(limbs),), motion.camera.focal)
    center = limbs.new_tensor(motion.camera.center).expand(len(limbs), 2)
    return limbs, project(limbs + origin_of(motion, body)[:, None], focal, center)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, nargs="*", default=[], metavar="FILE")
    parser.add_argument("--pipeline", nargs="*", default=[], metavar="NAME:field=value,...")
    parser.add_argument("--parts", nargs="*", default=["keypoints", "films", "videos"])
    parser.add_argument("--split", choices=["val", "test"], default="test")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("out/default-weights"))
    parser.add_argument("--page", type=Path, default=Path("docs/default-weights.md"))
    parser.add_argument("--longest", type=int, default=120, help="frames of a motion that are taken")
    parser.add_argument("--films", type=int, default=16, help="motions that are filmed")
    chosen = parser.parse_args()
    body, pipelines = load_body("free"), pipelines_of(chosen.weights, chosen.pipeline)
    folder = chosen.out / chosen.split
    with torch.no_grad():
        if "keypoints" in chosen.parts:
            keep(over_keypoints(chosen.data, chosen.out, chosen.split, chosen.longest, pipelines, body), folder)
        if "films" in chosen.parts and chosen.split == "test":
            tables, films = over_films(chosen.data, chosen.out, chosen.films, pipelines, body)
            keep(tables, folder)
            write_list(films, folder / "films.json")
        if "videos" in chosen.parts and chosen.split == "test":
            write_list(over_videos(chosen.data / "videos", chosen.out, pipelines, body), folder / "videos.json")
    print(page_of(folder))
    if chosen.split == "test":
        write_page(folder, chosen.page)


def keep(tables: Sequence[Table], folder: Path) -> None:
    for table in tables:
        write_table(table.title, table.results(), folder)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
