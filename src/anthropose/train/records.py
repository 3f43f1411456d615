"""What a run's folder says about the run: config.json."""

import json
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anthropose
from anthropose.jobs import Adversary, Job, Stage
from anthropose.train.checkpoints import FORMAT
from anthropose.train.options import Options
from anthropose.writing import whole_file

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PACKAGES = ("anthropose", "torch", "numpy", "lightning-fabric", "safetensors")


def record_of(job: Job, options: Options) -> dict[str, Any]:
    """Everything that the course of a training depends on, as JSON values; a run that goes on has the same."""
    return plain(
        {
            "method": job.method,
            "preset": job.preset,
            "config": job.config,
            "seed": job.seed,
            "precision": options.precision,
            "stages": [_stage(stage) for stage in job.stages],
        }
    )


def _stage(stage: Stage) -> dict[str, Any]:
    trained = [p.numel() for name, p in stage.network.named_parameters() if stage.trained(name)]
    return {
        "name": stage.name,
        "epochs": stage.epochs,
        "iterations": stage.iterations,
        **_moved(stage),
        "trained": sum(trained),
        "best": stage.best,
        "first_best": stage.first_best,
        "ema": stage.ema,
        "adversary": None if stage.adversary is None else _moved(stage.adversary),
    }


def _moved(part: Stage | Adversary) -> dict[str, Any]:
    schedule = part.schedule
    return {
        "parameters": sum(p.numel() for p in part.network.parameters()),
        "optimizer": part.optimizer,
        "schedule": schedule if schedule is None or is_dataclass(schedule) else "a function of the epoch",
        "clip_norm": part.clip_norm,
    }


def plain(value: Any) -> Any:
    """A nest of dataclasses, mappings, sequences and paths as JSON values."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [plain(part) for part in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def write_record(folder: Path, job: Job, options: Options, record: Mapping[str, Any], fabric: "Fabric") -> None:
    """Writes config.json: what is trained, how, by which versions, from which commit, and each start of the run.

    Raises:
        UserError: the folder cannot be written.
    """
    path = folder / "config.json"
    start = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": sys.argv,
        "options": plain(options),
        "processes": fabric.world_size,
        "device": _device_name(fabric),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        **commit(),
    }
    content = {"format": FORMAT, "overrides": plain(job.overrides), **record, "starts": [*_starts(path), start]}
    with whole_file(path) as part:
        part.write_text(json.dumps(content, indent=1) + "\n")


def _starts(path: Path) -> list[Any]:
    """The starts that an earlier record of the same run tells of."""
    try:
        return json.loads(path.read_text())["starts"]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _device_name(fabric: "Fabric") -> str:
    import torch

    if fabric.device.type == "cuda":
        return torch.cuda.get_device_name(fabric.device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit() -> dict[str, Any]:
    """The commit that this library's source is of, and whether there are changes that are not committed.

    Both are None where the library was installed from a package, even if that lies inside another repository.
    """
    folder = Path(anthropose.__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=20
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--", "."))}
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}
