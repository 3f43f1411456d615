"""The default follower: detections of a whole video linked into one track per person.

Two passes. Frame by frame, detections are assigned to those seen shortly before by place (a constant-velocity Kalman
filter), overlap, keypoints and colours of the clothes, the sure detections first and the doubtful ones to whoever is
left (the idea of ByteTrack). Then the pieces are joined over longer gaps, where both ends are known: by where each end
was heading, by size and by clothes.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from anthropose.motion import Track
from anthropose.people.detections import Detections
from anthropose.people.looks import likeness
from anthropose.people.sides import mend_sides
from anthropose.people.sort import overlaps
from anthropose.skeleton import Skeleton


@dataclass(frozen=True)
class FollowConfig:
    """Times in seconds, lengths in sizes of the person (longer side of the box): they hold at any rate and scale."""

    sure_score: float = 0.6
    """Only detections as sure as this begin a track."""
    least_similarity: float = 0.25
    """Of a detection to a track's expectation, 0 to 1."""
    memory_seconds: float = 0.4
    """How long someone missing is expected back in the first pass."""
    gap_seconds: float = 2.0
    """Longest gap over which the second pass joins two pieces."""
    glimpse_seconds: float = 0.12
    """Shorter pieces are not joined to others but dropped."""
    least_seconds: float = 0.4
    """Shorter tracks are dropped."""
    least_frames: int = 2
    """So are tracks of fewer frames, whatever the rate."""
    least_mean_score: float = 0.5
    """Tracks with a lower mean score are taken for ghosts and dropped."""
    most_unrest: float = 1.0
    """Median speed of keypoints against the torso [sizes / s]; ghosts flicker, people's heads and hips do not."""
    measurement_noise: float = 0.04
    """Standard deviation of a detected place [sizes]."""
    acceleration: float = 4.0
    """Standard deviation of the acceleration [sizes / s^2]; a somersault has about 5."""
    mend_sides: bool = True
    """Whether to exchange left and right keypoints where the detector swapped them."""


@dataclass(frozen=True)
class Sight:
    """One detection, as the follower sees it."""

    row: int
    """Of the detections."""
    frame: int
    score: float
    box: Float[np.ndarray, "4"]
    points: Float[np.ndarray, "k 3"]
    center: Float[np.ndarray, "2"]
    """Middle of the torso where it is seen, else of the box; steadier than the box when limbs come and go."""
    size: float
    looks: Float[np.ndarray, "c"]


@dataclass
class Piece:
    """An unbroken stretch of one person, with the filter at its end."""

    sights: list[Sight]
    state: Float[np.ndarray, "2 2"]
    """Place and velocity [pixels, pixels per second]."""
    covariance: Float[np.ndarray, "2 2"]
    """Of place and velocity, the same for x and y."""
    looks: Float[np.ndarray, "c"] = field(default_factory=lambda: np.zeros(0))

    @property
    def last(self) -> Sight:
        return self.sights[-1]


def follow(
    detections: Detections,
    frames_per_second: float,
    image_size: tuple[int, int],
    config: FollowConfig = FollowConfig(),
) -> list[Track]:
    """One track per person, numbered from 0 in the order of first appearance; frames may have gaps.

    Args:
        frames_per_second: of the video that the frame numbers count in.
        image_size: width and height in pixels.
    """
    sights = sights_of(detections, image_size)
    pieces = _linked(sights, frames_per_second, config)
    pieces = _joined(pieces, frames_per_second, config)
    pieces = [p for p in pieces if _is_person(p, frames_per_second, config)]
    kept = [p for p in pieces if not any(_is_part(p, other) for other in pieces)]
    kept.sort(key=lambda p: (p.sights[0].frame, -p.sights[0].size))
    tracks = [_track(person, piece, detections) for person, piece in enumerate(kept)]
    return [mend_sides(track) for track in tracks] if config.mend_sides else tracks


def sights_of(detections: Detections, image_size: tuple[int, int]) -> list[Sight]:
    """The usable rows: finite, touching the image, with an area, and not a double of a surer row of the same frame."""
    boxes, points = detections.boxes.double().numpy(), detections.keypoints.double().numpy()
    scores, looks = detections.scores.double().numpy(), detections.looks.double().numpy()
    usable = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] - boxes[:, :2] > 1).all(axis=1) & np.isfinite(scores)
    usable &= (boxes[:, 2:] > 0).all(axis=1) & (boxes[:, :2] < np.array(image_size)).all(axis=1)
    points = np.where(np.isfinite(points).all(axis=2, keepdims=True), points, 0.0)
    torso = _torso(detections.skeleton)
    sights: list[Sight] = []
    for row in np.nonzero(usable)[0].tolist():
        center, size = _center(boxes[row], points[row], torso), float((boxes[row, 2:] - boxes[row, :2]).max())
        frame = int(detections.frames[row])
        sights.append(Sight(row, frame, float(scores[row]), boxes[row], points[row], center, size, looks[row]))
    return _without_doubles(sights)


def _torso(skeleton: Skeleton) -> list[int]:
    names = [joint.removeprefix("op_") for joint in skeleton.joints]
    corners = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
    return [names.index(corner) for corner in corners] if all(corner in names for corner in corners) else []


def _center(box: np.ndarray, points: np.ndarray, torso: list[int]) -> np.ndarray:
    if torso and (points[torso, 2] > 0.3).all():
        return points[torso, :2].mean(axis=0)
    return (box[:2] + box[2:]) / 2


def _without_doubles(sights: list[Sight]) -> list[Sight]:
    kept: list[Sight] = []
    for sight in sorted(sights, key=lambda s: (s.frame, -s.score)):
        same_frame = [other for other in reversed(kept[-40:]) if other.frame == sight.frame]
        if not any(_is_double(sight, other) for other in same_frame):
            kept.append(sight)
    return kept


def _is_double(a: Sight, b: Sight) -> bool:
    overlap = float(overlaps(a.box[None], b.box[None])[0, 0])
    return overlap > 0.85 or (overlap > 0.3 and _alikeness_of_points(a, b, np.zeros(2)) > 0.75)


def _alikeness_of_points(a: Sight, b: Sight, shift: np.ndarray) -> float:
    """COCO's object keypoint similarity with one width for all points, after moving `a` by `shift`."""
    weight = np.minimum(a.points[:, 2], b.points[:, 2])
    if weight.sum() < 1e-3:
        return 0.0
    distance = ((a.points[:, :2] + shift - b.points[:, :2]) ** 2).sum(axis=1)
    return float((weight * np.exp(-distance / (2 * (0.08 * max(a.size, b.size)) ** 2))).sum() / weight.sum())


def _linked(sights: list[Sight], rate: float, config: FollowConfig) -> list[Piece]:
    """The first pass: pieces without longer gaps."""
    done: list[Piece] = []
    active: list[Piece] = []
    by_frame: dict[int, list[Sight]] = {}
    for sight in sights:
        by_frame.setdefault(sight.frame, []).append(sight)
    for frame, present in sorted(by_frame.items()):
        # At low frame rates someone may always be missing for a frame or two.
        oldest = frame - max(config.memory_seconds * rate, 2)
        done += [p for p in active if p.last.frame < oldest]
        active = [p for p in active if p.last.frame >= oldest]
        sure = [s for s in present if s.score >= config.sure_score]
        doubtful = [s for s in present if s.score < config.sure_score]
        free = assigned(active, sure, rate, config)
        missing = [p for p in active if p.last.frame < frame]
        assigned(missing, doubtful, rate, config)
        active += [begun(sight, config) for sight in free]
    return done + active


def assigned(pieces: list[Piece], sights: list[Sight], rate: float, config: FollowConfig) -> list[Sight]:
    """Gives each piece at most one sight; returns the sights left over."""
    if not pieces or not sights:
        return sights
    table = np.array([[_similarity(piece, sight, rate, config) for sight in sights] for piece in pieces])
    # After a gap more must agree, since someone else may have come into the place.
    gaps = [(sights[0].frame - piece.last.frame - 1) / rate for piece in pieces]
    needed = [config.least_similarity + 0.4 * min(gap, 0.5) for gap in gaps]
    rows, columns = linear_sum_assignment(-table)
    taken = set()
    for row, column in zip(rows, columns, strict=True):
        if table[row, column] >= needed[row]:
            _extend(pieces[row], sights[column], rate, config)
            taken.add(int(column))
    return [sight for i, sight in enumerate(sights) if i not in taken]


def _similarity(piece: Piece, sight: Sight, rate: float, config: FollowConfig) -> float:
    """0 to 1: by place, overlap and keypoints, less where the clothes differ."""
    last = piece.last
    place, variance = _predicted(piece, (sight.frame - last.frame) / rate, config)
    size = max(last.size, sight.size)
    shift = place - last.center
    distance = float(
        ((sight.center - place) ** 2).sum() / (variance + (config.measurement_noise * size) ** 2 + (0.05 * size) ** 2)
    )
    ratio = min(last.size, sight.size) / size
    if distance > 25 or ratio < 0.4 or np.hypot(*(sight.center - place)) > 1.2 * size:
        return 0.0
    near = float(np.exp(-distance / 8))
    overlap = float(overlaps(last.box[None] + np.tile(shift, 2), sight.box[None])[0, 0])
    pose = _alikeness_of_points(last, sight, shift)
    alike = (near + overlap + pose) / 3 if pose > 0 else (near + overlap) / 2
    return alike * _look_factor(piece.looks, sight.looks)


def _look_factor(a: np.ndarray, b: np.ndarray) -> float:
    """1 for the same clothes, a fifth for quite other ones; 1 where they are not known."""
    if a.sum() < 0.1 or b.sum() < 0.1:
        return 1.0
    return float(np.clip(1 - 3 * (0.9 - likeness(a, b)), 0.2, 1))


def _predicted(piece: Piece, seconds: float, config: FollowConfig) -> tuple[np.ndarray, float]:
    """Where the person should be after so many seconds, and the variance of that place."""
    place = piece.state[0] + piece.state[1] * seconds
    moves = np.array([[1.0, seconds], [0.0, 1.0]])
    covariance = moves @ piece.covariance @ moves.T + _process_noise(piece.last.size, seconds, config)
    return place, float(covariance[0, 0])


def _process_noise(size: float, seconds: float, config: FollowConfig) -> np.ndarray:
    push = np.array([seconds**2 / 2, seconds])
    return np.outer(push, push) * (config.acceleration * size) ** 2


def begun(sight: Sight, config: FollowConfig) -> Piece:
    """A piece of one sight: where someone was seen first."""
    place = (config.measurement_noise * sight.size) ** 2
    speed = (1.0 * sight.size) ** 2
    return Piece([sight], np.stack([sight.center, np.zeros(2)]), np.diag([place, speed]), sight.looks.copy())


def resumed(piece: Piece, new: Piece) -> None:
    """Lets a piece go on with one that has just begun: where it was heading before the gap says no more."""
    piece.sights += new.sights
    piece.state, piece.covariance = new.state, new.covariance


def _extend(piece: Piece, sight: Sight, rate: float, config: FollowConfig) -> None:
    """The Kalman filter's step, and the running mean of the looks."""
    seconds = (sight.frame - piece.last.frame) / rate
    moves = np.array([[1.0, seconds], [0.0, 1.0]])
    state = moves @ piece.state
    covariance = moves @ piece.covariance @ moves.T + _process_noise(piece.last.size, seconds, config)
    gain = covariance[:, 0] / (covariance[0, 0] + (config.measurement_noise * sight.size) ** 2)
    piece.state = state + np.outer(gain, sight.center - state[0])
    piece.covariance = covariance - np.outer(gain, covariance[0])
    piece.looks = 0.95 * piece.looks + 0.05 * sight.looks if sight.looks.sum() > 0.1 else piece.looks
    piece.sights.append(sight)


def _joined(pieces: list[Piece], rate: float, config: FollowConfig) -> list[Piece]:
    """The second pass: joins pieces of the same person, the surest pair first."""
    # A glimpse of a frame or two is as likely of someone else, and says nothing about where it was heading.
    pieces = [p for p in pieces if len(p.sights) >= max(config.glimpse_seconds * rate, config.least_frames)]
    while True:
        best, pair = config.least_similarity, None
        for early in pieces:
            for late in pieces:
                gap = (late.sights[0].frame - early.last.frame) / rate
                if 0 < gap <= config.gap_seconds and (found := continues(early, late, rate)) > best:
                    best, pair = found, (early, late)
        if pair is None:
            return pieces
        early, late = pair
        pieces = [p for p in pieces if p is not early and p is not late]
        pieces.append(Piece(early.sights + late.sights, late.state, late.covariance, late.looks))


def continues(early: Piece, late: Piece, rate: float, longest: float = math.inf) -> float:
    """How likely `late` is the same person as `early`, 0 to 1.

    Args:
        longest: a longer gap [s] is taken for one of this length: people do not go ever further.
    """
    a, b = early.last, late.sights[0]
    gap = min((b.frame - a.frame) / rate, longest)
    size = max(_median_size(early.sights[-15:]), _median_size(late.sights[:15]))
    ratio = min(_median_size(early.sights[-15:]), _median_size(late.sights[:15])) / size
    # People change their way in a gap: the velocity of either end counts for half a second.
    heading = min(gap, 0.5) * rate * (_velocity(early.sights[-8:]) + _velocity(late.sights[:8])) / 2
    miss = float(np.hypot(*(b.center - a.center - heading))) / size
    reach = 0.25 + 0.5 * gap
    if ratio < 0.45 or miss > 2.5 * reach:
        return 0.0
    return float(np.exp(-((miss / reach) ** 2) / 2)) * _look_factor(_mean_looks(early), _mean_looks(late)) * ratio


def _median_size(sights: list[Sight]) -> float:
    return float(np.median([s.size for s in sights]))


def _mean_looks(piece: Piece) -> np.ndarray:
    return np.mean([s.looks for s in piece.sights], axis=0)


def _velocity(sights: list[Sight]) -> np.ndarray:
    """Pixels per frame between the ends of a few sights; zero for a single one."""
    frames = sights[-1].frame - sights[0].frame
    return (sights[-1].center - sights[0].center) / frames if frames else np.zeros(2)


def _is_person(piece: Piece, rate: float, config: FollowConfig) -> bool:
    """Whether the piece is long, sure and steady enough not to be a ghost."""
    long_enough = len(piece.sights) >= max(config.least_seconds * rate, config.least_frames)
    sure = float(np.mean([s.score for s in piece.sights])) >= config.least_mean_score
    return long_enough and sure and _unrest(piece, rate) <= config.most_unrest


def _unrest(piece: Piece, rate: float) -> float:
    """Median over time and keypoints of the speed against the torso, in sizes per second; zero without keypoints."""
    speeds = []
    # At high rates neighbouring frames differ by little but noise, which would count as speed.
    lag = max(1, round(rate / 30))
    for a, b in zip(piece.sights, piece.sights[lag:], strict=False):
        both = (a.points[:, 2] > 0.3) & (b.points[:, 2] > 0.3)
        if both.sum() >= 4 and b.frame - a.frame <= max(0.2 * rate, lag):
            moved = (b.points[both, :2] - b.center) - (a.points[both, :2] - a.center)
            speeds.append(np.median(np.hypot(*moved.T)) / max(a.size, b.size) * rate / (b.frame - a.frame))
    return float(np.median(speeds)) if speeds else 0.0


def _is_part(piece: Piece, other: Piece) -> bool:
    """Whether a piece is a part of a longer one's body misread as a body: mostly inside it, and small or alike."""
    if len(piece.sights) >= len(other.sights):
        return False
    wholes = {sight.frame: sight for sight in other.sights}
    inside = [_inside(sight.box, wholes[sight.frame].box) > 0.6 for sight in piece.sights if sight.frame in wholes]
    small = _median_size(piece.sights) < 0.75 * _median_size(other.sights)
    alike = float(likeness(_mean_looks(piece), _mean_looks(other))) > 0.7
    return sum(inside) > 0.6 * len(piece.sights) and (small or alike)


def _inside(a: np.ndarray, b: np.ndarray) -> float:
    """The share of box `a` that lies in box `b`."""
    shared = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(shared / (a[2:] - a[:2]).prod())


def _track(person: int, piece: Piece, detections: Detections) -> Track:
    own = detections[torch.tensor([sight.row for sight in piece.sights])]
    if not len(own.skeleton):
        return Track(person, own.frames, own.boxes)
    return Track(person, own.frames, own.boxes, own.keypoints, own.skeleton, own.world)
