"""One track in one video: all that a method may look at."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from anthropose.motion import Camera, Track
from anthropose.video import Video


@dataclass(frozen=True)
class Clip:
    """One person's track, with the camera and the clock of the video that it was found in."""

    track: Track
    fps: float
    """Frames per second of the video; the mean rate where it varies."""
    seconds: Float[Tensor, "n"]
    """The time of each frame of the track, float64."""
    camera: Camera
    video: Video | None = None
    """For methods that look at pixels; None where only keypoints are at hand."""
