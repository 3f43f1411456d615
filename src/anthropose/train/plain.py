"""What a training tells where rich is not installed."""

import sys
from types import TracebackType
from typing import Any


class PlainBoard:
    """The lines of `board.Board`, without its bar."""

    def __init__(self, shown: bool = True) -> None:
        self._shown = shown

    def __enter__(self) -> "PlainBoard":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is nothing to take down."""

    def epoch(self, title: str, done: int, steps: int | None) -> None:
        """An epoch begins, which no line tells of."""

    def step(self) -> None:
        """A step was made, which no line tells of."""

    def row(self, row: Any) -> None:
        """A row of the log, which is in its file."""

    def line(self, text: str) -> None:
        """Prints a line."""
        if self._shown:
            print(text, file=sys.stderr, flush=True)


def open_board(shown: bool) -> Any:
    """A `Board`, or a plain one on a machine without rich."""
    try:
        from anthropose.train.board import Board
    except ImportError:
        return PlainBoard(shown)
    return Board(shown)
