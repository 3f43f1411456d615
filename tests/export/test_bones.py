"""Rotations from the directions of bones."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropose.errors import UserError
from anthropose.export.bones import Rig, rest_direction, rig_of_joints, smallest_turns
from anthropose.skeleton import COCO_17, H36M_17, H36M_VP3D_17, HUMANEVA_15, MPII_16, Skeleton

TREES = [H36M_VP3D_17, H36M_17, HUMANEVA_15, MPII_16]


def posed(rig: Rig) -> torch.Tensor:
    """Where the joints of a rig are (n, j, 3), by plain forward kinematics."""
    places, axes = [], []
    for joint, parent in enumerate(rig.parents):
        turn = rig.rotations[:, joint]
        axes.append(turn if parent < 0 else axes[parent] @ turn)
        places.append(rig.positions if parent < 0 else places[parent] + axes[parent] @ rig.offsets[joint])
    return torch.stack(places, dim=1)


def wild(skeleton: Skeleton, frames: int, seed: int, spread: float = 0.0) -> torch.Tensor:
    """Joints whose bones point anywhere; as long in every frame but for `spread`."""
    generator = torch.Generator().manual_seed(seed)
    lengths = 0.1 + 0.4 * torch.rand(len(skeleton), generator=generator)
    places = torch.randn(frames, len(skeleton), 3, generator=generator, dtype=torch.float64)
    found: dict[int, torch.Tensor] = {}

    def place(joint: int) -> torch.Tensor:
        parent = skeleton.parents[joint]
        if joint not in found:
            length = lengths[joint] * (1 + spread * torch.randn(frames, 1, generator=generator))
            bone = length * torch.nn.functional.normalize(places[:, joint], dim=-1)
            found[joint] = places[:, joint] if parent < 0 else place(parent) + bone
        return found[joint]

    return torch.stack([place(joint) for joint in range(len(skeleton))], dim=1)


@pytest.mark.parametrize("skeleton", TREES, ids=lambda skeleton: skeleton.name)
def test_joints_come_back_whichever_way_bones_of_constant_length_point(skeleton: Skeleton) -> None:
    truth = wild(skeleton, 20, 0)
    rig = rig_of_joints(skeleton, truth)
    rows = [rig.names.index(name) for name in skeleton.joints]
    assert (posed(rig)[:, rows] - truth).abs().max() < 1e-9
    assert (torch.linalg.det(rig.rotations) - 1).abs().max() < 1e-9


def test_directions_come_back_where_lengths_vary_and_lengths_are_the_median() -> None:
    truth = wild(H36M_VP3D_17, 31, 1, spread=0.1)
    rig = rig_of_joints(H36M_VP3D_17, truth)
    joints = posed(rig)[:, [rig.names.index(name) for name in H36M_VP3D_17.joints]]
    for child, parent in H36M_VP3D_17.edges:
        bone, seen = joints[:, child] - joints[:, parent], truth[:, child] - truth[:, parent]
        assert (torch.cosine_similarity(bone, seen) - 1).abs().max() < 1e-9
        assert bone.norm(dim=-1)[0] == pytest.approx(float(np.median(seen.norm(dim=-1))))


def test_a_t_pose_needs_no_rotation() -> None:
    places = torch.zeros(2, len(H36M_VP3D_17), 3, dtype=torch.float64)
    for joint, name in enumerate(H36M_VP3D_17.joints):  # Parents come first in this set.
        parent = H36M_VP3D_17.parents[joint]
        if parent >= 0:
            places[:, joint] = places[:, parent] + 0.3 * rest_direction(name, H36M_VP3D_17.joints[parent])
    rig = rig_of_joints(H36M_VP3D_17, places)
    assert (rig.rotations - torch.eye(3)).abs().max() < 1e-9


def test_hips_hang_below_the_trunk_where_they_are_not_beside_its_end() -> None:
    assert rest_direction("left_hip", "hip").tolist() == [1, 0, 0]
    assert rest_direction("right_hip", "right_shoulder").tolist() == [0, -1, 0]
    assert rest_direction("right_elbow", "right_shoulder").tolist() == [-1, 0, 0]
    assert rest_direction("head_top", "neck").tolist() == [0, 1, 0]


def test_the_hip_turns_with_the_person_and_not_with_one_leg() -> None:
    """Hip and spine tell how the person stands: with a quarter turn the root turns by a quarter."""
    places = wild(H36M_VP3D_17, 1, 3)
    rig = rig_of_joints(H36M_VP3D_17, places)
    quarter = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]], dtype=torch.float64)
    turned = rig_of_joints(H36M_VP3D_17, places @ quarter.T)
    assert (turned.rotations[:, 0] - quarter @ rig.rotations[:, 0]).abs().max() < 1e-9
    kicking = places.clone()
    kicking[:, H36M_VP3D_17.index("left_ankle")] += 0.3
    assert (rig_of_joints(H36M_VP3D_17, kicking).rotations[:, 0] - rig.rotations[:, 0]).abs().max() < 1e-12


def test_joints_that_lie_on_one_point_make_no_numbers_that_are_not_finite() -> None:
    rig = rig_of_joints(H36M_VP3D_17, torch.zeros(3, 17, 3))
    assert rig.rotations.isfinite().all()
    assert (torch.linalg.det(rig.rotations) - 1).abs().max() < 1e-9


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_the_smallest_turn_leads_there_about_an_axis_across(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    start, end = torch.nn.functional.normalize(torch.randn(2, 3, generator=generator, dtype=torch.float64), dim=-1)
    turn = smallest_turns(start, 3 * end[None])[0]
    assert (turn @ start - end).abs().max() < 1e-9
    assert (turn @ torch.linalg.cross(start, end) - torch.linalg.cross(start, end)).abs().max() < 1e-9


def test_a_bone_that_points_straight_back_is_turned_by_a_half() -> None:
    start = torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64)
    turn = smallest_turns(start, -start[None])[0]
    assert (turn @ start + start).abs().max() < 1e-9
    assert torch.linalg.det(turn) == pytest.approx(1.0)


def test_joints_without_a_common_root_are_refused() -> None:
    with pytest.raises(UserError, match="coco-17 form no tree: nose, left_shoulder have no parent"):
        rig_of_joints(COCO_17, torch.zeros(1, 17, 3))
