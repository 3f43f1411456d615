"""Motions as an animated FBX scene, for Unreal, Unity, Maya, MotionBuilder and Blender.

Blender writes the file. It comes as the Python package `bpy`, an extra, and always runs in a process of its own: it is
large, under the GPL, ties itself to one version of Python, and has been seen to crash on leaving.
"""

import importlib.util
import json
import math
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.export.gltf import unbroken_quaternions
from anthropose.export.naming import Naming, joint_names
from anthropose.export.scene import (
    Figure,
    figures_of,
    floor_height,
    linear_colour,
    making_of,
    person_name,
    visibility,
)
from anthropose.geometry.filters import interpolate, interpolate_rotations
from anthropose.motion import Motion
from anthropose.skeleton import SMPL_24
from anthropose.writing import whole_file

INTERPRETER = "ANTHROPOSE_BPY_PYTHON"
"""The environment variable that names a Python with `bpy`, or Blender itself."""
WORKER = Path(__file__).with_name("fbx_worker.py")
CENTIMETRES = 100.0
SILENCE = 300.0
"""How long [s] Blender may work without a word before it is given up."""


def write_fbx(
    motions: list[Motion],
    body: BodyModel,
    path: Path,
    floor: float | None = None,
    joints: Naming | str = "smpl",
    fps: float | None = None,
    start: float = 0.0,
    progress: Callable[[float], None] = lambda share: None,
    silence: float = SILENCE,
) -> None:
    """Writes everyone's motion as one binary FBX file, whole or not at all.

    The scene is that of `scene.glb`: y up, the floor at y = 0, the video's camera at x = z = 0 looking along -z, but in
    centimetres. Each person is an armature at rest in their own shape, with a mesh bound to it by all of the body's
    weights. FBX counts frames: frame k is k / `fps` seconds into the video, whenever the person comes, and every
    frame has a key, interpolated where the video's times lie between. A person is there and hidden as in `write_glb`.

    Args:
        body: the model that the motions were made with.
        floor: height of the floor over the camera [m]; estimated from the feet when not given.
        joints: whose names the bones get (`naming.py`).
        fps: frames per second of the file; the first motion's video's mean rate when not given.
        start: the time in the video [s] at which the file begins.
        progress: called with the share that is done.
        silence: seconds that Blender may work without a word.

    Raises:
        UserError: Blender is not at hand, fails, or falls silent; a motion has no body or numbers that are not finite;
            `joints` is not a known convention, `fps` not a rate; or `path` cannot be written.
    """
    command = blender_command()
    names = joint_names(joints)
    floor = floor_height(motions, body) if floor is None else floor
    figures = figures_of(motions, body, floor)
    rate = motions[0].fps if fps is None else fps
    if not (math.isfinite(rate) and rate > 0):
        raise UserError(f"{path}: a frame rate is greater than 0, found {rate}")
    last = max(float(motion.seconds[-1]) for motion in motions)
    if not start <= last:
        raise UserError(f"{path}: the motions end at {last:.2f} s, before the file would begin at {start:.2f} s")
    arrays = _scene(figures, body, names, rate, start, -floor)
    with whole_file(path) as part, tempfile.TemporaryDirectory(prefix="anthropose-fbx-") as folder:
        part.touch()  # A folder that cannot be written is told before the work, not after.
        np.savez(given := Path(folder) / "scene.npz", **arrays)
        _run([*command, str(given), str(part)], progress, silence)


def blender_command() -> list[str]:
    """The command that runs the worker: what the environment names, this Python, or Blender, whichever is there.

    Raises:
        UserError: there is none of them.
    """
    if named := os.environ.get(INTERPRETER):
        if shutil.which(named) is None:
            raise UserError(f"{INTERPRETER} is {named}, which is no program; set it to a Python that has bpy")
        return _command(named)
    if importlib.util.find_spec("bpy") is not None:
        return _command(sys.executable)
    if (blender := shutil.which("blender")) is not None:
        return _command(blender)
    raise UserError(
        "FBX is written by Blender, which is not here: pip install 'anthropose[fbx]' (Python 3.11), install Blender, "
        f"or set {INTERPRETER} to a Python that has bpy"
    )


def _command(program: str) -> list[str]:
    if Path(program).name.lower().startswith("blender"):
        return [program, "--background", "--factory-startup", "--python-exit-code", "1", "--python", str(WORKER), "--"]
    return [program, "-P", str(WORKER)]  # Without -P the modules beside the worker would stand in for Blender's.


def _scene(
    figures: list[Figure], body: BodyModel, names: tuple[str, ...], rate: float, start: float, lift: float
) -> dict[str, np.ndarray]:
    """Everything that the worker needs; each person's arrays are under their index."""
    motions = [figure.motion for figure in figures]
    end = max(float(motion.seconds[-1]) for motion in motions)
    arrays: dict[str, np.ndarray] = {}
    for index, figure in enumerate(figures):
        arrays |= {f"{index}/{name}": array for name, array in _person(figure, body, rate, start, end).items()}
    camera = motions[0].camera
    settings: dict[str, Any] = {
        "fps": rate,
        "frames": math.floor((end - start) * rate + 0.01) + 1,
        "camera": {"focal": camera.focal, "center": camera.center, "size": camera.size, "height": lift},
        "persons": [
            {
                "name": person_name(motion),
                "colour": linear_colour(motion.track.person),
                "joints": names,
                "parents": SMPL_24.parents,
            }
            for motion in motions
        ],
        # FBX's properties hold one text or number each.
        "notes": {
            key: ", ".join(map(str, note)) if isinstance(note, list) else note
            for key, note in making_of(motions, body).items()
        },
    }
    return arrays | {"settings": np.array(json.dumps(settings))}


def _person(figure: Figure, body: BodyModel, rate: float, start: float, end: float) -> dict[str, np.ndarray]:
    """Shape, binding and keys of one person; lengths in centimetres, quaternions w, x, y, z."""
    seconds = figure.motion.seconds
    frames = key_frames(seconds - start, rate)
    times = start + torch.from_numpy(frames) / rate
    turns = unbroken_quaternions(interpolate_rotations(figure.rotations, seconds, times))
    positions = interpolate(figure.positions, seconds, times)
    changes, shown = visibility(seconds - start, figure.motion.fps, end - start)
    bound = body.skinning.nonzero()
    return {
        "rest": CENTIMETRES * figure.shape.joints.numpy(),
        "vertices": CENTIMETRES * figure.shape.vertices.numpy(),
        "faces": body.faces.numpy(),
        "bound": bound[:, 0].numpy(),
        "bound_to": bound[:, 1].numpy(),
        "bound_by": body.skinning[bound[:, 0], bound[:, 1]].numpy(),
        "frames": frames,
        "quaternions": turns[..., [3, 0, 1, 2]].numpy(),
        "positions": CENTIMETRES * positions.numpy(),
        "changes": _apart(np.ceil(changes * rate - 0.01)),
        "shown": shown,
    }


def key_frames(seconds: Float[Tensor, "n"], rate: float) -> Int64[np.ndarray, "m"]:
    """All frames of the file that lie within a track; at least one, the nearest.

    Args:
        seconds: the track's times since the file's first frame.
        rate: frames per second of the file.
    """
    # A hundredth of a frame is forgiven, lest the rounding of time stamps cost the first or last frame.
    first, last = float(seconds[0]) * rate, float(seconds[-1]) * rate
    inside = np.arange(math.ceil(first - 0.01), math.floor(last + 0.01) + 1, dtype=np.int64)
    return inside if len(inside) else np.array([round(first)], dtype=np.int64)


def _apart(frames: Float[np.ndarray, "c"]) -> Float[np.ndarray, "c"]:
    """Increasing frames moved on where two would fall together, so that a short visit is still seen."""
    steps = np.arange(len(frames))
    return np.maximum.accumulate(frames - steps) + steps


def _run(command: list[str], progress: Callable[[float], None], silence: float) -> None:
    """Runs the worker to its end, passing on how far it is.

    Raises:
        UserError: it cannot be started, falls silent or ends without "done".
        OSError: it could not write its file.
    """
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise UserError(f"{command[0]} could not be started ({error.strerror}); FBX needs a Python with bpy") from error
    said: list[str] = []
    share = 0.0
    with child:
        try:
            assert child.stdout is not None
            for line in _lines(child.stdout, silence):
                said.append(line)
                if line.startswith("progress "):
                    progress(share := max(share, float(line.split()[1])))  # It goes back to the first frame at the end.
        except BaseException:
            _kill(child)
            raise
    if "done" not in said:
        raise _failure(command[0], said, child.returncode)
    progress(1.0)


def _kill(child: subprocess.Popen) -> None:
    """Ends the child with all that it started: Blender may stand behind a script."""
    if hasattr(os, "killpg"):
        os.killpg(child.pid, signal.SIGKILL)
    else:
        child.kill()


def _lines(stream: Iterable[str], silence: float) -> Iterator[str]:
    """The lines of a stream as they come.

    Raises:
        UserError: none came for `silence` seconds.
    """
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in stream:
            lines.put(line.strip())
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=silence)
        except queue.Empty:
            raise UserError(
                f"Blender was silent for {silence:.0f} s while it wrote the FBX, and was stopped; try fewer persons or "
                "frames, or .glb"
            ) from None
        if line is None:
            return
        yield line


def _failure(program: str, said: list[str], code: int) -> Exception:
    """What to tell of a worker that ended without a file."""
    if "no bpy" in said:
        return UserError(f"{program} has no bpy, which writes the FBX; pip install bpy into it, or name another Python")
    for line in reversed(said):
        if found := re.search(r"\[Errno (\d+)\]", line):
            return OSError(int(found[1]), os.strerror(int(found[1])))
    last = next((line for line in reversed(said) if line and not line.startswith("progress ")), "nothing")
    return UserError(f"{program} ended with code {code} and wrote no FBX; the last that it said was: {last[:300]}")
