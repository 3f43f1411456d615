"""The papers' tables: every number has its place, and every preset that stands for a row is one."""

from importlib import import_module
from math import isnan

import pytest

from anthropose.evaluate.paper import RIE_CPN, RIE_GT, TABLES, Row, Table, entries, rows_for, sets_of
from anthropose.evaluate.scores import FIGURES
from anthropose.methods.base import METHODS

ROWS = [pytest.param(table, row, id=f"{table.paper}: {row.name}") for table in TABLES for row in table.rows]


@pytest.mark.parametrize(("table", "row"), ROWS)
def test_a_row_has_a_value_for_every_column_and_no_preset_that_is_none(table: Table, row: Row) -> None:
    assert len(row.values) == len(table.columns) * (len(table.actions) + 1)
    assert not all(isnan(value) for value in row.values)
    assert {figure for _, figure in table.columns} <= set(FIGURES)
    if row.method:
        known = import_module(METHODS[row.method].partition(":")[0]).PRESETS
        assert {preset for presets in row.presets.values() for preset in presets} <= set(known)
    for test_set in row.presets:
        assert table.of(row, test_set), "a preset stands for figures"


@pytest.mark.parametrize(
    ("method", "preset", "test_set", "figures"),
    [
        ("tcmr", "table4-3dpw", "3dpw", (52.7, 86.5, 102.9, 6.8)),
        ("tcmr", "table6-h36m", "h36m", (41.1, 62.3, None, 5.3)),
        ("glot", "table1-3dpw", "3dpw", (50.6, 80.7, 96.3, 6.6)),
        ("glot", "table1-h36m-mpii3d", "mpii3d", (61.5, 93.9, None, 7.9)),
        ("glot", "table2-3dpw", "3dpw", (53.5, 89.9, 107.8, 6.7)),
        ("vibe", "without-3dpw", "3dpw", (56.5, 93.5, 113.4, 27.1)),
        ("parallel-branch", "final", "mpii3d", (65.0, 95.8, None, None)),
        ("dynaboa", "3dpw", "3dpw-ps", (40.4, 65.5, 82.0, None)),
    ],
)
def test_figures_stand_where_the_papers_have_them(
    method: str, preset: str, test_set: str, figures: tuple[float | None, ...]
) -> None:
    table, row = rows_for(method, preset, test_set)[0]
    found = table.of(row, test_set)
    assert tuple(found.get(key) for key in ("pa_mpjpe", "mpjpe", "vertex_error", "acceleration_error")) == figures


@pytest.mark.parametrize(("table", "figure"), [(RIE_CPN, "mpjpe"), (RIE_CPN, "pa_mpjpe"), (RIE_GT, "mpjpe")])
def test_rows_by_action_are_copied_without_a_slip(table: Table, figure: str) -> None:
    """Their last number is the mean of the others, up to 0.11 in the papers themselves; a slip of 2 mm would show."""
    actions = table.actions_of(table.rows[0], figure)
    assert len(actions) == 15
    mean = sum(actions.values()) / 15
    assert mean == pytest.approx(table.of(table.rows[0], "h36m-lifting")[figure], abs=0.12)


def test_a_preset_leads_to_its_test_sets_and_without_one_all_rows_of_the_method_come() -> None:
    assert sets_of("tcmr", "table4-h36m-mpii3d") == ["mpii3d", "h36m"]
    assert sets_of("tcmr", "plain") == []
    assert rows_for("glot", "table2-3dpw", "mpii3d") == []
    assert {table.name for table, _ in rows_for("glot", "", "3dpw")} == {
        "Table 1, with 3DPW in training",
        "Table 2, without 3DPW in training",
    }


def test_every_number_is_listed_once() -> None:
    found = entries()
    assert len({entry[:-1] for entry in found}) == len(found) > 200
    assert not any(isnan(entry.value) for entry in found)
