"""Detections of a clip in the wild as one track of keypoints, after VideoPose3D's `prepare_data_2d_custom`.

Each frame's best box counts, and frames without detections are filled in between: fit for clips of one person. For
several, the library's own tracks are the better source.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.errors import UserError
from anthropose.geometry.filters import interpolate


def best_detections(
    boxes: Sequence[np.ndarray], keypoints: Sequence[np.ndarray]
) -> tuple[Float[Tensor, "n k 2"], Float[Tensor, "n 4"]]:
    """Keypoints and boxes in pixels of the best-scored detection in each frame.

    Where a frame has none, they lie on the line between those before and after; the first and last are held.

    Args:
        boxes: for each frame an array (m, 5) of left, top, right, bottom, score; m may be 0.
        keypoints: for each frame an array (m, 4, k) with rows x, y, logit, probability.

    Raises:
        UserError: no frame has a detection.
    """
    seen = [frame for frame, found in enumerate(boxes) if len(found)]
    if not seen:
        raise UserError("no frame of the clip has a detection")
    best = [int(np.argmax(boxes[frame][:, 4])) for frame in seen]
    points = np.stack([keypoints[frame][row, :2].T for frame, row in zip(seen, best, strict=True)])
    corners = np.stack([boxes[frame][row, :4] for frame, row in zip(seen, best, strict=True)])
    at, known = torch.arange(len(boxes)).double(), torch.tensor(seen).double()
    return interpolate(torch.from_numpy(points), known, at), interpolate(torch.from_numpy(corners), known, at)


def detections_in(archive: dict) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Boxes and keypoints frame by frame from one of Detectron2's archives, as `read_archive` gives it.

    Each frame holds a list by class of which the second, persons, counts.

    Raises:
        UserError: the archive is of another kind.
    """
    try:
        sides = [[np.asarray(frame[1], np.float32) for frame in archive[name]] for name in ("boxes", "keypoints")]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise UserError(f"expected VideoPose3D's archive of detections, with boxes and keypoints ({error})") from error
    return sides[0], sides[1]
