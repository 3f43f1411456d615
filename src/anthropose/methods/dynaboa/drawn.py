"""Pictures to learn from where there are none: bodies of the motion capture, drawn in made-up clothes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.datasets.mocap import MocapBatch
from anthropose.datasets.pictures import PictureBatch, mirrored_where
from anthropose.geometry.cameras import project_crop
from anthropose.geometry.crops import normalised_images
from anthropose.methods.dynaboa.preprocessing import LABELLED
from anthropose.render.meshes import MeshRenderer
from anthropose.skeleton import SMPL_24

SHARPER = 2
"""Crops are drawn so many times larger and then made smaller, which smooths their edges."""
REGIONS = (
    ("head", "neck"),
    ("pelvis", "spine", "collar", "shoulder"),
    ("elbow", "wrist", "hand"),
    ("hip",),
    ("knee",),
    ("ankle", "foot"),
)
"""Parts of the names of the joints around which the body has one colour: head, shirt, arms, trousers, shins, shoes."""


@dataclass(frozen=True, eq=False)
class DrawnPictures:
    """Crops that were drawn once, with their labels, as `datasets.pictures.PictureSet` gives others."""

    crops: UInt8[Tensor, "n s s 3"]
    keypoints: Float[Tensor, "n 49 3"]
    joints: Float[Tensor, "n 24 4"]
    rotations: Float[Tensor, "n 24 3 3"]
    betas: Float[Tensor, "n 10"]
    names: tuple[str, ...]
    flipped: float = 0.0
    """The share that is mirrored."""

    def __len__(self) -> int:
        return len(self.crops)

    def batches(self, groups: Iterable[Int[np.ndarray, "_"]], seed: Sequence[int]) -> Iterator[PictureBatch]:
        """A batch of the pictures of each group of numbers; the seed says which are mirrored."""
        for numbers in groups:
            rows = torch.from_numpy(numbers)
            # Each picture draws for itself, so that the shares of several processes are the batch of one.
            draws = np.array([np.random.default_rng([*seed, number]).random() for number in numbers.tolist()])
            batch = PictureBatch(
                normalised_images(self.crops[rows]),
                self.keypoints[rows],
                self.joints[rows],
                self.rotations[rows],
                self.betas[rows],
                torch.ones(len(rows), dtype=torch.bool),
                tuple(self.names[k] for k in rows.tolist()),
            )
            yield mirrored_where(batch, torch.from_numpy(draws < self.flipped))


def drawn_pictures(views: Sequence[MocapBatch], body: BodyModel, size: int, seed: int) -> DrawnPictures:
    """The crops of the labelled frame of some views.

    Args:
        views: with one labelled frame each, joints of SPIN-49.
        size: pixels along a side of the crops.
        seed: of the colours.
    """
    rng = np.random.default_rng([seed, 11])
    with MeshRenderer(SHARPER * size, SHARPER * size) as renderer:
        crops = [crop for view in views for crop in _drawn(view, body, size, rng, renderer)]
    seen = [project_crop(view.joints[:, 0], view.crop_camera[:, 0]) for view in views]
    keypoints, joints = torch.cat(seen), torch.cat([view.joints[:, 0] for view in views])
    there = torch.ones_like(keypoints[..., :1])
    return DrawnPictures(
        torch.from_numpy(np.stack(crops)),
        torch.cat([keypoints, there], dim=-1),
        torch.cat([joints, there], dim=-1)[:, LABELLED],
        torch.cat([view.rotations[:, 0] for view in views]),
        torch.cat([view.betas for view in views]),
        tuple(name for view in views for name in view.names),
    )


def _drawn(
    view: MocapBatch, body: BodyModel, size: int, rng: np.random.Generator, renderer: MeshRenderer
) -> Iterator[UInt8[np.ndarray, "s s 3"]]:
    """The crop of each row, as the picture's camera sees the body in front of a blurred background."""
    posed = body.shaped(view.betas).posed(view.rotations[:, 0], view.translation[:, 0])
    vertices, faces = posed.vertices.numpy(), body.faces.numpy().astype(np.uint32)
    colours, large = _regions(body), SHARPER * size
    squares = view.squares[:, view.labelled[0]].numpy()
    for row, (x, y, side) in enumerate(squares.tolist()):
        zoom = large / side
        width, height = view.size[row].tolist()
        center = ((width / 2 - x) * zoom + large / 2, (height / 2 - y) * zoom + large / 2)
        coarse = rng.integers(30, 225, (5, 5, 3)).astype(np.uint8)
        background = cv2.resize(coarse, (large, large), interpolation=cv2.INTER_CUBIC)
        clothes = rng.uniform(0.1, 0.95, (len(REGIONS), 3)).astype(np.float32)[colours]
        mesh = (vertices[row], faces, clothes)
        picture = renderer.draw(background, [mesh], float(view.focal[row]) * zoom, center)
        yield cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)


def _regions(body: BodyModel) -> Int[np.ndarray, "v"]:
    """For each vertex its place in REGIONS, by the joint that it follows most."""
    of_joint = [
        next(k for k, parts in enumerate(REGIONS) if any(part in name for part in parts)) for name in SMPL_24.joints
    ]
    return np.array(of_joint)[body.skinning.argmax(1).numpy()]
