"""How sure a figure is: bootstrap over sequences, since the frames of one are much alike.

Sequences are drawn with replacement as often as there are, the figure is taken of those drawn, again and again; where
most of the results lie is the interval. Two results on the same sequences are compared draw by draw (Efron and
Tibshirani, An Introduction to the Bootstrap, chapters 13 and 16). Equal seeds give equal draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

RESAMPLES = 10_000
LEVEL = 0.95
FEWEST = 2
"""Sequences that an interval needs; one says nothing about others."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A figure of some sequences: its sum over the frames of each, and the number of frames."""

    sums: Float[np.ndarray, "s"]
    counts: Int[np.ndarray, "s"]
    groups: tuple[str, ...] = ()
    """Of each sequence, where the figure is the mean over groups (actions) and not over all frames."""

    def value(self) -> float:
        """The figure itself; NaN where nothing counts."""
        return float(self._of(np.ones((1, len(self.sums))))[0])

    def resampled(self, resamples: int = RESAMPLES, seed: int = 0) -> Float[np.ndarray, "r"]:
        """The figure of each draw of sequences. Within groups where there are some, so that each keeps its number."""
        return self._of(_draws(self.groups or ("",) * len(self.sums), resamples, seed))

    def _of(self, weights: Float[np.ndarray, "r s"]) -> Float[np.ndarray, "r"]:
        with np.errstate(invalid="ignore", divide="ignore"):
            parts = [
                (weights[:, rows] @ self.sums[rows]) / (weights[:, rows] @ self.counts[rows])
                for rows in _rows(self.groups or ("",) * len(self.sums))
            ]
        return np.mean(parts, axis=0)


def _rows(groups: Sequence[str]) -> list[Int[np.ndarray, "_"]]:
    return [np.flatnonzero(np.array(groups) == group) for group in dict.fromkeys(groups)]


def _draws(groups: Sequence[str], resamples: int, seed: int) -> Float[np.ndarray, "r s"]:
    """How often each sequence is drawn."""
    generator = np.random.default_rng(seed)
    drawn = np.zeros((resamples, len(groups)))
    for rows in _rows(groups):
        drawn[:, rows] = generator.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), resamples)
    return drawn


def interval(
    sample: Sample, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float] | None:
    """Between which values the figure lies with the given probability, had other such sequences been recorded.

    None where there are fewer than two sequences, or no group has two.
    """
    if max((len(rows) for rows in _rows(sample.groups or ("",) * len(sample.sums))), default=0) < FEWEST:
        return None
    low, high = np.nanquantile(sample.resampled(resamples, seed), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Difference:
    """How much larger a figure is in the second of two results on the same sequences."""

    first: float
    second: float
    low: float
    """The interval of the difference."""
    high: float
    p: float
    """How probable a difference of this size, either way, is if there is none."""
    sequences: int

    @property
    def value(self) -> float:
        return self.second - self.first

    @property
    def is_significant(self) -> bool:
        """Whether no difference at all lies outside the interval."""
        return not self.low <= 0 <= self.high


def paired_difference(
    first: Sample, second: Sample, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Difference | None:
    """The difference with its interval, both results taken of the same sequences in each draw.

    None where there are fewer than two sequences.

    Args:
        second: of the same sequences in the same order as `first`.
    """
    if len(first.sums) != len(second.sums) or first.groups != second.groups:
        raise ValueError("a paired difference is of the same sequences")
    if len(first.sums) < FEWEST:
        return None
    found = second.resampled(resamples, seed) - first.resampled(resamples, seed)
    low, high = np.nanquantile(found, [(1 - level) / 2, (1 + level) / 2])
    # One more than was drawn: no finite number of draws shows that something is impossible.
    below, above = (1 + (found <= 0).sum()) / (resamples + 1), (1 + (found >= 0).sum()) / (resamples + 1)
    p = float(min(1.0, 2 * min(below, above)))
    return Difference(first.value(), second.value(), float(low), float(high), p, len(first.sums))
