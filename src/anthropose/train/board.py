"""What the terminal shows of a training while it runs."""

from collections.abc import Mapping
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from anthropose.train.logs import Row


class Board:
    """A bar for the epoch with the newest row of the log under it, and a line for each epoch that is over.

    Where there is no terminal, only the lines are printed.
    """

    def __init__(self, shown: bool = True, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, quiet=not shown)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._progress.add_task("", total=None)
        self._newest = Text("")
        self._live = Live(get_renderable=self._picture, console=self._console, refresh_per_second=4, transient=True)

    def __enter__(self) -> "Board":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def epoch(self, title: str, done: int, steps: int | None) -> None:
        """An epoch begins, of which `done` steps were made before."""
        self._progress.reset(self._task, description=title, completed=done, total=steps)

    def step(self) -> None:
        self._progress.advance(self._task)

    def row(self, row: Row) -> None:
        """Shows the newest row of the log."""
        self._newest = Text(line_of(row), style="dim")

    def line(self, text: str) -> None:
        """Prints a line that stays."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _picture(self) -> Group:
        return Group(self._progress, self._newest)


def line_of(row: Mapping[str, float | str]) -> str:
    """A row of the log in one line: "loss 2.31 = joints 1.9 + pose 0.41, rate 0.0001, 812 samples/s, 3 % waiting"."""
    terms = {key.removeprefix("loss/"): value for key, value in row.items() if key.startswith("loss/")}
    own = [f"{key} {value:.4g}" for key, value in terms.items() if not key.startswith("adversary")]
    other = [f"{key} {value:.4g}" for key, value in terms.items() if key.startswith("adversary")]
    text = f"loss {row['loss']:.4g}" + (f" = {' + '.join(own)}" if len(own) > 1 else "")
    return ", ".join(
        [
            text,
            *other,
            f"rate {row['rate']:.3g}",
            f"{row['samples_per_second']:.0f} samples/s",
            f"{row['waiting']:.0%} waiting for data",
        ]
    )
