"""A whole track adapted to: overlapping windows in its order, each frame from the windows around it."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anthropose.geometry.rotations import rot6d_to_rotmat, rotmat_to_rot6d
from anthropose.methods.dynaboa.bilevel import Adapted
from anthropose.methods.dynaboa.windows import WindowAdaptation
from anthropose.motion import BodyPose, Prediction


def adapted_track(
    adaptation: WindowAdaptation,
    inputs: Float[Tensor, "n i"],
    length: int,
    focal: float = 1.0,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[Prediction, list[Adapted]]:
    """The person in each frame of a track, and what came of each window.

    Windows are predicted right after they were adapted to, so that nothing of a frame depends on later windows than
    those that it is in. A frame is the mean of its windows, their middles counting most. A track shorter than a window
    is continued by its last frame.

    Args:
        inputs: as `geometry.keypoints.network_inputs` makes them.
        length: frames of a window.
        focal: of the picture, in its diagonals.
    """
    config = adaptation.config
    padded = torch.cat([inputs, inputs[-1:].expand(max(0, length - len(inputs)), -1)])
    starts = window_starts(len(padded), length, config.step)
    share = torch.minimum(torch.arange(1, length + 1), torch.arange(length, 0, -1)).to(inputs) ** 2
    found: list[Adapted] = []
    for turn in range(config.passes):
        sums, weights = inputs.new_zeros(len(padded), 144 + 10 + 3), inputs.new_zeros(len(padded))
        for number, start in enumerate(starts.tolist()):
            adapted = adaptation.adapt(padded[start : start + length], focal)
            found.append(adapted)
            sums[start : start + length] += share[:, None] * _as_rows(adapted.prediction).to(inputs)
            weights[start : start + length] += share
            progress((turn * len(starts) + number + 1) / (config.passes * len(starts)))
    return _from_rows((sums / weights[:, None])[: len(inputs)]), found


def window_starts(count: int, length: int, step: int) -> Int[Tensor, "w"]:
    """The first frames of windows over `count` frames; the last window ends the track."""
    last = count - length
    starts = torch.arange(0, last + 1, step)
    return starts if int(starts[-1]) == last else torch.cat([starts, torch.tensor([last])])


def _as_rows(prediction: Prediction) -> Float[Tensor, "t 157"]:
    """6D rotations, shape and camera: numbers of which means can be taken."""
    pose = prediction.pose
    return torch.cat([rotmat_to_rot6d(pose.rotations).flatten(-2), pose.betas, prediction.camera], dim=-1)


def _from_rows(rows: Float[Tensor, "n 157"]) -> Prediction:
    pose, betas, camera = rows.split([144, 10, 3], dim=-1)
    return Prediction(BodyPose(rot6d_to_rotmat(pose.unflatten(-1, (24, 6))), betas), camera)
