"""How the stages of the pipeline hand things on."""

from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Slot(Generic[T]):
    """Room for one thing between two threads.

    By default a new thing takes the place of one that was not fetched in time, so that what comes out is always the
    newest: frames are dropped rather than late. A patient slot makes the giver wait instead.
    """

    def __init__(self, patient: bool = False) -> None:
        self.patient = patient
        self.dropped = 0
        """Things that nobody fetched in time."""
        self._held: list[T] = []
        self._closed = False
        self._changed = Condition()

    def put(self, thing: T) -> None:
        """Gives a thing; after `close` it is let go of."""
        with self._changed:
            if self.patient:
                self._changed.wait_for(lambda: not self._held or self._closed)
            if self._closed:
                return
            self.dropped += len(self._held)
            self._held = [thing]
            self._changed.notify_all()

    def take(self, seconds: float | None = None) -> T | None:
        """The thing, once there is one; None after so many seconds, or when the slot is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._held or self._closed, seconds)
            thing = self._held.pop() if self._held else None
            self._changed.notify_all()
            return thing

    def close(self, drop: bool = False) -> None:
        """Says that nothing more will come; what is there can still be taken, unless it is to be dropped."""
        with self._changed:
            self._closed = True
            if drop:
                self._held.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """All things until the slot is closed and empty."""
        while (thing := self.take()) is not None:
            yield thing
