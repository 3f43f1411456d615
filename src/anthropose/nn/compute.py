"""Where networks run, and in which precision."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from anthropose.errors import UserError

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Compute:
    """The device and the precision of inference."""

    device: Device = "auto"
    """auto takes the GPU where there is one."""
    precision: Precision = "float32"
    """Of matrix products and convolutions; what a network adds up stays float32."""

    def place(self) -> torch.device:
        """The device that is meant.

        Raises:
            UserError: a GPU was asked for and there is none that torch can use.
        """
        if self.device == "cuda" and not torch.cuda.is_available():
            raise UserError("--device cuda: torch finds no GPU here; leave --device away, or see `anthropose doctor`")
        return torch.device("cuda" if self.device != "cpu" and torch.cuda.is_available() else "cpu")

    @contextmanager
    def running(self) -> Iterator[torch.device]:
        """Everything inside runs without gradients and in this precision.

        In float32 a GPU's convolutions are kept from TF32, which torch allows by default: its ten bits of mantissa
        move the networks' outputs by more than the tolerance of the published ones.
        """
        place = self.place()
        with ExitStack() as held:
            held.enter_context(torch.no_grad())
            if self.precision == "float32":
                held.enter_context(torch.backends.cudnn.flags(enabled=True, allow_tf32=False))
            else:
                held.enter_context(torch.autocast(place.type, dtype=getattr(torch, self.precision)))
            yield place
