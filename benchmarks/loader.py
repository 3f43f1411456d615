"""How fast each training's data is made on one core, and what share of a step on that core it takes.

    python benchmarks/loader.py [MOCAP_FOLDER]

Sets are made up, in the shapes of the published ones: features of 2048 numbers in a file that is mapped into memory,
labels in memory. Networks, batches and windows are those of the published presets. The files are in the system's cache,
so a slow disk is not measured; nor is a GPU, which needs as many windows a second as its steps take. VIBE's
discriminator is left out.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from anthropose.body.files import load_body
from anthropose.datasets.items import Targets, WindowSet
from anthropose.datasets.lifting import LiftingWindows
from anthropose.datasets.mixing import Mixture
from anthropose.datasets.mocap import LIFTING, MocapSource
from anthropose.datasets.pictures import PictureSet
from anthropose.datasets.prepared import NpyRows
from anthropose.datasets.sequence import Sequence
from anthropose.methods import glot, parallel_branch, rie, tcmr, vibe
from anthropose.methods.dynaboa import BaseModel
from anthropose.methods.dynaboa import training as base_model
from anthropose.methods.glot.job import LEARNING as GLOT
from anthropose.methods.parallel_branch.job import LEARNING as PARALLEL_BRANCH
from anthropose.skeleton import H36M_VP3D_17, INSTA_25, SPIN_24, SPIN_49
from anthropose.synthetic.captures import write_captures

FRAMES, VIDEOS = 1000, 12
BATCHES, STEPS = 20, 3
RNG = np.random.default_rng(0)


def videos(folder: Path, is_3d: bool) -> list[Sequence]:
    """Made-up videos of a set, with features in files."""
    made = []
    for number in range(VIDEOS):
        path = folder / f"{is_3d}-{number}.npy"
        np.save(path, RNG.standard_normal((FRAMES, 2048)).astype(np.float32))
        joints = 49 if is_3d else 25
        made.append(
            Sequence(
                path.stem,
                NpyRows(path, (FRAMES, 2048)),
                keypoints=RNG.uniform(0, 1000, (FRAMES, joints, 3)),
                keypoint_set=SPIN_49 if is_3d else INSTA_25,
                boxes=np.tile([500.0, 500.0, 300.0, 300.0], (FRAMES, 1)) if is_3d else None,
                joints=RNG.standard_normal((FRAMES, 49, 3)).astype(np.float32) if is_3d else None,
                joint_set=SPIN_49 if is_3d else None,
                pose=0.3 * RNG.standard_normal((FRAMES, 72)).astype(np.float32) if is_3d else None,
                betas=RNG.standard_normal((FRAMES, 10)).astype(np.float32) if is_3d else None,
            )
        )
    return made


def timed(batches: Iterator[Any], count: int) -> tuple[float, list[Any]]:
    """Seconds for a batch after the first passes, and some batches."""
    list(islice(batches, count))
    start = time.perf_counter()
    kept = list(islice(batches, count))
    return (time.perf_counter() - start) / len(kept), kept[:STEPS]


def step_time(network: torch.nn.Module, loss: Callable[[Any], Any], batches: list[Any]) -> float:
    """Seconds for a training step on the CPU."""
    optimizer = torch.optim.Adam(network.parameters())
    network.train()
    times = []
    for batch in batches:
        start = time.perf_counter()
        optimizer.zero_grad()
        sum(loss(batch).values()).backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    return min(times)


def report(name: str, rows: int, per_batch: float, per_step: float | None) -> None:
    share = "" if per_step is None else f"{1000 * per_step:9.0f} ms{per_batch / (per_batch + per_step):9.1%}"
    print(f"{name:<34}{rows:>6}{1000 * per_batch:>10.1f} ms{rows / per_batch:>11.0f}{share}", flush=True)


def video_methods(folder: Path) -> None:
    body = load_body()
    two, three = videos(folder, False), videos(folder, True)
    for learning, preset in (
        (vibe.LEARNING, vibe.PRESETS["without-3dpw"]),
        (tcmr.LEARNING, tcmr.PRESETS["table4-3dpw"]),
        (GLOT, glot.PRESETS["table1-3dpw"]),
        (PARALLEL_BRANCH, parallel_branch.PRESETS["final"]),
    ):
        targets = Targets(repeat=learning.repeat, half=True)
        sets = [WindowSet(part, learning.windows(preset, [len(one) for one in part]), targets) for part in (two, three)]
        mixture = Mixture([sets[0]], [sets[1]], preset.batch_2d, preset.batch_3d)
        for part in sets:  # Labels become targets once for each video, on its first window.
            for one in range(0, len(part), max(1, len(part) // (4 * VIDEOS))):
                part[one]
        per_batch, kept = timed((mixture.batch(step) for step in range(10**9)), BATCHES)
        network = learning.network(preset.network)
        loss = lambda b, n=network, p=preset, k=learning: k.loss(n, b, body, p)  # noqa: E731
        report(f"{learning.method}: {preset.stands_for[:18]}", preset.batch, per_batch, step_time(network, loss, kept))


def lifting() -> None:
    preset = rie.TRAININGS["gt"][0]
    keypoints = [torch.randn(2000, 17, 2) for _ in range(20)]
    joints = [torch.randn(2000, 17, 3) for _ in range(20)]
    mirror = H36M_VP3D_17.mirror
    windows = LiftingWindows(keypoints, joints, (mirror, mirror), preset.network.reach)
    rows = windows.order().split(preset.batch)
    per_batch, kept = timed((windows.gather(part) for part in rows), 5)
    network = rie.RIENetwork(preset.network)
    report("rie gt, stage 1", preset.batch, per_batch, step_time(network, lambda b: rie.loss(network, b), kept[:2]))


def pictures(folder: Path) -> None:
    body, preset = load_body(), base_model.RELEASED
    for number in range(64):
        cv2.imwrite(str(folder / f"{number}.jpg"), RNG.integers(0, 255, (1000, 1000, 3), np.uint8))
    sequence = Sequence(
        "pictures",
        keypoints=RNG.uniform(300, 700, (64, 49, 3)),
        keypoint_set=SPIN_49,
        boxes=np.tile([500.0, 500.0, 400.0, 400.0], (64, 1)),
        joints=RNG.standard_normal((64, 24, 3)).astype(np.float32),
        joint_set=SPIN_24,
        pose=0.3 * RNG.standard_normal((64, 72)).astype(np.float32),
        betas=RNG.standard_normal((64, 10)).astype(np.float32),
        images=np.array([f"{number}.jpg" for number in range(64)]),
    )
    made = PictureSet([sequence], folder, preset.crop)
    per_batch, kept = timed(made.batches((np.arange(16) for _ in range(9)), (0,)), 4)
    network = BaseModel(preset.network)
    loss = lambda b: base_model.spin_terms(network(b.images), b, body, preset.losses)  # noqa: E731
    report("dynaboa base-model, noise as JPEG", 16, per_batch, step_time(network, loss, kept[:1]))


def motion_capture(folder: Path) -> None:
    source = MocapSource(folder, load_body())
    per_batch, _ = timed((source.batch(0, step, 64, 16).as_batch() for step in range(10**9)), BATCHES)
    report("motion capture, 16 frames", 64, per_batch, None)
    lifted = MocapSource(folder, load_body(), LIFTING)
    start = time.perf_counter()
    windows = lifted.lifting_windows(0, 0, 64, 200, 121, flipped=False)
    batch = windows.gather(windows.order()[:1024])
    spent = time.perf_counter() - start
    print(f"motion capture for RIE: an epoch of {len(windows)} windows of 243 frames made in {spent:.2f} s", flush=True)
    assert len(batch.keypoints) == 1024


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print(f"{'training':<34}{'batch':>6}{'per batch':>13}{'windows/s':>11}{'step, CPU':>12}{'share':>9}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video_methods(folder)
        lifting()
        pictures(folder)
        captures = Path(sys.argv[1]) if len(sys.argv) > 1 else write_captures(folder / "made-up", 20, 1, 1)
        motion_capture(captures)


if __name__ == "__main__":
    main()
