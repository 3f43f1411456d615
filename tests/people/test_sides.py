from dataclasses import replace

import numpy as np
import pytest
import torch

from anthropose.motion import Track
from anthropose.people.sides import mend_sides
from anthropose.skeleton import COCO_17, Skeleton
from tests.people.actors import FIGURE

LOW = [i for i, name in enumerate(COCO_17.joints) if any(part in name for part in ("hip", "knee", "ankle"))]
HIGH = [i for i, name in enumerate(COCO_17.joints) if i not in LOW and COCO_17.mirror[i] != i]


def walker(frames: int = 120, turning: bool = False, noise: float = 1.0) -> Track:
    """Someone who swings arms and legs, seen from the front or turning round once, 200 px high."""
    time = torch.arange(frames) / 30
    points = torch.from_numpy(FIGURE * (80, 200)).float().expand(frames, 17, 2).clone()
    for name, sign in (("left", 1), ("right", -1)):
        swing = sign * torch.sin(2 * torch.pi * time)
        for joint, reach in (("ankle", 25.0), ("knee", 12.0), ("wrist", 20.0), ("elbow", 10.0)):
            points[:, COCO_17.index(f"{name}_{joint}"), 1] += reach * swing
    if turning:
        middle = points[..., 0].mean(dim=1, keepdim=True)
        points[..., 0] = middle + (points[..., 0] - middle) * torch.cos(2 * torch.pi * time / 4)[:, None]
    points[..., 0] += 300 + 40 * time[:, None]
    points += noise * torch.randn(points.shape, generator=torch.Generator().manual_seed(0))
    keypoints = torch.cat([points, torch.full((frames, 17, 1), 0.9)], dim=-1)
    boxes = torch.cat([points.amin(dim=1), points.amax(dim=1)], dim=-1)
    return Track(0, torch.arange(frames), boxes, keypoints, COCO_17, keypoints.clone())


def swap(track: Track, joints: list[int], frames: slice) -> Track:
    keypoints, world = track.keypoints, track.world
    assert keypoints is not None
    assert world is not None
    keypoints, world = keypoints.clone(), world.clone()
    mirror = [COCO_17.mirror[i] for i in joints]
    for points in (keypoints, world):
        points[frames] = points[frames].index_copy(1, torch.tensor(joints), points[frames][:, mirror])
    return replace(track, keypoints=keypoints, world=world)


@pytest.mark.parametrize("turning", [False, True])
def test_a_track_without_swaps_is_left_as_it_is(turning: bool) -> None:
    track = walker(turning=turning)
    assert track.keypoints is not None
    changed = (mend_sides(track).keypoints != track.keypoints).any(dim=(1, 2)).float().mean()
    assert changed <= (0.05 if turning else 0), "while someone turns, both sides lie on each other for a moment"


@pytest.mark.parametrize("joints", [LOW, HIGH, LOW + HIGH])
@pytest.mark.parametrize("length", [1, 2, 7, 20])
@pytest.mark.parametrize("start", [0, 50])
def test_swapped_frames_are_mended_in_both_keypoints_and_world(joints: list[int], length: int, start: int) -> None:
    track = walker()
    mended = mend_sides(swap(track, joints, slice(start, start + length)))
    assert torch.equal(mended.keypoints, track.keypoints)
    assert torch.equal(mended.world, track.world)


def test_many_swaps_in_one_track_are_all_mended() -> None:
    track = walker(300)
    swapped = track
    for start in np.arange(20, 280, 25):
        swapped = swap(swapped, LOW, slice(int(start), int(start) + 6))
    assert torch.equal(mend_sides(swapped).keypoints, track.keypoints)


def test_points_without_a_partner_never_move() -> None:
    mended = mend_sides(swap(walker(), LOW + HIGH, slice(30, 40)))
    assert torch.equal(mended.keypoints[:, 0], walker().keypoints[:, 0])


def test_short_tracks_boxes_and_skeletons_without_sides_pass_through() -> None:
    track = walker()
    short = Track(0, track.frames[:2], track.boxes[:2], track.keypoints[:2], COCO_17)
    assert mend_sides(short) is short
    boxes = Track(0, track.frames, track.boxes)
    assert mend_sides(boxes) is boxes
    spine = replace(
        track, keypoints=track.keypoints[:, :2], skeleton=Skeleton("spine", ("head", "tail"), (-1, 0)), world=None
    )
    assert torch.equal(mend_sides(spine).keypoints, spine.keypoints)
