"""Frames per second of the overlay, stage by stage, at 1280x720: `python benchmarks/render.py [--seconds 4]`.

A made-up clip with three people is decoded, drawn over and encoded, with one of them and with all. Stages are timed
one by one, then the whole as `anthropose run` does it. The processor's time, over all threads, counts also on a
machine that is busy with other things, where the clock on the wall does not.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from anthropose.outputs import run
from anthropose.render.film import write_film
from anthropose.render.meshes import Mesh, MeshRenderer
from anthropose.render.options import Pictures
from anthropose.render.overlay import vertices_in_camera, write_overlay
from anthropose.render.scene import BATCH
from anthropose.settings import Outputs, Settings
from anthropose.synthetic import Scene, make_scene
from anthropose.video import VideoWriter, open_video

SIZE = (1280, 720)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the clip")
    seconds = parser.parse_args().seconds
    scene = make_scene(0, seconds, SIZE, persons=3)
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        report("made-up clip, 3 persons", len(scene), timed(lambda: scene.write(clip)))
        with MeshRenderer(*SIZE) as renderer:
            print(f"{renderer.device}, {torch.get_num_threads()} threads, {len(scene.body.template)} vertices")
        report("decode", len(scene), timed(lambda: drain(open_video(clip).frames())))
        report("encode", len(scene), timed(lambda: encode(clip, Path(folder) / "copy.mp4")))
        kinds(scene, clip, Path(folder))
        for persons in (1, 3):
            stages(scene, clip, persons, Path(folder) / "overlay.mp4")
        report("draw in numpy, 1 person", 3, draw(scene, clip, 1, 3, software=True))


def stages(scene: Scene, clip: Path, persons: int, path: Path) -> None:
    motions = scene.truth[:persons]
    name = f"{persons} person{'s' * (persons > 1)}"
    report(f"bodies, {name}", len(scene), timed(lambda: [drain(surfaces(scene, m)) for m in range(persons)]))
    report(f"draw, {name}", len(scene), draw(scene, clip, persons, len(scene), software=False))
    for side in (False, True):
        took = timed(lambda side=side: write_overlay(open_video(clip), motions, scene.body, path, side_view=side))
        report(f"whole overlay, {name}{', with side view' * side}", len(scene), took)


KINDS = {
    "overlay.mp4": Pictures(),
    "wireframe.mp4": Pictures(wireframe=True),
    "plain.mp4": Pictures(plain=True),
    "input, overlay, side, above.mp4": Pictures(views=("input", "overlay", "side", "above")),
    "keypoints, sticks.mp4": Pictures(views=("keypoints", "sticks")),
    "keypoints, sticks.gif": Pictures(views=("keypoints", "sticks"), max_fps=30.0),
    "sheet.png": Pictures(moments=12),
}


def kinds(scene: Scene, clip: Path, folder: Path) -> None:
    """Every kind of film of one person, and the rest of the pipeline on the same clip."""
    for name, pictures in KINDS.items():
        write = partial(write_film, open_video(clip), scene.truth[:1], folder / name, pictures, body=scene.body)
        report(name, 12 if name.endswith("png") else len(scene), timed(write))
    settings = Settings(persons=(0,))
    took = timed(lambda: run(str(clip), folder / "run", settings, Outputs(overlay=False, report=False, export=())))
    report("finding and reconstructing (smplify)", len(scene), took)


def surfaces(scene: Scene, person: int) -> Iterator[torch.Tensor]:
    motion = scene.truth[person]
    for start in range(0, len(motion), BATCH):
        yield vertices_in_camera(motion, scene.body, torch.arange(start, min(start + BATCH, len(motion))))


Seconds = tuple[float, float]
"""On the wall's clock and of the processor."""


def draw(scene: Scene, clip: Path, persons: int, frames: int, software: bool) -> Seconds:
    """What is spent in `MeshRenderer.draw` alone."""
    bodies = [torch.cat(list(surfaces(scene, person))).numpy() for person in range(persons)]
    faces = scene.body.faces.numpy()
    wall = processor = 0.0
    with MeshRenderer(*SIZE, opacity=0.9, software=software) as renderer:
        for frame, rgb in enumerate(open_video(clip).frames(0, frames)):
            meshes = [Mesh(vertices[min(frame, len(vertices) - 1)], faces, (0.3, 0.7, 0.9)) for vertices in bodies]
            took = timed(partial(renderer.draw, rgb, meshes, scene.camera.focal, scene.camera.center))
            wall, processor = wall + took[0], processor + took[1]
    return wall, processor


def encode(clip: Path, path: Path) -> None:
    with VideoWriter(path, SIZE, 30.0) as writer:
        for rgb in open_video(clip).frames():
            writer.write(rgb)


def drain(values: Iterator) -> None:
    for _ in values:
        pass


def timed(work: Callable[[], object]) -> Seconds:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def report(stage: str, frames: int, seconds: Seconds) -> None:
    wall, processor = (1000 * part / frames for part in seconds)
    print(f"{stage:<42} {wall:8.1f} ms/frame {1000 / wall:8.1f} frames/s, processor {processor:8.1f} ms", flush=True)


if __name__ == "__main__":
    main()
