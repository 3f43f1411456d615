"""What the mean with the mirror image brings: python benchmarks/mirror.py WEIGHTS --mocap FOLDERS [--split val]."""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from anthropose.body import load_body
from anthropose.body.results import result_of
from anthropose.datasets.mocap import MocapSource
from anthropose.geometry.keypoints import mirrored_inputs
from anthropose.methods.base import as_numbers, from_numbers, known_systems
from anthropose.methods.keypoint_fed import mirrored_body
from anthropose.methods.training.figures import rooted_errors
from anthropose.methods.training.small import SHIPPED
from anthropose.motion import BodyPose, Prediction
from anthropose.nn.checkpoints import find_weights, load_network
from anthropose.skeleton import LSP_14

BATCHES, SIZE, WINDOW = 10, 32, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights")
    parser.add_argument("--mocap", nargs="+", type=Path, required=True)
    parser.add_argument("--split", default="val")
    options = parser.parse_args()
    body = load_body()
    systems = known_systems()
    network = load_network(find_weights(options.weights, systems), systems)
    rate = network.config.network.rate
    source = MocapSource(options.mocap, body, replace(SHIPPED, split=options.split, rate=rate))
    order = network.config.front_end.skeleton.mirror

    def joints(prediction: Prediction) -> Tensor:
        return result_of(prediction, body, LSP_14).joints

    found: dict[str, list[Tensor]] = {"straight": [], "in the mirror": [], "mean of both": []}
    wanted = []
    for step in range(BATCHES):
        view = source.batch(5, step, SIZE, WINDOW)
        betas = view.betas[:, None].expand(*view.rotations.shape[:2], 10)
        wanted.append(joints(Prediction(BodyPose(view.rotations, betas), view.crop_camera)))
        with torch.no_grad():
            straight = network(view.inputs)
            turned = mirrored_body(network(mirrored_inputs(view.inputs, order)))
        both = from_numbers((as_numbers(straight) + as_numbers(turned)) / 2)
        for parts, prediction in zip(found.values(), (straight, turned, both), strict=True):
            parts.append(joints(prediction))
    truth = torch.cat(wanted)
    for name, parts in found.items():
        theirs = torch.cat(parts)
        errors = rooted_errors(theirs.flatten(0, 1), truth.flatten(0, 1), LSP_14)
        shaking = (relative(theirs) - relative(truth)).diff(n=2, dim=1).norm(dim=-1).mean() * 1000
        print(
            f"{name}: MPJPE {errors['mpjpe']:.1f} mm, PA-MPJPE {errors['pa_mpjpe']:.1f} mm, acceleration {shaking:.1f}"
        )


def relative(joints: Tensor) -> Tensor:
    """Relative to the mean of the joints of each frame."""
    return joints - joints.mean(-2, keepdim=True)


if __name__ == "__main__":
    main()
