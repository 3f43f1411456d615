"""A run's log: log.csv, the same as TensorBoard events, and the running means that its rows are made of."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anthropose.errors import UserError
from anthropose.train.events import guarded, open_events
from anthropose.writing import explain, whole_file

FIRST = ("stage", "epoch", "step", "seconds", "loss")
"""The columns that come first; the others follow as they appear."""
Row = dict[str, Any]


class Log:
    """The rows of a run so far, in its folder as log.csv, and as TensorBoard events.

    A row holds the means over some steps: `loss` (the sum of the terms), `loss/TERM`, `rate`, `gradient` (its norm),
    `samples_per_second`, `waiting` (the share of the time that was spent waiting for data); or, after an epoch,
    `validation/FIGURE`. Epochs are counted from 1, steps from the start of the run.

    Args:
        step: where the run goes on; what an interrupted one wrote of later steps is forgotten.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / "log.csv"
        self.rows = [row for row in read_log(self._path) if row["step"] <= step]
        self._columns = list(FIRST)
        self._write_all()
        try:
            self._csv = self._path.open("a", newline="")
        except OSError as error:
            raise UserError(explain(error, self._path)) from error
        self._events = open_events(folder, step)

    def close(self) -> None:
        """Closes the files."""
        for file in (self._csv, self._events):
            try:
                if file is not None:
                    file.close()
            except OSError:
                continue  # The disk is full, which has been said by whoever wrote last.

    def add(self, row: Row) -> None:
        """Adds a row to both.

        Raises:
            UserError: the disk is full, or the folder is gone.
        """
        self.rows.append(row)
        if not set(row) <= set(self._columns):
            self._csv.close()
            self._write_all()
            self._csv = self._path.open("a", newline="")
        else:
            guarded(self._path, lambda: self._append(row))
        if self._events is not None:
            self._events.add(row)

    def _append(self, row: Row) -> None:
        csv.DictWriter(self._csv, self._columns, restval="").writerow(row)
        self._csv.flush()

    def _write_all(self) -> None:
        """Writes the file anew, since a row has columns that it did not have."""
        for row in self.rows:
            self._columns += [key for key in row if key not in self._columns]
        with whole_file(self._path) as part, part.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns, restval="")
            writer.writeheader()
            writer.writerows(self.rows)


def read_log(path: Path) -> list[Row]:
    """The rows of a log.csv, numbers as numbers; none where there is no such file, and none after a damaged one."""
    if not path.is_file():
        return []
    rows: list[Row] = []
    with path.open(newline="", errors="replace") as file:
        for row in csv.DictReader(file):
            try:
                rows.append(_typed(row))
            except (ValueError, KeyError, TypeError):
                break
    return rows


def _typed(row: Mapping[str, str]) -> Row:
    whole = {key: int(row[key]) for key in ("epoch", "step")}
    numbers = {k: float(v) for k, v in row.items() if v not in ("", None) and k not in ("stage", "epoch", "step")}
    return {"stage": row["stage"], **whole, **numbers}


class Means:
    """Running means of named values, each over the steps that had it, weighted by rows; what is no number is left out.

    `sums` is the sum and the weight of each.
    """

    def __init__(self) -> None:
        self.sums: dict[str, tuple[float, float]] = {}

    def add(self, values: Mapping[str, float], weight: float) -> None:
        for key, value in values.items():
            if not math.isnan(value):
                total, weights = self.sums.get(key, (0.0, 0.0))
                self.sums[key] = total + value * weight, weights + weight

    @staticmethod
    def of(parts: list[dict[str, tuple[float, float]]]) -> dict[str, float]:
        """The means over the sums of several processes."""
        together: dict[str, tuple[float, float]] = {}
        for sums in parts:
            for key, (total, weight) in sums.items():
                before, weights = together.get(key, (0.0, 0.0))
                together[key] = before + total, weights + weight
        return {key: total / weight for key, (total, weight) in together.items() if weight}
