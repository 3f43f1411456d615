"""The one training loop: a method's job in, a folder with the run's record, curves and best weights out."""

from anthropose.train.loop import train
from anthropose.train.options import Options

__all__ = ["Options", "train"]
