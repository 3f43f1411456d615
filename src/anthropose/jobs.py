"""What the training loop needs to know of a training, whatever the method: its stages, and what becomes of the best.

A method makes a `Job` out of a preset and its data; `anthropose.train.train` runs it. Nothing here runs by itself.

A job must come out the same each time it is made from the same preset and data: networks start from `Job.seed`
(`torch.manual_seed` before they are made), and batches depend on the epoch alone. A training that was killed then goes
on as if it had not been, and several processes do what one would.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from torch import Tensor, nn

Terms = dict[str, Tensor]
"""Named, weighted terms of a loss, each one number; their sum is minimised."""
Values = TypeVar("Values")


@dataclass(frozen=True)
class Optimizer:
    """What moves the weights; what is not said here is torch's default."""

    learning_rate: float = 5e-5
    weight_decay: float = 0.0
    kind: Literal["adam", "adamw", "sgd"] = "adam"
    betas: tuple[float, float] = (0.9, 0.999)
    """Of Adam and AdamW."""
    amsgrad: bool = False
    """Whether Adam and AdamW remember the largest second moments."""
    momentum: float = 0.9
    """Of SGD."""


@dataclass(frozen=True)
class Plateau:
    """The rate is multiplied by `factor` after more than `patience` epochs without a lower figure in validation.

    The figure is the stage's `best`; for the published trainings PA-MPJPE.
    """

    factor: float = 0.1
    patience: int = 5


Schedule = Callable[[int], float] | Plateau | None
"""The learning rate during an epoch, counted from 0; or what a plateau does to it; None: it stays."""


@dataclass(frozen=True)
class Share:
    """Which part of every batch this process trains on, where several share the work."""

    rank: int = 0
    """Of this process, from 0."""
    processes: int = 1

    def of(self, values: Values) -> Values:
        """This process's part of the values of one batch, be they a list, an array or a tensor.

        It is a slice, so that the shares laid end to end are the whole again.

        Take it of the numbers of the items that a batch is made from, before the items are read. Where there are fewer
        items than processes, some shares are empty, and a batch may then have no rows.
        """
        return values[self.part(len(values))]  # type: ignore[arg-type, index]

    def part(self, count: int) -> slice:
        """Which of so many values are this process's."""
        return slice(self.rank * count // self.processes, (self.rank + 1) * count // self.processes)


Batches = Callable[[int, Share], Iterable[Any]]
"""The batches of an epoch, counted from 0, of which this process takes its share.

They depend on the epoch alone: whatever is drawn comes from a generator that is seeded by it and is the same in all
processes, never from the global one. They may never end where the stage has `iterations`.
A batch is any nest of frozen dataclasses, tuples, dictionaries and tensors, on the CPU, the first axis of every tensor
being the rows. Anywhere in it there may be an attribute `names` (see `names_of`).
"""


@dataclass(frozen=True, eq=False)
class Adversary:
    """A second network that learns against the first one. The loss of the stage gives the terms of both."""

    network: nn.Module
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = None
    clip_norm: float | None = None


def every_parameter(name: str) -> bool:
    """True: a stage trains all of its network."""
    return True


@dataclass(frozen=True, eq=False)
class Stage:
    """A stretch of training with one network, one loss and one schedule."""

    name: str
    """Made of letters, digits and dashes; no two stages of a job have the same."""
    network: nn.Module
    """What is trained. In mixed precision, calls of it, its children and theirs run in it and give float32."""
    loss: Callable[[Any], Terms | tuple[Terms, Terms]]
    """The terms for a batch, which is on the device. With an adversary: those of the network and those of the
    adversary, both from one forward pass, the latter with what the network made detached."""
    batches: Batches
    epochs: int
    iterations: int | None = None
    """Steps in an epoch; None: one for each of the batches, which then must end, after as many in all processes."""
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = None
    trained: Callable[[str], bool] = every_parameter
    """Whether the parameter of a name is trained; the others get no gradients and do not move."""
    start: Callable[[dict[str, Tensor]], object] | None = None
    """Given the best state dict of the stage before, on the CPU, when this stage begins. None: it begins as it is."""
    begin_epoch: Callable[[int], object] | None = None
    """Called before each epoch, counted from 0, with the network in train mode: for what else changes with epochs, such
    as the momentum of batch norms, or parts that stay in eval mode. It depends on the epoch alone."""
    adversary: Adversary | None = None
    validate: Callable[[], dict[str, float]] | None = None
    """Figures of the network as it is now, after every epoch: in eval mode, without gradients, with averaged weights
    where there are some. It runs in one of the processes only."""
    best: str = ""
    """The figure of `validate` whose lowest value is the best; without `validate` the last epoch is the best."""
    first_best: int = 0
    """The first epoch, from 0, that can be the best one. In a training without so many it is the last."""
    clip_norm: float | None = None
    """The norm that the gradient is scaled down to where it is longer."""
    ema: float | None = None
    """How much of itself the running average of the weights keeps in each step; None: there is no average. The average
    is what is validated and published, the weights themselves are what is trained on."""


@dataclass(frozen=True, eq=False)
class Job:
    """A whole training."""

    method: str
    preset: str
    config: Mapping[str, Any]
    """Everything that changes the result, as JSON values: the preset's fields, the data's files, options. A run whose
    folder holds another configuration does not go on."""
    stages: tuple[Stage, ...]
    publish: Callable[[dict[str, Tensor], Path], object]
    """Writes the best state dict of the last stage to a path that ends in .safetensors, so that `--weights` takes it;
    `nn.checkpoints.write_weights` does most of it."""
    seed: int = 0
    """Of what the networks draw while they are trained, such as dropout."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """What of the preset was changed on the command line, for the record."""

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if not names or len({*names}) < len(names):
            raise ValueError(f"a job needs stages of different names, these are {names}")


def names_of(batch: Any) -> tuple[str, ...]:
    """The names of the sequences that a batch was cut from, for the message of a training that went wrong.

    They are the attribute `names` (strings, one for each row) of the batch or of any part of it; without such an
    attribute there are none.
    """
    return tuple(dict.fromkeys(_names(batch)))


def _names(part: Any) -> Iterator[str]:
    own = getattr(part, "names", None)
    if isinstance(own, tuple | list) and all(isinstance(name, str) for name in own):
        yield from own
    if is_dataclass(part) and not isinstance(part, type):
        inner: Iterable[Any] = (getattr(part, entry.name) for entry in fields(part) if entry.name != "names")
    elif isinstance(part, Mapping):
        inner = part.values()
    else:
        inner = part if isinstance(part, tuple | list) else ()
    for value in inner:
        yield from _names(value)
