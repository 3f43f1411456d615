"""The training loop: stages, epochs, steps, from top to bottom.

    train -> for each stage: _train_stage -> for each epoch: _train_epoch (steps), _close_epoch (validation, best, save)

A run lives in a folder: config.json (what is trained, by what), checkpoint.pt (its last state), best-STAGE.pt,
METHOD-PRESET.safetensors (the best weights so far), log.csv and TensorBoard events, curve.png. Running the same job in
the same folder again goes on where it stopped, on one CPU process bit for bit as if it had not.

Several processes share each batch. Each one's loss is over its own rows; gradients and the losses that are logged are
means weighted by rows, which is what one process gets where a loss is a mean over rows. A term that is a mean over the
labelled rows alone is then a mean of the shares' means.
"""

import math
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from anthropose.errors import UserError
from anthropose.jobs import Job, Share, Stage
from anthropose.train.checkpoints import Position, on_cpu
from anthropose.train.feed import Feed, rows_of
from anthropose.train.launch import launch, seed_all
from anthropose.train.learner import Learner, average_statistics, in_precision, plain_attention
from anthropose.train.options import Options
from anthropose.train.run import Run
from anthropose.train.together import first_does, gathered, summed
from anthropose.train.trouble import shortened, what_went_wrong, where_it_came_from

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def train(job: Job, out: str | Path, options: Options | None = None) -> Path:
    """Trains, or goes on with a training that was interrupted; returns the file of the best weights.

    Args:
        out: the run's folder.

    Raises:
        UserError: the loss or its gradient stopped being finite; the folder holds another training or cannot be
            written; the machine lacks what the options ask for.
        KeyboardInterrupt: Ctrl-C or SIGTERM; a checkpoint was written, and the message says how to go on.
    """
    options = options or Options()
    fabric = launch(options)
    try:
        return _train(job, Path(out), options, fabric)
    except (UserError, KeyboardInterrupt):
        if fabric.is_global_zero:
            raise
        sys.exit(0)  # The first process says it for all.


def _train(job: Job, folder: Path, options: Options, fabric: "Fabric") -> Path:
    run = Run(job, folder, options, fabric)
    saved = run.open()
    position = Position(**saved["position"]) if saved else Position()
    if position.stage == len(job.stages):
        run.board.line(f"{folder} holds this training, finished; its best weights are {run.weights}")
        return run.weights
    with run:
        while position.stage < len(job.stages):
            position = _train_stage(run, position, saved)
            saved = {}
        run.save(position, None)
    run.board.line(f"the best weights are {run.weights}")
    return run.weights


def _train_stage(run: Run, position: Position, saved: dict[str, Any]) -> Position:
    """One stage, or the rest of it where it was interrupted; returns where the next one begins."""
    fabric, stage = run.fabric, run.job.stages[position.stage]
    if not saved:
        seed_all(run.job.seed + 1000 * position.stage + fabric.global_rank)
        if position.stage and stage.start is not None:
            stage.start(run.read_best(run.job.stages[position.stage - 1]))
    learner = Learner(fabric, stage)
    if saved:
        learner.load_state_dict(saved.pop("learner"))
    with in_precision(fabric, [part.network for part in learner.parts]), plain_attention(fabric):
        while position.epoch < stage.epochs:
            position = _train_epoch(run, learner, position, saved)
            position = _close_epoch(run, learner, position)
            saved = {}
    return Position(stage=position.stage + 1, step=position.step)


def _train_epoch(run: Run, learner: Learner, position: Position, saved: dict[str, Any]) -> Position:
    """The steps of one epoch, or the rest of them where it was interrupted."""
    fabric, stage, options = run.fabric, learner.stage, run.options
    learner.begin_epoch(position.epoch)
    run.begin_epoch(position, saved)
    batches = stage.batches(position.epoch, Share(fabric.global_rank, fabric.world_size))
    feed = Feed(batches, fabric.device, position.batch, stage.iterations, options.prefetch)
    with closing(iter(feed)) as coming:
        for batch in coming:
            run.restore_randomness(saved)
            position = replace(position, batch=position.batch + 1, step=position.step + 1)
            losses, values, rows = _losses(learner, batch)
            everywhere, bad, stop = summed(fabric, [rows, not _finite(values), run.interrupts.asked])
            if bad:
                raise UserError(_stopped(run, position, batch, what_went_wrong(values)))
            try:
                # A gradient is the mean over processes; this makes it the mean over rows.
                values["gradient"] = learner.step([loss * (rows * fabric.world_size / everywhere) for loss in losses])
            except FloatingPointError as error:
                raise UserError(_stopped(run, position, batch, [f"the gradient of {error} is not finite"])) from error
            run.count(position, learner, values, rows, feed)
            if stop or (options.save_every and position.batch % options.save_every == 0):
                run.save(position, learner)
            if stop:
                raise KeyboardInterrupt(run.how_to_go_on(position))
    run.restore_randomness(saved)
    return position


def _losses(learner: Learner, batch: Any) -> tuple[list[Tensor], dict[str, float], int]:
    """The sum of the terms for each network; sums and terms by name, as numbers; and the rows of the batch."""
    rows = rows_of(batch)
    if not rows:  # There were fewer rows than processes; this one has nothing to say.
        return [sum(p.sum() * 0 for p in part.parameters) for part in learner.parts], {}, 0  # type: ignore[misc]
    terms = learner.stage.loss(batch)
    each = [terms] if isinstance(terms, dict) else list(terms)
    losses = [torch.stack([term.reshape(()) for term in own.values()]).sum() for own in each]
    named = {}
    for title, own, loss in zip(("loss", "adversary"), each, losses, strict=False):
        named[title] = loss
        named |= {f"loss/{'' if title == 'loss' else 'adversary/'}{name}": term for name, term in own.items()}
    # One transfer for all numbers, since each would hold a GPU up.
    numbers = torch.stack([value.detach().reshape(()).float() for value in named.values()]).tolist()
    return losses, dict(zip(named, numbers, strict=True)), rows


def _finite(values: dict[str, float]) -> bool:
    return all(map(math.isfinite, values.values()))


def _stopped(run: Run, position: Position, batch: Any, what: list[str]) -> str:
    """The line for a training that cannot go on: the step, the term, the sequences, and what is kept."""
    parts = gathered(run.fabric, (what, where_it_came_from(batch)))
    whats = list(dict.fromkeys(text for part in parts for text in part[0]))
    names = list(dict.fromkeys(name for part in parts for name in part[1]))
    broken = [name for name in names if "(not finite" in name]
    sequences = shortened(broken or names) or "of no name"
    return (
        f"step {position.step} ({run.where(position)}): {', '.join(whats)}; the batch's sequences: {sequences}; "
        f"{run.what_is_kept()}"
    )


def _close_epoch(run: Run, learner: Learner, position: Position) -> Position:
    """Validates, keeps the network if it is the best so far, and saves; returns where the next epoch begins."""
    fabric, stage = run.fabric, learner.stage
    run.flush(position, learner)
    average_statistics(fabric, stage.network)
    with learner.judged() as network:
        figures = _validated(run, stage)
        best = _is_best(stage, position, figures)
        if best:
            run.save_best(position, on_cpu(network.state_dict()), figures)
    run.end_epoch(position, figures, best)
    learner.end_epoch(figures.get(stage.best))
    if best:
        position = replace(position, best=figures.get(stage.best, math.inf), best_epoch=position.epoch)
    position = replace(position, epoch=position.epoch + 1, batch=0)
    run.save(position, learner)
    return position


def _validated(run: Run, stage: Stage) -> dict[str, float]:
    """The figures of the validation, which the first process makes for all."""
    if stage.validate is None:
        return {}
    figures = {key: float(value) for key, value in first_does(run.fabric, stage.validate).items()}
    if stage.best not in figures:
        raise ValueError(f"stage {stage.name}: the best is chosen by {stage.best!r}; validated are {list(figures)}")
    return figures


def _is_best(stage: Stage, position: Position, figures: dict[str, float]) -> bool:
    """Whether this epoch is the best so far; without figures the newest one is, and some epoch always is."""
    if not figures:
        return True
    if position.epoch == stage.epochs - 1 and position.best_epoch < 0:
        return True
    return position.epoch >= stage.first_best and figures[stage.best] < position.best
