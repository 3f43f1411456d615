import errno
import math
import os
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from anthropose.errors import UserError
from anthropose.jobs import Optimizer
from anthropose.train import Options, train
from anthropose.train.checkpoints import read_checkpoint, write_checkpoint
from tests.train.small import Points, Small, adversarial, batches, job_of, plain, squares, stage_of

CPU = Options(device="cpu", log_every=1)


def broken_at(number: int, value: float, field: str = "y", row: int = 3):
    """Batches of which one has a value that is no number."""

    def made(epoch, share):
        for index, batch in enumerate(batches(epoch, share)):
            if epoch == 1 and index == number:
                getattr(batch, field)[row, 0] = value
            yield batch

    return made


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_stops_with_step_term_and_sequence(value: float, tmp_path: Path) -> None:
    became = "nan" if math.isnan(value) else "inf"
    with pytest.raises(UserError) as raised:
        train(plain(batches=broken_at(2, value)), tmp_path, CPU)
    line = str(raised.value)
    assert f"step 11 (epoch 2 of 3): loss became {became}, loss/first became {became};" in line
    assert "the batch's sequences: sequence-2-3 (not finite in its y);" in line
    assert "holds the last good state, of step 8" in line
    assert "\n" not in line
    saved = read_checkpoint(tmp_path / "checkpoint.pt")
    assert saved["position"]["step"] == 8
    network = saved["learner"]["parts"][0]["network"]
    assert all(value.isfinite().all() for value in network.values())


def test_where_the_batch_is_fine_all_its_sequences_are_named(tmp_path: Path) -> None:
    network = Small()
    job = job_of(stage_of(network, loss=lambda batch: {"root": (network(batch.x).sum() - 1e9).sqrt()}))
    with pytest.raises(UserError, match="loss/root became nan") as raised:
        train(job, tmp_path, CPU)
    assert "sequence-0-0, sequence-0-1, " in str(raised.value)
    assert "sequence-0-11 and 4 more; nothing had been saved yet" in str(raised.value)


def test_a_sum_that_overflows_is_told(tmp_path: Path) -> None:
    network = Small()

    def loss(batch: Points) -> dict[str, torch.Tensor]:
        return {"one": network(batch.x).sum() * 0 + 3e38, "other": network(batch.x).sum() * 0 + 3e38}

    with pytest.raises(UserError, match="loss became inf"):
        train(job_of(stage_of(network, loss=loss)), tmp_path, CPU)


def test_the_adversarys_loss_is_watched_as_well(tmp_path: Path) -> None:
    job = adversarial()
    stage = job.stages[0]

    def loss(batch):
        own, other = stage.loss(batch)
        return own, {**other, "made": other["made"] * math.nan}

    with pytest.raises(UserError, match=r"step 1 .*loss/adversary/made became nan"):
        train(replace(job, stages=(replace(stage, loss=loss),)), tmp_path, CPU)


def test_a_gradient_that_is_no_number_stops_before_it_moves_the_weights(tmp_path: Path) -> None:
    network = Small(0.0, False)
    before = network.second.bias.detach().clone()
    job = job_of(stage_of(network, loss=lambda batch: {"root": (network(batch.x) * 0).sum().abs().sqrt()}))
    with pytest.raises(UserError, match=r"the gradient of first.weight, .* is not finite; the batch's sequences"):
        train(job, tmp_path, CPU)
    assert torch.equal(network.second.bias, before)


def test_a_checkpoint_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        write_checkpoint(small / "checkpoint.pt", {"tensor": torch.ones(10_000)})
        with pytest.raises(UserError, match=r"checkpoint.pt: the disk is full; free some space"):
            write_checkpoint(small / "checkpoint.pt", {"tensor": torch.ones(200_000)})
        assert read_checkpoint(small / "checkpoint.pt")["tensor"].shape == (10_000,)
        assert [path.name for path in small.iterdir()] == ["checkpoint.pt"]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_disk_that_fills_up_while_training_is_one_clear_line(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        job = plain(epochs=500, iterations=20, optimizer=Optimizer(1e-3))
        with pytest.raises(UserError, match="the disk is full; free some space and run the same command again") as why:
            train(job, small / "run", CPU)
        assert "\n" not in str(why.value)
        saved = read_checkpoint(small / "run" / "checkpoint.pt")
        assert saved["position"]["step"] >= 20
        assert not [path for path in (small / "run").iterdir() if ".part" in path.name]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_failure_of_the_disk_is_told_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(UserError, match="no permission to write there"):
        write_checkpoint(tmp_path / "checkpoint.pt", {"tensor": torch.ones(3)})
    assert not list(tmp_path.iterdir())


def test_an_error_while_batches_are_made_reaches_the_caller(tmp_path: Path) -> None:
    def made(epoch, share):
        yield from (batch for _, batch in zip(range(3), batches(epoch, share), strict=False))
        raise UserError("s_01.pkl: its keypoints are cut short")

    for prefetch in (0, 2):
        with pytest.raises(UserError, match=r"s_01\.pkl"):
            train(plain(batches=made), tmp_path / str(prefetch), replace(CPU, prefetch=prefetch))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"devices": 0}, "--devices 0"),
        ({"precision": "float16"}, "--precision float16 needs a GPU"),
        *([] if torch.cuda.is_available() else [({"device": "cuda"}, "torch finds no GPU here")]),
    ],
)
def test_what_the_machine_cannot_do_is_told_first(options: dict, line: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=line):
        train(plain(), tmp_path, Options(**{"device": "cpu", **options}))
    assert not list(tmp_path.iterdir())


def test_without_the_extra_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(UserError, match=r"pip install 'anthropose\[train\]'"):
        train(plain(), tmp_path, Options(device="cpu", devices=2))


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(UserError, match="a file or folder of another kind is in the way"):
        train(plain(), tmp_path / "run", CPU)


def test_rows_without_names_can_go_wrong_too(tmp_path: Path) -> None:
    network = Small(0.0, False)

    def made(epoch, share):
        for batch in batches(epoch, share):
            yield {"x": batch.x * math.nan, "y": batch.y}

    def loss(batch):
        return squares(network, Points(batch["x"], batch["y"], ()))

    with pytest.raises(UserError, match="the batch's sequences: of no name"):
        train(job_of(stage_of(network, loss=loss, batches=partial(made))), tmp_path, CPU)
