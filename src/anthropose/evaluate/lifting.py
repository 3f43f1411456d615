"""How lifters are scored on Human3.6M: the published protocols, action by action (rie spec, section 8)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.datasets.lifting import LiftingSequence
from anthropose.evaluate.measures import Compared
from anthropose.evaluate.scores import Errors
from anthropose.metrics import mpjpe, pa_mpjpe, scaled_mpjpe, velocity_error
from anthropose.skeleton import Skeleton

Lift = Callable[[Float[Tensor, "n k 2"]], Float[Tensor, "n j 3"]]
"""From a sequence in screen coordinates to the joints of all its frames, camera axes [m]."""

METRES_TO_MILLIMETRES = 1000.0


@dataclass(frozen=True)
class LiftingScore:
    """Errors of one action [mm], means over all frames of all its sequences.

    Predictions are taken as they are, not moved to the root: as published, the root counts as a joint like the others.
    """

    action: str
    """Without the take; "all" for the mean over actions."""
    subject: str
    """Empty where all subjects are pooled."""
    protocol1: float
    """MPJPE."""
    protocol2: float
    """After the best rotation, scale and translation of each frame (P-MPJPE)."""
    protocol3: float
    """After the best scale of each frame (N-MPJPE)."""
    velocity: float
    """MPJVE, per frame; never across the border of two sequences."""
    rooted: float
    """MPJPE of the other joints where the predicted root is moved to the true one; not published, but comparable."""


def evaluate_lifting(lift: Lift, sequences: Sequence[LiftingSequence], by_subject: bool = False) -> list[LiftingScore]:
    """The scores of each action, in the order in which actions first occur.

    Args:
        lift: with or without averaging over mirrored copies; `methods.rie.lift` is one with its network bound.
        sequences: those of the test subjects; both takes of an action, and all cameras, are pooled.
        by_subject: whether each subject's actions are scored apart, subject after subject.
    """
    pooled: dict[tuple[str, str], list[_Errors]] = {}
    for sequence in sequences:
        errors = _errors(lift(sequence.keypoints), sequence.joints)
        pooled.setdefault((sequence.subject if by_subject else "", sequence.kind), []).append(errors)
    return [_score(action, subject, errors) for (subject, action), errors in pooled.items()]


def mean_over_actions(scores: Sequence[LiftingScore]) -> list[LiftingScore]:
    """The figure that papers report, the plain mean over actions however long they are; one for each subject."""
    found = []
    for subject in dict.fromkeys(score.subject for score in scores):
        own = [score for score in scores if score.subject == subject]
        means = [sum(getattr(score, name) for score in own) / len(own) for name in _MEASURES]
        found.append(LiftingScore("all", subject, *means))
    return found


def lifting_errors(
    lift: Lift,
    sequences: Sequence[LiftingSequence],
    skeleton: Skeleton,
    rooted: bool = True,
    progress: Callable[[float], None] = lambda share: None,
) -> list[Errors]:
    """Every measure of each take of a subject, all its cameras pooled, in the order in which takes first occur.

    Args:
        skeleton: of the joints.
        rooted: whether the predicted root is moved to the true one and the other joints count; or, as published, all
            joints do as they are, the root as well.

    Raises:
        UserError: predictions or labels are not numbers.
    """
    takes: dict[str, list[tuple[LiftingSequence, Float[Tensor, "n j 3"]]]] = {}
    for number, sequence in enumerate(sequences):
        progress(number / len(sequences))
        takes.setdefault(f"{sequence.subject} {sequence.action}", []).append((sequence, lift(sequence.keypoints)))
    progress(1.0)
    return [_errors_of_take(name, views, skeleton, rooted) for name, views in takes.items()]


def _errors_of_take(
    name: str, views: list[tuple[LiftingSequence, Float[Tensor, "n j 3"]]], skeleton: Skeleton, rooted: bool
) -> Errors:
    predicted, target = (torch.cat(poses) for poses in ([p for _, p in views], [s.joints for s, _ in views]))
    if rooted:
        predicted, target = ((poses - poses[:, :1])[:, 1:] for poses in (predicted, target))
    # Nothing moves from the last frame of a camera to the first of the next.
    follows = torch.ones(len(predicted), dtype=torch.bool)
    follows[torch.tensor([len(sequence.joints) for sequence, _ in views]).cumsum(0)[:-1]] = False
    counts = torch.ones(len(predicted), dtype=torch.bool)
    compared = Compared(name, skeleton, predicted, target, counts, follows=follows[1:])
    return replace(compared.sound().errors(), action=views[0][0].kind)


_MEASURES = ("protocol1", "protocol2", "protocol3", "velocity", "rooted")
_Errors = dict[str, Float[Tensor, "_"]]


def _errors(predicted: Float[Tensor, "n j 3"], target: Float[Tensor, "n j 3"]) -> _Errors:
    """Each measure frame by frame [m]."""
    return {
        "protocol1": mpjpe(predicted, target),
        "protocol2": pa_mpjpe(predicted, target),
        "protocol3": scaled_mpjpe(predicted, target),
        "velocity": velocity_error(predicted, target),
        "rooted": mpjpe((predicted - predicted[:, :1])[:, 1:], (target - target[:, :1])[:, 1:]),
    }


def _score(action: str, subject: str, errors: Sequence[_Errors]) -> LiftingScore:
    means = [torch.cat([one[name] for one in errors]).double().mean().item() for name in _MEASURES]
    return LiftingScore(action, subject, *(METRES_TO_MILLIMETRES * mean for mean in means))
