"""3D human pose and shape over time, from ordinary video.

`import anthropose as ap; motions = ap.reconstruct("clip.mp4")`
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

from anthropose.unchecked import install

if TYPE_CHECKING:
    from anthropose.body.files import load_body
    from anthropose.errors import UserError
    from anthropose.motion import BodyPose, Camera, Motion, Track
    from anthropose.outputs import run
    from anthropose.reconstruction import reconstruct
    from anthropose.settings import Outputs, Settings
    from anthropose.skeleton import SKELETONS, Skeleton, pick
    from anthropose.video import open_video

__version__ = "0.1.0"

# OpenMP's threads spin while they wait for each other. On a busy machine that made skinning 80 times slower (2 cores,
# measured); asleep they lose nothing on a free one. It must be said before torch is loaded, and is only a default.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

install()

_HOMES = {
    "BodyPose": "motion",
    "Camera": "motion",
    "Motion": "motion",
    "Outputs": "settings",
    "SKELETONS": "skeleton",
    "Settings": "settings",
    "Skeleton": "skeleton",
    "Track": "motion",
    "UserError": "errors",
    "load_body": "body.files",
    "open_video": "video",
    "pick": "skeleton",
    "reconstruct": "reconstruction",
    "run": "outputs",
}

__all__ = [
    "SKELETONS",
    "BodyPose",
    "Camera",
    "Motion",
    "Outputs",
    "Settings",
    "Skeleton",
    "Track",
    "UserError",
    "load_body",
    "open_video",
    "pick",
    "reconstruct",
    "run",
]


def __getattr__(name: str) -> object:
    """Public names are imported when first used, so that the command line's help does not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'anthropose' has no attribute {name!r}")
    return getattr(import_module(f"anthropose.{_HOMES[name]}"), name)
