"""How long a network takes over a whole track: our shared path beside each window by itself, in the same run.

    python benchmarks/whole_track.py [--methods NAME ...] [--frames 300] [--threads 1 2] [--device cuda]

The weights are random, in the published sizes. Columns, in seconds:

- apart: `window_by_window`, a forward pass for each window. VIBE and Parallel-Branch are given the track as one
  sequence, as in their demos, where there is but one pass; and in parts of 16 frames, as in their evaluations.
- by 64: the same windows, 64 at a time, as the published demos of TCMR and GLoT take them.
- bodies: what the published networks compute beside: the vertices of SMPL's surface in every forward pass, as often as
  they do. Measured with our own skinning, which is faster than theirs. It comes on top of apart or of by 64.
- ours: `over_track`; no vertices. bodies once: the vertices of every frame, for those who ask for them.
- difference: the largest between apart and ours, in any output, over 1 + the largest output.

Turns alternate, and the fastest counts: whatever else the machine does only adds time.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from anthropose.body.model import BodyModel
from anthropose.body.results import vertices_of
from anthropose.datasets.windows import centred_windows
from anthropose.methods.glot import GLoTNetwork
from anthropose.methods.parallel_branch import ParallelBranchConfig, ParallelBranchNetwork
from anthropose.methods.rie import RIEConfig, RIENetwork
from anthropose.methods.tcmr import TCMRNetwork
from anthropose.methods.vibe import VIBENetwork
from anthropose.motion import BodyPose, Prediction
from anthropose.nn.compute import Compute

VERTICES = 6890
TOGETHER = 64


@dataclass(frozen=True)
class Case:
    """A network in one of its published sizes."""

    make: Callable[[], nn.Module]
    bound: str
    """What ours is bound by."""
    bodies: int = 1
    """Whose surface the published code computes for each frame of the track; 0 where the method has no body."""
    bodies_at_once: int | None = 1
    """In how large batches; None: all of the track."""
    windows: bool = False
    """Whether the frames have a window of 16 around each, of which 64 can be taken at a time."""
    keypoints: bool = False
    part: int | None = None
    """Frames after which a sequence begins anew."""

    @property
    def settings(self) -> dict[str, int]:
        return {} if self.part is None else {"part": self.part}


def parallel_branch(encoder: Literal["gru", "transformer"]) -> nn.Module:
    """As it is run: without the branch that only training has."""
    return ParallelBranchNetwork(ParallelBranchConfig(encoder=encoder, lifting=None))


STEPS = "reading the weights at each step; nothing is shared"
CASES = {
    "tcmr": Case(TCMRNetwork, "recurrent products, different in each window", windows=True),
    "glot": Case(GLoTNetwork, "feed-forward layers, different in each window", bodies=2, windows=True),
    "parallel-branch": Case(lambda: parallel_branch("gru"), STEPS, bodies_at_once=None),
    "parallel-branch/16": Case(lambda: parallel_branch("gru"), "products of matrices", bodies_at_once=16, part=16),
    "parallel-branch/transformer": Case(
        lambda: parallel_branch("transformer"), "feed-forward layers, different in each window", bodies_at_once=16
    ),
    "rie": Case(lambda: RIENetwork(RIEConfig()), "products of matrices", bodies=0, keypoints=True),
    "vibe": Case(VIBENetwork, STEPS, bodies_at_once=None),
    "vibe/16": Case(VIBENetwork, "products of matrices", bodies_at_once=16, part=16),
}


CORRECTIONS = ("to_pose", "to_betas", "to_camera", "limbs")
"""Layers that move a guess of the body. They move it little, as in trained networks: six numbers that stand for a
rotation by chance can be so near to standing for none that rounding turns it."""


def with_random_weights(network: nn.Module) -> nn.Module:
    """Weights that keep the size of what passes through, so that a difference shows in the outputs."""
    torch.manual_seed(0)
    with torch.no_grad():
        for path, module in network.named_modules():
            normalises = isinstance(module, nn.LayerNorm | nn.modules.batchnorm._BatchNorm)
            scale = 0.1 if any(part in path for part in CORRECTIONS) else 1.0
            for name, value in module.named_parameters(recurse=False):
                if value.ndim > 1:
                    value.normal_(std=scale * float(value[0].numel()) ** -0.5)
                elif normalises and name == "weight":
                    value.uniform_(0.9, 1.1)
                else:
                    value.normal_(std=0.1 * scale)
    return network.eval()


def made_body(device: torch.device) -> BodyModel:
    """A body with SMPL's numbers of vertices and of directions of shape and pose."""
    torch.manual_seed(0)
    weights = torch.rand(VERTICES, 24).pow(8)
    return BodyModel(
        name="made-up",
        template=torch.randn(VERTICES, 3),
        shape_basis=0.01 * torch.randn(VERTICES, 3, 10),
        pose_basis=0.001 * torch.randn(207, 3 * VERTICES),
        joint_regressor=torch.rand(24, VERTICES) / VERTICES * 2,
        skinning=weights / weights.sum(1, keepdim=True),
        faces=torch.zeros(0, 3, dtype=torch.long),
        extra_regressor=None,
        h36m_regressor=None,
        picked=torch.arange(21),
    ).to(device)


def seconds(run: Callable[[], object]) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def outputs(result: Prediction | Tensor) -> Tensor:
    """All that a network says of each frame, in a row."""
    if isinstance(result, Tensor):
        return result.flatten(1).float()
    parts = result.camera, result.pose.betas, result.pose.rotations.flatten(1)
    return torch.cat([part.float() for part in parts], dim=1)


def published_bodies(case: Case, body: BodyModel, prediction: Prediction) -> None:
    """The surfaces that the published forward passes compute on the way."""
    frames = len(prediction.camera)
    at_once = case.bodies_at_once or frames
    for k in range(0, frames * case.bodies, at_once):
        rows = torch.arange(k, k + at_once, device=prediction.camera.device) % frames
        pose = BodyPose(prediction.pose.rotations[rows], prediction.pose.betas[rows])
        vertices_of(Prediction(pose, prediction.camera[rows]), body)


def together(network: nn.Module, features: Tensor) -> None:
    for rows in centred_windows(len(features), 16).frames.to(features.device).split(TOGETHER):
        network(features[rows])


def measure(case: Case, frames: int, rounds: int, compute: Compute) -> dict[str, float]:
    """The columns of one row."""
    with compute.running() as device:
        network = with_random_weights(case.make()).to(device)
        torch.manual_seed(1)
        given = torch.randn(frames, 17, 2) * 0.3 if case.keypoints else torch.randn(frames, 2048).relu() * 0.5
        given = given.to(device)
        settings = case.settings
        ours, plain = network.over_track(given, **settings), network.window_by_window(given, **settings)
        turns: dict[str, Callable[[], object]] = {
            "ours": lambda: network.over_track(given, **settings),
            "apart": lambda: network.window_by_window(given, **settings),
        }
        if case.windows:
            turns["by 64"] = lambda: together(network, given)
        if case.bodies:
            body = made_body(device)
            turns["bodies"] = lambda: published_bodies(case, body, plain)
            turns["bodies once"] = lambda: [vertices_of(part, body) for part in _parts(ours)]
        best = dict.fromkeys(turns, float("inf"))
        for _ in range(rounds):
            for name, run in turns.items():
                best[name] = min(best[name], seconds(run))
        a, b = outputs(ours), outputs(plain)
        return best | {"difference": float((a - b).abs().max() / (1 + b.abs().max()))}


def _parts(prediction: Prediction, size: int = 64) -> list[Prediction]:
    rotations, betas, camera = (
        tensor.split(size) for tensor in (prediction.pose.rotations, prediction.pose.betas, prediction.camera)
    )
    return [Prediction(BodyPose(r, b), c) for r, b, c in zip(rotations, betas, camera, strict=True)]


def row(name: str, threads: int, figures: dict[str, float], bound: str) -> str:
    columns = [
        f"{figures[key]:.3f}" if key in figures else "-" for key in ("apart", "by 64", "bodies", "ours", "bodies once")
    ]
    ratios = [figures["apart"] / figures["ours"]]
    ratios.append((figures["apart"] + figures.get("bodies", 0)) / figures["ours"])
    shown = [f"{ratio:.1f}" for ratio in ratios]
    return " | ".join(["", name, str(threads), *columns, *shown, f"{figures['difference']:.0e}", bound, ""]).strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16", "float16"), default="float32")
    options = parser.parse_args()
    print(f"{options.frames} frames, {options.device}, {options.precision}, torch {torch.__version__}\n")
    print("| network | threads | apart | by 64 | bodies | ours | bodies once | apart / ours", end="")
    print(" | (apart + bodies) / ours | difference | ours is bound by |")
    print("|" + "---|" * 11)
    for threads in options.threads:
        torch.set_num_threads(threads)
        for name in options.methods:
            case = CASES[name]
            figures = measure(case, options.frames, options.rounds, Compute(options.device, options.precision))
            print(row(name, threads, figures, case.bound), flush=True)


if __name__ == "__main__":
    main()
