"""What an evaluation finds: errors of every frame that counts, their means, and a table of them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Figure:
    """A measure, as tables name it."""

    title: str
    unit: str
    more_is_better: bool = False

    @property
    def head(self) -> str:
        """What stands over its column."""
        return f"{self.title} [{self.unit}]"


FIGURES = {
    "mpjpe": Figure("MPJPE", "mm"),
    "pa_mpjpe": Figure("PA-MPJPE", "mm"),
    "n_mpjpe": Figure("N-MPJPE", "mm"),
    "vertex_error": Figure("PVE", "mm"),
    "acceleration_error": Figure("Accel", "mm/frame²"),
    "velocity_error": Figure("MPJVE", "mm/frame"),
    "acceleration": Figure("own accel.", "mm/frame²"),
    "pck": Figure("PCK@150", "%", more_is_better=True),
    "auc": Figure("AUC", "%", more_is_better=True),
    "root_error": Figure("root error", "mm"),
    "unposed_error": Figure("PVE unposed", "mm"),
    "foot_slide": Figure("foot slide", "cm/s"),
    "keypoint_error": Figure("2D error", "% of box"),
    "unadapted_error": Figure("2D error unadapted", "% of box"),
}
"""Every measure by name, in the order of the columns. The papers' "Accel" is the error of the acceleration, their PVE
also goes by MPVPE; N-MPJPE is after the best scale, PA-MPJPE after the best scale, rotation and shift of each frame."""


@dataclass(frozen=True, eq=False)
class Errors:
    """The errors of one sequence, for each frame that counts; None where something was not measured."""

    name: str
    mpjpe: Float[Tensor, "m"]
    """Of joints relative to their root [mm]."""
    pa_mpjpe: Float[Tensor, "m"]
    """The same after the best rotation, scale and shift of each frame [mm]."""
    acceleration: Float[Tensor, "a"] | None = None
    """Of the prediction, mean over the joints [mm/frame²]; none for a sequence's first and last frame."""
    acceleration_error: Float[Tensor, "a"] | None = None
    """[mm/frame²]."""
    vertex_error: Float[Tensor, "_"] | None = None
    """Of the surface, not root-aligned [mm], of all frames or some; None where the labels are no bodies."""
    n_mpjpe: Float[Tensor, "m"] | None = None
    """After the best scale of each frame [mm]."""
    velocity_error: Float[Tensor, "_"] | None = None
    """[mm/frame]; none for a sequence's first frame."""
    pck: Float[Tensor, "p"] | None = None
    """Share of MPI-INF-3DHP's 14 joints that are nearer than 150 mm [%]."""
    auc: Float[Tensor, "p"] | None = None
    """The same, mean over MPI-INF-3DHP's thresholds [%]."""
    root_error: Float[Tensor, "m"] | None = None
    """Of the root's place [mm]."""
    unposed_error: Float[Tensor, "m"] | None = None
    """Of the surface without pose, so of the shape alone [mm]."""
    foot_slide: Float[Tensor, "_"] | None = None
    """Speed of ankles that truly stand [cm/s], one value for each such ankle and step between frames."""
    keypoint_error: Float[Tensor, "_"] | None = None
    """How far the projected joints lie from keypoints [% of the box], where there is no truth."""
    unadapted_error: Float[Tensor, "_"] | None = None
    """The same without adaptation."""
    action: str = ""
    """What the sequence shows, for tables by action; empty where nobody said."""
    activities: Int[Tensor, "p"] | None = None
    """MPI-INF-3DHP's activity of each frame."""
    joint_errors: Float[Tensor, "p 17"] | None = None
    """Of each joint of MPII3D-17 [mm], for its own tables; infinite where there is no prediction."""


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
        found = {figure: self.values(figure) for figure in FIGURES}
        return {figure: float(values.double().mean()) for figure, values in found.items() if values is not None}

    def table(self) -> str:
        """A line for every sequence and one for all, under heads with units."""
        heads = {figure: FIGURES[figure].head for figure in self.means()}
        width = max(len(name) for name in ("sequence", "all", *(errors.name for errors in self.sequences)))
        lines = [f"{'sequence':<{width}}  {'frames':>7}" + "".join(f"  {head:>14}" for head in heads.values())]
        for name, part in [*((errors.name, (errors,)) for errors in self.sequences), ("all", self.sequences)]:
            own = Evaluation(self.protocol, self.test_set, part)
            means = own.means()
            cells = (f"  {means[figure]:>{max(14, len(head))}.1f}" for figure, head in heads.items())
            lines.append(f"{name:<{width}}  {own.frames:>7}" + "".join(cells))
        return "\n".join(lines)
