import sys
from pathlib import Path

import pytest

from anthropose import cli
from anthropose.errors import UserError
from anthropose.methods import glot, parallel_branch, rie, tcmr, vibe
from anthropose.methods.overrides import overridden
from anthropose.train.command import all_trainings, changes_of, list_trainings, train_preset
from anthropose.train.options import Changes


def command(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """The exit code of `anthropose WORDS`."""
    monkeypatch.setattr(sys, "argv", ["anthropose", *map(str, words)])
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_every_published_training_is_listed() -> None:
    trainings = all_trainings()
    assert {*trainings} == {"tcmr", "vibe", "glot", "parallel-branch", "rie", "dynaboa"}
    for module, name in ((tcmr, "tcmr"), (vibe, "vibe"), (glot, "glot"), (parallel_branch, "parallel-branch")):
        assert {*module.PRESETS} < {*trainings[name]}
    stages = {stage.stands_for for preset in trainings["rie"].values() for stage in preset}
    assert {preset.stands_for for preset in rie.PRESETS.values()} < stages
    lines = list_trainings().splitlines()
    assert sum(line.startswith("  ") for line in lines) == sum(map(len, trainings.values()))
    assert "  table1-3dpw         Table 1, 3DPW" in lines


def test_options_are_changes_of_the_preset_by_name() -> None:
    given = Changes(epochs=3, batch=8, learning_rate=1e-2, iterations=7, window=8, hidden=32, seed=4, set=("stride=2",))
    preset = overridden(tcmr.TRAININGS["table4-3dpw"], changes_of(tcmr.TRAININGS["table4-3dpw"], given))
    assert (preset.epochs, preset.batch, preset.iterations, preset.seed, preset.stride) == (3, 8, 7, 4, 2)
    assert (preset.window, preset.network.window, preset.network.hidden) == (8, 8, 32)
    assert preset.optimizer.learning_rate == 1e-2
    assert changes_of(tcmr.TRAININGS["table4-3dpw"], Changes()) == {}


def test_options_reach_networks_behind_an_encoder_and_schedules() -> None:
    small = tcmr.TRAININGS["mocap-small"]
    preset = overridden(small, changes_of(small, Changes(epochs=4, learning_rate=1e-2, window=8, hidden=32)))
    assert (preset.network.network.window, preset.network.network.hidden) == (8, 32)
    assert (preset.schedule.epochs, preset.schedule.highest) == (4, 1e-2)


def test_the_lifting_branch_sees_as_many_frames_as_the_window_has() -> None:
    final = parallel_branch.TRAININGS["final"]
    preset = overridden(final, changes_of(final, Changes(window=8)))
    assert preset.network.lifting.frames == preset.network.window == preset.window == 8


def test_options_change_every_stage_of_rie() -> None:
    stages = overridden(rie.TRAININGS["gt"], changes_of(rie.TRAININGS["gt"], Changes(epochs=2, hidden=64)))
    assert [(stage.epochs, stage.network.hidden) for stage in stages] == [(2, 64)] * 3


@pytest.mark.parametrize(
    ("method", "preset", "message"),
    [
        ("nothing", "plain", "no method 'nothing'; known: "),
        ("smplify", "plain", r"smplify \(SMPLify\) is not trained; those that are: tcmr, glot"),
        ("tcmr", "table5", "tcmr has no training 'table5'; known: table4-3dpw"),
        ("tcmr", "table4-3dpw", "tcmr table4-3dpw learns from insta_train_db.h5.*--data"),
        ("rie", "gt", r"rie gt learns from data_3d_h36m\.npz.*--data"),
        ("dynaboa", "base-model", r"dynaboa base-model learns from h36m_train\.npz.*--data"),
    ],
)
def test_what_is_missing_is_told_in_one_line(method: str, preset: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        train_preset(method, preset)
    assert "\n" not in str(raised.value)


def test_a_change_without_a_value_is_told() -> None:
    with pytest.raises(UserError, match=r"--set network\.layers: expected NAME=VALUE"):
        changes_of(tcmr.TRAININGS["plain"], Changes(set=("network.layers",)))


def test_the_command_lists_and_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, "train", "--list") == 0
    assert "mocap-small" in capsys.readouterr().out
    assert command(monkeypatch, "train", "tcmr") == 2
    assert "`anthropose train --list` tells all trainings" in capsys.readouterr().err
    assert command(monkeypatch, "train", "tcmr", "plain", "--set", "network.hiden=3") == 2
    assert "there are window, layers, hidden" in capsys.readouterr().err
    assert not list(tmp_path.iterdir()), "nothing was begun"
