"""A made-up world with known truth: bodies moving before a camera, and how far off what is recovered of them is."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anthropose.synthetic.scene import Scene, make_scene
    from anthropose.synthetic.scoring import Score, score

__all__ = ["Scene", "Score", "make_scene", "score"]


def __getattr__(name: str) -> object:
    """Imported when first used: made-up motion capture needs no pictures."""
    homes = {"Scene": "scene", "make_scene": "scene", "Score": "scoring", "score": "scoring"}
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{homes[name]}"), name)
