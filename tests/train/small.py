"""Trainings of tiny networks whose data is drawn from a seed; run as a program, one of them in a process of its own.

    python -m tests.train.small JOB FOLDER [OPTION=VALUE ...]

The options are those of a training, and `pause`, by which every batch takes so long [s] to make.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from anthropose.errors import UserError
from anthropose.jobs import Adversary, Job, Optimizer, Plateau, Share, Stage, Terms
from anthropose.train import Options, train
from anthropose.writing import whole_file

TRUTH = torch.linspace(-1, 1, 12).reshape(4, 3)
"""What the networks learn: y = tanh(x TRUTH)."""


@dataclass(frozen=True)
class Points:
    """A batch."""

    x: Tensor
    y: Tensor
    names: tuple[str, ...]


class Small(nn.Module):
    """Two layers, with dropout and a batch norm, so that random numbers and statistics matter."""

    def __init__(self, dropout: float = 0.2, norm: bool = True) -> None:
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.norm = nn.BatchNorm1d(8) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.second = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.dropout(self.norm(self.first(x)).tanh()))


def points(generator: torch.Generator, rows: int = 16) -> tuple[Tensor, Tensor]:
    x = torch.randn(rows, 4, generator=generator)
    return x, (x @ TRUTH).tanh()


def batches(epoch: int, share: Share, pause: float = 0.0, endless: bool = True, rows: int = 16) -> Iterator[Points]:
    generator = torch.Generator().manual_seed(epoch)
    number = 0
    while endless or number < 7:
        time.sleep(pause)
        x, y = points(generator, rows)
        names = tuple(f"sequence-{number}-{row}" for row in range(rows))
        yield Points(share.of(x), share.of(y), share.of(names))
        number += 1


def squares(network: nn.Module, batch: Points) -> Terms:
    """Two terms: of the first output, and of the others."""
    errors = (network(batch.x) - batch.y).square().mean(0)
    return {"first": errors[0], "others": 2 * errors[1:].mean()}


def validate(network: nn.Module) -> dict[str, float]:
    x, y = points(torch.Generator().manual_seed(-1), 256)
    return {"error": (network(x) - y).norm(dim=-1).mean().item(), "constant": 1.0}


def publish(state: dict[str, Tensor], path: Path) -> None:
    with whole_file(path) as part:
        save_file(state, part)


def stage_of(network: nn.Module, name: str = "only", pause: float = 0.0, **changes: Any) -> Stage:
    settings: dict[str, Any] = {
        "name": name,
        "network": network,
        "loss": partial(squares, network),
        "batches": partial(batches, pause=pause),
        "epochs": 3,
        "iterations": 8,
        "optimizer": Optimizer(1e-2),
        "validate": partial(validate, network),
        "best": "error",
    }
    return Stage(**{**settings, **changes})


def job_of(*stages: Stage, **changes: Any) -> Job:
    settings: dict[str, Any] = {"method": "small", "preset": "one", "config": {"width": 8}, "publish": publish}
    return Job(**{**settings, **changes, "stages": stages})


def one(pause: float = 0.0, **changes: Any) -> Job:
    """One stage that has a bit of everything."""
    torch.manual_seed(0)
    extras: dict[str, Any] = {"schedule": Plateau(0.5, 0), "clip_norm": 0.5, "ema": 0.9}
    return job_of(stage_of(Small(), pause=pause, **{**extras, **changes}))


def plain(pause: float = 0.0, **changes: Any) -> Job:
    """One stage of a network without batch norm and dropout, which several processes train as one does."""
    torch.manual_seed(0)
    return job_of(stage_of(Small(0.0, False), pause=pause, **{"optimizer": Optimizer(1e-2, kind="sgd"), **changes}))


def two(pause: float = 0.0) -> Job:
    """Two stages: the second takes the first layer over and leaves it as it is."""
    torch.manual_seed(0)
    first, second = Small(), Small()

    def start(best: dict[str, Tensor]) -> None:
        second.first.load_state_dict({"weight": best["first.weight"], "bias": best["first.bias"]})

    return job_of(
        stage_of(first, "first", pause, epochs=2),
        stage_of(second, "second", pause, epochs=2, start=start, trained=lambda name: not name.startswith("first.")),
    )


def uneven(pause: float = 0.0) -> Job:
    """As `plain`, with batches of 16, 5 and 1 rows, which two processes cannot share evenly, the last not at all."""

    def made(epoch: int, share: Share) -> Iterator[Points]:
        streams = [batches(epoch, share, pause, rows=rows) for rows in (16, 5, 1)]
        while True:
            yield from map(next, streams)

    return plain(batches=made)


def broken(pause: float = 0.0) -> Job:
    """As `plain`, but for a value that is no number in the last row of the twelfth batch."""

    def made(epoch: int, share: Share) -> Iterator[Points]:
        for number, batch in enumerate(batches(epoch, share, pause)):
            if (epoch, number) == (1, 3) and share.rank == share.processes - 1:
                batch.x[-1] = torch.nan
            yield batch

    return plain(batches=made)


def adversarial(pause: float = 0.0, dropout: float = 0.2, norm: bool = True) -> Job:
    """A network that learns from squares, and from a second one that tells its outputs from true ones."""
    torch.manual_seed(0)
    network, adversary = Small(dropout, norm), nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))

    def loss(batch: Points) -> tuple[Terms, Terms]:
        made = network(batch.x)
        own = {"squares": (made - batch.y).square().mean(), "fooled": 0.1 * (adversary(made) - 1).square().mean()}
        real, fake = adversary(batch.y), adversary(made.detach())
        return own, {"real": (real - 1).square().mean(), "made": fake.square().mean()}

    second = Adversary(adversary, Optimizer(1e-2), Plateau(0.5, 0))
    return job_of(stage_of(network, pause=pause, loss=loss, adversary=second))


JOBS: dict[str, Callable[..., Job]] = {"one": one, "plain": plain, "two": two, "adversarial": adversarial}
SHARED: dict[str, Callable[..., Job]] = {
    "uneven": uneven,
    "broken": broken,
    "sure": partial(adversarial, dropout=0.0, norm=False),
}
"""Those that are run by two processes."""


def weights(path: Path) -> dict[str, Tensor]:
    return load_file(path)


def main(name: str, folder: str, *options: str) -> int:
    settings = {key: json.loads(value) for key, _, value in (option.partition("=") for option in options)}
    pause = settings.pop("pause", 0.0)
    try:
        train({**JOBS, **SHARED}[name](pause), Path(folder), Options(**{"device": "cpu", **settings}))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        print(error, file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main(*sys.argv[1:]))
