"""What the checks of the vibe_base kinds share."""

import re
from typing import Any

import numpy as np
import torch

from anthropose.body.results import Result
from tests.parity import rule
from tests.parity.compare import assert_close


def made_input(meta: dict[str, Any], name: str) -> torch.Tensor:
    """An input that the meta names as made by the rule: "rule.array('x',(4,2048),seed,scale=.5)"."""
    words = re.match(r"rule\.array\('(\w+)',\(([\d,]+)\),seed(?:,scale=([\d.]+))?\)", meta["inputs"][name])
    assert words is not None, f"no rule for input {name!r}"
    shape = tuple(int(n) for n in words[2].split(",") if n)
    return torch.from_numpy(rule.array(words[1], shape, meta["seed"], scale=float(words[3] or 1)))


def all_looked_at(arrays: dict[str, np.ndarray], seen: set[str]) -> None:
    """Fails where an output of the fixture was not compared with ours."""
    left = {name for name in arrays if name.startswith("out")} - seen
    assert not left, f"outputs that nothing was compared with: {sorted(left)}"


def compare(
    arrays: dict[str, np.ndarray], ours: dict[str, torch.Tensor | np.ndarray], apart: tuple[str, ...] = ()
) -> None:
    """Each of our outputs against the fixture's of the same name; none is left but those that were compared `apart`."""
    for name, value in ours.items():
        assert_close(value, arrays[name], name)
    all_looked_at(arrays, {*ours, *apart})


def result_outputs(result: Result, prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The published names of a result's arrays, those that the fixture has."""
    named = {"theta": result.theta, "kp_2d": result.keypoints, "kp_3d": result.joints, "rotmat": result.rotations}
    return {f"{prefix}_{name}": value for name, value in named.items() if f"{prefix}_{name}" in arrays}


def numbers_in(words: str, pattern: str) -> list[float]:
    """The numbers that a description names: those in the groups of a pattern which it must fit."""
    found = re.search(pattern, words)
    assert found is not None, f"nothing like {pattern!r} in {words!r}"
    return [float(number) for number in found.groups()]
