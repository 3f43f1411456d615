"""What is printed: ours beside the papers', units over every column, nothing cut."""

from dataclasses import replace

import torch
from rich.console import Console

from anthropose.evaluate.results import Reported, Results, compare, results_of
from anthropose.evaluate.scores import Errors
from anthropose.evaluate.show import MOST_SEQUENCES, show, show_differences


def _errors(name: str, level: float, action: str = "") -> Errors:
    values = torch.full((10,), level)
    return Errors(name, values, values / 2, values[2:], values[2:] / 10, action=action)


def _printed(results: Results) -> list[str]:
    console = Console(width=160, record=True, file=None, quiet=True)
    with console.capture() as capture:
        console.quiet = False
        show(results, console)
    return [line.rstrip() for line in capture.get().splitlines()]


ABOUT = {"method": "glot", "preset": "table1-3dpw", "test_set": "3dpw", "protocol": "glot", "weights": "[w]"}
PAPER = Reported("GLoT, CVPR 2023", "Table 1", "GLoT", {"mpjpe": 80.7, "vertex_error": 96.3}, True)
OTHER = Reported("TCMR, CVPR 2021", "Table 4", "GLoT", {"mpjpe": 70.0}, note="from memory")


def test_ours_stand_above_the_papers_with_units_and_differences() -> None:
    results = results_of([_errors("a", 80.0), _errors("b [x]", 90.0)], ABOUT, published=[OTHER, PAPER])
    lines = _printed(results)
    assert lines[0] == "glot table1-3dpw on 3dpw, protocol glot, weights [w]"
    assert " ".join(lines[1].split()) == "MPJPE PA-MPJPE PVE Accel own accel."
    assert " ".join(lines[2].split()) == "frames [mm] [mm] [mm] [mm/frame²] [mm/frame²]"
    assert " ".join(lines[3].split()) == "ours 20 85.0 42.5 - 8.5 85.0"
    assert lines[4].split()[:4] == ["95", "%", "interval", "80.0-90.0"]
    assert lines[5].startswith("GLoT, CVPR 2023, Table 1 ")
    assert " ".join(lines[5].split()[-5:]) == "80.7 - 96.3 - -"
    assert " ".join(lines[6].split()) == "ours less that +4.3"
    assert lines[7].startswith("GLoT: TCMR, CVPR 2021, Table 4 (from memory)")
    assert any(line.startswith("b [x]") for line in lines), "brackets in names are no markup"


def test_actions_have_the_papers_figures_beside_them() -> None:
    paper = replace(PAPER, actions={"mpjpe": {"sit": 53.7}})
    parts = [_errors("a", 80.0, "sit"), _errors("b", 90.0, "walk")]
    lines = _printed(results_of(parts, ABOUT, "actions", [paper]))
    rows = {line.split()[0]: line.split() for line in lines if line}
    assert lines[0].endswith("mean over actions")
    assert rows["sit"][-1] == "53.7"
    assert rows["walk"][-1] == "-"


def test_very_many_sequences_are_left_to_the_files() -> None:
    few = _printed(results_of([_errors(f"s{k}", 80.0) for k in range(MOST_SEQUENCES)], ABOUT))
    many = _printed(results_of([_errors(f"s{k}", 80.0) for k in range(MOST_SEQUENCES + 1)], ABOUT))
    assert any(line.startswith("s39 ") for line in few)
    assert not any(line.startswith("s39 ") for line in many)
    assert any("see the CSV file" in line for line in many)


def test_differences_say_what_is_better_and_what_chance() -> None:
    first = [_errors(f"s{k}", 80.0 + k) for k in range(8)]
    second = [
        replace(
            part,
            mpjpe=part.mpjpe - 2,
            pa_mpjpe=part.pa_mpjpe + (-1) ** k,
            acceleration_error=part.acceleration_error + 1,
        )
        for k, part in enumerate(first)
    ]
    console = Console(width=120)
    with console.capture() as capture:
        show_differences(compare(results_of(first, {}), results_of(second, {})), "a.json", "b.json", console)
    lines = capture.get().splitlines()
    verdicts = {line.split()[0]: line for line in lines if "[mm" in line}
    assert verdicts["MPJPE"].rstrip().endswith("better")
    assert verdicts["PA-MPJPE"].rstrip().endswith("could be chance")
    assert verdicts["Accel"].rstrip().endswith("worse")
    assert "-2.00" in verdicts["MPJPE"]
    assert lines[-1] == "bootstrap over 8 sequences, both results drawn alike"
