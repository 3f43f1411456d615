"""Where the fit begins: several guesses at sampled frames, of which the likeliest sequence is taken."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anthropose.body.prior import GaussianMixturePrior
from anthropose.geometry.alignment import rotation_between
from anthropose.geometry.rotations import rotvec_to_rotmat, slerp
from anthropose.losses import geman_mcclure
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
HIGH = 0.4
"""How far a camera looks down that hangs high [rad]; from there a person who stands may look like one who crouches."""
TILT_FRAMES = 16
"""Frames by which it is judged whether the camera hangs high."""
DOUBTED, BELIEVED = 0.15, 0.45
"""Energy per frame that a high camera must save: up to the first it is not believed, from the second on wholly."""
WORLD_TILT = 0.5
"""Share of the camera's tilt that a detector's 3D guess leaves out: from above, mediapipe's people are too upright."""
SWAP_COST = 8.0
"""Energy that the belief costs that left and right are mistaken for each other in a sampled frame."""
JUMP = 1.0
"""Deviation of a joint's speed between sampled frames, from the pelvis [m/s]."""
FAR_APART = 0.3
"""Mean distance of joints from which a jump is one whatever its size [m]."""
AT_ONCE = 512
"""Guesses fitted together."""
GROUPS = (("shoulder", "elbow", "wrist", "pinky", "index", "thumb"), ("hip", "knee", "ankle", "heel", "toe"))
"""Parts of which a detector may mistake left for right."""


@dataclass(frozen=True)
class Start:
    """A state for every frame, and the evidence with left and right put in order."""

    state: State
    evidence: Evidence


@dataclass(frozen=True)
class Setting:
    """What stays the same while the start is looked for."""

    figure: Figure
    prior: GaussianMixturePrior
    weights: Weights
    skeleton: Skeleton
    """Names of the keypoints."""


def find_start(setting: Setting, evidence: Evidence) -> Start:
    """The likeliest start for a whole track."""
    samples = _sampled(evidence)
    evidence = _tilted(evidence, _found_tilt(setting, evidence[samples]))
    seen = evidence[samples]
    guesses = _guesses(setting, seen)
    chosen = _likeliest(guesses, seen.seconds)
    seen = _where_swapped(guesses.swapped[chosen], seen, setting.skeleton)
    state = _with_shape(setting, seen, guesses.gathered(chosen))
    whole = _interpolated(state, seen.seconds, evidence.seconds)
    return Start(whole, in_order(setting.figure, whole, evidence, setting.skeleton))


def in_order(figure: Figure, state: State, evidence: Evidence, skeleton: Skeleton) -> Evidence:
    """The evidence with the left and right of arms or legs exchanged in frames where they fit `state` far better so."""
    points = figure.place(state).landmarks
    camera = evidence.camera
    flat = points[..., :2] / points[..., 2:].clamp_min(0.2) * camera.focal + points.new_tensor(camera.center)
    mirrored = swap_sides(evidence, skeleton)

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


def swap_sides(evidence: Evidence, skeleton: Skeleton) -> Evidence:
    """The evidence with every left keypoint taken for its right one, and the other way round."""
    order = list(skeleton.mirror)
    world = None if evidence.world is None else evidence.world[:, order]
    return replace(evidence, pixels=evidence.pixels[:, order], trust=evidence.trust[:, order], world=world)


def _found_tilt(setting: Setting, seen: Evidence) -> float:
    """How far the camera looks down: not at all, unless standing people before a high one explain the keypoints better.

    A detector's 3D guess is left aside, since it takes the camera for a level one.
    """
    few = replace(seen[:: math.ceil(len(seen.seconds) / TILT_FRAMES)], world=None)
    level, high = _guesses(setting, few), _guesses(setting, replace(few, tilt=HIGH))
    energy, best = high.energy.min(0)
    saved = float((level.energy.min(0).values - energy).median())
    lean = float(-high.gathered(best).rotations[:, 0, 2, 1].median())
    return min(1.0, max(0.0, (saved - DOUBTED) / (BELIEVED - DOUBTED))) * math.asin(max(0.0, lean))


def _tilted(evidence: Evidence, tilt: float) -> Evidence:
    """The evidence with what the tilt of the camera means for it."""
    turn = rotvec_to_rotmat(torch.tensor([WORLD_TILT * tilt, 0.0, 0.0]))
    return replace(evidence, tilt=tilt, world=None if evidence.world is None else evidence.world @ turn.mT)


@dataclass(frozen=True)
class _Guesses:
    """`g` guesses at each of `s` sampled frames."""

    state: State
    """Of g times s rows, the first guess at all frames first."""
    energy: Float[Tensor, "g s"]
    joints: Float[Tensor, "g s 24 3"]
    """From the pelvis."""
    swapped: Bool[Tensor, "g"]
    """Which guesses hold that left and right are mistaken for each other."""

    def gathered(self, chosen: Int[Tensor, "s"]) -> State:
        """One guess at each frame."""
        return self.state[chosen * len(chosen) + torch.arange(len(chosen))]


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


def _guesses(setting: Setting, seen: Evidence) -> _Guesses:
    n = len(seen.seconds)
    states, costs, joints, swapped = [], [], [], []
    for mistaken in (False, True):
        evidence = swap_sides(seen, setting.skeleton) if mistaken else seen
        roots = _upright(evidence, setting.skeleton)
        if evidence.world is None:
            begun = [_standing_at(setting, evidence, root) for root in roots]
        else:
            begun = [_standing_at(setting, evidence, root) for root in roots[:: YAWS // 4]]
            begun.append(_like_world(setting, evidence))
        evidence = evidence[torch.arange(n).repeat(len(begun))]
        state, energy = _fitted_alone(setting, evidence, State.joined(begun))
        places = setting.figure.place(state).joints
        states.append(state)
        costs.append(energy.view(-1, n) + SWAP_COST * mistaken)
        joints.append((places - places[:, :1]).view(-1, n, 24, 3))
        swapped += [mistaken] * len(begun)
    return _Guesses(State.joined(states), torch.cat(costs), torch.cat(joints), torch.tensor(swapped))


def _fitted_alone(setting: Setting, evidence: Evidence, state: State) -> tuple[State, Float[Tensor, "n"]]:
    """Every frame fitted by itself, and its energy; some hundred at a time, so that memory is bounded."""
    states, energies = [], []
    for first in range(0, len(evidence.seconds), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        energy = Energy(setting.figure, evidence[part], setting.prior, setting.weights, timed=False)
        states.append(minimise(energy, state[part], ROUNDS))
        energies.append(energy(states[-1]))
    return State.joined(states), torch.cat(energies)


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
    wanted = (f"left_{part}", f"right_{part}")
    pair = [i for i, name in enumerate(skeleton.joints) if name.removeprefix("op_") in wanted]
    return evidence.pixels[:, pair].mean(1), (evidence.trust[:, pair] > 0.1).all(1)


def _like_world(setting: Setting, evidence: Evidence) -> State:
    """Bodies that follow the detector's 3D guess: the torso at rest turned onto it, then a fit that trusts it."""
    assert evidence.world is not None
    names = ("left_hip", "right_hip", "left_shoulder", "right_shoulder")
    torso = [setting.skeleton.index(name) for name in names]
    still = State(torch.eye(3).expand(1, 24, 3, 3), torch.zeros(1, 3), torch.zeros(10))
    rest, world = setting.figure.place(still).landmarks[:, torso], evidence.world[:, torso]
    rest, world = (points - points.mean(1, keepdim=True) for points in (rest, world))
    state = _standing_at(setting, evidence, rotation_between(rest.expand_as(world), world))
    weights = replace(setting.weights, world_across=0.05, world_along=0.05, pixels=3 * setting.weights.pixels)
    return _fitted_alone(replace(setting, weights=weights), evidence, state)[0]


def _standing_at(setting: Setting, evidence: Evidence, root: Float[Tensor, "n 3 3"]) -> State:
    """The prior's mean pose under `root`, as far away as the person's height tells and over the keypoints' middle."""
    n, mean = len(root), torch.cat([torch.zeros(3), setting.prior.mean])
    rotations = rotvec_to_rotmat(mean.unflatten(0, (24, 3))).repeat(n, 1, 1, 1)
    rotations[:, 0] = root
    state = State(rotations, torch.zeros(n, 3), torch.zeros(10))
    camera, trust = evidence.camera, evidence.trust[..., None]
    total = trust.sum(1).clamp_min(1e-6)
    depth = camera.focal * standing_height(setting.figure) / evidence.height[:, None]
    ray = ((evidence.pixels * trust).sum(1) / total - torch.tensor(camera.center)) / camera.focal
    middle = (setting.figure.place(state).landmarks * trust).sum(1) / total
    return replace(state, translation=torch.cat([ray * depth, depth], dim=1) - middle)


def standing_height(figure: Figure) -> float:
    """Of the mean person, from heels to the top of the head, nearly [m]."""
    joints = figure.body.shaped(torch.zeros(10)).joints[:, 1]
    return float(joints.max() - joints.min()) + 0.2


def _likeliest(guesses: _Guesses, seconds: Float[Tensor, "s"]) -> Int[Tensor, "s"]:
    """The guess to take at each sampled frame: least energies, and least jumps between (Viterbi)."""
    joints, best = guesses.joints, guesses.energy[:, 0]
    came_from = []
    for t in range(1, len(seconds)):
        step = float((seconds[t] - seconds[t - 1]).clamp_min(0.05))
        apart = (joints[:, None, t - 1] - joints[None, :, t]).square().sum(-1).mean(-1)
        jump = 24 * geman_mcclure(apart.sqrt(), FAR_APART) / (2 * (JUMP * step) ** 2)
        least, origin = (best[:, None] + jump).min(0)
        came_from.append(origin)
        best = least + guesses.energy[:, t]
    path = [int(best.argmin())]
    for origins in reversed(came_from):
        path.append(int(origins[path[-1]]))
    return torch.tensor(path[::-1])


def _where_swapped(swapped: Tensor, seen: Evidence, skeleton: Skeleton) -> Evidence:
    mirrored = swap_sides(seen, skeleton)
    world = seen.world
    if world is not None and mirrored.world is not None:
        world = torch.where(swapped[:, None, None], mirrored.world, world)
    pixels = torch.where(swapped[:, None, None], mirrored.pixels, seen.pixels)
    return replace(seen, pixels=pixels, trust=torch.where(swapped[:, None], mirrored.trust, seen.trust), world=world)


def _with_shape(setting: Setting, seen: Evidence, state: State) -> State:
    """The person's shape from the samples seen best, spread over the track; then all samples with that shape."""
    pieces = torch.arange(len(seen.seconds)).chunk(SHAPE_FRAMES)
    total = seen.trust.sum(1)
    best = torch.stack([piece[total[piece].argmax()] for piece in pieces])
    energy = Energy(setting.figure, seen[best], setting.prior, setting.weights, timed=False, shape=True)
    betas = minimise(energy, state[best], SHAPE_ROUNDS).betas
    return _fitted_alone(setting, seen, replace(state, betas=betas))[0]


def _interpolated(state: State, at: Tensor, seconds: Tensor) -> State:
    """The state at `seconds` from samples at other times; before the first and after the last it stands still."""
    after = torch.searchsorted(at, seconds).clamp(0, len(at) - 1)
    before = (after - 1).clamp_min(0)
    share = ((seconds - at[before]) / (at[after] - at[before]).clamp_min(1e-6)).clamp(0, 1).float()
    a, b = state[before], state[after]
    rotations = slerp(a.rotations, b.rotations, share[:, None].expand(-1, 24))
    return State(rotations, torch.lerp(a.translation, b.translation, share[:, None]), state.betas)
