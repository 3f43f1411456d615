"""What a user can set about a training; light to import, since the command line is made from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

try:
    from tyro.conf import arg
except ImportError:  # A bare machine has no command line; there a script starts the training.

    def arg(**shown: str) -> Any:  # type: ignore[no-redef]
        """How the command line would show an option."""
        return shown


@dataclass(frozen=True)
class Options:
    """Where and how a training runs; none of it changes what is trained."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto takes the GPU where there is one."""
    devices: int = 1
    """Processes on this machine, each with a GPU of its own or a part of the CPU. Under torchrun it decides."""
    nodes: int = 1
    """Machines that train together. Under torchrun it decides."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the networks' matrix products and convolutions; weights and losses stay float32."""
    save_every: int = 0
    """Steps from one checkpoint to the next within an epoch; 0: one at the end of each epoch."""
    log_every: int = 20
    """Steps that a row of the log is the mean of."""
    prefetch: int = 2
    """Batches that are made ahead of their turn."""
    restart: bool = False
    """Forget what the folder holds of an earlier training."""


Number = arg(metavar="N", help_behavior_hint="")


@dataclass(frozen=True)
class Changes:
    """What of a preset is to be otherwise; what is not given stays as the preset has it."""

    epochs: Annotated[int | None, Number] = None
    """Passes, in what the publication calls epochs; of every stage."""
    iterations: Annotated[int | None, Number] = None
    """Steps in an epoch."""
    batch: Annotated[int | None, Number] = None
    """Windows in a step, of all processes together."""
    learning_rate: Annotated[float | None, arg(metavar="RATE", help_behavior_hint="")] = None
    """Of the method's network; a schedule that has a highest rate gets this one."""
    window: Annotated[int | None, Number] = None
    """Frames that the network sees at once."""
    hidden: Annotated[int | None, Number] = None
    """The width of the network's hidden state."""
    seed: Annotated[int | None, Number] = None
    """Of the first weights, of what is drawn, and of the order in which windows are seen."""
    set: Annotated[tuple[str, ...], arg(metavar="NAME=VALUE ...", help_behavior_hint="")] = ()
    """Anything else of the preset by name, such as network.layers=1 losses.pose=30 optimizer.weight_decay=1e-5."""


@dataclass(frozen=True)
class Sources:
    """What a training learns from, and what it begins with."""

    data: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None
    """The folder with the preset's sets, as published or as `anthropose prepare` makes them."""
    mocap: Annotated[tuple[Path, ...], arg(metavar="DIR ...", help_behavior_hint="")] = ()
    """Folders of motion capture, for the presets named mocap and for discriminators of motion."""
    images: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None
    """The folder below which the pictures of a set lie, for trainings that look at pictures."""
    start: Annotated[str, arg(metavar="NAME", help_behavior_hint="")] = ""
    """SPIN's weights to begin with: an installed name or a file; none for random ones. The installed ones when not
    given."""
    body: Annotated[str, arg(metavar="NAME")] = "free"
    """The body model: free, the name of one that was brought in with `anthropose body`, or a SMPL file."""
