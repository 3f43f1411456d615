"""Results add up, come back from their files as they were, and are compared sequence by sequence."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anthropose.errors import UserError
from anthropose.evaluate.pck import evaluate_pck, shares_of_frames
from anthropose.evaluate.results import Reported, compare, read_results, results_of, write_results
from anthropose.evaluate.scores import Errors


def errors(name: str, frames: int, level: float = 50.0, **more: Any) -> Errors:
    generator = torch.Generator().manual_seed(len(name) + frames)
    values = level + torch.randn(frames, generator=generator)
    return Errors(name, values, values / 2, values[2:], values[2:] / 10, **more)


PARTS = [errors("a", 30), errors("bb", 10, 80.0), errors("ccc", 20)]


def test_the_overall_figure_is_the_mean_over_frames() -> None:
    results = results_of(PARTS, {})
    assert results.overall.values["mpjpe"] == pytest.approx((30 * 50 + 10 * 80 + 20 * 50) / 60, abs=0.5)
    assert results.overall.count == 60
    low, high = results.intervals["mpjpe"]
    assert low < results.overall.values["mpjpe"] < high


def test_the_overall_figure_can_be_the_mean_over_actions() -> None:
    parts = [replace(part, action=action) for part, action in zip(PARTS, ("sit", "walk", "sit"), strict=True)]
    results = results_of(parts, {}, "actions")
    assert results.overall.values["mpjpe"] == pytest.approx((50 + 80) / 2, abs=0.5)
    assert [line.name for line in results.tables["action"]] == ["sit", "walk"]
    assert results.sample("mpjpe").value() == pytest.approx(results.overall.values["mpjpe"])


def test_figures_that_some_sequence_lacks_are_not_given_for_all() -> None:
    results = results_of([errors("a", 5, vertex_error=torch.ones(5)), errors("b", 5)], {})
    assert "vertex_error" not in results.overall.values
    assert results.sequences[0].values["vertex_error"] == 1


def test_pck_by_sequence_adds_up_to_the_official_tables() -> None:
    rng = torch.Generator().manual_seed(0)
    joint_errors = [torch.rand(n, 17, generator=rng, dtype=torch.float64) * 300 for n in (20, 50)]
    activities = [torch.randint(1, 8, (n,), generator=rng) for n in (20, 50)]
    parts = []
    for k in (0, 1):
        pck, auc = shares_of_frames(joint_errors[k])
        parts.append(
            errors(f"TS{k}", len(pck), pck=pck, auc=auc, joint_errors=joint_errors[k], activities=activities[k])
        )
    results = results_of(parts, {})
    official = evaluate_pck(joint_errors, activities)
    assert results.overall.values["pck"] == pytest.approx(float(official.activities.pck[-1, -1]))
    assert results.overall.values["auc"] == pytest.approx(float(official.activities.auc[-1, -1]))
    for line, pck in zip(results.sequences, official.sequences.pck[:, -1].tolist(), strict=True):
        assert line.values["pck"] == pytest.approx(pck)
    assert [line.name for line in results.tables["activity"]][-1] == "All"
    assert [line.name for line in results.tables["joint"]][-1] == "Total"


def test_files_give_back_what_was_written(tmp_path: Path) -> None:
    reported = Reported("Paper", "Table 1", "Row", {"mpjpe": 42.0}, True, "a note", {"mpjpe": {"sit": 1.0}})
    parts = [replace(part, action="sit") for part in PARTS]
    results = results_of(parts, {"method": "x", "seed": 0}, "actions", [reported], ["a note"])
    paths = write_results(results, tmp_path)
    assert read_results(paths[0]) == results
    content = json.loads(paths[0].read_text())
    assert content["format"] == "anthropose-results/1"
    assert content["units"]["acceleration_error"] == "mm/frame²"
    rows = list(csv.reader(paths[1].open(encoding="utf-8")))
    assert rows[0][:5] == ["level", "name", "action", "frames", "MPJPE [mm]"]
    assert [row[0] for row in rows[1:]] == ["overall", "sequence", "sequence", "sequence", "action", "published"]
    assert float(rows[1][4]) == results.overall.values["mpjpe"]
    assert rows[-1][4] == "42.0"


def test_a_figure_of_no_frames_is_written_and_read_as_none(tmp_path: Path) -> None:
    results = results_of([errors("short", 2), errors("long", 9)], {})
    again = read_results(write_results(results, tmp_path)[0])
    assert np.isnan(again.sequences[0].values["acceleration_error"])
    assert again.sequences[0].frames["acceleration_error"] == 0
    assert np.isfinite(again.overall.values["acceleration_error"])
    assert again.sample("acceleration_error").value() == pytest.approx(again.overall.values["acceleration_error"])


@pytest.mark.parametrize("text", ["", "{}", '{"format": "anthropose-results/9"}', "[1]", "\x00"])
def test_other_files_are_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"other\.json: expected anthropose-results/1") as caught:
        read_results(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="no such file"):
        read_results(tmp_path / "none.json")


def test_differences_are_of_the_second_against_the_first_whatever_their_order() -> None:
    better = [replace(part, mpjpe=part.mpjpe - 3) for part in reversed(PARTS)]
    found = compare(results_of(PARTS, {}), results_of(better, {}))
    assert found["mpjpe"].value == pytest.approx(-3, abs=1e-4)
    assert found["mpjpe"].is_significant
    assert not found["pa_mpjpe"].is_significant


def test_what_cannot_be_compared_is_told() -> None:
    whole = results_of(PARTS, {})
    with pytest.raises(UserError, match="different sequences: only the first has ccc, only the second none"):
        compare(whole, results_of(PARTS[:2], {}))
    with pytest.raises(UserError, match="different frames"):
        compare(whole, results_of([*PARTS[:2], errors("ccc", 21)], {}))
    with pytest.raises(UserError, match="two sequences or more"):
        compare(results_of(PARTS[:1], {}), results_of(PARTS[:1], {}))
    with pytest.raises(UserError, match="mean over"):
        compare(whole, results_of([replace(part, action="sit") for part in PARTS], {}, "actions"))
