"""Labelled images of other people, and how one is chosen for an image (dynaboa spec, section 7).

The published bank is a sample of Human3.6M that its authors handed out. Ours is one documented .npz that `build_bank`
makes of any labelled images; methods run without one.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from anthropose.errors import UserError
from anthropose.methods.dynaboa.losses import Exemplar
from anthropose.methods.dynaboa.model import BaseModel
from anthropose.methods.dynaboa.preprocessing import normalised
from anthropose.writing import whole_file

FORMAT = "anthropose-exemplars/1"


@runtime_checkable
class Exemplars(Protocol):
    """Where an adaptation takes its exemplars from."""

    def next_frame(self) -> None:
        """Told before every frame."""
        ...

    def draw(self, features: Float[Tensor, "1 f"]) -> tuple[int, Exemplar]:
        """An exemplar, and its number, for the image whose pooled features are given."""
        ...


E = TypeVar("E")


class Retrieval(Generic[E]):
    """Draws from the cluster whose centre lies nearest by cosine, with Python's own random numbers as published."""

    def __init__(
        self,
        centres: Float[Tensor, "k f"],
        members: Sequence[Sequence[int]],
        exemplar: Callable[[int], E],
        seed: int = 22,
    ) -> None:
        self.centres, self.members, self.exemplar = centres, members, exemplar
        self._random = random.Random(seed)

    def next_frame(self) -> None:
        """Nothing: every draw is a new one."""

    def cluster(self, features: Float[Tensor, "1 f"]) -> int:
        """The nearest centre's number."""
        centres = self.centres.to(features)
        return int((1 - torch.nn.functional.cosine_similarity(features.detach(), centres, eps=1e-8)).argmin())

    def pick(self, features: Float[Tensor, "1 f"]) -> int:
        """The number of an exemplar for an image."""
        return self._random.sample(self.members[self.cluster(features)], 1)[0]

    def draw(self, features: Float[Tensor, "1 f"]) -> tuple[int, E]:
        """An exemplar of the nearest cluster."""
        number = self.pick(features)
        return number, self.exemplar(number)


class InOrder:
    """One exemplar after the other, the same for all updates of a frame: BOA's way."""

    def __init__(self, exemplars: Sequence[Exemplar]) -> None:
        self.exemplars = exemplars
        self._frame = -1

    def next_frame(self) -> None:
        """Goes on to the next exemplar."""
        self._frame = (self._frame + 1) % len(self.exemplars)

    def draw(self, features: Float[Tensor, "1 f"]) -> tuple[int, Exemplar]:
        """This frame's exemplar."""
        return self._frame, self.exemplars[self._frame]


@dataclass(frozen=True)
class ExemplarBank:
    """Labelled crops in clusters; what its file holds."""

    crops: UInt8[Tensor, "n s s 3"]
    """RGB."""
    keypoints: Float[Tensor, "n 49 3"]
    """SPIN-49 in coordinates of the crop, -1 to 1, and a confidence; the labelled rows count."""
    joints: Float[Tensor, "n 24 4"]
    """The labelled rows of SPIN-49 [m], camera axes, and a confidence."""
    rotvecs: Float[Tensor, "n 24 3"]
    """Rotations [rad] relative to the parent, the root's relative to the camera."""
    betas: Float[Tensor, "n 10"]
    centres: Float[Tensor, "k f"]
    """Of the clusters, in the BaseModel's pooled features."""
    clusters: Int[Tensor, "n"]
    """To which cluster each crop belongs."""

    def __len__(self) -> int:
        return len(self.crops)

    def exemplar(self, number: int) -> Exemplar:
        """The exemplar of that number, as the losses want it."""
        one = slice(number, number + 1)
        image = normalised(self.crops[number].numpy().astype(np.float32))[None]
        return Exemplar(image, self.keypoints[one], self.joints[one], self.rotvecs[one], self.betas[one])

    def retrieval(self, seed: int = 22) -> Retrieval[Exemplar]:
        """How the published program chooses from it; clusters without a member are left out."""
        members = [torch.where(self.clusters == k)[0].tolist() for k in range(len(self.centres))]
        kept = [k for k, numbers in enumerate(members) if numbers]
        return Retrieval(self.centres[kept], [members[k] for k in kept], self.exemplar, seed)

    def save(self, path: Path) -> None:
        """Writes the bank's file, whole or not at all."""
        arrays = {name: getattr(self, name).numpy() for name in _FIELDS}
        with whole_file(path) as part, part.open("wb") as file:
            np.savez_compressed(file, format=np.array(FORMAT), **arrays)

    @staticmethod
    def load(path: Path) -> "ExemplarBank":
        """Reads a bank.

        Raises:
            UserError: the file is missing, cut, or no bank.
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(f"{path}: no such file; leave the exemplars out, or make a bank with build_bank")
        try:
            with np.load(path, allow_pickle=False) as file:
                found = str(file["format"]) if "format" in file.files else "no format"
                if found != FORMAT:
                    raise ValueError(f"expected {FORMAT}, found {found}")
                arrays = {name: file[name].astype(kind) for name, kind in _FIELDS.items()}
        except Exception as error:  # numpy, zipfile and zlib each raise their own for a damaged file
            raise UserError(f"{path}: not a whole bank of exemplars ({error})") from error
        lengths = {len(arrays[name]) for name in _FIELDS if name != "centres"}
        if len(lengths) != 1 or 0 in lengths:
            raise UserError(f"{path}: its arrays hold {sorted(lengths)} exemplars; they should agree")
        return ExemplarBank(**{name: torch.from_numpy(array) for name, array in arrays.items()})


_FIELDS = {
    "crops": np.uint8,
    "keypoints": np.float32,
    "joints": np.float32,
    "rotvecs": np.float32,
    "betas": np.float32,
    "centres": np.float32,
    "clusters": np.int64,
}


def build_bank(
    network: BaseModel,
    crops: UInt8[Tensor, "n s s 3"],
    keypoints: Float[Tensor, "n 49 3"],
    joints: Float[Tensor, "n 24 4"],
    rotvecs: Float[Tensor, "n 24 3"],
    betas: Float[Tensor, "n 10"],
    clusters: int = 10,
    batch: int = 16,
    seed: int = 0,
) -> ExemplarBank:
    """A bank of labelled crops, in clusters of the network's pooled features (k-means on the unit sphere).

    The published bank's number of clusters and way of making them are not known.
    """
    with torch.no_grad():
        images = [normalised(image.numpy().astype(np.float32)) for image in crops]
        parts = [network.features(torch.stack(images[k : k + batch])) for k in range(0, len(images), batch)]
    directions = torch.nn.functional.normalize(torch.cat(parts), dim=1)
    centres, nearest = spherical_means(directions, min(clusters, len(crops)), seed)
    return ExemplarBank(crops, keypoints, joints, rotvecs, betas, centres, nearest)


def spherical_means(
    directions: Float[Tensor, "n f"], clusters: int, seed: int = 0, rounds: int = 50
) -> tuple[Float[Tensor, "k f"], Int[Tensor, "n"]]:
    """Unit centres by cosine, and the nearest of them to each direction; a centre without members keeps its place."""
    order = torch.randperm(len(directions), generator=torch.Generator().manual_seed(seed))
    centres = directions[order[:clusters]].clone()
    nearest = (directions @ centres.T).argmax(1)
    for _ in range(rounds):
        sums = torch.zeros_like(centres).index_add(0, nearest, directions)
        empty = torch.bincount(nearest, minlength=clusters) == 0
        centres = torch.where(empty[:, None], centres, torch.nn.functional.normalize(sums, dim=1))
        moved = (directions @ centres.T).argmax(1)
        if bool((moved == nearest).all()):
            break
        nearest = moved
    return centres, nearest
