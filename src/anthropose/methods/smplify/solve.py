"""Levenberg-Marquardt: for many frames at once that stand alone, or for a stretch of frames that hang together in time."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import scipy.linalg
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
    progress: Callable[[float], None] = lambda share: None,
) -> State:
    """The state that a number of damped Gauss-Newton steps lead to; the energy never grows.

    Frames that stand alone are accepted or refused one by one, each with its own damping; frames that hang together in time,
    or share an unknown shape, all at once. Stops early when the energy falls by less than `tolerance` of itself.

    Args:
        held: frames that stay as they are.
    """
    together = energy.timed or energy.shape
    state, damping = start, torch.full((len(start.rotations),), 1e-2)
    current, normal = energy.linearised(state)
    for step in range(steps):
        if held is not None:
            normal.own[held] += HELD * torch.eye(UNKNOWNS)
        tried = _stepped(state, normal, damping, energy)
        found = energy(tried)
        found = torch.where(found.isfinite(), found, torch.inf)
        better = (found.sum() < current.sum()).expand(len(found)) if together else found < current
        fallen = (current - found)[better].sum() / current.sum().clamp_min(1e-9)
        state = tried if bool(better.all()) else _choose(better, tried, state)
        damping = torch.where(better, damping / 4, damping * 8).clamp(LEAST_DAMPING, MOST_DAMPING)
        progress((step + 1) / steps)
        if (bool(better.any()) and fallen < tolerance) or bool((damping == MOST_DAMPING).all()) or step + 1 == steps:
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
    sides = torch.cat([normal.gradient[..., None], normal.shape_cross], dim=-1) if energy.shape else normal.gradient[..., None]
    solved = _solve_banded(damped, normal, sides) if energy.timed else _solve_each(damped, sides)
    step = -solved[..., 0]
    if not energy.shape:
        return state.moved(step)
    # The shape's own equations, with the frames' unknowns eliminated.
    across, back = normal.shape_cross, solved[..., 1:]
    left = normal.shape_own - torch.einsum("nus,nut->st", across, back) + damping[0] * torch.diag(normal.shape_own.diagonal())
    right = normal.shape_gradient - torch.einsum("nus,nu->s", across, solved[..., 0])
    shape_step = -torch.linalg.solve(left, right)
    moved = state.moved(step - back @ shape_step)
    return replace(moved, betas=state.betas + shape_step)


def _solve_each(blocks: Float[Tensor, "n u u"], sides: Float[Tensor, "n u c"]) -> Float[Tensor, "n u c"]:
    factor, failed = torch.linalg.cholesky_ex(blocks)
    solved = torch.cholesky_solve(sides, factor)
    return torch.where((failed > 0)[:, None, None], torch.zeros_like(solved), solved)


def _solve_banded(own: Float[Tensor, "n u u"], normal: Normal, sides: Float[Tensor, "n u c"]) -> Float[Tensor, "n u c"]:
    """Solves for all frames together. Time and memory grow with the number of frames, since only near ones are coupled."""
    n, u = own.shape[:2]
    # Column t of blocks, from its diagonal down; then its lower diagonals as rows of LAPACK's band storage.
    columns = np.zeros((n, 4 * u, u))
    columns[:, :u] = own.numpy()
    columns[:, u : 2 * u] = normal.following.mT.numpy()
    columns[:, 2 * u : 3 * u] = normal.second.mT.numpy()
    a, b, c = columns.strides
    band = np.lib.stride_tricks.as_strided(columns, (3 * u, n, u), (b, a, b + c)).reshape(3 * u, n * u)
    try:
        solved = scipy.linalg.solveh_banded(band, sides.double().numpy().reshape(n * u, -1), lower=True, overwrite_ab=True)
    except np.linalg.LinAlgError:
        return torch.zeros_like(sides)
    return torch.from_numpy(solved).float().reshape(sides.shape)
