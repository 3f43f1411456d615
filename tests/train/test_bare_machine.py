"""A training on a machine that has torch, numpy and safetensors, and nothing else of what this library can use."""

import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

BARE = '''
import sys
from importlib.machinery import PathFinder

ALLOWED = {"anthropose", "torch", "numpy", "safetensors", *sys.stdlib_module_names}
OF_TORCH = {
    "torchgen", "functorch", "sympy", "mpmath", "networkx", "jinja2", "markupsafe", "filelock", "fsspec",
    "typing_extensions", "triton", "setuptools",
}

class Bare:
    """Finds what is installed on a bare machine."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        top = name.partition(".")[0]
        known = top in ALLOWED | OF_TORCH or top.startswith("_")
        return PathFinder.find_spec(name, path, target) if known else None

kept = [finder for finder in sys.meta_path if finder.__module__ == "_frozen_importlib"]
sys.meta_path[:] = [*kept, Bare]
try:
    import cv2
except ImportError:
    print("is bare")
'''
TRAINING = """
import torch
from pathlib import Path
from anthropose.synthetic.captures import write_captures
from anthropose.train import Options
from anthropose.train.command import train_preset
from anthropose.train.options import Changes, Sources

torch.set_num_threads(1)
folder = Path(sys.argv[1])
write_captures(folder / "made", train=1, val=1, test=1, seconds=2)
sources, changes = Sources(mocap=(folder / "made",)), Changes(epochs=1, iterations=2, batch=2, window=4)
train_preset("parallel-branch", "mocap-small", folder / "run", sources, changes, Options())
"""
METHODS = ("tcmr", "glot", "parallel_branch", "vibe", "rie", "training", "base")


def run_bare(program: str, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", BARE + program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_all_that_a_training_needs_can_be_imported_on_a_bare_machine() -> None:
    names = ["anthropose.datasets.mocap", "anthropose.losses", "anthropose.metrics", "anthropose.train.loop"]
    names += [f"anthropose.methods.{method}" for method in METHODS]
    done = run_bare("".join(f"import {name}\n" for name in names) + "print('done')")
    assert done.stdout.split("\n")[:2] == ["is bare", "done"], done.stderr


@pytest.mark.slow
def test_a_bare_machine_trains_and_writes_weights(tmp_path: Path) -> None:
    done = run_bare(TRAINING, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("is bare")
    weights = load_file(tmp_path / "run" / "parallel-branch-mocap-small.safetensors")
    assert len(weights) > 20
    assert all(value.isfinite().all() for value in weights.values() if value.is_floating_point())
    rows = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert len(rows) >= 2
    assert "loss" in rows[0]
