"""Left and right, mended over time: detectors swap them, mostly on people seen from behind or from the side.

A limb moves smoothly; a swap makes it jump. For the upper and for the lower body, each frame is left as it is or
swapped so that the whole track moves with the least acceleration. The detector is right more often than not: every
swap costs a little.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from anthropose.motion import Track
from anthropose.skeleton import Skeleton


@dataclass(frozen=True)
class SidesConfig:
    """Lengths in sizes of the person (the longer side of the box)."""

    swap_cost: float = 0.01
    """Of a swapped frame: a swap of so many frames is mended whose ends jump by more than so many times this."""
    speed_weight: float = 0.3
    """Of the speed, beside the acceleration: where both explain a crossing, the shorter way is taken."""
    most: float = 0.4
    """Larger accelerations of a point count as this much: it was not found at all."""
    longest_gap: int = 3
    """Frames; nothing is known about the way over longer gaps."""


def mend_sides(track: Track, config: SidesConfig = SidesConfig()) -> Track:
    """The track with left and right keypoints exchanged in the frames where they were swapped."""
    if track.keypoints is None or track.skeleton is None or len(track) < 3:
        return track
    keypoints = track.keypoints.clone()
    world = None if track.world is None else track.world.clone()
    size = (track.boxes[:, 2:] - track.boxes[:, :2]).amax(dim=1).clamp(min=1).double().numpy()
    for group in _groups(track.skeleton):
        points = track.keypoints[:, group].double().numpy()
        mirrored = track.keypoints[:, [track.skeleton.mirror[i] for i in group]].double().numpy()
        swapped = torch.from_numpy(_swapped(points, mirrored, size, track.frames.numpy(), config))
        for points_of in (keypoints, world):
            if points_of is not None:
                exchanged = points_of[:, [track.skeleton.mirror[i] for i in group]]
                points_of[:, group] = torch.where(swapped[:, None, None], exchanged, points_of[:, group])
    return replace(track, keypoints=keypoints, world=world)


def _groups(skeleton: Skeleton) -> list[list[int]]:
    """The paired joints of the upper and of the lower body."""
    paired = [i for i, partner in enumerate(skeleton.mirror) if partner != i]
    low = [i for i in paired if any(part in skeleton.joints[i] for part in ("hip", "knee", "ankle", "heel", "toe"))]
    return [group for group in (low, [i for i in paired if i not in low]) if group]


def _swapped(
    points: Float[np.ndarray, "n k 3"],
    mirrored: Float[np.ndarray, "n k 3"],
    size: Float[np.ndarray, "n"],
    frames: Int[np.ndarray, "n"],
    config: SidesConfig,
) -> Bool[np.ndarray, "n"]:
    """Which frames to swap: the cheapest way through the choices of each two neighbouring frames (Viterbi)."""
    cost = _costs(np.stack([points, mirrored]), size, frames, config)
    n = len(frames)
    total = np.array([[0.0, 1.0], [1.0, 2.0]]) * config.swap_cost
    came_from = np.zeros((n, 2, 2), dtype=np.int8)
    for t in range(2, n):
        # Axes: the choice two frames before, the one before, and now.
        through = total[:, :, None] + cost[:, :, :, t]
        came_from[t] = through.argmin(axis=0)
        total = through.min(axis=0) + np.array([0.0, config.swap_cost])
    choice = np.zeros(n, dtype=bool)
    before, now = np.unravel_index(int(total.argmin()), (2, 2))
    for t in range(n - 1, 1, -1):
        choice[t] = bool(now)
        before, now = came_from[t, before, now], before
    choice[1], choice[0] = bool(now), bool(before)
    return choice


def _costs(
    choices: Float[np.ndarray, "2 n k 3"],
    size: Float[np.ndarray, "n"],
    frames: Int[np.ndarray, "n"],
    config: SidesConfig,
) -> Float[np.ndarray, "2 2 2 n"]:
    """For the choices in three frames running, the mean jerkiness of the points at the last of them."""
    cost = np.zeros((2, 2, 2, choices.shape[1]))
    near = np.diff(frames, prepend=frames[0] - 1) <= config.longest_gap
    together = near & np.roll(near, 1)
    for a in (0, 1):
        for b in (0, 1):
            for c in (0, 1):
                old, last, now = choices[a, :-2], choices[b, 1:-1], choices[c, 2:]
                weight = np.minimum(np.minimum(old[..., 2], last[..., 2]), now[..., 2]) + 0.02
                step, bend = now[..., :2] - last[..., :2], now[..., :2] - 2 * last[..., :2] + old[..., :2]
                jerk = np.hypot(*np.moveaxis(bend, -1, 0)) + config.speed_weight * np.hypot(*np.moveaxis(step, -1, 0))
                jerk = np.minimum(jerk / size[2:, None], config.most)
                cost[a, b, c, 2:] = (jerk * weight).sum(axis=1) / weight.sum(axis=1) * together[2:]
    return cost
