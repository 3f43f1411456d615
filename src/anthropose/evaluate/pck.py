"""MPI-INF-3DHP's own evaluation: PCK, AUC and MPJPE by sequence, by activity and by scene.

Mehta et al., Monocular 3D Human Pose Estimation In The Wild Using Improved CNN Supervision, 3DV 2017; the figures are
those of the scripts that come with the data set (parallel_branch spec, section 10). Millimetres and percent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anthropose.geometry.alignment import procrustes
from anthropose.skeleton import MPII3D_17

ACTIVITIES = (
    "Standing/Walking",
    "Exercising",
    "Sitting",
    "Reaching/Crouching",
    "On The Floor",
    "Sports",
    "Miscellaneous",
)
"""What a frame's activity, 1 to 7, means."""
SCENES = {"studio, green screen": (0, 1), "studio": (2, 3), "outdoor": (4, 5)}
"""Which of the sequences TS1 to TS6 were taken where."""
FOCALS = (1499.21, 1499.21, 1499.21, 1499.21, 1683.98, 1683.98)
"""Of the cameras of TS1 to TS6 [px]; the principal points are taken to be the images' centres."""
WIDTHS = (2048, 2048, 2048, 2048, 1920, 1920)
"""Of the images of TS1 to TS6 [px]."""

_PAIRS = {
    limb: (f"right_{limb.lower()}", f"left_{limb.lower()}")
    for limb in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle")
}
GROUPS_14: dict[str, tuple[str, ...]] = {
    "Head": ("head_top",),
    "Neck": ("neck",),
    **{limb[:4] if limb == "Shoulder" else limb: pair for limb, pair in _PAIRS.items()},
}
"""The 14 joints that count today: neither pelvis nor spine nor head."""
GROUPS_17: dict[str, tuple[str, ...]] = GROUPS_14 | {
    "Head": ("head_top", "h36m_head"),
    "Hip": (*_PAIRS["Hip"], "hip"),
    "Spine": ("h36m_spine",),
}
"""All 17, as in an older release; the pelvis, whose error is always zero, makes the figures better."""

Align = Literal["none", "scale", "procrustes"]
"""What a prediction may be changed by before it is compared: nothing, as the data set's authors have it; the best
scale; or the best rotation and scale, which some papers call PCK as well."""


@dataclass(frozen=True)
class Rules:
    """How PCK and AUC are counted; the defaults are the official ones."""

    threshold: float = 150.0
    """A joint is right if it is nearer than this [mm]."""
    farthest: float = 150.0
    """The last of AUC's thresholds, which are 0, 5, ...; an older release went to 200 [mm]."""
    all_joints: bool = False
    """Whether GROUPS_17 count rather than GROUPS_14."""

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        return GROUPS_17 if self.all_joints else GROUPS_14


@dataclass(frozen=True, eq=False)
class Table:
    """Figures of some selections of frames; NaN where a selection is empty."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    """The groups of joints, and Total over all their joints."""
    frames: Int[Tensor, "r"]
    pck: Float[Tensor, "r c"]
    """Share of joints nearer than the threshold [%]."""
    auc: Float[Tensor, "r c"]
    """The same, mean over thresholds [%]. At most 96.774: at zero no joint is nearer."""
    mpjpe: Float[Tensor, "r 18"]
    """Mean error of the 17 joints of MPII3D-17, and the mean of these [mm]."""

    def text(self) -> str:
        """Total PCK, AUC and MPJPE of every row, under heads with units."""
        width = max(len(row) for row in self.rows)
        lines = [f"{'':<{width}}  {'frames':>7}  {'PCK [%]':>8}  {'AUC [%]':>8}  {'MPJPE [mm]':>10}"]
        for row, frames, pck, auc, mpjpe in zip(
            self.rows, self.frames.tolist(), self.pck[:, -1], self.auc[:, -1], self.mpjpe[:, -1], strict=True
        ):
            lines.append(f"{row:<{width}}  {frames:>7}  {pck:>8.1f}  {auc:>8.1f}  {mpjpe:>10.1f}")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class PCK:
    """The whole evaluation. The number to report is the last row of `activities`: all frames pooled."""

    sequences: Table
    activities: Table
    """The seven activities over all sequences, and "All"."""
    scenes: Table | None
    """Frame-weighted means of the sequences of a scene; None unless there are the six of the test set."""
    missing: int
    """Frames without a prediction; they count as wrong."""


def pose_errors(
    predicted: Float[Tensor, "n 17 3"],
    target: Float[Tensor, "n 17 3"],
    valid: Bool[Tensor, "n"],
    align: Align = "none",
) -> Float[Tensor, "m 17"]:
    """Distances [mm] of the joints of the valid frames, each pose relative to its own pelvis.

    Args:
        predicted: MPII3D-17 [mm], camera axes; NaN where there is no prediction, whose errors are infinite.
        target: `univ_annot3` officially; `annot3`, which some use, is about 14 mm worse for the same predictions.
    """
    hip = MPII3D_17.index("hip")
    ours, theirs = (poses[valid] - poses[valid][:, hip : hip + 1] for poses in (predicted, target))
    lost = ours.isnan().flatten(1).any(dim=1)
    ours = torch.where(lost[:, None, None], theirs, ours)
    match align:
        case "none":
            pass
        case "scale":
            scale = (ours * theirs).sum((1, 2)) / ours.square().sum((1, 2)).clamp_min(1e-12)
            ours = ours * scale[:, None, None]
        case "procrustes":
            ours = procrustes(ours, theirs)
        case _:
            assert_never(align)
    return (ours - theirs).norm(dim=-1).masked_fill(lost[:, None], math.inf)


def perspective_corrected(
    predicted: Float[Tensor, "n 17 3"], pelvis_x: Float[Tensor, "n"], focal: float, width: int
) -> Float[Tensor, "n 17 3"]:
    """Poses turned about the vertical axis by the angle between the optical axis and the ray to the pelvis.

    A network that sees a crop predicts a person as if seen in the image's middle. The official scripts come with this
    correction, and papers seldom say whether they use it: it is never applied unless it is called.

    Args:
        pelvis_x: where the pelvis is in the image [px].
        focal: of the camera [px].
        width: of the image [px].
    """
    angle = torch.atan2(pelvis_x - width / 2, torch.full_like(pelvis_x, focal))[:, None]
    x, y, z = predicted.unbind(-1)
    return torch.stack([x * angle.cos() + z * angle.sin(), y, z * angle.cos() - x * angle.sin()], dim=-1)


def evaluate_pck(
    errors: Sequence[Float[Tensor, "_ 17"]],
    activities: Sequence[Int[Tensor, "_"]],
    names: Sequence[str] = (),
    rules: Rules = Rules(),
) -> PCK:
    """The tables of the official evaluation.

    Args:
        errors: of each sequence, see `pose_errors`.
        activities: of the same frames, 1 to 7.
        names: of the sequences; TS1, TS2, ... where left out.
        rules: how is counted.
    """
    if not errors or len(errors) != len(activities):
        raise ValueError(f"{len(errors)} sequences of errors and {len(activities)} of activities")
    pooled, doing = torch.cat(list(errors)), torch.cat(list(activities))
    rows = tuple(names) or tuple(f"TS{k + 1}" for k in range(len(errors)))
    by_sequence = _table(rows, list(errors), rules)
    by_activity = [pooled[doing == activity] for activity in range(1, len(ACTIVITIES) + 1)]
    missing = int(pooled.isinf().any(dim=1).sum())
    return PCK(
        by_sequence,
        _table((*ACTIVITIES, "All"), [*by_activity, pooled], rules),
        _by_scene(by_sequence) if len(errors) == len(FOCALS) else None,
        missing,
    )


def shares(errors: Float[Tensor, "n 17"], rules: Rules = Rules()) -> tuple[Float[Tensor, "c"], Float[Tensor, "c"]]:
    """PCK and AUC [%] of each group of joints and of all their joints."""
    thresholds = torch.arange(0, rules.farthest + 1, 5, dtype=torch.float64)
    right = (errors < rules.threshold).double()
    under = (errors[..., None] < thresholds).double().mean(-1)
    groups = [*rules.groups.values(), tuple(joint for group in rules.groups.values() for joint in group)]
    places = [[MPII3D_17.index(joint) for joint in group] for group in groups]
    pck, auc = (torch.stack([100 * values[:, place].mean() for place in places]) for values in (right, under))
    return pck, auc


def shares_of_frames(
    errors: Float[Tensor, "n 17"], rules: Rules = Rules()
) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
    """PCK and AUC [%] of each frame over all the joints that count; their means over frames are the totals."""
    joints = [MPII3D_17.index(joint) for group in rules.groups.values() for joint in group]
    counted = errors[:, joints]
    thresholds = torch.arange(0, rules.farthest + 1, 5, dtype=torch.float64)
    right = (counted < rules.threshold).double().mean(1)
    return 100 * right, 100 * (counted[..., None] < thresholds).double().mean((1, 2))


def _table(rows: tuple[str, ...], errors: list[Float[Tensor, "_ 17"]], rules: Rules) -> Table:
    pck, auc = zip(*(shares(part, rules) for part in errors), strict=True)
    joints = torch.stack([part.double().mean(0) for part in errors])
    return Table(
        rows,
        (*rules.groups, "Total"),
        torch.tensor([len(part) for part in errors]),
        torch.stack(pck),
        torch.stack(auc),
        torch.cat([joints, joints.mean(1, keepdim=True)], dim=1),
    )


def _by_scene(table: Table) -> Table:
    def weighted(figures: Float[Tensor, "r c"]) -> Float[Tensor, "s c"]:
        weights = [table.frames[list(places)].double() for places in SCENES.values()]
        chosen = [figures[list(places)] for places in SCENES.values()]
        return torch.stack([w / w.sum() @ part for w, part in zip(weights, chosen, strict=True)])

    frames = torch.stack([table.frames[list(places)].sum() for places in SCENES.values()])
    figures = (weighted(part) for part in (table.pck, table.auc, table.mpjpe))
    return Table(tuple(SCENES), table.columns, frames, *figures)
