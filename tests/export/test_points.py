"""The joints of a motion in other sets."""

import pytest
import torch

from anthropose.body.files import load_body
from anthropose.errors import UserError
from anthropose.export.points import points_of, skeleton_named
from anthropose.skeleton import COCO_17, H36M_17, HUMANEVA_15, PICKED_21, SKELETONS, SMPL_24
from tests.export.made_up import lifted, motion, scene_joints, stick_body

BODY = stick_body()
SHAPE = torch.tensor([2.0, -1.0, 1.5, 0, 0, 0, 0.5, 0, 0, -1])


def test_a_motions_own_joints_are_taken_as_they_are() -> None:
    one = motion(BODY, betas=SHAPE)
    for skeleton in ("", "smpl", "smpl-24"):
        points = points_of(one, BODY, -1.2, skeleton)
        assert points.skeleton is SMPL_24
        assert abs(points.places.numpy() - scene_joints(one, -1.2)).max() < 1e-6


def test_the_nose_of_coco_is_the_vertex_of_the_posed_body() -> None:
    one = motion(BODY, betas=SHAPE)
    posed = BODY.shaped(one.body.betas).posed(one.body.rotations)
    nose = posed.vertices[:, BODY.picked[PICKED_21.split().index("nose")]] - posed.joints[:, 0] + one.translation
    points = points_of(one, BODY, 0.0, "coco")
    assert points.skeleton is COCO_17
    expected = nose * torch.tensor([1.0, -1.0, -1.0])
    assert (points.places[:, COCO_17.index("nose")] - expected).abs().max() < 1e-5


def test_the_joints_of_human36m_are_those_of_its_regressor() -> None:
    body = load_body("free")
    one = motion(body, torch.arange(3) / 30, betas=SHAPE)
    posed = body.shaped(one.body.betas).posed(one.body.rotations)
    expected = posed.h36m_17() - posed.joints[:, :1] + one.translation[:, None]
    places = points_of(one, body, 0.0, "h36m").places
    assert (places - expected * torch.tensor([1.0, -1.0, -1.0])).abs().max() < 1e-5


def test_joints_alone_give_the_sets_of_the_same_names() -> None:
    one = lifted(motion(BODY))
    places = points_of(one, BODY, -1.0, "humaneva").places
    own = points_of(one, BODY, -1.0)
    for name in HUMANEVA_15.joints:
        assert torch.equal(places[:, HUMANEVA_15.index(name)], own.places[:, own.skeleton.index(name)])


def test_joints_that_a_lifter_does_not_give_are_named_with_the_methods_that_do() -> None:
    with pytest.raises(UserError, match=r"method rie .* lack nose, left_eye, .*smplify, tcmr, .* give bodies"):
        points_of(lifted(motion(BODY)), BODY, 0.0, "coco")


def test_joints_that_a_body_has_not_are_named() -> None:
    with pytest.raises(UserError, match=r"body 'stick' has no .* of h36m-17"):
        points_of(motion(BODY), BODY, 0.0, "h36m")


@pytest.mark.parametrize(
    ("name", "set_name"),
    [("coco", "coco-17"), ("H36M", "h36m-17"), ("body25", "body-25"), ("halpe_26", "halpe-26"), ("spin", "spin-49")],
)
def test_sets_go_by_their_name_with_or_without_the_number(name: str, set_name: str) -> None:
    assert skeleton_named(name) is SKELETONS[set_name]


def test_an_unknown_set_names_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"no set of joints 'cocoa'; known are smpl-24, .*coco-17"):
        skeleton_named("cocoa")


def test_every_set_is_found_by_its_own_name() -> None:
    assert all(skeleton_named(name) is skeleton for name, skeleton in SKELETONS.items())
    assert skeleton_named("h36m") is H36M_17
