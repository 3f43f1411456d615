"""Levenberg-Marquardt: for many frames that stand alone, or for a stretch of frames that hang together in time."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anthropose.methods.smplify.figure import UNKNOWNS, State
from anthropose.methods.smplify.terms import Energy, Normal

LEAST_DAMPING, MOST_DAMPING = 1e-6, 1e6
HELD = 1e8
"""Curvature that keeps a frame where it is."""


def minimise(
    energy: Energy,
    start: State,
    steps: int,
    held: Bool[Tensor, "n"] | None = None,
    tolerance: float = 1e-3,
    damping: float = 1e-2,
) -> State:
    """The state that a number of damped Gauss-Newton steps lead to; the energy never grows.

    Frames that stand alone are accepted or refused one by one, each with its own damping; frames that hang together in
    time, or share an unknown shape, all at once. Stops early when the energy falls by less than `tolerance` of itself.

    Args:
        held: frames that stay as they are.
        damping: of the first step, in multiples of the curvature's diagonal; less for a start near the end.
    """
    together = energy.timed or energy.shape
    state, damped = start, torch.full((len(start.rotations),), damping)
    current, normal = energy.linearised(state)
    for step in range(steps):
        if held is not None:
            normal.own[held] += HELD * torch.eye(UNKNOWNS)
        tried = _stepped(state, normal, damped, energy)
        found = energy(tried)
        found = torch.where(found.isfinite(), found, torch.inf)
        better = (found.sum() < current.sum()).expand(len(found)) if together else found < current
        fallen = (current - found)[better].sum() / current.sum().clamp_min(1e-9)
        state = tried if bool(better.all()) else _choose(better, tried, state)
        damped = torch.where(better, damped / 4, damped * 8).clamp(LEAST_DAMPING, MOST_DAMPING)
        if (bool(better.any()) and fallen < tolerance) or bool((damped == MOST_DAMPING).all()) or step + 1 == steps:
            break
        current, normal = energy.linearised(state)
    return state


def _choose(better: Tensor, tried: State, state: State) -> State:
    return State(
        torch.where(better[:, None, None, None], tried.rotations, state.rotations),
        torch.where(better[:, None], tried.translation, state.translation),
        tried.betas if bool(better.all()) else state.betas,
    )


def _stepped(state: State, normal: Normal, damping: Tensor, energy: Energy) -> State:
    diagonal = normal.own.diagonal(dim1=-2, dim2=-1)
    damped = normal.own + torch.diag_embed(damping[:, None] * diagonal + 1e-4)
    sides = (
        torch.cat([normal.gradient[..., None], normal.shape_cross], dim=-1)
        if energy.shape
        else normal.gradient[..., None]
    )
    solved = _solve_chain(damped, normal, sides) if energy.timed else _solve_each(damped, sides)
    step = -solved[..., 0]
    if not energy.shape:
        return state.moved(step)
    # The shape's own equations, with the frames' unknowns eliminated.
    across, back = normal.shape_cross, solved[..., 1:]
    left = (
        normal.shape_own
        - torch.einsum("nus,nut->st", across, back)
        + damping[0] * torch.diag(normal.shape_own.diagonal())
    )
    right = normal.shape_gradient - torch.einsum("nus,nu->s", across, solved[..., 0])
    shape_step = -torch.linalg.solve(left, right)
    moved = state.moved(step - back @ shape_step)
    return replace(moved, betas=state.betas + shape_step)


def _solve_each(blocks: Float[Tensor, "n u u"], sides: Float[Tensor, "n u c"]) -> Float[Tensor, "n u c"]:
    factor, failed = torch.linalg.cholesky_ex(blocks)
    solved = torch.cholesky_solve(sides, factor)
    return torch.where((failed > 0)[:, None, None], torch.zeros_like(solved), solved)


def _solve_chain(own: Float[Tensor, "n u u"], normal: Normal, sides: Float[Tensor, "n u c"]) -> Float[Tensor, "n u c"]:
    """Solves for all frames together by Cholesky's method on blocks; zeros where the matrix is not positive definite.

    Only frames up to two apart are coupled, so that time and memory grow with their number. LAPACK's band solver was 60
    times slower here.
    """
    kind = torch.float64
    own, following, second, sides = (m.to(kind) for m in (own, normal.following, normal.second, sides))
    n, u = own.shape[:2]
    factors, to_next, to_second, found = ([torch.empty(0)] * n for _ in range(4))
    for t in range(n):
        block, ahead, side = own[t], following[t], sides[t]
        if t >= 1:
            block, side = block - to_next[t - 1].mT @ to_next[t - 1], side - to_next[t - 1].mT @ found[t - 1]
            ahead = ahead - to_next[t - 1].mT @ to_second[t - 1]
        if t >= 2:
            block, side = block - to_second[t - 2].mT @ to_second[t - 2], side - to_second[t - 2].mT @ found[t - 2]
        factors[t], failed = torch.linalg.cholesky_ex(block)
        if failed:
            return torch.zeros_like(sides, dtype=torch.float32)
        solved = torch.linalg.solve_triangular(factors[t], torch.cat([ahead, second[t], side], dim=1), upper=False)
        to_next[t], to_second[t], found[t] = solved.split([u, u, sides.shape[2]], dim=1)
    for t in reversed(range(n)):
        side = found[t]
        if t + 1 < n:
            side = side - to_next[t] @ found[t + 1]
        if t + 2 < n:
            side = side - to_second[t] @ found[t + 2]
        found[t] = torch.linalg.solve_triangular(factors[t].mT, side, upper=True)
    return torch.stack(found).float()
