"""Made-up people as a detector would report them: standing figures that move, with noise, misses and clothes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from anthropose.people.detections import Detections, concatenate
from anthropose.skeleton import COCO_17

FIGURE = np.array(
    [
        *([0.5, 0.08], [0.53, 0.06], [0.47, 0.06], [0.56, 0.08], [0.44, 0.08]),
        *([0.7, 0.2], [0.3, 0.2], [0.75, 0.36], [0.25, 0.36], [0.75, 0.5], [0.25, 0.5]),
        *([0.62, 0.52], [0.38, 0.52], [0.62, 0.75], [0.38, 0.75], [0.62, 0.97], [0.38, 0.97]),
    ]
)
"""COCO-17 keypoints of someone standing, in shares of the box."""

RED, BLUE = np.eye(32)[1], np.eye(32)[9]
"""Two sorts of clothes."""


@dataclass(frozen=True)
class Actor:
    """Someone whose feet are at `place(second)`, in pixels."""

    place: Callable[[float], tuple[float, float]]
    clothes: np.ndarray
    height: float = 200.0
    unseen: tuple[tuple[float, float], ...] = ()
    """Spans of seconds in which nobody detects this person."""
    score: float = 0.9


def film(actors: list[Actor], seconds: float, rate: float = 30.0, seed: int = 0, noise: float = 2.0) -> Detections:
    """What a detector would see, and in `world[:, 0, 0]` the number of the actor, which no follower looks at."""
    random = np.random.default_rng(seed)
    parts = []
    for frame in range(round(seconds * rate)):
        for number, actor in enumerate(actors):
            now = frame / rate
            if not any(start <= now < end for start, end in actor.unseen):
                parts.append(_seen(frame, number, actor, now, random, noise))
    order = sorted(range(len(parts)), key=lambda i: (int(parts[i].frames[0]), random.random()))
    return concatenate([parts[i] for i in order]) if parts else Detections.empty(COCO_17, 32, world=True)


def _seen(frame: int, number: int, actor: Actor, now: float, random: np.random.Generator, noise: float) -> Detections:
    x, y = actor.place(now)
    size = np.array([0.4, 1.0]) * actor.height
    corner = np.array([x - size[0] / 2, y - size[1]])
    points = corner + FIGURE * size + random.normal(0, noise, (17, 2))
    looks = 0.8 * actor.clothes + 0.2 * random.dirichlet(np.ones(32))
    keypoints = np.column_stack([points, np.full(17, 0.9)]).astype(np.float32)
    return Detections(
        frames=torch.tensor([frame]),
        boxes=torch.tensor(
            np.concatenate([corner, corner + size])[None] + random.normal(0, noise, (1, 4)), dtype=torch.float32
        ),
        scores=torch.tensor([actor.score]),
        keypoints=torch.from_numpy(keypoints)[None],
        skeleton=COCO_17,
        looks=torch.tensor(looks[None], dtype=torch.float32),
        world=torch.full((1, 17, 3), float(number)),
    )
