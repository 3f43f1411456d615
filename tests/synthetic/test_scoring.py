"""Errors of recovered motions."""

import math
from dataclasses import replace

import pytest
import torch

from anthropose.motion import Motion
from anthropose.skeleton import COCO_17, SMPL_24, pick
from anthropose.synthetic import Scene, score
from anthropose.synthetic.scoring import SCORED


def part(motion: Motion, rows: slice) -> Motion:
    """Some frames of a motion."""
    track = replace(
        motion.track, frames=motion.track.frames[rows], boxes=motion.track.boxes[rows], keypoints=None, skeleton=None
    )
    return replace(
        motion,
        track=track,
        seconds=motion.seconds[rows],
        joints=motion.joints[rows],
        translation=motion.translation[rows],
        body=None,
    )


def test_the_truth_has_no_error(scene: Scene) -> None:
    result = score(scene.truth, scene.truth)
    assert (result.found, result.coverage) == (3, 1.0)
    assert max(result.mpjpe, result.pa_mpjpe, result.acceleration) < 0.01


def test_numbers_of_persons_and_places_in_the_world_do_not_matter(scene: Scene) -> None:
    moved = [replace(motion, translation=motion.translation + 1) for motion in reversed(scene.truth)]
    assert score(moved, scene.truth).mpjpe < 0.01


def test_scale_counts_for_mpjpe_and_not_for_pa_mpjpe(scene: Scene) -> None:
    larger = [replace(motion, joints=1.1 * motion.joints) for motion in scene.truth]
    result = score(larger, scene.truth)
    assert result.pa_mpjpe < 0.01
    assert 20 < result.mpjpe < 100


def test_one_joint_off_by_a_known_distance(scene: Scene) -> None:
    off = []
    for motion in scene.truth:
        joints = motion.joints.clone()
        joints[:, SMPL_24.index("left_knee")] += torch.tensor([0.0, 0.14, 0.0])
        off.append(replace(motion, joints=joints))
    assert score(off, scene.truth).mpjpe == pytest.approx(10, rel=1e-3)


def test_jitter_from_frame_to_frame_is_four_times_itself_in_acceleration(scene: Scene) -> None:
    shaking = []
    for motion in scene.truth:
        sign = 1 - 2 * (torch.arange(len(motion)) % 2).float()
        joints = motion.joints.clone()
        joints[:, 3:, 0] += 0.005 * sign[:, None]  # the hips stay
        shaking.append(replace(motion, joints=joints))
    assert score(shaking, scene.truth).acceleration == pytest.approx(20 * 12 / 14, rel=1e-3)


def test_a_person_who_was_missed_is_not_found_and_does_not_spoil_the_errors(scene: Scene) -> None:
    result = score(scene.truth[:1], scene.truth)
    assert result.found == 1
    assert result.coverage == pytest.approx(len(scene.truth[0]) / sum(map(len, scene.truth)))
    assert result.mpjpe < 0.01


def test_a_person_in_pieces_is_one_person(scene: Scene) -> None:
    true = scene.truth[0]
    pieces = [part(true, slice(0, 100)), part(true, slice(80, 200)), part(true, slice(210, None))]
    result = score(pieces, [true])
    assert result.found == 1
    assert result.coverage == pytest.approx((len(true) - 10) / len(true))


def test_a_motion_that_is_nobody_is_left_out(scene: Scene) -> None:
    ghost = replace(scene.truth[0].track, boxes=torch.tensor([0.0, 0.0, 5.0, 5.0]).expand(len(scene.truth[0]), 4))
    far = replace(scene.truth[0], track=ghost, joints=5 * scene.truth[0].joints)
    assert score([*scene.truth, far], scene.truth).mpjpe < 0.01


def test_nobody_found_gives_no_numbers(scene: Scene) -> None:
    result = score([], scene.truth)
    assert (result.found, result.coverage) == (0, 0.0)
    assert math.isnan(result.mpjpe)
    assert math.isnan(result.acceleration)


def test_fourteen_joints_are_compared() -> None:
    assert len(SCORED) == 14
    assert set(SCORED) <= set(SMPL_24.joints)


def test_only_joints_that_both_skeletons_have_are_compared(scene: Scene) -> None:
    true = scene.truth[2]
    joints, valid = pick(true.joints, SMPL_24, COCO_17)
    other = replace(true, skeleton=COCO_17, joints=joints - joints[:, :1], body=None)
    limbs = [name for name in SCORED if name in COCO_17.joints]
    assert len(limbs) == 12
    assert valid[COCO_17.index("left_hip")]
    assert score([other], [true]).mpjpe < 0.01
