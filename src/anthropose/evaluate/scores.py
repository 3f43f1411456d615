"""What an evaluation finds: errors of every frame that counts, their means, and a table of them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

COLUMNS = {
    "mpjpe": "MPJPE [mm]",
    "pa_mpjpe": "PA-MPJPE [mm]",
    "vertex_error": "MPVPE [mm]",
    "acceleration_error": "Accel [mm/frame²]",
    "acceleration": "own accel. [mm/frame²]",
}
"""Figure -> its name in a table. The papers' "Accel" is the error of the acceleration."""


@dataclass(frozen=True, eq=False)
class Errors:
    """The errors of one sequence, for each frame that counts."""

    name: str
    mpjpe: Float[Tensor, "m"]
    """Of joints relative to their root [mm]."""
    pa_mpjpe: Float[Tensor, "m"]
    """The same after the best rotation, scale and shift of each frame [mm]."""
    acceleration: Float[Tensor, "a"]
    """Of the prediction, mean over the joints [mm/frame²]; none for a sequence's first and last frame."""
    acceleration_error: Float[Tensor, "a"]
    """[mm/frame²]."""
    vertex_error: Float[Tensor, "m"] | None = None
    """Of the surface, not root-aligned [mm]; None where the labels are no bodies."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The errors on a test set."""

    protocol: str
    test_set: str
    sequences: tuple[Errors, ...]
    """In the order of their names."""
    skipped: tuple[str, ...] = ()
    """Sequences that were too short, or of which no frame counts."""

    @property
    def frames(self) -> int:
        """How many frames count."""
        return sum(len(errors.mpjpe) for errors in self.sequences)

    def values(self, figure: str) -> Float[Tensor, "m"] | None:
        """A figure for every frame that counts of all sequences; None where it was not measured."""
        parts = [getattr(errors, figure) for errors in self.sequences]
        return None if any(part is None for part in parts) else torch.cat(parts)

    def means(self) -> dict[str, float]:
        """The means over all frames of all sequences together, as published; not over sequences."""
        found = {figure: self.values(figure) for figure in COLUMNS}
        return {figure: float(values.double().mean()) for figure, values in found.items() if values is not None}

    def table(self) -> str:
        """A line for every sequence and one for all, under heads with units."""
        shown = [figure for figure in COLUMNS if figure in self.means()]
        width = max(len(name) for name in ("sequence", "all", *(errors.name for errors in self.sequences)))
        lines = [f"{'sequence':<{width}}  {'frames':>7}" + "".join(f"  {COLUMNS[figure]:>14}" for figure in shown)]
        for name, part in [*((errors.name, (errors,)) for errors in self.sequences), ("all", self.sequences)]:
            own = Evaluation(self.protocol, self.test_set, part)
            means = own.means()
            cells = (f"  {means[figure]:>{max(14, len(COLUMNS[figure]))}.1f}" for figure in shown)
            lines.append(f"{name:<{width}}  {own.frames:>7}" + "".join(cells))
        return "\n".join(lines)
