from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.datasets.mocap import NO_NOISE, Capture, MocapConfig, MocapSource, read_captures
from anthropose.evaluate.mocap import action_of, frames_found, mean_motion, mean_pose, recorded_clips
from anthropose.evaluate.mocap_errors import (
    LIMBS_12,
    common_rows,
    detector_errors_of,
    errors_of,
    foot_slide,
    limb_errors_of,
    limbs_on,
    origin_of,
)
from anthropose.geometry.cameras import project
from anthropose.geometry.rotations import rotmat_to_quat, rotvec_to_rotmat
from anthropose.motion import Camera, Motion
from anthropose.skeleton import H36M_17, H36M_VP3D_17, MEDIAPIPE_33, pick
from anthropose.synthetic.captures import write_captures

EXACT = MocapConfig(split="test", everyday=0.0, noise=NO_NOISE)


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_captures(tmp_path_factory.mktemp("captures") / "made-up", train=2, val=1, test=3, seconds=2.0)


@pytest.fixture(scope="module")
def source(folder: Path, body: BodyModel) -> MocapSource:
    return MocapSource(folder, body, EXACT)


@pytest.fixture(scope="module")
def truth(source: MocapSource) -> Motion:
    return next(recorded_clips(source)).truth


def test_each_motion_gives_one_piece_and_pieces_are_of_different_parts(source: MocapSource) -> None:
    clips = list(recorded_clips(source, longest=20))
    assert [known.name for known in clips] == ["test_000", "test_001", "test_002"]
    assert {len(known) for known in clips} == {20}
    batches = [batch for batch in source.clips(longest=20) if batch.names == ("test_001",)]
    assert clips[1].truth.body is not None
    assert torch.equal(clips[1].truth.body.rotations, batches[1].rotations[0])
    assert [known.name for known in recorded_clips(source, every=2)] == ["test_000", "test_002"]


def test_keypoints_without_noise_lie_where_the_true_camera_sees_the_true_body(
    source: MocapSource, body: BodyModel
) -> None:
    for known in recorded_clips(source):
        places = limbs_on(known.truth, body) + origin_of(known.truth, body)[:, None]
        focal = torch.full((len(known),), known.truth.camera.focal)
        seen = project(places, focal, torch.tensor(known.truth.camera.center).expand(len(known), 2))
        assert known.clip.track.keypoints is not None
        keypoints = pick(known.clip.track.keypoints, MEDIAPIPE_33, LIMBS_12)[0]
        assert (seen - keypoints[..., :2]).abs().max() < 0.1
        assert known.clip.camera == Camera.guess(*known.truth.camera.size)


def test_frames_in_which_nobody_can_be_found_are_left_out() -> None:
    keypoints = torch.rand(6, 33, 3).clamp_min(0.3)
    keypoints[2, 3:] = 0
    keypoints[4, :, 2] = 0.1
    assert frames_found(keypoints).tolist() == [0, 1, 3, 5]


@pytest.mark.parametrize(
    ("title", "action"),
    [
        ("run/jog", "run"), ("dance - small jetes, pirouette", "dance"), ("kickLFront1Reps_019_120", "fight"),
        ("jump, balance", "jump"), ("lieDownFloor_015_120", "floor"), ("made up", "other"),
        ("walk on uneven terrain", "walk"), ("playground - climb, swing, drop", "climb"), ("wash self", "everyday"),
    ],
)  # fmt: skip
def test_titles_name_classes_of_actions(title: str, action: str) -> None:
    assert action_of(title) == action


def test_the_mean_of_a_pose_held_is_the_pose_without_its_heading() -> None:
    pose = rotvec_to_rotmat(0.4 * torch.randn(24, 3, generator=torch.Generator().manual_seed(1)))
    held = Capture("a", "b", "c", "d", 30.0, rotmat_to_quat(pose).expand(9, 24, 4), torch.zeros(9, 3))
    mean = mean_pose([held])
    assert torch.allclose(mean[1:], pose[1:], atol=1e-5)
    assert torch.equal(mean[0], torch.eye(3))


def test_a_mean_pose_turned_as_the_truth_is_nearer_than_one_that_looks_at_the_camera(
    source: MocapSource, folder: Path, body: BodyModel
) -> None:
    mean = mean_pose(read_captures(folder, "train", body))
    for known in recorded_clips(source):
        found = [mean_motion(known, mean, body, facing) for facing in (False, True)]
        turned, facing = (errors_of(motion, known.truth, body, known.name) for motion in found)
        assert turned.mpjpe.mean() < facing.mpjpe.mean()
        assert torch.allclose(turned.pa_mpjpe, facing.pa_mpjpe, atol=0.1)
        assert torch.allclose(found[0].translation, known.truth.translation, atol=1e-5)


def test_the_truth_beside_itself_has_no_error(truth: Motion, body: BodyModel) -> None:
    errors = errors_of(truth, truth, body, "itself", "walk")
    for values in (errors.mpjpe, errors.pa_mpjpe, errors.acceleration_error, errors.vertex_error):
        assert values is not None
        assert values.abs().max() < 0.05
    assert limb_errors_of(truth, truth, body, "itself").mpjpe.max() < 1e-3
    assert errors.action == "walk"
    assert errors.foot_slide is not None
    assert errors.foot_slide.max() <= 15.0


def test_a_person_elsewhere_has_no_error_and_a_turned_one_no_aligned_error(truth: Motion, body: BodyModel) -> None:
    away = replace(truth, translation=truth.translation + torch.tensor([1.0, 0.0, 2.0]))
    assert errors_of(away, truth, body, "away").mpjpe.max() < 1e-3
    assert truth.body is not None
    rotations = truth.body.rotations.clone()
    rotations[:, 0] = rotvec_to_rotmat(torch.tensor([0.0, 0.5, 0.0])) @ rotations[:, 0]
    turned = errors_of(replace(truth, body=replace(truth.body, rotations=rotations)), truth, body, "turned")
    assert turned.mpjpe.min() > 50
    assert turned.pa_mpjpe.max() < 0.1


def test_the_surface_of_a_taller_person_is_off_and_may_be_measured_in_some_frames(
    truth: Motion, body: BodyModel
) -> None:
    assert truth.body is not None
    other = replace(truth, body=replace(truth.body, betas=truth.body.betas + 1.0))
    whole = errors_of(other, truth, body, "other").vertex_error
    some = errors_of(other, truth, body, "other", surfaces_every=7).vertex_error
    assert whole is not None
    assert some is not None
    expected = (body.shape_basis.sum(-1)).norm(dim=-1).mean() * 1000
    assert 0.3 * expected < whole.mean() < 3 * expected
    assert torch.allclose(some, whole[::7], atol=1e-3)


def test_joints_without_a_body_are_compared_by_name(truth: Motion, body: BodyModel) -> None:
    assert truth.body is not None
    points = body.points(H36M_17)(truth.body.betas, truth.body.rotations)
    joints = pick(points, H36M_17, H36M_VP3D_17)[0]
    root = joints[:, 0] + origin_of(truth, body)
    lifted = replace(truth, skeleton=H36M_VP3D_17, joints=joints - joints[:, :1], translation=root, body=None)
    errors = errors_of(lifted, truth, body, "lifted")
    assert errors.mpjpe.max() < 1e-3
    assert errors.vertex_error is None
    assert limb_errors_of(lifted, truth, body, "lifted").mpjpe.max() < 1e-3
    own = errors_of(truth, truth, body, "itself")
    assert own.foot_slide is not None
    assert errors.foot_slide is not None
    assert torch.allclose(errors.foot_slide, own.foot_slide, atol=0.05)


def test_a_guess_made_straight_at_the_person_is_turned_to_the_camera(source: MocapSource, body: BodyModel) -> None:
    known = next(recorded_clips(source))
    true = limbs_on(known.truth, body)
    camera = replace(known.clip.camera, focal=known.clip.camera.size[0] / 2)
    ray = torch.nn.functional.normalize(torch.tensor([0.5, 0.0, 1.0]), dim=0)
    looking = torch.stack([torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0]), ray), torch.tensor([0.0, 1.0, 0.0]), ray])
    track = known.clip.track
    keypoints = torch.zeros(len(known), 33, 3)
    keypoints[..., 0] = camera.center[0] + 0.5 * camera.focal
    keypoints[..., 1] = camera.center[1]
    world = torch.zeros(len(known), 33, 3)
    for k, name in enumerate(LIMBS_12.joints):
        world[:, MEDIAPIPE_33.index(name)] = true[:, k] @ looking.T
    clip = replace(known.clip, camera=camera, track=replace(track, keypoints=keypoints, world=world))
    assert detector_errors_of(clip, known.truth, body, known.name).mpjpe.max() < 0.05
    plain = replace(clip, track=replace(clip.track, world=None))
    with pytest.raises(ValueError, match="no 3D guess"):
        detector_errors_of(plain, known.truth, body, known.name)


def test_only_ankles_that_truly_stand_can_slide() -> None:
    true = torch.zeros(5, 2, 3)
    true[:, 1, 0] = torch.arange(5) * 0.1
    found = torch.zeros(5, 2, 3)
    found[:, :, 2] = torch.arange(5)[:, None] * 0.01
    assert torch.allclose(foot_slide(found, true, torch.arange(5), 30.0), torch.full((4,), 30.0), atol=1e-3)
    assert len(foot_slide(found, true, torch.tensor([0, 1, 4, 5, 6]), 30.0)) == 3


def test_frames_that_only_one_has_do_not_count(truth: Motion, body: BodyModel) -> None:
    rows = torch.tensor([0, 1, 2, 10, 11, 12])
    assert truth.body is not None
    some = replace(
        truth,
        track=replace(
            truth.track,
            frames=truth.track.frames[rows],
            boxes=truth.track.boxes[rows],
            keypoints=None if truth.track.keypoints is None else truth.track.keypoints[rows],
        ),
        seconds=truth.seconds[rows],
        joints=truth.joints[rows],
        translation=truth.translation[rows],
        body=replace(truth.body, rotations=truth.body.rotations[rows], betas=truth.body.betas[rows]),
    )
    errors = errors_of(some, truth, body, "some")
    assert len(errors.mpjpe) == 6
    assert errors.acceleration_error is not None
    assert len(errors.acceleration_error) == 2
    assert [part.tolist() for part in common_rows(torch.tensor([3, 5, 8]), torch.tensor([5, 6, 8]))] == [[1, 2], [0, 2]]
    with pytest.raises(ValueError, match="no frame in common"):
        errors_of(replace(some, track=replace(some.track, frames=some.track.frames + 1000)), truth, body, "none")
