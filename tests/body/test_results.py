"""Results: what a prediction becomes with a body, and that gradients pass."""

import pytest
import torch

from anthropose.body.results import result_of, vertices_of
from anthropose.geometry.cameras import project_crop
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.motion import BodyPose, Prediction
from anthropose.skeleton import H36M_17, LSP_14, MPII3D_17, SPIN_49, SPIN_49_FROM_BODY_54
from tests.body.bodies import random_body

BATCHES = [(), (3,), (2, 4)]


def predicted(batch: tuple[int, ...], seed: int = 0) -> tuple[Prediction, torch.Tensor]:
    """A prediction, and the rotation vectors that its rotations were made of."""
    generator = torch.Generator().manual_seed(seed)
    rotvecs = 0.5 * torch.randn(*batch, 24, 3, generator=generator)
    betas = torch.randn(*batch, 10, generator=generator)
    camera = torch.tensor([0.9, 0.0, 0.0]) + 0.1 * torch.randn(*batch, 3, generator=generator)
    return Prediction(BodyPose(rotvec_to_rotmat(rotvecs), betas), camera), rotvecs


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_theta_is_camera_rotation_vectors_and_shape(batch: tuple[int, ...]) -> None:
    prediction, rotvecs = predicted(batch)
    theta = result_of(prediction, random_body()).theta
    assert theta.shape == (*batch, 85)
    torch.testing.assert_close(theta[..., :3], prediction.camera)
    torch.testing.assert_close(theta[..., 3:75], rotvecs.flatten(-2), atol=1e-4, rtol=0)
    torch.testing.assert_close(theta[..., 75:], prediction.pose.betas)


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_joints_are_those_of_the_posed_body_and_keypoints_their_projection(batch: tuple[int, ...]) -> None:
    body, (prediction, _) = random_body(), predicted(batch)
    result, posed = result_of(prediction, body), body.shaped(prediction.pose.betas).posed(prediction.pose.rotations)
    torch.testing.assert_close(result.joints, posed.body_54()[..., SPIN_49_FROM_BODY_54, :], atol=1e-5, rtol=0)
    torch.testing.assert_close(result.keypoints, project_crop(result.joints, prediction.camera))
    assert torch.equal(result.rotations, prediction.pose.rotations)
    torch.testing.assert_close(vertices_of(prediction, body), posed.vertices)


def test_lsp_joints_are_read_through_human36ms_regressor_others_as_the_body_reads_them() -> None:
    body, (prediction, _) = random_body(), predicted((2,))
    pose = prediction.pose
    h36m = body.shaped(pose.betas).posed(pose.rotations).h36m_17()
    lsp = result_of(prediction, body, LSP_14)
    assert lsp.keypoints.shape == (2, 14, 2)
    for name in LSP_14.joints:
        expected = h36m[:, H36M_17.index(name)]
        torch.testing.assert_close(lsp.joints[:, LSP_14.index(name)], expected, atol=1e-5, rtol=0)
    spin, test_set = result_of(prediction, body, SPIN_49).joints, result_of(prediction, body, MPII3D_17).joints
    torch.testing.assert_close(test_set[:, MPII3D_17.index("hip")], spin[:, SPIN_49.index("hip")])


def test_the_points_of_a_body_are_prepared_once() -> None:
    body = random_body()
    assert body.points(SPIN_49) is body.points(SPIN_49)
    assert body.points(SPIN_49) is not body.points(LSP_14)
    assert body.to(dtype=torch.float64).points(SPIN_49) is not body.points(SPIN_49)


def test_gradients_pass_to_rotations_shape_and_camera_also_at_rest() -> None:
    rotations = torch.eye(3).expand(2, 24, 3, 3).clone().requires_grad_()
    betas, camera = torch.zeros(2, 10, requires_grad=True), torch.tensor([[0.9, 0.0, 0.0]] * 2, requires_grad=True)
    result = result_of(Prediction(BodyPose(rotations, betas), camera), random_body())
    (result.theta[..., 3:75].sum() + result.keypoints.square().sum() + result.joints.sum()).backward()
    for leaf in (rotations, betas, camera):
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
        assert leaf.grad.abs().sum() > 0
