"""Batches on their way to the device: made ahead in a thread of their own, and the time told that is spent waiting."""

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor

_END = object()


class Feed:
    """The batches of an epoch on the device, in order; `waited` [s] is how long the steps so far waited for theirs.

    Args:
        batches: on the CPU.
        skip: so many are taken and thrown away first, those that were trained on before the training was interrupted.
        limit: with this number of them the epoch ends, those skipped included; None: when there are no more.
        ahead: how many are made ahead of their turn; 0: none, and no thread is used.
    """

    def __init__(
        self, batches: Iterable[Any], device: torch.device, skip: int = 0, limit: int | None = None, ahead: int = 2
    ) -> None:
        self._batches = islice(iter(batches), skip, limit)
        self._device, self._ahead = device, ahead
        self.waited = 0.0

    def __iter__(self) -> Generator[Any, None, None]:
        made = _ahead(self._made, self._ahead) if self._ahead else self._made()
        try:
            while True:
                start = time.perf_counter()
                batch = next(made, _END)
                if batch is _END:
                    return
                batch = mapped(batch, lambda tensor: tensor.to(self._device, non_blocking=True))
                self.waited += time.perf_counter() - start
                yield batch
        finally:
            made.close()

    def _made(self) -> Generator[Any, None, None]:
        """The batches; from pinned memory, from which copies to a GPU do not hold the CPU up."""
        for batch in self._batches:
            yield mapped(batch, Tensor.pin_memory) if self._device.type == "cuda" else batch


def _ahead(make: Callable[[], Iterator[Any]], ahead: int) -> Generator[Any, None, None]:
    """What `make` gives, made in a thread that keeps at most `ahead` of them waiting."""
    ready: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(ahead)
    closed = threading.Event()

    def put(value: Any, error: BaseException | None = None) -> None:
        while not closed.is_set():
            try:
                ready.put((value, error), timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for value in make():
                put(value)
                if closed.is_set():
                    return
            put(_END)
        except BaseException as error:  # Whatever it is, it belongs to who asks for the next batch.
            put(_END, error)

    thread = threading.Thread(target=work, name="batches", daemon=True)
    thread.start()
    try:
        while True:
            value, error = ready.get()
            if error is not None:
                raise error
            if value is _END:
                return
            yield value
    finally:
        closed.set()
        thread.join()


def mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A nest of dataclasses, tuples, lists and dictionaries with every tensor in it changed."""
    if isinstance(value, Tensor):
        return change(value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: mapped(getattr(value, f.name), change) for f in fields(value) if f.init})
    if isinstance(value, Mapping):
        return {key: mapped(part, change) for key, part in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(part, change) for part in value))
    if isinstance(value, tuple | list):
        return type(value)(mapped(part, change) for part in value)
    return value


def rows_of(batch: Any) -> int:
    """How many rows a batch has: the length of the first tensor in it.

    Raises:
        ValueError: there is no tensor in it.
    """
    lengths: list[int] = []

    def look(tensor: Tensor) -> Tensor:
        lengths.append(len(tensor))
        return tensor

    mapped(batch, look)
    if not lengths:
        raise ValueError(f"a batch has no tensor in it: {type(batch).__name__}")
    return lengths[0]
