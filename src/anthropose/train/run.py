"""A run: its folder, its log, its checkpoints, and what of it is shown."""

import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from torch import Tensor

from anthropose.jobs import Job, Stage
from anthropose.train.checkpoints import (
    Position,
    check_record,
    random_state,
    read_checkpoint,
    set_random_state,
    write_checkpoint,
)
from anthropose.train.feed import Feed
from anthropose.train.interrupts import Interrupts
from anthropose.train.launch import seed_all
from anthropose.train.learner import Learner, average_statistics
from anthropose.train.logs import Log, Means, Row
from anthropose.train.options import Options
from anthropose.train.plain import open_board
from anthropose.train.plot import can_draw, write_curve
from anthropose.train.records import record_of, write_record
from anthropose.train.together import first_does, gathered
from anthropose.writing import remove_quietly

if TYPE_CHECKING:
    from lightning_fabric import Fabric

CHECKPOINT = "checkpoint.pt"


class Run:
    """What a training keeps beside its networks. Used as a context, in which Ctrl-C only asks for an end."""

    def __init__(self, job: Job, folder: Path, options: Options, fabric: "Fabric") -> None:
        self.job, self.folder, self.options, self.fabric = job, folder, options, fabric
        self.record = record_of(job, options)
        self.checkpoint = folder / CHECKPOINT
        self.weights = folder / f"{job.method}-{job.preset}.safetensors"
        self.interrupts = Interrupts()
        self.board = open_board(shown=fabric.is_global_zero)
        self.log: Log | None = None
        self.saved: Position | None = None
        self._start = time.perf_counter()
        self._means, self._epoch_means = Means(), Means()
        self._rows, self._spent, self._waited, self._feed_waited = 0, 0.0, 0.0, 0.0
        self._mark, self._logged = self._start, 0
        self._epoch_random: dict[str, Any] = {}

    def open(self) -> dict[str, Any]:
        """What the folder's checkpoint holds; nothing where the training begins.

        Raises:
            UserError: the checkpoint is damaged, or of another training.
        """
        saved = first_does(self.fabric, self._read)
        if saved:
            self.saved = Position(**saved["position"])
            self._logged = self.saved.step
            self._start -= saved["seconds"]
        return saved

    def _read(self) -> dict[str, Any]:
        if self.options.restart or not self.checkpoint.exists():
            # Also what a run left that ended before its first checkpoint.
            for pattern in (CHECKPOINT, "best-*.pt", "log.csv", "events.out.tfevents.*.anthropose", "config.json"):
                for path in self.folder.glob(pattern):
                    remove_quietly(path)
            return {}
        saved = read_checkpoint(self.checkpoint)
        check_record(self.checkpoint, saved["record"], self.record)
        return saved

    def __enter__(self) -> "Run":
        first_does(self.fabric, self._begin)
        self.board.__enter__()
        self.interrupts.__enter__()
        return self

    def _begin(self) -> None:
        write_record(self.folder, self.job, self.options, self.record, self.fabric)
        self.log = Log(self.folder, self._logged)
        self.board.line(f"{self.job.method} {self.job.preset} -> {self.folder}")
        if self.saved is not None:
            self.board.line(f"going on from step {self.saved.step}, {self.where(self.saved)}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.interrupts.__exit__(kind, error, trace)
        self.board.__exit__(kind, error, trace)
        if self.log is not None:
            self.log.close()
            if kind in (None, KeyboardInterrupt) and self.log.rows and can_draw():
                title = f"{self.job.method} {self.job.preset}"
                write_curve(self.folder / "curve.png", self.log.rows, title, [stage.best for stage in self.job.stages])

    def where(self, position: Position) -> str:
        """The stage and the epoch of a position, for people, who count from 1."""
        if position.stage == len(self.job.stages):
            return "after the last stage"
        stage = self.job.stages[position.stage]
        name = f"stage {stage.name}, " if len(self.job.stages) > 1 else ""
        return f"{name}epoch {min(position.epoch + 1, stage.epochs)} of {stage.epochs}"

    def begin_epoch(self, position: Position, saved: dict[str, Any]) -> None:
        """Sets the generators of random numbers as they were when this epoch began, and the clock to zero."""
        if saved and position.batch == 0:
            self.restore_randomness(saved)
        elif saved and self.fabric.global_rank < len(saved["random"]):
            set_random_state(saved["random"][self.fabric.global_rank][1], self.fabric.device)
        self._epoch_random = random_state(self.fabric.device)
        steps = self.job.stages[position.stage].iterations
        self.board.epoch(self.where(position), position.batch, steps)
        self._epoch_means = Means()
        self._mark, self._feed_waited = time.perf_counter(), 0.0

    def restore_randomness(self, saved: dict[str, Any]) -> None:
        """Sets the generators as they were when the checkpoint was written; once, and only where there is one."""
        states = saved.pop("random", None)
        if states is None:
            return
        if self.fabric.global_rank < len(states):
            set_random_state(states[self.fabric.global_rank][0], self.fabric.device)
        else:  # There were fewer processes then.
            seed_all(self.job.seed + 1000 * saved["position"]["step"] + self.fabric.global_rank)

    def count(self, position: Position, learner: Learner, values: dict[str, float], rows: int, feed: Feed) -> None:
        """Counts a step, and writes a row of the log when it is time."""
        self._means.add(values, rows)
        self._epoch_means.add({"loss": values["loss"]} if rows else {}, rows)
        now = time.perf_counter()
        self._rows, self._spent, self._mark = self._rows + rows, self._spent + now - self._mark, now
        self._waited, self._feed_waited = self._waited + feed.waited - self._feed_waited, feed.waited
        self.board.step()
        if position.step - self._logged >= self.options.log_every:
            self.flush(position, learner)

    def flush(self, position: Position, learner: Learner) -> None:
        """Writes a row of the log: the means of the steps since the last one."""
        if position.step == self._logged:
            return
        parts = gathered(self.fabric, (self._means.sums, self._rows, self._spent, self._waited))
        means = Means.of([part[0] for part in parts])
        rows, spent, waited = (sum(part[index] for part in parts) for index in (1, 2, 3))
        row: Row = {
            **self._row(position),
            **means,
            **{name: part.rate for name, part in zip(("rate", "adversary_rate"), learner.parts, strict=False)},
            "samples_per_second": rows / max(spent / len(parts), 1e-9),
            "waiting": waited / max(spent, 1e-9),
        }
        self._means, self._rows, self._spent, self._waited = Means(), 0, 0.0, 0.0
        self._logged = position.step
        self.write(row)
        self.board.row(row)
        self._mark = time.perf_counter()

    def _row(self, position: Position) -> Row:
        seconds = round(time.perf_counter() - self._start, 3)
        name = self.job.stages[position.stage].name
        return {"stage": name, "epoch": position.epoch + 1, "step": position.step, "seconds": seconds}

    def write(self, row: Row) -> None:
        """Writes a row; only the first process has a log.

        Raises:
            UserError: the disk is full, or the folder is gone.
        """
        first_does(self.fabric, lambda: None if self.log is None else self.log.add(row))

    def end_epoch(self, position: Position, figures: dict[str, float], best: bool) -> None:
        """Logs and shows what a whole epoch came to."""
        if figures:
            self.write({**self._row(position), **{f"validation/{key}": value for key, value in figures.items()}})
        loss = Means.of(gathered(self.fabric, self._epoch_means.sums)).get("loss")
        shown = [f"loss {loss:.4g}"] if loss is not None else []
        shown += [f"{key} {value:.4g}" for key, value in figures.items()]
        self.board.line(f"{self.where(position)}: {', '.join(shown)}{', the best so far' if figures and best else ''}")

    def save(self, position: Position, learner: Learner | None) -> None:
        """Writes the checkpoint.

        Args:
            learner: None: all stages are over.

        Raises:
            UserError: the disk is full, or the folder is gone; the checkpoint before is kept.
        """
        if learner is not None:
            self.flush(position, learner)
            for part in learner.parts:
                average_statistics(self.fabric, part.network)
        content = {
            "record": self.record,
            "position": asdict(position),
            "seconds": time.perf_counter() - self._start,
            "random": gathered(self.fabric, (random_state(self.fabric.device), self._epoch_random)),
            "learner": None if learner is None else learner.state_dict(),
        }
        first_does(self.fabric, lambda: write_checkpoint(self.checkpoint, content))
        self.saved = position
        self._mark = time.perf_counter()

    def save_best(self, position: Position, state: dict[str, Tensor], figures: dict[str, float]) -> None:
        """Writes the best weights of a stage, and those of the last one also as the run's result."""
        stage = self.job.stages[position.stage]
        content = {"epoch": position.epoch, "figures": figures, "state": state}
        first_does(self.fabric, lambda: write_checkpoint(self._best_path(stage), content))
        if stage is self.job.stages[-1]:
            first_does(self.fabric, lambda: self.job.publish(state, self.weights))

    def read_best(self, stage: Stage) -> dict[str, Tensor]:
        """The best state dict of a stage that is over."""
        return first_does(self.fabric, lambda: read_checkpoint(self._best_path(stage))["state"])

    def _best_path(self, stage: Stage) -> Path:
        return self.folder / f"best-{stage.name}.pt"

    def how_to_go_on(self, position: Position) -> str:
        """The message of an interrupted training."""
        return (
            f"interrupted at step {position.step} ({self.where(position)}); {self.checkpoint} is written, "
            "run the same command again to go on"
        )

    def what_is_kept(self) -> str:
        """What of a training that failed can be used."""
        if self.saved is None:
            return "nothing had been saved yet"
        return f"{self.checkpoint} holds the last good state, of step {self.saved.step}"
