"""What refining would win if it were known how far off each learnt joint is: python benchmarks/uncertainty.py WEIGHTS.

A network can at best guess it; here the truth says it, smoothed over half a second, so that nothing can win more. On
pieces of motion capture as in `benchmarks/refine.py`, by the same measures.
"""

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch
from jaxtyping import Float
from refine import HEAD, errors
from torch import Tensor

from anthropose.body.files import load_body
from anthropose.datasets.mocap import MocapConfig, MocapSource
from anthropose.evaluate.mocap import KnownClip, recorded_clips
from anthropose.evaluate.mocap_errors import common_rows
from anthropose.geometry.rotations import rotmat_to_rotvec
from anthropose.methods.base import make_method
from anthropose.methods.smplify import SMPLify
from anthropose.methods.smplify.figure import TURNING
from anthropose.methods.smplify.warm_terms import Learnt
from anthropose.motion import Motion
from anthropose.nn.checkpoints.stored import read_header

FRAMES = 15
"""Over which the errors are averaged."""
LEAST, MOST = 0.4, 2.5
"""How much surer or less sure than usual a joint can be."""


@dataclass(frozen=True)
class Known(Learnt):
    """Learnt poses of which it is known how far off they are."""

    unsure: Float[Tensor, "n j"] | None = None
    """In multiples of what is usual for the joint."""

    def __getitem__(self, index: slice | Tensor) -> "Known":
        assert self.unsure is not None
        return Known(self.rotations[index], self.unsure[index])

    @property
    def deviations(self) -> Float[Tensor, "*n j"]:
        assert self.unsure is not None
        return super().deviations * self.unsure


def off(motion: Motion, truth: Motion) -> Float[Tensor, "n j"]:
    """By what angle the joints that turn are off [rad]; 0.2 in frames of which there is no truth."""
    assert motion.body is not None
    assert truth.body is not None
    ours, theirs = common_rows(motion.track.frames, truth.track.frames)
    angles = torch.full((len(motion), 24), 0.2)
    between = motion.body.rotations[ours].mT @ truth.body.rotations[theirs]
    angles[ours] = rotmat_to_rotvec(between).norm(dim=-1)
    held = torch.cat([angles[:1]] * (FRAMES // 2) + [angles] + [angles[-1:]] * (FRAMES // 2))
    return held.unfold(0, FRAMES, 1).mean(-1).clamp_min(0.02)[:, list(TURNING)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cmu"))
    parser.add_argument("--every", type=int, default=3, help="only every so many motions")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    body = load_body("free")
    source = MocapSource(arguments.data, body, MocapConfig(split="val", everyday=0.0))
    method = make_method(read_header(arguments.weights).system, body, str(arguments.weights))
    cases = [(known, method.reconstruct(known.clip)) for known in recorded_clips(source, 100, arguments.every)]
    true = [off(motion, known.truth) for known, motion in cases]
    usual = torch.cat(true).log().mean(0)
    plain = SMPLify(body)

    def refined(known: KnownClip, motion: Motion, errors_of_joints: Tensor) -> Motion:
        unsure = (errors_of_joints.log() - usual).exp().clamp(LEAST, MOST)
        with patch("anthropose.methods.smplify.fit.Learnt", partial(Known, unsure=unsure)):
            return plain.refine(motion, known.clip)

    ways = {
        "learnt": [motion for _, motion in cases],
        "refined": [plain.refine(motion, known.clip) for known, motion in cases],
        "refined, the errors known": [refined(*case, of) for case, of in zip(cases, true, strict=True)],
    }
    print(f"{HEAD.rpartition(' frames/s')[0]}\n|---|---|---|---|---|")
    for name, found in ways.items():
        rows = torch.tensor([errors(motion, known.truth) for motion, (known, _) in zip(found, cases, strict=True)])
        print(f"| {name} | " + " | ".join(f"{value:.1f}" for value in rows.nanmean(0).tolist()) + " |")


if __name__ == "__main__":
    main()
