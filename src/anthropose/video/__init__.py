"""Video in and out: files, image folders and cameras as RGB frames with times; H.264 files that browsers play."""

from importlib import import_module
from typing import TYPE_CHECKING

from anthropose.video.base import Video

if TYPE_CHECKING:
    from anthropose.video.opening import open_video
    from anthropose.video.writer import VideoWriter

__all__ = ["Video", "VideoWriter", "open_video"]


def __getattr__(name: str) -> object:
    """What needs a decoder is imported when first used: trainings on a bare machine know videos by name alone."""
    homes = {"open_video": "opening", "VideoWriter": "writer"}
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{homes[name]}"), name)
