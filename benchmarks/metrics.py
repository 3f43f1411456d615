"""How long metrics take: PA-MPJPE of many poses at once beside a loop over poses with numpy, as published code has it.

    python benchmarks/metrics.py [--poses 100000] [--joints 14] [--threads N]

The loop is what the VIBE family and VideoPose3D's successors do for each pose: centre, SVD of a 3 x 3 matrix, sign,
scale, rotate. Both are given the same poses in one process, turn by turn, and must give the same errors.
"""

import argparse
import os
import time
from collections.abc import Callable

import numpy as np
import torch

from anthropose.evaluate.bootstrap import Sample, interval
from anthropose.evaluate.pck import pose_errors, shares_of_frames
from anthropose.metrics import acceleration_error, mpjpe, pa_mpjpe, scaled_mpjpe

ROUNDS = 3


def loop(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The errors pose by pose, each aligned by its own SVD."""
    return np.array([aligned_error(ours, theirs) for ours, theirs in zip(predicted, target, strict=True)])


def aligned_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Mean distance of the joints of one pose after the best rotation, scale and shift."""
    a, b = ours - ours.mean(0), theirs - theirs.mean(0)
    u, s, vt = np.linalg.svd(a.T @ b)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))], a.dtype)
    rotation = (vt.T * sign) @ u.T
    scale = (s * sign).sum() / (a**2).sum()
    return float(np.linalg.norm(scale * a @ rotation.T - b, axis=1).mean())


def poses(count: int, joints: int) -> tuple[np.ndarray, np.ndarray]:
    """Poses [m] and predictions of them that are turned, scaled, shifted and noisy; some mirrored."""
    rng = np.random.default_rng(0)
    target = rng.normal(0, 0.4, (count, joints, 3))
    turn, _ = np.linalg.qr(rng.normal(size=(count, 3, 3)))
    predicted = 1.1 * target @ turn + rng.normal(0, 0.05, target.shape) + rng.normal(size=(count, 1, 3))
    return predicted.astype(np.float32), target.astype(np.float32)


def timed(run: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--poses", type=int, default=100_000)
    parser.add_argument("--joints", type=int, default=14)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    predicted, target = poses(options.poses, options.joints)
    ours, theirs = torch.from_numpy(predicted), torch.from_numpy(target)
    rows = {
        "PA-MPJPE, numpy, pose by pose": lambda: loop(predicted, target),
        "PA-MPJPE, all at once": lambda: pa_mpjpe(ours, theirs),
        "MPJPE": lambda: mpjpe(ours, theirs),
        "N-MPJPE": lambda: scaled_mpjpe(ours, theirs),
        "acceleration error": lambda: acceleration_error(ours, theirs),
    }
    if options.joints == 17:
        valid = torch.ones(options.poses, dtype=torch.bool)
        rows["PCK and AUC of each frame"] = lambda: shares_of_frames(pose_errors(1000 * ours, 1000 * theirs, valid))
    sample = Sample(np.random.default_rng(0).normal(50.0, 5.0, 37), np.full(37, 1000))
    rows["interval, 10,000 draws of 37 sequences"] = lambda: interval(sample)
    best = dict.fromkeys(rows, float("inf"))
    for _ in range(ROUNDS):
        for name, run in rows.items():
            best[name] = min(best[name], timed(run))
    gap = np.abs(loop(predicted, target) - pa_mpjpe(ours, theirs).numpy()).max()
    print(f"{options.poses:,} poses of {options.joints} joints, {options.threads} threads, best of {ROUNDS}")
    for name, seconds in best.items():
        print(f"{name:<40} {1000 * seconds:>10.1f} ms  {options.poses / seconds:>14,.0f} poses/s")
    first, second = list(best.values())[:2]
    print(f"all at once is {first / second:.1f} times as fast; largest difference of one pose {1000 * gap:.6f} mm")


if __name__ == "__main__":
    main()
