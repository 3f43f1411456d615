"""People who walk, wave and squat, in the world."""

import numpy as np
import pytest
import torch

from anthropose.geometry.rotations import rotation_angle, rotmat_to_rotvec
from anthropose.skeleton import PICKED_21, SMPL_24
from anthropose.synthetic import Scene
from anthropose.synthetic.gait import Leg
from anthropose.synthetic.parts import PERIOD, parts
from anthropose.synthetic.performance import Performance, perform
from anthropose.synthetic.turns import about_x, about_y, about_z, frame

INDEX = {name: joint for joint, name in enumerate(SMPL_24.joints)}


def joints(scene: Scene, performance: Performance) -> torch.Tensor:
    start = performance.pelvis - scene.body.shaped(performance.betas).joints[0]
    return scene.body.points(SMPL_24)(performance.betas.expand(len(performance), 10), performance.rotations, start)


def surface(scene: Scene, performance: Performance, names: tuple[str, ...]) -> torch.Tensor:
    """Vertices that follow some joints more than all others, in all frames."""
    chosen = torch.isin(scene.body.skinning.argmax(1), torch.tensor([INDEX[name] for name in names]))
    parts = [performance.posed(scene.body, at, at + 40).vertices[:, chosen] for at in range(0, len(performance), 40)]
    return torch.cat(parts)


@pytest.mark.parametrize("person", [0, 1, 2])
@pytest.mark.parametrize("side", ["left", "right"])
def test_feet_on_the_floor_do_not_slide_nor_sink(scene: Scene, person: int, side: str) -> None:
    feet = surface(scene, scene.performances[person], (f"{side}_ankle", f"{side}_foot"))
    assert feet[..., 1].min() > -0.003
    moved = feet.diff(dim=0)[..., [0, 2]].norm(dim=-1)
    touching = (feet[:-1, :, 1] < 0.003) & (feet[1:, :, 1] < 0.003)
    assert touching.any(1).float().mean() > 0.5
    assert moved[touching].quantile(0.99) < 0.003
    assert moved[touching].max() < 0.015  # in the frame in which the toes leave the floor


@pytest.mark.parametrize("person", [0, 1, 2])
def test_somebody_always_stands_on_a_foot(scene: Scene, person: int) -> None:
    names = ("left_ankle", "left_foot", "right_ankle", "right_foot")
    lowest = surface(scene, scene.performances[person], names)[..., 1].amin(1)
    assert lowest.abs().max() < 0.003


@pytest.mark.parametrize("person", [0, 1, 2])
def test_knees_bend_backwards_only_and_elbows_forwards_only(scene: Scene, person: int) -> None:
    rotations = scene.performances[person].rotations
    for name, axis, sign in (
        ("left_knee", 0, 1), ("right_knee", 0, 1), ("left_elbow", 1, -1), ("right_elbow", 1, 1)
    ):  # fmt: skip
        turn = sign * rotmat_to_rotvec(rotations[:, INDEX[name]])[:, axis]
        assert turn.min() >= 0
        assert turn.max() < np.radians(160)


@pytest.mark.parametrize("person", [0, 1, 2])
def test_nothing_jumps(scene: Scene, person: int) -> None:
    performance = scene.performances[person]
    angle = rotation_angle(performance.rotations[1:], performance.rotations[:-1])
    assert angle.max() < np.radians(25)
    moved = joints(scene, performance).diff(n=2, dim=0).norm(dim=-1)
    assert moved.max() < 0.1  # metres per frame squared: 90 m/s^2, a foot that comes down


def test_the_left_arm_swings_with_the_right_leg(scene: Scene) -> None:
    performance = scene.performances[2]
    local = torch.einsum(
        "nij,nkj->nki", performance.rotations[:, 0].mT, joints(scene, performance) - performance.pelvis[:, None]
    )
    hand, foot, other = (local[:, INDEX[name], 2] for name in ("left_wrist", "right_ankle", "left_ankle"))
    assert torch.corrcoef(torch.stack([hand, foot]))[0, 1] > 0.7
    assert torch.corrcoef(torch.stack([hand, other]))[0, 1] < -0.7


def test_the_first_waves_with_the_right_hand_above_the_head_and_the_second_squats(scene: Scene) -> None:
    waving, squatting = (joints(scene, performance) for performance in scene.performances[:2])
    hand, head = waving[:, INDEX["right_wrist"], 1], waving[:, INDEX["head"], 1]
    up = (hand > head).nonzero()[:, 0] / 30
    assert 2.0 <= up.min() < up.max() <= 4.0
    assert (waving[:, INDEX["left_wrist"], 1] < head).all()
    height = squatting[:, 0, 1]
    assert height.min() < 0.65 * height.max()


def test_everything_repeats_after_a_period(scene: Scene) -> None:
    part, betas = parts(0)[1], torch.zeros(10)
    long = perform(part, scene.body, betas, 2 * PERIOD, 10.0)
    rounds = round(10 * PERIOD)
    inner = slice(5, rounds - 5)  # the ends are smoothed differently
    assert torch.allclose(long.pelvis[:rounds][inner], long.pelvis[rounds:][inner], atol=2e-3)
    assert rotation_angle(long.rotations[:rounds][inner], long.rotations[rounds:][inner]).max() < 0.02


def test_the_frame_rate_does_not_change_the_motion(scene: Scene) -> None:
    slow, fast = (perform(parts(0)[0], scene.body, torch.zeros(10), 4.0, fps) for fps in (30.0, 60.0))
    assert (slow.pelvis - fast.pelvis[::2]).norm(dim=-1).max() < 0.015
    assert rotation_angle(slow.rotations, fast.rotations[::2]).max() < np.radians(6)


def test_a_leg_is_measured_from_the_body_at_rest(scene: Scene) -> None:
    shaped = scene.body.shaped(torch.zeros(10))
    rest, tree = shaped.vertices.double().numpy(), shaped.joints.double().numpy()
    leg = Leg.of(scene.body, rest, tree, "left")
    assert np.allclose(leg.hip + leg.thigh + leg.shank + tree[0], tree[INDEX["left_ankle"]])
    assert leg.heel[1] == pytest.approx(rest[:, 1].min() - tree[INDEX["left_ankle"], 1])
    assert rest[scene.body.picked[PICKED_21.split().index("left_heel")], 1] < rest[:, 1].min() + 0.03


def test_turns_are_rotations_about_their_axes() -> None:
    angles = np.linspace(-4, 4, 9)
    for axis, turn in enumerate((about_x, about_y, about_z)):
        expected = torch.linalg.matrix_exp(
            torch.tensor(np.array([np.cross(np.eye(3), a * np.eye(3)[axis]) for a in angles]))
        )
        assert np.allclose(turn(angles), expected, atol=1e-9)


def test_a_frame_has_the_given_direction_first_and_is_a_rotation() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 20, 3))
    axes = frame(first, second)
    assert np.allclose(axes.swapaxes(-1, -2) @ axes, np.eye(3), atol=1e-9)
    assert np.allclose(np.linalg.det(axes), 1)
    assert np.allclose(np.cross(axes[..., 0], first), 0, atol=1e-9)
    assert ((axes[..., 1] * second).sum(-1) > 0).all()
