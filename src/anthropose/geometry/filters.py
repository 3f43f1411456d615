"""Smoothing and resampling along time, for vectors and for rotations.

Everything is in seconds: time stamps are given, may be uneven and may have gaps, so that a setting means the same at
24, 30 and 60 frames per second. Rotations are filtered on the group itself: filtering rotation vectors or Euler
angles element by element breaks where they wrap around at pi.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anthropose.geometry.rotations import (
    quat_inverse,
    quat_product,
    quat_to_rotmat,
    quat_to_rotvec,
    rotmat_to_quat,
    rotmat_to_rotvec,
    rotvec_to_quat,
    rotvec_to_rotmat,
)

_CHUNK = 1 << 19
"""Quaternions that the rotation smoother handles at once: 16 MiB each array, whatever the length of the motion."""


def one_euro(
    values: Float[Tensor, "n *c"],
    seconds: Float[Tensor, "n"],
    min_cutoff: float = 1.0,
    beta: float = 0.3,
    derivative_cutoff: float = 1.0,
) -> Float[Tensor, "n *c"]:
    """Values smoothed by the one-euro filter, each element by itself: strongly at rest, little in fast motion.

    It looks only backwards, so it serves a live camera, and lags by about 1 / (2 pi cutoff) seconds.

    Args:
        values: one row per time stamp, any unit.
        seconds: strictly increasing time stamps [s].
        min_cutoff: cutoff frequency at rest [Hz]; lower is smoother.
        beta: how much the cutoff grows with speed [Hz per unit/s]; higher lags less.
        derivative_cutoff: cutoff of the speed estimate [Hz].

    Casiez, Roussel and Vogel, CHI 2012. The speed is that of the raw values, so that it is the same at any frame rate.
    """
    steps = _steps(seconds)
    smooth = [values[0]] if len(values) else []
    speed = torch.zeros_like(values[0]) if len(values) else values
    for before, value, step in zip(values, values[1:], steps, strict=False):
        share = _share(step, derivative_cutoff)
        speed = share * (value - before) / step + (1 - share) * speed
        share = _share(step, min_cutoff + beta * speed.abs())
        smooth.append(share * value + (1 - share) * smooth[-1])
    return torch.stack(smooth) if smooth else values.clone()


def one_euro_as_published(
    values: Float[Tensor, "n *c"], seconds: Float[Tensor, "n"], min_cutoff: float = 0.004, beta: float = 0.7
) -> Float[Tensor, "n *c"]:
    """VIBE's one-euro filter: the speed is taken from the last smoothed value, which makes it grow with the frame rate.

    The published demos give it rotation vectors, element by element, and frame numbers for seconds (vibe_base spec,
    section 14.4); that breaks where a vector wraps around at pi. It is here for comparison; for rotations use
    `one_euro_rotations`.
    """
    steps = _steps(seconds)
    smooth = [values[0]] if len(values) else []
    speed = torch.zeros_like(values[0]) if len(values) else values
    for value, step in zip(values[1:], steps, strict=True):
        share = _share(step, 1.0)
        speed = share * (value - smooth[-1]) / step + (1 - share) * speed
        share = _share(step, min_cutoff + beta * speed.abs())
        smooth.append(share * value + (1 - share) * smooth[-1])
    return torch.stack(smooth) if smooth else values.clone()


def one_euro_rotations(
    rotations: Float[Tensor, "n *b 3 3"],
    seconds: Float[Tensor, "n"],
    min_cutoff: float = 1.0,
    beta: float = 0.3,
    derivative_cutoff: float = 1.0,
) -> Float[Tensor, "n *b 3 3"]:
    """Rotations smoothed by the one-euro filter on SO(3); the cutoff grows with the angular speed of each rotation.

    The same arguments as `one_euro`, beta in Hz per rad/s. A rotation of the whole motion from the left or from the
    right gives the rotated result, so it does not matter where angles wrap around.
    """
    steps = _steps(seconds)
    smooth = [rotations[0]] if len(rotations) else []
    velocity = torch.zeros_like(rotations[0, ..., 0]) if len(rotations) else rotations
    raw_turns = rotmat_to_rotvec(rotations[:-1].transpose(-1, -2) @ rotations[1:]) if len(rotations) else rotations
    for raw_turn, rotation, step in zip(raw_turns, rotations[1:], steps, strict=True):
        share = _share(step, derivative_cutoff)
        velocity = share * raw_turn / step + (1 - share) * velocity
        share = _share(step, min_cutoff + beta * velocity.norm(dim=-1, keepdim=True))
        turn = rotmat_to_rotvec(smooth[-1].transpose(-1, -2) @ rotation)
        smooth.append(smooth[-1] @ rotvec_to_rotmat(share * turn))
    return torch.stack(smooth) if smooth else rotations.clone()


def slerp_recursively(rotations: Float[Tensor, "n *b 3 3"], share: float = 0.3) -> Float[Tensor, "n *b 3 3"]:
    """Rotations smoothed by going, in each frame, `share` of the shortest way from the last smoothed one to the raw.

    This is MEVA's filter, which the evaluations of TCMR and GLoT offer (tcmr spec, section 7). It counts frames, not
    seconds, and lags; it is here for comparison, `one_euro_rotations` and `gaussian_rotations` are the better ones.
    """
    raw = rotmat_to_quat(rotations.double())
    smooth = [raw[0]] if len(raw) else []
    for rotation in raw[1:]:
        turn = quat_to_rotvec(quat_product(quat_inverse(smooth[-1]), rotation))
        smooth.append(_turned(smooth[-1], share * turn))
    if not smooth:
        return rotations.clone()
    return quat_to_rotmat(torch.stack(smooth)).to(rotations.dtype)


def gaussian(
    values: Float[Tensor, "n *c"], seconds: Float[Tensor, "n"], sigma: float, degree: int = 1
) -> Float[Tensor, "n *c"]:
    """Values smoothed without lag: around each time stamp a polynomial is fitted with Gaussian weights.

    Unlike a plain weighted mean it keeps uniform motion as it is, also at both ends and beside gaps. Degree 2 keeps
    peaks as well (a Savitzky-Golay filter for uneven time stamps), degree 0 is the plain mean.

    Args:
        seconds: strictly increasing time stamps [s]. Neighbours more than 3 sigma away do not count, so gaps part the
            motion.
        sigma: width of the weights [s]; 0.05 removes a detector's flicker, 0 changes nothing.
    """
    if sigma <= 0 or len(values) == 0:
        _steps(seconds)
        return values.clone()
    rows, columns, weights = _local_polynomial(seconds, sigma, degree)
    size = (len(values), len(values))
    matrix = torch.sparse_coo_tensor(torch.stack([rows, columns]), weights, size, check_invariants=True)
    flat = values.reshape(len(values), -1).double()
    return torch.sparse.mm(matrix, flat).reshape(values.shape).to(values.dtype)


def gaussian_rotations(
    rotations: Float[Tensor, "n *b 3 3"], seconds: Float[Tensor, "n"], sigma: float, degree: int = 1
) -> Float[Tensor, "n *b 3 3"]:
    """Rotations smoothed without lag, by `gaussian` in the tangent space at each smoothed rotation.

    A turn at constant angular velocity stays as it is. The tangent point is refined twice from the raw rotation.
    """
    if sigma <= 0 or len(rotations) == 0:
        _steps(seconds)
        return rotations.clone()
    rows, columns, weights = _local_polynomial(seconds, sigma, degree)
    raw = rotmat_to_quat(rotations.double()).reshape(len(rotations), -1, 4)
    smooth = raw
    for _ in range(3):
        smooth = torch.cat(
            [
                _tangent_mean(raw, smooth[first:last], rows[inside] - first, columns[inside], weights[inside])
                for first, last, inside in _chunks(rows, len(raw), raw.shape[1])
            ]
        )
    return quat_to_rotmat(smooth).reshape(rotations.shape).to(rotations.dtype)


def interpolate(
    values: Float[Tensor, "n *c"], seconds: Float[Tensor, "n"], at: Float[Tensor, "m"]
) -> Float[Tensor, "m *c"]:
    """Values at other times, on straight lines between neighbours; the ends are held outside the range."""
    before, after, share = _neighbours(seconds, at)
    share = share.to(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
    return torch.lerp(values[before], values[after], share)


def interpolate_rotations(
    rotations: Float[Tensor, "n *b 3 3"], seconds: Float[Tensor, "n"], at: Float[Tensor, "m"]
) -> Float[Tensor, "m *b 3 3"]:
    """Rotations at other times, along the shortest arcs between neighbours; the ends are held outside the range."""
    before, after, share = _neighbours(seconds, at)
    share = share.to(rotations.dtype).reshape(-1, *[1] * (rotations.ndim - 2))
    turn = rotmat_to_rotvec(rotations[before].transpose(-1, -2) @ rotations[after])
    return rotations[before] @ rotvec_to_rotmat(share * turn)


def _steps(seconds: Float[Tensor, "n"]) -> list[float]:
    steps = seconds.double().diff().tolist()
    if not all(step > 0 for step in steps):
        raise ValueError("time stamps must increase strictly")
    return steps


def _share(step: float, cutoff: float | Tensor) -> float | Tensor:
    """How much of the new value a first-order low pass of `cutoff` [Hz] takes after `step` [s]."""
    turn = 2 * math.pi * cutoff * step
    return turn / (turn + 1)


def _neighbours(
    seconds: Float[Tensor, "n"], at: Float[Tensor, "m"]
) -> tuple[Int[Tensor, "m"], Int[Tensor, "m"], Float[Tensor, "m"]]:
    """For each time the time stamps before and after it, and the share of the way between them."""
    _steps(seconds)
    seconds, at = seconds.double(), at.double()
    after = torch.searchsorted(seconds, at).clamp(max=len(seconds) - 1)
    before = (after - 1).clamp(min=0)
    length = (seconds[after] - seconds[before]).clamp_min(1e-12)
    return before, after, ((at - seconds[before]) / length).clamp(0, 1)


def _local_polynomial(
    seconds: Float[Tensor, "n"], sigma: float, degree: int
) -> tuple[Int[Tensor, "w"], Int[Tensor, "w"], Float[Tensor, "w"]]:
    """The rows, columns and weights of the smoothing matrix, whose rows sum to one.

    Row i evaluates at time i the polynomial fitted to its neighbours. The slight ridge on all but the constant term
    decides where there are fewer neighbours than coefficients: a lone sample keeps its value.
    """
    _steps(seconds)
    t = seconds.double() / sigma
    reach = 3 + 1e-6  # so that a neighbour at just 3 sigma does not come and go by rounding
    first, last = torch.searchsorted(t, t - reach), torch.searchsorted(t, t + reach, right=True)
    counts = last - first
    rows = torch.repeat_interleave(torch.arange(len(t)), counts)
    columns = torch.arange(len(rows)) - torch.repeat_interleave(counts.cumsum(0) - counts, counts) + first[rows]
    distance = t[columns] - t[rows]
    powers = distance[:, None] ** torch.arange(degree + 1)
    kernel = (-0.5 * distance.square()).exp()[:, None] * powers
    moments = t.new_zeros(len(t), degree + 1, degree + 1).index_add(0, rows, kernel[:, :, None] * powers[:, None, :])
    ridge = torch.full((degree + 1,), 1e-9, dtype=t.dtype)
    ridge[0] = 0
    value_at_zero = torch.linalg.inv(moments + torch.diag(ridge))[:, 0]
    return rows, columns, (value_at_zero[rows] * kernel).sum(-1)


def _chunks(rows: Int[Tensor, "w"], n: int, width: int) -> list[tuple[int, int, slice]]:
    """Spans of consecutive rows with their part of the entries, each small enough for the memory."""
    starts = torch.searchsorted(rows, torch.arange(n + 1)).tolist()
    per_row = max(1, len(rows) * width // n)
    size = max(1, _CHUNK // per_row)
    return [(i, min(i + size, n), slice(starts[i], starts[min(i + size, n)])) for i in range(0, n, size)]


def _tangent_mean(
    raw: Float[Tensor, "n r 4"],
    center: Float[Tensor, "m r 4"],
    rows: Int[Tensor, "w"],
    columns: Int[Tensor, "w"],
    weights: Float[Tensor, "w"],
) -> Float[Tensor, "m r 4"]:
    """`center` moved by the weighted sum of the turns from it to its neighbours in `raw`."""
    away = quat_product(quat_inverse(center)[rows], raw[columns])
    turns = quat_to_rotvec(away) * weights[:, None, None]
    move = center.new_zeros(*center.shape[:-1], 3).index_add(0, rows, turns)
    return _turned(center, move)


def _turned(quats: Float[Tensor, "*b 4"], rotvecs: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 4"]:
    return torch.nn.functional.normalize(quat_product(quats, rotvec_to_quat(rotvecs)), dim=-1)
