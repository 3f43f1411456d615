"""Scores of lifters on sequences whose errors are known."""

from dataclasses import replace

import pytest
import torch

from anthropose.datasets.lifting import LiftingSequence
from anthropose.datasets.lifting.cameras import h36m_views
from anthropose.evaluate.lifting import evaluate_lifting, mean_over_actions


def sequence(subject: str, action: str, frames: int, camera: int = 0) -> LiftingSequence:
    joints = torch.randn(frames, 17, 3)
    joints = joints - joints[:, :1]
    view = h36m_views(subject)[camera]
    # The keypoints carry the truth's first coordinates, so that a lifter can be made from them.
    return LiftingSequence(subject, action, camera, joints[..., :2], joints, torch.zeros(frames, 3), view)


class Off:
    """A lifter that knows the truth and is wrong by known amounts, in the order in which it is asked."""

    def __init__(self, truth: list[LiftingSequence], off: list[float]) -> None:
        self.answers = [one.joints + torch.tensor([error, 0.0, 0.0]) for one, error in zip(truth, off, strict=True)]

    def __call__(self, keypoints: torch.Tensor) -> torch.Tensor:
        return self.answers.pop(0)


SEQUENCES = [sequence("S9", "Walking", 10), sequence("S9", "WalkDog", 5), sequence("S11", "Walking 1", 30)]


def test_takes_and_subjects_are_pooled_frame_by_frame() -> None:
    scores = evaluate_lifting(Off(SEQUENCES, [0.01, 0.05, 0.03]), SEQUENCES)
    assert [(score.subject, score.action) for score in scores] == [("", "Walking"), ("", "WalkDog")]
    assert scores[0].protocol1 == pytest.approx((10 * 10 + 30 * 30) / 40, rel=1e-3)
    assert scores[1].protocol1 == pytest.approx(50, rel=1e-3)
    assert scores[0].protocol2 == pytest.approx(0, abs=1e-2), "a shift is no error once aligned"
    assert scores[0].velocity == pytest.approx(0, abs=1e-2)
    assert scores[0].rooted == pytest.approx(0, abs=1e-2)


def test_the_mean_over_actions_does_not_weigh_them_by_their_length() -> None:
    scores = evaluate_lifting(Off(SEQUENCES, [0.01, 0.05, 0.01]), SEQUENCES)
    [mean] = mean_over_actions(scores)
    assert (mean.action, mean.subject) == ("all", "")
    assert mean.protocol1 == pytest.approx(30, rel=1e-3)


def test_subjects_can_be_scored_apart() -> None:
    scores = evaluate_lifting(Off(SEQUENCES, [0.01, 0.05, 0.03]), SEQUENCES, by_subject=True)
    assert [(score.subject, score.action) for score in scores] == [
        ("S9", "Walking"),
        ("S9", "WalkDog"),
        ("S11", "Walking"),
    ]
    assert [round(mean.protocol1) for mean in mean_over_actions(scores)] == [30, 30]


def test_scaled_predictions_are_wrong_for_protocol_1_alone() -> None:
    one = SEQUENCES[0]
    [score] = evaluate_lifting(lambda keypoints: 1.5 * one.joints, [one])
    assert score.protocol1 > 100
    assert score.protocol2 == pytest.approx(0, abs=1e-2)
    assert score.protocol3 == pytest.approx(0, abs=1e-2)


def test_the_roots_own_error_counts_as_published_and_not_once_rooted() -> None:
    one = SEQUENCES[0]
    wrong = one.joints.clone()
    wrong[:, 0, 0] += 0.17
    [score] = evaluate_lifting(lambda keypoints: wrong, [one])
    assert score.protocol1 == pytest.approx(10, rel=1e-3)
    assert score.rooted == pytest.approx(170, rel=1e-3), "all other joints move with the root"


def test_velocities_are_not_compared_across_sequences() -> None:
    first, second = SEQUENCES[0], replace(SEQUENCES[2], action="Walking 1")
    apart = evaluate_lifting(Off([first, second], [0.0, 5.0]), [first, second])
    assert apart[0].velocity == pytest.approx(0, abs=1e-2)
