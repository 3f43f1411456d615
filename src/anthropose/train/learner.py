"""What moves in a stage: its networks with their optimisers, schedules and running average."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.lr_scheduler import ReduceLROnPlateau

from anthropose.jobs import Adversary, Optimizer, Plateau, Stage
from anthropose.train.feed import mapped
from anthropose.train.together import averaged

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Learner:
    """The networks of a stage on their device, the adversary's last."""

    def __init__(self, fabric: "Fabric", stage: Stage) -> None:
        self.fabric, self.stage = fabric, stage
        self.parts = [Part(fabric, stage, stage.trained)]
        if stage.adversary is not None:
            self.parts.append(Part(fabric, stage.adversary, lambda name: True))
        share_start(fabric, [part.network for part in self.parts])
        self.average = None if stage.ema is None else Average(stage.network, stage.ema)

    def begin_epoch(self, epoch: int) -> None:
        """Sets the rates of an epoch, counted from 0, and train mode."""
        for part in self.parts:
            part.begin_epoch(epoch)
        if self.stage.begin_epoch is not None:
            self.stage.begin_epoch(epoch)

    def step(self, losses: list[Tensor]) -> float:
        """Moves each network by its loss, in order; returns the norm of the first one's gradient, NaN if unknown."""
        norms = [part.step(loss) for part, loss in zip(self.parts, losses, strict=True)]
        if self.average is not None:
            self.average.update(self.stage.network)
        return norms[0]

    def end_epoch(self, figure: float | None) -> None:
        """Lets plateaus look at the figure of the validation."""
        for part in self.parts:
            if part.plateau is not None and figure is not None:
                part.plateau.step(figure)

    @contextmanager
    def judged(self) -> Iterator[nn.Module]:
        """The network as it is validated and published: averaged where there is an average, in eval mode."""
        network = self.stage.network
        own = None
        if self.average is not None:
            own = {key: value.clone() for key, value in network.state_dict().items()}
            network.load_state_dict(self.average.values)
        network.eval()
        try:
            with torch.no_grad():
                yield network
        finally:
            if own is not None:
                network.load_state_dict(own)
            network.train()

    def state_dict(self) -> dict[str, Any]:
        """Everything that training on from here depends on, but for the generators of random numbers."""
        return {
            "parts": [part.state_dict() for part in self.parts],
            "average": None if self.average is None else self.average.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for part, own in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(own)
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        if state["scaler"]:
            self.fabric.strategy.precision.load_state_dict(state["scaler"])


class Part:
    """One network with what moves it."""

    def __init__(self, fabric: "Fabric", settings: Stage | Adversary, trained: Callable[[str], bool]) -> None:
        self.fabric, self.settings = fabric, settings
        self.network = fabric.to_device(settings.network)
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(trained(name))
        self.named = [(name, p) for name, p in self.network.named_parameters() if p.requires_grad]
        if not self.named:
            raise ValueError(f"{type(self.network).__name__}: no parameter is to be trained")
        optimizer = make_optimizer(self.parameters, settings.optimizer)
        self.optimizer: Any = fabric.setup_optimizers(optimizer)
        schedule = settings.schedule
        self.plateau = None
        if isinstance(schedule, Plateau):
            self.plateau = ReduceLROnPlateau(optimizer, factor=schedule.factor, patience=schedule.patience)

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Those that are trained."""
        return [parameter for _, parameter in self.named]

    @property
    def rate(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    def begin_epoch(self, epoch: int) -> None:
        schedule = self.settings.schedule
        if schedule is not None and not isinstance(schedule, Plateau):
            for group in self.optimizer.param_groups:
                group["lr"] = schedule(epoch)
        self.network.train()

    def step(self, loss: Tensor) -> float:
        """Moves the weights by one loss; returns the norm of its gradient before clipping.

        Raises:
            FloatingPointError: the gradient is not finite, which with float16 alone is nothing unusual.
        """
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        average_gradients(self.fabric, self.parameters)
        norm = self._clipped()
        if norm is not None and not norm.isfinite():
            raise FloatingPointError(self._what_is_not_finite())
        self.optimizer.step()
        return float("nan") if norm is None else norm.item()

    def _clipped(self) -> Tensor | None:
        """The norm of the gradient, which is clipped; None with float16, which scales all gradients."""
        scaled = bool(self.fabric.strategy.precision.state_dict())
        if self.settings.clip_norm is not None:
            norm = self.fabric.clip_gradients(
                self.network, self.optimizer, max_norm=self.settings.clip_norm, error_if_nonfinite=False
            )
            return None if scaled else norm
        if scaled:
            return None
        return torch.nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])

    def _what_is_not_finite(self) -> str:
        bad = [name for name, p in self.named if p.grad is not None and not p.grad.isfinite().all()]
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        return ", ".join(bad[:3]) + more

    def state_dict(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "plateau": None if self.plateau is None else _plain(self.plateau.state_dict()),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.plateau is not None:
            self.plateau.load_state_dict(state["plateau"])


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values of a schedule's state; the others are functions that it makes anew."""
    return {key: value for key, value in state.items() if isinstance(value, int | float | str | list | None)}


class Average:
    """A running average of a network's weights; statistics and counters are taken as they are.

    The first steps keep less than `decay` of it, (1 + n) / (10 + n) after n of them, so that the start is forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.values = {key: value.detach().clone() for key, value in network.state_dict().items()}
        self._averaged = {name for name, _ in network.named_parameters()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Moves the average towards the network."""
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        for key, value in network.state_dict().items():
            if key in self._averaged:
                self.values[key].lerp_(value, 1 - keep)
            else:
                self.values[key].copy_(value)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "values": self.values}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.steps = state["steps"]
        for key, value in state["values"].items():
            self.values[key].copy_(value)


def make_optimizer(parameters: list[nn.Parameter], settings: Optimizer) -> torch.optim.Optimizer:
    """The optimiser that is meant, for these parameters."""
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.kind == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=settings.momentum, weight_decay=decay)
    kind = torch.optim.AdamW if settings.kind == "adamw" else torch.optim.Adam
    return kind(parameters, lr=rate, betas=settings.betas, weight_decay=decay, amsgrad=settings.amsgrad)


def share_start(fabric: "Fabric", networks: list[nn.Module]) -> None:
    """Gives all processes the networks of the first."""
    if fabric.world_size > 1:
        for network in networks:
            for tensor in network.state_dict().values():
                torch.distributed.broadcast(tensor, 0)


def average_gradients(fabric: "Fabric", parameters: list[nn.Parameter]) -> None:
    """Makes each gradient the mean of those of all processes, in one message.

    A parameter that has a gradient in one process only counts as having zero in the others; one that has none in any
    keeps none, so that an optimiser leaves it alone.
    """
    if fabric.world_size == 1:
        return
    there = torch.tensor([p.grad is not None for p in parameters], dtype=torch.float32, device=fabric.device)
    flat = torch.cat([there, *((torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters)])
    flat = averaged(fabric, flat)
    somewhere, at = flat[: len(parameters)].tolist(), len(parameters)
    for parameter, share in zip(parameters, somewhere, strict=True):
        if share:
            parameter.grad = flat[at : at + parameter.numel()].view_as(parameter).clone()
        at += parameter.numel()


def average_statistics(fabric: "Fabric", network: nn.Module) -> None:
    """Makes the running statistics of batch norms, which each process gathers from its own rows, the mean of all."""
    if fabric.world_size > 1:
        for buffer in network.buffers():
            if buffer.is_floating_point():
                buffer.copy_(averaged(fabric, buffer))


@contextmanager
def in_precision(fabric: "Fabric", networks: list[nn.Module]) -> Iterator[None]:
    """Inside, calls of the networks, of their children and of these ones' run in mixed precision and give float32.

    Losses, body models and rotations around them stay float32, where sixteen bits would cost millimetres.
    """
    if fabric.strategy.precision.precision == "32-true":
        yield
        return
    children = [part for network in networks for child in network.children() for part in (child, *child.children())]
    modules = list(dict.fromkeys([*networks, *children]))
    for module in modules:
        module.forward = _mixed(fabric, module.forward)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in modules:
            del module.forward


@contextmanager
def plain_attention(fabric: "Fabric") -> Iterator[None]:
    """Inside, attention on a CPU is computed in its parts: torch's fused one is slow for windows of a few frames."""
    if fabric.device.type != "cpu":
        yield
        return
    with sdpa_kernel(SDPBackend.MATH):
        yield


def _mixed(fabric: "Fabric", forward: Callable[..., Any]) -> Callable[..., Any]:
    def mixed(*args: Any, **kwargs: Any) -> Any:
        with fabric.autocast():
            result = forward(*args, **kwargs)
        return mapped(result, lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)

    return mixed
