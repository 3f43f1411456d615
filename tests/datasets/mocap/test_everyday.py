"""Made-up motions of everyday life: on the floor, smooth, with joints that bend as people's do."""

from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.datasets.mocap import MocapConfig, MocapSource
from anthropose.datasets.mocap.captures import LEG, Capture
from anthropose.datasets.mocap.everyday import EVERYDAY, SCRIPTS, everyday_captures
from anthropose.datasets.mocap.everyday.limbs import two_bones
from anthropose.geometry.rotations import quat_to_rotmat
from anthropose.skeleton import SMPL_24

ANKLES = [SMPL_24.index("left_ankle"), SMPL_24.index("right_ankle")]


@pytest.fixture(scope="module")
def captures(body: BodyModel) -> list[Capture]:
    return everyday_captures(body, 1)


@pytest.fixture(scope="module")
def joints(captures: list[Capture], body: BodyModel) -> list[Float[Tensor, "n 24 3"]]:
    """Of each motion, in the world [m], for legs of length LEG."""
    rest = body.rest_joints[0]
    leg = (rest[4] - rest[1]).norm() + (rest[7] - rest[4]).norm()
    points = body.points(SMPL_24)
    found = []
    for capture in captures:
        seen = points(torch.zeros(len(capture), 10), quat_to_rotmat(capture.rotations))
        found.append((seen - seen[:, :1]) * (LEG / leg) + capture.root[:, None])
    return found


def test_they_are_the_same_for_the_same_seed_and_others_for_another(captures: list[Capture], body: BodyModel) -> None:
    again, other = everyday_captures(body, 1, 20), everyday_captures(body, 2, 20)
    for one, two in zip(again, captures, strict=False):
        assert torch.equal(one.rotations, two.rotations)
    assert again[0].title != other[0].title or not torch.equal(again[0].root[:20], other[0].root[:20])


def test_all_kinds_of_stances_are_there_mostly_standing_and_sitting(captures: list[Capture]) -> None:
    frames = {}
    for capture in captures:
        for stance in capture.title.split():
            frames[stance] = frames.get(stance, 0) + len(capture)
    assert {"stand", "sit", "squat", "bend", "lunge", "kneel", "floor", "plank", "step"} <= set(frames)
    assert sorted(frames, key=lambda stance: -frames[stance])[:2] == ["stand", "sit"]
    assert len(captures) > 100
    assert sum(share for _, share in SCRIPTS) > 0


def test_nobody_is_in_the_floor_and_who_stands_has_feet_on_it(
    captures: list[Capture], joints: list[Float[Tensor, "n 24 3"]]
) -> None:
    assert min(float(places[..., 1].min()) for places in joints) > 0
    for capture, places in zip(captures, joints, strict=True):
        if capture.title == "stand":
            feet = places[:, [SMPL_24.index("left_foot"), SMPL_24.index("right_foot")], 1]
            assert feet.amin(1).max() < 0.05, capture.name


def test_feet_do_not_slide_while_people_stand_or_sit_and_move_their_arms(
    captures: list[Capture], joints: list[Float[Tensor, "n 24 3"]]
) -> None:
    speeds = torch.cat(
        [
            (places[1:, ANKLES] - places[:-1, ANKLES]).norm(dim=-1).amin(1) * 30
            for capture, places in zip(captures, joints, strict=True)
            if capture.title in ("stand", "sit", "stand sit", "sit stand")
        ]
    )
    assert (speeds < 0.05).float().mean() > 0.93


def test_people_sit_on_chairs_and_stand_upright(captures: list[Capture], joints: list[Float[Tensor, "n 24 3"]]) -> None:
    hips = SMPL_24.index("left_hip")
    for capture, places in zip(captures, joints, strict=True):
        height = places[:, hips, 1]
        if capture.title == "sit":
            assert 0.38 < height.min() < height.max() < 0.9, capture.name
        if capture.title == "stand":
            assert 0.8 < height.min() < height.max() < 0.95, capture.name


def test_knees_bend_backward_and_elbows_forward(joints: list[Float[Tensor, "n 24 3"]], captures: list[Capture]) -> None:
    turns = quat_to_rotmat(torch.cat([capture.rotations for capture in captures]))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        knee, elbow = (turns[:, SMPL_24.index(f"{side}_{joint}")] for joint in ("knee", "elbow"))
        flexion = torch.atan2(knee[:, 2, 1], knee[:, 2, 2]).rad2deg()
        assert flexion.min() > -12, "the rest pose of a body has knees bent by up to 10 degrees"
        assert flexion.max() < 160
        forward = torch.atan2(sign * elbow[:, 2, 0], elbow[:, 0, 0]).rad2deg()
        assert (forward > -12).float().mean() > 0.999


def test_nobody_jerks(captures: list[Capture], joints: list[Float[Tensor, "n 24 3"]]) -> None:
    for capture, places in zip(captures, joints, strict=True):
        speed = (places[1:] - places[:-1]) * 30
        assert speed.norm(dim=-1).max() < 6, capture.name
        assert ((speed[1:] - speed[:-1]) * 30).norm(dim=-1).max() < 120, capture.name


def test_limbs_of_two_bones_reach_where_they_are_wanted_and_bend_to_their_pole() -> None:
    generator = torch.manual_seed(0)
    start, way = torch.randn(100, 3, generator=generator), torch.randn(100, 3, generator=generator)
    end = start + 0.5 * torch.nn.functional.normalize(way, dim=-1)
    pole = torch.randn(100, 3, generator=generator)
    upper, lower, hinge = two_bones(start, end, pole, 0.3, 0.25)
    torch.testing.assert_close(start + 0.3 * upper + 0.25 * lower, end, atol=1e-5, rtol=0)
    assert ((upper - lower) * pole).sum(-1).min() > 0
    assert (hinge * upper).sum(-1).abs().max() < 1e-5
    far = two_bones(start, start + 2 * way / way.norm(dim=-1, keepdim=True), pole, 0.3, 0.25)
    assert (far[0] * far[1]).sum(-1).min() > 0.98, "out of reach the limb is nearly straight"


def test_a_source_has_them_in_the_share_of_windows_that_was_asked_for(folder: Path, body: BodyModel) -> None:
    with_them = MocapSource(folder, body, MocapConfig(everyday=0.3)).batch(1, 0, 600, 2)
    share = sum(name.startswith(EVERYDAY) for name in with_them.names) / 600
    assert share == pytest.approx(0.3, abs=0.06)
    source = MocapSource(folder, body, MocapConfig(everyday=0.0))
    assert not any(name.startswith(EVERYDAY) for name in source.batch(1, 0, 200, 2).names)
    clips = MocapSource(folder, body, MocapConfig(split="val")).clips()
    assert not any(name.startswith(EVERYDAY) for clip in clips for name in clip.names)
