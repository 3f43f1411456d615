"""Where trainings begin: the regressor of SPIN, from which all published ones of the VIBE family start."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from anthropose.errors import UserError
from anthropose.nn.checkpoints import find_weights, load_network
from anthropose.nn.checkpoints.stored import read_header
from anthropose.nn.hmr import PUBLISHED as SPIN
from anthropose.nn.weights import Published

FROM_SCRATCH = "none"
"""What is said in place of weights where a training shall begin with random ones."""


def start_with_own(network: nn.Module, start: str, layouts: Sequence[Published]) -> str:
    """Gives a whole network the weights of an earlier training of its method; returns which they were, by SHA-256.

    Args:
        start: a file of weights, or an installed name. Weights of SPIN, which give a regressor alone, are left to
            `start_with_spin`: then nothing is done, and nothing returned.
        layouts: how weights of the method look.

    Raises:
        UserError: they are of other sizes.
    """
    if (
        start in ("", FROM_SCRATCH)
        or not start.endswith(".safetensors")
        or read_header(Path(start)).system == SPIN.system
    ):
        return ""
    weights = find_weights(start, layouts)
    try:
        network.load_state_dict(load_network(weights, layouts).state_dict())
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
