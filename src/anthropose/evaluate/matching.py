"""Which frame and which joint of a motion belong to which of the truth."""

import re
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.body.results import result_of
from anthropose.errors import UserError
from anthropose.evaluate.recorded import Recorded, people
from anthropose.motion import Prediction
from anthropose.skeleton import LSP_14, SMPL_24, Skeleton, pick

FEWEST = 4
"""Joints by the same names without which there is nothing to compare."""
ROOTS = ("pelvis", "hip", "mpii_pelvis", "op_mid_hip")
"""What a root may be called; where none is there, it is the middle of the hips."""

Match = Literal["frames", "seconds"]


def paired(
    motions: Sequence[Recorded], truths: Sequence[Recorded], sequence: str = ""
) -> list[tuple[Recorded, Recorded]]:
    """Each motion with its truth: the only one there is, the one that is named, or the one with its name.

    A motion goes by the name of its file and of its folder, with or without the person's number.

    Raises:
        UserError: there is none for some motion, or one for several.
    """
    if sequence:
        truths = [truth for truth in truths if truth.name == sequence] or _unknown(sequence, truths)
    if len(truths) == 1 and len(motions) > 1:
        files = {motion.source for motion in motions}
        if len(files) == 1:
            raise UserError(
                f"{motions[0].source}: it holds several people, {people(list(motions))}; choose one with --person"
            )
        raise UserError(f"{truths[0].source}: one truth for {len(motions)} motions; score them one by one")
    if len(truths) == 1:
        return [(motions[0], truths[0])]
    found = []
    for motion in motions:
        own = [
            truth for truth in truths if _plain(truth.name) in {_plain(name) for name in (motion.name, *motion.names)}
        ]
        if len(own) != 1:
            some = ", ".join(truth.name for truth in truths[:4])
            raise UserError(
                f"{motion.source}: of which sequence it is cannot be told by its name or its folder's; name one "
                f"of them like a sequence ({some}{', ...' if len(truths) > 4 else ''}), or say --sequence NAME"
            )
        found.append((motion, own[0]))
    double = [truth.name for k, (_, truth) in enumerate(found) if truth in [other for _, other in found[:k]]]
    if double:
        raise UserError(f"several motions are of sequence {double[0]}; choose with --person")
    return found


def _unknown(sequence: str, truths: Sequence[Recorded]) -> list[Recorded]:
    raise UserError(
        f"no sequence {sequence!r} in {truths[0].source}; it has {', '.join(truth.name for truth in truths[:8])}"
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def common_frames(
    motion: Recorded, truth: Recorded, match: Match = "frames", offset: int = 0
) -> tuple[Int[Tensor, "m"], Int[Tensor, "m"]]:
    """The rows of both that are of the same moments, increasing; only those of the truth that count.

    Args:
        match: "seconds" for videos of different rates: each moment of the motion with the nearest of the truth, if that
            is nearer than half a frame of the slower.
        offset: added to the motion's frame numbers.

    Raises:
        UserError: there are none, or the two count frames at different rates.
    """
    rates = motion.fps, truth.fps
    numbers = motion.frames + offset
    if match == "seconds":
        if rates[0] is None or rates[1] is None:
            raise UserError(f"{(motion if rates[0] is None else truth).source}: it does not say its frames per second")
        ours, theirs = numbers.double() / rates[0], truth.frames.double() / rates[1]
        nearest = (ours[:, None] - theirs).abs().min(1)
        near = nearest.values <= 0.5 / min(rates[0], rates[1]) + 1e-9
        rows, own = near.nonzero()[:, 0], nearest.indices[near]
        first = torch.ones_like(own, dtype=torch.bool)
        first[1:] = own[1:] != own[:-1]
        rows, own = rows[first], own[first]
    else:
        if rates[0] is not None and rates[1] is not None and abs(rates[0] - rates[1]) > 0.01 * rates[1]:
            raise UserError(
                f"{motion.source} counts {rates[0]:g} frames per second, {truth.source} {rates[1]:g}: say "
                "--match seconds"
            )
        own = torch.searchsorted(truth.frames, numbers).clamp_max(len(truth) - 1)
        rows = (truth.frames[own] == numbers).nonzero()[:, 0]
        own = own[rows]
    if not len(rows):
        shifted = f", shifted by {offset}" if offset else ""
        raise UserError(
            f"no common frames: {motion.source} has {motion.span}{shifted}, {truth.source} ({truth.name}) has "
            f"{truth.span}; say --offset N if they begin at different frames of the video"
        )
    if truth.counts is not None:
        kept = truth.counts[own]
        rows, own = rows[kept], own[kept]
        if not len(rows):
            raise UserError(f"{motion.source}: none of its frames counts in {truth.name}")
    return rows, own


def common_joints(
    motion: Recorded, truth: Recorded, bodies: tuple[BodyModel | None, BodyModel | None], wanted: Skeleton | None = None
) -> Skeleton:
    """The joints to compare: those wanted, the truth's own, the motion's own, SMPL's, or all with the same names.

    The first that both can give, from their files or from their bodies.

    Args:
        bodies: of the motion and of the truth, where they have bodies.

    Raises:
        UserError: there is none.
    """
    both = ((motion, bodies[0]), (truth, bodies[1]))
    candidates = [wanted] if wanted else [truth.skeleton, motion.skeleton, SMPL_24]
    for candidate in candidates:
        if candidate is not None and all(_gives(one, candidate, body) for one, body in both):
            return candidate
    ours, theirs = (_names(one, body) for one, body in both)
    if wanted:
        lacking = (
            [name for name in wanted.joints if name not in ours],
            [name for name in wanted.joints if name not in theirs],
        )
        who, absent = (motion, lacking[0]) if lacking[0] else (truth, lacking[1])
        raise UserError(f"{who.source}: it lacks {', '.join(absent[:5])} of {wanted.name}")
    names = tuple(name for name in theirs if name in ours)
    if len(names) < FEWEST:
        raise UserError(
            f"different skeletons: {motion.source} has {_some(ours)}, {truth.source} has {_some(theirs)}; "
            f"{len(names)} joints have the same names, too few to compare"
        )
    return Skeleton("joints in common", names, (-1,) * len(names))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _gives(one: Recorded, skeleton: Skeleton, body: BodyModel | None) -> bool:
    if one.skeleton is not None and set(skeleton.joints) <= set(one.skeleton.joints):
        return True
    if body is None:
        return False
    return body.h36m_regressor is not None if skeleton is LSP_14 else bool(body.points(skeleton).valid.all())


def _names(one: Recorded, body: BodyModel | None) -> tuple[str, ...]:
    return one.skeleton.joints if one.skeleton is not None else (SMPL_24.joints if body is not None else ())


def joints_of(
    one: Recorded, rows: Int[Tensor, "m"], skeleton: Skeleton, body: BodyModel | None
) -> Float[Tensor, "m j 3"]:
    """The joints [m] in some rows, from the file where it has them, else from the body."""
    if one.skeleton is not None and one.joints is not None and set(skeleton.joints) <= set(one.skeleton.joints):
        return pick(one.joints[rows], one.skeleton, skeleton, exact=True)[0]
    assert body is not None
    assert one.body is not None
    pose = type(one.body)(one.body.rotations[rows], one.body.betas[rows])
    return result_of(Prediction(pose, torch.zeros(len(rows), 3)), body, skeleton).joints


def rooted(joints: Float[Tensor, "m j 3"], skeleton: Skeleton) -> Float[Tensor, "m j 3"]:
    """Joints relative to the root.

    Raises:
        UserError: neither a root nor both hips are among them.
    """
    names = [[name for name in ROOTS if name in skeleton.joints][:1], ["left_hip", "right_hip"]]
    for some in names:
        if some and all(name in skeleton.joints for name in some):
            return joints - joints[:, [skeleton.index(name) for name in some]].mean(1, keepdim=True)
    raise UserError(f"the joints in common have no root and not both hips: {', '.join(skeleton.joints)}")
