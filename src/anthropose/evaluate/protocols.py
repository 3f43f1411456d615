"""The published evaluations of the video methods: TCMR's, which others follow, GLoT's, and VIBE's.

Each goes over the sequences of a test set, lets a network predict the body in every frame, and compares joints and
vertices with the labels (specs tcmr 7, glot 6, vibe_base 13, parallel_branch 9). Errors are in millimetres.
Methods that make motions of keypoints are compared by the same rules.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.body.results import result_of, vertices_of
from anthropose.datasets.items import rows
from anthropose.datasets.sequence import Gender, Sequence
from anthropose.datasets.windows import Edges, centred_windows
from anthropose.errors import UserError
from anthropose.evaluate.measures import Compared
from anthropose.evaluate.scores import Evaluation
from anthropose.geometry.filters import slerp_recursively
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.methods.base import joined
from anthropose.methods.video import stretches
from anthropose.metrics import root_relative, vertex_error
from anthropose.motion import BodyPose, Motion, Prediction
from anthropose.skeleton import LSP_14, MPII3D_17, Skeleton, pick

_CHUNK = 256
"""Frames whose vertices are held at once."""
_WINDOWS = 64
"""Windows that a network without a path over whole tracks is given at once."""

Predict = Callable[[Float[Tensor, "n f"]], Prediction]
"""From the features of consecutive frames to a prediction for each, or for the first of them."""
Motions = Callable[[Sequence, np.ndarray], Motion]
"""From a sequence and the frames of it that are looked at to a motion with a row for each."""


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
    """Frames in a window that stands apart."""
    shortest: int = 16
    """Frames of the shortest sequence that is not skipped."""
    bridged: bool = True
    """Whether the frames on both sides of a gap count as consecutive, in windows and in accelerations, as published.
    Otherwise nothing that moves is compared across gaps, and a gap longer than a window parts a sequence in two."""
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
    "static": Protocol("static", shortest=3, bridged=False),
    "clamp": Protocol("clamp", "clamp", shortest=3, bridged=False),
}
"""The published ones with what they do oddly, for figures to hold against the papers'; and "static" and "clamp", which
are TCMR's and GLoT's without it: in order, gaps are gaps, no sequence is too short, and vertices are filtered too.
Parallel-Branch was published with VIBE's."""


def predictor(network: Any, protocol: Protocol) -> Predict:
    """How `network` predicts a sequence under a protocol.

    Args:
        network: called with windows "w t f", it predicts the middle frame of each, or every frame. Its
            `over_track(features)` is used where it has one: the same sooner where that takes `edges=...`; without, it
            is of a network that knows no windows and takes a track as one sequence.
    """
    track = getattr(network, "over_track", None)
    edges = {"edges": protocol.windows} if track and "edges" in inspect.signature(track).parameters else {}

    @torch.no_grad()
    def predict(features: Float[Tensor, "n f"]) -> Prediction:
        if protocol.windows == "apart":
            count = len(features) // protocol.window
            windows = features[: count * protocol.window].unflatten(0, (count, protocol.window))
            prediction = network(windows)
            if prediction.camera.dim() == 3:
                return _rearranged(prediction, lambda rows: rows.flatten(0, 1))
            return predictor(network, PROTOCOLS["static"])(windows.flatten(0, 1))  # It predicts middle frames only.
        if track:
            prediction = track(features, **edges)
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
    bodies: Mapping[Gender, BodyModel] | None = None,
    progress: Callable[[float], None] = lambda share: None,
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
        bodies: for labels of their gender, in place of the neutral one.

    Raises:
        UserError: no such test set or protocol, nothing to evaluate, or predictions or labels that are not numbers.
    """
    truth = bodies or {}

    def compared(track: _Track, against: TestSet, rules: Protocol) -> Compared:
        prediction = joined([predict(features) for features in track.features()])
        own = truth.get(track.sequence.gender, body)
        return _compared(track, prediction, body, own, against, rules, filter_share)

    return _evaluated(sequences, compared, test_set, protocol, only, body.template.device, progress)


def evaluate_motions(
    sequences: Iterable[Sequence],
    predict: Motions,
    body: BodyModel,
    test_set: str = "3dpw",
    protocol: str | Protocol = "static",
    only: str = "",
    bodies: Mapping[Gender, BodyModel] | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Evaluation:
    """The errors of a method that makes motions of clips; how it cuts windows is its own matter.

    Where a motion has no body, its joints are picked by name.

    Args:
        predict: is given a sequence and the frames of it that are looked at.
        body: the neutral one, which its bodies are meant for.

    Raises:
        UserError: as `evaluate`; or the joints that it makes lack some that are compared.
    """
    truth = bodies or {}

    def compared(track: _Track, against: TestSet, rules: Protocol) -> Compared:
        motion = predict(track.sequence, track.frames)
        if motion.body is not None:
            prediction = Prediction(motion.body, motion.joints.new_zeros(len(motion), 3))
            own = truth.get(track.sequence.gender, body)
            return _compared(track, prediction, body, own, against, rules, None)
        joint_set = rules.joints or against.joints
        joints, found = pick(motion.joints, motion.skeleton, joint_set, exact=True)
        if not found.all():
            lacking = [name for name, has in zip(joint_set.joints, found.tolist(), strict=True) if not has]
            raise UserError(
                f"{test_set} is compared in {joint_set.name}; {motion.skeleton.name} lacks {', '.join(lacking)}"
            )
        target = track.joints(joint_set)
        return track.compared(root_relative(joints, joint_set), root_relative(target, joint_set), joint_set, None)

    return _evaluated(sequences, compared, test_set, protocol, only, body.template.device, progress)


def _evaluated(
    sequences: Iterable[Sequence],
    compared: Callable[["_Track", TestSet, Protocol], Compared],
    test_set: str,
    protocol: str | Protocol,
    only: str,
    device: torch.device,
    progress: Callable[[float], None],
) -> Evaluation:
    rules = _named(protocol, PROTOCOLS, "protocol") if isinstance(protocol, str) else protocol
    against = _named(test_set, TEST_SETS, "test set")
    chosen = sorted((sequence for sequence in sequences if only in sequence.name), key=lambda sequence: sequence.name)
    scored, skipped = [], []
    for number, sequence in enumerate(chosen):
        progress(number / len(chosen))
        track = _Track.of(sequence, rules, device)
        if len(track.frames) < rules.shortest or not track.counts.any():
            skipped.append(sequence.name)
            continue
        scored.append(compared(track, against, rules))
    progress(1.0)
    if not scored:
        raise UserError(
            f"nothing to evaluate: no sequence of at least {rules.shortest} frames that count, {len(skipped)} of fewer"
            if chosen
            else f"nothing to evaluate: no sequence{f' with {only!r} in its name' if only else ''}"
        )
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
    counts: Bool[Tensor, "n"]
    protocol: Protocol
    device: torch.device

    @staticmethod
    def of(sequence: Sequence, protocol: Protocol, device: torch.device) -> "_Track":
        masks = protocol.masks
        usable = np.arange(len(sequence))
        if masks and sequence.usable is not None:
            usable = usable[sequence.usable]
        if protocol.windows == "apart":
            usable = usable[: len(usable) // protocol.window * protocol.window]
        counts = sequence.scored[usable] if masks and sequence.scored is not None else np.ones(len(usable), bool)
        return _Track(sequence, usable, torch.from_numpy(counts).to(device), protocol, device)

    def numbers(self) -> Int[Tensor, "n"]:
        """Of the frames, so that those which follow each other differ by one."""
        known = self.sequence.frames
        numbers = torch.from_numpy((self.frames if known is None else known[self.frames]).astype(np.int64))
        steps = numbers.diff()
        return numbers // max(1, int(steps[steps > 0].min())) if (steps > 0).any() else numbers

    def parts(self) -> list[slice]:
        """What is shown to a network at once."""
        return (
            [slice(0, len(self.frames))] if self.protocol.bridged else stretches(self.numbers(), self.protocol.window)
        )

    def features(self) -> Iterator[Float[Tensor, "m f"]]:
        """Of each part.

        Raises:
            UserError: the set was prepared without features.
        """
        for part in self.parts():
            seen = rows(self.sequence.required_features(), self.frames[part])
            yield torch.from_numpy(seen.astype(np.float32, copy=False)).to(self.device)

    def labels(self, values: np.ndarray) -> Tensor:
        """Labels of the frames, as float32."""
        taken = values[self.frames]
        rounded = taken.astype(np.float16) if self.protocol.half_targets else taken
        return torch.from_numpy(rounded.astype(np.float32)).to(self.device)

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

    def compared(
        self,
        predicted: Float[Tensor, "n j 3"],
        target: Float[Tensor, "n j 3"],
        joint_set: Skeleton,
        vertices: Float[Tensor, "n"] | None,
    ) -> Compared:
        """What there is to compare of the sequence."""
        sequence = self.sequence
        return Compared(
            name=sequence.name,
            joint_set=joint_set,
            predicted=predicted,
            target=target,
            counts=self.counts,
            vertices=vertices,
            follows=None if self.protocol.bridged else (self.numbers().diff() == 1).to(self.device),
            activities=None if sequence.activities is None else torch.from_numpy(sequence.activities[self.frames]),
        ).sound()


def _compared(
    track: _Track,
    prediction: Prediction,
    body: BodyModel,
    true_body: BodyModel,
    test_set: TestSet,
    protocol: Protocol,
    filter_share: float | None,
) -> Compared:
    joint_set = protocol.joints or test_set.joints
    raw = prediction
    if filter_share is not None:
        smooth = slerp_recursively(prediction.pose.rotations, filter_share)
        prediction = Prediction(BodyPose(smooth, prediction.pose.betas), prediction.camera)
    joints = result_of(prediction, body, joint_set).joints
    vertices = None
    if test_set.vertices:
        shown = prediction if protocol.filtered_vertices else raw
        vertices = torch.cat(list(_vertex_errors(shown, track.bodies(), body, true_body)))
    predicted, target = (root_relative(points, joint_set) for points in (joints, track.joints(joint_set)))
    return track.compared(predicted, target, joint_set, vertices)


def _vertex_errors(
    prediction: Prediction, target: BodyPose, body: BodyModel, true_body: BodyModel
) -> Iterator[Float[Tensor, "m"]]:
    """Distances [m] of the surfaces, not root-aligned, a few frames at a time."""
    for start in range(0, len(target.betas), _CHUNK):
        some = slice(start, start + _CHUNK)
        ours = vertices_of(_rearranged(prediction, itemgetter(some)), body)
        yield vertex_error(ours, true_body.shaped(target.betas[some]).posed(target.rotations[some]).vertices)


def _joined(parts: list[Compared]) -> list[Compared]:
    """All sequences as if they were one, as VIBE's script takes them."""
    vertices = [part.vertices for part in parts if part.vertices is not None]
    return [
        Compared(
            "all",
            parts[0].joint_set,
            torch.cat([part.predicted for part in parts]),
            torch.cat([part.target for part in parts]),
            torch.cat([part.counts for part in parts]),
            torch.cat(vertices) if vertices else None,
        )
    ]
