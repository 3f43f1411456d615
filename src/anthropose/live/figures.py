"""How fast the pipeline is: the rate and the latency that are shown, and the figures at the end."""

import time
from collections import deque
from dataclasses import dataclass
from threading import Lock

import numpy as np

RECENT = 2.0
"""Seconds over which the shown rate and latency are taken."""
KEPT = 20_000
"""Latencies that the figures at the end are made of: those of the last quarter of an hour or more."""


@dataclass(frozen=True)
class Learnt:
    """What adaptation has done so far."""

    steps: int = 0
    """Windows that were adapted to."""
    undone: int = 0
    """Those of them after which matters were worse, so that the weights were put back."""

    def __add__(self, other: "Learnt") -> "Learnt":
        return Learnt(self.steps + other.steps, self.undone + other.undone)

    def __str__(self) -> str:
        steps = f"adapted in {self.steps} step{'s' if self.steps != 1 else ''}"
        return f"{steps}, {self.undone} taken back" if self.undone else steps


@dataclass(frozen=True)
class Speed:
    """What is shown."""

    rate: float
    """Pictures shown per second."""
    latency: float
    """From the frame's coming to the picture's being shown [s], the median."""
    learnt: Learnt | None = None
    """What adaptation has done, where there is any."""

    def __str__(self) -> str:
        text = f"{self.rate:.1f} frames/s, {1000 * self.latency:.0f} ms"
        return text if self.learnt is None else f"{text}, {self.learnt}"


class Figures:
    """Takes in, from any thread, what was shown when, and how long each stage took."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._recent: deque[tuple[float, float]] = deque()
        self._latencies: deque[float] = deque(maxlen=KEPT)
        self._stages: dict[str, deque[float]] = {}
        self._first = self._last = 0.0
        self.shown = 0
        self.learnt: Learnt | None = None
        """What adaptation has done so far, where there is any."""

    def show(self, taken: float) -> None:
        """A picture of the frame that came at `taken` is being shown now."""
        now = time.monotonic()
        with self._lock:
            self._first = self._first or now
            self._last = now
            self.shown += 1
            self._latencies.append(now - taken)
            self._recent.append((now, now - taken))
            while self._recent[0][0] < now - RECENT:
                self._recent.popleft()

    def spend(self, stage: str, seconds: float) -> None:
        """A stage took so long for a frame."""
        with self._lock:
            self._stages.setdefault(stage, deque(maxlen=KEPT)).append(seconds)

    def learn(self, learnt: Learnt) -> None:
        """Adaptation has done so much by now."""
        self.learnt = learnt

    @property
    def speed(self) -> Speed:
        """Of the last moments."""
        now = time.monotonic()
        with self._lock:
            recent = [(when, latency) for when, latency in self._recent if when >= now - RECENT]
            if not recent:
                return Speed(0.0, 0.0, self.learnt)
            span = min(RECENT, max(now - self._first, 0.2))
            latency = float(np.median([latency for _, latency in recent]))
            return Speed(len(recent) / span, latency, self.learnt)

    @property
    def rate(self) -> float:
        """Pictures shown per second, from the first to the last."""
        return (self.shown - 1) / (self._last - self._first) if self._last > self._first else 0.0

    def latency(self, share: float = 0.5) -> float:
        """The latency [s] that this share of the pictures has at most."""
        with self._lock:
            return float(np.quantile(self._latencies, share)) if self._latencies else 0.0

    def stages(self) -> dict[str, float]:
        """Stage -> its median time for a frame [s]."""
        with self._lock:
            return {stage: float(np.median(spent)) for stage, spent in self._stages.items()}
