"""Joints of all persons as markers in a C3D file, for Vicon's, Qualisys' and other programs of biomechanics.

Written by ezc3d, which the extra `c3d` installs.
"""

import errno
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.export.points import METRES_TO, Points, points_of
from anthropose.export.regular import even_times_of, seen_at
from anthropose.export.scene import floor_height, person_name
from anthropose.geometry.filters import interpolate
from anthropose.motion import Motion
from anthropose.settings import Unit
from anthropose.writing import remove_quietly, whole_file

MOST_FRAMES = 65535
"""Frames are counted in 16 bits."""


def write_c3d(
    motions: list[Motion],
    body: BodyModel,
    path: Path,
    skeleton: str = "",
    unit: Unit = "mm",
    fps: float | None = None,
    start: float | None = None,
    floor: float | None = None,
) -> None:
    """Writes the joints of all persons at a constant frame rate, whole or not at all; y is up, which the file says.

    The number of the first frame is its place in the video, counted from 1 at the file's rate. Joints that lie between
    two frames are interpolated; where a person is not seen the residual is -1, C3D's sign of what is missing. Of
    several persons the markers are called as in `person-00:left_knee`.

    Args:
        body: the model that the motions were made with.
        skeleton: the set of joints, as of `points_of`; each motion's own when empty.
        unit: of all lengths; the file says it.
        fps: frames per second of the file; the video's mean rate when not given.
        start: the time in the video [s] of the first frame; the first person's first frame when not given.
        floor: height of the floor over the camera [m], estimated from the feet when not given.

    Raises:
        UserError: ezc3d is not installed, a motion does not give the joints, there are too many frames for the format,
            or `path` cannot be written.
    """
    import ezc3d

    floor = floor_height(motions, body) if floor is None else floor
    points = [points_of(motion, body, floor, skeleton) for motion in motions]
    rate, times = even_times_of(motions, fps, start)
    first = round(float(times[0]) * rate) + 1
    if first + len(times) - 1 > MOST_FRAMES:
        raise UserError(f"{path}: a .c3d counts at most {MOST_FRAMES} frames; choose a lower --fps or another format")
    labels = [_label(one, name, len(points) > 1) for one in points for name in one.skeleton.joints]
    places = np.concatenate([_places(one, times.numpy(), METRES_TO[unit]) for one in points], axis=1)
    file = ezc3d.c3d()
    file["header"]["points"]["first_frame"] = first - 1  # ezc3d counts from 0 and writes from 1.
    file["parameters"]["POINT"]["RATE"]["value"] = [rate]
    file["parameters"]["POINT"]["UNITS"]["value"] = [unit]
    file["parameters"]["POINT"]["LABELS"]["value"] = labels
    file.add_parameter("POINT", "X_SCREEN", ["+X"])
    file.add_parameter("POINT", "Y_SCREEN", ["+Y"])
    file["data"]["points"] = np.concatenate([places, np.ones((1, *places.shape[1:]))])
    with whole_file(path) as part:
        part.touch()  # What is wrong with the folder is told better by Python.
        plain = part.with_suffix(".c3d")  # Other endings, capitals too, get this one appended.
        try:
            file.write(str(plain))
            # On a full disk ezc3d stops without a word. Each marker has four numbers of four bytes in every frame.
            if plain.stat().st_size < 16 * places[0].size:
                raise OSError(errno.ENOSPC, "the file is cut short")
            plain.replace(part)
        finally:
            if plain != part:
                remove_quietly(plain)


def _label(points: Points, joint: str, several: bool) -> str:
    return f"{person_name(points.motion)}:{joint}" if several else joint


def _places(points: Points, times: Float[np.ndarray, "m"], scale: float) -> Float[np.ndarray, "3 j m"]:
    """As ezc3d wants them; NaN where the person is not seen."""
    at = torch.from_numpy(times)
    places = scale * interpolate(points.places.double(), points.motion.seconds, at)
    places[~seen_at(points.motion, at)] = torch.nan
    return places.permute(2, 1, 0).numpy()
