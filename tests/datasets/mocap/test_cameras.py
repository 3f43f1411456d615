"""Cameras frame people as people are framed: whole, upright, from above the floor."""

import math

import pytest
import torch

from anthropose.datasets.mocap.cameras import REACH, TALL, Cameras, views_of
from anthropose.datasets.mocap.draws import Draws
from anthropose.geometry.cameras import project

ROWS = 2000


def walks(rows: int = ROWS, frames: int = 16) -> torch.Tensor:
    """Pelvises that go some metres, each in its own direction."""
    generator = torch.Generator().manual_seed(0)
    start, way = torch.randn(rows, 1, 3, generator=generator), torch.randn(rows, 1, 3, generator=generator)
    level = torch.tensor([1.0, 0.0, 1.0])
    return start * level + way * level * torch.linspace(-0.5, 0.5, frames)[:, None] + torch.tensor([0.0, 0.9, 0.0])


def views(cameras: Cameras, root: torch.Tensor):
    return views_of(root, Draws((1, 1, 1), torch.arange(len(root))), cameras)


def seen(found, points: torch.Tensor) -> torch.Tensor:
    frames = points.shape[1]
    in_camera = found.to_camera(points)
    center = found.size[:, None].expand(-1, frames, 2) / 2
    return project(in_camera[:, :, None], found.focal[:, None].expand(-1, frames), center)[:, :, 0]


def test_rotations_are_proper() -> None:
    turns = views(Cameras(), walks()).camera_from_world
    torch.testing.assert_close(turns @ turns.transpose(1, 2), torch.eye(3).expand(ROWS, 3, 3), atol=1e-5, rtol=0)
    assert torch.linalg.det(turns).min() > 0.99


def test_without_roll_the_vertical_is_vertical_in_the_middle_of_the_picture() -> None:
    found = views(Cameras(roll=0.0), walks())
    up = found.camera_from_world[:, :, 1]
    assert up[:, 0].abs().max() < 1e-5
    assert up[:, 1].max() < 0, "up in the world is up in the picture"


def test_people_are_whole_in_the_picture_unless_the_camera_is_close() -> None:
    root = walks()
    found = views(Cameras(close=0.0, roll=0.0, tilted=0.0, height=(0.9, 0.0), tall=(0.25, 0.8)), root)
    for side in (-REACH, REACH):
        right = found.camera_from_world[:, None, 0] * side
        inside = (seen(found, root + right) > 0) & (seen(found, root + right) < found.size[:, None])
        assert inside[..., 0].float().mean() > 0.99
    for height in (-0.9, 0.85):
        points = seen(found, root + torch.tensor([0.0, height, 0.0]))
        assert ((points > 0) & (points < found.size[:, None])).all(-1).float().mean() > 0.97


def test_close_cameras_cut_people_off() -> None:
    root = walks()
    found = views(Cameras(close=1.0), root)
    feet = seen(found, root - torch.tensor([0.0, 0.9, 0.0]))
    assert ((feet < 0) | (feet > found.size[:, None])).any(-1).float().mean() > 0.3


def test_people_stand_upright_in_the_picture() -> None:
    root = walks()
    found = views(Cameras(), root)
    head, feet = (seen(found, root + torch.tensor([0.0, height, 0.0])) for height in (0.8, -0.9))
    assert (head[..., 1] < feet[..., 1]).float().mean() > 0.999
    lean = (head - feet)[..., 0].abs() / (feet - head)[..., 1]
    assert lean.median() < 0.1


def test_people_are_as_tall_as_was_asked_for() -> None:
    """In a picture that they stand still before, from a camera at their height, in the middle."""
    root = walks()[:, :1]
    cameras = Cameras(
        close=0.0, tall=(0.5, 0.5), height=(0.9, 0.0), tilted=0.0, roll=0.0, off_centre=0.0, sizes=((1920, 1080),)
    )
    found = views(cameras, root)
    up = torch.tensor([0.0, TALL / 2, 0.0])
    tall = (seen(found, root - up) - seen(found, root + up))[..., 1] / found.size[:, None, 1]
    assert float(tall.median()) == pytest.approx(0.5, rel=0.02)


def test_cameras_stand_over_the_floor_and_not_too_near() -> None:
    root = walks()
    cameras = Cameras()
    found = views(cameras, root)
    assert found.position[:, 1].min() >= cameras.lowest - 1e-6
    away = (root - found.position[:, None]).norm(dim=-1).amin(1)
    assert (away > cameras.nearest - 0.35).float().mean() > 0.999
    assert found.to_camera(root)[..., 2].min() > 0.5


def test_the_person_is_seen_from_all_around_and_anywhere_in_the_picture() -> None:
    root = walks()
    found = views(Cameras(), root)
    target = (root.amax(1) + root.amin(1)) / 2
    away = found.position - target
    around = torch.atan2(away[:, 0], away[:, 2])
    quarters = torch.histc(around, 4, -math.pi, math.pi) / ROWS
    assert (quarters - 0.25).abs().max() < 0.04
    place = seen(found, target[:, None])[:, 0] / found.size
    assert place.amin(0).max() < 0.25
    assert place.amax(0).min() > 0.75


def test_focal_lengths_are_within_their_range() -> None:
    found = views(Cameras(focal=(0.7, 1.2)), walks())
    ratio = found.focal / found.size.norm(dim=-1)
    assert ratio.min() >= 0.7 - 1e-5
    assert ratio.max() <= 1.2 + 1e-5
    assert ratio.log().std() > 0.1


def pitches(found) -> torch.Tensor:
    """How far cameras look up [degrees]."""
    return found.camera_from_world[:, 2, 1].asin().rad2deg()


def test_most_cameras_look_level_or_slightly_down_and_some_steeply() -> None:
    pitch = pitches(views(Cameras(), walks()))
    assert ((pitch > -15) & (pitch < 8)).float().mean() > 0.6
    assert -12 < float(pitch.median()) < 0
    assert 0.02 < (pitch < -30).float().mean() < 0.2
    assert 0.01 < (pitch > 10).float().mean() < 0.15


def test_cameras_that_people_hold_are_at_their_heights_whatever_the_distance() -> None:
    root = walks()
    found = views(Cameras(tilted=0.0, close=0.0), root)
    assert found.position[:, 1].max() <= 3.0 + 1e-4
    assert float(found.position[:, 1].median()) == pytest.approx(1.35, abs=0.05)
    far = (root - found.position[:, None]).norm(dim=-1).amin(1) > 6
    assert float(found.position[far, 1].std()) == pytest.approx(0.4, abs=0.06)


def test_roll_stays_within_its_limit() -> None:
    found = views(Cameras(roll=6.0), walks())
    right, down = found.camera_from_world[:, 0, 1], found.camera_from_world[:, 1, 1]
    roll = torch.atan2(right, -down).rad2deg()
    assert roll.abs().max() < 8.01
    assert roll.std() > 4
