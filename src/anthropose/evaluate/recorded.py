"""Motions in the files of several tools, as one type: ours, AMASS's, those of VIBE's family, and joints with names."""

import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anthropose.datasets.joblib_files import read_nested
from anthropose.datasets.prepared import open_set
from anthropose.datasets.prepared.sets import INDEX
from anthropose.datasets.sequence import Gender, Sequence
from anthropose.errors import UserError
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.motion import FORMAT, BodyPose, Motion
from anthropose.skeleton import SKELETONS, SPIN_49, Skeleton

Unit = Literal["m", "mm"]
TALLEST = 10.0
"""No person's joints are farther apart than this [m]: they are in millimetres then."""
_GENDERS: dict[str, Gender] = {"m": "male", "f": "female"}
_KNOWN = (
    "a motion file (`anthropose run` writes them), an .npz with poses and betas (AMASS) or with joints and "
    "joint_names, or a .pkl of VIBE, TCMR or GLoT"
)


@dataclass(frozen=True, eq=False)
class Recorded:
    """One person's motion, whoever recorded it: joints, a body, or both."""

    name: str
    source: Path
    frames: Int[Tensor, "n"]
    """Numbers in the video, increasing."""
    fps: float | None = None
    skeleton: Skeleton | None = None
    joints: Float[Tensor, "n j 3"] | None = None
    """[m], wherever their origin lies."""
    body: BodyPose | None = None
    body_model: str = ""
    """The body that `body` is meant for, where the file says."""
    gender: Gender = "neutral"
    root: Float[Tensor, "n 3"] | None = None
    """Where the root is [m]."""
    shift: Float[Tensor, "n 3"] | None = None
    """SMPL's translation [m]: where the root is, less where it is at rest."""
    axes: Literal["camera", "world", ""] = ""
    """Whose axes all that is along; empty where the file does not say."""
    counts: Bool[Tensor, "n"] | None = None
    """Of a truth, the frames that count; None: all."""
    activities: Int[Tensor, "n"] | None = None
    names: tuple[str, ...] = ()
    """By which it may be found in a set."""

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def span(self) -> str:
        """Its frames in words."""
        return f"{len(self)} frames from {int(self.frames[0])} to {int(self.frames[-1])}"


def read_motions(path: Path, person: str = "", unit: Unit = "m") -> list[Recorded]:
    """The people in a file.

    Args:
        person: only the one of this number, in files that hold several.
        unit: of the joints in files that do not say.

    Raises:
        UserError: the file is missing, damaged, of no known kind, or does not hold the person.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected {_KNOWN}")
    found = _of_pickle(path) if path.suffix in (".pkl", ".pickle", ".pk", ".joblib") else [_of_npz(path, unit)]
    if person:
        chosen = [one for one in found if one.name.endswith(f":{person}")]
        if not chosen and len(found) > 1:
            raise UserError(f"{path}: it holds no person {person}; it holds {people(found)}")
        found = chosen or found
    return [_sound(one) for one in found]


def people(found: list[Recorded]) -> str:
    """Who is in a file, for messages."""
    return ", ".join(f"{one.name.rpartition(':')[2]} ({len(one)} frames)" for one in found)


def read_truth(path: Path, unit: Unit = "m") -> list[Recorded]:
    """What is known to be true: the sequences of a prepared set or published database, or the people in a file.

    Raises:
        UserError: as `read_motions` and `open_set`.
    """
    path = Path(path)
    if path.is_dir() or path.name == INDEX or path.suffix in (".pt", ".h5", ".hdf5"):
        return [_of_sequence(sequence, path) for sequence in open_set(path)]
    return read_motions(path, unit=unit)


def _of_sequence(sequence: Sequence, path: Path) -> Recorded:
    n = len(sequence)
    counts = np.ones(n, bool)
    for mask in (sequence.usable, sequence.scored):
        counts &= True if mask is None else mask
    body = None
    if sequence.pose is not None and sequence.betas is not None and sequence.body_counts:
        rotvecs = torch.from_numpy(np.asarray(sequence.pose, np.float32)).unflatten(1, (24, 3))
        body = BodyPose(rotvec_to_rotmat(rotvecs), torch.from_numpy(np.asarray(sequence.betas, np.float32)))
    numbers = np.arange(n) if sequence.frames is None else np.asarray(sequence.frames)
    if (np.diff(numbers) <= 0).any():
        raise UserError(
            f"{path}: the frame numbers of {sequence.name} do not increase, so nothing can be matched by them"
        )
    activities = None if sequence.activities is None else torch.from_numpy(np.asarray(sequence.activities, np.int64))
    return Recorded(
        sequence.name,
        path,
        torch.from_numpy(numbers.astype(np.int64)),
        skeleton=sequence.joint_set,
        joints=None if sequence.joints is None else torch.from_numpy(np.asarray(sequence.joints, np.float32)),
        body=body,
        gender=sequence.gender,
        axes="camera",
        counts=torch.from_numpy(counts),
        activities=activities,
        names=(sequence.name,),
    )


def _of_npz(path: Path, unit: Unit) -> Recorded:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {}
            for key in file.files:
                try:
                    arrays[key] = file[key]
                except ValueError:  # Objects in a file of others; what is needed is none.
                    continue
    except (ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError) as error:
        raise UserError(f"{path}: cut short or of another kind; expected {_KNOWN}") from error
    if str(arrays.get("format", "")) == FORMAT:
        return _of_motion(path, Motion.load(path))
    try:
        if "poses" in arrays or "pose" in arrays or {"global_orient", "body_pose"} <= set(arrays):
            axes: Literal["world", ""] = "world" if "poses" in arrays else ""
            return replace(_of_body(path, arrays, path.stem), axes=axes)
        if "joints" in arrays and ("joint_names" in arrays or "names" in arrays or "skeleton" in arrays):
            return _of_joints(path, arrays, unit)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise UserError(f"{path}: its arrays do not fit together ({error})") from error
    raise UserError(f"{path}: it holds {', '.join(arrays) or 'nothing'}; expected {_KNOWN}")


def _of_motion(path: Path, motion: Motion) -> Recorded:
    person = motion.track.person
    return Recorded(
        path.stem,
        path,
        motion.track.frames.long(),
        motion.fps,
        motion.skeleton,
        motion.joints,
        motion.body,
        motion.body_model,
        root=motion.translation,
        axes="camera",
        names=(path.stem, path.parent.name, f"{path.parent.name}_{person}"),
    )


def _of_body(path: Path, arrays: Mapping[str, Any], name: str) -> Recorded:
    """SMPL's parameters under the names that AMASS and the programs of VIBE's family have for them."""
    if "poses" in arrays or "pose" in arrays:
        poses = np.asarray(arrays["poses"] if "poses" in arrays else arrays["pose"], np.float32)
    else:
        parts = [np.asarray(arrays[key], np.float32) for key in ("global_orient", "body_pose")]
        poses = np.concatenate([part.reshape(len(part), int(np.prod(part.shape[1:]))) for part in parts], axis=1)
    poses = poses.reshape(len(poses), int(np.prod(poses.shape[1:])))
    n, width = poses.shape
    if width < 66:
        raise ValueError(f"poses of {width} numbers; SMPL has 72, SMPL-H 156, SMPL-X 165")
    rotvecs = np.zeros((n, 72), np.float32)
    # Of bodies with fingers, what follows the wrists is not SMPL's hands.
    rotvecs[:, : 72 if width == 72 else 66] = poses[:, : 72 if width == 72 else 66]
    shape = np.asarray(arrays["betas"] if "betas" in arrays else np.zeros(10), np.float32)
    betas = np.zeros((n, 10), np.float32)
    betas[:, : min(10, shape.shape[-1])] = shape[..., :10]
    shift = next((np.asarray(arrays[key], np.float32) for key in ("trans", "transl") if key in arrays), None)
    if shift is not None and shift.shape != (n, 3):
        raise ValueError(f"a translation of shape {shift.shape} for {n} poses")
    rates = [float(arrays[key]) for key in ("mocap_framerate", "mocap_frame_rate", "fps") if key in arrays]
    gender = str(np.asarray(arrays.get("gender", "")).item()).strip("b'\"").lower()[:1]
    return Recorded(
        name,
        path,
        _frames(arrays, n),
        rates[0] if rates else None,
        body=BodyPose(rotvec_to_rotmat(torch.from_numpy(rotvecs).unflatten(1, (24, 3))), torch.from_numpy(betas)),
        gender=_GENDERS.get(gender, "neutral"),
        shift=None if shift is None else torch.from_numpy(shift),
        names=(path.stem, path.parent.name),
    )


def _frames(arrays: Mapping[str, Any], n: int) -> Int[Tensor, "n"]:
    for key in ("frames", "frame_ids", "frame_id"):
        if key in arrays:
            frames = np.asarray(arrays[key]).reshape(-1)
            if len(frames) != n or frames.dtype.kind not in "iuf":
                raise ValueError(f"{key} has {len(frames)} entries for {n} poses")
            return torch.from_numpy(frames.astype(np.int64))
    return torch.arange(n)


def _of_joints(path: Path, arrays: Mapping[str, np.ndarray], unit: Unit) -> Recorded:
    joints = np.asarray(arrays["joints"], np.float32)
    if joints.ndim != 3 or joints.shape[2] != 3:
        raise ValueError(f"joints of shape {joints.shape}; expected frames x joints x 3")
    skeleton = SKELETONS.get(str(arrays["skeleton"])) if "skeleton" in arrays else None
    given = arrays["joint_names"] if "joint_names" in arrays else arrays.get("names")
    if given is not None:
        names = tuple(plain_name(str(name)) for name in np.asarray(given).reshape(-1))
        if skeleton is None or skeleton.joints != names:
            skeleton = Skeleton(path.stem, names, (-1,) * len(names))
    if skeleton is None or len(skeleton) != joints.shape[1]:
        count = "no names" if skeleton is None else f"{len(skeleton)} names"
        raise ValueError(f"{joints.shape[1]} joints with {count}")
    stated = str(arrays["unit"]) if "unit" in arrays else unit
    fps = float(arrays["fps"]) if "fps" in arrays else None
    return Recorded(
        path.stem,
        path,
        _frames(arrays, len(joints)),
        fps,
        skeleton,
        torch.from_numpy(joints / (1000 if stated == "mm" else 1)),
        names=(path.stem, path.parent.name),
    )


def plain_name(name: str) -> str:
    """A joint's name as ours are: `LeftKnee`, `L_Knee` and `left-knee` are all `left_knee`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    plain = re.sub(r"[\s\-.]+", "_", spaced).lower()
    return re.sub(r"^(l|r)_", lambda side: {"l": "left_", "r": "right_"}[side[1]], plain)


def _of_pickle(path: Path) -> list[Recorded]:
    content = read_nested(path, "file of motions")
    if not isinstance(content, dict) or not content:
        raise UserError(
            f"{path}: it holds a {type(content).__name__}; expected a dictionary of people, as VIBE writes it"
        )
    inside = content if any(isinstance(value, dict) for value in content.values()) else {"": content}
    found = []
    for key, person in inside.items():
        name = f"{path.stem}:{key}" if key != "" else path.stem
        if not isinstance(person, dict):
            continue
        try:
            found.append(
                replace(_of_person(path, person, name), names=(path.stem, path.parent.name, f"{path.stem}_{key}"))
            )
        except (ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
            raise UserError(f"{path}: person {key or 0}: its arrays do not fit together ({error})") from error
    if not found:
        raise UserError(f"{path}: it holds nobody; expected a dictionary of people, as VIBE writes it")
    return found


def _of_person(path: Path, person: Mapping[str, Any], name: str) -> Recorded:
    """One entry of a file of VIBE's family; where there is no body, the 49 joints are taken."""
    if any(key in person for key in ("pose", "poses", "global_orient")):
        return replace(_of_body(path, person, name), axes="camera")
    joints = np.asarray(person["joints3d"], np.float32)
    if joints.shape[1:] != (len(SPIN_49), 3):
        raise ValueError(f"joints3d of shape {joints.shape}; expected n x 49 x 3")
    frames = _frames(person, len(joints))
    return Recorded(name, path, frames, skeleton=SPIN_49, joints=torch.from_numpy(joints), axes="camera")


def _sound(motion: Recorded) -> Recorded:
    """Itself, if its frames increase and its joints are metres."""
    if not len(motion):
        raise UserError(f"{motion.source}: it has no frames")
    if (motion.frames.diff() <= 0).any():
        raise UserError(f"{motion.source}: its frame numbers do not increase")
    joints = motion.joints
    if joints is not None:
        extents = (joints.nan_to_num().amax(1) - joints.nan_to_num().amin(1)).amax(1)
        across = float(extents.median())
        if across > TALLEST:
            raise UserError(
                f"{motion.source}: its poses are {across:.0f} across, which are no metres; say --unit mm if millimetres"
            )
    return motion
