"""What several processes do together; with one process everything here is immediate."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from anthropose.errors import UserError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Result = TypeVar("Result")


def first_does(fabric: "Fabric", work: Callable[[], Result]) -> Result:
    """What `work` returns, for all processes; only the first one does it.

    Raises:
        UserError: in all of them, if `work` raises one.
    """
    result, error = None, None
    if fabric.is_global_zero:
        try:
            result = work()
        except UserError as raised:
            error = raised
    if fabric.world_size > 1:
        result, line = fabric.broadcast((result, None if error is None else str(error)))
        error = error or (None if line is None else UserError(line))
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


def gathered(fabric: "Fabric", value: Any) -> list[Any]:
    """The value of every process, by rank; anything that can be pickled."""
    if fabric.world_size == 1:
        return [value]
    values: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(values, value)
    return values


def summed(fabric: "Fabric", values: list[float]) -> list[float]:
    """The sums over all processes."""
    if fabric.world_size == 1:
        return values
    tensor = torch.tensor(values, dtype=torch.float64, device=fabric.device)
    torch.distributed.all_reduce(tensor)
    return tensor.tolist()


def averaged(fabric: "Fabric", tensor: Tensor) -> Tensor:
    """The mean over all processes."""
    if fabric.world_size == 1:
        return tensor
    total = tensor.clone()
    torch.distributed.all_reduce(total)
    return total / fabric.world_size
