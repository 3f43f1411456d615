"""Detections of a clip in the wild as one track of keypoints, after VideoPose3D's `prepare_data_2d_custom`.

Each frame's best box counts, and frames without detections are filled in between: fit for clips of one person. For
several, the library's own tracks are the better source.
"""

from collections.abc import Sequence

import numpy as np

from anthropose.errors import UserError


def best_detections(boxes: Sequence[np.ndarray], keypoints: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (n, k, 2) and boxes (n, 4) in pixels, of the best-scored detection in each frame.

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
    points = [keypoints[frame][row, :2].T for frame, row in zip(seen, best, strict=True)]
    corners = [boxes[frame][row, :4] for frame, row in zip(seen, best, strict=True)]
    frames = np.arange(len(boxes))
    return between(frames, np.array(seen), np.stack(points)), between(frames, np.array(seen), np.stack(corners))


def between(at: np.ndarray, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`values` (m, ...) at the increasing times `known`, interpolated linearly to the times `at`; the ends are held."""
    flat = values.reshape(len(known), -1)
    columns = [np.interp(at, known, column) for column in flat.T]
    return np.stack(columns, axis=1).reshape(len(at), *values.shape[1:]).astype(values.dtype)


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
