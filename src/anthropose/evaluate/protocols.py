"""The published evaluations of the video methods: TCMR's, which others follow, GLoT's, and VIBE's.

Each goes over the sequences of a test set, lets a network predict the body in every frame, and compares joints and
vertices with the labels (specs tcmr 7, glot 6, vibe_base 13, parallel_branch 9). Errors are in millimetres.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.body.results import result_of, vertices_of
from anthropose.datasets.items import rows
from anthropose.datasets.sequence import Sequence
from anthropose.datasets.windows import Edges, centred_windows
from anthropose.errors import UserError
from anthropose.evaluate.scores import Errors, Evaluation
from anthropose.geometry.filters import slerp_recursively
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.methods.base import joined
from anthropose.metrics import acceleration, acceleration_error, mpjpe, pa_mpjpe, root_relative, vertex_error
from anthropose.motion import BodyPose, Prediction
from anthropose.skeleton import LSP_14, MPII3D_17, Skeleton, pick

MILLIMETRES = 1000.0
_CHUNK = 256
"""Frames whose vertices are held at once."""
_WINDOWS = 64
"""Windows that a network without a path over whole tracks is given at once."""

Predict = Callable[[Float[Tensor, "n f"]], Prediction]
"""From the features of consecutive frames to a prediction for each, or for the first of them."""


@dataclass(frozen=True)
class TestSet:
    """What is compared on a data set."""

    joints: Skeleton
    """LSP-14 are read from the body by Human3.6M's regressor, MPII3D-17 are SPIN's."""
    vertices: bool = False
    """Whether the labels are a body whose vertices can be compared."""


TEST_SETS = {"3dpw": TestSet(LSP_14, vertices=True), "mpii3d": TestSet(MPII3D_17), "h36m": TestSet(LSP_14)}


@dataclass(frozen=True)
class Protocol:
    """How a network is run over a sequence and what of it counts."""

    name: str
    windows: Edges | Literal["apart"] = "static"
    """One window for each frame, with its edges; or windows that do not overlap, of which every frame is predicted and
    which leave out the frames at the end."""
    window: int = 16
    """Frames in a window that stands apart; shorter sequences are skipped in every protocol."""
    reversed_tail: bool = False
    """Whether the predictions for the last frames are scored in reverse order, as GLoT's script has them."""
    masks: bool = True
    """Whether frames that are not usable are left out and only those that are scored count."""
    borders: bool = False
    """Whether acceleration is taken across the borders of sequences, which are no motion."""
    half_targets: bool = False
    """Whether labels are rounded to 16 bits first."""
    joints: Skeleton | None = None
    """What to compare on every set, where it is not the set's own."""
    filtered_vertices: bool = True
    """Whether a filter changes the vertices as well as the joints."""


PROTOCOLS = {
    "tcmr": Protocol("tcmr", filtered_vertices=False),
    "glot": Protocol("glot", "clamp", reversed_tail=True, filtered_vertices=False),
    "vibe": Protocol("vibe", "apart", masks=False, borders=True, half_targets=True, joints=LSP_14),
    "static": Protocol("static"),
    "clamp": Protocol("clamp", "clamp"),
}
"""The published ones with what they do oddly, for figures to hold against the papers'; and "static" and "clamp", which
are TCMR's and GLoT's without it: in order, and vertices filtered too. Parallel-Branch was published with VIBE's."""


def predictor(network: Any, protocol: Protocol) -> Predict:
    """How `network` predicts a sequence under a protocol.

    Args:
        network: called with windows "w t f", it predicts the middle frame of each; or, where windows stand apart, each
            frame. Its `over_track(features, edges=...)` is used where it has one, which is the same sooner.
    """

    @torch.no_grad()
    def predict(features: Float[Tensor, "n f"]) -> Prediction:
        if protocol.windows == "apart":
            count = len(features) // protocol.window
            windows = features[: count * protocol.window].unflatten(0, (count, protocol.window))
            return _rearranged(network(windows), lambda rows: rows.flatten(0, 1))
        if hasattr(network, "over_track"):
            prediction = network.over_track(features, edges=protocol.windows)
        else:
            frames = centred_windows(len(features), protocol.window, protocol.windows).frames.to(features.device)
            prediction = joined([network(features[some]) for some in frames.split(_WINDOWS)])
        if not protocol.reversed_tail:
            return prediction
        tail = len(features) - (protocol.window - 1 - protocol.window // 2)
        return _rearranged(prediction, lambda rows: torch.cat([rows[:tail], rows[tail:].flip(0)]))

    return predict


def evaluate(
    sequences: Iterable[Sequence],
    predict: Predict,
    body: BodyModel,
    test_set: str = "3dpw",
    protocol: str | Protocol = "tcmr",
    filter_share: float | None = None,
    only: str = "",
) -> Evaluation:
    """The errors of a network on a test set.

    Args:
        sequences: of the test set; they are visited in the order of their names.
        predict: what is evaluated; `predictor` makes it from a network.
        body: the neutral one, for the predictions and, as published, for labels of any gender.
        test_set: "3dpw", "mpii3d" or "h36m".
        protocol: one of PROTOCOLS or one's own.
        filter_share: smooths the predicted rotations by `slerp_recursively` first; published with 0.3.
        only: evaluate only the sequences with this in their names.

    Raises:
        UserError: no such test set or protocol, or nothing to evaluate.
    """
    rules = _named(protocol, PROTOCOLS, "protocol") if isinstance(protocol, str) else protocol
    compared = _named(test_set, TEST_SETS, "test set")
    chosen = sorted((sequence for sequence in sequences if only in sequence.name), key=lambda sequence: sequence.name)
    scored, skipped = [], []
    for sequence in chosen:
        track = _Track.of(sequence, rules, body.template.device)
        if len(track.frames) < rules.window or not track.counts.any():
            skipped.append(sequence.name)
            continue
        scored.append(_compared(track, predict(track.features), body, compared, rules, filter_share))
    if not scored:
        raise UserError(f"nothing to evaluate: no sequence of at least {rules.window} frames, {len(skipped)} shorter")
    parts = _joined(scored) if rules.borders else scored
    errors = tuple(part.errors() for part in parts)
    return Evaluation(rules.name, test_set, errors, tuple(skipped))


def _named(name: str, table: dict[str, Any], kind: str) -> Any:
    if name not in table:
        raise UserError(f"no {kind} {name!r}; known: {', '.join(table)}")
    return table[name]


def _rearranged(prediction: Prediction, change: Callable[[Tensor], Tensor]) -> Prediction:
    """The prediction with its first axes changed."""
    pose = BodyPose(change(prediction.pose.rotations), change(prediction.pose.betas))
    return Prediction(pose, change(prediction.camera))


@dataclass(frozen=True, eq=False)
class _Track:
    """The frames of a sequence that the protocol looks at."""

    sequence: Sequence
    frames: np.ndarray
    features: Float[Tensor, "n f"]
    counts: Bool[Tensor, "n"]
    half: bool

    @staticmethod
    def of(sequence: Sequence, protocol: Protocol, device: torch.device) -> "_Track":
        masks = protocol.masks
        usable = np.arange(len(sequence))
        if masks and sequence.usable is not None:
            usable = usable[sequence.usable]
        if protocol.windows == "apart":
            usable = usable[: len(usable) // protocol.window * protocol.window]
        counts = sequence.scored[usable] if masks and sequence.scored is not None else np.ones(len(usable), bool)
        features_of_all = sequence.required_features()
        seen = rows(features_of_all, usable) if len(usable) else np.zeros((0, features_of_all.shape[1]))
        features = torch.from_numpy(seen.astype(np.float32, copy=False)).to(device)
        return _Track(sequence, usable, features, torch.from_numpy(counts).to(device), protocol.half_targets)

    def labels(self, values: np.ndarray) -> Tensor:
        """Labels of the frames, as float32."""
        taken = values[self.frames]
        rounded = taken.astype(np.float16) if self.half else taken
        return torch.from_numpy(rounded.astype(np.float32)).to(self.features.device)

    def joints(self, joint_set: Skeleton) -> Float[Tensor, "n j 3"]:
        """The labelled joints.

        Raises:
            UserError: the sequence has no 3D joints, or lacks one that is compared.
        """
        if self.sequence.joints is None or self.sequence.joint_set is None:
            raise UserError(f"{self.sequence.name}: it has no 3D joints to compare with; name a test set's database")
        joints, found = pick(self.labels(self.sequence.joints), self.sequence.joint_set, joint_set, exact=True)
        if not found.all():
            raise UserError(f"{self.sequence.name}: {self.sequence.joint_set.name} has not all of {joint_set.name}")
        return joints

    def bodies(self) -> BodyPose:
        """The labelled bodies.

        Raises:
            UserError: the sequence has none.
        """
        if self.sequence.pose is None or self.sequence.betas is None:
            raise UserError(f"{self.sequence.name}: it has no pose and shape to compare vertices with")
        pose = self.labels(self.sequence.pose).unflatten(1, (24, 3))
        return BodyPose(rotvec_to_rotmat(pose), self.labels(self.sequence.betas))


@dataclass(frozen=True, eq=False)
class _Compared:
    """A sequence's joints, predicted and labelled, each relative to its own root."""

    name: str
    predicted: Float[Tensor, "n j 3"]
    target: Float[Tensor, "n j 3"]
    counts: Bool[Tensor, "n"]
    vertices: Float[Tensor, "n"] | None
    """Error of each frame [m]."""

    def errors(self) -> Errors:
        """The errors of the frames that count; an acceleration counts with its middle frame."""
        inside = self.counts[1:-1]

        def values(errors: Tensor, counts: Tensor) -> Float[Tensor, "m"]:
            return (errors[counts] * MILLIMETRES).cpu()

        return Errors(
            name=self.name,
            mpjpe=values(mpjpe(self.predicted, self.target), self.counts),
            pa_mpjpe=values(pa_mpjpe(self.predicted, self.target), self.counts),
            acceleration=values(acceleration(self.predicted), inside),
            acceleration_error=values(acceleration_error(self.predicted, self.target), inside),
            vertex_error=None if self.vertices is None else values(self.vertices, self.counts),
        )


def _compared(
    track: _Track,
    prediction: Prediction,
    body: BodyModel,
    test_set: TestSet,
    protocol: Protocol,
    filter_share: float | None,
) -> _Compared:
    joint_set = protocol.joints or test_set.joints
    raw = prediction
    if filter_share is not None:
        smooth = slerp_recursively(prediction.pose.rotations, filter_share)
        prediction = Prediction(BodyPose(smooth, prediction.pose.betas), prediction.camera)
    joints = result_of(prediction, body, joint_set).joints
    vertices = None
    if test_set.vertices:
        shown = prediction if protocol.filtered_vertices else raw
        vertices = torch.cat(list(_vertex_errors(shown, track.bodies(), body)))
    predicted, target = (root_relative(points, joint_set) for points in (joints, track.joints(joint_set)))
    return _Compared(track.sequence.name, predicted, target, track.counts, vertices)


def _vertex_errors(prediction: Prediction, target: BodyPose, body: BodyModel) -> Iterator[Float[Tensor, "m"]]:
    """Distances [m] of the surfaces, not root-aligned, a few frames at a time."""
    for start in range(0, len(target.betas), _CHUNK):
        some = slice(start, start + _CHUNK)
        ours = vertices_of(_rearranged(prediction, itemgetter(some)), body)
        yield vertex_error(ours, body.shaped(target.betas[some]).posed(target.rotations[some]).vertices)


def _joined(parts: list[_Compared]) -> list[_Compared]:
    """All sequences as if they were one, as VIBE's script takes them."""
    vertices = [part.vertices for part in parts if part.vertices is not None]
    return [
        _Compared(
            "all",
            torch.cat([part.predicted for part in parts]),
            torch.cat([part.target for part in parts]),
            torch.cat([part.counts for part in parts]),
            torch.cat(vertices) if vertices else None,
        )
    ]
