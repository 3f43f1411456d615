"""The fit from a learnt start: motions that are off by a known amount, and keypoints whose truth is known."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from anthropose.body.ground import Ground
from anthropose.body.prior import GaussianMixturePrior
from anthropose.errors import UserError
from anthropose.geometry.rotations import rotmat_to_rotvec, rotvec_to_rotmat
from anthropose.methods.smplify import SMPLify, SMPLifyConfig, WarmConfig, WarmWeights
from anthropose.methods.smplify.contact import FEET, Contact, find_contact
from anthropose.methods.smplify.figure import UNKNOWNS, Figure, State
from anthropose.methods.smplify.fit import gather_evidence
from anthropose.methods.smplify.warm_terms import Learnt, WarmEnergy
from anthropose.metrics import acceleration_error, mpjpe
from anthropose.motion import BodyPose, Motion
from anthropose.people.clip import Clip
from anthropose.skeleton import COCO_17, H36M_VP3D_17, SMPL_24
from tests.export.made_up import motion as made_up_motion
from tests.methods.test_smplify import BODY, altered, clip_of, truth

FACING = torch.diag(torch.tensor([1.0, -1.0, -1.0]))


def learnt_from(true: Motion, turn: float = 0.15, jitter: float = 0.02, depth: float = 0.03) -> Motion:
    """A motion as a network might give it: joints turned away for the whole clip, trembling, at a depth that is noisy.

    Args:
        turn: deviation of what is wrong all along [rad].
        jitter: of what trembles [rad].
        depth: of the distance, as a share.
    """
    assert true.body is not None
    make = torch.Generator().manual_seed(1)
    n = len(true)
    turns = turn * torch.randn(1, 24, 3, generator=make) + jitter * torch.randn(n, 24, 3, generator=make)
    rotations = true.body.rotations @ rotvec_to_rotmat(turns)
    betas = torch.zeros(n, 10)
    joints = BODY.points(SMPL_24)(betas, rotations)
    translation = true.translation * (1 + depth * torch.randn(n, 1, generator=make))
    return replace(
        true,
        body=BodyPose(rotations, betas),
        joints=joints - joints[:, :1],
        translation=translation,
        method="tcmr",
        weights="some",
    )


def standing(frames: int = 30) -> Motion:
    """Somebody who waves an arm and keeps both feet where they are."""
    seconds = torch.arange(frames, dtype=torch.float64) / 30
    turns = torch.zeros(frames, 24, 3)
    turns[:, SMPL_24.index("left_shoulder"), 2] = -1.0 + 0.5 * (6 * seconds.float()).sin()
    turns[:, SMPL_24.index("right_shoulder"), 2] = 1.2
    rotations = rotvec_to_rotmat(turns)
    rotations[:, 0] = FACING
    return made_up_motion(BODY, seconds, rotations=rotations, start=(0.2, 0.1, 4.0), velocity=(0.0, 0.0, 0.0))


def feet_of(motion: Motion) -> Tensor:
    return (motion.joints + motion.translation[:, None])[:, FEET]


def slide(motion: Motion) -> float:
    """Mean speed of the feet [m/s]."""
    return float(feet_of(motion).diff(dim=0).norm(dim=-1).mean()) * motion.fps


def test_a_learnt_motion_comes_nearer_to_the_truth_and_trembles_less() -> None:
    true = truth()
    learnt = learnt_from(true)
    found = SMPLify(BODY).refine(learnt, clip_of(true, COCO_17, noise=2.0))
    before, after = (float(mpjpe(one.joints, true.joints).mean()) for one in (learnt, found))
    assert after < 0.7 * before
    shaken, calm = (float(acceleration_error(one.joints, true.joints).mean()) for one in (learnt, found))
    assert calm < 0.3 * shaken
    assert float((found.projected - true.projected)[:, 1:].norm(dim=-1).mean()) < 6.0


def test_feet_that_stand_are_held_still_and_the_depth_no_longer_jumps() -> None:
    true = standing()
    learnt = learnt_from(true)
    found = SMPLify(BODY).refine(learnt, clip_of(true, COCO_17, noise=2.0))
    assert slide(learnt) > 1.0, "the test would say nothing"
    assert slide(found) < 0.03
    assert float(found.translation[:, 2].diff(n=2).abs().max()) < 0.01


def test_a_jump_leaves_the_ground() -> None:
    still = standing(36)
    air = torch.zeros(36)
    air[12:24] = 0.3 * (torch.arange(12) / 11 * torch.pi).sin()
    up = still.translation - air[:, None] * torch.tensor([0.0, 1.0, 0.0])
    true = replace(still, translation=up)
    found = SMPLify(BODY).refine(learnt_from(true, turn=0.05), clip_of(true, COCO_17, noise=1.0))
    height = found.translation[:6, 1].mean() - found.translation[16:20, 1].mean()
    assert float(height) == pytest.approx(
        float(true.translation[:6, 1].mean() - true.translation[16:20, 1].mean()), abs=0.04
    )


def test_somebody_who_lies_stays_lying() -> None:
    still = standing(20)
    assert still.body is not None
    rotations = still.body.rotations.clone()
    rotations[:, 0] = rotvec_to_rotmat(torch.tensor([0.0, 0.0, torch.pi / 2])) @ FACING
    true = made_up_motion(BODY, still.seconds, rotations=rotations, start=(0.0, 0.3, 4.0), velocity=(0.0, 0.0, 0.0))
    found = SMPLify(BODY).refine(learnt_from(true, turn=0.05), clip_of(true, COCO_17, noise=1.0))
    assert float(mpjpe(found.joints, true.joints).mean()) < 0.08


def test_joints_that_no_keypoint_tells_of_stay_as_they_were_learnt() -> None:
    true = standing()
    learnt = learnt_from(true, turn=0.05, jitter=0.0)
    clip = clip_of(true, COCO_17)
    assert clip.track.keypoints is not None
    assert learnt.body is not None
    keypoints = clip.track.keypoints.clone()
    keypoints[:, [COCO_17.index("right_elbow"), COCO_17.index("right_wrist")]] = 0.0
    found = SMPLify(BODY).refine(learnt, altered(clip, keypoints=keypoints))
    assert found.body is not None
    arm = SMPL_24.index("right_elbow")
    away = rotmat_to_rotvec(learnt.body.rotations[:, arm].mT @ found.body.rotations[:, arm]).norm(dim=-1)
    assert float(away.max()) < 0.15


def test_no_frame_is_taken_away_from_its_keypoints() -> None:
    true = truth(30)
    clip = clip_of(true, COCO_17, noise=2.0)
    assert clip.track.keypoints is not None
    keypoints = clip.track.keypoints.clone()
    keypoints[14] = keypoints[14, torch.randperm(17, generator=torch.Generator().manual_seed(0))]
    learnt = learnt_from(true, turn=0.02)
    found = SMPLify(BODY).refine(learnt, altered(clip, keypoints=keypoints))
    off, was = ((one.projected - true.projected)[:, 1:].norm(dim=-1).mean(1) for one in (found, learnt))
    assert (off < was + 6.0).all(), "pixels"


def test_what_comes_out_says_what_made_it_and_has_one_shape() -> None:
    true = truth(12)
    clip = clip_of(true, COCO_17)
    found = SMPLify(BODY).refine(learnt_from(true), clip)
    assert (found.method, found.weights, found.body_model) == ("tcmr+smplify", "some", "free")
    assert found.track is clip.track
    assert found.body is not None
    assert (found.body.betas == found.body.betas[0]).all()
    assert torch.linalg.det(found.body.rotations).allclose(torch.ones(12, 24), atol=1e-4)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_motion_of_a_few_frames_is_refined_too(frames: int) -> None:
    true = truth(frames)
    found = SMPLify(BODY).refine(learnt_from(true), clip_of(true, COCO_17))
    assert float((found.projected - true.projected)[:, 1:].norm(dim=-1).mean()) < 8.0


def test_stretches_of_a_long_motion_join_without_a_jump() -> None:
    true = truth(30)
    method = SMPLify(BODY, SMPLifyConfig(warm=WarmConfig(stretch=15, context=15)))
    found = method.refine(learnt_from(true), clip_of(true, COCO_17, noise=1.0))
    steps = (found.joints + found.translation[:, None]).diff(dim=0).norm(dim=-1).amax(1)
    real = (true.joints + true.translation[:, None]).diff(dim=0).norm(dim=-1).amax(1)
    assert float((steps - real)[14]) < 0.03


def test_what_cannot_be_refined_gets_one_line() -> None:
    true = truth(5)
    learnt, clip, method = learnt_from(true), clip_of(true, COCO_17), SMPLify(BODY)
    boxes_only = altered(clip, keypoints=None, skeleton=None)
    joints_only = replace(
        learnt, body=None, body_model="", skeleton=H36M_VP3D_17, joints=learnt.joints[:, :17], method="rie"
    )
    with pytest.raises(UserError, match="rie gives joints without a body"):
        method.refine(joints_only, clip)
    with pytest.raises(UserError, match="other"):
        method.refine(replace(learnt, body_model="other"), clip)
    with pytest.raises(UserError, match="boxes only"):
        method.refine(learnt, boxes_only)
    with pytest.raises(ValueError, match="clip that it was made of"):
        method.refine(learnt, clip_of(truth(6), COCO_17))
    assert method.can_refine(clip)
    assert not method.can_refine(boxes_only)


def test_feet_are_found_to_stand_while_they_do_and_not_while_they_swing() -> None:
    for true, expected in ((standing(12), True), (truth(), False)):
        assert true.body is not None
        clip = clip_of(true, COCO_17)
        figure = Figure(BODY, COCO_17)
        state = State(true.body.rotations, true.translation, true.body.betas[0])
        between = find_contact(figure, gather_evidence(figure, clip), COCO_17, state).between
        speed = feet_of(true).diff(dim=0).norm(dim=-1) * true.fps
        if expected:
            assert float(between.min()) > 0.8
        assert not expected or float(speed.max()) < 0.1
        assert not bool((speed > 1.0).any()) or float(between[speed > 1.0].mean()) < 0.1


def energy_about(clip: Clip, true: Motion) -> tuple[WarmEnergy, State]:
    """All terms at work: a learnt pose that is off, feet half found to stand, a ground a little away from them."""
    assert true.body is not None
    learnt = learnt_from(true, turn=0.1)
    assert learnt.body is not None
    figure = Figure(BODY, COCO_17)
    contact = Contact(
        torch.full((len(true), 4), 0.7),
        torch.full((len(true) - 1, 4), 0.7),
        torch.zeros(4),
        Ground(torch.tensor([0.0, -1.0, 0.0]), -1.0),
    )
    energy = WarmEnergy(
        figure,
        gather_evidence(figure, clip),
        GaussianMixturePrior.load(),
        WarmWeights(),
        Learnt(learnt.body.rotations),
        contact,
    )
    return energy, State(true.body.rotations.clone(), true.translation.clone(), true.body.betas[0].clone())


def test_the_gradient_of_all_terms_is_what_finite_differences_give() -> None:
    true = truth(6)
    energy, state = energy_about(clip_of(true, COCO_17, noise=2.0), true)
    with torch.no_grad():
        _, normal = energy.linearised(state)
        make = torch.Generator().manual_seed(0)
        for _ in range(4):
            step = torch.randn(6, UNKNOWNS, generator=make)
            ahead, behind = (float(energy(state.moved(sign * 2e-4 * step)).double().sum()) for sign in (1, -1))
            measured = (ahead - behind) / 4e-4
            assert float((normal.gradient * step).sum()) == pytest.approx(
                measured, rel=0.05, abs=0.02 * float(normal.gradient.norm())
            )
