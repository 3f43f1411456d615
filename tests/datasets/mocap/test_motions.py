"""Windows out of motions, and how they are varied."""

import math
from pathlib import Path

import pytest
import torch

from anthropose.body.model import BodyModel
from anthropose.datasets.mocap.captures import Library, read_captures
from anthropose.datasets.mocap.draws import Draws
from anthropose.datasets.mocap.motions import (
    LEGS,
    NO_VARIATIONS,
    Performance,
    Variations,
    perform,
    shares_of,
    window,
)
from anthropose.geometry.rotations import quat_to_rotmat, rotation_angle
from anthropose.skeleton import SMPL_24
from tests.datasets.mocap.folders import write_folder


@pytest.fixture(scope="module")
def library(folder: Path, body: BodyModel) -> Library:
    return Library.of(read_captures(folder, "train", body))


def cut(library: Library, motion: int, place: float, step: float, frames: int, edges: str = "inside"):
    return window(library, torch.tensor([motion]), torch.tensor([place]), torch.tensor([step]), frames, edges)


def performed(library: Library, variations: Variations, frames: int = 8, rows: int = 64) -> Performance:
    shares = shares_of(library.captures, {})
    return perform(library, shares, Draws((3, 0, 0), torch.arange(rows)), frames, 30.0, variations, "inside")


def test_at_the_recorded_rate_a_window_is_what_was_recorded(library: Library) -> None:
    found = cut(library, 1, 0.0, 1 / 30, 40)
    torch.testing.assert_close(found.rotations[0], library.captures[1].rotations)
    torch.testing.assert_close(found.root[0], library.captures[1].root)
    assert found.within.all()
    last = cut(library, 1, 1.0, 1 / 30, 10)
    torch.testing.assert_close(last.root[0], library.captures[1].root[-10:], atol=1e-5, rtol=0)


def test_another_speed_takes_frames_further_apart_or_in_between(library: Library) -> None:
    root = library.captures[0].root
    torch.testing.assert_close(cut(library, 0, 0.0, 2 / 30, 20).root[0], root[:40:2], atol=1e-5, rtol=0)
    half = cut(library, 0, 0.0, 0.5 / 30, 21)
    torch.testing.assert_close(half.root[0, 1::2], (root[:10] + root[1:11]) / 2, atol=1e-5, rtol=0)
    between = quat_to_rotmat(half.rotations[0, 1::2])
    before, after = (quat_to_rotmat(library.captures[0].rotations[rows]) for rows in (slice(0, 10), slice(1, 11)))
    apart = rotation_angle(before, after)
    assert (rotation_angle(before, between) - apart / 2).abs().max() < 2e-3


def test_a_motion_shorter_than_the_window_is_held_at_its_ends(library: Library) -> None:
    found = cut(library, 2, 0.5, 1 / 30, 20)
    root = library.captures[2].root
    assert found.within[0].tolist() == [False] * 4 + [True] * 12 + [False] * 4
    torch.testing.assert_close(found.root[0, :4], root[:1].expand(4, 3))
    torch.testing.assert_close(found.root[0, 4:16], root, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.root[0, 16:], root[-1:].expand(4, 3))


def test_held_windows_lie_around_any_frame(library: Library) -> None:
    for place, frame in ((0.0, 0), (0.5, 44.5), (1.0, 89)):
        found = cut(library, 0, place, 1 / 30, 9, "held")
        root = library.captures[0].root
        wanted = (root[int(frame)] + root[int(frame + 0.5)]) / 2
        torch.testing.assert_close(found.root[0, 4], wanted, atol=1e-5, rtol=0)
    assert cut(library, 0, 1.0, 1 / 30, 9, "held").within[0].tolist() == [True] * 5 + [False] * 4


def test_windows_never_leave_their_motion(library: Library) -> None:
    """Also at the fastest, and for the first and the last motion of the library."""
    rows = performed(library, Variations(speed=(1.4, 1.4)), frames=16, rows=500)
    longest = rows.captures == 0
    assert rows.within[longest].all()
    assert rows.root.isfinite().all()
    assert (rows.root[:, 1:] - rows.root[:, :-1]).norm(dim=-1).max() < 0.2, "no window jumps to another motion"


def test_motions_are_drawn_by_their_length_and_the_weight_of_their_folder(library: Library) -> None:
    shares = shares_of(library.captures, {})
    assert shares.diff(prepend=torch.zeros(1)).tolist() == pytest.approx([90 / 142, 40 / 142, 12 / 142])
    weighed = shares_of([*library.captures, *library.captures[:1]], {"made": 0.5, "other": 2.0})
    assert weighed[-1] == 1
    assert weighed.diff(prepend=torch.zeros(1)).tolist() == pytest.approx([90 / 232, 40 / 232, 12 / 232, 90 / 232])


def test_a_mirrored_motion_is_the_mirror_image(library: Library, body: BodyModel) -> None:
    """The free body is its own mirror image, so its points must be too."""
    other = performed(library, Variations(mirrored=1.0, bent=0.0, bent_ends=0.0, wandering=0.0))
    plain = performed(library, Variations(mirrored=0.0, bent=0.0, bent_ends=0.0, wandering=0.0))
    points = body.points(SMPL_24)
    betas = torch.zeros(64, 1, 10)
    seen = points(betas, other.rotations)
    expected = points(betas, plain.rotations)[:, :, list(SMPL_24.mirror)] * torch.tensor([-1.0, 1.0, 1.0])
    assert (seen - expected).abs().max() < 2e-3
    torch.testing.assert_close(other.root, plain.root * torch.tensor([-1.0, 1.0, 1.0]))


def test_recombined_windows_keep_root_and_legs(library: Library) -> None:
    plain = performed(library, NO_VARIATIONS)
    mixed = performed(library, Variations((1.0, 1.0), 0.0, 1.0, 0.0, 0.0, wandering=0.0))
    above = [joint for joint in range(24) if joint not in LEGS]
    torch.testing.assert_close(mixed.rotations[:, :, list(LEGS)], plain.rotations[:, :, list(LEGS)])
    torch.testing.assert_close(mixed.root, plain.root)
    changed = (mixed.rotations[:, :, above] - plain.rotations[:, :, above]).abs().amax((1, 2, 3, 4)) > 0.01
    assert changed.float().mean() > 0.9
    assert {SMPL_24.joints[joint] for joint in LEGS} == {
        "pelvis", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_foot",
        "right_foot",
    }  # fmt: skip


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory, body: BodyModel) -> Library:
    """Somebody who hardly moves, far from where joints end."""
    folder = write_folder(tmp_path_factory.mktemp("calm") / "calm", {"train": [90]}, amount=0.02)
    return Library.of(read_captures(folder, "train", body))


def turns(library: Library, variations: Variations, frames: int = 8, rows: int = 400) -> torch.Tensor:
    """From recorded rotations to varied ones."""
    plain = performed(library, NO_VARIATIONS, frames, rows)
    return plain.rotations.transpose(-1, -2) @ performed(library, variations, frames, rows).rotations


def test_bends_are_constant_over_a_window_and_of_the_size_that_was_asked_for(calm: Library) -> None:
    off = turns(calm, Variations((1.0, 1.0), 0.0, 0.0, 0.05, 0.1, wandering=0.0))
    free = [SMPL_24.index(name) for name in ("left_shoulder", "right_wrist", "right_shoulder", "neck")]
    assert (off - off[:, :1])[:, :, free].abs().max() < 1e-4
    angles = rotation_angle(torch.eye(3).expand_as(off), off)[:, 0].square().mean(0).sqrt() / 3**0.5
    assert float(angles[SMPL_24.index("left_shoulder")]) == pytest.approx(0.05, rel=0.1)
    assert float(angles[SMPL_24.index("right_wrist")]) == pytest.approx(0.1, rel=0.1)
    assert float(angles[SMPL_24.index("pelvis")]) < 1e-3


def test_limbs_wander_slowly_in_the_share_of_windows_that_was_asked_for(calm: Library) -> None:
    shoulder = SMPL_24.index("right_shoulder")
    wander = (("shoulder", 0.1),)
    off = turns(calm, Variations((1.0, 1.0), 0.0, 0.0, 0.0, 0.0, wandering=0.6, wander=wander), frames=32)
    angles = rotation_angle(torch.eye(3).expand_as(off), off)
    others = [k for k, name in enumerate(SMPL_24.joints) if "shoulder" not in name]
    assert angles[:, :, others].max() < 1e-3, "only the joints that are named wander"
    moved = angles[:, :, shoulder].amax(1) > 1e-3
    assert float(moved.float().mean()) == pytest.approx(0.6, abs=0.08)
    assert float(angles[moved, :, shoulder].square().mean().sqrt()) == pytest.approx(0.1 * 1.5**0.5, rel=0.15)
    steps = rotation_angle(off[:, :-1, shoulder], off[:, 1:, shoulder])
    assert 0.003 < steps.amax(1)[moved].median() < 0.012, "moves, by less than 0.25 rad/s"


def test_knees_never_bend_forward_by_variation(calm: Library) -> None:
    """The straight knees of those who stand are where variations would do it in every second window."""
    knee = SMPL_24.index("left_knee")
    varied = performed(calm, Variations(bent=0.3, wander=(("knee", 0.3),)), rows=400).rotations[:, :, knee]
    recorded = quat_to_rotmat(calm.rotations[:, [knee, knee + 1]])
    forward = -torch.atan2(varied[..., 2, 1], varied[..., 2, 2])
    furthest = -torch.atan2(recorded[..., 2, 1], recorded[..., 2, 2]).amin()
    assert forward.max() < max(float(furthest), math.radians(3)) + 0.03
    assert forward.min() < -0.4, "but they bend backward"


def test_people_differ_in_shape_within_limits(library: Library) -> None:
    betas = performed(library, Variations(most_stature=1.5), rows=500).betas
    assert betas.abs().max() <= 1.5
    assert betas.std(0).min() > 0.7
    assert performed(library, Variations(stature=0.0)).betas.abs().max() == 0


def test_some_people_are_as_a_population_seldom_has_them(library: Library) -> None:
    usual = performed(library, Variations(unusual=0.0), rows=2000).betas
    unusual = performed(library, Variations(unusual=1.0), rows=2000).betas
    assert (usual[:, :2].abs() > 2).all(1).float().mean() < 0.01
    assert float((unusual[:, :2].abs() > 2).all(1).float().mean()) == pytest.approx(0.04, abs=0.015)
    torch.testing.assert_close(usual[:, 2:], unusual[:, 2:])
