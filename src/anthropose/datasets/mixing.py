"""What a training draws: windows of 2D sets and of 3D sets, mixed in each batch at a given ratio."""

from collections.abc import Callable
from collections.abc import Sequence as List
from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Int

from anthropose.datasets.items import Item, WindowSet, batch_of
from anthropose.datasets.sequence import Batch

Numbers = Int[np.ndarray, "n"]


class Mixture:
    """Batches by number, each of so many windows of 2D sets and so many of 3D sets; a kind without sets is left out.

    As published, the sets of a kind are laid together, so that a set counts by its windows, and drawn in a shuffled
    order until all have been seen, the last batch being smaller; then in another order, for each kind apart. Epochs of
    so many steps do not begin this anew. A batch depends on its number alone, so a training can go on anywhere.
    """

    def __init__(
        self, sets_2d: List[WindowSet], sets_3d: List[WindowSet], batch_2d: int, batch_3d: int, seed: int = 0
    ) -> None:
        """
        Raises:
            ValueError: there is nothing to draw from.
        """
        self._kinds = [_Kind(sets_2d, batch_2d, (seed, 2)), _Kind(sets_3d, batch_3d, (seed, 3))]
        if not any(kind.count and kind.size for kind in self._kinds):
            raise ValueError("there are no windows to draw from")

    def batch(self, step: int, part: Callable[[Numbers], Numbers] = lambda numbers: numbers) -> Batch:
        """The batch of a step, counted from 0.

        Args:
            part: which of the windows of each kind are to be read; all by default.
        """
        items = [item for kind in self._kinds for item in kind.items(part(kind.numbers(step)))]
        if items:
            return batch_of(items)
        any_kind = next(kind for kind in self._kinds if kind.count)
        return _without_rows(batch_of(any_kind.items(np.zeros(1, int))))


@dataclass
class _Kind:
    """The sets of a kind, end to end."""

    sets: List[WindowSet]
    size: int
    """Windows in a batch."""
    seed: tuple[int, int]

    def __post_init__(self) -> None:
        self._ends = np.cumsum([len(part) for part in self.sets], dtype=int)
        self._order: tuple[int, Numbers] = (-1, np.zeros(0, int))

    @property
    def count(self) -> int:
        """Windows of all sets."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def numbers(self, step: int) -> Numbers:
        """Which windows a step draws."""
        if not self.count or not self.size:
            return np.zeros(0, int)
        pass_number, place = divmod(step, -(-self.count // self.size))
        if self._order[0] != pass_number:
            self._order = pass_number, np.random.default_rng([*self.seed, pass_number]).permutation(self.count)
        return self._order[1][place * self.size : (place + 1) * self.size]

    def items(self, numbers: Numbers) -> list[Item]:
        which = np.searchsorted(self._ends, numbers, side="right").tolist()
        return [
            self.sets[k][int(number) - int(self._ends[k]) + len(self.sets[k])]
            for k, number in zip(which, numbers, strict=True)
        ]


def _without_rows(batch: Batch) -> Batch:
    return replace(batch, **{field.name: getattr(batch, field.name)[:0] for field in fields(batch)})
