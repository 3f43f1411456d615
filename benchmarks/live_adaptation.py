"""Whether adaptation helps a live session: errors of a stream with and without it, by how a clip differs from training.

    python benchmarks/live_adaptation.py [--weights FILE] [--every 1.0] [--seconds 15] [--clips 6] [--shifts NAME ...]

The clips of benchmarks/adaptation.py, longer, frame by frame as from a camera of 10 frames a second; a step is made
every so many seconds, as on a machine that finds the time for it. Errors are those of the second half, when the network
has had time to learn.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from adaptation import SHIFTS, changed, clips

from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.evaluate.mocap import KnownClip
from anthropose.evaluate.mocap_errors import errors_of
from anthropose.live.adapting import AdaptingMethod, AdaptingStreamer
from anthropose.methods.base import make_method
from anthropose.methods.dynaboa import KEYPOINTS, WindowConfig
from anthropose.methods.streaming import Streamer, StreamingMethod
from anthropose.motion import BodyPose, Motion
from anthropose.skeleton import SMPL_24

RATE = 10.0


class Punctual(AdaptingMethod):
    """Adapts at once where a live session does it when there is time."""

    def __init__(self, method: StreamingMethod, body: BodyModel, config: WindowConfig, every: float) -> None:
        super().__init__(method, body, config)
        self.every, self.undone, self.steps = every, 0, 0
        self.learning.offer = self._learn  # type: ignore[method-assign]

    def stream(self, skeleton: Any, camera: Any) -> Streamer:
        streamer = super().stream(skeleton, camera)
        assert isinstance(streamer, AdaptingStreamer)
        streamer._every = self.every
        return streamer

    def _learn(self, person: AdaptingStreamer, window: Any) -> None:
        with torch.enable_grad():
            learnt = person.learn(window)
        self.steps, self.undone = self.steps + learnt.steps, self.undone + learnt.undone


def streamed(method: StreamingMethod, known: KnownClip, body: BodyModel) -> Motion:
    """What a live session would show, before it is smoothed."""
    clip, track = known.clip, known.clip.track
    assert track.keypoints is not None
    assert track.skeleton is not None
    stream = method.stream(track.skeleton, clip.camera)
    rows = zip(track.keypoints, track.boxes, clip.seconds.tolist(), strict=True)
    found = [stream.step(keypoints, box.float(), seconds) for keypoints, box, seconds in rows]
    return Motion(
        track=track,
        skeleton=SMPL_24,
        fps=clip.fps,
        seconds=clip.seconds,
        camera=clip.camera,
        joints=torch.stack([one.joints for one in found]),
        translation=torch.stack([one.translation for one in found]),
        body=BodyPose(*(torch.stack([getattr(one.body, part) for one in found]) for part in ("rotations", "betas"))),
        body_model=body.name,
        method="live",
    )


def later_errors(method: StreamingMethod, known: KnownClip, body: BodyModel) -> tuple[float, float]:
    """MPJPE and PA-MPJPE [mm] of the second half."""
    errors = errors_of(streamed(method, known, body), known.truth, body, known.name, "", 10_000)
    half = len(errors.mpjpe) // 2
    return float(errors.mpjpe[half:].mean()), float(errors.pa_mpjpe[half:].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="free-parallel-branch")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cmu"))
    parser.add_argument("--every", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--shifts", nargs="*", default=list(SHIFTS), metavar="NAME", help="or the beginning of one")
    parser.add_argument("--split", choices=["val", "test"], default="test")
    parser.add_argument("--try", dest="tries", nargs="*", default=[], metavar="PRESET or name=value,...")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    body = load_body("free")
    tried = {"adapted": KEYPOINTS} | {text: changed(text) for text in chosen.tries}
    method: Any = make_method("parallel-branch", body, chosen.weights)
    print(f"| kind of clip | before | {' | '.join(tried)} |\n|---|---|{'---|' * len(tried)}")
    for name in [one for one in SHIFTS if any(one.startswith(wanted) for wanted in chosen.shifts)]:
        frames = round(chosen.seconds * SHIFTS[name].get("rate", RATE))
        known = clips({"rate": RATE, **SHIFTS[name]}, chosen.data, chosen.split, chosen.clips, frames, body)
        known = [one for one in known if len(one) > frames // 2]
        before = np.array([later_errors(method, one, body) for one in known])
        cells = [f"{before.mean(0)[0]:.1f} / {before.mean(0)[1]:.1f}"]
        for config in tried.values():
            adapting = Punctual(method, body, config, chosen.every)
            after = np.array([later_errors(adapting, one, body) for one in known])
            better = [int((after[:, part] < before[:, part]).sum()) for part in (0, 1)]
            cells.append(f"{after.mean(0)[0]:.1f} / {after.mean(0)[1]:.1f}, better in {better[0]}, {better[1]} ")
            cells[-1] += f"of {len(known)}; {adapting.steps} steps, {adapting.undone} taken back"
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
