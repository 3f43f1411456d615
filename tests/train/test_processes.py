"""Two processes on one CPU, by gloo: the same training as by one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from anthropose.train import Options, train
from anthropose.train.checkpoints import read_checkpoint
from tests.train.small import SHARED, weights
from tests.train.test_loop import log_of, steps_of

ROOT = Path(__file__).parents[2]
ITSELF = (sys.executable, "-m")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m")


def run_two(launcher: tuple[str, ...], job: str, folder: Path) -> subprocess.CompletedProcess[str]:
    options = ["log_every=1"] + ["devices=2"] * (launcher is ITSELF)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE"):
        environment.pop(name, None)
    command = [*launcher, "tests.train.small", job, str(folder), *options]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        output, error = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # A launcher that is killed leaves its children behind.
        raise
    return subprocess.CompletedProcess(command, process.returncode, output, error)


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "job"), [(ITSELF, "uneven"), (TORCHRUN, "sure")], ids=["itself", "torchrun"])
def test_two_processes_train_as_one_does(launcher: tuple[str, ...], job: str, tmp_path: Path) -> None:
    ended = run_two(launcher, job, tmp_path / "two")
    assert ended.returncode == 0, ended.stderr
    train(SHARED[job](), tmp_path / "one", Options(device="cpu", log_every=1))
    for column in ("loss", "gradient", "rate", "validation/error"):
        expected = steps_of(tmp_path / "one", column)
        assert steps_of(tmp_path / "two", column) == pytest.approx(expected, rel=1e-5), column
        assert len(expected) == (3 if column == "validation/error" else 24)
    terms = [key for key in log_of(tmp_path / "one")[0] if key.startswith("loss/")]
    for term in terms:
        assert steps_of(tmp_path / "two", term) == pytest.approx(steps_of(tmp_path / "one", term), rel=1e-5), term
    ours, theirs = (weights(tmp_path / name / "small-one.safetensors") for name in ("two", "one"))
    for key, value in ours.items():
        torch.testing.assert_close(value, theirs[key], rtol=1e-5, atol=1e-6)
    assert len(read_checkpoint(tmp_path / "two" / "checkpoint.pt")["random"]) == 2
    assert ended.stderr.count("epoch 3 of 3") == 1, "one process speaks for all"


@pytest.mark.slow
def test_what_goes_wrong_in_the_second_process_is_told_by_the_first(tmp_path: Path) -> None:
    ended = run_two(ITSELF, "broken", tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.count("step 12 (epoch 2 of 3)") == 1
    assert "sequence-3-15 (not finite in its x); " in ended.stderr
    assert "state, of step 8" in ended.stderr
    assert "Traceback" not in ended.stderr
