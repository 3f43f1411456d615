"""Joints over time as a table of text (.csv), for spreadsheets, pandas and R."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from anthropose.body.model import BodyModel
from anthropose.export.points import METRES_TO, Points, in_one_table, points_of
from anthropose.export.scene import floor_height
from anthropose.motion import Motion
from anthropose.settings import Unit
from anthropose.writing import whole_file


def write_csv(
    motions: list[Motion],
    body: BodyModel,
    path: Path,
    skeleton: str = "",
    unit: Unit = "m",
    wide: bool = False,
    floor: float | None = None,
) -> None:
    """Writes the joints of all persons as one table, whole or not at all.

    Columns are person, frame, seconds, joint, x, y, z: a row for each joint. Frames are numbers in the video, seconds
    its time stamps. A frame inside a track in which the person was not seen has its rows, with x, y and z empty and the
    time in between.

    Args:
        body: the model that the motions were made with.
        skeleton: the set of joints, as of `points_of`; the motions' own when empty.
        unit: of x, y and z.
        wide: a row for each frame, with columns such as left_knee_x, in place of one for each joint.
        floor: height of the floor over the camera [m], estimated from the feet when not given.

    Raises:
        UserError: a motion does not give the joints, two give different ones, or `path` cannot be written.
    """
    floor = floor_height(motions, body) if floor is None else floor
    points = [points_of(motion, body, floor, skeleton) for motion in motions]
    names = in_one_table(points).joints
    with whole_file(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        columns = [f"{name}_{axis}" for name in names for axis in "xyz"] if wide else ["joint", "x", "y", "z"]
        table.writerow(["person", "frame", "seconds", *columns])
        for one in points:
            for head, places in _rows(one, METRES_TO[unit]):
                cells = [[_text(value) for value in place] for place in places]
                if wide:
                    table.writerow([*head, *(cell for place in cells for cell in place)])
                else:
                    table.writerows([*head, name, *place] for name, place in zip(names, cells, strict=True))


def _rows(points: Points, scale: float) -> Iterator[tuple[list[str], Float[np.ndarray, "j 3"]]]:
    """Person, frame and time as texts, and the places, for every frame of the track; NaN where not seen."""
    motion = points.motion
    frames, seconds, places = with_gaps(
        motion.track.frames.numpy(), motion.seconds.numpy(), scale * points.places.double().numpy()
    )
    for frame, second, place in zip(frames.tolist(), seconds.tolist(), places, strict=True):
        yield [str(motion.track.person), str(frame), f"{second:.6f}"], place


def with_gaps(
    frames: Int[np.ndarray, "n"], seconds: Float[np.ndarray, "n"], places: Float[np.ndarray, "n j 3"]
) -> tuple[Int[np.ndarray, "m"], Float[np.ndarray, "m"], Float[np.ndarray, "m j 3"]]:
    """The same with a row for every frame number in between, its time interpolated and its places NaN."""
    every = np.arange(frames[0], frames[-1] + 1)
    filled = np.full((len(every), *places.shape[1:]), np.nan)
    filled[frames - frames[0]] = places
    return every, np.interp(every, frames, seconds.astype(np.float64)), filled


def _text(value: float) -> str:
    """Micrometres are told, or the sixth digit of another unit; nothing is told of what was not seen."""
    return "" if np.isnan(value) else f"{value:.6f}"
