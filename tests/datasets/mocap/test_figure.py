"""Keypoints and joints on a body are those that the body's own readings, and the measured landmarks, give."""

import pytest
import torch

from anthropose.body.landmarks import landmarks_of
from anthropose.body.model import BodyModel
from anthropose.datasets.mocap.figure import Figure
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.skeleton import (
    BODY_25,
    COCO_17,
    H36M_17,
    H36M_VP3D_17,
    HALPE_26,
    LSP_14,
    MEDIAPIPE_33,
    SMPL_24,
    SPIN_49,
    Skeleton,
    pick,
)


def people(rows: int = 3, frames: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    turns = 0.4 * torch.randn(rows, frames, 24, 3, generator=generator)
    return torch.randn(rows, 10, generator=generator), rotvec_to_rotmat(turns)


@pytest.mark.parametrize("kind", [SPIN_49, COCO_17, HALPE_26, BODY_25, LSP_14, H36M_17], ids=lambda kind: kind.name)
@pytest.mark.parametrize("joints", [SPIN_49, H36M_VP3D_17], ids=lambda joints: joints.name)
def test_points_are_those_that_the_body_reads(body: BodyModel, kind: Skeleton, joints: Skeleton) -> None:
    betas, rotations = people()
    figure = Figure(body, [kind], kind, joints)
    keypoints, found = figure(betas, rotations, torch.zeros(3, dtype=torch.long), torch.tensor([1]))
    assert figure.valid.all()
    torch.testing.assert_close(keypoints, body.points(kind)(betas[:, None], rotations), atol=1e-5, rtol=0)
    if joints == SPIN_49:
        wanted = body.points(SPIN_49)(betas[:, None], rotations)
    else:
        wanted = pick(body.points(H36M_17)(betas[:, None], rotations), H36M_17, H36M_VP3D_17)[0]
    torch.testing.assert_close(found, wanted[:, 1:], atol=1e-5, rtol=0)


def test_mediapipes_points_are_where_they_were_measured(body: BodyModel) -> None:
    betas, rotations = people()
    figure = Figure(body, [MEDIAPIPE_33], MEDIAPIPE_33, SPIN_49)
    keypoints, _ = figure(betas, rotations, torch.zeros(3, dtype=torch.long), torch.tensor([0]))
    landmarks = landmarks_of(body, MEDIAPIPE_33)
    flat = rotations.flatten(0, 1)
    axes = flat.clone()
    for joint, parent in SMPL_24.edges:
        axes[:, joint] = axes[:, parent] @ flat[:, joint]
    wanted = landmarks.place(betas.repeat_interleave(2, 0), flat, axes)
    torch.testing.assert_close(keypoints.flatten(0, 1)[:, landmarks.valid], wanted[:, landmarks.valid])
    assert figure.valid.all()
    assert not bool(landmarks.valid.all())


def test_mediapipes_small_points_lie_where_their_names_say(body: BodyModel) -> None:
    still = torch.eye(3).expand(1, 1, 24, 3, 3)
    figure = Figure(body, [MEDIAPIPE_33], MEDIAPIPE_33, SPIN_49)
    points = figure(torch.zeros(1, 10), still, torch.zeros(1, dtype=torch.long), torch.tensor([0]))[0][0, 0]
    at = {name: points[row] for row, name in enumerate(MEDIAPIPE_33.joints)}
    for side, sign in (("left", 1), ("right", -1)):
        eyes = [float(at[f"{side}_{part}"][0]) * sign for part in ("eye_inner", "eye", "eye_outer")]
        assert 0 < eyes[0] < eyes[1] < eyes[2] < float(at[f"{side}_ear"][0]) * sign
        assert (at[f"{side}_thumb"] - at[f"{side}_index"]).norm() < 0.12
        assert (at[f"{side}_thumb"] - at[f"{side}_wrist"]).norm() < 0.15
    mirrored = points[list(MEDIAPIPE_33.mirror)] * torch.tensor([-1.0, 1.0, 1.0])
    assert (mirrored - points).abs().max() < 2e-3
