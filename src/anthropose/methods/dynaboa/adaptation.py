"""Adaptation to a stream of images, frame by frame, as DynaBOA and BOA were published.

Guan et al., Out-of-Domain Human Mesh Reconstruction via Dynamic Bilevel Online Adaptation, TPAMI 2022, and Bilevel
Online Adaptation, CVPR 2021 (dynaboa spec, sections 4 to 8 and 15). The steps are those of `bilevel`; here are the
frames and their losses.
"""

from collections import deque
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.body.prior import GaussianMixturePrior
from anthropose.methods.dynaboa.bilevel import Adapted, Bilevel, Update, View, Watch, Weights, added, turned
from anthropose.methods.dynaboa.config import AdaptationConfig, Level
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
from anthropose.methods.dynaboa.model import BaseModel
from anthropose.methods.dynaboa.preprocessing import ROWS
from anthropose.motion import Prediction
from anthropose.skeleton import SPIN_49

__all__ = ["Adaptation", "Adapted", "Frame", "Update", "View", "Watch", "Weights", "added", "turned"]


@dataclass(frozen=True, eq=False)
class Frame:
    """A crop and what a detector found in it."""

    image: Float[Tensor, "1 3 h w"]
    keypoints: Float[Tensor, "1 49 3"]


class Adaptation(Bilevel[Frame]):
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
        self.prior, self.exemplars = prior, exemplars
        self._points = body.points(SPIN_49)
        super().__init__(network, self.config, exemplars is not None, watch)

    def forget_frames(self) -> None:
        """Begins a new person: motion is not measured from the frames before."""
        super().forget_frames()
        self.history: deque[Frame | None] = deque(maxlen=self.config.interval + 1)
        self.frame = 0

    def adapt(self, image: Float[Tensor, "1 3 h w"], keypoints: Float[Tensor, "1 49 3"]) -> Adapted:
        """The person in the stream's next frame, with weights that have adapted to it.

        Args:
            image: the normalised crop.
            keypoints: SPIN-49 in coordinates of the crop, -1 to 1, and a confidence.
        """
        device = self._start[0].device
        frame = Frame(image.to(device), keypoints.to(device))
        self.history.append(frame)
        if self.exemplars is not None:
            self.exemplars.next_frame()
        adapted = self._on(frame)
        self.frame += 1
        return adapted

    def state(self) -> dict[str, Tensor]:
        """All that an adaptation needs to go on elsewhere as if it had never stopped, but for the exemplars' draws."""
        state = super().state() | {"frame": torch.tensor(self.frame), "history": torch.tensor(len(self.history))}
        for index, earlier in enumerate(self.history):
            if earlier is not None:
                state |= {f"history.{index}.image": earlier.image, f"history.{index}.keypoints": earlier.keypoints}
        return state

    def resume(self, state: dict[str, Tensor]) -> None:
        """Goes on from what `state` gave, in an adaptation of the same network and configuration."""
        super().resume(state)
        self.frame = int(state["frame"])
        for index in range(int(state["history"])):
            image = state.get(f"history.{index}.image")
            self.history.append(None if image is None else Frame(image, state[f"history.{index}.keypoints"]))

    def _inputs(self, sample: Frame) -> Tensor:
        return sample.image

    def _figure(self, prediction: Prediction, sample: Frame) -> Figure:
        return figure_of(prediction, self._points)

    def _error(self, figure: Figure, sample: Frame) -> Tensor:
        return keypoint_error(figure.keypoints, sample.keypoints, self.config.rows, self.config.robust)

    def _has_evidence(self, sample: Frame) -> bool:
        return bool((sample.keypoints[:, ROWS[self.config.rows], 2] > 0).any())

    def _undone(self) -> None:
        self.history[-1] = None  # What the weights could not bear is no measure of motion either.

    def _loss(self, level: Level, weights: Weights, view: View, sample: Frame) -> tuple[Tensor, Terms, int | None]:
        """A level's loss with its parts, and the number of the exemplar drawn, also where the level has no use for it:
        every evaluation takes one from the random numbers, as published."""
        factors, terms = self.config.weights, dict[str, Tensor]()
        weighted: list[Tensor] = []
        if level.frame:
            terms |= frame_terms(view.figure, sample.keypoints, self.prior, self.config.rows, self.config.robust)
            weighted += [getattr(factors, name) * term for name, term in terms.items()]
        if level.temporal:
            terms |= self._temporal(weights, view, sample)
            weighted += [getattr(factors, name) * terms[name] for name in ("teacher", "motion") if name in terms]
        number = None
        if self.exemplars is not None:
            number, exemplar = self.exemplars.draw(view.trace.pooled)
            if level.labelled:
                exemplar = exemplar.to(sample.keypoints.device)
                figure = self._fresh_view(weights, Frame(exemplar.image, exemplar.keypoints)).figure
                parts = labelled_terms(figure, exemplar, self.config.labelled_confidence)
                terms |= parts | {"labelled": added(parts, factors.labelled_parts)}
                weighted.append(factors.labelled * terms["labelled"])
        return torch.stack(weighted).sum(), terms, number

    def _temporal(self, weights: Weights, view: View, sample: Frame) -> Terms:
        """The terms that look at the teacher and at an earlier frame, where there are such."""
        config, terms = self.config, dict[str, Tensor]()
        if self.teacher:
            parts = teacher_terms(view.figure, self._taught(sample), config.teacher_rows, config.teacher_aligned)
            terms |= parts | {"teacher": added(parts, config.weights.teacher_parts)}
        there = config.use_motion and self.frame - config.interval >= config.first_frame
        earlier = self.history[-1 - config.interval] if there else None
        if earlier is not None:
            figure = self._fresh_view(weights, earlier).figure
            terms["motion"] = motion_error(
                view.figure, figure, sample.keypoints, earlier.keypoints, config.rows, config.motion_mask
            )
        return terms

    @torch.no_grad()
    def _taught(self, sample: Frame) -> Figure:
        """What the teacher sees."""
        self._tracer.train(self.config.teacher_dropout)
        figure = self._fresh_view(self.teacher, sample).figure
        self._tracer.eval()
        return figure
