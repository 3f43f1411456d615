"""What refining by keypoints adds to a learnt motion: errors, feet that slide, and speed, on motion capture.

    python benchmarks/refine.py WEIGHTS [--data ../shared/data/cmu] [--split val] [--every 3] [--films FOLDER]

Pieces of motion capture before made-up cameras, as keypoints with a detector's errors; the camera is guessed from the
picture's size, as for any video. With --films also the films that `benchmarks/default_weights.py` keeps in a folder,
found by the built-in detector, with its own 3D guess. Prints a table in Markdown, all of it from this one run.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.datasets.mocap import MocapConfig, MocapSource
from anthropose.evaluate.mocap import KnownClip, recorded_clips
from anthropose.evaluate.mocap_errors import common_rows
from anthropose.evaluate.mocap_film import FILMED, filmed_clips
from anthropose.methods.base import make_method
from anthropose.methods.smplify import SMPLify, SMPLifyConfig, WarmConfig
from anthropose.metrics import acceleration_error, mpjpe, pa_mpjpe
from anthropose.motion import Motion, Track
from anthropose.nn.checkpoints.stored import read_header
from anthropose.people.clip import Clip
from anthropose.progress import silent
from anthropose.reconstruction import find_people
from anthropose.settings import Settings
from anthropose.skeleton import SMPL_24
from anthropose.video import Video
from anthropose.workspace import Workspace

LIMBS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
COMPARED = [SMPL_24.index(f"{side}_{part}") for part in LIMBS for side in ("left", "right")]
COMPARED += [SMPL_24.index("neck"), SMPL_24.index("head")]
FEET = [SMPL_24.index(f"{side}_{part}") for part in ("ankle", "foot") for side in ("left", "right")]
STANDS = 0.1
"""Speed [m/s] below which a true foot stands."""
HEAD = "| | MPJPE [mm] | PA-MPJPE [mm] | acceleration error [mm/frame²] | standing feet slide [mm/s] | frames/s |"
Way = Callable[[Clip, Motion], Motion]
"""From a clip, and what the network made of it, to the motion that is measured."""


def ways_of(body: BodyModel) -> dict[str, Way]:
    """What is compared."""
    plain = SMPLify(body)
    footloose = SMPLify(body, SMPLifyConfig(warm=WarmConfig(rounds=6, standing_rounds=0)))
    return {
        "SMPLify from scratch": lambda clip, motion: plain.reconstruct(clip),
        "learnt": lambda clip, motion: motion,
        "learnt, refined without feet and ground": lambda clip, motion: footloose.refine(motion, clip),
        "learnt, refined": lambda clip, motion: plain.refine(motion, clip),
    }


def errors(found: Motion, truth: Motion) -> list[float]:
    """Means over the frames that both have; not a number where no foot stands."""
    ours, theirs = common_rows(found.track.frames, truth.track.frames)
    joints, true = found.joints[ours], truth.joints[theirs]
    a, b = joints[:, COMPARED], true[:, COMPARED]
    feet = (joints + found.translation[ours][:, None])[:, FEET].diff(dim=0).norm(dim=-1) * found.fps
    stands = (true + truth.translation[theirs][:, None])[:, FEET].diff(dim=0).norm(dim=-1) * found.fps < STANDS
    values = [mpjpe(a, b).mean(), pa_mpjpe(a, b).mean(), acceleration_error(a, b).mean(), feet[stands].mean()]
    return [1000 * float(value) for value in values]


def table(title: str, cases: Sequence[KnownClip], weights: Path, body: BodyModel) -> None:
    """Prints the figures of all ways."""
    method = make_method(read_header(weights).system, body, str(weights))
    begun = time.process_time()
    learnt = [method.reconstruct(case.clip) for case in cases]
    network = time.process_time() - begun
    frames = sum(len(case) for case in cases)
    print(f"\n{title}: {len(cases)} clips, {frames} frames, {weights.stem}\n\n{HEAD}\n|---|---|---|---|---|---|")
    for name, way in ways_of(body).items():
        begun = time.process_time()
        found = [way(case.clip, motion) for case, motion in zip(cases, learnt, strict=True)]
        took = time.process_time() - begun + (network if name.startswith("learnt") else 0.0)
        rows = torch.tensor([errors(motion, case.truth) for motion, case in zip(found, cases, strict=True)])
        figures = " | ".join(f"{value:.1f}" for value in rows.nanmean(0).tolist())
        print(f"| {name} | {figures} | {frames / took:.0f} |", flush=True)


def people_in(video: Video, workspace: Workspace) -> list[Track]:
    """Everyone whom the built-in detector finds in a film."""
    return find_people(video, Settings(), workspace, silent)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cmu"))
    parser.add_argument("--split", choices=("val", "test"), default="val")
    parser.add_argument("--every", type=int, default=3, help="only every so many motions")
    parser.add_argument("--films", type=Path, help="folder of films of the test split")
    parser.add_argument("--count", type=int, default=4, help="of films")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    body = load_body("free")
    source = MocapSource(arguments.data, body, MocapConfig(split=arguments.split, everyday=0.0))
    known = list(recorded_clips(source, longest=100, every=arguments.every))
    table(f"As keypoints, {arguments.split}", known, arguments.weights, body)
    if arguments.films is not None:
        films = filmed_clips(MocapSource(arguments.data, body, FILMED), arguments.films, arguments.count, people_in)
        table("Films", [film.known for film in films if film.known is not None], arguments.weights, body)


if __name__ == "__main__":
    main()
