from dataclasses import dataclass, field

import pytest

from anthropose.errors import UserError
from anthropose.methods import tcmr
from anthropose.methods.overrides import overridden
from anthropose.methods.rie import TRAININGS


@dataclass(frozen=True)
class Inner:
    width: int = 4
    share: float = 0.5
    kind: str = "a"
    sizes: tuple[int, ...] = (1, 2)
    on: bool = True
    missing: float | None = None


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    epochs: int = 3


def test_values_are_changed_by_name_and_nothing_else_is() -> None:
    changed = overridden(Outer(), {"epochs": 5, "inner.width": 8})
    assert changed == Outer(Inner(width=8), 5)
    assert overridden(Outer(), {}) == Outer()


def test_texts_become_what_the_field_holds() -> None:
    texts = {"width": "8", "share": "1", "kind": "b", "sizes": "[3]", "on": "false", "missing": "0.1"}
    changed = overridden(Outer(), {f"inner.{name}": text for name, text in texts.items()})
    assert changed.inner == Inner(8, 1.0, "b", (3,), False, 0.1)
    assert isinstance(changed.inner.share, float)


def test_every_stage_of_a_training_is_changed() -> None:
    stages = overridden(TRAININGS["gt"], {"epochs": 2, "network.hidden": "64"})
    assert [stage.epochs for stage in stages] == [2, 2, 2]
    assert [stage.network.hidden for stage in stages] == [64, 64, 64]
    assert stages[0].network.fusion != stages[1].network.fusion


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"networks.hidden": 3}, "networks.hidden: no such setting here; there are .*network"),
        ({"network.hiden": 3}, "there are .*hidden"),
        ({"network.hidden": "wide"}, "network.hidden = wide: expected a value such as 1024"),
        ({"network.hidden": "1.5"}, "expected a value such as 1024"),
        ({"network": "5"}, "name one of them by network.NAME: window"),
        ({"network.window": "2"}, "network.window = 2: a window needs a past"),
        ({"epochs.more": "2"}, "epochs.more: no such setting here"),
    ],
)
def test_what_cannot_be_changed_is_told_in_one_line(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        overridden(tcmr.PRESETS["plain"], changes)
    assert "\n" not in str(raised.value)
