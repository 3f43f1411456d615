"""What a user can set about a reconstruction; light to import, since the command line is made from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Settings:
    """Everything that the people and motions found in a video depend on."""

    method: str = "smplify"
    """How keypoints or pixels become a body: a known name, or package.module:Class of your own."""
    body: str = "free"
    """The body model: free, the name of one that was brought in with `anthropose body`, or a SMPL file."""
    detector: str = "mediapipe"
    """What finds people and their keypoints: mediapipe, or rtmlib where that extra is installed."""
    tracker: Literal["default", "sort"] = "default"
    """How detections become tracks; sort is the one that the VIBE family used."""
    tracks: Path | None = None
    """People found by another program (AlphaPose, OpenPose, COCO or MOT file) in place of the detector."""
    persons: tuple[int, ...] = ()
    """Only these persons, by number; all when empty."""
    focal: float | None = None
    """Focal length of the camera in pixels; guessed from the size of the picture when not given."""
    fps: float | None = None
    """Frames per second of a folder of images (30 when not given); a video brings its own."""
    seconds: float | None = None
    """Only the first so many seconds."""
    smooth: Literal["none", "one-euro", "gaussian"] = "none"
    """Smoothing of the finished motion over time, on top of the method's own."""


@dataclass(frozen=True)
class Outputs:
    """Which files are made of the motions, beside the motion files themselves."""

    overlay: bool = True
    """The bodies drawn over the video, as overlay.mp4."""
    side_view: bool = False
    """A second panel in overlay.mp4 that shows the people from the side."""
    export: tuple[Literal["glb", "bvh"], ...] = ("glb", "bvh")
    """Formats for other programs: scene.glb holds everyone, person-NN.bvh one person each."""
    report: bool = True
    """The page report.html with the video, plots over time, settings and versions."""
