"""Clips of keypoints from the sequences of a set, for methods that look at nothing else."""

import re

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anthropose.datasets.lifting.cameras import H36M_LENSES
from anthropose.datasets.sequence import Sequence
from anthropose.errors import UserError
from anthropose.evaluate.pck import FOCALS, WIDTHS
from anthropose.motion import Camera, Track
from anthropose.people.clip import Clip
from anthropose.skeleton import Skeleton

RATES = {"3dpw": 30.0, "mpii3d": 25.0, "h36m": 25.0}
"""Frames per second of the sets' sequences, as they are usually prepared."""
THREEDPW_FOCAL = 1960.0
"""Of 3DPW's telephone, about [px]."""


def clip_of(sequence: Sequence, frames: Int[np.ndarray, "n"], test_set: str) -> Clip:
    """Some frames of a sequence as a clip without pictures.

    Joints that the set never labels are left out: their places are no keypoints.

    Raises:
        UserError: the sequence has no keypoints in pixels of the image.
    """
    if sequence.keypoints is None or sequence.keypoint_set is None or sequence.boxes is None:
        lacking = "boxes" if sequence.keypoints is not None else "keypoints"
        raise UserError(f"{sequence.name}: it has no {lacking}, and this method works on keypoints in the image alone")
    keypoints = torch.from_numpy(np.asarray(sequence.keypoints[frames], np.float32))
    labelled = torch.from_numpy((np.asarray(sequence.keypoints)[..., 2] > 0).any(0))
    names = tuple(name for name, has in zip(sequence.keypoint_set.joints, labelled.tolist(), strict=True) if has)
    skeleton = sequence.keypoint_set if bool(labelled.all()) else _some(sequence.keypoint_set, names)
    if not names:
        raise UserError(f"{sequence.name}: none of its keypoints is ever seen")
    numbers = np.asarray(frames if sequence.frames is None else sequence.frames[frames], np.int64)
    if (np.diff(numbers) <= 0).any():
        numbers = np.asarray(frames, np.int64)
    boxes = _corners(torch.from_numpy(np.asarray(sequence.boxes[frames], np.float32)))
    track = Track(0, torch.from_numpy(numbers), boxes, keypoints[:, labelled], skeleton)
    rate = RATES.get(test_set, 30.0)
    return Clip(track, rate, torch.from_numpy(numbers) / rate, camera_of(sequence, test_set))


def _some(skeleton: Skeleton, names: tuple[str, ...]) -> Skeleton:
    return Skeleton(f"{skeleton.name} as labelled", names, (-1,) * len(names))


def _corners(boxes: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
    """Left, top, right, bottom from centre, width and height."""
    return torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], dim=1)


def camera_of(sequence: Sequence, test_set: str) -> Camera:
    """The camera that took a sequence of a test set, by its name; 3DPW's stands upright or lies, by its keypoints."""
    if test_set == "h36m":
        found = re.search(r"_ca_(\d+)", sequence.name)
        lens = H36M_LENSES[(int(found[1]) - 1) % len(H36M_LENSES) if found else 0]
        return Camera(lens.focal[0], lens.center, lens.size)
    if test_set == "mpii3d":
        found = re.search(r"(?:TS|subj)(\d)", sequence.name)
        index = (int(found[1]) - 1) % len(FOCALS) if found else 0
        size = (WIDTHS[index], 2048 if WIDTHS[index] == 2048 else 1080)
        return Camera(FOCALS[index], (size[0] / 2, size[1] / 2), size)
    assert sequence.boxes is not None
    lies = bool(np.asarray(sequence.boxes)[:, 0].max() > 1080)
    size = (1920, 1080) if lies else (1080, 1920)
    return Camera(THREEDPW_FOCAL, (size[0] / 2, size[1] / 2), size)
