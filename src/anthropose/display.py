"""What the command line shows while it works and when it is done."""

import time
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from anthropose.motion import Motion

TITLES = {
    "capture": "Recording the camera",
    "scene": "Making the clip",
    "detect": "Finding people",
    "reconstruct": "Reconstructing",
    "overlay": "Drawing the overlay",
    "files": "Writing files",
    "evaluate": "Evaluating",
    "prepare": "Preparing the set",
}


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with a line that says how far the work was."""


class Display:
    """A progress bar per stage on the terminal; call it as a `StageProgress`."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}
        self._stage, self._share = "", 0.0
        self._last = time.perf_counter()
        self.seconds: dict[str, float] = {}
        """Wall-clock seconds spent in each stage so far."""

    def __call__(self, stage: str, share: float) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._stage, self._share, self._last = stage, share, now
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(TITLES.get(stage, stage), total=1.0)
        self._progress.update(self._tasks[stage], completed=share)
        if share >= 1.0:
            self._progress.stop_task(self._tasks[stage])

    def __enter__(self) -> "Display":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        if kind is KeyboardInterrupt and self._stage:
            title = TITLES.get(self._stage, self._stage).lower()
            raise Interrupted(
                f"interrupted while {title} ({self._share:.0%}); what is finished is kept, "
                "run the same command again to go on"
            ) from None


def print_summary(motions: list[Motion], folder: Path, seconds: dict[str, float]) -> None:
    """Prints who was found, where the results are, and how long each stage took."""
    console = Console()
    table = Table(box=None, pad_edge=False)
    for column in ("person", "frames", "from [s]", "to [s]", "confidence"):
        table.add_column(column, justify="right")
    for motion in motions:
        keypoints = motion.track.keypoints
        confidence = f"{float(keypoints[..., 2].mean()):.2f}" if keypoints is not None else "-"
        table.add_row(
            str(motion.track.person),
            str(len(motion)),
            f"{float(motion.seconds[0]):.2f}",
            f"{float(motion.seconds[-1]):.2f}",
            confidence,
        )
    console.print(table)
    spent = ", ".join(f"{stage} {spent:.1f} s" for stage, spent in seconds.items())
    console.print(
        f"{folder}: {', '.join(sorted(p.name for p in folder.iterdir() if p.is_file() and p.suffix != '.json'))}"
    )
    console.print(f"time: {spent}", style="dim")
