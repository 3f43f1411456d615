import torch

from anthropose.losses import geman_mcclure, wrong_bending
from anthropose.skeleton import SMPL_24


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
