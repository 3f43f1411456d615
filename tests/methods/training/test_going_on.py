"""Trainings that were stopped in the middle of an epoch end where those that were not do, bit for bit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from anthropose.errors import UserError
from anthropose.jobs import Job
from anthropose.synthetic.captures import write_captures
from anthropose.train import Options, train
from tests.methods.training import test_captures, test_jobs


def stopped_at(job: Job, step: int) -> Job:
    """The same job, which fails in a step."""
    (stage,) = job.stages
    steps = 0

    def loss(batch: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == step:
            raise UserError("stopped")
        return stage.loss(batch)

    return replace(job, stages=(replace(stage, loss=loss),))


def published(folder: Path) -> Job:
    """VIBE on small sets in the published layout, against its discriminator."""
    return test_jobs.made("vibe", "without-3dpw", folder / "sets")


def captured(folder: Path) -> Job:
    """TCMR on motion capture."""
    if not (folder / "captures").exists():
        write_captures(folder / "captures", train=4, val=2, test=1, seconds=2.0)
    job = test_captures.made("tcmr", folder / "captures")
    return replace(job, stages=(replace(job.stages[0], epochs=2, iterations=3),))


@pytest.mark.parametrize("made", [published, captured])
def test_a_stopped_training_goes_on_as_if_it_had_not_been(
    made: Callable[[Path], Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    options = Options("cpu", save_every=1, log_every=1)
    whole = load_file(train(made(tmp_path), tmp_path / "whole", options))
    with pytest.raises(UserError, match="stopped"):
        train(stopped_at(made(tmp_path), 5), tmp_path / "parts", options)
    parts = load_file(train(made(tmp_path), tmp_path / "parts", options))
    assert all(torch.equal(parts[key], whole[key]) for key in whole)
