import dataclasses

import pytest
import roma
import torch
from torch import Tensor

from anthropose.body import load_body
from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.skeleton import (
    BODY_25,
    BODY_54,
    COCO_17,
    H36M_17,
    LSP_14,
    LSP_H36M_17,
    MEDIAPIPE_33,
    SKELETONS,
    SMPL_24,
    SPIN_24,
    SPIN_49,
    SPIN_49_FROM_BODY_54,
)
from tests.body.bodies import random_body

BODIES = {
    "free": load_body,
    "with pose corrections": random_body,
    "without": lambda: random_body(pose_corrections=False),
}


@pytest.fixture(params=BODIES)
def body(request: pytest.FixtureRequest) -> BodyModel:
    return BODIES[request.param]()


def random_pose(*batch: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    make = torch.Generator().manual_seed(seed)
    betas = torch.randn(*batch, 10, generator=make, dtype=dtype)
    return betas, roma.rotvec_to_rotmat(0.7 * torch.randn(*batch, 24, 3, generator=make, dtype=dtype))


def posed_plainly(model: BodyModel, betas: Tensor, rotations: Tensor) -> tuple[Tensor, Tensor]:
    """One body as in the paper, joint by joint with 4x4 matrices: vertices and joints."""
    shaped = model.template + model.shape_basis @ betas
    rest = model.joint_regressor @ shaped
    if model.pose_basis is not None:
        feature = (rotations[1:] - torch.eye(3)).flatten()
        shaped = shaped + (feature @ model.pose_basis).reshape(-1, 3)
    world: list[Tensor] = []
    for joint, parent in enumerate(SMPL_24.parents):
        local = torch.eye(4)
        local[:3, :3] = rotations[joint]
        local[:3, 3] = rest[joint] - (rest[parent] if parent >= 0 else 0)
        world.append(world[parent] @ local if parent >= 0 else local)
    back = torch.eye(4).repeat(24, 1, 1)
    back[:, :3, 3] = -rest
    blended = torch.einsum("vj,jab->vab", model.skinning, torch.stack(world) @ back)
    homogeneous = torch.cat([shaped, torch.ones(len(shaped), 1)], dim=1)
    return torch.einsum("vab,vb->va", blended, homogeneous)[:, :3], torch.stack(world)[:, :3, 3]


def test_a_posed_body_is_what_the_plain_formula_gives(body: BodyModel) -> None:
    betas, rotations = random_pose()
    posed = body.shaped(betas).posed(rotations)
    vertices, joints = posed_plainly(body, betas, rotations)
    torch.testing.assert_close(posed.vertices, vertices, atol=3e-6, rtol=0)
    torch.testing.assert_close(posed.joints, joints, atol=3e-6, rtol=0)


def test_the_identity_pose_is_the_rest_shape(body: BodyModel) -> None:
    betas, _ = random_pose(3)
    shaped = body.shaped(betas)
    posed = shaped.posed(torch.eye(3).expand(3, 24, 3, 3))
    torch.testing.assert_close(posed.vertices, shaped.vertices, atol=2e-6, rtol=0)
    torch.testing.assert_close(posed.joints, shaped.joints, atol=2e-6, rtol=0)


def test_rest_joints_are_regressed_from_rest_vertices(body: BodyModel) -> None:
    shaped = body.shaped(random_pose(4)[0])
    torch.testing.assert_close(shaped.joints, body.joint_regressor @ shaped.vertices, atol=2e-6, rtol=0)


def test_turning_the_root_turns_the_whole_body_about_the_pelvis(body: BodyModel) -> None:
    betas, rotations = random_pose(2)
    turn = roma.rotvec_to_rotmat(torch.tensor([[0.3, -2.0, 0.5], [3.0, 0.1, 0.0]]))
    before = body.shaped(betas).posed(rotations)
    after = body.shaped(betas).posed(torch.cat([(turn @ rotations[:, 0])[:, None], rotations[:, 1:]], dim=1))
    pelvis = before.joints[:, :1]
    turned = (before.vertices - pelvis) @ turn.mT + pelvis
    torch.testing.assert_close(after.vertices, turned, atol=5e-6, rtol=0)
    torch.testing.assert_close(after.joints[:, :1], pelvis, atol=2e-6, rtol=0)


def test_translation_moves_vertices_and_joints_alike(body: BodyModel) -> None:
    betas, rotations = random_pose(2)
    move = torch.tensor([[1.0, 2.0, 3.0], [0.0, -1.0, 5.0]])
    still, moved = body.shaped(betas).posed(rotations), body.shaped(betas).posed(rotations, move)
    torch.testing.assert_close(moved.vertices, still.vertices + move[:, None])
    torch.testing.assert_close(moved.body_54(), still.body_54() + move[:, None], atol=5e-6, rtol=0)


@pytest.mark.parametrize("batch", [(), (1,), (5,), (2, 3), (0,)])
def test_any_leading_axes_give_what_each_body_gives_alone(batch: tuple[int, ...]) -> None:
    body = random_body()
    betas, rotations = random_pose(*batch)
    posed = body.shaped(betas).posed(rotations)
    assert posed.vertices.shape == (*batch, 60, 3)
    assert posed.body_54().shape == (*batch, 54, 3)
    assert body.points(COCO_17)(betas, rotations).shape == (*batch, 17, 3)
    alone = [
        body.shaped(b).posed(r).vertices
        for b, r in zip(betas.reshape(-1, 10), rotations.reshape(-1, 24, 3, 3), strict=True)
    ]
    if alone:
        torch.testing.assert_close(posed.vertices.reshape(-1, 60, 3), torch.stack(alone), atol=2e-6, rtol=0)


def test_one_person_takes_many_poses() -> None:
    body = random_body()
    betas, rotations = random_pose(4)
    many = body.shaped(betas[0]).posed(rotations)
    torch.testing.assert_close(many.vertices, body.shaped(betas[:1].expand(4, 10)).posed(rotations).vertices)
    points = body.points(COCO_17)
    torch.testing.assert_close(points(betas[0], rotations), points(betas[:1].expand(4, 10), rotations))


def test_large_batches_are_cut_into_chunks_without_a_seam() -> None:
    body = random_body(count=300)
    betas, rotations = random_pose(200)
    many = body.shaped(betas).posed(rotations).vertices
    few = torch.cat([body.shaped(betas[k : k + 10]).posed(rotations[k : k + 10]).vertices for k in range(0, 200, 10)])
    torch.testing.assert_close(many, few, atol=3e-6, rtol=0)


@pytest.mark.parametrize("pose_corrections", [True, False])
def test_gradients_are_those_of_finite_differences(pose_corrections: bool) -> None:
    body = random_body(count=24, pose_corrections=pose_corrections).to(dtype=torch.float64)
    betas, rotations = random_pose(2, dtype=torch.float64)
    move = torch.zeros(2, 3, dtype=torch.float64)
    inputs = tuple(value.requires_grad_() for value in (betas, rotations, move))
    assert torch.autograd.gradcheck(lambda b, r, t: body.shaped(b).posed(r, t).body_54(), inputs, fast_mode=True)
    assert torch.autograd.gradcheck(lambda b, r, t: body.points(BODY_25)(b, r, t), inputs, fast_mode=True)


def test_points_are_the_joints_of_the_posed_mesh(body: BodyModel) -> None:
    betas, rotations = random_pose(3)
    move = torch.tensor([0.1, 0.2, 0.3])
    posed = body.shaped(betas).posed(rotations, move)
    expected = {
        SMPL_24: posed.joints,
        BODY_54: posed.body_54(),
        H36M_17: posed.h36m_17(),
        SPIN_49: posed.body_54()[:, SPIN_49_FROM_BODY_54],
        LSP_14: posed.body_54()[:, SPIN_49_FROM_BODY_54[25:39]],
        SPIN_24: posed.body_54()[:, SPIN_49_FROM_BODY_54[25:]],
        LSP_H36M_17: posed.h36m_17()[:, [H36M_17.index(name) for name in LSP_H36M_17.joints]],
    }
    for skeleton, points in expected.items():
        model = body.points(skeleton)
        assert model.valid.all()
        torch.testing.assert_close(model(betas, rotations, move), points, atol=5e-6, rtol=0)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_points_that_the_body_lacks_are_zero_and_the_others_are_not(skeleton) -> None:
    model = load_body().points(skeleton)
    betas, rotations = random_pose(2)
    points = model(betas, rotations, torch.tensor([5.0, 5.0, 5.0]))
    assert torch.equal(points.abs().sum(-1) > 0, model.valid.expand(2, -1))
    assert model.valid.float().mean() > 0.6


def test_mediapipe_points_are_found_by_name() -> None:
    model = load_body().points(MEDIAPIPE_33)
    betas, rotations = random_pose()
    body_54 = load_body().shaped(betas).posed(rotations).body_54()
    points = model(betas, rotations)
    for name in ("nose", "left_ear", "right_wrist", "left_heel", "right_big_toe", "left_hip"):
        torch.testing.assert_close(points[MEDIAPIPE_33.index(name)], body_54[BODY_54.index(name)], atol=5e-6, rtol=0)
    assert not model.valid[MEDIAPIPE_33.index("left_mouth")]


def test_a_body_without_regressors_says_which_file_is_missing() -> None:
    body = dataclasses.replace(random_body(), extra_regressor=None, h36m_regressor=None)
    posed = body.shaped(torch.zeros(10)).posed(torch.eye(3).expand(24, 3, 3))
    with pytest.raises(UserError, match="J_regressor_extra"):
        posed.body_54()
    with pytest.raises(UserError, match="J_regressor_h36m"):
        posed.h36m_17()
    points = body.points(BODY_54)
    assert points.valid.tolist() == [True] * 45 + [False] * 9
    assert not body.points(H36M_17).valid.any()


def test_single_and_double_precision_agree() -> None:
    body = load_body()
    betas, rotations = random_pose(2)
    single = body.shaped(betas).posed(rotations).vertices
    double = body.to(dtype=torch.float64).shaped(betas.double()).posed(rotations.double()).vertices
    assert double.dtype == torch.float64
    assert (single - double).abs().max() < 2e-6
