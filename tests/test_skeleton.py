"""Named joint sets: what holds for all of them, and conversion by name."""

from collections.abc import Callable

import pytest
import torch

from anthropose.skeleton import (
    BODY_25,
    BODY_54,
    COCO_17,
    EXTRA_9,
    H36M_17,
    H36M_VP3D_17,
    INSTA_25,
    LSP_14,
    LSP_H36M_17,
    MEDIAPIPE_33,
    MPII3D_17,
    MPII3D_28,
    MPII_16,
    OPENPOSE_18,
    PICKED_21,
    SKELETONS,
    SMPL_24,
    SPIN_17_FROM_SPIN_24,
    SPIN_24,
    SPIN_49,
    SPIN_49_FROM_BODY_54,
    STAF_21,
    THREEDPW_14,
    Skeleton,
    coco_to_h36m,
    mpii_to_h36m,
    pick,
)

Rule = Callable[[torch.Tensor], torch.Tensor]

every_skeleton = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)


@every_skeleton
def test_the_number_in_the_name_is_the_number_of_joints(skeleton: Skeleton) -> None:
    assert len(skeleton) == len(skeleton.joints) == int(skeleton.name.rsplit("-", 1)[1])
    assert SKELETONS[skeleton.name] is skeleton


@every_skeleton
def test_following_parents_always_ends_at_a_root(skeleton: Skeleton) -> None:
    for joint in range(len(skeleton)):
        steps = 0
        while skeleton.parents[joint] >= 0:
            joint, steps = skeleton.parents[joint], steps + 1
            assert steps < len(skeleton), "the tree has a loop"
    assert len(skeleton.edges) == sum(parent >= 0 for parent in skeleton.parents)


@every_skeleton
def test_mirroring_twice_is_nothing_and_once_exchanges_the_sides(skeleton: Skeleton) -> None:
    mirror = skeleton.mirror
    assert [mirror[mirror[j]] for j in range(len(skeleton))] == list(range(len(skeleton)))
    for joint, other in enumerate(mirror):
        name = skeleton.joints[joint]
        if "left_" in name or "right_" in name:
            assert other != joint, f"{name} has no counterpart"
            assert skeleton.joints[other].replace("left_", "right_") == name.replace("left_", "right_")
        else:
            assert other == joint


@every_skeleton
def test_mirroring_keeps_the_limbs_together(skeleton: Skeleton) -> None:
    edges = {frozenset(edge) for edge in skeleton.edges}
    for edge in skeleton.edges:
        if "left_" in skeleton.joints[edge[0]] and "left_" in skeleton.joints[edge[1]]:
            assert frozenset(skeleton.mirror[j] for j in edge) in edges


@every_skeleton
def test_picking_a_set_from_itself_changes_nothing(skeleton: Skeleton) -> None:
    points = torch.randn(2, 3, len(skeleton), 3)
    picked, valid = pick(points, skeleton, skeleton)
    assert torch.equal(picked, points)
    assert valid.all()


def test_the_published_orders_are_kept() -> None:
    assert SMPL_24.joints[15] == "head"
    assert SMPL_24.joints[20:24] == ("left_wrist", "right_wrist", "left_hand", "right_hand")
    assert [COCO_17.joints[i] for i in (0, 5, 10, 16)] == ["nose", "left_shoulder", "right_wrist", "right_ankle"]
    assert [LSP_14.joints[i] for i in (0, 5, 13)] == ["right_ankle", "left_ankle", "head_top"]
    assert [H36M_17.joints[i] for i in (0, 1, 4, 16)] == ["hip", "left_hip", "right_hip", "right_wrist"]
    assert [MPII3D_17.joints[i] for i in (0, 14, 16)] == ["head_top", "hip", "h36m_head"]
    assert [BODY_25.joints[i] for i in (0, 8, 19, 24)] == ["op_nose", "op_mid_hip", "op_left_big_toe", "op_right_heel"]
    assert OPENPOSE_18.joints[:3] == ("op_nose", "op_neck", "op_right_shoulder")
    assert [MEDIAPIPE_33.joints[i] for i in (0, 11, 32)] == ["nose", "left_shoulder", "right_big_toe"]
    assert BODY_54.joints == SMPL_24.joints + tuple(PICKED_21.split()) + tuple(EXTRA_9.split())
    assert SPIN_49.joints[25:39] == LSP_14.joints


def test_spin_49_reads_from_body_54_the_joints_that_its_names_say() -> None:
    named = {SPIN_49.joints[i]: BODY_54.joints[row] for i, row in enumerate(SPIN_49_FROM_BODY_54)}
    same = ("left_ankle", "right_knee", "left_wrist", "right_elbow", "left_shoulder", "nose", "left_eye", "right_ear")
    assert all(named[name] == name for name in same)
    openpose = ("op_left_knee", "op_right_hip", "op_left_big_toe", "op_right_heel", "op_left_ear", "op_nose")
    assert all(named[name] == name.removeprefix("op_") for name in openpose)
    assert named["right_hip"] == "lsp_right_hip"
    assert named["neck"] == "lsp_neck"
    assert named["op_mid_hip"] == "pelvis"


def test_picking_finds_names_with_and_without_openposes_prefix_and_says_what_is_missing() -> None:
    points = torch.arange(25.0)[:, None].expand(25, 2)
    picked, valid = pick(points, BODY_25, COCO_17)
    assert valid.all()
    assert [float(picked[COCO_17.index(n), 0]) for n in ("nose", "left_wrist", "right_ankle")] == [0, 7, 11]
    back, found = pick(picked, COCO_17, BODY_25)
    missing = [BODY_25.joints[i] for i in range(25) if not found[i]]
    assert missing == ["op_neck", "op_mid_hip"] + [j for j in BODY_25.joints if "toe" in j or "heel" in j]
    assert torch.equal(back[found], points[found])
    assert (back[~found] == 0).all()


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
def test_picking_takes_any_batch_and_passes_gradients(batch: tuple[int, ...]) -> None:
    points = torch.randn(*batch, 33, 3, requires_grad=True)
    picked, valid = pick(points, MEDIAPIPE_33, COCO_17)
    assert picked.shape == (*batch, 17, 3)
    assert valid.shape == (17,)
    picked.sum().backward()
    assert points.grad is not None
    assert int((points.grad[..., 0] != 0).sum(-1).max()) == 17


def test_mistakes_are_named() -> None:
    with pytest.raises(KeyError, match="coco-17 has no joint 'tail'; it has nose, left_eye"):
        COCO_17.index("tail")
    with pytest.raises(ValueError, match="a joint name occurs twice"):
        Skeleton("double", ("a", "a"), (-1, 0))
    with pytest.raises(ValueError, match="2 joints but 1 parents"):
        Skeleton("short", ("a", "b"), (-1,))
    with pytest.raises(ValueError, match="coco-17 has 17 joints, the points have 5"):
        pick(torch.zeros(5, 3), COCO_17, SMPL_24)


def test_limbs_keep_their_place_and_the_hip_is_amid_the_hips_when_coco_becomes_h36m() -> None:
    points = torch.randn(3, 17, 2)
    found = coco_to_h36m(points)
    for name in set(COCO_17.joints) & set(H36M_VP3D_17.joints):
        assert torch.equal(found[:, H36M_VP3D_17.index(name)], points[:, COCO_17.index(name)])
    torch.testing.assert_close(found[:, 0], found[:, [1, 4]].mean(1))


@pytest.mark.parametrize(("rule", "source"), [(coco_to_h36m, COCO_17), (mpii_to_h36m, MPII_16)])
def test_rules_for_h36m_mirror_move_and_scale_with_their_input(rule: Rule, source: Skeleton) -> None:
    points = torch.randn(2, len(source), 2, dtype=torch.float64)
    flip, shift = torch.tensor([-1.0, 1.0], dtype=torch.float64), torch.tensor([3.0, -7.0], dtype=torch.float64)
    mirrored = (points * flip)[:, list(source.mirror)]
    torch.testing.assert_close(rule(mirrored), (rule(points) * flip)[:, list(H36M_VP3D_17.mirror)])
    torch.testing.assert_close(rule(2 * points + shift), 2 * rule(points) + shift)


def test_a_standing_persons_torso_is_in_order_from_hip_to_head_top() -> None:
    x = {"left": 1.0, "right": -1.0}
    y = {"eye": -9, "ear": -8.8, "shoulder": -6, "elbow": -3, "wrist": 0, "hip": 0, "knee": 4, "ankle": 8}
    points = [(0.0, -8.5)] + [(x[name.split("_")[0]], y[name.split("_")[1]]) for name in COCO_17.joints[1:]]
    found = coco_to_h36m(torch.tensor(points))
    torso = [H36M_VP3D_17.index(name) for name in ("hip", "h36m_spine", "neck", "h36m_head", "head_top")]
    assert (found[torso, 1].diff() < 0).all(), "y falls from the hip to the top of the head"
    assert found[torso, 0].abs().max() < 1e-6


def test_the_published_index_tables_follow_from_the_names() -> None:
    def rows(target: Skeleton, source: Skeleton) -> list[int]:
        return [source.index(name) for name in target.joints]

    assert rows(LSP_H36M_17, H36M_17) == [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10, 0, 7, 9]
    assert rows(LSP_14, H36M_17) == [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10]
    assert SPIN_24.joints == SPIN_49.joints[25:]
    assert SPIN_24.joints[SPIN_17_FROM_SPIN_24[13]] == "h36m_head"
    assert THREEDPW_14.index("thorax") == 1
    assert MPII3D_28.index("hip") == 4
    assert INSTA_25.joints[13:15] == ("head_top", "op_nose")


def test_the_published_flips_follow_from_the_names() -> None:
    smpl = (0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22)
    spin_24 = (5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 12, 13, 14, 15, 16, 17, 18, 19, 21, 20, 23, 22)
    body_25 = (0, 1, 5, 6, 7, 2, 3, 4, 8, 12, 13, 14, 9, 10, 11, 16, 15, 18, 17, 22, 23, 24, 19, 20, 21)
    assert SMPL_24.mirror == smpl
    assert SPIN_24.mirror == spin_24
    assert SPIN_49.mirror == (*body_25, *(25 + joint for joint in spin_24))


def test_exact_picking_takes_no_name_for_another() -> None:
    points = torch.arange(1.0, 18.0)[:, None].expand(17, 3)
    loose, found = pick(points, COCO_17, SPIN_49)
    exact, same = pick(points, COCO_17, SPIN_49, exact=True)
    assert found[SPIN_49.index("op_nose")]
    assert not same[SPIN_49.index("op_nose")]
    assert (exact[SPIN_49.index("op_nose")] == 0).all()
    assert torch.equal(exact[same], loose[same])
    assert int(same.sum()) == 17
    staf, _ = pick(torch.ones(21, 3), STAF_21, SPIN_49, exact=True)
    assert (staf[[SPIN_49.index("neck"), SPIN_49.index("head_top")]] == 0).all(), "lost, as in the published tools"
