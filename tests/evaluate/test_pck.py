import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anthropose.evaluate.pck import (
    ACTIVITIES,
    GROUPS_14,
    GROUPS_17,
    Rules,
    evaluate_pck,
    perspective_corrected,
    pose_errors,
    shares,
)
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.skeleton import MPII3D_17


def _poses(n: int, seed: int = 0) -> torch.Tensor:
    return 400 * torch.randn(n, 17, 3, generator=torch.Generator().manual_seed(seed))


def _errors(n: int, seed: int = 0) -> torch.Tensor:
    return 200 * torch.rand(n, 17, generator=torch.Generator().manual_seed(seed))


def test_perfect_poses_have_all_joints_right_and_the_highest_auc_there_is() -> None:
    pck, auc = shares(torch.zeros(5, 17))
    assert (pck == 100).all()
    assert torch.allclose(auc, torch.tensor(100 * 30 / 31, dtype=torch.float64)), "at zero no joint is nearer"


@given(st.floats(0, 300))
def test_a_joint_is_right_only_if_it_is_nearer_than_the_threshold(error: float) -> None:
    pck, auc = shares(torch.full((2, 17), error, dtype=torch.float64))
    assert pck[-1] == (100 if error < 150 else 0)
    assert auc[-1] == pytest.approx(100 * max(0, 30 - math.floor(error / 5)) / 31)


def test_total_is_the_share_over_fourteen_joints() -> None:
    errors = _errors(50)
    places = [MPII3D_17.index(name) for name in MPII3D_17.joints if name not in ("hip", "h36m_spine", "h36m_head")]
    assert shares(errors)[0][-1] == pytest.approx(100 * float((errors[:, places] < 150).double().mean()))
    assert sum(len(group) for group in GROUPS_14.values()) == 14
    assert sorted(name for group in GROUPS_17.values() for name in group) == sorted(MPII3D_17.joints)


def test_the_older_release_is_kinder_since_the_pelvis_is_never_wrong() -> None:
    errors = _errors(50)
    errors[:, MPII3D_17.index("hip")] = 0
    assert shares(errors, Rules(all_joints=True))[0][-1] > shares(errors)[0][-1]
    assert shares(errors, Rules(farthest=200))[1][-1] > shares(errors)[1][-1]


def test_all_pools_the_frames_of_every_sequence_and_activity() -> None:
    sizes = (5, 9, 4, 7, 3, 8)
    errors = [_errors(n, n) for n in sizes]
    activities = [torch.arange(n) % 7 + 1 for n in sizes]
    report = evaluate_pck(errors, activities)
    for figure in ("pck", "auc", "mpjpe"):
        every = getattr(report.activities, figure)[-1]
        by_sequence = (getattr(report.sequences, figure) * report.sequences.frames[:, None]).sum(0) / sum(sizes)
        by_activity = (getattr(report.activities, figure)[:-1] * report.activities.frames[:-1, None]).sum(0) / sum(
            sizes
        )
        assert torch.allclose(every, by_sequence)
        assert torch.allclose(every, by_activity)
        assert report.scenes is not None
        by_scene = (getattr(report.scenes, figure) * report.scenes.frames[:, None]).sum(0) / sum(sizes)
        assert torch.allclose(every, by_scene)
    assert report.activities.rows == (*ACTIVITIES, "All")
    assert report.sequences.rows[0] == "TS1"


def test_an_activity_without_frames_is_not_a_number() -> None:
    report = evaluate_pck([_errors(4)], [torch.tensor([1, 1, 2, 2])])
    assert report.activities.pck[2].isnan().all()
    assert not report.activities.pck[-1].isnan().any()
    assert report.scenes is None
    assert len(report.activities.text().splitlines()) == 9
    assert "PCK [%]" in report.activities.text()


def test_where_the_pelvis_is_does_not_matter_and_invalid_frames_do_not_count() -> None:
    predicted, target = _poses(6), _poses(6, 1)
    valid = torch.tensor([True, False, True, True, False, True])
    errors = pose_errors(predicted, target, valid)
    assert errors.shape == (4, 17)
    assert torch.allclose(errors, pose_errors(predicted + 500, target - 300, valid), atol=1e-2)
    assert (errors[:, MPII3D_17.index("hip")] == 0).all()


def test_alignment_takes_off_what_it_names() -> None:
    target, valid = _poses(4), torch.ones(4, dtype=torch.bool)
    turn = rotvec_to_rotmat(torch.tensor([0.3, -0.5, 0.2]))
    assert pose_errors(0.7 * target, target, valid, "scale").max() < 0.01
    turned = 1.3 * target @ turn.T
    assert pose_errors(turned, target, valid, "procrustes").max() < 0.01
    assert pose_errors(turned, target, valid, "scale").mean() > 50
    assert pose_errors(0.7 * target, target, valid).mean() > 50


def test_frames_without_a_prediction_count_as_wrong_and_are_told() -> None:
    predicted, target = _poses(4), _poses(4)
    predicted[2] = math.nan
    errors = pose_errors(predicted, target, torch.ones(4, dtype=torch.bool))
    report = evaluate_pck([errors], [torch.ones(4, dtype=torch.long)])
    assert report.missing == 1
    assert report.sequences.pck[0, -1] == 75
    assert report.sequences.auc[0, -1] == pytest.approx(75 * 30 / 31)


def test_correcting_the_perspective_turns_the_optical_axis_into_the_ray_to_the_pelvis() -> None:
    focal, width = 1500.0, 2048
    ahead = torch.zeros(3, 17, 3)
    ahead[..., 2] = 1.0
    x = torch.tensor([1024.0, 1524.0, 24.0])
    turned = perspective_corrected(ahead, x, focal, width)
    assert torch.allclose(turned[:, 0, 0] / turned[:, 0, 2], (x - 1024) / focal)
    poses = _poses(3)
    assert torch.allclose(perspective_corrected(poses, x, focal, width).norm(dim=-1), poses.norm(dim=-1), rtol=1e-5)
    assert torch.allclose(perspective_corrected(poses, x, focal, width)[0], poses[0])


def test_errors_and_activities_must_be_of_the_same_sequences() -> None:
    with pytest.raises(ValueError, match="2 sequences of errors and 1 of activities"):
        evaluate_pck([_errors(2), _errors(2)], [torch.ones(2, dtype=torch.long)])
