"""Blender for tests: where it is, and what it reads in a file."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BESIDE = Path(__file__).parents[3] / "bpyvenv" / "bin" / "python"
"""An environment beside the checkout: `python3.11 -m venv bpyvenv && bpyvenv/bin/pip install bpy`."""


def find() -> str:
    """A Python with `bpy`, or nothing."""
    if named := os.environ.get("ANTHROPOSE_BPY_PYTHON"):
        return named
    if importlib.util.find_spec("bpy") is not None:
        return sys.executable
    return str(BESIDE) if BESIDE.exists() else ""


PYTHON = find()
needed = pytest.mark.skipif(not PYTHON, reason=f"no Python with bpy: set ANTHROPOSE_BPY_PYTHON, or make {BESIDE}")


@dataclass(frozen=True)
class Reading:
    """What Blender's importer made of a file; metres, y up."""

    notes: dict[str, Any]
    joints: dict[str, np.ndarray]
    """Person -> (times, bones, 3), in the order of `notes`."""
    vertices: dict[str, np.ndarray]

    def joint(self, person: str, name: str) -> np.ndarray:
        return self.joints[person][:, self.notes["persons"][person]["bones"].index(name)]

    def joints_named(self, person: str, names: tuple[str, ...]) -> np.ndarray:
        return np.stack([self.joint(person, name) for name in names], axis=1)


def read(path: Path, seconds: list[float]) -> Reading:
    """Everything in the file at these times."""
    out = path.with_suffix(".read.npz")
    script = Path(__file__).with_name("read_in_blender.py")
    command = [PYTHON, str(script), "--", str(path), str(out), *map(repr, seconds)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert out.exists(), finished.stdout + finished.stderr
    with np.load(out) as arrays:
        notes = json.loads(str(arrays["notes"]))
        joints, vertices = (
            {name.split("/")[0]: arrays[name] for name in arrays.files if name.endswith(kind)}
            for kind in ("/joints", "/vertices")
        )
    return Reading(notes, joints, vertices)
