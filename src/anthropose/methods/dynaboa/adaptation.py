"""Adaptation to a stream of images, frame by frame: a probe, an update at the probe's end, more updates where needed.

Guan et al., Out-of-Domain Human Mesh Reconstruction via Dynamic Bilevel Online Adaptation, TPAMI 2022, and Bilevel
Online Adaptation, CVPR 2021 (dynaboa spec, sections 4 to 8 and 15). The network's own weights stay as they are: those
that adapt are a second set, and those of the probe a third, all handed to the network by `functional_call`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim.adam import adam

from anthropose.body.model import BodyModel
from anthropose.body.prior import GaussianMixturePrior
from anthropose.errors import UserError
from anthropose.methods.dynaboa.config import AdaptationConfig, Level, PartWeights
from anthropose.methods.dynaboa.exemplars import Exemplars
from anthropose.methods.dynaboa.losses import (
    Figure,
    Terms,
    figure_of,
    frame_terms,
    keypoint_error,
    labelled_terms,
    motion_error,
    teacher_terms,
)
from anthropose.methods.dynaboa.model import POOLED, STEERING, BaseModel, Trace
from anthropose.methods.dynaboa.preprocessing import ROWS
from anthropose.motion import Prediction
from anthropose.skeleton import SPIN_49

Weights = Sequence[Tensor]
"""The network's parameters, in its own order."""
LEAST_RISE = 1e-3
"""By how much the keypoints' error of a frame may always rise: mean squares of the crop's half width."""


@dataclass(frozen=True)
class View:
    """An image as some weights see it."""

    trace: Trace
    figure: Figure


@dataclass(frozen=True)
class Update:
    """One step of the weights: the probe's, the frame's, or a further one."""

    kind: Literal["probe", "main", "further"]
    loss: Tensor
    terms: Terms
    """The parts of the loss, unweighted; "teacher" and "labelled" are the weighted sums of their own parts."""
    exemplar: int | None
    """The number of the exemplar drawn."""
    before: View
    """What the loss was computed on."""
    after: View
    """The same image with the weights after the step."""


Watch = Callable[[Update, Weights, Weights], None]
"""Called after each step with the gradient and the new weights: for records and tests."""


@dataclass(frozen=True)
class Adapted:
    """What came of a frame."""

    prediction: Prediction
    updates: int
    """How often the weights moved: the main update and the further ones."""
    further: int
    """As the published program counts: `most_steps` + 1 when the limit ended it."""
    undone: bool = False
    """Whether the weights were put back to what they were before the frame."""
    blind: bool = False
    """Whether there was no evidence to adapt to."""


def turned(before: Tensor, after: Tensor) -> float:
    """1 - cosine of the angle between two features, each taken as one long vector."""
    cosine = torch.nn.functional.cosine_similarity(
        before.detach().flatten(), after.detach().flatten(), dim=0, eps=1e-12
    )
    return float(1 - cosine)


class _Tracer(nn.Module):
    """The network's `trace` as a forward, which is what `functional_call` calls."""

    def __init__(self, network: BaseModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Trace:
        return self.network.trace(images)


class Adaptation:
    """The state that persists over a stream: adapted weights, Adam's moments, the teacher, the last frames.

    Args:
        network: its own weights are where the adaptation starts, and are never changed.
        body: the neutral one.
        prior: of poses; None leaves that term out.
        exemplars: None where there are none; the levels' `labelled` must then be off.
        watch: see Watch.

    Raises:
        UserError: a level wants exemplars and there are none.
    """

    def __init__(
        self,
        network: BaseModel,
        body: BodyModel,
        prior: GaussianMixturePrior | None,
        config: AdaptationConfig | None = None,
        exemplars: Exemplars | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.config = config or AdaptationConfig()
        if exemplars is None and (self.config.lower.labelled or self.config.upper.labelled):
            raise UserError("this adaptation wants exemplars; give a bank of them, or a preset without")
        self.prior, self.exemplars, self._watch = prior, exemplars, watch
        self._tracer, self._points = _Tracer(network.eval()), body.points(SPIN_49)
        named = dict(self._tracer.named_parameters())
        self._names, self._start = list(named), [parameter.detach() for parameter in named.values()]
        self._saved: list[Tensor] = []
        self.restart()

    def restart(self) -> None:
        """Forgets everything that was adapted to."""
        self.weights = [start.clone().requires_grad_() for start in self._start]
        with_teacher = self.config.use_teacher and (self.config.lower.temporal or self.config.upper.temporal)
        self.teacher = [start.clone() for start in self._start] if with_teacher else []
        self._means = [torch.zeros_like(start) for start in self._start]
        self._squares = [torch.zeros_like(start) for start in self._start]
        self._steps = [torch.zeros((), device=start.device) for start in self._start]
        self.forget_frames()

    def forget_frames(self) -> None:
        """Begins a new person: motion is not measured from the frames before."""
        self.history: deque[tuple[Tensor, Tensor] | None] = deque(maxlen=self.config.interval + 1)
        self.frame = 0
        self._seen: tuple[Weights, Tensor, View] | None = None

    def adapt(self, image: Float[Tensor, "1 3 h w"], keypoints: Float[Tensor, "1 49 3"]) -> Adapted:
        """The person in the stream's next frame, with weights that have adapted to it.

        Args:
            image: the normalised crop.
            keypoints: SPIN-49 in coordinates of the crop, -1 to 1, and a confidence.
        """
        device = self._start[0].device
        image, keypoints = image.to(device), keypoints.to(device)
        self.history.append((image, keypoints))
        if self.exemplars is not None:
            self.exemplars.next_frame()
        if not self.config.guard:
            adapted = self._adapted(image, keypoints)
        elif bool((keypoints[:, ROWS[self.config.rows], 2] > 0).any()):
            adapted = self._guarded(image, keypoints)
        else:
            prediction = self._view(self.weights, image).figure.detached().prediction
            adapted = Adapted(prediction, 0, 0, blind=True)
        self.frame += 1
        self._seen = None
        return adapted

    def state(self) -> dict[str, Tensor]:
        """All that an adaptation needs to go on elsewhere as if it had never stopped, but for the exemplars' draws."""
        state = {"frame": torch.tensor(self.frame), "steps": self._steps[0].clone()}
        groups = {"weights": self.weights, "teacher": self.teacher, "means": self._means, "squares": self._squares}
        for group, tensors in groups.items():
            state |= {f"{group}.{name}": t.detach().clone() for name, t in zip(self._names, tensors, strict=False)}
        for index, earlier in enumerate(self.history):
            if earlier is not None:
                state |= {f"history.{index}.image": earlier[0], f"history.{index}.keypoints": earlier[1]}
        return state | {"history": torch.tensor(len(self.history))}

    def resume(self, state: dict[str, Tensor]) -> None:
        """Goes on from what `state` gave, in an adaptation of the same network and configuration."""
        groups = {"weights": self.weights, "teacher": self.teacher, "means": self._means, "squares": self._squares}
        with torch.no_grad():
            for group, tensors in groups.items():
                for name, tensor in zip(self._names, tensors, strict=False):
                    tensor.copy_(state[f"{group}.{name}"])
            for step in self._steps:
                step.copy_(state["steps"])
        self.forget_frames()
        self.frame = int(state["frame"])
        for index in range(int(state["history"])):
            image = state.get(f"history.{index}.image")
            self.history.append(None if image is None else (image, state[f"history.{index}.keypoints"]))

    def _guarded(self, image: Tensor, keypoints: Tensor) -> Adapted:
        """The frame adapted to, or undone where the weights came out worse than they were."""
        state = [*self.weights, *self.teacher, *self._means, *self._squares, *self._steps]
        with torch.no_grad():
            self._saved = self._saved or [torch.empty_like(tensor) for tensor in state]
            torch._foreach_copy_(self._saved, state)
        first = self._view(self.weights, image).figure.detached()
        adapted = self._adapted(image, keypoints)
        rows, robust = self.config.rows, self.config.robust
        last = figure_of(adapted.prediction, self._points)
        before, after = (keypoint_error(figure.keypoints, keypoints, rows, robust) for figure in (first, last))
        if bool(_finite(adapted.prediction) & (after <= self.config.worst_rise * before + LEAST_RISE)):
            return adapted
        with torch.no_grad():
            torch._foreach_copy_(state, self._saved)
        self.history[-1] = None  # What the weights could not bear is no measure of motion either.
        return Adapted(first.prediction, adapted.updates, adapted.further, undone=True)

    def _adapted(self, image: Tensor, keypoints: Tensor) -> Adapted:
        """The frame adapted to. Passes stand where the published program makes them; `_view` shares those it can."""
        before = self._view(self.weights, image)
        if self.config.bilevel:
            probe = self._probed(image, keypoints)
            self._update(self.config.upper, "main", probe, image, keypoints)
        else:
            self._update(self.config.lower, "main", self.weights, image, keypoints)
        seen, after = self._view(self.weights, image), self._view(self.weights, image)
        further, updates = 0, 1
        while self._goes_on(before, after):
            further += 1
            if further > self.config.most_steps:
                break
            before = self._update(self.config.upper, "further", self.weights, image, keypoints)
            seen, after = self._view(self.weights, image), self._view(self.weights, image)
            updates += 1
        return Adapted(seen.figure.detached().prediction, updates, further)

    def _goes_on(self, before: View, after: View) -> bool:
        if not (self.config.dynamic and self.config.bilevel):
            return False
        features = before.trace.features[STEERING], after.trace.features[STEERING]
        return turned(*features) > self.config.threshold

    def _probed(self, image: Tensor, keypoints: Tensor) -> Weights:
        """The weights after some steps of plain descent on the lower level's losses."""
        probe: Weights = self.weights
        for _ in range(self.config.probe_steps):
            view = self._view(probe, image)
            loss, terms, exemplar = self._loss(self.config.lower, probe, view, image, keypoints)
            gradient = torch.autograd.grad(loss, list(probe), create_graph=self.config.second_order)
            if self.config.second_order:
                probe = [w - self.config.probe_rate * g for w, g in zip(probe, gradient, strict=True)]
            else:
                with torch.no_grad():
                    stepped = torch._foreach_add(list(probe), gradient, alpha=-self.config.probe_rate)
                probe = [tensor.requires_grad_() for tensor in stepped]
            after = self._view(probe, image)
            if self._watch is not None:
                self._watch(Update("probe", loss, terms, exemplar, view, after), gradient, probe)
        return probe

    def _update(
        self, level: Level, kind: Literal["main", "further"], at: Weights, image: Tensor, keypoints: Tensor
    ) -> View:
        """Moves the weights by the gradient of a level's losses taken `at` these; gives the view it was taken on."""
        view = self._view(at, image)
        loss, terms, exemplar = self._loss(level, at, view, image, keypoints)
        gradient = torch.autograd.grad(loss, self.weights if self.config.second_order else list(at))
        self._descend(gradient)
        if self._watch is not None:
            after = self._view(self.weights, image)
            self._watch(Update(kind, loss, terms, exemplar, view, after), gradient, self.weights)
        return view

    @torch.no_grad()
    def _descend(self, gradient: Weights) -> None:
        """One step of Adam, which the teacher follows."""
        beta1, beta2 = self.config.betas
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
            lr=self.config.learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
        if self.teacher and self.config.bilevel:
            torch._foreach_lerp_(self.teacher, self.weights, 1 - self.config.teacher_memory)
        self._seen = None

    def _loss(
        self, level: Level, weights: Weights, view: View, image: Tensor, keypoints: Tensor
    ) -> tuple[Tensor, Terms, int | None]:
        """A level's loss with its parts, and the number of the exemplar drawn, also where the level has no use for it:
        every evaluation takes one from the random numbers, as published."""
        factors, terms = self.config.weights, dict[str, Tensor]()
        weighted: list[Tensor] = []
        if level.frame:
            terms |= frame_terms(view.figure, keypoints, self.prior, self.config.rows, self.config.robust)
            weighted += [getattr(factors, name) * term for name, term in terms.items()]
        if level.temporal:
            terms |= self._temporal(weights, view, image, keypoints)
            weighted += [getattr(factors, name) * terms[name] for name in ("teacher", "motion") if name in terms]
        number = None
        if self.exemplars is not None:
            number, exemplar = self.exemplars.draw(view.trace.features[POOLED])
            if level.labelled:
                exemplar = exemplar.to(keypoints.device)
                figure = self._fresh_view(weights, exemplar.image).figure
                parts = labelled_terms(figure, exemplar, self.config.labelled_confidence)
                terms |= parts | {"labelled": added(parts, factors.labelled_parts)}
                weighted.append(factors.labelled * terms["labelled"])
        return torch.stack(weighted).sum(), terms, number

    def _temporal(self, weights: Weights, view: View, image: Tensor, keypoints: Tensor) -> Terms:
        """The terms that look at the teacher and at an earlier frame, where there are such."""
        config, terms = self.config, dict[str, Tensor]()
        if self.teacher:
            parts = teacher_terms(view.figure, self._taught(image), config.teacher_rows, config.teacher_aligned)
            terms |= parts | {"teacher": added(parts, config.weights.teacher_parts)}
        there = config.use_motion and self.frame - config.interval >= config.first_frame
        earlier = self.history[-1 - config.interval] if there else None
        if earlier is not None:
            figure = self._fresh_view(weights, earlier[0]).figure
            terms["motion"] = motion_error(view.figure, figure, keypoints, earlier[1], config.rows, config.motion_mask)
        return terms

    @torch.no_grad()
    def _taught(self, image: Tensor) -> Figure:
        """What the teacher sees."""
        self._tracer.train(self.config.teacher_dropout)
        figure = self._fresh_view(self.teacher, image).figure
        self._tracer.eval()
        return figure

    def _view(self, weights: Weights, image: Tensor) -> View:
        """The image as these weights see it: one pass serves all who ask until the weights change."""
        if self._seen is not None and self._seen[0] is weights and self._seen[1] is image:
            return self._seen[2]
        view = self._fresh_view(weights, image)
        if self.config.share_passes:
            self._seen = (weights, image, view)
        return view

    def _fresh_view(self, weights: Weights, image: Tensor) -> View:
        trace = functional_call(self._tracer, dict(zip(self._names, weights, strict=True)), (image,))
        return View(trace, figure_of(trace.prediction, self._points))


def _laid_out(gradient: Tensor, like: Tensor) -> Tensor:
    """The gradient in the memory layout of its parameter: torch 2.13's fused Adam on a CPU reads the one in the order
    of the other, and convolutions give gradients with their channels last."""
    return gradient if gradient.stride() == like.stride() else torch.empty_like(like).copy_(gradient)


def added(parts: Terms, factors: PartWeights) -> Tensor:
    """The weighted sum of parts that are named as `factors` are, after what they are parts of."""
    return torch.stack([getattr(factors, name.split("_")[1]) * part for name, part in parts.items()]).sum()


def _finite(prediction: Prediction) -> Tensor:
    pose = prediction.pose
    return torch.cat([pose.rotations.flatten(), pose.betas.flatten(), prediction.camera.flatten()]).isfinite().all()
