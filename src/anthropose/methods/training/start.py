"""Where trainings begin: the regressor of SPIN, from which all published ones of the VIBE family start."""

from pathlib import Path

from torch import nn

from anthropose.errors import UserError
from anthropose.nn.checkpoints import find_weights, load_network
from anthropose.nn.checkpoints.stored import read_header, read_tensors
from anthropose.nn.hmr import PUBLISHED as SPIN

FROM_SCRATCH = "none"
"""What is said in place of weights where a training shall begin with random ones."""
FRONT_END = "front_end."
"""Before the names of an encoder of keypoints (`methods.keypoint_fed`)."""


def start_with_own(network: nn.Module, start: str, system: str) -> str:
    """Gives a network the weights of an earlier training; returns which they were, by SHA-256.

    Args:
        start: a .safetensors. Of another method's only the encoder of keypoints is taken, as published trainings take
            SPIN's features. SPIN's own weights are left to `start_with_spin`: nothing is done, and nothing returned.
        system: the method's.

    Raises:
        UserError: they are of other sizes, or of a method without such an encoder.
    """
    if not start.endswith(".safetensors"):
        return ""
    weights = read_header(Path(start))
    if weights.system == SPIN.system:
        return ""
    tensors = read_tensors(weights.path)
    if weights.system != system:
        taken = {key: value for key, value in tensors.items() if key.startswith(FRONT_END)}
        tensors = {**network.state_dict(), **taken} if taken else {}
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        sizes = "has weights of other sizes than this training's network"
        raise UserError(f"--start {start}: {sizes}; leave the sizes of the preset as they are") from error
    return weights.sha256


def start_with_spin(regressor: nn.Module, start: str, training: str) -> str:
    """Gives a regressor SPIN's weights; returns which they were, by their file's SHA-256, or "none".

    Args:
        regressor: SPIN's, or one that lacks some of its layers.
        start: an installed name or a file; the installed weights when empty; "none" to leave the regressor as it is.
        training: what begins, for the message.

    Raises:
        UserError: there are no such weights, or they are of other sizes.
    """
    if start == FROM_SCRATCH:
        return FROM_SCRATCH
    ways = f"or begin with random weights by --start {FROM_SCRATCH}"
    try:
        weights = find_weights(start, SPIN)
    except UserError as error:
        raise UserError(f"{training} begins with SPIN's regressor. {error}; name a file by --start, {ways}") from error
    network = load_network(weights, SPIN)
    theirs = network.get_submodule("regressor").state_dict()
    try:
        regressor.load_state_dict({key: theirs[key] for key in regressor.state_dict()})
    except (RuntimeError, KeyError) as error:
        raise UserError(
            f"{training} has a regressor of other sizes than SPIN's, {weights.source}: leave its sizes as they are, "
            f"{ways}"
        ) from error
    return weights.sha256
