"""Trainings of a minute in all that end with less loss and less error than a mean pose, and with weights that run."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from anthropose import cli
from anthropose.motion import Motion
from anthropose.synthetic.captures import write_captures
from anthropose.train import Options
from anthropose.train.command import train_preset
from anthropose.train.logs import read_log
from anthropose.train.options import Changes, Sources
from anthropose.video import VideoWriter

EASIER = (
    *(f"mocap.noise.{name}=0" for name in ("swapped", "swapped_front", "gross", "outside")),
    "mocap.noise.size=0.3",
    *(f"mocap.variations.{name}=0" for name in ("wandering", "unusual")),
    "mocap.cameras.close=0",
    "mocap.everyday=0",
)
SURE = ("mocap.noise.missing=0", "mocap.noise.hidden=0")
CHANGES = {
    "rie": Changes(epochs=3, batch=128, learning_rate=1e-3, set=("sequences=512", "sequence=10", *EASIER)),
    "tcmr": Changes(
        epochs=3, iterations=80, window=8, learning_rate=1e-3, set=("network.front_end.hidden=128", *EASIER, *SURE)
    ),
}
"""What makes the small trainings smaller still, and the detector better than any is."""


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_captures(tmp_path_factory.mktemp("captures") / "made-up", train=60, val=8, test=1, seconds=6.0)


@pytest.mark.slow
@pytest.mark.parametrize("method", CHANGES)
def test_a_small_training_beats_the_mean_pose_and_its_weights_run(
    method: str, captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    sources = Sources(mocap=(captures,))
    weights = train_preset(method, "mocap-small", folder, sources, CHANGES[method], Options("cpu", log_every=5))
    rows = read_log(folder / "log.csv")
    last = [row for row in rows if row["stage"] == rows[-1]["stage"]]
    losses = [row["loss"] for row in last if "loss" in row]
    assert np.mean(losses[-3:]) < 0.75 * losses[0], "the loss falls"
    errors = [row["validation/pa_mpjpe"] for row in rows if "validation/pa_mpjpe" in row]
    mean_pose = json.loads((folder / "config.json").read_text())["config"]["mean_pose"]["pa_mpjpe"]
    assert min(errors) == errors[-1] < 0.93 * mean_pose, "the last epoch is the best, and better than a mean pose"
    assert errors[0] > 1.1 * errors[-1], "and than the first"

    video = tmp_path / "clip.mp4"
    with VideoWriter(video, (160, 120), 30.0) as writer:
        for shade in range(9):
            writer.write(np.full((120, 160, 3), 40 + shade, np.uint8))
    words = ["run", video, "--method", method, "--weights", weights, "--out", tmp_path / "out", "--no-overlay"]
    words += ["--no-report", "--export", "bvh", "--detector", "tests.fakes:OnePerson"]
    monkeypatch.setattr(sys, "argv", ["anthropose", *map(str, words)])
    cli.main()
    motion = Motion.load(tmp_path / "out" / "person-00.npz")
    assert len(motion) == 9
    assert motion.weights == weights.stem
    assert motion.joints.isfinite().all()
    assert (motion.body is None) == (method == "rie")
