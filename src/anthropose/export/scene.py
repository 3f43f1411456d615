"""Motions as the exports see them: y up, metres, the floor at zero, and each person with one shape.

The scene's axes are x right, y up, z towards the camera, which stands at x = z = 0 and looks along -z. Motions are
relative to the camera, so a camera that moves or looks up or down moves or tilts the scene.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anthropose.body.model import BodyModel, Shaped
from anthropose.colours import person_colour
from anthropose.errors import UserError
from anthropose.motion import BodyPose, Motion
from anthropose.skeleton import BODY_54

CAMERA_TO_SCENE = (1.0, -1.0, -1.0)
"""Signs of x, y and z: camera axes have y down and z forward."""
BRIDGED = 0.5
"""Gaps in a track up to this long [s] are filled by interpolation; in longer ones the person is hidden."""
BODY_METHODS = ("smplify", "tcmr", "glot", "vibe", "parallel-branch", "dynaboa")
"""The methods whose motions have a body."""
SOLES = tuple(f"{side}_{part}" for side in ("left", "right") for part in ("heel", "big_toe", "small_toe"))


@dataclass(frozen=True)
class Figure:
    """One person in the scene: a shape that stays, and a pose for each frame."""

    motion: Motion
    shape: Shaped
    """The person at rest, of the median shape over all frames; no batch axes."""
    rotations: Float[Tensor, "n 24 3 3"]
    """Of each joint relative to its parent; the root's relative to the scene."""
    positions: Float[Tensor, "n 3"]
    """The pelvis joint in the scene [m]."""


def figures_of(motions: list[Motion], body: BodyModel, floor: float) -> list[Figure]:
    """The persons in a scene whose floor lies at camera height `floor` (see `floor_height`).

    Raises:
        UserError: there is no motion, one has no body, another body, or numbers that are not finite.
    """
    if not motions:
        raise UserError("there is no motion to export; `anthropose run VIDEO` makes them")
    return [_figure(motion, body, floor) for motion in motions]


def _figure(motion: Motion, body: BodyModel, floor: float) -> Figure:
    check_finite(motion)
    if motion.body is None:
        raise UserError(
            f"person {motion.track.person}: method {motion.method or 'unknown'} gives joints without a body, so there "
            f"is nothing to pose; methods that give bodies are {', '.join(BODY_METHODS)}"
        )
    check_body(motion, body)
    signs = motion.translation.new_tensor(CAMERA_TO_SCENE)
    rotations = motion.body.rotations.clone()
    rotations[:, 0] = signs[:, None] * rotations[:, 0]
    positions = signs * motion.translation
    positions[:, 1] -= floor
    return Figure(motion, body.shaped(typical_shape(motion.body)), rotations, positions)


def check_body(motion: Motion, body: BodyModel) -> None:
    """Refuses a motion that was made with another body: its angles and shape would mean something else."""
    if motion.body is not None and motion.body_model and motion.body_model != body.name:
        raise UserError(
            f"person {motion.track.person} was made with body {motion.body_model!r}, not {body.name!r}; "
            f"export with --body {motion.body_model}"
        )


def check_finite(motion: Motion) -> None:
    """Refuses a motion that holds numbers no program could draw.

    Raises:
        UserError: it has no frames, or a value that is not finite; the line says where.
    """
    person = motion.track.person
    if len(motion) == 0:
        raise UserError(f"person {person} has no frames; make the motion again with `anthropose run`")
    fields = {"joints": motion.joints, "translation": motion.translation, "seconds": motion.seconds}
    if motion.body is not None:
        fields |= {"rotations": motion.body.rotations, "betas": motion.body.betas}
    for name, values in fields.items():
        bad = (~values.isfinite()).flatten(1).any(1) if values.ndim > 1 else ~values.isfinite()
        if bad.any():
            frame = int(motion.track.frames[bad][0])
            raise UserError(
                f"person {person}: {name} of {int(bad.sum())} frames, the first of them {frame}, are not finite "
                "numbers; make the motion again with `anthropose run`"
            )


def visibility(
    seconds: Float[Tensor, "n"], fps: float, end: float
) -> tuple[Float[np.ndarray, "c"], Bool[np.ndarray, "c"]]:
    """The times [s] at which a person comes or goes, from 0, and whether they are there from then on.

    Args:
        seconds: of the frames that hold the person.
        end: the last frame of anyone; whoever is there then stays.
    """
    times = seconds.double().numpy()
    breaks = np.flatnonzero(np.diff(times) > max(BRIDGED, 1.5 / fps))
    starts = times[np.concatenate([[0], breaks + 1])]
    ends = times[np.concatenate([breaks, [len(times) - 1]])] + 1 / fps
    changes = np.stack([starts, ends], 1).reshape(-1)
    shown = np.tile([True, False], len(starts))
    if times[-1] >= end:
        changes, shown = changes[:-1], shown[:-1]
    if changes[0] > 0:
        changes, shown = np.concatenate([[0.0], changes]), np.concatenate([[False], shown])
    return changes, shown


def making_of(motions: list[Motion], body: BodyModel | None) -> dict[str, Any]:
    """What an exported file remembers of its making."""
    licence = "The meshes are shapes of this body model, whose licence holds for them as well."
    return {
        **({} if body is None else {"body": body.name, "bodyLicence": licence}),
        "method": sorted({motion.method for motion in motions}),
        "weights": sorted({motion.weights for motion in motions if motion.weights}),
        "framesPerSecond": motions[0].fps,
        "focalPixels": motions[0].camera.focal,
        "imageSize": list(motions[0].camera.size),
    }


def person_name(motion: Motion) -> str:
    """What the person is called in a scene."""
    return f"person-{motion.track.person:02d}"


def linear_colour(person: int) -> tuple[float, float, float]:
    """The person's colour as linear light, which surfaces in files are given in; the palette is sRGB."""
    red, green, blue = (
        ((part + 0.055) / 1.055) ** 2.4 if part > 0.04045 else part / 12.92 for part in person_colour(person)
    )
    return red, green, blue


def floor_height(motions: list[Motion], body: BodyModel | None) -> float:
    """Where the floor lies below (negative) the camera [m], from the soles of everyone's lower foot.

    Nine tenths of the frames have their lower foot above it: a single bad frame does not lower the floor. It is right
    for a level camera and people who stand or walk on one floor.
    """
    lowest = [_lowest_foot(motion, body) for motion in motions if len(motion)]
    return float(torch.cat(lowest).quantile(0.1)) if lowest else 0.0


def _lowest_foot(motion: Motion, body: BodyModel | None) -> Float[Tensor, "n"]:
    """The height [m] of the lower sole over the camera in each frame; of the lowest joint where there is no body."""
    if motion.body is None or body is None:
        return -(motion.joints[..., 1] + motion.translation[:, 1:2]).amax(1)
    betas = typical_shape(motion.body)
    shape, points = body.shaped(betas), body.points(BODY_54)
    soles = [BODY_54.index(name) for name in SOLES]
    at_rest = points(betas, torch.eye(3).expand(24, 3, 3))[soles, 1].min()
    thickness = at_rest - shape.vertices[:, 1].min()
    posed = points(betas, motion.body.rotations)
    down = (posed[:, soles, 1] - posed[:, :1, 1]).amax(1)
    return -(motion.translation[:, 1] + down) - thickness


def typical_shape(body: BodyPose) -> Float[Tensor, "10"]:
    """One shape for the whole motion: the median of each component."""
    # torch 2.13 gives garbage for the median of an expanded tensor, which betas shared over a track often are.
    return body.betas.contiguous().median(dim=0).values
