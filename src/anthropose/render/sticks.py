"""Skeletons drawn as sticks: a track's keypoints, or the joints of a motion that has no body."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from anthropose.motion import Motion, Track
from anthropose.render.surface import NEAR
from anthropose.skeleton import Skeleton

LEFT, RIGHT, MIDDLE = (255, 140, 40), (60, 150, 255), (235, 235, 235)
"""Colours of the person's left and right sides, and of what has no side: crossed or swapped limbs show at once."""

FAINTEST = 0.15
"""What is less certain than this is not drawn."""


def draw_keypoints(picture: UInt8[np.ndarray, "h w 3"], track: Track, row: int, share: float = 1.0) -> None:
    """Draws the keypoints of one frame of a track into the picture; the less certain, the fainter.

    Args:
        picture: RGB, changed in place.
        track: with keypoints; without, only its box is drawn.
        row: index into the track's frames.
        share: the picture's size in that of the video that the track is of.
    """
    left, top, right, bottom = (share * track.boxes[row]).tolist()
    if track.keypoints is None or track.skeleton is None:
        cv2.rectangle(picture, (round(left), round(top)), (round(right), round(bottom)), MIDDLE, 2, cv2.LINE_AA)
        return
    keypoints = track.keypoints[row].numpy()
    thickness = max(2, round((bottom - top) / 120))
    draw_sticks(picture, share * keypoints[:, :2], keypoints[:, 2], track.skeleton, thickness)


def draw_joints(picture: UInt8[np.ndarray, "h w 3"], motion: Motion, row: int) -> None:
    """Draws the joints of one frame of a motion into the picture, which is changed in place."""
    points = (motion.joints[row] + motion.translation[row]).numpy()
    draw_joints_seen_by(picture, points, motion.skeleton, motion.camera.focal, motion.camera.center)


def draw_joints_seen_by(
    picture: UInt8[np.ndarray, "h w 3"],
    points: Float[np.ndarray, "j 3"],
    skeleton: Skeleton,
    focal: float,
    center: tuple[float, float],
) -> None:
    """Draws joints in camera axes [m] through a pinhole; those behind the camera are left out."""
    depth = np.nan_to_num(points[:, 2:], nan=NEAR).clip(NEAR)
    pixels = points[:, :2] / depth * focal + np.asarray(center, np.float32)
    thickness = round(np.clip(0.025 * focal / np.median(depth), 2, 12))
    draw_sticks(picture, pixels, (points[:, 2] > NEAR).astype(np.float32), skeleton, thickness, points[:, 2])


def draw_sticks(
    picture: UInt8[np.ndarray, "h w 3"],
    points: Float[np.ndarray, "k 2"],
    confidence: Float[np.ndarray, "k"],
    skeleton: Skeleton,
    thickness: int,
    depth: Float[np.ndarray, "k"] | None = None,
) -> None:
    """Draws bones and joints into the picture, the farthest first where the depth is known.

    Args:
        picture: RGB, changed in place.
        points: pixels.
        confidence: from 0 to 1; becomes the opacity.
        skeleton: names and edges of the points.
        thickness: of the bones [px].
        depth: of the points, in any unit.
    """
    confidence = np.where(np.isfinite(points).all(1), confidence, 0.0)
    edges = list(skeleton.edges)
    if depth is not None:
        edges.sort(key=lambda edge: -float(depth[edge[0]] + depth[edge[1]]))
    for joint, parent in edges:
        certainty = float(min(confidence[joint], confidence[parent]))
        _stick(picture, points[joint], points[parent], _colour(skeleton, joint, parent), thickness, certainty)
    for joint in range(len(skeleton)):
        _stick(
            picture,
            points[joint],
            points[joint],
            _colour(skeleton, joint, joint),
            thickness + 2,
            float(confidence[joint]),
        )


def _colour(skeleton: Skeleton, joint: int, parent: int) -> tuple[int, int, int]:
    names = skeleton.joints[joint], skeleton.joints[parent]
    if any("left_" in name for name in names):
        return LEFT
    if any("right_" in name for name in names):
        return RIGHT
    return MIDDLE


def _stick(
    picture: np.ndarray, a: np.ndarray, b: np.ndarray, colour: tuple[int, int, int], thickness: int, opacity: float
) -> None:
    """A line with round ends, blended into the picture by its opacity."""
    height, width = picture.shape[:2]
    ends = np.stack([a, b])
    if opacity < FAINTEST or (ends < -width - height).any() or (ends > 2 * (width + height)).any():
        return
    low = np.floor(ends.min(0) - thickness - 1).astype(int).clip(0, [width, height])
    high = np.ceil(ends.max(0) + thickness + 2).astype(int).clip(0, [width, height])
    if (high <= low).any():
        return
    part = picture[low[1] : high[1], low[0] : high[0]]
    drawn = part.copy()
    start, end = ((16 * (end - low - 0.5)).round().astype(int).tolist() for end in ends)
    cv2.line(drawn, start, end, (0, 0, 0), thickness + 2, cv2.LINE_AA, shift=4)
    cv2.line(drawn, start, end, colour, thickness, cv2.LINE_AA, shift=4)
    cv2.addWeighted(drawn, opacity, part, 1 - opacity, 0, dst=drawn)
    part[:] = drawn
