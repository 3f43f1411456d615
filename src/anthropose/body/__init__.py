"""Bodies in SMPL's format: the free one that is shipped, and those that the user brings."""

from anthropose.body.files import load_body
from anthropose.body.model import BodyModel, PointModel, Posed, Shaped

__all__ = ["BodyModel", "PointModel", "Posed", "Shaped", "load_body"]
