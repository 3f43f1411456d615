"""The message of a training whose loss stopped being a number."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

from anthropose.jobs import names_of

SHOWN = 12
"""Sequences that a message names."""


def what_went_wrong(values: Mapping[str, float]) -> list[str]:
    """The terms that are not finite; the total alone where their sum overflows."""
    bad = [f"{name} became {value:g}" for name, value in values.items() if not math.isfinite(value)]
    return bad or ["the sum of the terms became infinite"]


def where_it_came_from(batch: Any) -> list[str]:
    """The sequences of a batch; if values in it are not finite, only those where that is so, with the field's name."""
    broken = list(dict.fromkeys(_broken(batch)))
    return broken or list(names_of(batch))


def _broken(part: Any) -> Iterator[str]:
    if is_dataclass(part) and not isinstance(part, type):
        inner: dict[str, Any] = {entry.name: getattr(part, entry.name) for entry in fields(part)}
        names, values = inner.pop("names", ()), list(inner.values())
        for key, value in inner.items():
            if isinstance(value, Tensor) and value.is_floating_point() and len(names) == len(value):
                bad = ~value.isfinite().flatten(1).all(1) if value.ndim > 1 else ~value.isfinite()
                yield from (f"{names[row]} (not finite in its {key})" for row in bad.nonzero().flatten().tolist())
    else:
        values = list(part.values() if isinstance(part, Mapping) else part if isinstance(part, tuple | list) else ())
    for value in values:
        yield from _broken(value)


def shortened(names: list[str], shown: int = SHOWN) -> str:
    """The names in one line, the first of many."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
