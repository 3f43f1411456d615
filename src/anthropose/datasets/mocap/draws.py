"""Random numbers that are the same on every machine and device.

Each is a hash of where it stands: the batch, the row, a name and an index. Nothing is drawn from a state, so rows can
be made apart from each other, on any device and in any order.
"""

import math
import zlib
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int, Int32
from torch import Tensor

_STEP = 0x9E3779B1
"""2^32 divided by the golden ratio, made odd."""
_MASK = 0xFFFFFFFF


def _signed(number: int) -> int:
    """The number that has the lower 32 bits of `number`."""
    return (number & _MASK) - ((number & 0x80000000) << 1)


def _mixed(values: Int32[Tensor, "*b"], key: Int32[Tensor, "*#b"] | None = None) -> Int32[Tensor, "*b"]:
    """Values, changed in place, such that every bit depends on all bits (Wellons' lowbias32, 2018); a key in between.

    In 32 bits, since a CPU multiplies eight of them at once; multiplication drops what overflows.
    """
    values ^= (values >> 16) & 0xFFFF
    values *= _signed(0x7FEB352D)
    if key is not None:
        values ^= key
    values ^= (values >> 15) & 0x1FFFF
    values *= _signed(0x846CA68B)
    values ^= (values >> 16) & 0xFFFF
    return values


class Draws:
    """The numbers of some rows of one batch, by name; the first axis of all results is the rows."""

    def __init__(self, batch: Sequence[int], rows: Int[Tensor, "b"]) -> None:
        """
        Args:
            batch: seed, epoch, step, and whatever else tells batches apart.
            rows: the numbers of the rows in the batch; the results are on their device.
        """
        keys = [torch.zeros(1, dtype=torch.int32), torch.full((1,), _signed(_STEP), dtype=torch.int32)]
        for number in batch:
            keys = [_mixed(_mixed(key + _signed(int(number) + _STEP)) + _signed(int(number) >> 32)) for key in keys]
        self._keys = [_mixed(rows.int() * _signed(_STEP) + key.to(rows.device)) for key in keys]

    def __len__(self) -> int:
        return len(self._keys[0])

    def _bits(self, name: str, shape: tuple[int, ...]) -> Int32[Tensor, "b *s"]:
        first, second = (_mixed(key ^ _signed(zlib.crc32(name.encode()))) for key in self._keys)
        count = torch.arange(1, math.prod(shape) + 1, dtype=torch.int32, device=first.device) * _signed(_STEP)
        return _mixed(first[:, None] + count, second[:, None]).reshape(len(first), *shape)

    def uniform(self, name: str, *shape: int, low: float = 0.0, high: float = 1.0) -> Float[Tensor, "b *s"]:
        """Evenly between two numbers."""
        return ((self._bits(name, shape) >> 8) & 0xFFFFFF).float().mul_((high - low) / 2**24).add_(low)

    def even_log(self, name: str, low: float, high: float) -> Float[Tensor, "b"]:
        """Between two numbers, their logarithms evenly."""
        return low * (math.log(high / low) * self.uniform(name)).exp()

    def normal(self, name: str, *shape: int) -> Float[Tensor, "b *s"]:
        """Of mean 0 and variance 1, never beyond 4.9 (Box and Muller)."""
        bits = self._bits(name, shape)
        radius = ((bits & 0xFFFF) + 0.5).mul_(2**-16).log_().mul_(-2).sqrt_()
        return radius.mul_(((bits >> 16) & 0xFFFF).float().mul_(2 * math.pi / 2**16).cos_())

    def chance(self, name: str, share: float, *shape: int) -> Bool[Tensor, "b *s"]:
        """True for about this share."""
        return self.uniform(name, *shape) < share

    def among(self, name: str, cumulated: Float[Tensor, "c"]) -> Int[Tensor, "b"]:
        """Numbers of choices, by their cumulated shares in double precision, the last of which is 1."""
        words = [(bits.long() & _MASK).double() for bits in (self._bits(name, ()), self._bits(name + " low", ()))]
        exact = (words[0] + words[1] / 2**32) / 2**32
        return torch.searchsorted(cumulated, exact, right=True).clamp_max(len(cumulated) - 1)
