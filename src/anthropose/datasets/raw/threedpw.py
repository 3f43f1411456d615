"""3DPW: people outdoors, filmed by a moving phone; sensors on the body gave SMPL poses in the world.

von Marcard et al., Recovering Accurate 3D Human Pose in The Wild Using IMUs and a Moving Camera, ECCV 2018. Read as
VIBE's and TCMR's scripts read it (vibe_base spec, section 9.1), or as DynaBOA's does (dynaboa spec, section 10.1).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.datasets.raw.base import (
    Findings,
    ImageFiles,
    RawOptions,
    RawSequence,
    RawSource,
    check_folder,
    short_release,
)
from anthropose.datasets.raw.files import needed, read_plain_pickle
from anthropose.datasets.sequence import Gender, Sequence
from anthropose.errors import UserError
from anthropose.geometry.crops import boxes_around
from anthropose.geometry.rotations import (
    rotmat_to_rotvec_as_published,
    rotvec_to_rotmat,
    rotvec_to_rotmat_as_published,
)
from anthropose.skeleton import H36M_17, LSP_14, SPIN_49, SPIN_49_FROM_BODY_54, THREEDPW_14, Skeleton, pick

LAYOUT = """    ROOT/sequenceFiles/train/courtyard_arguing_00.pkl ...
    ROOT/sequenceFiles/validation/*.pkl
    ROOT/sequenceFiles/test/*.pkl
    ROOT/imageFiles/courtyard_arguing_00/image_00000.jpg ...
as sequenceFiles.zip and imageFiles.zip of https://virtualhumans.mpi-inf.mpg.de/3DPW unpack"""
FOLDERS = {"train": "train", "val": "validation", "test": "test"}
FILES = {"train": 24, "val": 12, "test": 24}
"""How many sequences the release has."""
STREAM = (
    "downtown_runForBus_00 downtown_rampAndStairs_00 flat_packBags_00 downtown_runForBus_01 office_phoneCall_00"
    " downtown_windowShopping_00 downtown_walkUphill_00 downtown_sitOnStairs_00 downtown_enterShop_00"
    " downtown_walking_00 downtown_stairs_00 downtown_crossStreets_00 downtown_car_00 downtown_downstairs_00"
    " downtown_bar_00 downtown_walkBridge_01 downtown_weeklyMarket_00 downtown_warmWelcome_00 downtown_arguing_00"
    " downtown_upstairs_00 downtown_bus_00 flat_guitar_01 downtown_cafe_00 outdoors_fencing_01"
)
"""The test sequences in the order in which DynaBOA goes through them, one after the other as one stream."""
SEEN = 0.3
"""Keypoints surer than this count as seen."""
BOX_SIGMA = 8.0
"""[frames] Of the Gaussian that smooths the boxes."""
GENDERS: dict[str, Gender] = {"m": "male", "f": "female"}
_CHUNK = 256
"""Frames whose vertices are held at once."""


class ThreeDPW:
    """As VIBE and TCMR prepare it: one sequence for each person, frames without enough keypoints left out."""

    name = "3dpw"
    subsets = ("train", "val", "test")
    layout = LAYOUT
    least_seen = 6
    """Frames with no more than so many of LSP-14 seen are left out."""
    crop_scale = 1.2
    """VIBE's; TCMR's last script has 1.3, though its authors say that their files were made with one scale, 1.2."""

    def __init__(self, options: RawOptions) -> None:
        self._options = options

    def find(self, root: Path, subset: str) -> list[RawSource]:
        """One source for each file of labels."""
        self._options.body("neutral")  # Asked for now, so that its absence is told at once and once.
        files = _files(root, subset)
        sources = [RawSource(path.stem, partial(self._load, root, path, subset)) for path in files]
        return [*sources, *short_release(len(files), FILES[subset], "sequence files")]

    def _load(self, root: Path, path: Path, subset: str, findings: Findings) -> Iterator[RawSequence]:
        for person in _people(path):
            body = self._options.body(person.gender if self._options.gendered else "neutral")
            sequence = _with_boxes(person, self.least_seen, findings)
            if sequence is not None:
                joint_set = SPIN_49 if subset == "train" else LSP_14
                joints = _joints(person, sequence, body, joint_set)
                sequence = replace(sequence, joints=joints, joint_set=joint_set)
                yield _with_pictures(root, sequence, self.crop_scale)


class ThreeDPWWhole(ThreeDPW):
    """With all frames between the first and the last in which a person is seen, however little (`3dpw_test_all_db`)."""

    name = "3dpw-whole"
    least_seen = -1


class ThreeDPWAsDynaBOA:
    """As DynaBOA prepares it: the projected joints of the true body as keypoints, and tight boxes around them."""

    name = "3dpw-dynaboa"
    subsets = ("test",)
    layout = LAYOUT

    def __init__(self, options: RawOptions) -> None:
        self._options = options

    def find(self, root: Path, subset: str) -> list[RawSource]:
        """One source for each file of labels, in the order of the published stream."""
        bodies = {gender: self._options.body(gender) for gender in GENDERS.values()}
        order = {name: place for place, name in enumerate(STREAM.split())}
        files = sorted(_files(root, subset), key=lambda path: (order.get(path.stem, len(order)), path.stem))
        sources = [RawSource(path.stem, partial(_load_projected, root, path, bodies)) for path in files]
        return [*sources, *short_release(len(files), FILES[subset], "sequence files")]


def _files(root: Path, subset: str) -> list[Path]:
    folder = f"sequenceFiles/{FOLDERS[subset]}"
    check_folder(root, [f"{folder}/*.pkl"], LAYOUT)
    return sorted((root / folder).glob("*.pkl"))


@dataclass(frozen=True)
class _Person:
    """One person of a file of labels, in all its frames."""

    name: str
    sequence: str
    gender: Gender
    pose: Float[np.ndarray, "n 72"]
    """The root's rotation leads to the world."""
    betas: Float[np.ndarray, "10"]
    translation: Float[np.ndarray, "n 3"]
    keypoints: Float[np.ndarray, "n 18 3"]
    cameras: Float[np.ndarray, "n 4 4"]
    """From the world to the camera."""
    intrinsics: Float[np.ndarray, "3 3"]
    valid: np.ndarray
    """Whether the camera's pose is right."""

    def camera_pose(self) -> Float[np.ndarray, "n 72"]:
        """The pose with the root's rotation leading to the camera."""
        root = rotvec_to_rotmat_as_published(_float(self.pose[:, :3]))
        rotations = _float(self.cameras[:, :3, :3]) @ root
        turned = rotmat_to_rotvec_as_published(rotations)
        turned[rotations.isnan().any((1, 2))] = torch.nan  # The published route makes zeros of them.
        return np.concatenate([turned.numpy(), self.pose[:, 3:].astype(np.float32)], axis=1)

    def tiled_betas(self) -> Float[np.ndarray, "n 10"]:
        return np.tile(self.betas.astype(np.float32), (len(self.pose), 1))


def _float(array: np.ndarray) -> Float[Tensor, "..."]:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def _people(path: Path) -> Iterator[_Person]:
    content = read_plain_pickle(path)
    keys = ("poses", "betas", "trans", "poses2d", "campose_valid", "genders", "cam_poses", "cam_intrinsics")
    poses, betas, trans, poses2d, valid, genders, cameras, intrinsics = needed(content, path, *keys)
    for person in range(len(poses)):
        count = len(poses[person])
        arrays = {
            "pose": _shaped(path, "poses", poses[person], (count, 72)),
            "betas": _shaped(path, "betas", np.asarray(betas[person])[:10], (10,)),
            "translation": _shaped(path, "trans", trans[person], (count, 3)),
            "keypoints": _shaped(path, "poses2d", poses2d[person], (count, 3, 18)).transpose(0, 2, 1),
            "cameras": _shaped(path, "cam_poses", cameras, (count, 4, 4)),
            "intrinsics": _shaped(path, "cam_intrinsics", intrinsics, (3, 3)),
            "valid": _shaped(path, "campose_valid", valid[person], (count,)) != 0,
        }
        gender = GENDERS.get(str(genders[person])[:1].lower(), "neutral")
        yield _Person(f"{path.stem}_{person}", path.stem, gender, **arrays)


def _shaped(path: Path, key: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: its {key} are no numbers ({error})") from error
    if array.shape != shape:
        raise UserError(f"{path}: its {key} have the shape {array.shape}, expected {shape}")
    return array


def _with_boxes(person: _Person, least_seen: int, findings: Findings) -> Sequence | None:
    """The frames in which enough is seen, with keypoints and boxes but without joints; None where there are none."""
    try:
        boxes = boxes_around(person.keypoints, SEEN)
    except ValueError:
        findings.left_out(person.name, "no frame has keypoints")
        return None
    squares = boxes.smoothed(sigma=BOX_SIGMA).squares()
    found = person.keypoints[boxes.start : boxes.end, : len(THREEDPW_14)].copy()
    found[..., 2] = found[..., 2] > SEEN
    keypoints = pick(torch.from_numpy(found), THREEDPW_14, LSP_14, exact=True)[0].numpy()
    kept = keypoints[..., 2].sum(1) > least_seen
    frames = np.arange(boxes.start, boxes.end)[kept]
    findings.note(person.name, "frames without enough keypoints, left out as published", len(person.pose) - len(frames))
    findings.note(person.name, "frames with a wrong camera, not evaluated", int((~person.valid[frames]).sum()))
    return Sequence(
        person.name,
        keypoints=keypoints[kept],
        keypoint_set=LSP_14,
        boxes=squares[kept][:, [0, 1, 2, 2]],
        pose=person.camera_pose()[frames],
        betas=person.tiled_betas()[frames],
        usable=person.valid[frames],
        gender=person.gender,
        frames=frames,
        images=_images(person, frames),
    )


def _images(person: _Person, frames: np.ndarray) -> np.ndarray:
    return np.array([f"imageFiles/{person.sequence}/image_{frame:05d}.jpg" for frame in frames], np.str_)


def _with_pictures(root: Path, sequence: Sequence, crop_scale: float) -> RawSequence:
    assert sequence.images is not None
    return RawSequence(sequence, ImageFiles(tuple(root / path for path in sequence.images.tolist())), crop_scale)


def _joints(person: _Person, sequence: Sequence, body: BodyModel, joint_set: Skeleton) -> Float[np.ndarray, "n k 3"]:
    """The joints [m] of a sequence's bodies, with the translation that they have in the world added.

    As published: the bodies are turned into the camera and the translation is not, so that only differences between the
    joints of a frame mean something. LSP-14 are read by the Human3.6M regressor.
    """
    assert sequence.pose is not None
    shaped, parts = body.shaped(_float(person.betas)), []
    for some in np.array_split(np.arange(len(sequence)), -(-len(sequence) // _CHUNK)):
        assert sequence.frames is not None
        rotations = rotvec_to_rotmat(_float(sequence.pose[some]).unflatten(1, (24, 3)))
        posed = shaped.posed(rotations, _float(person.translation[sequence.frames[some]]))
        if joint_set is LSP_14:
            parts.append(pick(posed.h36m_17(), H36M_17, LSP_14)[0])
        else:
            parts.append(posed.body_54()[:, list(SPIN_49_FROM_BODY_54)])
    return torch.cat(parts).numpy()


def _load_projected(
    root: Path, path: Path, bodies: dict[Gender, BodyModel], findings: Findings
) -> Iterator[RawSequence]:
    for person in _people(path):
        if person.gender not in bodies:
            raise UserError(f"{path}: it does not say whether {person.name} is male or female")
        frames = np.flatnonzero(person.valid)
        findings.note(person.name, "frames with a wrong camera, left out as published", len(person.pose) - len(frames))
        if not len(frames):
            continue
        posed = Sequence(person.name, pose=person.pose[frames], frames=frames)
        joints = _joints(person, posed, bodies[person.gender], SPIN_49)
        pixels = _projected(joints, person.cameras[frames], person.intrinsics)
        low, high = pixels.min(1), pixels.max(1)
        side = (high - low).max(1, keepdims=True)
        sequence = replace(
            posed,
            keypoints=np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=2),
            keypoint_set=SPIN_49,
            boxes=np.concatenate([(low + high) / 2, side, side], axis=1),
            joints=joints,
            joint_set=SPIN_49,
            pose=person.camera_pose()[frames],
            betas=person.tiled_betas()[frames],
            gender=person.gender,
            images=_images(person, frames),
        )
        yield _with_pictures(root, sequence, 1.0)


def _projected(
    world: Float[np.ndarray, "n k 3"], cameras: Float[np.ndarray, "n 4 4"], intrinsics: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "n k 2"]:
    """Pixels of points in the world."""
    seen = (world @ cameras[:, :3, :3].transpose(0, 2, 1) + cameras[:, None, :3, 3]) @ intrinsics.T
    return seen[..., :2] / seen[..., 2:]
