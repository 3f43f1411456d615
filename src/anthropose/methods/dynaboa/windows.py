"""Adaptation to a stream of keypoints, window by window: the same steps as for images, on networks that see keypoints.

Which network it is does not matter: it maps windows of `geometry.keypoints.network_inputs` to a body in every frame.
Everything else that the losses want stands in these inputs too: keypoints in their square, and the square's place in
the picture, from which the picture's own perspective follows. A live loop calls `adapt` with the newest window.
"""

import copy
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.body.model import BodyModel
from anthropose.body.prior import GaussianMixturePrior
from anthropose.errors import UserError
from anthropose.geometry.cameras import crop_camera_to_translation, project
from anthropose.geometry.keypoints import PLACE
from anthropose.methods.dynaboa.bilevel import Adapted, Bilevel, View, Watch, Weights, added, finite
from anthropose.methods.dynaboa.config import Level, WindowConfig
from anthropose.methods.dynaboa.losses import Figure, Terms
from anthropose.methods.dynaboa.window_losses import (
    labelled_window_terms,
    motion_terms,
    seen_error,
    taught_window_terms,
    window_terms,
)
from anthropose.motion import BodyPose, Prediction
from anthropose.skeleton import Skeleton

NEAREST = 0.3
"""Depth [m] below which a joint counts as being there."""


@dataclass(frozen=True, eq=False)
class Window:
    """Consecutive frames of one person."""

    inputs: Float[Tensor, "1 t i"]
    """As `geometry.keypoints.network_inputs` makes them."""
    focal: float = 1.0
    """Of the picture, in its diagonals; 1 is what is guessed where nothing is known."""
    rate: float = 30.0
    """Frames per second."""

    @property
    def keypoints(self) -> Float[Tensor, "t k 3"]:
        """In coordinates of the square, -1 to 1, and a confidence."""
        return self.inputs[0, :, :-PLACE].unflatten(-1, (-1, 3))

    @property
    def squares(self) -> Float[Tensor, "t 3"]:
        """Centre relative to the picture's, and side, in diagonals of the picture."""
        return self.inputs[0, :, -PLACE:]


@dataclass(frozen=True, eq=False)
class LabelledWindow:
    """A window of somebody else whose body is known."""

    window: Window
    rotations: Float[Tensor, "t 24 3 3"]
    """Of each joint relative to its parent, the root's to camera axes."""
    betas: Float[Tensor, "10"]
    camera: Float[Tensor, "t 3"]
    """Weak-perspective s, tx, ty of the squares."""

    def to(self, device: torch.device | str) -> "LabelledWindow":
        """The same elsewhere."""
        window = replace(self.window, inputs=self.window.inputs.to(device))
        return LabelledWindow(window, self.rotations.to(device), self.betas.to(device), self.camera.to(device))

    @property
    def prediction(self) -> Prediction:
        """What a network that is right says."""
        return Prediction(BodyPose(self.rotations, self.betas.expand(len(self.rotations), 10)), self.camera)


@runtime_checkable
class LabelledWindows(Protocol):
    """Where an adaptation takes its exemplars from."""

    def draw(self, features: Float[Tensor, "1 f"]) -> tuple[int, LabelledWindow]:
        """An exemplar, and its number, for the window whose pooled features are given."""
        ...


@dataclass(frozen=True)
class WindowTrace:
    """What a network computed of a window."""

    prediction: Prediction
    """One row per frame."""
    pooled: Float[Tensor, "1 f"]
    """The mean of the frames' features."""
    steering: Tensor


class TracedWindows(nn.Module):
    """A network that is fed with keypoints, and what it computes on the way.

    Args:
        network: has `features(inputs)`, the encoder of keypoints, and `network(features)`, which gives a Prediction of
            every frame of windows. Updates end when the last layer called `hidden1` rests, which is the regressor's; or
            the encoder's features, where there is none.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        hidden = [module for name, module in network.named_modules() if name.endswith("hidden1")]
        self._hidden = hidden[-1:]
        self._heard: list[Tensor] = []
        for module in self._hidden:
            module.register_forward_hook(self._hear)

    def _hear(self, module: nn.Module, given: Any, output: Tensor) -> None:
        self._heard[:] = [output]

    def trace(self, inputs: Float[Tensor, "1 t i"]) -> WindowTrace:
        """The body in every frame, and the features."""
        features = self.network.features(inputs)
        prediction = self.network.network(features)
        if not isinstance(prediction, Prediction) or prediction.camera.shape[:2] != inputs.shape[:2]:
            raise UserError("this network does not give a body for every frame of a window, which dynaboa adapts by")
        steering = self._heard[0] if self._hidden else features
        self._heard.clear()
        pose = prediction.pose
        rows = Prediction(BodyPose(pose.rotations[0], pose.betas[0]), prediction.camera[0])
        return WindowTrace(rows, features.mean(1), steering)


class WindowAdaptation(Bilevel[Window]):
    """The state that persists over a stream of windows.

    Args:
        network: as `methods.keypoint_fed.KeypointFed`; its own weights are where the adaptation starts, and stay.
        skeleton: the set of keypoints that it knows.
        body: the neutral one.
        prior: of poses; None leaves that term out.
        exemplars: None where there are none; the levels' `labelled` must then be off.
        watch: see Watch.

    Raises:
        UserError: a level wants exemplars and there are none.
    """

    def __init__(
        self,
        network: nn.Module,
        skeleton: Skeleton,
        body: BodyModel,
        prior: GaussianMixturePrior | None,
        config: WindowConfig | None = None,
        exemplars: LabelledWindows | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.config = config or WindowConfig()
        self.prior, self.exemplars = prior, exemplars
        self._points = body.points(skeleton)
        super().__init__(TracedWindows(network), self.config, exemplars is not None, watch)

    def adapt(self, inputs: Float[Tensor, "t i"], focal: float = 1.0, rate: float = 30.0) -> Adapted:
        """The person in each frame of the stream's next window, with weights that have adapted to it.

        Where the weights have drifted so far that the window is worse off than with those that the adaptation began
        with, it is predicted with these, and the adaptation begins anew.

        Args:
            inputs: as `geometry.keypoints.network_inputs` makes them. Windows may overlap.
            focal: of the picture, in its diagonals.
            rate: frames per second.
        """
        window = Window(inputs[None].to(self._start[0].device), focal, rate)
        with torch.no_grad():
            first = self._fresh_view(self._start, window).figure
        adapted = self._on(window)
        if self.config.guard and self._drifted(first, adapted, window):
            self.restart()
            adapted = replace(adapted, prediction=first.prediction, restarted=True)
        return adapted

    @torch.no_grad()
    def predict(self, inputs: Float[Tensor, "t i"]) -> Prediction:
        """The person in each frame of a window, with the weights as they are."""
        window = Window(inputs[None].to(self._start[0].device))
        return self._fresh_view(self.weights, window).figure.prediction

    def _drifted(self, first: Figure, adapted: Adapted, window: Window) -> bool:
        """Whether the adapted figure fits much worse than the first, or has become another pose altogether."""
        if not bool(finite(adapted.prediction)):
            return True
        with torch.no_grad():
            now = self._figure(adapted.prediction, window)
            worse = self._error(now, window) > self.config.worst_rise * self._error(first, window) + 1e-3
            moved = [figure.joints - figure.joints.mean(1, keepdim=True) for figure in (first, now)]
            away = (moved[0] - moved[1])[:, self._points.valid].norm(dim=-1).mean()
        return bool(worse | (away > self.config.most_drift))

    def _inputs(self, sample: Window) -> Tensor:
        return sample.inputs

    def _figure(self, prediction: Prediction, sample: Window) -> Figure:
        joints = self._points(prediction.pose.betas, prediction.pose.rotations)
        return Figure(prediction, joints, in_squares(joints, prediction.camera, sample))

    def _counted(self, sample: Window) -> Float[Tensor, "t k 3"]:
        """The keypoints, without those that the body does not have."""
        keypoints = sample.keypoints
        return torch.cat([keypoints[..., :2], keypoints[..., 2:] * self._points.valid[:, None]], dim=-1)

    def _error(self, figure: Figure, sample: Window) -> Tensor:
        return seen_error(figure.keypoints, self._counted(sample), self.config.robust)

    def _has_evidence(self, sample: Window) -> bool:
        return bool((self._counted(sample)[..., 2] > 0).any())

    def _loss(self, level: Level, weights: Weights, view: View, sample: Window) -> tuple[Tensor, Terms, int | None]:
        """A level's loss with its parts, and the number of the last exemplar drawn."""
        factors, terms = self.config.weights, dict[str, Tensor]()
        if level.frame:
            terms |= window_terms(view.figure, self._counted(sample), self.prior, self.config.robust)
        if level.temporal:
            if self.config.use_motion:
                terms |= motion_terms(view.figure, self._counted(sample), sample.rate, self.config.lag)
            if self.teacher:
                with torch.no_grad():
                    taught = self._fresh_view(self.teacher, sample).figure
                terms["teacher"] = added(taught_window_terms(view.figure, taught), factors.teacher_parts)
        number = None
        if level.labelled and self.exemplars is not None:
            found = []
            for _ in range(self.config.exemplars):
                number, exemplar = self.exemplars.draw(view.trace.pooled)
                found.append(self._labelled(weights, exemplar.to(sample.inputs.device)))
            terms["labelled"] = torch.stack(found).mean()
        weighted = [getattr(factors, name) * term for name, term in terms.items()]
        return torch.stack(weighted).sum(), terms, number

    def _labelled(self, weights: Weights, exemplar: LabelledWindow) -> Tensor:
        figure = self._fresh_view(weights, exemplar.window).figure
        truth = self._figure(exemplar.prediction, exemplar.window)
        return added(labelled_window_terms(figure, truth), self.config.weights.labelled_parts)


def same_network(network: nn.Module) -> nn.Module:
    """The network in a module of its own, with the very same parameters: an adaptation of it disturbs nobody."""
    return copy.deepcopy(network, {id(parameter): parameter for parameter in network.parameters()})


def with_weights(network: nn.Module, weights: Weights) -> nn.Module:
    """A new network of the kind with copies of these weights, to be used.

    Args:
        weights: in the order of the network's parameters, as `WindowAdaptation.weights`.
    """
    own = zip(network.parameters(), weights, strict=True)
    return copy.deepcopy(network, {id(p): nn.Parameter(w.detach().clone(), requires_grad=False) for p, w in own})


def in_squares(joints: Float[Tensor, "t k 3"], camera: Float[Tensor, "t 3"], window: Window) -> Float[Tensor, "t k 2"]:
    """Joints [m] as the picture's camera sees them, in coordinates of the squares, -1 to 1."""
    focal = camera.new_full(camera.shape[:1], window.focal)
    center = camera.new_zeros(len(camera), 2)
    moved = joints + crop_camera_to_translation(camera, window.squares, focal, center)[:, None]
    moved = torch.cat([moved[..., :2], moved[..., 2:].clamp_min(NEAREST)], dim=-1)
    side = window.squares[:, None, 2:] / 2
    return (project(moved, focal, center) - window.squares[:, None, :2]) / side
