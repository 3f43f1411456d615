"""Whether DynaBOA helps networks that see keypoints: errors before and after, by how a clip differs from the training.

    python benchmarks/adaptation.py --weights FILE [--split test] [--data ../shared/data/cmu] [--clips 8] [--frames 64]

Clips are motion capture of people whom the training has not seen, before made-up cameras, as keypoints with a
detector's errors; each kind of shift changes one thing to what the training hardly had or never. They go the way that
`run` goes, with the focal length that is guessed from the picture's size. Prints the table of docs/methods/dynaboa.md
and writes every clip's errors to --out.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.datasets.mocap import NO_VARIATIONS, Cameras, KeypointNoise, MocapConfig, MocapSource
from anthropose.evaluate.mocap import KnownClip, clip_of, frames_found, truth_of
from anthropose.evaluate.mocap_errors import errors_of
from anthropose.methods.base import make_method
from anthropose.methods.dynaboa import KEYPOINTS, WINDOW_PRESETS, DynaBOA, DynaBOAOptions, WindowConfig
from anthropose.methods.overrides import overridden
from anthropose.motion import Motion
from anthropose.nn.checkpoints.stored import read_header
from anthropose.writing import whole_file

SEED = 606
SHIFTS: dict[str, dict[str, Any]] = {
    "as in training": {},
    "long lens, 2.5 to 5 diagonals": {"cameras": Cameras(focal=(2.5, 5.0))},
    "wide lens, 0.3 to 0.45 diagonals, near": {"cameras": Cameras(focal=(0.3, 0.45), tall=(0.6, 1.2))},
    "camera 4 to 6 m up": {
        "cameras": Cameras(height=(5.0, 0.5), heights=(4.0, 6.0), tilted=0.0, elevation=(-25, 85), tall=(0.4, 1.2))
    },
    "from steeply above, 50 to 80 degrees": {"cameras": Cameras(tilted=1.0, elevation=(50.0, 80.0))},
    "from below, -45 to -30 degrees": {"cameras": Cameras(tilted=1.0, elevation=(-45.0, -30.0), lowest=-9.0)},
    "camera rolled by 20 degrees or so": {"cameras": Cameras(roll=20.0, most_roll=40.0)},
    "bodies three times as varied": {"variations": replace(NO_VARIATIONS, stature=3.0)},
    "10 frames a second": {"rate": 10.0},
    "60 frames a second": {"rate": 60.0},
    "three times the noise": {"noise": KeypointNoise(size=3.0)},
}


def clips(shift: dict[str, Any], data: Path, split: str, count: int, frames: int, body: BodyModel) -> list[KnownClip]:
    """Clips of one kind, the same every time."""
    plain: dict[str, Any] = {"split": split, "everyday": 0.0, "variations": NO_VARIATIONS}
    source = MocapSource(data, body, MocapConfig(**{**plain, **shift}))
    return list(_known(source, count, frames, body))


def _known(source: MocapSource, count: int, frames: int, body: BodyModel) -> Iterator[KnownClip]:
    for step in range(count):
        batch = source.batch(SEED, step, 1, frames)
        rows = frames_found(batch.keypoints[0])
        rows = rows[batch.within[0, rows]]
        if len(rows) > 2:
            clip = clip_of(batch, 0, rows)
            yield KnownClip(batch.names[0], "", clip, truth_of(batch, 0, body, clip.track))


def compared(method: Any, known: KnownClip, body: BodyModel) -> tuple[float, float, float, float, int]:
    """MPJPE, PA-MPJPE and the acceleration's error [mm], milliseconds of one thread per frame, and frames."""
    start = time.process_time()
    motion: Motion = method.reconstruct(known.clip)
    spent = 1000 * (time.process_time() - start) / len(known)
    errors = errors_of(motion, known.truth, body, known.name, "", 10_000)
    acceleration = errors.acceleration_error
    jerk = float("nan") if acceleration is None or len(acceleration) == 0 else float(acceleration.mean())
    return float(errors.mpjpe.mean()), float(errors.pa_mpjpe.mean()), jerk, spent, len(known)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cmu"))
    parser.add_argument("--split", choices=["val", "test"], default="test")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--shifts", nargs="*", default=list(SHIFTS), metavar="NAME", help="or the beginning of one")
    parser.add_argument(
        "--try", dest="tries", nargs="*", default=[], metavar="PRESET or name=value,...", help="other settings"
    )
    parser.add_argument("--out", type=Path, default=Path("out/adaptation.json"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    body = load_body("free")
    weights, system = str(chosen.weights), read_header(chosen.weights).system
    tried = {"adapted": KEYPOINTS} | {text: changed(text) for text in chosen.tries}
    methods = {"before": make_method(system, body, weights)}
    methods |= {
        name: cast(Any, DynaBOA(body, weights, options=DynaBOAOptions(windows=config)))
        for name, config in tried.items()
    }
    found: dict[str, dict[str, list[tuple[float, ...]]]] = {}
    print(f"| kind of clip | {' | '.join(methods)} | ms per frame | better in |")
    print(f"|---|{'---|' * (len(methods) + 2)}")
    for name in [one for one in SHIFTS if any(one.startswith(wanted) for wanted in chosen.shifts)]:
        known = clips(SHIFTS[name], chosen.data, chosen.split, chosen.clips, chosen.frames, body)
        found[name] = {key: [compared(method, one, body) for one in known] for key, method in methods.items()}
        print(line(name, found[name]), flush=True)
        with whole_file(chosen.out) as part:
            part.write_text(json.dumps(found, indent=1))


def changed(text: str) -> WindowConfig:
    """A preset by its name, or the usual settings with some changed: name=value,name=value."""
    if text in WINDOW_PRESETS:
        return WINDOW_PRESETS[text]
    return overridden(KEYPOINTS, dict(pair.split("=", 1) for pair in text.split(",")))


def line(name: str, rows: dict[str, list[tuple[float, ...]]]) -> str:
    """A row of the table: MPJPE / PA-MPJPE of each, means over clips; the cost of the last and where it is better."""
    means = {key: np.nanmean(np.array(values), axis=0) for key, values in rows.items()}
    cells = [f"{mean[0]:.1f} / {mean[1]:.1f} / {mean[2]:.1f}" for mean in means.values()]
    before, after = np.array(rows["before"]), np.array(list(rows.values())[-1])
    better = f"{(after[:, 0] < before[:, 0]).sum()}, {(after[:, 1] < before[:, 1]).sum()} of {len(after)}"
    return f"| {name} | {' | '.join(cells)} | {list(means.values())[-1][3]:.0f} | {better} |"


if __name__ == "__main__":
    main()
