"""Skinning weights of SMPL's 24 joints, gathered from MakeHuman's 163 bones."""

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse
from scipy.sparse.linalg import splu

from anthropose.body.free.source import Crowd
from anthropose.skeleton import SMPL_24

LIMB_BONES = {
    "upperleg01": "hip",
    "upperleg02": "hip",
    "lowerleg01": "knee",
    "lowerleg02": "knee",
    "foot": "ankle",
    "toe": "foot",
    "clavicle": "collar",
    "shoulder01": "collar",
    "upperarm01": "shoulder",
    "upperarm02": "shoulder",
    "lowerarm01": "elbow",
    "lowerarm02": "elbow",
    "wrist": "wrist",
    "metacarpal": "wrist",
    "finger1-1": "wrist",
    "finger": "hand",
}
"""The joint that the bones whose names begin so belong to; of several, the longest counts."""
TRUNK_BONES = ("root", "pelvis", "spine", "breast")
NECK_BONES = ("neck",)

TRUNK_SOFTNESS = 0.09
"""Half the height [m] over which the trunk goes over from one joint to the next."""
SMOOTHING = 0.016
"""How far [m] the weights are blurred along the surface: MakeHuman's are painted for posing by hand, with narrow
borders."""
MOST = 4
"""Joints per vertex; glTF viewers read four."""


def smpl_weights(
    crowd: Crowd, vertices: Float[np.ndarray, "v 3"], joints: Float[np.ndarray, "24 3"]
) -> Float[np.ndarray, "v 24"]:
    """How much each vertex follows each joint, for the average person at rest; at most four joints each, sum one."""
    weights = np.zeros((len(vertices), 24))
    trunk = np.zeros(len(vertices))
    for bone, share in zip(crowd.bones, crowd.weights.T, strict=True):
        joint = _joint_of(bone)
        if joint is None:
            trunk += share
        else:
            weights[:, SMPL_24.index(joint)] += share
    weights += trunk[:, None] * _along_the_spine(vertices[:, 1], joints)
    return _largest(_blurred(weights, vertices, crowd.faces))


def _joint_of(bone: str) -> str | None:
    """None for the trunk, whose weights go by height instead."""
    if bone.startswith(TRUNK_BONES):
        return None
    stem, _, ending = bone.partition(".")
    matching = [start for start in LIMB_BONES if stem.startswith(start)]
    if matching:
        return {"L": "left_", "R": "right_"}[ending] + LIMB_BONES[max(matching, key=len)]
    return "neck" if bone.startswith(NECK_BONES) else "head"


def _along_the_spine(height: Float[np.ndarray, "v"], joints: Float[np.ndarray, "24 3"]) -> Float[np.ndarray, "v 24"]:
    """Pelvis, then spine1 to spine3, each going softly over into the next at the height of the next joint."""
    names = ("pelvis", "spine1", "spine2", "spine3")
    passed = [np.ones_like(height)]
    for name in names[1:]:
        t = np.clip((height - joints[SMPL_24.index(name), 1]) / (2 * TRUNK_SOFTNESS) + 0.5, 0, 1)
        passed.append(t * t * (3 - 2 * t))
    passed.append(np.zeros_like(height))
    weights = np.zeros((len(height), 24))
    for place, name in enumerate(names):
        weights[:, SMPL_24.index(name)] = passed[place] - passed[place + 1]
    return weights


def _blurred(
    weights: Float[np.ndarray, "v 24"], vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]
) -> Float[np.ndarray, "v 24"]:
    """One implicit step of heat flow along the surface: blurs by a length, whatever the size of the triangles."""
    mass, laplacian = surface_operators(vertices, faces)
    solved = splu((mass + 0.5 * SMOOTHING**2 * laplacian).tocsc()).solve(mass @ weights)
    return np.clip(solved, 0, None)


def surface_operators(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """The areas around the vertices (diagonal) and the cotangent Laplacian, negative cotangents cut off."""
    rows, columns, values = [], [], []
    areas = np.zeros(len(vertices))
    for corner in range(3):
        a, b, c = (faces[:, (corner + k) % 3] for k in range(3))
        u, v = vertices[b] - vertices[a], vertices[c] - vertices[a]
        double = np.linalg.norm(np.cross(u, v), axis=1)
        np.add.at(areas, a, double / 6)
        cotangent = np.clip((u * v).sum(1) / np.maximum(double, 1e-12), 0, 100) / 2
        for i, j, sign in ((b, c, -1), (c, b, -1), (b, b, 1), (c, c, 1)):
            rows.append(i)
            columns.append(j)
            values.append(sign * cotangent)
    n = len(vertices)
    laplacian = sparse.coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (n, n)
    ).tocsr()
    return sparse.diags(np.maximum(areas, 1e-10)).tocsr(), laplacian


def _largest(weights: Float[np.ndarray, "v 24"]) -> Float[np.ndarray, "v 24"]:
    """The four largest of each vertex, scaled to sum one."""
    limit = np.sort(weights, axis=1)[:, -MOST - 1][:, None]
    kept = np.clip(weights - limit, 0, None)  # Taking the fifth away keeps the weights continuous along the surface.
    kept[kept < 1e-3 * kept.sum(1, keepdims=True)] = 0
    return kept / kept.sum(1, keepdims=True)
