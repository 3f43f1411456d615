"""The one training loop: a method's job in, a folder with the run's record, curves and best weights out."""

from typing import TYPE_CHECKING, Any

from anthropose.train.options import Options

if TYPE_CHECKING:
    from anthropose.train.loop import train

__all__ = ["Options", "train"]


def __getattr__(name: str) -> Any:
    """`train`, imported when it is first asked for: the command line needs the options alone, and at once."""
    if name == "train":
        from anthropose.train.loop import train

        return train
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
