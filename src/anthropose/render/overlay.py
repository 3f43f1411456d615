"""The overlay of `anthropose run`: motions drawn over the video that they were made from."""

from collections.abc import Callable, Sequence
from pathlib import Path

from anthropose.body.model import BodyModel
from anthropose.motion import Motion
from anthropose.render.film import write_film
from anthropose.render.options import Pictures, ViewName
from anthropose.render.people import draw_people
from anthropose.render.scene import Performer, Seen, vertices_in_camera
from anthropose.video import Video

__all__ = ["Performer", "Seen", "draw_people", "vertices_in_camera", "write_overlay"]


def write_overlay(
    video: Video,
    motions: Sequence[Motion],
    body: BodyModel,
    path: Path,
    *,
    side_view: bool = False,
    opacity: float = 0.9,
    stop: int | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> None:
    """Writes an MP4 of the video with the people of `motions` drawn over it, at the video's times and with its sound.

    Frames are read, drawn and written one by one, so that memory does not grow with the length of the video.

    Args:
        video: that the motions were made from.
        motions: of any number of persons; those without a body are drawn as sticks.
        body: the model that the bodies belong to.
        path: of the MP4.
        side_view: adds a panel on the right in which the same people are seen from the side.
        opacity: how much of the picture a body hides, from 0 to 1.
        stop: the frame before which to end; the video's end when not given.
        progress: called with the share that is done.

    Raises:
        UserError: the file cannot be written, or the motions belong to another video.
    """
    views: tuple[ViewName, ...] = ("overlay", "side") if side_view and motions else ("overlay",)
    pictures = Pictures(views=views, limit=None if stop is None else max(stop, 1))
    write_film(video, motions, path, pictures, body=body, opacity=opacity, progress=progress)
