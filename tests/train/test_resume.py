import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anthropose.errors import UserError
from anthropose.jobs import Job
from anthropose.train import Options, train
from anthropose.train.checkpoints import read_checkpoint
from tests.train.small import JOBS, one, plain, two, weights
from tests.train.test_loop import log_of

ROOT = Path(__file__).parents[2]


def start(job: str, folder: Path, *options: str) -> subprocess.Popen[str]:
    """A training in a process of its own."""
    command = [sys.executable, "-m", "tests.train.small", job, str(folder), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def wait_for(step: int, folder: Path, process: subprocess.Popen[str]) -> None:
    """Waits until a training's log has a step."""
    end = time.monotonic() + 120
    while not (folder / "log.csv").exists() or not any(row["step"] == str(step) for row in log_of(folder)):
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.01)


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors that a run ended with."""
    files = {path.name: read_checkpoint(path)["state"] for path in folder.glob("best-*.pt")}
    files["published"] = weights(folder / "small-one.safetensors")
    return {f"{name} {key}": value for name, state in files.items() for key, value in state.items()}


def learned(folder: Path) -> list[dict[str, str]]:
    """The log without what the clock says."""
    clocked = ("seconds", "samples_per_second", "waiting")
    return [{key: value for key, value in row.items() if key not in clocked} for row in log_of(folder)]


def assert_same(one: Path, other: Path) -> None:
    ours, theirs = state_of(one), state_of(other)
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        assert torch.equal(value, theirs[key]), key
    assert learned(one) == learned(other)


@pytest.mark.slow
def test_a_training_that_was_killed_goes_on_as_if_it_had_not_been(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, killed, step = tmp_path / "whole", tmp_path / "killed", 13
    train(one(), whole, Options(device="cpu", save_every=3, log_every=1))
    process = start("one", killed, "save_every=3", "log_every=1", "pause=0.1")
    wait_for(step, killed, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    position = read_checkpoint(killed / "checkpoint.pt")["position"]
    assert 0 < position["step"] <= step + 1, "it was killed in the middle"
    assert position["batch"] % 3 == 0, "the checkpoint is of the middle of an epoch"
    train(one(), killed, Options(device="cpu", save_every=3, log_every=1))
    assert f"going on from step {position['step']}" in capsys.readouterr().err
    assert_same(whole, killed)


class Stop(Exception):
    """Stands for whatever ends a process."""


def stopped_after(steps: int, make: Callable[[], Job], folder: Path, options: Options) -> None:
    """A training that ends with an exception in its step number `steps`, counted from 1."""
    left = [steps]
    job = make()

    def stage_with_end(loss):
        def ends(batch):
            left[0] -= 1
            if not left[0]:
                raise Stop
            return loss(batch)

        return ends

    job = replace(job, stages=tuple(replace(stage, loss=stage_with_end(stage.loss)) for stage in job.stages))
    with pytest.raises(Stop):
        train(job, folder, options)


@pytest.mark.parametrize("make", JOBS.values(), ids=JOBS)
@pytest.mark.parametrize("steps", [9, 20])
def test_wherever_a_training_ends_it_goes_on_the_same(make: Callable[[], Job], steps: int, tmp_path: Path) -> None:
    options = Options(device="cpu", log_every=1, save_every=4)
    train(make(), tmp_path / "whole", options)
    stopped_after(steps, make, tmp_path / "stopped", options)
    train(make(), tmp_path / "stopped", options)
    assert_same(tmp_path / "whole", tmp_path / "stopped")
    assert len(json.loads((tmp_path / "stopped" / "config.json").read_text())["starts"]) == 2


def test_ctrl_c_finishes_the_step_writes_a_checkpoint_and_says_how_to_go_on(tmp_path: Path) -> None:
    train(one(), tmp_path / "whole", Options(device="cpu", log_every=1))
    job = one()
    stage = job.stages[0]

    def interrupts(batch):
        if batch.names[0] == "sequence-4-0":
            signal.raise_signal(signal.SIGINT)
        return stage.loss(batch)

    before = signal.getsignal(signal.SIGINT)
    job = replace(job, stages=(replace(stage, loss=interrupts),))
    with pytest.raises(KeyboardInterrupt, match=r"at step 5 \(epoch 1 of 3\).*checkpoint.pt is written, run the same"):
        train(job, tmp_path / "stopped", Options(device="cpu", log_every=1))
    assert signal.getsignal(signal.SIGINT) is before
    assert read_checkpoint(tmp_path / "stopped" / "checkpoint.pt")["position"]["step"] == 5
    assert (tmp_path / "stopped" / "curve.png").exists()
    train(one(), tmp_path / "stopped", Options(device="cpu", log_every=1))
    assert_same(tmp_path / "whole", tmp_path / "stopped")


@pytest.mark.slow
def test_sigterm_from_outside_does_the_same(tmp_path: Path) -> None:
    process = start("plain", tmp_path, "log_every=1", "pause=0.1")
    wait_for(3, tmp_path, process)
    process.send_signal(signal.SIGTERM)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130, error
    assert "run the same command again to go on" in error
    assert read_checkpoint(tmp_path / "checkpoint.pt")["position"]["step"] >= 3


def test_a_checkpoint_of_another_method_is_refused(tmp_path: Path) -> None:
    train(plain(epochs=1), tmp_path, Options(device="cpu"))
    other = replace(plain(epochs=1), method="glot", preset="table1-3dpw")
    with pytest.raises(UserError, match=r"is of a training of small one, not of glot table1-3dpw; choose"):
        train(other, tmp_path, Options(device="cpu"))


def test_a_checkpoint_of_another_configuration_is_refused_and_the_difference_told(tmp_path: Path) -> None:
    train(plain(epochs=1), tmp_path, Options(device="cpu"))
    before = (tmp_path / "checkpoint.pt").read_bytes()
    other = replace(plain(epochs=1), config={"width": 9, "depth": 2})
    with pytest.raises(UserError, match=r"config.width was 8 and is 9; config.depth was absent and is 2"):
        train(other, tmp_path, Options(device="cpu"))
    with pytest.raises(UserError, match=r"stages\[0\].epochs was 1 and is 2"):
        train(plain(epochs=2), tmp_path, Options(device="cpu"))
    with pytest.raises(UserError, match="precision was float32 and is bfloat16"):
        train(plain(epochs=1), tmp_path, Options(device="cpu", precision="bfloat16"))
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "foreign"])
def test_a_damaged_checkpoint_is_one_clear_line(damage: str, tmp_path: Path) -> None:
    train(plain(epochs=1), tmp_path, Options(device="cpu"))
    path = tmp_path / "checkpoint.pt"
    content = path.read_bytes()
    if damage == "foreign":
        torch.save({"gen_state_dict": {}}, path)
    else:
        path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "text": b"weights"}[damage])
    with pytest.raises(UserError, match="no checkpoint of a training") as raised:
        train(plain(epochs=1), tmp_path, Options(device="cpu"))
    assert "\n" not in str(raised.value)


def test_a_checkpoint_that_asks_for_code_is_refused(tmp_path: Path) -> None:
    train(plain(epochs=1), tmp_path, Options(device="cpu"))
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(marker),)

    torch.save({"format": "anthropose-run/1", "evil": Evil()}, tmp_path / "checkpoint.pt")
    with pytest.raises(UserError, match="no checkpoint of a training"):
        train(plain(epochs=1), tmp_path, Options(device="cpu"))
    assert not marker.exists()


def test_what_an_interrupted_run_logged_after_its_checkpoint_is_forgotten(tmp_path: Path) -> None:
    stopped_after(14, two, tmp_path, Options(device="cpu", log_every=1))
    assert max(int(row["step"]) for row in log_of(tmp_path)) == 13
    train(two(), tmp_path, Options(device="cpu", log_every=1))
    steps = [int(row["step"]) for row in log_of(tmp_path) if row["loss"]]
    assert steps == list(range(1, 33))
