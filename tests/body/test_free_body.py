"""The shipped file: that it is the one the bake made, and that it is a sensible person whose rotations mean SMPL's."""

import hashlib
from importlib import resources

import numpy as np
import pytest
import torch
from torch import Tensor

from anthropose.body import load_body
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.skeleton import BODY_54, EXTRA_9, H36M_17, PICKED_21, SMPL_24

BAKED = "be35230b548a50d8849c044b01c142d073b1c5cb7c5cb81359b844ed364dfa74"
"""sha256 of what `python -m anthropose.body.free` wrote with anny 0.6.2, numpy 2.4.6, scipy 1.17.1, torch 2.13.0."""


def rest_joints() -> dict[str, Tensor]:
    return dict(zip(SMPL_24.joints, load_body().shaped(torch.zeros(10)).joints, strict=True))


def posed(**degrees: tuple[float, float, float]) -> dict[str, Tensor]:
    """The points of BODY_54 with some joints turned, by rotation vectors in degrees."""
    rotvecs = torch.zeros(24, 3)
    for joint, turn in degrees.items():
        rotvecs[SMPL_24.index(joint)] = torch.tensor(turn) * torch.pi / 180
    points = load_body().shaped(torch.zeros(10)).posed(rotvec_to_rotmat(rotvecs)).body_54()
    return dict(zip(BODY_54.joints, points, strict=True))


def angle(direction: Tensor, towards: tuple[float, float, float]) -> float:
    return float(
        torch.rad2deg(torch.arccos(torch.nn.functional.cosine_similarity(direction, torch.tensor(towards), 0)))
    )


def test_the_shipped_file_is_the_baked_one() -> None:
    data = (resources.files("anthropose") / "data" / "free_body.npz").read_bytes()
    assert hashlib.sha256(data).hexdigest() == BAKED
    assert len(data) < 2e6


def test_the_surface_is_closed_and_symmetric() -> None:
    body = load_body()
    assert (len(body.template), len(body.faces)) == (8600, 17196)
    faces = body.faces.numpy()
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    assert len(np.unique(edges, axis=0)) == len(edges)
    assert len(np.unique(np.sort(edges, axis=1), axis=0)) * 2 == len(edges)
    assert len(body.template) - len(edges) // 2 + len(faces) == 2
    mirrored = body.template * torch.tensor([-1.0, 1.0, 1.0])
    apart = torch.cdist(mirrored, body.template, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1).values
    assert apart.max() < 2e-4


def test_weights_and_regressors_are_averages() -> None:
    body = load_body()
    assert (body.skinning >= 0).all()
    assert (body.skinning > 0).sum(1).max() == 4
    for weights in (body.skinning, body.joint_regressor, body.extra_regressor, body.h36m_regressor):
        assert (weights >= 0).all()
        torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)), atol=1e-5, rtol=0)
    assert not body.approximate
    assert body.pose_basis is None


@pytest.mark.parametrize(
    ("child", "parent", "direction", "limit"),
    [
        ("left_elbow", "left_shoulder", (1.0, 0.0, 0.0), 7),
        ("left_wrist", "left_elbow", (1.0, 0.0, 0.0), 5),
        ("left_hand", "left_wrist", (1.0, 0.0, 0.0), 7),
        ("left_shoulder", "left_collar", (1.0, 0.0, 0.0), 10),
        ("left_knee", "left_hip", (0.087, -1.0, 0.0), 3),
        ("left_ankle", "left_knee", (-0.035, -1.0, -0.1), 3),
        ("left_foot", "left_ankle", (0.0, 0.0, 1.0), 25),
        ("neck", "pelvis", (0.0, 1.0, 0.0), 5),
        ("head", "neck", (0.0, 1.0, 0.0), 25),
    ],
)
def test_bones_point_where_those_of_smpl_point_on_both_sides(child, parent, direction, limit) -> None:
    joints = rest_joints()
    assert angle(joints[child] - joints[parent], direction) < limit
    child, parent = child.replace("left", "right"), parent.replace("left", "right")
    assert angle(joints[child] - joints[parent], (-direction[0], *direction[1:])) < limit


def test_the_origin_is_at_the_pelvis_for_every_shape() -> None:
    betas = torch.randn(300, 10, generator=torch.Generator().manual_seed(0))
    assert load_body().shaped(betas).joints[:, 0].norm(dim=-1).max() < 0.015


def test_joints_lie_inside_the_body() -> None:
    body = load_body()
    for joint in body.shaped(torch.zeros(10)).joints:
        a, b, c = (body.template[body.faces[:, k]] - joint for k in range(3))
        lengths = [edge.norm(dim=1) for edge in (a, b, c)]
        volume = (a * torch.linalg.cross(b, c)).sum(1)
        dots = (a * b).sum(1) * lengths[2] + (b * c).sum(1) * lengths[0] + (c * a).sum(1) * lengths[1]
        solid_angle = 2 * torch.atan2(volume, lengths[0] * lengths[1] * lengths[2] + dots).sum()
        assert solid_angle == pytest.approx(4 * torch.pi, abs=0.01)


def test_rotations_mean_what_they_mean_in_smpl() -> None:
    rest = posed()
    arms = posed(left_shoulder=(0, 0, 70), right_shoulder=(0, 0, 70))
    assert arms["left_wrist"][1] > rest["head"][1]
    assert arms["right_wrist"][1] < rest["spine1"][1]
    assert posed(left_elbow=(0, -90, 0))["left_wrist"][2] > rest["left_elbow"][2] + 0.2
    assert posed(right_elbow=(0, 90, 0))["right_wrist"][2] > rest["right_elbow"][2] + 0.2
    assert posed(left_hip=(-90, 0, 0))["left_knee"][2] > rest["left_hip"][2] + 0.35
    assert posed(right_knee=(90, 0, 0))["right_ankle"][2] < rest["right_knee"][2] - 0.35
    assert posed(head=(0, 60, 0))["nose"][0] > 0.06
    assert posed(head=(40, 0, 0))["nose"][1] < rest["nose"][1] - 0.04
    assert posed(spine1=(30, 0, 0))["head"][2] > rest["head"][2] + 0.2
    turned = posed(pelvis=(180, 0, 0))
    assert turned["head"][1] < turned["pelvis"][1] < turned["left_ankle"][1]
    assert turned["nose"][2] < turned["left_ear"][2]


def test_picked_points_are_where_their_names_say() -> None:
    at = posed()
    assert set(PICKED_21.split()) <= set(at)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for name in (n for n in PICKED_21.split() if n.startswith(side)):
            assert sign * at[name][0] > 0.02
        tips = [at[f"{side}_{finger}_tip"] for finger in ("index", "middle", "ring", "pinky")]
        assert all(abs(tip[0]) > abs(at[f"{side}_hand"][0]) + 0.03 for tip in tips)
        assert all(a[2] > b[2] for a, b in zip([at[f"{side}_thumb_tip"], *tips], tips, strict=False))
        assert at[f"{side}_big_toe"][2] > at[f"{side}_foot"][2] > at[f"{side}_ankle"][2] > at[f"{side}_heel"][2]
        assert abs(at[f"{side}_small_toe"][0]) > abs(at[f"{side}_big_toe"][0]) + 0.04
        assert at[f"{side}_heel"][1] < at[f"{side}_ankle"][1] - 0.04
        assert at["nose"][2] > at[f"{side}_eye"][2] > at[f"{side}_ear"][2] + 0.05
        assert at[f"{side}_eye"][1] > at["nose"][1]
        assert abs(at[f"{side}_ear"][0]) > abs(at[f"{side}_eye"][0]) + 0.03


def test_regressed_points_are_in_order_from_head_to_hips() -> None:
    at = posed()
    heights = [at[name][1] for name in ("head_top", "h36m_head", "h36m_jaw", "lsp_neck", "thorax", "h36m_spine")]
    assert heights == sorted(heights, reverse=True)
    assert at["lsp_left_hip"][0] > at["left_hip"][0] > 0 > at["right_hip"][0] > at["lsp_right_hip"][0]
    assert (at["mpii_pelvis"] - (at["lsp_left_hip"] + at["lsp_right_hip"]) / 2).norm() < 0.005
    body = load_body()
    h36m = dict(zip(H36M_17.joints, body.h36m_regressor @ body.template, strict=True))
    for name in ("left_knee", "right_ankle", "left_shoulder", "right_elbow", "left_wrist"):
        assert (h36m[name] - at[name]).norm() < 0.005
    assert 0.22 < h36m["left_hip"][0] - h36m["right_hip"][0] < 0.3
    assert (h36m["h36m_head"] - at["h36m_jaw"]).norm() < 0.005
    assert len(EXTRA_9.split()) == len(body.extra_regressor)


def test_people_from_minus_three_to_three_are_sensible() -> None:
    body = load_body()
    betas = torch.cat([torch.zeros(1, 10), 3 * torch.eye(10), -3 * torch.eye(10)])
    vertices = body.shaped(betas).vertices
    heights = vertices[..., 1].amax(1) - vertices[..., 1].amin(1)
    volumes = _volumes(vertices, body.faces)
    assert heights[0] == pytest.approx(1.698, abs=0.001)
    assert 1000 * volumes[0] == pytest.approx(67.6, abs=0.1)  # litres
    assert 1.35 < heights.min() < heights[0] < heights.max() < 2.05
    assert 0.034 < volumes.min() < volumes.max() < 0.120
    assert heights[1] == heights.max()  # The first component is height,
    assert volumes[2] > 0.1  # the second weight.
    assert volumes[12] < 0.042


def test_hardly_a_triangle_turns_over_at_three_deviations() -> None:
    body = load_body()
    mean = _normals(body.template, body.faces)
    for sign in (3.0, -3.0):
        for vertices in body.shaped(sign * torch.eye(10)).vertices:
            assert ((_normals(vertices, body.faces) * mean).sum(-1) < 0).sum() <= 12


def test_shapes_are_as_varied_as_people() -> None:
    body = load_body()
    vertices = body.shaped(torch.randn(400, 10, generator=torch.Generator().manual_seed(1))).vertices
    heights = vertices[..., 1].amax(1) - vertices[..., 1].amin(1)
    mass_index = 1010 * _volumes(vertices, body.faces) / heights**2
    assert heights.std() == pytest.approx(0.11, abs=0.015)
    assert mass_index.mean() == pytest.approx(24, abs=1)
    assert mass_index.std() == pytest.approx(5, abs=1)


def _normals(vertices: Tensor, faces: Tensor) -> Tensor:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return torch.linalg.cross(b - a, c - a)


def _volumes(vertices: Tensor, faces: Tensor) -> Tensor:
    a, b, c = (vertices[:, faces[:, k]] for k in range(3))
    return (a * torch.linalg.cross(b, c)).sum((-1, -2)) / 6
