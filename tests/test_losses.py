"""Loss terms: zero at the truth, blind to what they should not see, and counted as published."""

from dataclasses import replace

import pytest
import torch

from anthropose.body.results import Result, result_of
from anthropose.datasets.sequence import Batch
from anthropose.geometry.rotations import rotvec_to_rotmat_as_published
from anthropose.losses import (
    SUPERVISED,
    LossWeights,
    betas_loss,
    body_motion,
    discriminator_loss,
    geman_mcclure,
    joints_3d_loss,
    keypoints_2d_loss,
    pose_loss,
    relative_to_hips,
    squared_distance,
    vibe_loss,
    wrong_bending,
)
from anthropose.motion import BodyPose, Prediction
from anthropose.skeleton import LSP_14, SMPL_24, SPIN_49
from tests.body.bodies import random_body


def test_the_robust_penalty_is_a_square_near_zero_and_bounded_far_away() -> None:
    small = torch.tensor([0.0, 0.01, -0.5])
    torch.testing.assert_close(geman_mcclure(small, 100.0), small.square(), rtol=1e-4, atol=0.0)
    assert geman_mcclure(torch.tensor(1e6), 100.0) <= 100.0**2
    assert geman_mcclure(torch.tensor(1e6), 100.0) > 0.999 * 100.0**2


def test_bending_the_wrong_way_costs_more_than_straight_and_the_right_way_less() -> None:
    def cost(joint: str, axis: int, angle: float) -> float:
        pose = torch.zeros(69)
        pose[3 * (SMPL_24.index(joint) - 1) + axis] = angle
        return float(wrong_bending(pose).sum())

    straight = cost("left_knee", 0, 0.0)
    for joint, axis, right_way in (
        ("left_knee", 0, 1.0),
        ("right_knee", 0, 1.0),
        ("left_elbow", 1, -1.0),
        ("right_elbow", 1, 1.0),
    ):
        assert cost(joint, axis, right_way) < straight < cost(joint, axis, -right_way), joint


def test_terms_keep_batch_axes() -> None:
    for batch in ((), (3,), (2, 3)):
        assert wrong_bending(torch.zeros(*batch, 69)).shape == (*batch, 4)
        assert geman_mcclure(torch.zeros(batch), 1.0).shape == batch


def theta(*batch: int, seed: int = 0) -> torch.Tensor:
    return 0.3 * torch.randn(*batch, 85, generator=torch.Generator().manual_seed(seed))


def some_result(b: int, o: int) -> Result:
    values = theta(b, o)
    pose = BodyPose(rotvec_to_rotmat_as_published(values[..., 3:75].unflatten(-1, (24, 3))), values[..., 75:])
    return result_of(Prediction(pose, values[..., :3] + torch.tensor([1.0, 0.0, 0.0])), random_body())


def labels_like(result: Result, joints_of: int, bodies_of: int) -> Batch:
    """Labels that say what the result says; the last so many windows have 3D joints, or bodies."""
    b, o = result.theta.shape[:2]
    rows = torch.arange(b)[:, None].expand(b, o)
    return Batch(
        features=torch.zeros(b, o, 4),
        keypoints=torch.cat([result.keypoints, torch.ones(b, o, 49, 1)], dim=-1).detach(),
        joints=result.joints.detach(),
        theta=result.theta.detach(),
        from_3d_set=rows[:, 0] >= b - joints_of,
        has_joints=rows >= b - joints_of,
        has_body=rows >= b - bodies_of,
    )


def test_the_supervised_joints_are_lsps() -> None:
    assert tuple(SPIN_49.joints[i] for i in SUPERVISED) == LSP_14.joints


def test_every_term_is_zero_at_the_truth_and_positive_away_from_it() -> None:
    result = some_result(3, 4)
    labels = labels_like(result, 2, 1)
    at_truth = vibe_loss(result, labels)
    assert list(at_truth) == ["keypoints_2d", "joints_3d", "betas", "pose"]
    torch.testing.assert_close(torch.stack(list(at_truth.values())), torch.zeros(4), atol=1e-6, rtol=0)
    noise = torch.randn(3, 4, 49, 3)
    wrong = replace(
        labels, keypoints=labels.keypoints + noise.abs(), joints=labels.joints + noise, theta=theta(3, 4, seed=5)
    )
    assert all(term > 0.01 for term in vibe_loss(result, wrong).values())


def test_labels_that_are_absent_do_not_count() -> None:
    result = some_result(3, 4)
    labels = labels_like(result, 2, 1)
    joints, values = labels.joints.clone(), labels.theta.clone()
    joints[0], values[:2] = 99.0, 99.0
    keypoints = labels.keypoints.clone()
    keypoints[:, :, :25, :2], keypoints[:, :, :25, 2] = 99.0, 0.0
    spoiled = vibe_loss(result, replace(labels, joints=joints, theta=values, keypoints=keypoints))
    torch.testing.assert_close(torch.stack(list(spoiled.values())), torch.zeros(4), atol=1e-6, rtol=0)


def test_without_a_body_its_terms_are_left_out_and_without_joints_theirs_is_zero() -> None:
    result = some_result(2, 3)
    terms = vibe_loss(result, labels_like(result, 0, 0))
    assert list(terms) == ["keypoints_2d", "joints_3d"]
    assert terms["joints_3d"].shape == ()
    assert float(terms["joints_3d"]) == 0


def test_weights_multiply_their_terms_and_scores_add_the_adversarial_one() -> None:
    result = some_result(2, 3)
    labels = replace(labels_like(result, 2, 2), theta=theta(2, 3, seed=3), joints=torch.randn(2, 3, 49, 3))
    ones, scores = LossWeights(1.0, 1.0, 1.0, 1.0, 1.0), torch.tensor([[0.0], [3.0]])
    single, weighted = vibe_loss(result, labels, ones, scores), vibe_loss(result, labels, scores=scores)
    factors = {"keypoints_2d": 300.0, "joints_3d": 300.0, "betas": 0.06, "pose": 60.0, "adversarial": 0.5}
    assert set(weighted) == set(factors)
    for name, factor in factors.items():
        torch.testing.assert_close(weighted[name], factor * single[name])
    assert float(single["adversarial"]) == (1 + 4) / 2


def test_keypoints_are_averaged_over_all_and_weighted_by_their_confidence() -> None:
    target = torch.zeros(2, 3, 49, 3)
    target[0, 0, 7] = torch.tensor([0.0, 0.0, 0.5])
    predicted = torch.full((2, 3, 49, 2), 2.0)
    assert float(keypoints_2d_loss(predicted, target)) == pytest.approx(0.5 * 4 * 2 / (2 * 3 * 49 * 2))


def test_3d_joints_are_compared_relative_to_the_hips_each_side_its_own() -> None:
    joints, labelled = torch.randn(2, 3, 49, 3), torch.ones(2, 3).bool()
    assert float(joints_3d_loss(joints + 5.0, joints, labelled)) == pytest.approx(0, abs=1e-9)
    relative = relative_to_hips(joints)
    hips = relative[..., [LSP_14.index("right_hip"), LSP_14.index("left_hip")], :]
    torch.testing.assert_close(hips.mean(-2), torch.zeros(2, 3, 3), atol=1e-6, rtol=0)
    moved = joints.clone()
    moved[:, :, SPIN_49.index("head_top"), 1] += 14.0
    assert float(joints_3d_loss(moved, joints, labelled)) == pytest.approx(14.0**2 / (14 * 3), rel=1e-5)
    moved = joints.clone()
    moved[:, :, :25], moved[:, :, 39:] = 99.0, 99.0
    assert float(joints_3d_loss(moved, joints, labelled)) == 0


def test_poses_are_compared_as_rotations() -> None:
    target = torch.zeros(1, 2, 85)
    turned, labelled = target.clone(), torch.ones(1, 2).bool()
    turned[..., 3:6] = torch.tensor([0.0, 0.0, 2 * torch.pi])
    assert float(pose_loss(turned, target, labelled)) == pytest.approx(0, abs=1e-9)
    turned[..., 3:6] = torch.tensor([0.0, 0.0, torch.pi])
    assert float(pose_loss(turned, target, labelled)) == pytest.approx(2 * 4 / (24 * 9), rel=1e-5)
    assert float(betas_loss(turned, target, labelled)) == 0


def test_a_frames_weight_multiplies_its_squares_but_not_what_they_are_divided_by() -> None:
    weight, labelled = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), torch.ones(2, 3).bool()
    first = torch.zeros_like(labelled)
    first[0, 0] = True
    keypoints, joints, values = torch.randn(2, 3, 49, 3), torch.randn(2, 3, 49, 3), theta(2, 3)
    pairs = (
        (joints_3d_loss, (joints, joints.flip(0))),
        (pose_loss, (values, values.flip(0))),
        (betas_loss, (values, values.flip(0))),
    )
    for loss, (predicted, target) in pairs:
        alone = loss(predicted, target, first)
        torch.testing.assert_close(loss(predicted, target, labelled, weight), alone / 6)
    alone = keypoints_2d_loss(joints[:1, :1, :, :2], keypoints[:1, :1])
    torch.testing.assert_close(keypoints_2d_loss(joints[..., :2], keypoints, weight), alone / 6)


def test_the_discriminator_wants_recorded_motion_at_one_and_made_motion_at_zero() -> None:
    ones, zeros = torch.ones(4, 1), torch.zeros(3, 1)
    assert all(float(term) == 0 for term in discriminator_loss(ones, zeros).values())
    fooled = discriminator_loss(zeros, ones, weight=0.5)
    assert {name: float(term) for name, term in fooled.items()} == {"real": 0.5, "made": 0.5}
    assert float(squared_distance(torch.tensor([[1.0], [3.0]]), 1.0)) == 2.0


def test_the_discriminator_sees_the_23_joints_below_the_root() -> None:
    values = torch.arange(85.0).expand(1, 2, 85)
    assert body_motion(values)[0, 0].tolist() == list(range(6, 75))
