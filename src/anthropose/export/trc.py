"""One person's joints as a track of markers (.trc), for OpenSim, Pose2Sim and all that reads Motion Analysis' files."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from anthropose.body.model import BodyModel
from anthropose.export.points import METRES_TO, points_of
from anthropose.export.regular import even_times_of, seen_at
from anthropose.export.scene import floor_height
from anthropose.geometry.filters import interpolate
from anthropose.motion import Motion
from anthropose.settings import Unit
from anthropose.writing import whole_file


def write_trc(
    motion: Motion,
    body: BodyModel,
    path: Path,
    skeleton: str = "",
    unit: Unit = "m",
    fps: float | None = None,
    start: float | None = None,
    floor: float | None = None,
) -> None:
    """Writes one person's joints at a constant frame rate, whole or not at all; y is up, as OpenSim has it.

    Frame# counts the video's frames from 1 at the file's rate and Time is the time in the video. Joints that lie
    between two frames are interpolated; cells are empty where the person is not seen, which OpenSim and Pose2Sim take
    for missing.

    Args:
        body: the model that the motion was made with.
        skeleton: the set of joints, as of `points_of`; the motion's own when empty.
        unit: of all lengths; the header says it.
        fps: frames per second of the file; the video's mean rate when not given.
        start: the time in the video [s] of the file's first frame; the person's first frame when not given.
        floor: height of the floor over the camera [m], estimated from the feet when not given.

    Raises:
        UserError: the motion does not give the joints, the rate is not above 0, or `path` cannot be written.
    """
    floor = floor_height([motion], body) if floor is None else floor
    points = points_of(motion, body, floor, skeleton)
    rate, times = even_times_of([motion], fps, start)
    places = METRES_TO[unit] * interpolate(points.places.double(), motion.seconds, times)
    places[~seen_at(motion, times)] = np.nan
    first = round(float(times[0]) * rate) + 1
    rows = [
        "\t".join([str(first + row), f"{time:.6f}", *_cells(place), ""])
        for row, (time, place) in enumerate(zip(times.tolist(), places.numpy(), strict=True))
    ]
    lines = [*_header(path.name, points.skeleton.joints, rate, len(rows), first, unit), *rows]
    with whole_file(path) as part:
        part.write_text("\n".join(lines) + "\n", encoding="ascii")


def _header(name: str, joints: tuple[str, ...], rate: float, frames: int, first: int, unit: str) -> list[str]:
    """The five lines and the empty one that every reader of the format counts.

    All lines end with a tab, without which OpenSim misses the last cell of a line where that is empty.
    """
    rate_text = f"{rate:.6f}".rstrip("0").rstrip(".")
    values = [rate_text, rate_text, str(frames), str(len(joints)), unit, rate_text, str(first), str(frames)]
    axes = [f"{axis}{number}" for number in range(1, len(joints) + 1) for axis in "XYZ"]
    return [
        f"PathFileType\t4\t(X/Y/Z)\t{name.encode('ascii', 'replace').decode()}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        "\t".join(values),
        "Frame#\tTime\t" + "\t\t\t".join(joints) + "\t\t",
        "\t\t" + "\t".join(axes) + "\t",
        "",
    ]


def _cells(places: Float[np.ndarray, "j 3"]) -> list[str]:
    return ["" if np.isnan(value) else f"{value:.6f}" for value in places.reshape(-1).tolist()]
