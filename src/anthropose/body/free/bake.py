"""The free body's file, from the crowd."""

import numpy as np
from jaxtyping import Bool, Float

from anthropose.body.free.points import extra_points, h36m_points, picked_vertices
from anthropose.body.free.posing import to_rest_pose
from anthropose.body.free.shape import ShapeSpace, principal_shapes
from anthropose.body.free.source import Crowd
from anthropose.body.free.surface import simplified, without_cavities
from anthropose.body.free.weights import smpl_weights, surface_operators
from anthropose.body.regressors import fit_row
from anthropose.skeleton import SMPL_24


def bake(crowd: Crowd, inner: Bool[np.ndarray, "f"]) -> dict[str, np.ndarray]:
    """The arrays of a SMPL-format file, and ours: the extra regressors and the picked vertices.

    Args:
        crowd: the people to learn the shapes from.
        inner: which faces are inside mouth and eyes.
    """
    crowd = simplified(without_cavities(crowd, inner))
    rest = to_rest_pose(crowd)
    mass, _ = surface_operators(rest.vertices.mean(axis=0), crowd.faces)
    shapes = principal_shapes(rest.vertices, mass.diagonal())
    joints, _ = shapes.of_points(rest.joints)
    parents = np.array(SMPL_24.parents)
    count = len(shapes.mean)
    return {
        "v_template": shapes.mean.astype(np.float32),
        "shapedirs": shapes.basis.astype(np.float16),
        "posedirs": np.zeros((count, 3, 207), np.float16),
        "f": crowd.faces.astype(np.uint32),
        "weights": smpl_weights(crowd, shapes.mean, joints).astype(np.float32),
        "J_regressor": _rows(rest.joints, shapes),
        "kintree_table": np.stack([parents, np.arange(24)]).astype(np.uint32),
        "J_regressor_extra": _rows(extra_points(crowd, rest), shapes),
        "J_regressor_h36m": _rows(h36m_points(crowd, rest), shapes),
        "picked": picked_vertices(crowd, rest).astype(np.int32),
    }


def _rows(points: Float[np.ndarray, "n p 3"], shapes: ShapeSpace) -> Float[np.ndarray, "p v"]:
    means, bases = shapes.of_points(points)
    rows = [fit_row(mean, basis, shapes.mean, shapes.basis) for mean, basis in zip(means, bases, strict=True)]
    return np.stack(rows).astype(np.float32)
