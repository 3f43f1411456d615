"""The report's figures, on motions whose figures are known."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.export.measures import measure
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.motion import Motion
from anthropose.skeleton import H36M_17, SMPL_24
from tests.export.made_up import motion, stick_body


@pytest.fixture
def body() -> BodyModel:
    return stick_body()


def standing(n: int, **turns: tuple[float, float, float]) -> Tensor:
    """Rotations of someone who stands upright before the camera, some joints turned [rad]."""
    vectors = torch.zeros(n, 24, 3)
    for joint, turn in turns.items():
        vectors[:, SMPL_24.index(joint)] = torch.tensor(turn)
    rotations = rotvec_to_rotmat(vectors)
    rotations[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    return rotations


def statue(body: BodyModel, seconds: Tensor, velocity: tuple[float, float, float] = (0, 0, 0), **turns) -> Motion:
    return motion(body, seconds, rotations=standing(len(seconds), **turns), velocity=velocity)


def known(values: Tensor) -> Tensor:
    return values[values.isfinite()]


@pytest.mark.parametrize("fps", [25.0, 60.0])
def test_a_statue_carried_along_has_its_speed_slide_and_distance_and_no_jitter(body: BodyModel, fps: float) -> None:
    one = statue(body, torch.arange(90) / fps, velocity=(0.6, 0.0, -0.8))
    measured = measure(one, body, floor=-1.0)
    assert known(measured.speed) == pytest.approx(torch.ones(90), abs=1e-3)
    assert known(measured.foot_slide) == pytest.approx(torch.ones(90), abs=1e-3)
    assert measured.distance == pytest.approx(89 / fps, rel=1e-3)
    assert known(measured.jitter).max() < 1e-2


def test_rising_is_no_way_along_the_floor(body: BodyModel) -> None:
    measured = measure(statue(body, torch.arange(30) / 30, velocity=(0, -1, 0)), body, floor=-1.0)
    assert measured.distance == pytest.approx(0, abs=1e-4)
    assert not measured.foot_slide.isfinite().any()


def test_heights_are_over_the_floor(body: BodyModel) -> None:
    measured = measure(statue(body, torch.arange(5) / 30), body, floor=-1.05)
    rest = body.shaped(torch.zeros(10)).joints
    assert measured.heights["pelvis"] == pytest.approx(torch.full((5,), -0.1 + 1.05), abs=1e-5)
    over_pelvis = float(rest[SMPL_24.index("head"), 1] - rest[0, 1])
    assert measured.heights["head"] == pytest.approx(torch.full((5,), -0.1 + 1.05 + over_pelvis), abs=1e-5)


def test_bends_are_the_angles_that_the_joints_were_turned_by(body: BodyModel) -> None:
    straight = measure(statue(body, torch.arange(2) / 30), body, 0.0).angles
    bent = measure(
        statue(body, torch.arange(2) / 30, left_knee=(1.0, 0, 0), right_hip=(-1.2, 0, 0), left_elbow=(0, -0.5, 0)),
        body,
        0.0,
    ).angles
    assert set(bent) == {f"{side}_{part}" for side in ("left", "right") for part in ("knee", "hip", "elbow")}
    assert all(float(values.max()) < 15 for values in straight.values())
    assert float(bent["left_knee"][0]) == pytest.approx(57.3, abs=6)
    assert float(bent["right_hip"][0]) == pytest.approx(68.8, abs=6)
    assert float(bent["left_elbow"][0]) == pytest.approx(28.6, abs=6)
    assert torch.equal(bent["right_elbow"], straight["right_elbow"])


def test_jitter_is_the_acceleration_of_the_joints(body: BodyModel) -> None:
    seconds = torch.arange(40, dtype=torch.float64) / 50
    one = statue(body, seconds)
    shake = 0.01 * torch.tensor([1.0, -1.0]).repeat(20)
    joints = one.joints.clone()
    joints[:, 1:, 0] += shake[:, None]
    measured = measure(replace(one, joints=joints), body, 0.0)
    # Second differences of a +-1 cm zigzag are 4 cm per frame^2, in all joints but the root.
    assert known(measured.jitter) == pytest.approx(torch.full((38,), 0.04 * 50**2 * 23 / 24), rel=1e-3)


def test_nothing_is_measured_across_a_gap(body: BodyModel) -> None:
    seconds = torch.cat([torch.arange(20), torch.arange(50, 70)]) / 30
    one = statue(body, seconds, velocity=(0.5, 0, 0))
    jump = one.translation.clone()
    jump[20:, 0] += 7
    measured = measure(replace(one, translation=jump), body, -1.0)
    assert measured.distance == pytest.approx(2 * 0.5 * 19 / 30, rel=1e-3)
    assert known(measured.speed).max() < 0.51
    assert measured.jitter[[0, 19, 20, 39]].isnan().all()
    assert measured.jitter[[1, 18, 21, 38]].isfinite().all()


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_frames_for_a_figure_give_no_figure(body: BodyModel, n: int) -> None:
    measured = measure(statue(body, torch.arange(n) / 30), body, -1.0)
    assert not measured.jitter.isfinite().any()
    assert measured.distance == pytest.approx(0)
    assert measured.heights["head"].isfinite().all()


def test_the_body_height_is_that_of_the_shape_at_rest(body: BodyModel) -> None:
    tall = motion(body, betas=torch.tensor([2.0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
    rest = body.template[:, 1]
    expected = 1.08 * float(rest.max() - rest.min())
    assert measure(tall, body, 0.0).stature == pytest.approx(expected, rel=1e-4)


def test_joints_without_a_body_are_measured_by_their_names(body: BodyModel) -> None:
    rest = body.shaped(torch.zeros(10)).joints
    names = [
        SMPL_24.index(n.replace("hip", "pelvis") if n == "hip" else n) if n in SMPL_24.joints else 0
        for n in H36M_17.joints
    ]
    joints = (rest[names] - rest[:1]) * torch.tensor([1.0, -1.0, -1.0])
    one = statue(body, torch.arange(10) / 30, velocity=(1, 0, 0))
    one = replace(one, skeleton=H36M_17, joints=joints.expand(10, 17, 3).clone(), body=None, body_model="")
    measured = measure(one, body, -1.0)
    assert measured.stature is None
    assert {"left_knee", "right_elbow"} <= set(measured.angles)
    assert known(measured.speed) == pytest.approx(torch.ones(10), abs=1e-3)


def test_the_root_may_lie_anywhere_and_a_track_may_lack_keypoints(body: BodyModel) -> None:
    one = motion(body, with_keypoints=False)
    assert measure(one, body, 0.0).confidence is None
    mean = measure(motion(body), body, 0.0).confidence
    assert mean is not None
    assert ((mean > 0) & (mean < 1)).all()
