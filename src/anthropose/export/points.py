"""The joints of a motion in any set, as tables hold them: scene axes, y up, metres."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.export.scene import BODY_METHODS, CAMERA_TO_SCENE, check_body, check_finite
from anthropose.motion import Motion
from anthropose.skeleton import SKELETONS, Skeleton, pick

METRES_TO = {"m": 1.0, "cm": 100.0, "mm": 1000.0}
"""How many of a unit are a metre."""


@dataclass(frozen=True)
class Points:
    """The joints of one person in the scene."""

    motion: Motion
    skeleton: Skeleton
    """The names of `places`."""
    places: Float[Tensor, "n j 3"]
    """[m], y up, the floor at zero."""


def points_of(motion: Motion, body: BodyModel, floor: float, skeleton: str = "") -> Points:
    """The joints of a person in a scene whose floor lies at camera height `floor` [m].

    Args:
        skeleton: the set, such as coco or h36m-17; the motion's own when empty. A body gives every set that can be
            read from its surface; joints alone give those of the same names.

    Raises:
        UserError: the set is not known, the motion does not give all of it, or it has numbers that are not finite.
    """
    check_finite(motion)
    target = skeleton_named(skeleton) if skeleton else motion.skeleton
    joints = _relative(motion, body, target)
    places = motion.joints.new_tensor(CAMERA_TO_SCENE) * (joints + motion.translation[:, None])
    places[..., 1] -= floor
    return Points(motion, target, places)


def skeleton_named(name: str) -> Skeleton:
    """A set by its name, with or without the number of joints: coco-17, coco, body25.

    Raises:
        UserError: there is no such set; the line lists those that are known.
    """
    wanted = name.lower().replace("-", "").replace("_", "")
    for known, skeleton in SKELETONS.items():
        if wanted in (known.replace("-", ""), known.rpartition("-")[0].replace("-", "")):
            return skeleton
    raise UserError(f"--skeleton: no set of joints {name!r}; known are {', '.join(SKELETONS)}")


def _relative(motion: Motion, body: BodyModel, target: Skeleton) -> Float[Tensor, "n j 3"]:
    """The joints of a set relative to the motion's root [m], camera axes."""
    if target == motion.skeleton:
        return motion.joints
    if motion.body is None:
        found, valid = pick(motion.joints, motion.skeleton, target)
        lacking = [joint for joint, there in zip(target.joints, valid.tolist(), strict=True) if not there]
        if lacking:
            raise UserError(
                f"person {motion.track.person}: method {motion.method or 'unknown'} gives the joints of "
                f"{motion.skeleton.name}, which lack {', '.join(lacking)} of {target.name}; {', '.join(BODY_METHODS)} "
                "give bodies, from which every set is read"
            )
        return found
    check_body(motion, body)
    points = body.points(target)
    if not points.valid.all():
        lacking = [joint for joint, there in zip(target.joints, points.valid.tolist(), strict=True) if not there]
        raise UserError(f"body {body.name!r} has no {', '.join(lacking)} of {target.name}; choose another --skeleton")
    pelvis = body.shaped(motion.body.betas).joints[:, :1]
    return points(motion.body.betas, motion.body.rotations) - pelvis


def in_one_table(points: list[Points]) -> Skeleton:
    """The set of joints that all persons of a table have.

    Raises:
        UserError: they differ.
    """
    first = points[0].skeleton
    for other in points[1:]:
        if other.skeleton.joints != first.joints:
            raise UserError(
                f"persons {points[0].motion.track.person} and {other.motion.track.person} have joints of "
                f"{first.name} and {other.skeleton.name}; choose one set for all by --skeleton"
            )
    return first
