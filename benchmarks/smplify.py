"""SMPLify on motion capture seen through a made-up detector: errors and time, for the start and for the fit.

`python benchmarks/smplify.py --data ../shared/data/cmu` prints a table. The detector's keypoints are off by 2 % of the
person's height, drop out and swap sides now and then; its 3D guess is off by 80 mm and flat in depth.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.body.prior import _rest_from_offsets, carry_over
from anthropose.geometry.alignment import procrustes
from anthropose.geometry.rotations import quat_to_rotmat, rotvec_to_rotmat
from anthropose.methods.smplify import SMPLify
from anthropose.methods.smplify.figure import Figure, State
from anthropose.motion import Camera, Track
from anthropose.people.clip import Clip
from anthropose.skeleton import COCO_17, MEDIAPIPE_33, Skeleton

JOINTS = [1, 2, 4, 5, 7, 8, 12, 15, 16, 17, 18, 19, 20, 21]


@dataclass(frozen=True)
class Case:
    """A clip as a detector saw it, and the truth."""

    name: str
    clip: Clip
    truth: Tensor
    """Joints in the camera (n, 24, 3) [m]."""
    state: State


def make_case(
    body: BodyModel, data: Path, entry: dict, index: dict, skeleton: Skeleton, world: bool, seed: int, frames: int
) -> Case:
    """The motion `entry` before a camera 3 to 6 m away, seen by a noisy detector."""
    make = torch.Generator().manual_seed(seed)
    shard = np.load(data / entry["shard"])
    part = slice(entry["start"], entry["start"] + min(frames, entry["frames"]))
    quat = torch.from_numpy(shard["quat"][part].astype(np.float32))
    rotations = quat_to_rotmat(quat[..., [1, 2, 3, 0]])
    rotations = carry_over(rotations, _rest_from_offsets(index["offsets"]).float(), body.shaped(torch.zeros(10)).joints)
    root = torch.from_numpy(shard["root"][part]) * entry["scale"]
    yaw = rotvec_to_rotmat(torch.tensor([0.0, float(torch.rand(1, generator=make)) * 6.28, 0.0]))
    turn = rotvec_to_rotmat(torch.tensor([0.1, 0.0, 0.0])) @ torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ yaw
    place = root - root.mean(0)
    away = 4.5 + 0.5 * float(torch.randn(1, generator=make)) + place.norm(dim=-1).max() * 0.7
    rotations[:, 0] = turn @ rotations[:, 0]
    betas = torch.randn(10, generator=make) * 0.7
    state = State(rotations, place @ turn.T + torch.tensor([0.3, 0.0, float(away)]), betas)
    figure = Figure(body, skeleton)
    placed = figure.place(state)
    camera = Camera.guess(1280, 720)
    n = len(rotations)
    seconds = torch.arange(n, dtype=torch.float64) / 30
    keypoints, guess = _detected(figure, placed.landmarks, camera, skeleton, make)
    lo, hi = keypoints[..., :2].amin(1), keypoints[..., :2].amax(1)
    track = Track(0, torch.arange(n), torch.cat([lo, hi], 1), keypoints, skeleton, guess if world else None)
    return Case(f"{entry['id']} {entry['title'][:24]}", Clip(track, 30.0, seconds, camera), placed.joints, state)


def _detected(
    figure: Figure, points: Tensor, camera: Camera, skeleton: Skeleton, make: torch.Generator
) -> tuple[Tensor, Tensor]:
    n, k = points.shape[:2]
    pixels = points[..., :2] / points[..., 2:] * camera.focal + torch.tensor(camera.center)
    height = (camera.focal * 1.7 / points[..., 2].mean(1))[:, None, None]
    pixels = pixels + height * (
        0.014 * _slow(torch.randn(n, k, 2, generator=make)) + 0.01 * torch.randn(n, k, 2, generator=make)
    )
    confidence = torch.full((n, k), 0.9)
    lost = _slow(torch.randn(n, k, generator=make), 0.9) > 1.8
    pixels = pixels + lost[..., None] * height * 0.15 * torch.randn(n, k, 2, generator=make)
    confidence = torch.where(lost, 0.3, confidence) * figure.table.valid
    guess = points - points[:, [skeleton.index("left_hip"), skeleton.index("right_hip")]].mean(1, keepdim=True)
    guess = guess * torch.tensor([1.0, 1.0, 0.8]) + 0.05 * _slow(torch.randn(n, k, 3, generator=make), 0.9)
    swapped = _slow(torch.randn(n, generator=make), 0.9) > 2.0
    order = torch.tensor(skeleton.mirror)
    pixels = torch.where(swapped[:, None, None], pixels[:, order], pixels)
    guess = torch.where(swapped[:, None, None], guess[:, order], guess)
    return torch.cat([pixels, confidence[..., None]], -1), guess


def _slow(noise: Tensor, keep: float = 0.8) -> Tensor:
    """The noise with every frame like the one before; its deviation stays 1."""
    out = [noise[0]]
    for now in noise[1:]:
        out.append(keep * out[-1] + (1 - keep**2) ** 0.5 * now)
    return torch.stack(out)


def errors(found: Tensor, truth: Tensor) -> list[float]:
    """MPJPE and PA-MPJPE [mm], acceleration error [mm/frame^2], error of place [mm], over the main joints."""
    place = (found[:, 0] - truth[:, 0]).norm(dim=-1).mean()
    a, b = ((x - x[:, :1])[:, JOINTS] for x in (found, truth))
    aligned = (procrustes(a, b) - b).norm(dim=-1).mean()
    shaken = ((a[2:] - 2 * a[1:-1] + a[:-2]) - (b[2:] - 2 * b[1:-1] + b[:-2])).norm(dim=-1).mean()
    return [1000 * float(x) for x in ((a - b).norm(dim=-1).mean(), aligned, shaken, place)]


CLIPS = ("02_01", "02_03", "02_05", "02_06", "05_02", "05_06", "02_04")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=300)
    arguments = parser.parse_args()
    index = json.loads((arguments.data / "index.json").read_text())
    from anthropose.body.files import load_body

    body = load_body("free")
    run(body, arguments.data, index, arguments.frames)


def run(body, data, index, frames, config=None, cases=CLIPS):
    from anthropose.methods.smplify.fit import gather_evidence
    from anthropose.methods.smplify.start import find_start

    entries = [next(e for e in index["clips"] if e["id"].startswith(c) and e["split"] == "test") for c in cases]
    total = []
    for skeleton, world in ((MEDIAPIPE_33, True), (COCO_17, False)):
        print(
            skeleton.name,
            "with 3D guess" if world else "2D only",
            "| start / fit: MPJPE PA-MPJPE [mm] accel [mm/frame2] place [mm] | s per 300 frames",
        )
        rows = []
        for number, entry in enumerate(entries):
            case = make_case(body, data, entry, index, skeleton, world, number, frames)
            method = SMPLify(body, config)
            figure = Figure(body, skeleton)
            evidence = gather_evidence(figure, case.clip)
            with torch.no_grad():
                s0 = find_start(figure, evidence, method.prior, method.config.weights, skeleton)
            e0 = errors(figure.place(s0.state).joints, case.truth)
            begin = time.perf_counter()
            motion = method.reconstruct(case.clip)
            took = (time.perf_counter() - begin) * 300 / len(case.truth)
            e1 = errors(motion.joints + motion.translation[:, None], case.truth)
            rows.append(e0 + e1 + [took])
            print(
                f"{case.name:34s} n={len(case.truth):3d} "
                + " ".join(f"{v:6.1f}" for v in e0)
                + " | "
                + " ".join(f"{v:6.1f}" for v in e1)
                + f" | {took:5.1f}"
            )
        print("mean".ljust(40), np.round(np.mean(rows, 0), 1))
        total.append(np.mean(rows, 0))
    return np.stack(total)


if __name__ == "__main__":
    main()
