"""The fit on keypoints whose truth is known: the body walks before a camera and its own points are the keypoints."""

from dataclasses import replace

import pytest
import torch

from anthropose.body.files import load_body
from anthropose.body.prior import GaussianMixturePrior
from anthropose.errors import UserError
from anthropose.geometry.cameras import project
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.methods.smplify import SMPLify
from anthropose.methods.smplify.figure import UNKNOWNS, Figure, State
from anthropose.methods.smplify.fit import gather_evidence
from anthropose.methods.smplify.solve import minimise
from anthropose.methods.smplify.start import Setting, find_start
from anthropose.methods.smplify.terms import Energy, Weights
from anthropose.metrics import acceleration_error, mpjpe, pa_mpjpe
from anthropose.motion import BodyPose, Camera, Motion, Track
from anthropose.people.clip import Clip
from anthropose.skeleton import BODY_25, COCO_17, HALPE_26, MEDIAPIPE_33, SMPL_24, Skeleton
from tests.export.made_up import motion as made_up_motion

BODY = load_body("free")
CAMERA = Camera.guess(640, 480)


def truth(frames: int = 30, fps: float = 30.0) -> Motion:
    """Somebody of an uncommon shape who walks past the camera."""
    betas = torch.tensor([0.8, -0.5, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    seconds = torch.arange(frames, dtype=torch.float64) / fps
    return made_up_motion(BODY, seconds, fps=fps, betas=betas, start=(-0.3, 0.1, 4.0))


def clip_of(motion: Motion, skeleton: Skeleton, noise: float = 0.0) -> Clip:
    """What a perfect detector of `skeleton` would see of a motion, with `noise` [px]."""
    assert motion.body is not None
    points = BODY.points(skeleton)
    pelvis = BODY.shaped(motion.body.betas).joints[:, 0]
    placed = points(motion.body.betas, motion.body.rotations, motion.translation - pelvis)
    n = len(motion)
    pixels = project(placed, torch.full((n,), CAMERA.focal), torch.tensor(CAMERA.center).expand(n, 2))
    pixels = pixels + noise * torch.randn(pixels.shape, generator=torch.Generator().manual_seed(0))
    keypoints = torch.cat([pixels, points.valid.float().expand(n, -1)[..., None]], dim=-1)
    seen = pixels[:, points.valid]
    boxes = torch.cat([seen.amin(1), seen.amax(1)], dim=1)
    track = Track(0, motion.track.frames, boxes, keypoints, skeleton)
    return Clip(track, motion.fps, motion.seconds, CAMERA)


def altered(clip: Clip, **changes: object) -> Clip:
    return replace(clip, track=replace(clip.track, **changes))


@pytest.mark.parametrize("skeleton", [COCO_17, BODY_25, HALPE_26], ids=lambda s: s.name)
def test_a_walk_is_recovered_from_the_keypoints_of_any_detector(skeleton: Skeleton) -> None:
    true = truth()
    found = SMPLify(BODY).reconstruct(clip_of(true, skeleton, noise=1.0))
    assert float(pa_mpjpe(found.joints, true.joints).mean()) < 0.06
    assert float(mpjpe(found.joints, true.joints).mean()) < 0.12
    assert float(acceleration_error(found.joints, true.joints).mean()) < 0.008
    off = (found.projected - true.projected)[:, 1:].norm(dim=-1)
    assert float(off.mean()) < 6.0, "pixels"


def test_what_comes_out_is_a_motion_of_the_same_track_with_one_shape() -> None:
    clip = clip_of(truth(12), COCO_17)
    found = SMPLify(BODY).reconstruct(clip)
    assert found.track is clip.track
    assert found.skeleton == SMPL_24
    assert (found.method, found.body_model) == ("smplify", "free")
    assert found.body is not None
    assert (found.body.betas == found.body.betas[0]).all()
    assert torch.equal(found.joints[:, 0], torch.zeros(12, 3))
    assert torch.linalg.det(found.body.rotations).allclose(torch.ones(12, 24), atol=1e-4)
    assert (found.translation[:, 2] > 1.0).all()


def test_the_same_clip_gives_the_same_motion() -> None:
    clip = clip_of(truth(10), COCO_17, noise=2.0)
    first, second = (SMPLify(BODY).reconstruct(clip) for _ in range(2))
    assert torch.equal(first.joints, second.joints)
    assert torch.equal(first.translation, second.translation)


def test_a_hidden_arm_and_numbers_that_are_none_leave_the_rest_alone() -> None:
    true = truth(20)
    clip = clip_of(true, COCO_17)
    assert clip.track.keypoints is not None
    keypoints = clip.track.keypoints.clone()
    arm = [COCO_17.index("left_elbow"), COCO_17.index("left_wrist")]
    keypoints[5:15, arm, 2] = 0.0
    keypoints[5:15, arm, :2] = 0.0
    keypoints[8, COCO_17.index("nose")] = torch.nan
    found = SMPLify(BODY).reconstruct(altered(clip, keypoints=keypoints))
    assert torch.isfinite(found.joints).all()
    legs = [SMPL_24.index(name) for name in ("left_knee", "right_knee", "left_ankle", "right_ankle")]
    assert float((found.projected - true.projected)[:, legs].norm(dim=-1).mean()) < 6.0


def test_one_mistaken_keypoint_does_not_drag_the_body_along() -> None:
    true = truth(20)
    clip = clip_of(true, COCO_17)
    assert clip.track.keypoints is not None
    keypoints = clip.track.keypoints.clone()
    keypoints[10, COCO_17.index("right_wrist"), :2] += 300.0
    found = SMPLify(BODY).reconstruct(altered(clip, keypoints=keypoints))
    wrist = SMPL_24.index("right_wrist")
    assert float((found.projected - true.projected)[10, wrist].norm()) < 30.0


def test_a_gap_in_the_track_and_uneven_times_are_no_matter() -> None:
    true = truth(40)
    clip = clip_of(true, COCO_17)
    kept = torch.cat([torch.arange(0, 12), torch.arange(28, 40)])
    assert clip.track.keypoints is not None
    short = altered(
        clip, frames=clip.track.frames[kept], boxes=clip.track.boxes[kept], keypoints=clip.track.keypoints[kept]
    )
    found = SMPLify(BODY).reconstruct(replace(short, seconds=clip.seconds[kept]))
    assert len(found) == 24
    assert float(pa_mpjpe(found.joints, true.joints[kept]).mean()) < 0.09
    assert float((found.projected - true.projected[kept])[:, 1:].norm(dim=-1).mean()) < 6.0


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_track_of_a_few_frames_is_fitted_too(frames: int) -> None:
    true = truth(frames)
    found = SMPLify(BODY).reconstruct(clip_of(true, COCO_17))
    assert float((found.projected - true.projected)[:, 1:].norm(dim=-1).mean()) < 8.0


def test_stretches_of_a_long_track_join_without_a_jump() -> None:
    clip = clip_of(truth(60), COCO_17)
    method = SMPLify(BODY)
    method.config = replace(method.config, stretch=20, context=8)
    steps = method.reconstruct(clip).joints.diff(dim=0).norm(dim=-1).amax(1)
    at_seams = torch.stack([steps[19], steps[39]])
    assert float(at_seams.max()) < 1.5 * float(steps.max()) + 1e-6
    assert float(at_seams.max()) < 0.12


def test_a_track_without_keypoints_and_one_in_which_nothing_is_seen_get_one_line() -> None:
    clip = clip_of(truth(5), COCO_17)
    assert clip.track.keypoints is not None
    with pytest.raises(UserError, match="boxes only"):
        SMPLify(BODY).reconstruct(altered(clip, keypoints=None, skeleton=None))
    with pytest.raises(UserError, match="seen in any frame"):
        SMPLify(BODY).reconstruct(altered(clip, keypoints=torch.zeros_like(clip.track.keypoints)))


def test_progress_rises_to_one() -> None:
    shares: list[float] = []
    SMPLify(BODY).reconstruct(clip_of(truth(10), COCO_17), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0, abs=0.05)


def mediapipe_clip(motion: Motion, body: BodyPose | None = None) -> Clip:
    """What a perfect MediaPipe would see, with a perfect 3D guess."""
    body = body or motion.body
    assert body is not None
    figure = Figure(BODY, MEDIAPIPE_33)
    points = figure.place(State(body.rotations, motion.translation, body.betas[0])).landmarks
    n = len(motion)
    pixels = project(points, torch.full((n,), CAMERA.focal), torch.tensor(CAMERA.center).expand(n, 2))
    keypoints = torch.cat([pixels, figure.table.valid.float().expand(n, -1)[..., None]], dim=-1)
    hips = [MEDIAPIPE_33.index("left_hip"), MEDIAPIPE_33.index("right_hip")]
    boxes = torch.cat([pixels[:, figure.table.valid].amin(1), pixels[:, figure.table.valid].amax(1)], dim=1)
    world = points - points[:, hips].mean(1, keepdim=True)
    return Clip(
        Track(0, motion.track.frames, boxes, keypoints, MEDIAPIPE_33, world), motion.fps, motion.seconds, CAMERA
    )


def test_the_detectors_3d_guess_settles_what_2d_leaves_open() -> None:
    true = truth()
    clip = mediapipe_clip(true)
    told = SMPLify(BODY).reconstruct(clip)
    untold = SMPLify(BODY).reconstruct(altered(clip, world=None))
    assert float(mpjpe(told.joints, true.joints).mean()) < 0.045
    assert float(mpjpe(told.joints, true.joints).mean()) < float(mpjpe(untold.joints, true.joints).mean())


def test_left_and_right_that_are_mistaken_for_a_while_are_put_in_order() -> None:
    clip = clip_of(truth(30), COCO_17)
    assert clip.track.keypoints is not None
    keypoints = clip.track.keypoints.clone()
    keypoints[12:16] = keypoints[12:16][:, list(COCO_17.mirror)]
    found = SMPLify(BODY).reconstruct(clip)
    mended = SMPLify(BODY).reconstruct(altered(clip, keypoints=keypoints))
    assert float(mpjpe(mended.joints, found.joints).max()) < 0.02


def found_tilt(clip: Clip) -> float:
    assert clip.track.skeleton is not None
    figure = Figure(BODY, clip.track.skeleton)
    setting = Setting(figure, GaussianMixturePrior.load(), Weights(), clip.track.skeleton)
    with torch.no_grad():
        return find_start(setting, gather_evidence(figure, clip)).evidence.tilt


def test_a_camera_that_hangs_high_is_told_from_a_level_one() -> None:
    true = truth(16)
    assert true.body is not None
    rotations = true.body.rotations.clone()
    rotations[:, 0] = rotvec_to_rotmat(torch.tensor([0.5, 0.0, 0.0])) @ rotations[:, 0]
    assert found_tilt(mediapipe_clip(true)) < 0.1
    assert found_tilt(mediapipe_clip(true, BodyPose(rotations, true.body.betas))) == pytest.approx(0.5, abs=0.2)


def test_the_fit_leaves_the_number_of_threads_as_it_was() -> None:
    before = torch.get_num_threads()
    SMPLify(BODY).reconstruct(clip_of(truth(3), COCO_17))
    with pytest.raises(UserError):
        SMPLify(BODY).reconstruct(altered(clip_of(truth(3), COCO_17), keypoints=None, skeleton=None))
    assert torch.get_num_threads() == before


def random_state(figure: Figure, n: int) -> State:
    true = truth(n)
    assert true.body is not None
    return State(true.body.rotations.clone(), true.translation.clone(), true.body.betas[0].clone())


def test_the_jacobian_is_what_finite_differences_give() -> None:
    figure = Figure(BODY, COCO_17)
    state = random_state(figure, 3)
    jacobian = figure.jacobian(figure.place(state))
    for unknown in range(0, UNKNOWNS, 5):
        step = torch.zeros(3, UNKNOWNS)
        step[:, unknown] = 1e-3
        ahead, behind = figure.place(state.moved(step)).points, figure.place(state.moved(-step)).points
        measured = (ahead - behind) / 2e-3
        joints = slice(0, 24)
        torch.testing.assert_close(jacobian[:, joints, :, unknown], measured[:, joints], atol=3e-3, rtol=0.0)


@pytest.mark.parametrize("timed", [False, True])
def test_a_step_never_raises_the_energy(timed: bool) -> None:
    clip = clip_of(truth(10), COCO_17, noise=3.0)
    method = SMPLify(BODY)
    figure = Figure(BODY, COCO_17)
    energy = Energy(figure, gather_evidence(figure, clip), method.prior, Weights(), timed=timed)
    state = random_state(figure, 10)
    before = energy(state)
    for steps in (1, 3):
        after = energy(minimise(energy, state, steps))
        if timed:
            assert after.sum() <= before.sum()
        else:
            assert (after <= before + 1e-5).all()
