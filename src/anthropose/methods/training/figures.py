"""The figures by which trainings choose their best epoch."""

from jaxtyping import Float
from torch import Tensor

from anthropose.metrics import mpjpe, pa_mpjpe, root_relative
from anthropose.skeleton import Skeleton

MILLIMETRES = 1000.0


def errors_of(found: Float[Tensor, "n j 3"], wanted: Float[Tensor, "n j 3"]) -> dict[str, float]:
    """Mean errors [mm] of joints [m], as they are and after the best alignment of each frame."""
    errors = {"pa_mpjpe": pa_mpjpe(found, wanted), "mpjpe": mpjpe(found, wanted)}
    return {key: float(values.double().mean()) * MILLIMETRES for key, values in errors.items()}


def rooted_errors(
    found: Float[Tensor, "n j 3"], wanted: Float[Tensor, "n j 3"], skeleton: Skeleton
) -> dict[str, float]:
    """The same of joints relative to their root."""
    return errors_of(root_relative(found, skeleton), root_relative(wanted, skeleton))
