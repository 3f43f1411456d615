"""What a fit weighs that begins at a learnt motion: all that `terms` has, the motion itself, and feet that stand."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.prior import GaussianMixturePrior
from anthropose.geometry.rotations import rotmat_to_rotvec
from anthropose.methods.smplify.contact import FEET, Contact
from anthropose.methods.smplify.figure import TURNING, UNKNOWNS, Figure, Placed, State
from anthropose.methods.smplify.terms import Energy, Evidence, Normal, Weights, robust, turn_blocks
from anthropose.skeleton import SMPL_24


@dataclass(frozen=True)
class WarmWeights(Weights):
    """Standard deviations and strengths of the terms; the first ones as they measured best from a learnt start."""

    pixels: float = 0.015
    pose: float = 0.15
    outlier: float = 4.0
    learnt: float = 0.7
    """Of the learnt pose, in multiples of `LEARNT_DEVIATIONS`."""
    learnt_outlier: float = 4.0
    """Deviations at which a learnt joint begins to be taken for a mistake."""
    depth: float = 3.0
    """Acceleration of the pelvis along the line of sight [m/s^2]: the size in the picture, which tells the depth, is
    noisy."""
    contact: float = 0.03
    """Speed of a foot that was found to stand [m/s]."""
    contact_outlier: float = 15.0
    """Deviations of that at which the foot is taken to move after all."""
    ground: float = 0.03
    """Height of a standing foot over the ground [m]."""
    ground_outlier: float = 4.0
    """Deviations of that at which the foot is taken to stand on something else."""


LEARNT_DEVIATIONS = {
    "pelvis": 0.3, "hip": 0.3, "knee": 0.4, "ankle": 0.4, "spine": 0.15, "neck": 0.2, "head": 0.25,
    "collar": 0.2, "shoulder": 0.4, "elbow": 0.5, "wrist": 0.4,
}  # fmt: skip
"""Part of a joint's name -> how far off the learnt rotation is [rad]. Errors last for half a second or so, and a term
that is summed over frames takes them for independent: hence twice and more what one frame shows."""


@dataclass(frozen=True)
class Learnt:
    """The poses that a network made of the same frames."""

    rotations: Float[Tensor, "n 24 3 3"]

    def __getitem__(self, index: slice | Tensor) -> "Learnt":
        return replace(self, rotations=self.rotations[index])

    @property
    def deviations(self) -> Float[Tensor, "*n j"]:
        """How far off the joints that turn are taken to be [rad], the same in all frames.

        Knowing it frame by frame would bring 3 mm (benchmarks/uncertainty.py); what a network can tell of it, nothing.
        """
        names = [SMPL_24.joints[joint] for joint in TURNING]
        return torch.tensor([next(v for part, v in LEARNT_DEVIATIONS.items() if part in name) for name in names])


class WarmEnergy(Energy):
    """The sum of all terms over frames."""

    def __init__(
        self,
        figure: Figure,
        evidence: Evidence,
        prior: GaussianMixturePrior,
        weights: WarmWeights,
        learnt: Learnt,
        contact: Contact | None = None,
        timed: bool = True,
        shape: bool = False,
    ) -> None:
        super().__init__(figure, evidence, prior, weights, timed, shape)
        self.warm, self.learnt, self.contact = weights, learnt, contact
        self.deviations = weights.learnt * learnt.deviations

    def _pose(self, state: State, normal: Normal | None) -> Tensor:
        return super()._pose(state, normal) + self._near_learnt(state, normal)

    def _upright(self, placed: Placed, normal: Normal | None) -> Tensor:
        """Nothing: how a person leans is for the learnt pose to say."""
        return torch.zeros(len(placed.points))

    def _motion(self, state: State, placed: Placed, normal: Normal | None, jacobian: Tensor | None) -> Tensor:
        energy = super()._motion(state, placed, normal, jacobian) + self._along_ray(state, normal)
        return energy if self.contact is None else energy + self._on_ground(placed, normal, jacobian, self.contact)

    def _standing(self, placed: Placed, normal: Normal | None, jacobian: Tensor | None) -> Tensor:
        if self.contact is None:
            return super()._standing(placed, normal, jacobian)
        return self._held(placed, normal, jacobian, self.contact)

    def _near_learnt(self, state: State, normal: Normal | None) -> Tensor:
        turning = list(TURNING)
        away = rotmat_to_rotvec(self.learnt.rotations[:, turning].mT @ state.rotations[:, turning])
        scaled = away / self.deviations[..., None]
        energy, share = robust(scaled, torch.ones_like(scaled[..., 0]), self.warm.learnt_outlier)
        if normal is not None:
            rows = turn_blocks(away) * (share / self.deviations)[..., None, None]
            blocks = rows.mT @ rows
            pull = (rows.mT @ (scaled * share[..., None])[..., None])[..., 0]
            for k in range(len(turning)):
                part = slice(3 * k, 3 * k + 3)
                normal.own[:, part, part] += blocks[:, k]
                normal.gradient[:, part] += pull[:, k]
        return energy

    def _along_ray(self, state: State, normal: Normal | None) -> Tensor:
        clock = self.clock
        assert clock is not None
        values = clock.second_difference(state.translation[:, 2:]) / self.warm.depth * clock.weight[:, None]
        if normal is not None:
            rows = torch.zeros(len(state.translation), 1, UNKNOWNS)
            rows[..., -1] = 1 / self.warm.depth
            clock.add_second_differences(normal, rows, values)
        return torch.nn.functional.pad(0.5 * values.square().sum(1), (1, 1))

    def _held(self, placed: Placed, normal: Normal | None, jacobian: Tensor | None, contact: Contact) -> Tensor:
        """Feet that stand do not move at all, from each frame to the next."""
        clock = self.clock
        assert clock is not None
        feet, seconds = placed.joints[:, FEET], clock.steps[:, None, None]
        slip = (feet[1:] - feet[:-1]) / seconds / self.warm.contact
        strength = contact.between * (clock.linked * clock.steps * 30)[:, None]
        energy, share = robust(slip, strength, self.warm.contact_outlier)
        if normal is not None and jacobian is not None:
            moves = jacobian[:, FEET]
            scale = (share[..., None] / seconds / self.warm.contact)[..., None]
            normal.add_steps(-moves[:-1] * scale, moves[1:] * scale, slip * share[..., None])
        return torch.nn.functional.pad(energy, (0, 1))

    def _on_ground(self, placed: Placed, normal: Normal | None, jacobian: Tensor | None, contact: Contact) -> Tensor:
        """Feet that stand do so on the ground, but for those that are far from it."""
        if contact.ground is None:
            return torch.zeros(len(placed.points))
        over = contact.ground.heights(placed.joints[:, FEET]) - contact.rest
        away = over / self.warm.ground
        energy, share = robust(away[..., None], contact.at, self.warm.ground_outlier)
        if normal is not None and jacobian is not None:
            rows = torch.einsum("npcu,c->npu", jacobian[:, FEET], contact.ground.up)
            normal.add(rows * (share / self.warm.ground)[..., None], away * share)
        return energy
