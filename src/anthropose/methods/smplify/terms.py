"""What the fit weighs against each other: every term as an energy, and as rows of a linear least squares problem.

Energies are negative log likelihoods up to a constant: most weights are deviations in metres, seconds, radians.
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.prior import GaussianMixturePrior
from anthropose.geometry.rotations import rotmat_to_rotvec
from anthropose.losses import BENDING
from anthropose.methods.smplify.figure import TURNING, UNKNOWNS, Figure, Placed, State
from anthropose.motion import Camera
from anthropose.skeleton import SMPL_24

NEAREST = 0.2
"""Metres before the camera: points nearer than that, or behind it, are projected as if they were there."""
FEET = tuple(SMPL_24.index(j) for j in ("left_ankle", "right_ankle", "left_foot", "right_foot"))


@dataclass(frozen=True)
class Weights:
    """Standard deviations and strengths of the terms."""

    pixels: float = 0.02
    """Of a keypoint, as a share of the person's height in the image."""
    outlier: float = 6.0
    """Deviations at which a keypoint or a 3D guess begins to be taken for a mistake."""
    world_across: float = 0.3
    """Of the detector's own 3D guess, across the line of sight [m]."""
    world_along: float = 0.12
    """The same along the line of sight."""
    pose: float = 0.2
    """Strength of the pose prior."""
    bending: float = 0.1
    """Of knees and elbows beyond straight [rad]."""
    lean: float = 0.3
    """Of the pelvis towards or away from the camera [rad]: 2D hardly tells, and most people are upright."""
    lean_outlier: float = 2.0
    """Deviations at which a person begins to be taken for one who bends or lies."""
    shape: float = 0.1
    """Strength of the shape prior, per frame."""
    acceleration: float = 25.0
    """Of joints [m/s^2]."""
    turning: float = 60.0
    """Of joints' angular acceleration [rad/s^2]."""
    sliding: float = 0.15
    """Speed of a foot [m/s] up to which it is taken to stand."""
    standing: float = 1.0
    """Strength of that."""


@dataclass(frozen=True)
class Evidence:
    """What was seen of one person in `n` frames, or in `n` guesses at frames."""

    pixels: Float[Tensor, "n k 2"]
    """Zero where nothing was seen."""
    trust: Float[Tensor, "n k"]
    """Zero where nothing was seen."""
    height: Float[Tensor, "n"]
    """The person's height in the image [px], whether or not all of it is seen."""
    world: Float[Tensor, "n k 3"] | None
    """The detector's 3D guess in camera axes from between the hips [m]."""
    seconds: Float[Tensor, "n"]
    camera: Camera
    tilt: float = 0.0
    """How far the camera looks down, as found from the person [rad]."""

    def __getitem__(self, index: slice | Tensor) -> "Evidence":
        world = None if self.world is None else self.world[index]
        return replace(
            self,
            pixels=self.pixels[index],
            trust=self.trust[index],
            height=self.height[index],
            world=world,
            seconds=self.seconds[index],
        )


@dataclass
class Normal:
    """A quadratic model of the energy: half a step times curvature times step, plus gradient times step."""

    gradient: Float[Tensor, "n u"]
    own: Float[Tensor, "n u u"]
    """Curvature of each frame's unknowns."""
    following: Float[Tensor, "n u u"]
    """Of frame t (rows) with frame t + 1 (columns)."""
    second: Float[Tensor, "n u u"]
    """Of frame t with frame t + 2."""
    shape_gradient: Float[Tensor, "10"]
    shape_own: Float[Tensor, "10 10"]
    shape_cross: Float[Tensor, "n u 10"]

    @staticmethod
    def zero(n: int) -> "Normal":
        own, following, second = (torch.zeros(n, UNKNOWNS, UNKNOWNS) for _ in range(3))
        shape = torch.zeros(10), torch.zeros(10, 10), torch.zeros(n, UNKNOWNS, 10)
        return Normal(torch.zeros(n, UNKNOWNS), own, following, second, *shape)

    def add(self, rows: Float[Tensor, "n m u"], values: Float[Tensor, "n m"]) -> None:
        """Adds half the squares of rows @ step + values."""
        self.own += rows.mT @ rows
        self.gradient += (rows.mT @ values[..., None])[..., 0]

    def add_shape(
        self, rows: Float[Tensor, "n m u"], shape: Float[Tensor, "n m 10"], values: Float[Tensor, "n m"]
    ) -> None:
        """Adds what the same rows say about the shape."""
        self.shape_cross += rows.mT @ shape
        self.shape_own += torch.einsum("nms,nmt->st", shape, shape)
        self.shape_gradient += torch.einsum("nms,nm->s", shape, values)

    def add_steps(
        self, before: Float[Tensor, "s p 3 u"], after: Float[Tensor, "s p 3 u"], values: Float[Tensor, "s p 3"]
    ) -> None:
        """Adds half the squares of what two neighbouring frames say together, for all `s` pairs of neighbours."""
        before, after, values = before.flatten(1, 2), after.flatten(1, 2), values.flatten(1)
        self.own[:-1] += before.mT @ before
        self.own[1:] += after.mT @ after
        self.following[:-1] += before.mT @ after
        self.gradient[:-1] += (before.mT @ values[..., None])[..., 0]
        self.gradient[1:] += (after.mT @ values[..., None])[..., 0]


class Energy:
    """The sum of all terms over frames; `timed` couples neighbouring frames, otherwise each stands alone."""

    def __init__(
        self,
        figure: Figure,
        evidence: Evidence,
        prior: GaussianMixturePrior,
        weights: Weights,
        timed: bool,
        shape: bool = False,
    ) -> None:
        self.figure, self.evidence, self.prior, self.weights, self.shape = figure, evidence, prior, weights, shape
        self.timed = timed and len(evidence.seconds) > 2
        self.clock = Clock(evidence.seconds) if self.timed else None
        names = figure.table.points.skeleton.joints
        self.hips = [24 + k for k, i in enumerate(figure.table.order) if names[i].endswith(("left_hip", "right_hip"))]

    def __call__(self, state: State) -> Float[Tensor, "n"]:
        """The energy of each frame."""
        return self._terms(state, None)

    def linearised(self, state: State) -> tuple[Float[Tensor, "n"], Normal]:
        """The energy of each frame, and its quadratic model about `state`."""
        normal = Normal.zero(len(state.rotations))
        return self._terms(state, normal), normal

    def _terms(self, state: State, normal: Normal | None) -> Tensor:
        placed = self.figure.place(state)
        jacobian = None if normal is None else self.figure.jacobian(placed)
        by_shape = self.figure.shape_jacobian(state) if self.shape and normal is not None else None
        energy = self._keypoints(placed, normal, jacobian, by_shape)
        if self.evidence.world is not None:
            energy = energy + self._world(placed, normal, jacobian, by_shape)
        energy = energy + self._pose(state, normal) + self._upright(placed, normal)
        if self.shape:
            energy = energy + 0.5 * self.weights.shape * state.betas.square().sum()
            if normal is not None:
                strength = self.weights.shape * len(energy)
                normal.shape_own += strength * torch.eye(10)
                normal.shape_gradient += strength * state.betas
        if self.timed:
            energy = energy + self._motion(state, placed, normal, jacobian) + self._standing(placed, normal, jacobian)
        return energy

    def _keypoints(
        self, placed: Placed, normal: Normal | None, jacobian: Tensor | None, by_shape: Tensor | None
    ) -> Tensor:
        camera, evidence = self.evidence.camera, self.evidence
        points = placed.landmarks
        depth = points[..., 2:].clamp_min(NEAREST)
        flat = points[..., :2] / depth
        spread = (self.weights.pixels * evidence.height)[:, None, None]
        away = (flat * camera.focal + flat.new_tensor(camera.center) - evidence.pixels) / spread
        energy, share = robust(away, evidence.trust, self.weights.outlier)
        if normal is not None and jacobian is not None:
            scale = (camera.focal / spread / depth * share[..., None])[..., None]

            def seen(moves: Tensor) -> Tensor:
                return ((moves[:, 24:, :2] - flat[..., None] * moves[:, 24:, 2:]) * scale).flatten(1, 2)

            rows, values = seen(jacobian), (away * share[..., None]).flatten(1)
            normal.add(rows, values)
            if by_shape is not None:
                normal.add_shape(rows, seen(by_shape), values)
        return energy

    def _world(self, placed: Placed, normal: Normal | None, jacobian: Tensor | None, by_shape: Tensor | None) -> Tensor:
        world = self.evidence.world
        assert world is not None
        inverse = 1 / world.new_tensor([self.weights.world_across, self.weights.world_across, self.weights.world_along])
        away = (placed.landmarks - placed.points[:, self.hips].mean(1, keepdim=True) - world) * inverse
        trust = self.evidence.trust * self.figure.table.depth_trust
        energy, share = robust(away, trust, self.weights.outlier)
        if normal is not None and jacobian is not None:

            def seen(moves: Tensor) -> Tensor:
                relative = moves[:, 24:] - moves[:, self.hips].mean(1, keepdim=True)
                return (relative * (inverse * share[..., None])[..., None]).flatten(1, 2)

            rows, values = seen(jacobian), (away * share[..., None]).flatten(1)
            normal.add(rows, values)
            if by_shape is not None:
                normal.add_shape(rows, seen(by_shape), values)
        return energy

    def _pose(self, state: State, normal: Normal | None) -> Tensor:
        """Prior and bending, both over rotation vectors."""
        rotvecs = rotmat_to_rotvec(state.rotations[:, 1:])
        body_pose = rotvecs.flatten(1)
        energies = self.prior.energies(body_pose)
        energy, component = (self.weights.pose * energies).min(dim=1)
        bends = [(SMPL_24.index(joint) - 1, axis, sign) for joint, axis, sign in BENDING]
        beyond = torch.stack([sign * rotvecs[:, j, axis] for j, axis, sign in bends], dim=1).clamp_min(0)
        values = beyond / self.weights.bending
        if normal is not None:
            by_turn = _by_turn(rotvecs)
            precision = self.weights.pose * self.prior.precisions[component]
            normal.own += by_turn.mT @ precision @ by_turn
            away = body_pose - self.prior.means.float()[component]
            normal.gradient += (by_turn.mT @ (precision @ away[..., None]))[..., 0]
            rows = torch.stack([sign * by_turn[:, 3 * j + axis] for j, axis, sign in bends], dim=1)
            normal.add(rows / self.weights.bending * (values > 0)[..., None], values)
        return energy + 0.5 * values.square().sum(1)

    def _upright(self, placed: Placed, normal: Normal | None) -> Tensor:
        """How far the pelvis leans along the line of sight: its upward axis' depth against that of upright people."""
        root = placed.orientations[:, 0]
        away = (root[:, 2:, 1] + math.sin(self.evidence.tilt)) / self.weights.lean
        energy, share = robust(away[..., None], torch.ones_like(away), self.weights.lean_outlier)
        if normal is not None:
            rows = torch.zeros(len(root), 1, UNKNOWNS)
            rows[:, 0, 0], rows[:, 0, 2] = root[:, 2, 2], -root[:, 2, 0]
            normal.add(rows * (share / self.weights.lean)[..., None], away * share)
        return energy

    def _motion(self, state: State, placed: Placed, normal: Normal | None, jacobian: Tensor | None) -> Tensor:
        """Accelerations of the joints' places and of their turning."""
        clock = self.clock
        assert clock is not None
        along = clock.second_difference(placed.joints.flatten(1)) / self.weights.acceleration
        about = clock.angular_acceleration(state.rotations[:, TURNING]).flatten(1) / self.weights.turning
        values = torch.cat([along, about], dim=1) * clock.weight[:, None]
        if normal is not None and jacobian is not None:
            weighted_along, weighted_about = values.split([along.shape[1], about.shape[1]], dim=1)
            places = jacobian[:, :24].flatten(1, 2) / self.weights.acceleration
            clock.add_second_differences(normal, places, weighted_along)
            clock.add_own_second_differences(normal, 1 / self.weights.turning, weighted_about)
        energy = 0.5 * values.square().sum(1)
        return torch.nn.functional.pad(energy, (1, 1))

    def _standing(self, placed: Placed, normal: Normal | None, jacobian: Tensor | None) -> Tensor:
        """Slow feet should not move at all; fast ones are free."""
        clock = self.clock
        assert clock is not None
        feet = placed.joints[:, FEET]
        slip = (feet[1:] - feet[:-1]) / clock.steps[:, None, None] / self.weights.sliding
        squares = slip.square().sum(-1)
        strength = self.weights.standing * (clock.linked * clock.steps * 30)[:, None]
        energy = 0.5 * strength * squares / (1 + squares)
        if normal is not None and jacobian is not None:
            share = (strength.sqrt() / (1 + squares))[..., None]
            scale = (share / clock.steps[:, None, None] / self.weights.sliding)[..., None]
            moves = jacobian[:, FEET]
            normal.add_steps(-moves[:-1] * scale, moves[1:] * scale, slip * share)
        return torch.nn.functional.pad(energy.sum(1), (0, 1))


class Clock:
    """Differences in time over frames that need not be evenly spaced."""

    LONGEST_GAP = 0.5
    """Seconds without a frame after which what went before says nothing about what comes."""

    def __init__(self, seconds: Tensor) -> None:
        self.steps = seconds.diff().clamp_min(1e-3).float()
        self.linked = (self.steps < self.LONGEST_GAP).float()
        before, after = self.steps[:-1], self.steps[1:]
        middle = (before + after) / 2
        self.factors = torch.stack([1 / before, -1 / before - 1 / after, 1 / after], dim=1) / middle[:, None]
        # The weight makes the sum over frames an integral over time, in units of frames at 30 per second.
        self.weight = (middle * 30).sqrt() * self.linked[:-1] * self.linked[1:]
        self.products = self._products()

    def second_difference(self, values: Float[Tensor, "n c"]) -> Float[Tensor, "m c"]:
        a, b, c = self.factors.T[..., None]
        return a * values[:-2] + b * values[1:-1] + c * values[2:]

    def angular_acceleration(self, rotations: Float[Tensor, "n j 3 3"]) -> Float[Tensor, "m j 3"]:
        speed = rotmat_to_rotvec(rotations[:-1].mT @ rotations[1:]) / self.steps[:, None, None]
        middle = (self.steps[:-1] + self.steps[1:]) / 2
        return (speed[1:] - speed[:-1]) / middle[:, None, None]

    def add_second_differences(
        self, normal: Normal, rows: Float[Tensor, "n m u"], values: Float[Tensor, "r m"]
    ) -> None:
        """Adds half the squares of the weighted second differences of rows @ step, plus `values`."""
        own, following, second = (products[:, None, None] for products in self.products)
        normal.own += own * (rows.mT @ rows)
        normal.following[:-1] += following * (rows[:-1].mT @ rows[1:])
        normal.second[:-2] += second * (rows[:-2].mT @ rows[2:])
        normal.gradient += (rows.mT @ self._pulls(values)[..., None])[..., 0]

    def add_own_second_differences(self, normal: Normal, scale: float, values: Float[Tensor, "r m"]) -> None:
        """The same for rows that are the first `m` unknowns themselves, each times `scale`."""
        m = values.shape[1]
        curvatures = (normal.own, normal.following[:-1], normal.second[:-2])
        for curvature, products in zip(curvatures, self.products, strict=True):
            curvature.diagonal(dim1=-2, dim2=-1)[:, :m] += scale**2 * products[:, None]
        normal.gradient[:, :m] += scale * self._pulls(values)

    def _products(self) -> tuple[Float[Tensor, "n"], Float[Tensor, "m"], Float[Tensor, "r"]]:
        """What each frame has, in the squares of all weighted second differences, with itself, the next, the second."""
        a, b, c = (self.factors * self.weight[:, None]).T
        pad = torch.nn.functional.pad
        own = pad(a * a, (0, 2)) + pad(b * b, (1, 1)) + pad(c * c, (2, 0))
        return own, pad(a * b, (0, 1)) + pad(b * c, (1, 0)), a * c

    def _pulls(self, values: Float[Tensor, "r m"]) -> Float[Tensor, "n m"]:
        a, b, c = (self.factors * self.weight[:, None]).T[..., None] * values
        pad = torch.nn.functional.pad
        return pad(a, (0, 0, 0, 2)) + pad(b, (0, 0, 1, 1)) + pad(c, (0, 0, 2, 0))


def robust(away: Float[Tensor, "n k c"], trust: Float[Tensor, "n k"], outlier: float) -> tuple[Tensor, Tensor]:
    """Geman and McClure's penalty of each point's distance: the energy of each frame, and the rows' share of trust."""
    squares = away.square().sum(-1)
    fade = outlier**2 / (outlier**2 + squares)
    return 0.5 * (trust * squares * fade).sum(1), trust.sqrt() * fade


def _by_turn(rotvecs: Float[Tensor, "n 23 3"]) -> Float[Tensor, "n 69 u"]:
    """Derivatives of rotation vectors by the unknowns."""
    blocks = turn_blocks(rotvecs)
    by_turn = rotvecs.new_zeros(len(rotvecs), 23, 3, UNKNOWNS)
    for column, joint in enumerate(TURNING[1:], start=1):
        by_turn[:, joint - 1, :, 3 * column : 3 * column + 3] = blocks[:, joint - 1]
    return by_turn.flatten(1, 2)


def turn_blocks(rotvecs: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3 3"]:
    """Derivatives of rotation vectors by a small turn after the rotation (the inverse right Jacobian)."""
    angle = rotvecs.norm(dim=-1)[..., None, None].clamp(1e-3, torch.pi - 1e-3)
    x, y, z = rotvecs.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    far = 1 / angle.square() - (1 + angle.cos()) / (2 * angle * angle.sin())
    return torch.eye(3) + 0.5 * cross + torch.where(angle > 0.03, far, torch.tensor(1 / 12)) * (cross @ cross)
