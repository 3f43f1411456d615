"""A made-up world with known truth: bodies moving before a camera, and how far off what is recovered of them is."""

from anthropose.synthetic.scene import Scene, make_scene
from anthropose.synthetic.scoring import Score, score

__all__ = ["Scene", "Score", "make_scene", "score"]
