"""A run's log as TensorBoard events."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from anthropose.errors import UserError
from anthropose.writing import explain


class Events:
    """A file of events, one for each row of the log.

    Args:
        step: where the run goes on; TensorBoard forgets what an interrupted run wrote of later steps.

    Raises:
        ImportError: tensorboard is not installed.
        UserError: the file cannot be made.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._path = folder / f"events.out.tfevents.{int(time.time())}.{step}.anthropose"
        try:
            self._file = self._path.open("wb")
        except OSError as error:
            raise UserError(explain(error, self._path)) from error
        self._writer, self._event = RecordWriter(self._file), Event
        self._send(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if step:
            started = SessionLog(status=SessionLog.START)
            self._send(Event(wall_time=time.time(), step=step + 1, session_log=started))

    def close(self) -> None:
        """Closes the file.

        Raises:
            OSError: the disk is full.
        """
        self._file.close()

    def add(self, row: Mapping[str, Any]) -> None:
        """Adds a row.

        Raises:
            UserError: the disk is full, or the folder is gone.
        """
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [
            Summary.Value(tag=_tag(key), simple_value=value)
            for key, value in row.items()
            if key not in ("stage", "step", "seconds")
        ]
        self._send(self._event(wall_time=time.time(), step=row["step"], summary=Summary(value=values)))

    def _send(self, event: Any) -> None:
        def write() -> None:
            self._writer.write(event.SerializeToString())
            self._writer.flush()

        guarded(self._path, write)


def open_events(folder: Path, step: int) -> Events | None:
    """Events, or None on a machine without tensorboard, where log.csv has to do."""
    try:
        return Events(folder, step)
    except ImportError:
        return None


def guarded(path: Path, write: Callable[[], None]) -> None:
    """Writes to a file that is open.

    Raises:
        UserError: that failed.
    """
    try:
        write()
    except OSError as error:
        raise UserError(explain(error, path)) from error


def _tag(key: str) -> str:
    """TensorBoard's name for a column; it groups by what stands before the stroke."""
    return "loss/total" if key == "loss" else key if "/" in key else f"run/{key}"
