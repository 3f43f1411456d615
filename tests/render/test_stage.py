"""Views of people on a floor."""

import numpy as np
import pytest
import torch

from anthropose.motion import Motion
from anthropose.render.scene import Seen
from anthropose.render.stage import FROM_ABOVE, FROM_SIDE, Look, Stage
from tests.render.people import standing
from tests.toy_body import toy_body

BODY = toy_body()


def view(*motions: Motion, look: Look = FROM_SIDE) -> Stage:
    return Stage.around(motions, (300, 400), look)


def pixels(side: Stage, points: torch.Tensor) -> np.ndarray:
    placed = side.place(points.double().numpy())
    assert (placed[..., 2] > 0).all()
    return placed[..., :2] / placed[..., 2:] * side.focal + np.array(side.center)


def test_everybody_stays_in_the_panel_for_the_whole_clip() -> None:
    motions = [standing(BODY, list(range(60)), (-1.0, 0.0, 3.0)), standing(BODY, [0, 59], (1.5, 0.1, 8.0), person=1)]
    side = view(*motions)
    for motion in motions:
        seen = pixels(side, motion.joints + motion.translation[:, None])
        assert (seen >= 0).all()
        assert (seen <= [300, 400]).all()


def test_away_from_the_camera_is_right_and_up_is_up() -> None:
    side = view(standing(BODY, [0]))
    start, away, up = pixels(side, torch.tensor([[0.0, 0, 4], [0, 0, 4.5], [0, -0.5, 4]]))
    assert away[0] > start[0] + 20
    assert abs(away[1] - start[1]) < 1
    assert up[1] < start[1] - 20
    assert abs(up[0] - start[0]) < 1


def test_distances_are_kept() -> None:
    side = view(standing(BODY, [0]))
    points = torch.rand(9, 3, generator=torch.Generator().manual_seed(0)).double().numpy()
    placed = side.place(points).astype(float)
    assert np.allclose(
        np.linalg.norm(np.diff(placed, axis=0), axis=1), np.linalg.norm(np.diff(points, axis=0), axis=1), atol=1e-5
    )
    assert np.linalg.det(side.rotation) == pytest.approx(1)


def test_a_tilted_camera_does_not_tilt_the_floor() -> None:
    motion = standing(BODY, [0, 1])
    angle = torch.tensor(0.3)
    tilt = torch.tensor([[1, 0, 0], [0, angle.cos(), -angle.sin()], [0, angle.sin(), angle.cos()]])
    tilted = Motion(
        **{
            **motion.__dict__,
            "joints": motion.joints @ tilt.T,
            "translation": motion.translation @ tilt.T,
            "body": None,
        }
    )
    ankles = [tilted.skeleton.index(name) for name in ("left_ankle", "right_ankle")]
    neck = tilted.skeleton.index("neck")
    seen = pixels(view(tilted), (tilted.joints + tilted.translation[:, None])[0])
    assert abs(seen[neck, 0] - seen[ankles, 0].mean()) < 4


def test_a_few_frames_gone_wrong_do_not_shrink_the_rest() -> None:
    motion = standing(BODY, list(range(100)))
    motion.translation[50] = torch.tensor([0.0, 0.0, 300.0])
    motion.translation[51] = float("nan")
    assert view(motion).focal == pytest.approx(view(standing(BODY, list(range(100)))).focal, rel=0.02)


def test_the_feet_stand_on_the_floor() -> None:
    motion = standing(BODY, [0])
    side = view(motion)
    lowest = float((motion.joints + motion.translation[:, None])[..., 1].max())
    # The origin lies on the floor, and y points down.
    assert 0 <= float(side.origin[1]) - lowest < 0.15


def test_from_above_away_from_the_camera_is_up_and_right_is_right() -> None:
    stage = view(standing(BODY, [0]), look=FROM_ABOVE)
    start, away, right, up = pixels(stage, torch.tensor([[0.0, 0, 4], [0, 0, 4.5], [0.5, 0, 4], [0, -0.5, 4]]))
    assert away[1] < start[1] - 20
    assert abs(away[0] - start[0]) < 1
    assert right[0] > start[0] + 20
    assert abs(right[1] - start[1]) < 1
    assert np.abs(up - start).max() < 20, "height shows only through the perspective"


def test_everybody_stays_in_the_view_from_above() -> None:
    motions = [
        standing(BODY, list(range(60)), (-1.0, 0.0, 3.0)),
        standing(BODY, list(range(60)), (1.5, 0.1, 8.0), person=1),
    ]
    stage = view(*motions, look=FROM_ABOVE)
    for motion in motions:
        seen = pixels(stage, motion.joints + motion.translation[:, None])
        assert (seen >= 0).all()
        assert (seen <= [300, 400]).all()


@pytest.mark.parametrize("turn", [0.0, 30.0, 90.0, 180.0, -45.0])
def test_a_view_turned_to_the_right_sees_the_point_on_its_right_nearer(turn: float) -> None:
    stage = view(standing(BODY, [0]), look=Look(turn, 0))
    around = [np.sin(np.radians(turn)), 0.0, 4.0 - np.cos(np.radians(turn))]
    there = stage.place(np.array([[0.0, 0.0, 4.0], around]))
    assert there[0, 2] - there[1, 2] == pytest.approx(1, abs=1e-4)
    assert np.linalg.det(stage.rotation) == pytest.approx(1)


def test_a_view_that_follows_keeps_the_person_in_the_middle_and_moves_the_floor() -> None:
    motion = standing(BODY, list(range(100)), with_body=False)
    motion.translation[:, 2] += torch.linspace(0, 3, 100)
    stage = view(motion, look=Look(0, 15, follows=True))
    pictures = []
    for row in (0, 90):
        joints = (motion.joints[row] + motion.translation[row]).numpy()
        pictures.append(stage.draw([Seen(0, joints, motion.skeleton, None)], None).astype(int))
    dark = [np.argwhere(picture.min(-1) < 100).mean(0) for picture in pictures]
    assert np.abs(dark[0] - dark[1]).max() < 2
    floor = [
        stage.paper(stage._origin_at((motion.joints + motion.translation[:, None])[row, 0].numpy())) for row in (0, 90)
    ]
    assert (np.abs(floor[0].astype(int) - floor[1]).max(-1) > 8).mean() > 0.005
