"""Which weights adaptation starts from: a BaseModel, or those of any method that are fed with keypoints."""

from anthropose.errors import UserError
from anthropose.methods.base import METHODS, find_method
from anthropose.methods.dynaboa.model import PUBLISHED
from anthropose.nn.checkpoints import Weights, find_weights, installed_weights, shipped_weights
from anthropose.nn.weights import Published

USUAL = "parallel-branch"
"""The method whose weights come along."""


def adaptable_layouts() -> tuple[Published, ...]:
    """How the weights look that adaptation can start from. Methods are found by name: none knows another."""
    kinds = [find_method(name) for name in METHODS if name not in ("dynaboa", "smplify", "rie")]
    fed = [one for kind in kinds for one in kind.layouts() if one.front_end == "keypoints"]  # type: ignore[attr-defined]
    return (PUBLISHED, *fed)


def find_adaptable(name_or_path: str) -> Weights:
    """The weights that a user means: an installed BaseModel where nothing is named, else those that come along.

    Raises:
        UserError: there are none, or they are of a kind that cannot be adapted.
    """
    layouts = adaptable_layouts()
    if name_or_path:
        weights = find_weights(name_or_path, layouts)
        if weights.front_end == "image" and weights.system != PUBLISHED.system:
            raise UserError(
                f"weights {weights.name!r} see features of crops, which dynaboa cannot adapt; give a BaseModel or "
                "weights that are fed with keypoints"
            )
        return weights
    if installed_weights(PUBLISHED.system):
        return find_weights("", PUBLISHED)
    usual = [one for one in (*shipped_weights(USUAL), *installed_weights(USUAL)) if one.front_end == "keypoints"]
    return usual[0] if usual else find_weights("", PUBLISHED)
