"""One test per fixture file: stored outputs of the published systems against ours."""

import json
from pathlib import Path

import numpy as np

from tests.parity import dynaboa, glot, parallel_branch, protocols, rie, smplify, sort, tcmr, vibe_base

MODULES = (vibe_base, tcmr, glot, parallel_branch, rie, dynaboa, protocols, smplify, sort)
KINDS = {kind: check for module in MODULES for kind, check in module.KINDS.items()}
"""Fixture kind -> function of (meta, arrays) that asserts agreement. A kind that is not here fails; none is skipped."""


def test_agrees_with_the_published_output(fixture_path: Path) -> None:
    with np.load(fixture_path) as file:
        arrays = {name: file[name] for name in file.files if name != "meta"}
        meta = json.loads(str(file["meta"]))
    assert meta["kind"] in KINDS, f"no parity check for kind {meta['kind']!r}"
    KINDS[meta["kind"]](meta, arrays)
