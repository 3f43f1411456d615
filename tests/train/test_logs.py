import csv
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib import figure
from PIL import Image
from rich.console import Console

from anthropose.train.board import Board, line_of
from anthropose.train.logs import Log, Means, Row, read_log
from anthropose.train.plot import write_curve


def row(step: int, **values: float) -> Row:
    return {"stage": "only", "epoch": 1 + step // 10, "step": step, "seconds": 0.5 * step, **values}


def test_a_log_is_read_back_also_when_columns_come_later(tmp_path: Path) -> None:
    rows = [row(1, loss=2.0), row(2, loss=1.5, **{"loss/pose": 0.5}), row(2, **{"validation/error": 54.25})]
    log = Log(tmp_path, 0)
    for each in rows:
        log.add(each)
    log.close()
    assert read_log(tmp_path / "log.csv") == rows
    with (tmp_path / "log.csv").open(newline="") as file:
        assert next(csv.reader(file))[:5] == ["stage", "epoch", "step", "seconds", "loss"]


def test_going_on_forgets_later_rows_and_a_row_that_was_cut(tmp_path: Path) -> None:
    log = Log(tmp_path, 0)
    for step in range(1, 6):
        log.add(row(step, loss=1.0))
    log.close()
    with (tmp_path / "log.csv").open("a") as file:
        file.write("only,1")
    log = Log(tmp_path, 3)
    log.add(row(4, loss=0.5))
    log.close()
    assert [(each["step"], each["loss"]) for each in read_log(tmp_path / "log.csv")] == [
        (1, 1.0), (2, 1.0), (3, 1.0), (4, 0.5),
    ]  # fmt: skip


def test_tensorboard_reads_the_events_and_forgets_what_was_interrupted(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for start, steps, loss in ((0, range(1, 6), 1.0), (3, range(4, 7), 0.5)):
        log = Log(tmp_path, start)
        for step in steps:
            log.add(row(step, loss=loss, rate=1e-3, **{"loss/pose": loss / 2, "validation/error": 9.0}))
        log.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"loss/total", "loss/pose", "run/rate", "run/epoch", "validation/error"}
    seen = [(event.step, event.value) for event in events.Scalars("loss/total")]
    assert seen == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 0.5), (5, 0.5), (6, 0.5)]


def test_means_are_over_the_rows_of_the_steps_that_had_a_value() -> None:
    one, other = Means(), Means()
    one.add({"loss": 1.0, "pose": 4.0}, 1)
    one.add({"loss": 2.0, "gradient": float("nan")}, 2)
    other.add({"loss": 5.0}, 5)
    assert Means.of([one.sums, other.sums]) == {"loss": (1 + 4 + 25) / 8, "pose": 4.0}


def test_a_row_in_one_line_says_what_matters() -> None:
    newest = row(
        9, loss=2.31, rate=1e-4, samples_per_second=812.2, waiting=0.031,
        **{"loss/joints": 1.9, "loss/pose": 0.41, "loss/adversary/real": 0.3},
    )  # fmt: skip
    assert line_of(newest) == (
        "loss 2.31 = joints 1.9 + pose 0.41, adversary/real 0.3, rate 0.0001, 812 samples/s, 3% waiting for data"
    )


def test_a_terminal_shows_the_epoch_and_the_newest_row() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    with Board(console=console) as board:
        board.epoch("epoch 2 of 3", 3, 8)
        board.step()
        board.row(row(12, loss=2.5, rate=1e-4, samples_per_second=100.0, waiting=0.25))
        board.line("epoch 2 of 3: loss 2.5")
    text = screen.getvalue()
    assert "4/8" in text
    assert "loss 2.5, rate 0.0001, 100 samples/s, 25% waiting for data" in text


def test_without_a_terminal_only_lines_are_printed() -> None:
    screen = io.StringIO()
    with Board(console=Console(file=screen, force_terminal=False)) as board:
        board.epoch("epoch 2 of 3", 0, None)
        board.step()
        board.line("epoch 2 of 3: loss 2.5 [m]")
    assert screen.getvalue() == "epoch 2 of 3: loss 2.5 [m]\n"


def test_a_curves_axes_have_units_and_a_tiny_term_flattens_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[figure.Figure] = []

    class Kept(figure.Figure):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            kept.append(self)

    monkeypatch.setattr(figure, "Figure", Kept)
    rows = [row(k, loss=30 / k, rate=1e-4 * k, **{"loss/pose": 29 / k, "loss/camera": 1e-8}) for k in range(1, 6)]
    rows += [row(6, **{"validation/pa_mpjpe": 54.0})]
    write_curve(tmp_path / "curve.png", rows, "dynaboa mocap-small", ["pa_mpjpe"])
    losses, validation, rates = kept[0].axes
    assert losses.get_ylim()[0] > 1
    assert [text.get_text() for text in losses.get_legend().get_texts()] == ["camera (below 3e-05)", "pose", "loss"]
    assert validation.get_ylabel() == "validation: PA-MPJPE [mm]"
    assert rates.get_ylabel() == "learning rate"
    assert {"1e-4", "2e-4", "5e-4"} <= {label.get_text() for label in rates.get_yticklabels()}


@pytest.mark.parametrize("validated", [False, True])
def test_a_curve_is_drawn_of_whatever_there_is(validated: bool, tmp_path: Path) -> None:
    rows = [row(step, loss=3.0 / step, rate=1e-3, **{"loss/a": 1 / step, "loss/b": 2 / step}) for step in range(1, 30)]
    if validated:
        rows += [row(30, **{"validation/error": 50.0, "validation/other": float("nan")})]
        rows += [{**row(40, **{"validation/other": 3.0}), "stage": "next"}]
    write_curve(tmp_path / "curve.png", rows, "glot table1-3dpw", ["error", ""])
    with Image.open(tmp_path / "curve.png") as picture:
        pixels = torch.tensor(list(picture.convert("L").getdata()))
        assert picture.height > (700 if validated else 500)
    assert 0.01 < (pixels < 250).float().mean() < 0.5
