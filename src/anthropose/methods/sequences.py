"""Tracks through networks that speak of every frame they see: as one sequence, or in parts that begin anew."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from anthropose.methods.base import joined
from anthropose.motion import BodyPose, Prediction
from anthropose.nn.regressor import RegressorState
from anthropose.nn.temporal import RecurrentEncoder


def in_parts(
    network: Callable[[Float[Tensor, "b t f"]], Prediction], features: Float[Tensor, "n f"], part: int, batch: int = 1
) -> Prediction:
    """One row for each frame, from parts of so many frames that know nothing of each other; the last is shorter.

    Args:
        network: from sequences to predictions "b t".
        batch: parts at a time.
    """
    whole = len(features) // part * part
    stacks = features[:whole].unflatten(0, (-1, part)).split(batch) if whole else ()
    ends = [features[None, whole:]] if whole < len(features) else []
    return joined([flat(network(stack)) for stack in (*stacks, *ends)])


def as_one_sequence(
    encoder: RecurrentEncoder,
    regressor: Callable[[Float[Tensor, "n f"]], RegressorState],
    features: Float[Tensor, "n f"],
    frames: int,
) -> Prediction:
    """One row for each frame of a track that is one sequence, `frames` at a time to bound the memory.

    An encoder that looks ahead needs all of them at once.
    """
    state, found = None, []
    for piece in features.split(max(1, len(features)) if encoder.config.bidirectional else frames):
        encoded, state = encoder.resumed(piece[None], state)
        found += [regressor(some).prediction() for some in encoded[0].split(frames)]
    return joined(found)


def flat(prediction: Prediction) -> Prediction:
    """Sequences one after the other: "b t" becomes "n"."""
    pose = BodyPose(prediction.pose.rotations.flatten(0, 1), prediction.pose.betas.flatten(0, 1))
    return Prediction(pose, prediction.camera.flatten(0, 1))
