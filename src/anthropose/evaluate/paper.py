"""The figures that the papers report, as data: table, row, column, value. Millimetres, mm/frame², percent.

Taken from the specs: tcmr 7, glot 5 and 6, parallel_branch 9, vibe_base 13, rie 8, dynaboa 11.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import NamedTuple

NONE = float("nan")
"""Where a table has no number."""


class Entry(NamedTuple):
    """One number of a table."""

    paper: str
    table: str
    row: str
    test_set: str
    figure: str
    """One of scores.FIGURES."""
    action: str
    """Empty for the figure of the whole set."""
    value: float


@dataclass(frozen=True)
class Row:
    """A line of a table: one system's figures."""

    name: str
    values: tuple[float, ...]
    """In the order of the table's columns, NaN where there is none."""
    method: str = ""
    """The name in METHODS of the system; empty for those that are not here."""
    presets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For a test set, the presets that the row stands for there."""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table of a paper, or of the page of its code."""

    paper: str
    name: str
    columns: tuple[tuple[str, str], ...]
    """Test set and figure."""
    rows: tuple[Row, ...]
    actions: tuple[str, ...] = ()
    """Where each column is an action; the last value is then their mean."""

    def entries(self) -> Iterator[Entry]:
        """Every number of the table."""
        for row in self.rows:
            for place, value in zip(self._places(), row.values, strict=True):
                if not isnan(value):
                    yield Entry(self.paper, self.name, row.name, *place, value)

    def of(self, row: Row, test_set: str) -> dict[str, float]:
        """The figures of a row on a whole test set."""
        own = zip(self._places(), row.values, strict=True)
        return {
            figure: value
            for (place, figure, action), value in own
            if place == test_set and not action and not isnan(value)
        }

    def actions_of(self, row: Row, figure: str) -> dict[str, float]:
        """A figure by action; empty where the table has none."""
        own = zip(self._places(), row.values, strict=True)
        return {action: value for (_, measured, action), value in own if action and measured == figure}

    def _places(self) -> Iterator[tuple[str, str, str]]:
        for test_set, figure in self.columns:
            for action in (*self.actions, ""):
                yield test_set, figure, action


def _columns(**figures: str) -> tuple[tuple[str, str], ...]:
    """Columns by test set, whose names may not begin with a digit here: `threedpw` is 3dpw."""
    sets = {"threedpw": "3dpw"}
    return tuple((sets.get(name, name), figure) for name, some in figures.items() for figure in some.split())


_FAMILY = "pa_mpjpe mpjpe vertex_error acceleration_error"
_NO_BODY = "pa_mpjpe mpjpe acceleration_error"
_VIDEO = _columns(threedpw=_FAMILY, mpii3d=_NO_BODY, h36m=_NO_BODY)
_BOTH_OTHERS = (*(NONE,) * 6,)
_TCMR = "TCMR, CVPR 2021"
_GLOT = "GLoT, CVPR 2023"

TCMR_TABLE_4 = Table(
    _TCMR,
    "Table 4, with 3DPW in training",
    _VIDEO,
    (
        Row("HMMR", (72.6, 116.5, 139.3, 15.2, NONE, NONE, NONE, 56.9, NONE, NONE)),
        Row("VIBE", (57.6, 91.9, NONE, 25.4, 68.9, 103.9, 27.3, 53.3, 78.0, 27.3), "vibe"),
        Row("MEVA, 90 frames", (54.7, 86.9, NONE, 11.6, 65.4, 96.4, 11.1, 53.2, 76.0, 15.3)),
        Row(
            "TCMR",
            (52.7, 86.5, 102.9, 6.8, 63.5, 97.3, 8.5, 52.0, 73.6, 3.9),
            "tcmr",
            {"3dpw": ("table4-3dpw",), "mpii3d": ("table4-h36m-mpii3d",), "h36m": ("table4-h36m-mpii3d",)},
        ),
        Row(
            "TCMR, trained again by its author",
            (52.670, 86.455, 103.225, 6.772, *_BOTH_OTHERS),
            "tcmr",
            {"3dpw": ("table4-3dpw",)},
            note="TCMR_RELEASE, issue 2",
        ),
    ),
)
TCMR_TABLE_6 = Table(
    _TCMR,
    "Table 6, without 3DPW in training",
    _VIDEO,
    (
        Row("HMR", (76.7, 130.0, NONE, 37.4, *_BOTH_OTHERS)),
        Row("SPIN", (59.2, 96.9, 116.4, 29.8, 67.5, 105.2, NONE, 41.1, NONE, 18.3)),
        Row("I2L-MeshNet", (57.7, 93.2, 110.1, 30.9, *_BOTH_OTHERS)),
        Row("Pose2Mesh", (58.3, 88.9, 106.3, 22.6, *_BOTH_OTHERS)),
        Row(
            "VIBE",
            (56.5, 93.5, 113.4, 27.1, 63.4, 97.7, 29.0, 41.5, 65.9, 18.3),
            "vibe",
            {"3dpw": ("without-3dpw",), "mpii3d": ("without-3dpw",)},
        ),
        Row(
            "TCMR",
            (55.8, 95.0, 111.5, 6.7, 62.8, 96.5, 9.5, 41.1, 62.3, 5.3),
            "tcmr",
            {"3dpw": ("table6-3dpw",), "mpii3d": ("table6-mpii3d",), "h36m": ("table6-h36m",)},
        ),
    ),
)
GLOT_TABLE_1 = Table(
    _GLOT,
    "Table 1, with 3DPW in training",
    _VIDEO,
    (
        Row("VIBE", (57.6, 91.9, NONE, 25.4, *_BOTH_OTHERS), "vibe"),
        Row("MEVA, 90 frames", (54.7, 86.9, NONE, 11.6, *_BOTH_OTHERS)),
        Row("TCMR", (52.7, 86.5, 102.9, 7.1, *_BOTH_OTHERS), "tcmr", {"3dpw": ("table4-3dpw",)}),
        Row("MPS-Net", (52.1, 84.3, 99.7, 7.4, *_BOTH_OTHERS)),
        Row(
            "GLoT",
            (50.6, 80.7, 96.3, 6.6, 61.5, 93.9, 7.9, 46.3, 67.0, 3.6),
            "glot",
            {"3dpw": ("table1-3dpw",), "mpii3d": ("table1-h36m-mpii3d",), "h36m": ("table1-h36m-mpii3d",)},
        ),
    ),
)
GLOT_TABLE_2 = Table(
    _GLOT,
    "Table 2, without 3DPW in training",
    _columns(threedpw=_FAMILY),
    (
        Row("HMR", (76.7, 130.0, NONE, 37.4)),
        Row("SPIN", (59.2, 96.9, 116.4, 29.8)),
        Row("VIBE", (56.5, 93.5, 113.4, 27.1), "vibe", {"3dpw": ("without-3dpw",)}),
        Row("TCMR", (55.8, 95.0, 111.5, 7.0), "tcmr", {"3dpw": ("table6-3dpw",)}),
        Row("MPS-Net", (54.0, 91.6, 109.6, 7.5)),
        Row("GLoT", (53.5, 89.9, 107.8, 6.7), "glot", {"3dpw": ("table2-3dpw",)}),
    ),
)
GLOT_VALIDATION = Table(
    "GLoT, issue 5 of its code",
    "3DPW's validation set, epoch 45 of a user's training",
    _columns(**{"3dpw-val": "pa_mpjpe mpjpe vertex_error acceleration acceleration_error"}),
    (Row("GLoT", (54.0, 79.7, 97.0, 4.1, 8.8), "glot", {"3dpw-val": ("table1-3dpw",)}),),
)
VIBE_TABLE = Table(
    "VIBE, CVPR 2020",
    "README",
    _columns(threedpw="pa_mpjpe", mpii3d="pa_mpjpe", h36m="pa_mpjpe"),
    (
        Row("SPIN", (59.2, 67.5, 41.1)),
        Row("Temporal HMR", (76.7, 89.8, 56.8)),
        Row("VIBE", (56.5, 63.4, 41.5), "vibe", {"3dpw": ("without-3dpw",), "mpii3d": ("without-3dpw",)}),
    ),
)
VIBE_PAPER = Table(
    "VIBE, CVPR 2020",
    "Table 1, without 3DPW in training",
    _columns(threedpw="mpjpe vertex_error acceleration", mpii3d="mpjpe"),
    (Row("VIBE", (93.5, 113.4, 27.1, 97.7), "vibe", {"3dpw": ("without-3dpw",), "mpii3d": ("without-3dpw",)}),),
)
VIBE_WEIGHTS = Table(
    "VIBE, released weights",
    "vibe_model_wo_3dpw by eval.py",
    _columns(threedpw="pa_mpjpe mpjpe vertex_error acceleration acceleration_error"),
    (Row("VIBE", (56.5608, 93.5881, 113.4118, 27.1242, 27.9877), "vibe", {"3dpw": ("without-3dpw",)}),),
)
_PARALLEL = ("final", "first", "final-paper", "first-paper")
PARALLEL_BRANCH_TABLE = Table(
    "Parallel-Branch, CAVW 2022",
    "README",
    (("3dpw", "mpjpe"), ("mpii3d", "mpjpe"), ("3dpw", "pa_mpjpe"), ("mpii3d", "pa_mpjpe"), ("h36m", "pa_mpjpe")),
    (
        Row("SPIN", (96.9, 105.2, 59.2, 67.5, 41.1)),
        Row("Pose2Mesh", (89.2, NONE, 58.3, NONE, 46.3)),
        Row(
            "VIBE, without 3DPW",
            (93.5, 96.6, 56.5, 63.4, 41.5),
            "vibe",
            {"3dpw": ("without-3dpw",), "mpii3d": ("without-3dpw",)},
        ),
        Row(
            "Parallel-Branch",
            (85.7, 95.8, 53.1, 65.0, NONE),
            "parallel-branch",
            {"3dpw": _PARALLEL, "mpii3d": _PARALLEL},
        ),
    ),
)
_RIE = "RIE, ACM MM 2021"
H36M_ACTIONS = (
    "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases", "Sitting",
    "SittingDown", "Smoking", "Waiting", "WalkDog", "Walking", "WalkTogether",
)  # fmt: skip
"""In the order of the papers' columns."""
_CPN, _GT = ("cpn-stage3", "cpn-stage3-short"), ("gt-stage3", "gt-stage3-short")
RIE_CPN = Table(
    _RIE,
    "Human3.6M, CPN detections, 243 frames",
    (("h36m-lifting", "mpjpe"), ("h36m-lifting", "pa_mpjpe")),
    (
        Row(
            "RIE",
            (
                40.8, 44.5, 41.4, 42.7, 46.3, 55.6, 41.8, 41.9, 53.7, 60.8, 45.0, 41.5, 44.8, 30.8, 31.9, 44.3,
                32.5, 36.2, 33.2, 35.3, 35.6, 42.1, 32.6, 31.9, 42.6, 47.9, 36.6, 32.1, 34.8, 24.2, 25.8, 35.0,
            ),
            "rie",
            {"h36m-lifting": _CPN},
        ),
    ),
    H36M_ACTIONS,
)  # fmt: skip
RIE_GT = Table(
    _RIE,
    "Human3.6M, true keypoints, 243 frames",
    (("h36m-lifting", "mpjpe"),),
    (
        Row(
            "RIE",
            (29.5, 30.8, 28.8, 29.1, 30.7, 35.2, 31.7, 27.8, 34.5, 36.0, 30.3, 29.4, 28.9, 24.1, 24.7, 30.1),
            "rie",
            {"h36m-lifting": _GT},
        ),
    ),
    H36M_ACTIONS,
)  # fmt: skip
RIE_REPORTS = Table(
    "RIE, issue 7 of its code",
    "Human3.6M, true keypoints, 243 frames",
    (("h36m-lifting", "mpjpe"), ("h36m-lifting", "pa_mpjpe")),
    (
        Row("RIE, released weights", (NONE, 24.1), "rie", {"h36m-lifting": ("gt-stage3",)}),
        Row("RIE, stage 3 of 20 epochs", (32.3, 24.6), "rie", {"h36m-lifting": ("gt-stage3-short",)}),
    ),
)
VIDEOPOSE3D = Table(
    "VideoPose3D, CVPR 2019",
    "Human3.6M and HumanEva-I",
    (("h36m-lifting", "mpjpe"), ("h36m-lifting", "pa_mpjpe"), ("humaneva", "mpjpe")),
    (
        Row("VideoPose3D, 243 frames, CPN", (46.8, 36.5, NONE)),
        Row("VideoPose3D, 81 frames, CPN", (47.7, 37.2, NONE)),
        Row("VideoPose3D, 27 frames, CPN", (48.8, 38.0, NONE)),
        Row("VideoPose3D, 243 frames, true keypoints", (37.2, 27.2, NONE)),
        Row("VideoPose3D, 27 frames, Mask R-CNN", (NONE, NONE, 33.0)),
    ),
)
_DYNABOA = "DynaBOA, TPAMI 2022"
_BODY = _columns(**{"3dpw-ps": "pa_mpjpe mpjpe vertex_error"})
DYNABOA_TABLE = Table(
    _DYNABOA,
    "README, 3DPW, protocol #PS, true keypoints",
    _BODY,
    (
        Row("SPIN", (59.2, 96.9, 135.1)),
        Row("PARE", (46.4, 79.1, 94.2)),
        Row("Mesh Graphormer", (45.6, 74.7, 87.7)),
        Row("BOA", (49.5, 77.2, NONE), "dynaboa", {"3dpw-ps": ("boa-3dpw",)}, "MPJPE from memory, unverified"),
        Row("DynaBOA", (40.4, 65.5, 82.0), "dynaboa", {"3dpw-ps": ("3dpw",)}),
    ),
)
DYNABOA_OTHERS = Table(
    "CycleAdapt, ICCV 2023",
    "Table S6, 3DPW, OpenPose's keypoints",
    _BODY,
    (
        Row("DynaBOA's BaseModel, not adapted", (123.4, 230.3, 253.4), "dynaboa"),
        Row("BOA", (76.2, 137.6, 171.8), "dynaboa"),
        Row("DynaBOA", (73.0, 135.1, 168.2), "dynaboa"),
        Row("CycleAdapt", (53.8, 87.7, 105.7)),
        Row("CycleAdapt, true keypoints", (39.9, 64.7, 76.7), note="paperswithcode"),
        Row("CycleAdapt, detected keypoints", (51.1, 84.4, 99.9), note="paperswithcode"),
    ),
)
BOA_MPII3D = Table(
    "BOA, CVPR 2021",
    "Table 4, MPI-INF-3DHP",
    _columns(mpii3d="pa_mpjpe mpjpe pck"),
    (
        Row(
            "BOA",
            (77.4, 117.6, 90.3),
            "dynaboa",
            note="PCK after alignment; MPJPE and PCK by a public index of the paper",
        ),
        Row("BOA, by a user with the released code", (92.61, NONE, NONE), "dynaboa", note="BOA, issue 7"),
    ),
)

TABLES = (
    TCMR_TABLE_4, TCMR_TABLE_6, GLOT_TABLE_1, GLOT_TABLE_2, GLOT_VALIDATION, VIBE_TABLE, VIBE_PAPER, VIBE_WEIGHTS,
    PARALLEL_BRANCH_TABLE, RIE_CPN, RIE_GT, RIE_REPORTS, VIDEOPOSE3D, DYNABOA_TABLE, DYNABOA_OTHERS, BOA_MPII3D,
)  # fmt: skip
"""Every table. `h36m-lifting` is Human3.6M as lifters evaluate it, `3dpw-ps` 3DPW by DynaBOA's protocol."""


def rows_for(method: str, preset: str, test_set: str) -> list[tuple[Table, Row]]:
    """The lines to hold an evaluation against: those that the preset stands for, or all of the method without one.

    Other systems' lines of the tables are left out; `others_in` has them.
    """
    return [
        (table, row)
        for table in TABLES
        for row in table.rows
        if row.method == method and table.of(row, test_set) and (not preset or preset in row.presets.get(test_set, ()))
    ]


def others_in(table: Table, test_set: str) -> list[Row]:
    """All lines of a table that have figures on a test set."""
    return [row for row in table.rows if table.of(row, test_set)]


def sets_of(method: str, preset: str) -> list[str]:
    """The test sets on which a preset has a published figure, in the order of the tables."""
    found = [
        test_set
        for table in TABLES
        for row in table.rows
        if row.method == method
        for test_set, presets in row.presets.items()
        if preset in presets
    ]
    return list(dict.fromkeys(found))


def entries() -> list[Entry]:
    """Every number of every table."""
    return [entry for table in TABLES for entry in table.entries()]
