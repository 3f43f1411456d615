"""Two-level adaptation of a network's weights: a probe, an update at the probe's end, more updates where needed.

Guan et al., Out-of-Domain Human Mesh Reconstruction via Dynamic Bilevel Online Adaptation, TPAMI 2022, and Bilevel
Online Adaptation, CVPR 2021 (dynaboa spec, sections 5, 6 and 8). What is looked at, and by which losses, is said by who
extends this: `adaptation` for images as published, `windows` for keypoints. The network's own weights stay as they are:
those that adapt are a second set, and those of the probe a third, all handed to the network by `functional_call`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.adam import adam

from anthropose.errors import UserError
from anthropose.methods.dynaboa.config import BilevelConfig, Level, PartWeights
from anthropose.methods.dynaboa.losses import Figure, Terms
from anthropose.motion import Prediction

Weights = Sequence[Tensor]
"""The network's parameters, in its own order."""
LEAST_RISE = 1e-3
"""By how much the keypoints' error of a sample may always rise: mean squares of the crop's half width."""


@runtime_checkable
class Traced(Protocol):
    """What a network computed, with the features that adaptation goes by."""

    @property
    def prediction(self) -> Prediction:
        """What the network says."""
        ...

    @property
    def pooled(self) -> Tensor:
        """The features by which exemplars are found."""
        ...

    @property
    def steering(self) -> Tensor:
        """The features by which updates are ended."""
        ...


@runtime_checkable
class Traceable(Protocol):
    """A network that tells what it computes on the way to its prediction."""

    def trace(self, inputs: Tensor) -> Traced:
        """The prediction and the features."""
        ...


@dataclass(frozen=True)
class View:
    """A sample as some weights see it."""

    trace: Any
    """Traced."""
    figure: Figure


@dataclass(frozen=True)
class Update:
    """One step of the weights: the probe's, the sample's, or a further one."""

    kind: Literal["probe", "main", "further"]
    loss: Tensor
    terms: Terms
    """The parts of the loss, unweighted; "teacher" and "labelled" are the weighted sums of their own parts."""
    exemplar: int | None
    """The number of the exemplar drawn."""
    before: View
    """What the loss was computed on."""
    after: View
    """The same sample with the weights after the step."""


Watch = Callable[[Update, Weights, Weights], None]
"""Called after each step with the gradient and the new weights: for records and tests."""


@dataclass(frozen=True)
class Adapted:
    """What came of a frame, or of a window of frames."""

    prediction: Prediction
    updates: int
    """How often the weights moved: the main update and the further ones."""
    further: int
    """As the published program counts: `most_steps` + 1 when the limit ended it."""
    undone: bool = False
    """Whether the weights were put back to what they were before."""
    blind: bool = False
    """Whether there was no evidence to adapt to."""
    restarted: bool = False
    """Whether the weights had drifted too far, and began anew."""


def turned(before: Tensor, after: Tensor) -> float:
    """1 - cosine of the angle between two features, each taken as one long vector."""
    cosine = torch.nn.functional.cosine_similarity(
        before.detach().flatten(), after.detach().flatten(), dim=0, eps=1e-12
    )
    return float(1 - cosine)


class _Tracer(nn.Module):
    """The network's `trace` as a forward, which is what `functional_call` calls."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Any:
        return self.network.trace(inputs)


Sample = TypeVar("Sample")


class Bilevel(ABC, Generic[Sample]):
    """The state that persists over a stream of samples: adapted weights, Adam's moments, the teacher.

    Args:
        network: a module that is Traceable. Its own weights are where the adaptation starts, and are never changed.
        exemplars: whether there are any; the levels' `labelled` must otherwise be off.
        watch: see Watch.

    Raises:
        UserError: a level wants exemplars and there are none.
    """

    def __init__(self, network: nn.Module, config: BilevelConfig, exemplars: bool, watch: Watch | None) -> None:
        if not exemplars and (config.lower.labelled or config.upper.labelled):
            raise UserError("this adaptation wants exemplars; give a bank of them, or a preset without")
        self._settings, self._watch = config, watch
        self._tracer = _Tracer(network.eval())
        named = dict(self._tracer.named_parameters())
        self._names, self._start = list(named), [parameter.detach() for parameter in named.values()]
        self._saved: list[Tensor] = []
        self.restart()

    @abstractmethod
    def _loss(self, level: Level, weights: Weights, view: View, sample: Sample) -> tuple[Tensor, Terms, int | None]:
        """A level's loss with its parts, and the number of the exemplar drawn."""

    @abstractmethod
    def _figure(self, prediction: Prediction, sample: Sample) -> Figure:
        """The person that a prediction shows, as the losses want it."""

    @abstractmethod
    def _inputs(self, sample: Sample) -> Tensor:
        """What the network is given of a sample."""

    @abstractmethod
    def _error(self, figure: Figure, sample: Sample) -> Tensor:
        """How far a figure is from the sample's keypoints: what the guard goes by."""

    @abstractmethod
    def _has_evidence(self, sample: Sample) -> bool:
        """Whether there is anything to adapt to."""

    def _undone(self) -> None:
        """Told when the present sample's updates are taken back."""

    def forget_frames(self) -> None:
        """Begins a new person: nothing is measured from the frames before."""
        self._seen: tuple[Weights, Tensor, View] | None = None

    def restart(self) -> None:
        """Forgets everything that was adapted to."""
        config = self._settings
        self.weights = [start.clone().requires_grad_() for start in self._start]
        with_teacher = config.use_teacher and (config.lower.temporal or config.upper.temporal)
        self.teacher = [start.clone() for start in self._start] if with_teacher else []
        self._means = [torch.zeros_like(start) for start in self._start]
        self._squares = [torch.zeros_like(start) for start in self._start]
        self._steps = [torch.zeros((), device=start.device) for start in self._start]
        self.forget_frames()

    def state(self) -> dict[str, Tensor]:
        """All that an adaptation needs to go on elsewhere as if it had never stopped, but for the exemplars' draws."""
        state = {"steps": self._steps[0].clone()}
        for group, tensors in self._groups().items():
            state |= {f"{group}.{name}": t.detach().clone() for name, t in zip(self._names, tensors, strict=False)}
        return state

    def resume(self, state: dict[str, Tensor]) -> None:
        """Goes on from what `state` gave, in an adaptation of the same network and configuration."""
        with torch.no_grad():
            for group, tensors in self._groups().items():
                for name, tensor in zip(self._names, tensors, strict=False):
                    tensor.copy_(state[f"{group}.{name}"])
            for step in self._steps:
                step.copy_(state["steps"])
        self.forget_frames()

    def _groups(self) -> dict[str, Weights]:
        return {"weights": self.weights, "teacher": self.teacher, "means": self._means, "squares": self._squares}

    def _on(self, sample: Sample) -> Adapted:
        """The sample adapted to, as far as there is something to go by and the guard, where there is one, agrees."""
        with _differentiable_twice() if self._settings.second_order else nullcontext():
            if not self._settings.guard:
                adapted = self._adapted(sample)
            elif self._has_evidence(sample):
                adapted = self._guarded(sample)
            else:
                adapted = Adapted(self._view(self.weights, sample).figure.detached().prediction, 0, 0, blind=True)
        self._seen = None
        return adapted

    def _guarded(self, sample: Sample) -> Adapted:
        """The sample adapted to, or undone where the weights came out worse than they were."""
        state = [*self.weights, *self.teacher, *self._means, *self._squares, *self._steps]
        with torch.no_grad():
            self._saved = self._saved or [torch.empty_like(tensor) for tensor in state]
            torch._foreach_copy_(self._saved, state)
        first = self._view(self.weights, sample).figure.detached()
        adapted = self._adapted(sample)
        last = self._figure(adapted.prediction, sample)
        before, after = (self._error(figure, sample) for figure in (first, last))
        if bool(finite(adapted.prediction) & (after <= self._settings.worst_rise * before + LEAST_RISE)):
            return adapted
        with torch.no_grad():
            torch._foreach_copy_(state, self._saved)
        self._undone()
        return Adapted(first.prediction, adapted.updates, adapted.further, undone=True)

    def _adapted(self, sample: Sample) -> Adapted:
        """The sample adapted to. Passes stand where the published program makes them; `_view` shares those it can."""
        config = self._settings
        before = self._view(self.weights, sample)
        if config.bilevel:
            probe = self._probed(sample)
            self._update(config.upper, "main", probe, sample)
        else:
            self._update(config.lower, "main", self.weights, sample)
        seen, after = self._view(self.weights, sample), self._view(self.weights, sample)
        further, updates = 0, 1
        while self._goes_on(before, after):
            further += 1
            if further > config.most_steps:
                break
            before = self._update(config.upper, "further", self.weights, sample)
            seen, after = self._view(self.weights, sample), self._view(self.weights, sample)
            updates += 1
        return Adapted(seen.figure.detached().prediction, updates, further)

    def _goes_on(self, before: View, after: View) -> bool:
        if not (self._settings.dynamic and self._settings.bilevel):
            return False
        return turned(before.trace.steering, after.trace.steering) > self._settings.threshold

    def _probed(self, sample: Sample) -> Weights:
        """The weights after some steps of plain descent on the lower level's losses."""
        config, probe = self._settings, self.weights
        for _ in range(config.probe_steps):
            view = self._view(probe, sample)
            loss, terms, exemplar = self._loss(config.lower, probe, view, sample)
            gradient = torch.autograd.grad(loss, list(probe), create_graph=config.second_order, materialize_grads=True)
            if config.second_order:
                probe = [w - config.probe_rate * g for w, g in zip(probe, gradient, strict=True)]
            else:
                with torch.no_grad():
                    stepped = torch._foreach_add(list(probe), gradient, alpha=-config.probe_rate)
                probe = [tensor.requires_grad_() for tensor in stepped]
            after = self._view(probe, sample)
            if self._watch is not None:
                self._watch(Update("probe", loss, terms, exemplar, view, after), gradient, probe)
        return probe

    def _update(self, level: Level, kind: Literal["main", "further"], at: Weights, sample: Sample) -> View:
        """Moves the weights by the gradient of a level's losses taken `at` these; gives the view it was taken on."""
        view = self._view(at, sample)
        loss, terms, exemplar = self._loss(level, at, view, sample)
        by = self.weights if self._settings.second_order else list(at)
        gradient = torch.autograd.grad(loss, by, materialize_grads=True)  # Networks may have parts for training only.
        self._descend(gradient)
        if self._watch is not None:
            after = self._view(self.weights, sample)
            self._watch(Update(kind, loss, terms, exemplar, view, after), gradient, self.weights)
        return view

    @torch.no_grad()
    def _descend(self, gradient: Weights) -> None:
        """One step of Adam, which the teacher follows."""
        beta1, beta2 = self._settings.betas
        adam(
            self.weights,
            [_laid_out(one, like) for one, like in zip(gradient, self.weights, strict=True)],
            self._means,
            self._squares,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=self._settings.learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
        if self.teacher and self._settings.bilevel:
            torch._foreach_lerp_(self.teacher, self.weights, 1 - self._settings.teacher_memory)
        self._seen = None

    def _view(self, weights: Weights, sample: Sample) -> View:
        """The sample as these weights see it: one pass serves all who ask until the weights change."""
        inputs = self._inputs(sample)
        if self._seen is not None and self._seen[0] is weights and self._seen[1] is inputs:
            return self._seen[2]
        view = self._fresh_view(weights, sample)
        if self._settings.share_passes:
            self._seen = (weights, inputs, view)
        return view

    def _fresh_view(self, weights: Weights, sample: Sample) -> View:
        trace = functional_call(self._tracer, dict(zip(self._names, weights, strict=True)), (self._inputs(sample),))
        return View(trace, self._figure(trace.prediction, sample))


def _differentiable_twice() -> AbstractContextManager[None]:
    """Attention by plain products: the derivative of its faster forms has itself none."""
    return sdpa_kernel(SDPBackend.MATH)


def _laid_out(gradient: Tensor, like: Tensor) -> Tensor:
    """The gradient in the memory layout of its parameter: torch 2.13's fused Adam on a CPU reads the one in the order
    of the other, and convolutions give gradients with their channels last."""
    return gradient if gradient.stride() == like.stride() else torch.empty_like(like).copy_(gradient)


def added(parts: Terms, factors: PartWeights) -> Tensor:
    """The weighted sum of parts that are named as `factors` are, after what they are parts of."""
    return torch.stack([getattr(factors, name.split("_")[1]) * part for name, part in parts.items()]).sum()


def finite(prediction: Prediction) -> Tensor:
    """Whether a prediction consists of numbers."""
    pose = prediction.pose
    return torch.cat([pose.rotations.flatten(), pose.betas.flatten(), prediction.camera.flatten()]).isfinite().all()
