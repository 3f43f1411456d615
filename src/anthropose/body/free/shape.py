"""Shape components: the main ways in which the crowd differs."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

COMPONENTS = 10


@dataclass(frozen=True)
class ShapeSpace:
    """A mean person and ten directions, each as long as one standard deviation."""

    mean: Float[np.ndarray, "v 3"]
    basis: Float[np.ndarray, "v 3 10"]
    scores: Float[np.ndarray, "n 10"]
    """The crowd's own coefficients: mean zero, variance one, uncorrelated."""
    explained: float
    """The share of the crowd's variance that the ten hold."""

    def of_points(
        self, points: Float[np.ndarray, "n *p 3"]
    ) -> tuple[Float[np.ndarray, "*p 3"], Float[np.ndarray, "*p 3 10"]]:
        """The mean and the directions of any other points of the crowd."""
        mean = points.mean(axis=0)
        return mean, np.tensordot(points - mean, self.scores, axes=(0, 0)) / len(points)


def principal_shapes(vertices: Float[np.ndarray, "n v 3"], areas: Float[np.ndarray, "v"]) -> ShapeSpace:
    """Principal components of the crowd.

    A vertex counts by the `areas` around it, or the fine meshes of face, hands and feet would decide. Signs: the
    first component is taller for larger values, the others have more volume in the middle of the body (spread of x
    and z).
    """
    mean = vertices.mean(axis=0)
    centred = (vertices - mean).reshape(len(vertices), -1)
    weighted = centred * np.repeat(np.sqrt(areas / areas.sum()), 3)
    values, vectors = np.linalg.eigh(weighted @ weighted.T)
    largest = np.argsort(values)[::-1][:COMPONENTS]
    scores = vectors[:, largest] * np.sqrt(len(vertices))
    basis = (centred.T @ scores / len(vertices)).reshape(*mean.shape, COMPONENTS)
    signs = np.sign([_size(basis[..., k], mean, areas, tall=k == 0) for k in range(COMPONENTS)])
    return ShapeSpace(mean, basis * signs, scores * signs, float(values[largest].sum() / values.sum()))


def _size(direction: np.ndarray, mean: np.ndarray, areas: np.ndarray, tall: bool) -> float:
    """Whether a direction makes the body taller, or wider."""
    axes = [1] if tall else [0, 2]
    centred = mean - np.average(mean, axis=0, weights=areas)
    return float((areas[:, None] * direction * centred)[:, axes].sum())
