"""SORT (Bewley et al. 2016) with the settings and the habits of the published video demos.

A Kalman filter per person on the box's centre, area and aspect, and one assignment per frame by overlap. Written from
the description in the vibe_base specification, section 14.2, and held to its fixtures; `follow.py` has the better
follower.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from anthropose.motion import Track
from anthropose.people.detections import Detections


@dataclass(frozen=True)
class SortConfig:
    """The published settings."""

    least_score: float = 0.7
    """Detections that are less sure are not seen."""
    least_overlap: float = 0.3
    """Intersection over union that a detection and a prediction must share."""
    max_age: int = 1
    """Frames that a person may be missing."""
    min_hits: int = 3
    """Consecutive sights, after the first, until a person counts; the first so many frames are exempt."""
    least_frames: int = 25
    """Shorter tracks are dropped by `sort_tracks`, as the demos do."""


MEASURED = np.eye(4, 7)
MOVES = np.eye(7) + np.eye(7, k=4)
MEASUREMENT_NOISE = np.diag([1.0, 1.0, 10.0, 10.0])
PROCESS_NOISE = np.diag([1.0, 1.0, 1.0, 1.0, 0.01, 0.01, 1e-4])


@dataclass
class _Tracker:
    """State x, y, area, width / height, and the velocities of the first three."""

    number: int
    state: Float[np.ndarray, "7"]
    covariance: Float[np.ndarray, "7 7"] = field(default_factory=lambda: np.diag([10.0] * 4 + [1e4] * 3))
    streak: int = 0
    missing: int = 0

    def predict(self) -> Float[np.ndarray, "4"]:
        """Moves one frame on; returns the box expected there."""
        if self.state[6] + self.state[2] <= 0:
            self.state[6] = 0.0
        self.state = MOVES @ self.state
        self.covariance = MOVES @ self.covariance @ MOVES.T + PROCESS_NOISE
        if self.missing > 0:
            self.streak = 0
        self.missing += 1
        return _box(self.state)

    def update(self, box: Float[np.ndarray, "4"]) -> None:
        """Takes in the box of this frame (Joseph form, which stays symmetric)."""
        spread = MEASURED @ self.covariance @ MEASURED.T + MEASUREMENT_NOISE
        gain = self.covariance @ MEASURED.T @ np.linalg.inv(spread)
        self.state = self.state + gain @ (_measurement(box) - MEASURED @ self.state)
        rest = np.eye(7) - gain @ MEASURED
        self.covariance = rest @ self.covariance @ rest.T + gain @ MEASUREMENT_NOISE @ gain.T
        self.streak, self.missing = self.streak + 1, 0


class Sort:
    """One video's tracker; `step` is called for each frame that has a detection."""

    def __init__(self, config: SortConfig = SortConfig()) -> None:
        self.config = config
        self.trackers: list[_Tracker] = []
        self.steps = 0
        self.given = 0

    def step(self, boxes: Float[np.ndarray, "d 4"]) -> list[tuple[int, int, Float[np.ndarray, "4"]]]:
        """Follows everyone into the next frame.

        Returns:
            For each person to be shown, newest first: the number from 1, which of `boxes` it was, and the filtered box.
        """
        self.steps += 1
        expected = [tracker.predict() for tracker in self.trackers]
        alive = [i for i, box in enumerate(expected) if np.isfinite(box).all()]
        self.trackers, expected = [self.trackers[i] for i in alive], [expected[i] for i in alive]
        matches, unmatched = _match(boxes, expected, self.config.least_overlap)
        for row, column in matches:
            self.trackers[column].update(boxes[row])
        source = {self.trackers[column].number: row for row, column in matches}
        for row in unmatched:
            self.given += 1
            self.trackers.append(_Tracker(self.given, np.concatenate([_measurement(boxes[row]), np.zeros(3)])))
            source[self.given] = row
        shown = [t for t in reversed(self.trackers) if t.missing == 0 and self._counts(t)]
        self.trackers = [t for t in self.trackers if t.missing <= self.config.max_age]
        return [(t.number, source[t.number], _box(t.state)) for t in shown]

    def _counts(self, tracker: _Tracker) -> bool:
        return tracker.streak >= self.config.min_hits or self.steps <= self.config.min_hits


def _match(
    boxes: Float[np.ndarray, "d 4"], expected: list[Float[np.ndarray, "4"]], least_overlap: float
) -> tuple[list[tuple[int, int]], list[int]]:
    """Pairs (box, tracker), and the boxes left over: first those not assigned, then those that overlap too little."""
    if not expected:
        return [], list(range(len(boxes)))
    overlap = overlaps(boxes, np.stack(expected)).astype(np.float32)
    rows, columns = linear_sum_assignment(-overlap)
    left_out = [row for row in range(len(boxes)) if row not in rows]
    pairs = list(zip(rows.tolist(), columns.tolist(), strict=True))
    matches = [(r, c) for r, c in pairs if overlap[r, c] >= least_overlap]
    return matches, left_out + [r for r, c in pairs if overlap[r, c] < least_overlap]


def overlaps(a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Intersection over union of each pair of boxes, zero where both are empty."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    area_a, area_b = ((box[:, 2:] - box[:, :2]).prod(axis=-1) for box in (a, b))
    return shared / np.maximum(area_a[:, None] + area_b[None] - shared, 1e-12)


def _measurement(box: Float[np.ndarray, "4"]) -> Float[np.ndarray, "4"]:
    width, height = box[2] - box[0], box[3] - box[1]
    return np.array([box[0] + width / 2, box[1] + height / 2, width * height, width / height], dtype=float)


def _box(state: Float[np.ndarray, "7"]) -> Float[np.ndarray, "4"]:
    with np.errstate(invalid="ignore", divide="ignore"):
        width = np.sqrt(state[2] * state[3])
        height = state[2] / width
    return np.array([state[0] - width / 2, state[1] - height / 2, state[0] + width / 2, state[1] + height / 2])


def sort_tracks(detections: Detections, config: SortConfig = SortConfig()) -> list[Track]:
    """The people of a video as the published demos follow them: filtered boxes, short tracks dropped, numbers from 0.

    The demos' squares have these boxes' centres and longer sides. Frames without a detection do not age anyone.
    """
    tracker = Sort(config)
    sure = detections[(detections.scores > config.least_score) & _has_area(detections.boxes)]
    rows_of: dict[int, list[tuple[int, np.ndarray]]] = {}
    for frame in torch.unique(sure.frames).tolist():
        rows = torch.nonzero(sure.frames == frame)[:, 0]
        for number, box_row, box in tracker.step(sure.boxes[rows].double().numpy()):
            rows_of.setdefault(number, []).append((int(rows[box_row]), box))
    kept = [entries for entries in rows_of.values() if len(entries) >= config.least_frames]
    return [_track(person, entries, sure) for person, entries in enumerate(kept)]


def _has_area(boxes: torch.Tensor) -> torch.Tensor:
    return (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & boxes.isfinite().all(dim=1)


def _track(person: int, entries: list[tuple[int, np.ndarray]], detections: Detections) -> Track:
    own = detections[torch.tensor([row for row, _ in entries])]
    boxes = torch.from_numpy(np.stack([box for _, box in entries]).astype(np.float32))
    return Track(person, own.frames, boxes, own.keypoints, own.skeleton, own.world)
