"""Parity checks of SORT and of the demos' tables of people (vibe_base spec 14.2, parallel_branch spec 12)."""

import numpy as np

from anthropose.people.sort import Sort, SortConfig
from tests.parity.compare import assert_close


def _tracked(detections: np.ndarray, config: SortConfig) -> np.ndarray:
    """Rows (frame, box, id) in the published order; frames without a sure detection are not stepped."""
    sort, rows = Sort(config), []
    sure = detections[detections[:, 5] > config.least_score]
    for frame in np.unique(sure[:, 0]):
        shown = sort.step(sure[sure[:, 0] == frame, 1:5].astype(np.float64))
        rows += [[frame, *box, number] for number, _, box in shown]
    return np.array(rows)


def _people(tracks: np.ndarray) -> np.ndarray:
    """Rows (id, frame, cx, cy, side, side), grouped by id in the order of appearance."""
    rows = []
    for number in dict.fromkeys(tracks[:, 5]):
        for frame, left, top, right, bottom, _ in tracks[tracks[:, 5] == number]:
            side = max(right - left, bottom - top)
            rows.append([number, frame, (left + right) / 2, (top + bottom) / 2, side, side])
    return np.array(rows)


def _check(meta: dict, arrays: dict[str, np.ndarray], tolerance: float) -> None:
    config = SortConfig(
        least_score=meta.get("detection_threshold", 0.7),
        max_age=meta.get("max_age", 1),
        min_hits=meta.get("min_hits", 3),
        least_overlap=meta.get("iou_threshold", 0.3),
    )
    tracks = _tracked(arrays["detections"], config)
    assert tracks.shape == arrays["out_tracks"].shape
    assert (tracks[:, [0, 5]] == arrays["out_tracks"][:, [0, 5]]).all(), (
        "frames and ids must be those published, in their order"
    )
    assert_close(tracks, arrays["out_tracks"], "out_tracks", tolerance)
    assert_close(_people(tracks), arrays["out_people"], "out_people", tolerance)


def check_vibe_base(meta: dict, arrays: dict[str, np.ndarray]) -> None:
    _check(meta, arrays, 1e-6)


def check_parallel_branch(meta: dict, arrays: dict[str, np.ndarray]) -> None:
    """The fixture asks for a thousandth of a pixel, with coordinates up to about a thousand."""
    _check(meta, arrays, 1e-6)


KINDS = {"vibe_base_sort": check_vibe_base, "parallel_branch_sort": check_parallel_branch}
