"""How many bodies per second: ours beside body-models and smplx, on a made-up model of SMPL's size.

    python benchmarks/lbs.py [--others VENV] [--threads N]

Each library runs in a process of its own, turn by turn, so that a busy machine is busy for all. The others need
numpy 2 and live in VENV, by default the one that `make test` makes; what is missing there is left out of the table:

    .venv/body-models/bin/pip install "torch>=2.6,<2.14" smplx
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

VERTICES = 6890
BATCHES = (1, 16, 256)
ROUNDS = 3
SECONDS = 1.0
"""How long a measurement lasts at least."""
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)


def write_model(path: Path) -> None:
    """A body with SMPL's numbers of vertices, shape and pose directions, and joints per vertex; values are random."""
    rng = np.random.default_rng(0)
    weights = np.zeros((VERTICES, 24), np.float32)
    followed = rng.random((VERTICES, 24)).argsort(axis=1)[:, :4]
    shares = rng.random((VERTICES, 4))
    np.put_along_axis(weights, followed, (shares / shares.sum(1, keepdims=True)).astype(np.float32), axis=1)
    regressor = rng.random((24, VERTICES)) ** 8
    np.savez(
        path,
        v_template=rng.normal(0, 0.5, (VERTICES, 3)).astype(np.float32),
        shapedirs=rng.normal(0, 0.01, (VERTICES, 3, 10)).astype(np.float32),
        posedirs=rng.normal(0, 0.001, (VERTICES, 3, 207)).astype(np.float32),
        weights=weights,
        J_regressor=(regressor / regressor.sum(1, keepdims=True)).astype(np.float32),
        kintree_table=np.array([PARENTS, range(24)]),
        f=rng.integers(0, VERTICES, (13776, 3)),
    )


def inputs(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Betas and rotation matrices of `count` bodies, the same in every process."""
    rng = np.random.default_rng(count)
    q = rng.normal(size=(count, 24, 4))
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    rotations = np.moveaxis(np.array(rows), (0, 1), (-2, -1))
    return torch.tensor(rng.normal(size=(count, 10)), dtype=torch.float32), torch.tensor(rotations, dtype=torch.float32)


def anthropose(model_path: Path) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Ours."""
    from anthropose.body import load_body

    model = load_body(model_path)
    return lambda betas, rotations: model.shaped(betas).posed(rotations).vertices


def body_models(model_path: Path) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The package body-models."""
    from body_models.smpl.torch import SMPL

    model = SMPL(model_path=model_path, rotation_type="rotmat")
    return lambda betas, rotations: model.forward_vertices(
        rotations[:, 1:], pelvis_rotation=rotations[:, 0], shape=betas
    )


def smplx(model_path: Path) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The package smplx, which reads a dictionary-like object."""
    from types import SimpleNamespace

    import smplx as library

    data = SimpleNamespace(**np.load(model_path))
    model = library.SMPL(str(model_path), data_struct=data, batch_size=1)
    return lambda betas, rotations: (
        model(betas=betas, body_pose=rotations[:, 1:], global_orient=rotations[:, :1], pose2rot=False).vertices
    )


LIBRARIES = {"anthropose": anthropose, "body-models": body_models, "smplx": smplx}


def per_second(run: Callable[[], object], count: int) -> float:
    """Bodies per second, from the fastest of several calls: whatever else the machine does only adds time."""
    run()
    best, start = float("inf"), time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        before = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - before)
    return count / best


def measure(library: str, model_path: Path) -> dict[str, float]:
    """Speeds of one library by what is done, after writing its vertices beside the model."""
    forward = LIBRARIES[library](model_path)
    figures = {}
    for count in BATCHES:
        betas, rotations = inputs(count)
        betas_g, rotations_g = betas.clone().requires_grad_(), rotations.clone().requires_grad_()

        def forward_only(betas: torch.Tensor = betas, rotations: torch.Tensor = rotations) -> None:
            with torch.no_grad():
                forward(betas, rotations)

        def both(betas: torch.Tensor = betas_g, rotations: torch.Tensor = rotations_g) -> None:
            torch.autograd.grad(forward(betas, rotations).square().sum(), (betas, rotations))

        figures[f"forward {count}"] = per_second(forward_only, count)
        figures[f"forward and backward {count}"] = per_second(both, count)
        with torch.no_grad():
            np.save(model_path.with_name(f"{library}-{count}.npy"), forward(betas, rotations).numpy())
    return figures


def main() -> None:
    """Measures every library that can be found, turn by turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--others", type=Path, default=Path(sys.prefix) / "body-models", help="venv of the other libraries"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--measure", nargs=2, metavar=("LIBRARY", "MODEL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.measure:
        print(json.dumps(measure(options.measure[0], Path(options.measure[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        report(Path(folder) / "model.npz", options.others)


def measure_apart(library: str, python: Path, model_path: Path) -> dict[str, float]:
    """What `measure` gives in a process of its own; nothing where the library is missing there."""
    if not python.exists():
        return {}
    threads = str(torch.get_num_threads())
    command = [python, __file__, "--threads", threads, "--measure", library, model_path]
    turn = subprocess.run(command, capture_output=True, text=True, check=False)
    if turn.returncode:
        print(f"{library} left out: {turn.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return {}
    return json.loads(turn.stdout.strip().splitlines()[-1])


def report(model_path: Path, others: Path) -> None:
    """Prints the table."""
    write_model(model_path)
    pythons = dict.fromkeys(LIBRARIES, others / "bin" / "python") | {"anthropose": Path(sys.executable)}
    best: dict[str, dict[str, float]] = {}
    for _ in range(ROUNDS):
        for library, python in pythons.items():
            figures = measure_apart(library, python, model_path)
            best[library] = {key: max(value, best.get(library, {}).get(key, 0)) for key, value in figures.items()}
    best = {library: figures for library, figures in best.items() if figures}
    print(f"Bodies per second, {VERTICES} vertices, {torch.get_num_threads()} threads, torch {torch.__version__}\n")
    print("| batch | pass | " + " | ".join(best) + " |")
    print("|---|---|" + "---|" * len(best))
    for key in best["anthropose"]:
        name, count = key.rsplit(" ", 1)
        print(f"| {count} | {name} | " + " | ".join(f"{figures[key]:,.0f}" for figures in best.values()) + " |")
    print()
    for library in list(best)[1:]:
        pairs = [
            (np.load(model_path.with_name(f"{n}-{count}.npy")) for n in ("anthropose", library)) for count in BATCHES
        ]
        worst = max(float(np.abs(a - b).max()) for a, b in pairs)
        print(f"Largest difference from {library}: {worst:.1e} m")


if __name__ == "__main__":
    main()
