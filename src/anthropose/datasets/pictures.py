"""Labelled pictures as trainings of single-image networks draw them: crops with SPIN's augmentation.

(dynaboa spec, section 16; vibe_base spec, section 15.)
"""

import os
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as List
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from anthropose.datasets.sequence import Sequence
from anthropose.errors import UserError
from anthropose.geometry.crops import crop_affine, normalised_images, points_through
from anthropose.geometry.mirror import mirrored
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.skeleton import SMPL_24, SPIN_24, SPIN_49, pick
from anthropose.video.images import read_image

THREADS = min(16, os.cpu_count() or 1)
"""That read and crop pictures; most of it does not hold Python's lock."""


@dataclass(frozen=True)
class Augmentation:
    """How crops are varied; the defaults are SPIN's."""

    flipped: float = 0.5
    """The share that is mirrored."""
    turned: float = 0.4
    """The share that is turned."""
    rotation: float = 30.0
    """Standard deviation [degrees]; never more than twice as much."""
    scale: float = 0.25
    """Standard deviation of the crop's size relative to the box, and the most that it differs."""
    tint: float = 0.4
    """How much a colour is made lighter or darker at most, relative to what it is."""


NO_AUGMENTATION = Augmentation(0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class PictureBatch:
    """Crops of people with their labels; those that are absent are zero, and false in their mask."""

    images: Float[Tensor, "b 3 s s"]
    """Normalised RGB."""
    keypoints: Float[Tensor, "b 49 3"]
    """SPIN-49 in coordinates of the crop, -1 to 1, and a confidence."""
    joints: Float[Tensor, "b 24 4"]
    """SPIN-24 [m], camera axes, from wherever they are measured; and 1 where there is a label."""
    rotations: Float[Tensor, "b 24 3 3"]
    """Of each joint relative to its parent, the root's relative to the camera."""
    betas: Float[Tensor, "b 10"]
    has_body: Bool[Tensor, "b"]
    names: tuple[str, ...] = ()
    """Of the sequence of each picture."""


class PictureSet:
    """All pictures of some sequences, by number."""

    def __init__(
        self,
        sequences: List[Sequence],
        root: Path,
        size: int,
        augmentation: Augmentation = Augmentation(),
        crop_scale: float = 1.0,
    ) -> None:
        """
        Args:
            root: the folder below which the pictures are.
            size: pixels along a side of the crops.
            crop_scale: how much larger than the boxes the crops are.

        Raises:
            UserError: a sequence does not tell its pictures or boxes.
        """
        for sequence in sequences:
            if sequence.images is None or sequence.boxes is None:
                raise UserError(f"{sequence.name}: its set does not tell the pictures and boxes that are learned from")
        self.sequences, self.root, self.size = list(sequences), root, size
        self.augmentation, self.crop_scale = augmentation, crop_scale
        self._ends = np.cumsum([len(sequence) for sequence in sequences], dtype=int)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def batches(self, groups: Iterable[Int[np.ndarray, "_"]], seed: List[int]) -> Iterator[PictureBatch]:
        """A batch of the pictures of each group of numbers.

        Args:
            seed: of the augmentation, which else depends on each picture's number alone.
        """
        with ThreadPoolExecutor(THREADS) as pool:
            for numbers in groups:
                items = pool.map(lambda number: self.item(number, (*seed, number)), numbers.tolist())
                yield batch_of(list(items))

    def item(self, number: int, seed: List[int]) -> "PictureItem":
        """One picture, varied as the seed says.

        Raises:
            UserError: it cannot be read.
        """
        which = int(np.searchsorted(self._ends, number, side="right"))
        sequence = self.sequences[which]
        row = number - int(self._ends[which]) + len(sequence)
        assert sequence.images is not None
        picture = read_image(self.root / str(sequence.images[row]))
        return varied(sequence, row, picture, self.size, self.crop_scale, self.augmentation, seed)


@dataclass(frozen=True)
class PictureItem:
    """One row of a PictureBatch."""

    crop: UInt8[np.ndarray, "s s 3"]
    tint: Float[np.ndarray, "3"]
    flipped: bool
    """Whether the batch shall have its mirror image."""
    keypoints: Float[Tensor, "49 3"]
    joints: Float[Tensor, "24 4"]
    rotations: Float[Tensor, "24 3 3"]
    betas: Float[Tensor, "10"]
    has_body: bool
    name: str


def varied(
    sequence: Sequence,
    row: int,
    picture: UInt8[np.ndarray, "h w 3"],
    size: int,
    crop_scale: float,
    augmentation: Augmentation,
    seed: List[int],
) -> PictureItem:
    """A frame's crop and labels, enlarged and turned alike; `batch_of` mirrors them."""
    draw = np.random.default_rng(seed)
    a = augmentation
    is_flipped, is_turned = draw.random(2) < (a.flipped, a.turned)
    angle = float(np.clip(a.rotation * draw.standard_normal(), -2 * a.rotation, 2 * a.rotation)) if is_turned else 0.0
    scale = crop_scale * float(1 + np.clip(a.scale * draw.standard_normal(), -a.scale, a.scale))
    assert sequence.boxes is not None
    affine = crop_affine(sequence.boxes[row], scale, angle, size)
    crop = cv2.warpAffine(picture, affine, (size, size), flags=cv2.INTER_LINEAR)
    keypoints, joints, rotations, betas, has_body = _labels(sequence, row)
    keypoints[:, :2] = 2 * points_through(torch.from_numpy(affine).float(), keypoints[:, :2]) / size - 1
    turn = _about_z(-angle)  # What is seen turns the other way than the square that it is seen in.
    joints[:, :3] = joints[:, :3] @ turn.T
    rotations[0] = turn @ rotations[0]
    tint = 1 + draw.uniform(-a.tint, a.tint, 3)
    return PictureItem(crop, tint, bool(is_flipped), keypoints, joints, rotations, betas, has_body, sequence.name)


def _labels(sequence: Sequence, row: int) -> tuple[Tensor, Tensor, Tensor, Tensor, bool]:
    """Keypoints [px], joints with a mask, rotations, shape, and whether these two are labels."""
    keypoints, joints = torch.zeros(len(SPIN_49), 3), torch.zeros(len(SPIN_24), 4)
    if sequence.keypoints is not None and sequence.keypoint_set is not None:
        seen = torch.from_numpy(sequence.keypoints[row].astype(np.float32))
        keypoints = pick(seen, sequence.keypoint_set, SPIN_49, exact=True)[0].clone()
    if sequence.joints is not None and sequence.joint_set is not None:
        places = torch.from_numpy(sequence.joints[row].astype(np.float32))
        found, valid = pick(places, sequence.joint_set, SPIN_24, exact=True)
        joints = torch.cat([found, valid[:, None].to(found)], dim=1)
    has_body = sequence.pose is not None and sequence.body_counts
    has_body = has_body and (sequence.posed is None or bool(sequence.posed[row]))
    rotations, betas = torch.eye(3).repeat(24, 1, 1), torch.zeros(10)
    if has_body and sequence.pose is not None and sequence.betas is not None:
        rotations = rotvec_to_rotmat(torch.from_numpy(sequence.pose[row].astype(np.float32)).unflatten(0, (24, 3)))
        betas = torch.from_numpy(sequence.betas[row].astype(np.float32))
    return keypoints, joints, rotations.clone(), betas, has_body


def _about_z(degrees: float) -> Float[Tensor, "3 3"]:
    """A turn from x to y."""
    turn = torch.eye(3)
    cos, sin = float(np.cos(np.deg2rad(degrees))), float(np.sin(np.deg2rad(degrees)))
    turn[:2, :2] = torch.tensor([[cos, -sin], [sin, cos]])
    return turn


def batch_of(items: List[PictureItem]) -> PictureBatch:
    """The items stacked; here colours are made lighter or darker, and some are mirrored."""
    crops = np.stack([np.clip(item.crop * item.tint, 0, 255).astype(np.uint8) for item in items])
    batch = PictureBatch(
        normalised_images(torch.from_numpy(crops)),
        torch.stack([item.keypoints for item in items]),
        torch.stack([item.joints for item in items]),
        torch.stack([item.rotations for item in items]),
        torch.stack([item.betas for item in items]),
        torch.tensor([item.has_body for item in items]),
        tuple(item.name for item in items),
    )
    return mirrored_where(batch, torch.tensor([item.flipped for item in items]))


def mirrored_where(batch: PictureBatch, flipped: Bool[Tensor, "b"]) -> PictureBatch:
    """The batch with the mirror images of some of its pictures in their place."""
    other = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    images, keypoints, joints = batch.images.clone(), batch.keypoints.clone(), batch.joints.clone()
    rotations = batch.rotations.clone()
    images[flipped] = images[flipped].flip(-1)
    keypoints[flipped] = mirrored(keypoints[flipped], SPIN_49.mirror)
    joints[flipped] = mirrored(joints[flipped], SPIN_24.mirror)
    rotations[flipped] = (other @ rotations[flipped] @ other)[:, list(SMPL_24.mirror)]
    return replace(batch, images=images, keypoints=keypoints, joints=joints, rotations=rotations)
