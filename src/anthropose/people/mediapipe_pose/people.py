"""People as the detector knows them: a sight in one frame, someone followed over frames, and how sights compare."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from anthropose.people.looks import likeness, looks_of
from anthropose.people.mediapipe_models import Found, Landed, Pyramid, Roi
from anthropose.skeleton import MEDIAPIPE_33


@dataclass(frozen=True)
class Sight:
    """A person in one frame."""

    landed: Landed
    looks: Float[np.ndarray, "c"]
    box: Float[np.ndarray, "4"]

    confirmed: float = 1.0
    """What the detector network makes of the same place, 0 to 1."""

    @property
    def size(self) -> float:
        return float((self.box[2:] - self.box[:2]).max())

    @property
    def score(self) -> float:
        """How sure both networks together are that this is a person."""
        return (self.landed.presence + self.confirmed) / 2


@dataclass(frozen=True)
class Arrival:
    """Where and when someone was found."""

    number: int
    """Of the frame."""
    sight: Sight
    score: float
    """The detector network's."""


@dataclass(eq=False)
class Person:
    """Someone being followed: the last sight, and where to look next. Equal to nobody else, so that it can be a key."""

    sight: Sight
    looks: Float[np.ndarray, "c"]
    """Running mean."""
    velocity: Float[np.ndarray, "2"] = field(default_factory=lambda: np.zeros(2))
    """Of the middle of the square, pixels per frame."""
    frames: int = 1
    """Frames in which the person was seen."""
    lost: int = 0
    """Frames since the last sight."""
    parts: int = 0
    """Frames in which this looked like a part of someone known for longer."""
    confirmed: float = 1.0
    """Running mean of the detector network's score."""
    unchecked: int = 0
    """Frames since the detector network was last asked about this person."""
    checks: int = 0
    """How often it was asked."""
    arrival: Arrival | None = None
    """Where to begin to follow this person backwards; None when that is done."""

    def __post_init__(self) -> None:
        self.place = self.sight.landed.next_roi

    def roi(self) -> Roi:
        """Where the person should be in the next frame."""
        ahead = self.velocity * (1 + self.lost)
        return replace(self.place, x=self.place.x + float(ahead[0]), y=self.place.y + float(ahead[1]))

    def surprise(self, sight: Sight) -> float:
        """How badly a sight fits what is known: by place and by clothes."""
        return apart(self.roi(), sight.landed.next_roi) + 1 - float(likeness(self.looks, sight.looks))

    def seen(self, sight: Sight) -> None:
        """Takes in a new sight.

        The square follows small changes only in part: the landmark network's answer changes a little with the
        square, and a square that follows every tremor makes more of it. Large changes are real: followed at once.
        """
        found, expected = sight.landed.next_roi, self.roi()
        miss = np.array([found.x - expected.x, found.y - expected.y])
        turn = math.remainder(found.turn - expected.turn, 2 * math.pi)
        change = max(float(np.hypot(*miss)) / expected.side, abs(turn), abs(math.log(found.side / expected.side)))
        follow = min(1.0, 0.4 + change / 0.2)
        self.velocity = self.velocity + 0.5 * follow * miss / (1 + self.lost)
        self.place = Roi(
            x=expected.x + follow * float(miss[0]),
            y=expected.y + follow * float(miss[1]),
            side=expected.side + follow * (found.side - expected.side),
            turn=expected.turn + follow * turn,
        )
        self.looks = 0.9 * self.looks + 0.1 * sight.looks
        self.sight = replace(sight, confirmed=self.confirmed)
        self.lost, self.frames = 0, self.frames + 1

    def checked(self, score: float) -> None:
        """Takes in how sure the detector network is of a person here, zero where it sees none."""
        self.confirmed, self.unchecked = 0.7 * self.confirmed + 0.3 * score, 0
        self.checks += 1


def sight_of(landed: Landed | None, presence: float, image: Pyramid) -> Sight | None:
    """What was landed, where it is sure enough and can be a body."""
    if landed is None or landed.presence < presence or not _is_plausible(landed, image):
        return None
    picture, scale = image.base()
    looks = looks_of(picture, landed.points * np.append(scale, 1), MEDIAPIPE_33)
    return Sight(landed, looks, body_box(landed.points, image.width, image.height))


def _is_plausible(landed: Landed, image: Pyramid) -> bool:
    """Rejects keypoints that cannot be a body: mostly unseen, outside the frame, or crumpled into a spot."""
    points, side = landed.points, landed.next_roi.side
    inside = ((points[:, :2] >= 0) & (points[:, :2] < (image.width, image.height))).all(axis=1)
    sure = inside & (points[:, 2] > 0.5)
    if sure.sum() < 8 or side < 24:
        return False
    shoulders, hips = points[[11, 12], :2].mean(axis=0), points[[23, 24], :2].mean(axis=0)
    torso = float(np.hypot(*(shoulders - hips)))
    return 0.05 * side < torso < 0.6 * side


def body_box(points: Float[np.ndarray, "33 3"], width: int, height: int) -> Float[np.ndarray, "4"]:
    """Left, top, right, bottom around the surer points and the crown of the head, a little wider, cut at the frame."""
    ears, shoulders = points[[7, 8], :2].mean(axis=0), points[[11, 12], :2].mean(axis=0)
    crown = ears + 0.6 * (ears - shoulders)
    sure = points[points[:, 2] > 0.3, :2]
    around = np.vstack([sure if len(sure) >= 4 else points[:, :2], crown])
    low, high = around.min(axis=0), around.max(axis=0)
    margin = 0.05 * max(high - low)
    frame = np.array([width, height])
    return np.concatenate([np.clip(low - margin, 0, frame), np.clip(high + margin, 0, frame)])


def apart(a: Roi, b: Roi) -> float:
    """Distance of the middles, in sides of the larger square."""
    return math.hypot(a.x - b.x, a.y - b.y) / max(a.side, b.side, 1e-6)


def is_near(a: Roi, b: Roi) -> bool:
    """Whether two squares may be of the same person."""
    return apart(a, b) < 0.3 and 0.5 < a.side / b.side < 2


def nearest(roi: Roi, people: list[Person]) -> Person | None:
    """Whom a square found by the detector network fits best."""
    return min(people, key=lambda p: apart(roi, p.place) + abs(math.log(roi.side / p.place.side)), default=None)


def is_near_to(person: Person, sight: Sight) -> bool:
    """Whether the sight can be where the person went; otherwise the landmark network has slipped onto someone else."""
    return is_near(sight.landed.next_roi, person.roi())


def is_known(found: Found, known: list[Sight]) -> bool:
    """Whether this is only someone who is followed already; spares a run of the landmark network."""
    rois = [sight.landed.next_roi for sight in known]
    return any(apart(found.roi, roi) < 0.12 and 0.67 < found.roi.side / roi.side < 1.5 for roi in rois)


def similarity(a: Float[np.ndarray, "k 3"], b: Float[np.ndarray, "k 3"], size: float) -> float:
    """How much two sets of keypoints are the same person's, 0 to 1 (in the manner of COCO's OKS, over all points)."""
    weight = np.clip(np.minimum(a[:, 2], b[:, 2]), 0.05, 1)
    distance = ((a[:, :2] - b[:, :2]) ** 2).sum(axis=1)
    return float((weight * np.exp(-distance / (2 * (0.1 * size) ** 2))).sum() / weight.sum())


def is_same(a: Sight, b: Sight) -> bool:
    """Whether two sights in one frame are of one body."""
    roi_a, roi_b = a.landed.next_roi, b.landed.next_roi
    size, ratio = min(roi_a.side, roi_b.side) / 2.5, roi_a.side / roi_b.side
    return similarity(a.landed.points, b.landed.points, size) > 0.35 or (apart(roi_a, roi_b) < 0.08 and 0.5 < ratio < 2)


def is_part(a: Sight, b: Sight) -> bool:
    """Whether `a` is likely a part of the body `b` misread as a body: mostly inside it, and small or alike."""
    inside = share_inside(a.box, b.box)
    return inside > 0.6 and (a.size < 0.75 * b.size or float(likeness(a.looks, b.looks)) > 0.7)


def share_inside(a: Float[np.ndarray, "4"], b: Float[np.ndarray, "4"]) -> float:
    """The share of box `a` that lies in box `b`."""
    shared = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(shared / max((a[2:] - a[:2]).prod(), 1e-6))
