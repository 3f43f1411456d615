"""From a clip's keypoints to the network's, and where the joints are placed."""

from dataclasses import replace

import pytest
import torch

from anthropose.errors import UserError
from anthropose.geometry.cameras import project
from anthropose.methods.rie.clip import place, timeline_of
from anthropose.motion import Camera, Track
from anthropose.people.clip import Clip
from anthropose.skeleton import (
    BODY_25,
    COCO_17,
    H36M_17,
    H36M_VP3D_17,
    HALPE_26,
    LSP_14,
    MEDIAPIPE_33,
    MPII_16,
    Skeleton,
    coco_to_h36m,
    pick,
)

CAMERA = Camera.guess(640, 480)


def clip_of(keypoints: torch.Tensor, skeleton: Skeleton, frames: list[int] | None = None, fps: float = 25.0) -> Clip:
    """A clip of keypoints with confidence 0.9 where none is given."""
    if keypoints.shape[-1] == 2:
        keypoints = torch.cat([keypoints, torch.full((*keypoints.shape[:-1], 1), 0.9)], dim=-1)
    numbers = torch.tensor(frames if frames is not None else range(len(keypoints)))
    boxes = torch.cat([keypoints[..., :2].amin(1), keypoints[..., :2].amax(1)], dim=1)
    return Clip(Track(0, numbers, boxes, keypoints, skeleton), fps, numbers.double() / fps, CAMERA)


def moving(skeleton: Skeleton, frames: int = 6) -> torch.Tensor:
    """Keypoints that walk to the right at a steady pace."""
    points = 100 + 200 * torch.rand(1, len(skeleton), 2, generator=torch.Generator().manual_seed(0))
    return points + torch.arange(frames)[:, None, None] * torch.tensor([4.0, 0.0])


@pytest.mark.parametrize("skeleton", [COCO_17, HALPE_26, MEDIAPIPE_33, BODY_25], ids=lambda s: s.name)
def test_sets_that_hold_cocos_names_are_converted_by_the_rule(skeleton: Skeleton) -> None:
    points = moving(skeleton)
    timeline = timeline_of(clip_of(points, skeleton), slice(0, 6))
    expected = coco_to_h36m(pick(points, skeleton, COCO_17)[0])
    torch.testing.assert_close(timeline.pixels, expected, atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize("skeleton", [H36M_17, H36M_VP3D_17], ids=lambda s: s.name)
def test_sets_of_human36m_are_taken_as_they_are(skeleton: Skeleton) -> None:
    points = moving(skeleton)
    timeline = timeline_of(clip_of(points, skeleton), slice(0, 6))
    torch.testing.assert_close(timeline.pixels, pick(points, skeleton, H36M_VP3D_17)[0], atol=1e-3, rtol=1e-5)


def test_mpii_keeps_its_limbs() -> None:
    points = moving(MPII_16)
    pixels = timeline_of(clip_of(points, MPII_16), slice(0, 6)).pixels
    torch.testing.assert_close(pixels[:, 3], points[:, 0], atol=1e-3, rtol=1e-5)


def test_a_set_without_a_face_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="lsp-14 lacks nose, left_eye"):
        timeline_of(clip_of(moving(LSP_14), LSP_14), slice(0, 6))


def test_frames_without_the_person_are_filled_in() -> None:
    points = moving(H36M_VP3D_17, 9)
    rows = [0, 1, 4, 5, 8]
    timeline = timeline_of(clip_of(points[rows], H36M_VP3D_17, rows), slice(0, 5))
    torch.testing.assert_close(timeline.pixels, points, atol=1e-3, rtol=1e-5)
    torch.testing.assert_close(timeline.seconds, torch.arange(9).double() / 25)


def test_a_part_of_a_track_starts_at_its_own_first_frame() -> None:
    points = moving(H36M_VP3D_17, 8)
    timeline = timeline_of(clip_of(points, H36M_VP3D_17), slice(3, 8))
    torch.testing.assert_close(timeline.pixels, points[3:], atol=1e-3, rtol=1e-5)


def test_another_rate_shows_the_same_motion_at_other_moments() -> None:
    points = moving(H36M_VP3D_17, 6)
    timeline = timeline_of(clip_of(points, H36M_VP3D_17), slice(0, 6), rate=50.0)
    torch.testing.assert_close(timeline.pixels[:11:2], points, atol=1e-3, rtol=1e-5)
    torch.testing.assert_close(timeline.pixels[1], (points[0] + points[1]) / 2, atol=1e-3, rtol=1e-5)
    assert timeline.seconds[-1] >= 0.2


def test_a_keypoint_unseen_for_a_moment_is_bridged_and_one_unseen_for_long_is_believed() -> None:
    points = moving(H36M_VP3D_17, 40)
    confident = torch.full((40, 17), 0.9)
    wrong = points.clone()
    wrong[5:8, 16], confident[5:8, 16] = 0.0, 0.1
    wrong[10:30, 13], confident[10:30, 13] = points[10:30, 13] + 5, 0.1
    clip = clip_of(torch.cat([wrong, confident[..., None]], -1), H36M_VP3D_17)
    boxes = torch.cat([points.amin(1), points.amax(1)], dim=1)
    clip = replace(clip, track=replace(clip.track, boxes=boxes))
    pixels = timeline_of(clip, slice(0, 40)).pixels
    torch.testing.assert_close(pixels[:, 16], points[:, 16], atol=1e-3, rtol=1e-5)
    torch.testing.assert_close(pixels[15:25, 13], points[15:25, 13] + 5, atol=1e-3, rtol=1e-5)


def test_a_keypoint_that_was_never_seen_moves_along_with_the_box() -> None:
    keypoints = torch.cat([moving(COCO_17, 5), torch.full((5, 17, 1), 0.9)], dim=-1)
    keypoints[:, COCO_17.index("left_ear")] = torch.tensor([torch.nan, torch.nan, 0.0])
    keypoints[:, COCO_17.index("left_ankle")] = 0.0
    clip = clip_of(keypoints, COCO_17)
    boxes = torch.tensor([[100.0, 100.0, 300.0, 300.0]]) + torch.arange(5)[:, None] * torch.tensor([4.0, 0, 4, 0])
    pixels = timeline_of(replace(clip, track=replace(clip.track, boxes=boxes)), slice(0, 5)).pixels
    assert pixels.isfinite().all()
    ankle = pixels[:, H36M_VP3D_17.index("left_ankle")]
    assert ((ankle > 100) & (ankle < 320)).all()
    torch.testing.assert_close(ankle.diff(dim=0), torch.tensor([[4.0, 0.0]]).expand(4, 2), atol=1e-3, rtol=0)


def test_a_person_of_whom_nothing_is_seen_is_refused() -> None:
    with pytest.raises(UserError, match="no keypoint of the person is seen"):
        timeline_of(clip_of(torch.zeros(3, 17, 3), COCO_17), slice(0, 3))


def placed(frames: int = 12) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Joints, the root's true way, and where a camera sees them."""
    generator = torch.Generator().manual_seed(3)
    joints = 0.4 * torch.randn(1, 17, 3, generator=generator).expand(frames, 17, 3)
    joints = joints - joints[:, :1]
    way = torch.tensor([-0.5, 0.2, 4.0]) + torch.arange(frames)[:, None] * torch.tensor([0.05, 0.0, 0.1])
    center = torch.tensor(CAMERA.center).expand(frames, 2)
    return joints, way, project(joints + way[:, None], torch.full((frames,), CAMERA.focal), center)


def test_the_root_is_placed_so_that_the_joints_lie_on_the_keypoints() -> None:
    joints, way, pixels = placed()
    torch.testing.assert_close(place(joints, clip_of(pixels, H36M_VP3D_17)), way, atol=1e-3, rtol=1e-3)


def test_frames_that_tell_nothing_are_placed_between_the_others() -> None:
    joints, way, pixels = placed()
    confidence = torch.full((12, 17, 1), 0.9)
    confidence[4:7] = 0.0
    clip = clip_of(torch.cat([pixels, confidence], -1), H36M_VP3D_17)
    torch.testing.assert_close(place(joints, clip), way, atol=1e-3, rtol=1e-3)


def test_without_trusted_keypoints_the_box_tells_how_far_away_the_person_is() -> None:
    joints, way, pixels = placed()
    doubtful = torch.cat([pixels, torch.full((12, 17, 1), 0.1)], -1)
    found = place(joints, clip_of(doubtful, H36M_VP3D_17))
    torch.testing.assert_close(found[:, :2] / found[:, 2:], way[:, :2] / way[:, 2:], atol=0.1, rtol=0)
    assert ((found[:, 2] / way[:, 2] - 1).abs() < 0.5).all()


def test_joints_that_make_no_sense_are_still_placed_before_the_camera() -> None:
    _, _, pixels = placed()
    nonsense = torch.randn(12, 17, 3, generator=torch.Generator().manual_seed(1))
    found = place(nonsense - nonsense[:, :1], clip_of(pixels, H36M_VP3D_17))
    assert found.isfinite().all()
    assert (found[:, 2] > 0).all()
