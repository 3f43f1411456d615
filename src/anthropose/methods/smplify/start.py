"""Where the fit begins: several guesses at sampled frames, of which the likeliest sequence is taken."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anthropose.body.prior import GaussianMixturePrior
from anthropose.geometry.alignment import rotation_between
from anthropose.geometry.rotations import rotvec_to_rotmat, slerp
from anthropose.methods.smplify.figure import Figure, State
from anthropose.methods.smplify.solve import minimise
from anthropose.methods.smplify.terms import Energy, Evidence, Weights
from anthropose.skeleton import Skeleton

SAMPLE_SECONDS = 0.15
"""Between two sampled frames."""
LEAST_TRUST = 3.0
"""Sum of the keypoints' trust below which a frame is not sampled."""
YAWS = 8
"""Directions that a person may face, where no 3D guess tells."""
ROUNDS = 15
SHAPE_FRAMES, SHAPE_ROUNDS = 60, 10
TILTS = (0.0, 0.4)
"""Guesses at how far the camera looks down [rad]; from high up, a person who stands may look like one who crouches."""
TILT_FRAMES = 16
"""Frames that the tilt is found from."""
FREE_LEAN = 0.6
"""Deviation of the pelvis' lean while the tilt is found [rad]."""
LEAN_LEVEL, LEAN_GAIN = 0.1, 1.5
"""The lean that people have before a level camera [rad], and how the tilt grows with what is found beyond it (measured)."""
WORLD_TILT = 0.5
"""Share of the camera's tilt that a detector's 3D guess leaves out: seen from high up, mediapipe's people come out too upright."""
SWAP_COST = 8.0
"""Energy that the belief costs that left and right are mistaken for each other in a sampled frame."""
JUMP = 1.0
"""Deviation of a joint's speed between sampled frames, from the pelvis [m/s]."""
GROUPS = (("shoulder", "elbow", "wrist", "pinky", "index", "thumb"), ("hip", "knee", "ankle", "heel", "toe"))
"""Parts of which a detector may mistake left for right."""


@dataclass(frozen=True)
class Start:
    """A state for every frame, and the evidence with left and right put in order."""

    state: State
    evidence: Evidence


def find_start(figure: Figure, evidence: Evidence, prior: GaussianMixturePrior, weights: Weights, skeleton: Skeleton) -> Start:
    """The likeliest start for a whole track.

    Args:
        skeleton: names of the keypoints in `evidence`.
    """
    samples = _sampled(evidence)
    evidence = _tilted(evidence, _found_tilt(figure, evidence[samples], prior, weights, skeleton))
    seen = evidence[samples]
    guesses = _guesses(figure, seen, prior, weights, skeleton)
    chosen = _likeliest(guesses, seen.seconds)
    state = _gathered(guesses, chosen)
    swapped = torch.stack([g.swapped for g in guesses])[chosen, torch.arange(len(samples))]
    seen = _where_swapped(swapped, seen, skeleton)
    state = _with_shape(figure, seen, prior, weights, state)
    whole = _interpolated(state, seen.seconds, evidence.seconds)
    return Start(whole, in_order(figure, whole, evidence, skeleton))


def in_order(figure: Figure, state: State, evidence: Evidence, skeleton: Skeleton) -> Evidence:
    """The evidence with the left and right of arms or legs exchanged in frames where they fit `state` far better so."""
    points = figure.place(state).landmarks
    camera = evidence.camera
    flat = points[..., :2] / points[..., 2:].clamp_min(0.2) * camera.focal + points.new_tensor(camera.center)
    mirrored = swap_sides(evidence, skeleton, torch.ones(len(skeleton), dtype=torch.bool))

    def badness(seen: Evidence) -> Tensor:
        distance = (flat - seen.pixels).norm(dim=-1) / evidence.height[:, None]
        return seen.trust * (distance - 0.02).clamp(0, 0.2)

    given, exchanged = badness(evidence), badness(mirrored)
    pixels, trust = evidence.pixels, evidence.trust
    world = evidence.world
    for group in GROUPS:
        part = torch.tensor([any(word in name for word in group) for name in skeleton.joints])
        better = exchanged[:, part].sum(1) + 0.04 < 0.4 * given[:, part].sum(1)
        use = better[:, None] & part
        pixels = torch.where(use[..., None], mirrored.pixels, pixels)
        trust = torch.where(use, mirrored.trust, trust)
        if world is not None and mirrored.world is not None:
            world = torch.where(use[..., None], mirrored.world, world)
    return replace(evidence, pixels=pixels, trust=trust, world=world)


def swap_sides(evidence: Evidence, skeleton: Skeleton, part: Bool[Tensor, "k"]) -> Evidence:
    """The evidence with every left keypoint of `part` taken for its right one, and the other way round."""
    order = torch.where(part, torch.tensor(skeleton.mirror), torch.arange(len(skeleton)))
    world = None if evidence.world is None else evidence.world[:, order]
    return replace(evidence, pixels=evidence.pixels[:, order], trust=evidence.trust[:, order], world=world)


def _found_tilt(
    figure: Figure, seen: Evidence, prior: GaussianMixturePrior, weights: Weights, skeleton: Skeleton
) -> float:
    """How far the camera looks down, from how the person leans on average when nothing but keypoints and prior is asked."""
    few = replace(seen[:: math.ceil(len(seen.seconds) / TILT_FRAMES)], world=None)
    found = []
    for tilt in TILTS:
        guesses = _guesses(figure, replace(few, tilt=tilt), prior, replace(weights, lean=FREE_LEAN), skeleton)
        energy, best = torch.stack([g.energy for g in guesses]).min(0)
        found.append((float(energy.sum()), float(-_gathered(guesses, best).rotations[:, 0, 2, 1].median())))
    lean = math.asin(min(found)[1])
    return math.copysign(LEAN_GAIN * max(0.0, abs(lean) - LEAN_LEVEL), lean)


def _tilted(evidence: Evidence, tilt: float) -> Evidence:
    """The evidence with what the tilt of the camera means for it."""
    turn = rotvec_to_rotmat(torch.tensor([WORLD_TILT * tilt, 0.0, 0.0]))
    return replace(evidence, tilt=tilt, world=None if evidence.world is None else evidence.world @ turn.mT)


@dataclass(frozen=True)
class _Guess:
    """One guess at every sampled frame."""

    state: State
    energy: Float[Tensor, "s"]
    joints: Float[Tensor, "s 24 3"]
    """From the pelvis."""
    swapped: Bool[Tensor, "s"]


def _sampled(evidence: Evidence) -> Int[Tensor, "s"]:
    enough = evidence.trust.sum(1) >= LEAST_TRUST
    if not bool(enough.any()):
        enough = evidence.trust.sum(1) >= evidence.trust.sum(1).max()
    samples, last = [], -math.inf
    for i in enough.nonzero()[:, 0].tolist():
        if evidence.seconds[i] - last >= SAMPLE_SECONDS - 1e-3:
            samples.append(i)
            last = float(evidence.seconds[i])
    return torch.tensor(samples)


def _guesses(
    figure: Figure, seen: Evidence, prior: GaussianMixturePrior, weights: Weights, skeleton: Skeleton
) -> list[_Guess]:
    everything = torch.ones(len(skeleton), dtype=torch.bool)
    guesses = []
    for swapped in (False, True):
        evidence = swap_sides(seen, skeleton, everything) if swapped else seen
        roots = _upright(evidence, skeleton)
        if evidence.world is not None:
            roots = [_from_world(figure, evidence, skeleton), *roots[:: YAWS // 4]]
        for number, root in enumerate(roots):
            state = _standing_at(figure, evidence, prior, root)
            if evidence.world is not None and number == 0:
                trusting = replace(weights, world_across=0.05, world_along=0.05, pixels=3 * weights.pixels)
                state = minimise(Energy(figure, evidence, prior, trusting, timed=False), state, ROUNDS)
            energy = Energy(figure, evidence, prior, weights, timed=False)
            state = minimise(energy, state, ROUNDS)
            joints = figure.place(state).joints
            cost = energy(state) + SWAP_COST * swapped
            guesses.append(_Guess(state, cost, joints - joints[:, :1], torch.full((len(cost),), swapped)))
    return guesses


def _upright(evidence: Evidence, skeleton: Skeleton) -> list[Float[Tensor, "s 3 3"]]:
    """Roots that face in several directions, with the spine along the torso in the image."""
    hips, hips_seen = _middle(evidence, skeleton, "hip")
    shoulders, shoulders_seen = _middle(evidence, skeleton, "shoulder")
    up = torch.where((hips_seen & shoulders_seen)[:, None], shoulders - hips, torch.tensor([0.0, -1.0]))
    roll = torch.atan2(up[:, 0], -up[:, 1])
    rolls = rotvec_to_rotmat(roll[:, None] * torch.tensor([0.0, 0.0, 1.0]))
    facing = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    yaws = torch.arange(YAWS) * (2 * math.pi / YAWS)
    pitch = rotvec_to_rotmat(torch.tensor([evidence.tilt, 0.0, 0.0]))
    return [rolls @ pitch @ rotvec_to_rotmat(yaw * torch.tensor([0.0, 1.0, 0.0])) @ facing for yaw in yaws]


def _middle(evidence: Evidence, skeleton: Skeleton, part: str) -> tuple[Tensor, Tensor]:
    pair = [i for i, name in enumerate(skeleton.joints) if name.removeprefix("op_") in (f"left_{part}", f"right_{part}")]
    return evidence.pixels[:, pair].mean(1), (evidence.trust[:, pair] > 0.1).all(1)


def _from_world(figure: Figure, evidence: Evidence, skeleton: Skeleton) -> Float[Tensor, "s 3 3"]:
    """Roots that turn the torso at rest onto the detector's 3D guess."""
    assert evidence.world is not None
    names = ("left_hip", "right_hip", "left_shoulder", "right_shoulder")
    torso = [skeleton.index(name) for name in names]
    still = State(torch.eye(3).expand(1, 24, 3, 3), torch.zeros(1, 3), torch.zeros(10))
    rest, world = figure.place(still).landmarks[:, torso], evidence.world[:, torso]
    rest, world = (points - points.mean(1, keepdim=True) for points in (rest, world))
    return rotation_between(rest.expand_as(world), world)


def _standing_at(figure: Figure, evidence: Evidence, prior: GaussianMixturePrior, root: Tensor) -> State:
    """The prior's mean pose under `root`, as far away as the person's height tells and over the keypoints' middle."""
    n = len(root)
    rotations = rotvec_to_rotmat(torch.cat([torch.zeros(3), prior.mean]).unflatten(0, (24, 3))).repeat(n, 1, 1, 1)
    rotations[:, 0] = root
    state = State(rotations, torch.zeros(n, 3), torch.zeros(10))
    camera, trust = evidence.camera, evidence.trust[..., None]
    total = trust.sum(1).clamp_min(1e-6)
    depth = camera.focal * standing_height(figure) / evidence.height[:, None]
    ray = ((evidence.pixels * trust).sum(1) / total - torch.tensor(camera.center)) / camera.focal
    middle = (figure.place(state).landmarks * trust).sum(1) / total
    return replace(state, translation=torch.cat([ray * depth, depth], dim=1) - middle)


def standing_height(figure: Figure) -> float:
    """Of the mean person, from heels to the top of the head, nearly [m]."""
    joints = figure.body.shaped(torch.zeros(10)).joints[:, 1]
    return float(joints.max() - joints.min()) + 0.2


def _likeliest(guesses: list[_Guess], seconds: Tensor) -> Int[Tensor, "s"]:
    """The guess to take at each sampled frame: least energies, and least jumps between (Viterbi)."""
    energy = torch.stack([g.energy for g in guesses])
    joints = torch.stack([g.joints for g in guesses])
    best, came_from = energy[:, 0], []
    for t in range(1, energy.shape[1]):
        step = float((seconds[t] - seconds[t - 1]).clamp_min(0.05))
        apart = (joints[:, None, t - 1] - joints[None, :, t]).square().sum(-1).mean(-1)
        jump = 24 * apart / (apart + 0.1) * 0.1 / (2 * (JUMP * step) ** 2)
        total = best[:, None] + jump
        came_from.append(total.argmin(0))
        best = total.min(0).values + energy[:, t]
    path = [int(best.argmin())]
    for origins in reversed(came_from):
        path.append(int(origins[path[-1]]))
    return torch.tensor(path[::-1])


def _gathered(guesses: list[_Guess], chosen: Tensor) -> State:
    every = torch.arange(len(chosen))
    rotations = torch.stack([g.state.rotations for g in guesses])[chosen, every]
    return State(rotations, torch.stack([g.state.translation for g in guesses])[chosen, every], torch.zeros(10))


def _where_swapped(swapped: Tensor, seen: Evidence, skeleton: Skeleton) -> Evidence:
    mirrored = swap_sides(seen, skeleton, torch.ones(len(skeleton), dtype=torch.bool))
    world = seen.world
    if world is not None and mirrored.world is not None:
        world = torch.where(swapped[:, None, None], mirrored.world, world)
    pixels = torch.where(swapped[:, None, None], mirrored.pixels, seen.pixels)
    return replace(seen, pixels=pixels, trust=torch.where(swapped[:, None], mirrored.trust, seen.trust), world=world)


def _with_shape(figure: Figure, seen: Evidence, prior: GaussianMixturePrior, weights: Weights, state: State) -> State:
    """The person's shape from the samples seen best, spread over the track; then all samples with that shape."""
    pieces = torch.arange(len(seen.seconds)).chunk(SHAPE_FRAMES)
    total = seen.trust.sum(1)
    best = torch.stack([piece[total[piece].argmax()] for piece in pieces])
    energy = Energy(figure, seen[best], prior, weights, timed=False, shape=True)
    betas = minimise(energy, state[best], SHAPE_ROUNDS).betas
    return minimise(Energy(figure, seen, prior, weights, timed=False), replace(state, betas=betas), SHAPE_ROUNDS)


def _interpolated(state: State, at: Tensor, seconds: Tensor) -> State:
    """The state at `seconds` from samples at other times; before the first and after the last it stands still."""
    after = torch.searchsorted(at, seconds).clamp(0, len(at) - 1)
    before = (after - 1).clamp_min(0)
    share = ((seconds - at[before]) / (at[after] - at[before]).clamp_min(1e-6)).clamp(0, 1).float()
    a, b = state[before], state[after]
    rotations = slerp(a.rotations, b.rotations, share[:, None].expand(-1, 24))
    return State(rotations, torch.lerp(a.translation, b.translation, share[:, None]), state.betas)
