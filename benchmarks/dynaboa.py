"""Time per frame of DynaBOA's adaptation: passes shared where they can be, against the published order of passes.

`python benchmarks/dynaboa.py [--threads 1] [--frames 8]` runs the published sizes with random weights on noise, for the
clip preset (no exemplars) and for 3DPW's (exemplars), with one main update a frame and with further ones, and says how
far apart the two ways' predictions come out. A few minutes. Processor time is what the ratio is of: on a busy machine
the clock on the wall measures the others.
"""

import argparse
import resource
import time
from dataclasses import dataclass, replace
from statistics import median

import torch
from torch import Tensor

from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.body.prior import GaussianMixturePrior
from anthropose.methods.dynaboa import PRESETS, Adaptation, AdaptationConfig, BaseModel
from anthropose.methods.dynaboa.exemplars import InOrder
from anthropose.methods.dynaboa.losses import Exemplar
from anthropose.motion import Prediction

WARM_UP = 2
"""Frames that are not measured; motion is measured from frame to frame here, so that it counts from then on."""


def frame(number: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(number)
    keypoints = torch.rand(1, 49, 3, generator=generator) - 0.5
    keypoints[..., 2] = 1.0
    return torch.randn(1, 3, 224, 224, generator=generator), keypoints


def exemplar() -> Exemplar:
    image, keypoints = frame(1000)
    return Exemplar(image, keypoints, torch.ones(1, 24, 4), torch.zeros(1, 24, 3), torch.zeros(1, 10))


@dataclass(frozen=True)
class Measured:
    """Median seconds per frame, and the predictions."""

    wall: float
    processor: float
    found: list[Prediction]


def measure(
    network: BaseModel, body: BodyModel, prior: GaussianMixturePrior, config: AdaptationConfig, frames: int
) -> Measured:
    exemplars = InOrder([exemplar()]) if config.lower.labelled else None
    adaptation = Adaptation(network, body, prior, config, exemplars)
    wall, processor, found = [], [], []
    for number in range(WARM_UP + frames):
        image, keypoints = frame(number)
        start = time.perf_counter(), time.process_time()
        found.append(adaptation.adapt(image, keypoints).prediction)
        wall.append(time.perf_counter() - start[0])
        processor.append(time.process_time() - start[1])
    return Measured(median(wall[WARM_UP:]), median(processor[WARM_UP:]), found)


def apart(ours: list[Prediction], theirs: list[Prediction]) -> float:
    pairs = zip(ours, theirs, strict=True)
    return max(float((a.pose.rotations - b.pose.rotations).abs().max()) for a, b in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--frames", type=int, default=8)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    network, body, prior = BaseModel().eval(), load_body("free"), GaussianMixturePrior.load()
    print("threads  preset  further | published order: wall, processor | shared: wall, processor | ratio | apart")
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        for preset in ("clip", "3dpw"):
            for further in (0, 2):
                # A threshold below zero never ends a frame before the limit: the number of updates is the same always.
                config = replace(
                    PRESETS[preset], interval=1, guard=False, most_steps=further, threshold=-1.0 if further else 2.0
                )
                plain = measure(network, body, prior, replace(config, share_passes=False), arguments.frames)
                shared = measure(network, body, prior, config, arguments.frames)
                print(
                    f"{threads:7}  {preset:6}  {further:7} | {plain.wall:20.2f} s {plain.processor:8.2f} s"
                    f" | {shared.wall:11.2f} s {shared.processor:8.2f} s | {plain.processor / shared.processor:5.2f}"
                    f" | {apart(shared.found, plain.found):.0e}",
                    flush=True,
                )
    guarded = measure(network, body, prior, replace(PRESETS["clip"], threshold=2.0), arguments.frames)
    print(f"clip preset as it is, no further updates: {guarded.wall:.2f} s, processor {guarded.processor:.2f} s")
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


if __name__ == "__main__":
    main()
