"""Sequences of Human3.6M and HumanEva-I from archives."""

import numpy as np
import pytest
import torch

from anthropose.datasets.lifting import H36M, HUMANEVA, KeypointFile, projected_keypoints, sequences_of
from anthropose.datasets.lifting.cameras import h36m_views, humaneva_subjects, humaneva_views
from anthropose.errors import UserError
from anthropose.geometry.lens import to_pixels

RANDOM = np.random.default_rng(0)


def made_joints(*actions: str, frames: int = 4, joints: int = 32) -> dict[str, np.ndarray]:
    """People somewhere in the middle of the studio."""
    return {action: (0.3 * RANDOM.standard_normal((frames, joints, 3)) + [0, 0, 1]).astype("f4") for action in actions}


JOINTS = {"S9": made_joints("Walking", "Walking 1", "WalkDog"), "S11": made_joints("Directions 1")}
TRUTH = projected_keypoints(H36M, JOINTS)


def test_every_action_is_there_once_for_each_camera_in_the_files_order() -> None:
    found = sequences_of(H36M, JOINTS, TRUTH, ["S11", "S9"])
    assert [(one.subject, one.action, one.camera) for one in found[:5]] == [
        *(("S11", "Directions 1", camera) for camera in range(4)),
        ("S9", "Walking", 0),
    ]
    assert [one.kind for one in found[4::4]] == ["Walking", "Walking", "WalkDog"]


def test_actions_are_chosen_by_how_their_names_begin() -> None:
    found = sequences_of(H36M, JOINTS, TRUTH, ["S9", "S11"], ["WalkD", "Dir"])
    assert {one.action for one in found} == {"WalkDog", "Directions 1"}


def test_keypoints_are_where_the_lens_sees_the_joints() -> None:
    for one in sequences_of(H36M, JOINTS, TRUTH, ["S9"]):
        assert one.view.lens is not None
        placed = one.joints + one.trajectory[:, None]
        torch.testing.assert_close(one.keypoints, one.view.lens.project(placed), atol=1e-5, rtol=1e-5)
        assert (one.joints[:, 0] == 0).all()
        torch.testing.assert_close(
            one.view.to_world(placed), H36M.joints_of(JOINTS["S9"][one.action]), atol=1e-5, rtol=1e-5
        )


def test_keypoints_that_run_on_are_cut_and_missing_ones_are_refused() -> None:
    longer = {action: [np.concatenate([one, one]) for one in all_] for action, all_ in TRUTH.positions["S9"].items()}
    file = KeypointFile({"S9": longer}, TRUTH.left, TRUTH.right)
    plain = sequences_of(H36M, JOINTS, TRUTH, ["S9"])
    for one, other in zip(sequences_of(H36M, JOINTS, file, ["S9"]), plain, strict=True):
        assert torch.equal(one.keypoints, other.keypoints)
    shorter = {action: [one[:-1] for one in all_] for action, all_ in TRUTH.positions["S9"].items()}
    with pytest.raises(UserError, match="S9 Walking, camera 0: 3 keypoints for 4 frames"):
        sequences_of(H36M, JOINTS, KeypointFile({"S9": shorter}, (), ()), ["S9"])


def test_a_share_and_a_step_take_the_same_frames_of_keypoints_and_joints() -> None:
    plain = sequences_of(H36M, JOINTS, TRUTH, ["S9"])
    for one, whole in zip(sequences_of(H36M, JOINTS, TRUTH, ["S9"], step=3), plain, strict=True):
        assert torch.equal(one.keypoints, whole.keypoints[::3])
        assert torch.equal(one.trajectory, whole.trajectory[::3])
    for one, whole in zip(sequences_of(H36M, JOINTS, TRUTH, ["S9"], share=0.5), plain, strict=True):
        assert len(one.joints) == 2
        assert any(torch.equal(one.joints, whole.joints[start : start + 2]) for start in range(3))


def test_unknown_subjects_actions_and_joints_are_refused() -> None:
    with pytest.raises(UserError, match="subject S5 needs"):
        sequences_of(H36M, JOINTS, TRUTH, ["S5"])
    with pytest.raises(UserError, match="Walking: has keypoints but no joints"):
        sequences_of(H36M, {"S9": {}}, TRUTH, ["S9"])
    with pytest.raises(UserError, match="20 joints per frame; h36m-vp3d-17 has 17"):
        H36M.joints_of(np.zeros((2, 20, 3), np.float32))


def test_humaneva_has_fifteen_joints_three_cameras_and_no_lens() -> None:
    subject = "Validate/S2"
    joints = {subject: made_joints("Jog 1 chunk0", joints=15)}
    keypoints = KeypointFile({subject: {"Jog 1 chunk0": [np.zeros((4, 17, 2), np.float32)] * 3}}, (), ())
    found = sequences_of(HUMANEVA, joints, keypoints, [subject], ["Jog"])
    assert [one.camera for one in found] == [0, 1, 2]
    assert found[0].kind == "Jog"
    assert torch.equal(found[1].view.position, humaneva_views("S2")[1].position)
    with pytest.raises(UserError, match="no known lens"):
        projected_keypoints(HUMANEVA, joints)
    assert len(humaneva_subjects()) == 20
    assert not humaneva_views("Train/S4")
    assert not h36m_views("S2")


def test_the_cameras_of_human36m_stand_around_the_studio_and_look_at_its_middle() -> None:
    for subject in JOINTS:
        for view in h36m_views(subject):
            assert view.lens is not None
            middle = view.to_camera(torch.tensor([[0.0, 0.0, 1.0]]))
            assert 3 < middle[0, 2] < 7, "metres away"
            pixels = to_pixels(view.lens.project(middle), view.size)
            assert ((pixels > 300) & (pixels < 700)).all()
            torch.testing.assert_close(view.orientation.norm(), torch.tensor(1.0))
