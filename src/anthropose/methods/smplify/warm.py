"""A fit that begins at a learnt motion: few steps, which bring it onto the keypoints and its feet to a stand."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.prior import GaussianMixturePrior
from anthropose.geometry.filters import gaussian
from anthropose.geometry.rotations import slerp
from anthropose.methods.smplify.contact import Contact, find_contact
from anthropose.methods.smplify.figure import Figure, State
from anthropose.methods.smplify.solve import minimise
from anthropose.methods.smplify.start import in_order
from anthropose.methods.smplify.terms import NEAREST, Evidence
from anthropose.methods.smplify.warm_terms import Learnt, WarmEnergy, WarmWeights
from anthropose.skeleton import Skeleton

GROWN = 0.01
"""How much further from its keypoints the fit may lie than what it began with, as a share of the person's height."""


@dataclass(frozen=True)
class WarmConfig:
    """How a learnt motion is refined."""

    weights: WarmWeights = field(default_factory=WarmWeights)
    rounds: int = 3
    """Gauss-Newton steps before feet are found to stand."""
    standing_rounds: int = 3
    """Steps after that; 0 leaves feet and ground alone."""
    shape_frames: int = 40
    """Frames, spread over the track, that the person's shape is taken from; 0 keeps the learnt one."""
    shape_rounds: int = 4
    damping: float = 1e-4
    stretch: int = 240
    """Frames that are fitted together."""
    context: int = 15
    """Frames on either side that a stretch takes into account."""


@dataclass(frozen=True)
class Warm:
    """One track with what a network made of it: all that stays the same while it is refined."""

    figure: Figure
    prior: GaussianMixturePrior
    skeleton: Skeleton
    """Names of the keypoints."""
    evidence: Evidence
    learnt: Learnt
    config: WarmConfig

    def fitted(self, start: State, progress: Callable[[float], None]) -> State:
        """The motion that explains the keypoints and stays near the learnt one, of which `start` is made."""
        config = self.config
        placed = self._moved_onto_keypoints(start)
        warm = replace(self, evidence=in_order(self.figure, placed, self.evidence, self.skeleton))
        state = warm._with_shape(placed)
        total = max(1, config.rounds + config.standing_rounds)
        first = config.rounds / total
        state = warm._in_stretches(state, None, config.rounds, lambda share: progress(first * share))
        if config.standing_rounds:
            contact = find_contact(self.figure, warm.evidence, self.skeleton, state)
            rest = config.standing_rounds
            state = warm._in_stretches(state, contact, rest, lambda share: progress(first + (1 - first) * share))
        return warm._guarded(start, placed, state)

    def _in_stretches(
        self, state: State, contact: Contact | None, rounds: int, progress: Callable[[float], None]
    ) -> State:
        """The state fitted stretch by stretch; the frames before a stretch are held as they have come out."""
        config, n = self.config, len(self.evidence.seconds)
        for begin in range(0, n, config.stretch):
            low, high = max(0, begin - config.context), min(n, begin + config.stretch + config.context)
            near = slice(low, high)
            held = torch.arange(low, high) < begin
            energy = WarmEnergy(
                self.figure,
                self.evidence[near],
                self.prior,
                config.weights,
                self.learnt[near],
                None if contact is None else contact.part(low, high),
            )
            fitted = minimise(energy, state[near], rounds, held, damping=config.damping)
            rotations, translation = state.rotations.clone(), state.translation.clone()
            rotations[near], translation[near] = fitted.rotations, fitted.translation
            state = replace(state, rotations=rotations, translation=translation)
            progress(min(1.0, (begin + config.stretch) / n))
        return state

    def _moved_onto_keypoints(self, state: State, rounds: int = 5) -> State:
        """The state moved, each frame as a whole, to where its points are seen; linear in the place of the pelvis.

        Where little is seen, the learnt place counts.
        """
        camera, evidence = self.evidence.camera, self.evidence
        across = (evidence.pixels - evidence.pixels.new_tensor(camera.center)) / camera.focal
        spread = self.config.weights.pixels * evidence.height[:, None] / camera.focal
        here = self.figure.place(replace(state, translation=torch.zeros_like(state.translation))).landmarks
        place = state.translation
        loose = 1 / (0.1 * place[:, 2:].clamp_min(1.0)) ** 2 * torch.eye(3)[None, :, :].diagonal(dim1=-2, dim2=-1)
        for _ in range(rounds):
            depth = (here[..., 2] + place[:, None, 2]).clamp_min(NEAREST)
            # (x + tx) - u (z + tz) = 0, and the same for y, in units of the keypoints' deviation at that depth.
            scale = 1 / (depth * spread)
            off = (
                torch.stack(
                    [
                        here[..., i] + place[:, None, i] - across[..., i] * (here[..., 2] + place[:, None, 2])
                        for i in (0, 1)
                    ],
                    dim=-1,
                )
                * scale[..., None]
            )
            fade = 1 / (1 + off.square().sum(-1) / self.config.weights.outlier**2)
            weight = evidence.trust * fade.square() * scale.square()
            rows = torch.stack([_row(0, across), _row(1, across)], dim=-2)  # (n, k, 2, 3)
            left = torch.einsum("nk,nkai,nkaj->nij", weight, rows, rows) + torch.diag_embed(loose)
            target = -torch.stack([here[..., i] - across[..., i] * here[..., 2] for i in (0, 1)], dim=-1)
            right = torch.einsum("nk,nkai,nka->ni", weight, rows, target) + loose * state.translation
            place = torch.linalg.solve(left, right)
        place = torch.cat([place[:, :2], place[:, 2:].clamp_min(NEAREST)], dim=1)
        return replace(state, translation=place)

    def _with_shape(self, state: State) -> State:
        """The person's shape from the frames seen best, spread over the track, near the learnt pose in each."""
        config = self.config
        if not config.shape_frames:
            return state
        total = self.evidence.trust.sum(1)
        pieces = torch.arange(len(total)).chunk(config.shape_frames)
        best = torch.stack([piece[total[piece].argmax()] for piece in pieces])
        energy = WarmEnergy(
            self.figure, self.evidence[best], self.prior, config.weights, self.learnt[best], timed=False, shape=True
        )
        return replace(state, betas=minimise(energy, state[best], config.shape_rounds).betas)

    def _badness(self, state: State) -> Float[Tensor, "n"]:
        """Mean distance of points from keypoints, as a share of the person's height; far ones count as 0.2."""
        camera, evidence = self.evidence.camera, self.evidence
        points = self.figure.place(state).landmarks
        flat = points[..., :2] / points[..., 2:].clamp_min(NEAREST) * camera.focal + points.new_tensor(camera.center)
        away = ((flat - evidence.pixels).norm(dim=-1) / evidence.height[:, None]).clamp_max(0.2)
        return (evidence.trust * away).sum(1) / evidence.trust.sum(1).clamp_min(1e-6)

    def _guarded(self, learnt: State, placed: State, state: State) -> State:
        """The fitted state, but `placed` about frames that the fit took away from their keypoints.

        A frame whose keypoints the learnt motion does not explain either, as when they are another person's, is not one
        of these.
        """
        usual = torch.maximum(self._badness(learnt), self._badness(placed))
        grown = (self._badness(state) > usual + GROWN).float()
        if not bool(grown.any()):
            return state
        share = (2 * gaussian(grown[:, None], self.evidence.seconds, 0.1, degree=0)[:, 0]).clamp(0, 1)
        rotations = slerp(state.rotations, placed.rotations, share[:, None].expand(-1, 24))
        translation = torch.lerp(state.translation, placed.translation, share[:, None])
        return replace(state, rotations=rotations, translation=translation)


def _row(axis: int, across: Float[Tensor, "n k 2"]) -> Float[Tensor, "n k 3"]:
    """Derivative by the place of what `_moved_onto_keypoints` sets to nought."""
    row = torch.zeros(*across.shape[:2], 3)
    row[..., axis], row[..., 2] = 1.0, -across[..., axis]
    return row
