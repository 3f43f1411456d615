"""Rotations about axes for many frames at once, in numpy; what the choreography is made of."""

import numpy as np
from jaxtyping import Float


def about_x(angle: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n 3 3"]:
    """Turns y towards z by `angle` [rad]."""
    return _about(angle, 1, 2)


def about_y(angle: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n 3 3"]:
    """Turns z towards x by `angle` [rad]."""
    return _about(angle, 2, 0)


def about_z(angle: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n 3 3"]:
    """Turns x towards y by `angle` [rad]."""
    return _about(angle, 0, 1)


def _about(angle: np.ndarray, first: int, second: int) -> np.ndarray:
    angle = np.asarray(angle, float)
    turn = np.zeros((*angle.shape, 3, 3))
    turn[..., 3 - first - second, 3 - first - second] = 1
    turn[..., first, first] = turn[..., second, second] = np.cos(angle)
    turn[..., second, first] = np.sin(angle)
    turn[..., first, second] = -np.sin(angle)
    return turn


def unit(vectors: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """The vectors with length one."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def frame(first: Float[np.ndarray, "*n 3"], second: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3 3"]:
    """Axes as columns: the first vector's direction, what of the second is at right angles to it, and their normal."""
    a = unit(first)
    b = unit(second - (second * a).sum(-1, keepdims=True) * a)
    return np.stack([a, b, np.cross(a, b)], axis=-1)
