import csv
import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from anthropose.jobs import Job, Optimizer, Plateau, Share
from anthropose.train import Options, train
from anthropose.train.checkpoints import read_checkpoint
from tests.train.small import (
    JOBS,
    Points,
    Small,
    adversarial,
    batches,
    job_of,
    one,
    plain,
    squares,
    stage_of,
    two,
    validate,
    weights,
)

CPU = Options(device="cpu", log_every=1)


def log_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def steps_of(folder: Path, key: str = "loss") -> list[float]:
    return [float(row[key]) for row in log_of(folder) if row[key]]


@pytest.mark.parametrize("make", JOBS.values(), ids=JOBS)
def test_a_training_lowers_its_loss_and_leaves_a_whole_folder(make: Callable[[], Job], tmp_path: Path) -> None:
    path = train(make(), tmp_path, CPU)
    losses = steps_of(tmp_path)
    assert sum(losses[-4:]) < 0.7 * sum(losses[:4])
    names = {file.name for file in tmp_path.iterdir() if not file.name.startswith("events")}
    bests = {f"best-{stage.name}.pt" for stage in make().stages}
    assert names == {"checkpoint.pt", "config.json", "curve.png", "log.csv", "small-one.safetensors"} | bests
    assert path == tmp_path / "small-one.safetensors"


def test_the_steps_are_those_of_a_loop_written_out(tmp_path: Path) -> None:
    train(plain(optimizer=Optimizer(1e-2, 0.1, "adamw", amsgrad=True), epochs=2, validate=None), tmp_path, CPU)
    torch.manual_seed(0)
    network = Small(0.0, False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=0.1, amsgrad=True)
    for epoch in range(2):
        stream = batches(epoch, Share())
        for _ in range(8):
            loss = torch.stack(list(squares(network, next(stream)).values())).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for key, value in weights(tmp_path / "small-one.safetensors").items():
        assert torch.equal(value, network.state_dict()[key])


def test_an_adversarial_step_is_that_of_two_optimisers_in_turn(tmp_path: Path) -> None:
    job = adversarial()
    job = replace(job, stages=(replace(job.stages[0], epochs=1, iterations=3, validate=None),))
    train(job, tmp_path, CPU)
    own = adversarial().stages[0]
    assert own.adversary is not None
    both = [own.network, own.adversary.network]
    optimizers = [torch.optim.Adam(network.parameters(), lr=1e-2) for network in both]
    torch.manual_seed(0)  # The seed of the job, for the dropout.
    stream = batches(0, Share())
    for _ in range(3):
        losses = own.loss(next(stream))
        for terms, optimizer in zip(losses, optimizers, strict=True):
            optimizer.zero_grad()
            sum(terms.values()).backward()
            optimizer.step()
    assert job.stages[0].adversary is not None
    ended = [job.stages[0].network, job.stages[0].adversary.network]
    for network, reference in zip(ended, both, strict=True):
        for ours, theirs in zip(network.parameters(), reference.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-7)


def test_a_stage_begins_with_the_best_of_the_one_before_and_leaves_alone_what_it_does_not_train(tmp_path: Path) -> None:
    train(two(), tmp_path, CPU)
    first, second = (read_checkpoint(tmp_path / f"best-{name}.pt")["state"] for name in ("first", "second"))
    assert torch.equal(first["first.weight"], second["first.weight"])
    assert not torch.equal(first["second.weight"], second["second.weight"])
    assert [row["stage"] for row in log_of(tmp_path)][:: 2 * 8 + 2] == ["first", "second"]


def figures_of(values: list[float], which: str = "error") -> Callable[[], dict[str, float]]:
    left = iter(values)
    return lambda: {"error": next(left), "constant": 1.0}


def best_epoch(folder: Path) -> int:
    return read_checkpoint(folder / "best-only.pt")["epoch"]


@pytest.mark.parametrize(
    ("errors", "first_best", "best"),
    [
        ([3.0, 1.0, 2.0], 0, 1),
        ([3.0, 1.0, 1.0], 0, 1),
        ([1.0, 3.0, 2.0], 1, 2),
        ([math.nan, 5.0, math.nan], 0, 1),
        ([math.nan] * 3, 0, 2),
        ([1.0, 2.0, 3.0], 9, 2),
    ],
)
def test_the_epoch_with_the_lowest_figure_is_the_best(
    errors: list[float], first_best: int, best: int, tmp_path: Path
) -> None:
    train(plain(validate=figures_of(errors), first_best=first_best), tmp_path, CPU)
    assert best_epoch(tmp_path) == best
    state = read_checkpoint(tmp_path / "best-only.pt")["state"]
    assert all(torch.equal(value, state[key]) for key, value in weights(tmp_path / "small-one.safetensors").items())


def test_without_a_validation_the_last_epoch_is_the_best(tmp_path: Path) -> None:
    train(plain(validate=None), tmp_path, CPU)
    assert best_epoch(tmp_path) == 2


def test_a_figure_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'pa_mpjpe'; validated are \['error', 'constant'\]"):
        train(plain(best="pa_mpjpe"), tmp_path, CPU)


def test_a_plateau_lowers_the_rate_when_the_figure_stops_falling(tmp_path: Path) -> None:
    job = plain(validate=figures_of([3, 2, 2, 2, 2, 1]), schedule=Plateau(0.1, 1), epochs=6, iterations=1)
    train(job, tmp_path, CPU)
    assert steps_of(tmp_path, "rate") == pytest.approx([1e-2] * 4 + [1e-3] * 2)


def test_a_schedule_gives_the_rate_of_each_epoch(tmp_path: Path) -> None:
    train(plain(schedule=lambda epoch: 0.1 / (1 + epoch), iterations=2), tmp_path, CPU)
    assert steps_of(tmp_path, "rate") == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.1 / 3, 0.1 / 3])


def test_batches_that_end_make_an_epoch(tmp_path: Path) -> None:
    train(plain(batches=partial(batches, endless=False), iterations=None), tmp_path, CPU)
    assert len(steps_of(tmp_path)) == 3 * 7


def test_what_changes_with_epochs_is_set_in_train_mode_before_each(tmp_path: Path) -> None:
    network, seen = Small(), []
    job = job_of(stage_of(network, begin_epoch=lambda epoch: seen.append((epoch, network.training))))
    train(job, tmp_path, CPU)
    assert seen == [(0, True), (1, True), (2, True)]


def test_a_long_gradient_is_clipped(tmp_path: Path) -> None:
    job = plain(optimizer=Optimizer(1.0, kind="sgd", momentum=0.0), clip_norm=1e-3, epochs=1, iterations=1)
    before = [parameter.detach().clone() for parameter in job.stages[0].network.parameters()]
    train(job, tmp_path, CPU)
    moved = [a - b for a, b in zip(job.stages[0].network.parameters(), before, strict=True)]
    assert torch.cat([m.flatten() for m in moved]).norm().item() == pytest.approx(1e-3, rel=1e-3)
    assert steps_of(tmp_path, "gradient")[0] > 0.1, "the log tells the length before clipping"


def test_the_average_is_validated_and_published_and_the_weights_themselves_are_trained_on(tmp_path: Path) -> None:
    seen: list[Tensor] = []
    network = Small(0.0, False)

    def look() -> dict[str, float]:
        seen.append(network.second.bias.clone())
        assert not network.training
        return validate(network)

    job = job_of(stage_of(network, ema=0.9, epochs=1, validate=look, schedule=lambda epoch: 0.05))
    train(job, tmp_path, CPU)
    assert torch.equal(weights(tmp_path / "small-one.safetensors")["second.bias"], seen[0])
    assert not torch.allclose(seen[0], network.second.bias)
    assert network.training


def test_in_mixed_precision_the_networks_give_float32_and_learn(tmp_path: Path) -> None:
    network, types = Small(), set()
    inside = network.first.register_forward_hook(lambda module, inputs, output: types.add(output.dtype))

    def loss(batch: Points) -> dict[str, Tensor]:
        assert network(batch.x).dtype == torch.float32
        return squares(network, batch)

    train(job_of(stage_of(network, loss=loss)), tmp_path, replace(CPU, precision="bfloat16"))
    inside.remove()
    losses = steps_of(tmp_path)
    assert sum(losses[-4:]) < 0.7 * sum(losses[:4])
    assert types == {torch.float32}, "what a child gives is float32 again"
    rounded = network.first(torch.full((1, 4), 1.001))
    assert torch.equal(rounded, torch.nn.functional.linear(torch.full((1, 4), 1.001), *network.first.parameters())), (
        "after the training the networks are as they were"
    )


def test_mixed_precision_is_coarser_than_float32(tmp_path: Path) -> None:
    for precision in ("float32", "bfloat16"):
        train(plain(epochs=1), tmp_path / precision, replace(CPU, precision=precision))
    fine, coarse = (steps_of(tmp_path / precision)[0] for precision in ("float32", "bfloat16"))
    assert fine != coarse
    assert fine == pytest.approx(coarse, rel=0.02)


def test_the_record_tells_what_was_trained_and_by_what(tmp_path: Path) -> None:
    job = replace(one(), overrides={"epochs": 3})
    train(job, tmp_path, CPU)
    record = json.loads((tmp_path / "config.json").read_text())
    assert (record["method"], record["preset"], record["config"]) == ("small", "one", {"width": 8})
    assert record["overrides"] == {"epochs": 3}
    assert record["stages"][0]["optimizer"]["learning_rate"] == 1e-2
    assert record["stages"][0]["schedule"] == {"factor": 0.5, "patience": 0}
    assert record["starts"][0]["versions"]["torch"] == torch.__version__
    assert {"commit", "dirty", "command", "options", "device"} <= set(record["starts"][0])


def test_a_finished_training_is_not_run_again(tmp_path: Path) -> None:
    train(plain(), tmp_path, CPU)
    before = (tmp_path / "log.csv").read_bytes()
    path = train(plain(loss=lambda batch: pytest.fail("a step was made")), tmp_path, CPU)
    assert path.exists()
    assert (tmp_path / "log.csv").read_bytes() == before


def test_a_restart_forgets_the_run_before(tmp_path: Path) -> None:
    train(plain(epochs=2), tmp_path, CPU)
    train(plain(epochs=1), tmp_path, replace(CPU, restart=True))
    assert len(steps_of(tmp_path)) == 8
    assert len(list(tmp_path.glob("events*"))) == 1
    assert len(json.loads((tmp_path / "config.json").read_text())["starts"]) == 1


def test_stages_need_names_of_their_own() -> None:
    with pytest.raises(ValueError, match="different names"):
        job_of(stage_of(Small(), "same"), stage_of(Small(), "same"))


def test_a_stage_that_trains_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no parameter is to be trained"):
        train(plain(trained=lambda name: False), tmp_path, CPU)
