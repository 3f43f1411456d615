"""One person's motion as a BVH file: a skeleton with Euler angles, read by nearly every animation program.

Axes are y up, as in `scene.glb`. Lengths are centimetres by default, as MotionBuilder, Maya and Unreal take them to be;
in Blender give the importer a scale of 0.01, or write metres. A body's rotations are its own; where a method gives
joints alone, they are those of the bones' directions (bones.py).
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel, Shaped
from anthropose.export.bones import Rig, rig_of_joints
from anthropose.export.naming import Naming, joint_names
from anthropose.export.points import METRES_TO, points_of
from anthropose.export.regular import even_times_of
from anthropose.export.scene import figures_of, floor_height
from anthropose.geometry.filters import interpolate, interpolate_rotations
from anthropose.motion import Motion
from anthropose.settings import Unit
from anthropose.skeleton import SMPL_24
from anthropose.writing import whole_file

TIPS = {"head": (1, 1), "left_foot": (2, 1), "right_foot": (2, 1), "left_hand": (0, 1), "right_hand": (0, -1)}
"""Where the bones without a child end: the axis and the direction in which the body's surface is followed."""


def write_bvh(
    motion: Motion,
    body: BodyModel,
    path: Path,
    fps: float | None = None,
    unit: Unit = "cm",
    start: float | None = None,
    floor: float | None = None,
    joints: Naming | str = "smpl",
) -> None:
    """Writes one person's motion at a constant frame rate, whole or not at all.

    BVH knows neither time stamps nor absence: poses are interpolated to even times, also through gaps.

    Args:
        body: the model that the motion was made with.
        fps: frames per second of the file; the video's mean rate when not given.
        unit: of all lengths in the file.
        start: the time in the video [s] of the file's first frame; the person's first frame when not given. With
            0 the files of all persons of a video stay in step; the first pose is held until the person comes.
        floor: height of the floor over the camera [m], estimated from this person's feet when not given. Give all
            persons the same for a common scene.
        joints: whose names the joints of a body get (`naming.py`); joints without a body keep their own.

    Raises:
        UserError: the motion has numbers that are not finite, or joints that form no tree; `joints` is not a known
            convention; the rate is not above 0; or `path` cannot be written.
    """
    floor = floor_height([motion], body) if floor is None else floor
    rate, times = even_times_of([motion], fps, start)
    if motion.body is None:
        points = points_of(motion, body, floor)
        rig = rig_of_joints(points.skeleton, points.places)
    else:
        rig = _rig_of_body(motion, body, floor, joint_names(joints))
    scale = METRES_TO[unit]
    positions = scale * interpolate(rig.positions.double(), motion.seconds, times)
    rotations = interpolate_rotations(rig.rotations.double(), motion.seconds, times)
    order = _order(rig.parents)
    text = _hierarchy(rig, scale) + _frames(positions.numpy(), rotations[:, order].numpy(), rate)
    with whole_file(path) as part:
        part.write_text(text, encoding="ascii")


def _rig_of_body(motion: Motion, body: BodyModel, floor: float, names: tuple[str, ...]) -> Rig:
    (figure,) = figures_of([motion], body, floor)
    rest = figure.shape.joints
    offsets = torch.stack([rest[joint] - rest[parent] for joint, parent in enumerate(SMPL_24.parents)])
    offsets[0] = 0
    ends = {SMPL_24.index(name): _tip(figure.shape, name) for name in TIPS}
    return Rig(names, SMPL_24.parents, offsets, ends, figure.positions, figure.rotations)


def _tip(shape: Shaped, name: str) -> Float[Tensor, "3"]:
    """From a joint without children to the end of its bone, where the body's surface ends in that direction [m]."""
    axis, sign = TIPS[name]
    joint = shape.joints[SMPL_24.index(name)]
    reach = (sign * (shape.vertices[:, axis] - joint[axis])).max()
    tip = torch.zeros(3)
    tip[axis] = sign * reach
    return tip


def _hierarchy(rig: Rig, scale: float) -> str:
    lines = ["HIERARCHY"]

    def numbers(offset: Tensor) -> str:
        return " ".join(f"{scale * float(x):.6f}" for x in offset)

    def write(joint: int, depth: int) -> None:
        parent = rig.parents[joint]
        indent, inner = "\t" * depth, "\t" * (depth + 1)
        turns = "Zrotation Xrotation Yrotation"
        moves = "" if parent >= 0 else "Xposition Yposition Zposition "
        lines.extend([f"{indent}{'ROOT' if parent < 0 else 'JOINT'} {rig.names[joint]}", f"{indent}{{"])
        lines.append(f"{inner}OFFSET {numbers(rig.offsets[joint])}")
        lines.append(f"{inner}CHANNELS {3 if parent >= 0 else 6} {moves}{turns}")
        for child in _children(rig.parents, joint):
            write(child, depth + 1)
        if joint in rig.ends:
            end = numbers(rig.ends[joint])
            lines.extend([f"{inner}End Site", f"{inner}{{", f"{inner}\tOFFSET {end}", f"{inner}}}"])
        lines.append(f"{indent}}}")

    write(0, 0)
    return "\n".join(lines) + "\n"


def _children(parents: tuple[int, ...], joint: int) -> list[int]:
    return [child for child, parent in enumerate(parents) if parent == joint]


def _order(parents: tuple[int, ...]) -> list[int]:
    """The joints as the hierarchy lists them: each followed by all that hangs on it."""
    order: list[int] = []

    def visit(joint: int) -> None:
        order.append(joint)
        for child in _children(parents, joint):
            visit(child)

    visit(0)
    return order


def _frames(positions: Float[np.ndarray, "m 3"], rotations: Float[np.ndarray, "m j 3 3"], fps: float) -> str:
    """The frames' lines, of rotations in the order of the hierarchy."""
    angles = np.degrees(euler_zxy(rotations))
    values = np.concatenate([positions, angles.reshape(len(angles), -1)], axis=1)
    rows = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in values.tolist())
    return f"MOTION\nFrames: {len(values)}\nFrame Time: {1 / fps:.8f}\n{rows}\n"


def euler_zxy(rotations: Float[np.ndarray, "m j 3 3"]) -> Float[np.ndarray, "m j 3"]:
    """Angles z, x, y [rad] with R = Rz Rx Ry, each channel as close as it can be to its value in the frame before.

    Both triples that make a rotation are tried, and whole turns added, so that curves have no jumps of 360 degrees and
    as few others as Euler angles allow. Where x is at 90 degrees, only the sum or difference of the other two is known;
    y then keeps its value.
    """
    angles = np.empty(rotations.shape[:-1])
    before = np.zeros(rotations.shape[1:-1])
    for frame, rotation in enumerate(rotations):
        angles[frame] = before = _nearest_triple(rotation, before)
    return angles


def _nearest_triple(rotation: Float[np.ndarray, "j 3 3"], before: Float[np.ndarray, "j 3"]) -> Float[np.ndarray, "j 3"]:
    sine = np.clip(rotation[:, 2, 1], -1, 1)
    x = np.arcsin(sine)
    z = np.arctan2(-rotation[:, 0, 1], rotation[:, 1, 1])
    y = np.arctan2(-rotation[:, 2, 0], rotation[:, 2, 2])
    # At the gimbal R[0, 0] and R[1, 0] are the cosine and sine of z + y (x up) or z - y (x down).
    locked = np.abs(sine) > 1 - 1e-10
    whole = np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0])
    y = np.where(locked, before[:, 2], y)
    z = np.where(locked, whole - np.sign(sine) * y, z)
    one = np.stack([z, x, y], axis=1)
    other = np.stack([z + np.pi, np.pi - x, y + np.pi], axis=1)
    one, other = (triple + 2 * np.pi * np.round((before - triple) / (2 * np.pi)) for triple in (one, other))
    nearer = np.abs(one - before).sum(1) <= np.abs(other - before).sum(1)
    return np.where(nearer[:, None], one, other)
