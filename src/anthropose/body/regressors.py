"""Regressors: points inside or on a body as weighted sums of its vertices."""

import numpy as np
from jaxtyping import Bool, Float

from anthropose.skeleton import EXTRA_9, SMPL_24

CANDIDATES = 400
"""Vertices near the point that may take part."""
RIDGE = 5e-4
"""Pulls [m] towards many small weights, so that no row hangs on a few vertices."""


def fit_row(
    mean_point: Float[np.ndarray, "3"],
    point_basis: Float[np.ndarray, "3 s"],
    mean: Float[np.ndarray, "v 3"],
    basis: Float[np.ndarray, "v 3 s"],
    allowed: Bool[np.ndarray, "v"] | None = None,
) -> Float[np.ndarray, "v"]:
    """Weights, none negative, that give a point on the mean person and follow it through the shape components.

    Args:
        mean_point: the point [m] of the mean person.
        point_basis: how it moves [m] with each shape component.
        mean: the mean person's vertices [m].
        basis: how they move with each component.
        allowed: which vertices may take part; all where None.
    """
    from scipy.optimize import nnls

    distance = np.linalg.norm(mean - mean_point, axis=1)
    if allowed is not None:
        distance = np.where(allowed, distance, np.inf)
    near = np.argsort(distance)[:CANDIDATES]
    sure = 100.0  # The sum and the mean person come first.
    rows = [
        np.full((1, len(near)), sure),
        sure * (mean[near] - mean_point).T,
        (basis[near] - point_basis).transpose(1, 2, 0).reshape(-1, len(near)),
        RIDGE * np.sqrt(len(near)) * np.eye(len(near)),
    ]
    system = np.concatenate(rows)
    target = np.zeros(len(system))
    target[0] = sure
    weights = np.zeros(len(mean))
    weights[near] = nnls(system, target)[0]
    return weights / weights.sum()


def approximate_extra(joint_regressor: Float[np.ndarray, "24 v"], top: int, nose: int) -> Float[np.ndarray, "9 v"]:
    """Rows of EXTRA_9 mixed from those of the tree, for a body whose file has no `J_regressor_extra`.

    Good to two or three centimetres: enough to fit a body to pictures, not to compare with published numbers.

    Args:
        joint_regressor: rows of SMPL_24.
        top: the highest vertex.
        nose: the vertex at its tip.
    """
    rows = dict(zip(SMPL_24.joints, joint_regressor, strict=True))
    rows |= {"top": np.eye(1, joint_regressor.shape[1], top)[0], "nose": np.eye(1, joint_regressor.shape[1], nose)[0]}
    mixtures = {
        "lsp_right_hip": {"right_hip": 1.0},
        "lsp_left_hip": {"left_hip": 1.0},
        "lsp_neck": {"neck": 0.75, "head": 0.25},
        "head_top": {"top": 1.0},
        "mpii_pelvis": {"left_hip": 0.5, "right_hip": 0.5},
        "thorax": {"neck": 0.5, "left_shoulder": 0.25, "right_shoulder": 0.25},
        "h36m_spine": {"spine1": 0.7, "spine2": 0.3},
        "h36m_jaw": {"neck": 0.2, "head": 0.5, "nose": 0.3},
        "h36m_head": {"head": 0.4, "top": 0.6},
    }
    mixed = [sum(share * rows[name] for name, share in mixtures[point].items()) for point in EXTRA_9.split()]
    return np.stack(mixed).astype(joint_regressor.dtype)
