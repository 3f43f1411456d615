"""The one-euro filter of `geometry.filters`, one moment at a time: for values that are still coming."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.geometry.rotations import rotmat_to_rotvec, rotvec_to_rotmat


class OneEuro:
    """`filters.one_euro`, fed value by value."""

    def __init__(self, min_cutoff: float = 1.0, beta: float = 0.3, derivative_cutoff: float = 1.0) -> None:
        """
        Args:
            min_cutoff: cutoff frequency at rest [Hz]; lower is smoother.
            beta: how much the cutoff grows with speed [Hz per unit/s]; higher lags less.
            derivative_cutoff: cutoff of the speed estimate [Hz].
        """
        self.min_cutoff, self.beta, self.derivative_cutoff = min_cutoff, beta, derivative_cutoff
        self._seconds = 0.0
        self._raw: Tensor | None = None
        self._smooth: Tensor
        self._speed: Tensor

    def step(self, value: Float[Tensor, "*c"], seconds: float) -> Float[Tensor, "*c"]:
        """The smoothed value at a time [s] later than the one before.

        Raises:
            ValueError: the time is not later.
        """
        if self._raw is None:
            self._raw, self._smooth, self._speed, self._seconds = value, value, torch.zeros_like(value), seconds
            return value
        step = later(seconds, self._seconds)
        fresh = share_of(step, torch.tensor(self.derivative_cutoff))
        self._speed = fresh * (value - self._raw) / step + (1 - fresh) * self._speed
        share = share_of(step, self.min_cutoff + self.beta * self._speed.abs())
        self._smooth = share * value + (1 - share) * self._smooth
        self._raw, self._seconds = value, seconds
        return self._smooth


class OneEuroRotations:
    """`filters.one_euro_rotations`, fed rotation by rotation."""

    def __init__(self, min_cutoff: float = 1.0, beta: float = 0.3, derivative_cutoff: float = 1.0) -> None:
        """The arguments of `OneEuro`, with beta in Hz per rad/s."""
        self.min_cutoff, self.beta, self.derivative_cutoff = min_cutoff, beta, derivative_cutoff
        self._seconds = 0.0
        self._raw: Tensor | None = None
        self._smooth: Tensor
        self._velocity: Tensor

    def step(self, rotations: Float[Tensor, "*b 3 3"], seconds: float) -> Float[Tensor, "*b 3 3"]:
        """The smoothed rotations at a time [s] later than the one before.

        Raises:
            ValueError: the time is not later.
        """
        if self._raw is None:
            self._raw = self._smooth = rotations
            self._velocity, self._seconds = torch.zeros_like(rotations[..., 0]), seconds
            return rotations
        step = later(seconds, self._seconds)
        fresh = share_of(step, torch.tensor(self.derivative_cutoff))
        turn = rotmat_to_rotvec(self._raw.transpose(-1, -2) @ rotations)
        self._velocity = fresh * turn / step + (1 - fresh) * self._velocity
        share = share_of(step, self.min_cutoff + self.beta * self._velocity.norm(dim=-1, keepdim=True))
        rest = rotmat_to_rotvec(self._smooth.transpose(-1, -2) @ rotations)
        self._smooth = self._smooth @ rotvec_to_rotmat(share * rest)
        self._raw, self._seconds = rotations, seconds
        return self._smooth


def later(seconds: float, before: float) -> float:
    """The step between two times.

    Raises:
        ValueError: it does not lead forwards.
    """
    if not seconds > before:
        raise ValueError("time stamps must increase strictly")
    return seconds - before


def share_of(step: float, cutoff: Tensor) -> Tensor:
    """How much of the new value a first-order low pass of `cutoff` [Hz] takes after `step` [s]."""
    turn = 2 * math.pi * cutoff * step
    return turn / (turn + 1)
