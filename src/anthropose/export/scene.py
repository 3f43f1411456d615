"""Motions as the exports see them: y up, metres, the floor at zero, and each person with one shape.

The scene's axes are x right, y up, z towards the camera, which stands at x = z = 0 and looks along -z. Motions are
relative to the camera, so a camera that moves or looks up or down moves or tilts the scene.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel, Shaped
from anthropose.errors import UserError
from anthropose.motion import BodyPose, Motion
from anthropose.skeleton import BODY_54

CAMERA_TO_SCENE = (1.0, -1.0, -1.0)
"""Signs of x, y and z: camera axes have y down and z forward."""
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
            "is nothing to pose; choose a method that gives bodies, such as smplify"
        )
    if motion.body_model and motion.body_model != body.name:
        raise UserError(
            f"person {motion.track.person} was made with body {motion.body_model!r}, not {body.name!r}; "
            f"export with --body {motion.body_model}"
        )
    signs = motion.translation.new_tensor(CAMERA_TO_SCENE)
    rotations = motion.body.rotations.clone()
    rotations[:, 0] = signs[:, None] * rotations[:, 0]
    positions = signs * motion.translation
    positions[:, 1] -= floor
    return Figure(motion, body.shaped(typical_shape(motion.body)), rotations, positions)


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
