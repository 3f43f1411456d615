"""AMASS: motion capture of many laboratories as SMPL-H bodies, for discriminators of motion.

Mahmood et al., AMASS: Archive of Motion Capture as Surface Shapes, ICCV 2019; read as VIBE's script reads it (vibe_base
spec, section 9.1). There are no pictures and no camera: the root's rotation leads to the laboratory's axes.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from anthropose.datasets.raw.base import Findings, RawOptions, RawSequence, RawSource, check_folder
from anthropose.datasets.raw.files import needed, read_npz
from anthropose.datasets.sequence import Gender, Sequence
from anthropose.errors import UserError
from anthropose.video.images import natural_order

SETS = (
    "ACCAD BioMotionLab_NTroje CMU EKUT Eyes_Japan_Dataset HumanEva KIT MPI_HDM05 MPI_Limits MPI_mosh SFU SSM_synced"
    " TCD_handMocap TotalCapture Transitions_mocap"
)
"""The published choice; folders of other names in the root are read as well."""
LAYOUT = """    ROOT/CMU/01/01_01_poses.npz ...
    ROOT/ACCAD/Female1General_c3d/A1_-_Stand_poses.npz ...
one folder for each set of https://amass.is.tue.mpg.de, its SMPL+H archive unpacked"""
RATE = 25
"""[1/s] What VIBE's copy is thinned to, by taking every so many frames; TCMR's is not."""
LEAST_FRAMES = 60
"""Shorter sequences are left out, as published."""
SMPL_FROM_SMPLH = (*range(22), 22, 37)
"""For each joint of SMPL its rotation in SMPL-H's 52; as published, that of a hand is of its first finger joint."""
GENDERS: dict[str, Gender] = {"male": "male", "female": "female"}


class AMASS:
    """Poses and shapes at about 25 frames per second."""

    name = "amass"
    subsets = ("train",)
    layout = LAYOUT

    def __init__(self, options: RawOptions) -> None:
        self._options = options

    def find(self, root: Path, subset: str) -> list[RawSource]:
        """One source for each file of motion; files of shapes alone are passed over."""
        check_folder(root, ["*/*/*.npz"], LAYOUT)
        files = sorted(root.glob("*/*/*.npz"), key=lambda path: (path.parts[:-1], natural_order(path)))
        motions = [path for path in files if path.stem not in ("shape", "neutral_stagei")]
        sources = [RawSource("_".join(_parts(root, path)), partial(_load, root, path)) for path in motions]
        lacking = [name for name in SETS.split() if not (root / name).is_dir()]
        return [*sources, RawSource("the release", partial(_told, lacking))] if lacking else sources


def _told(lacking: list[str], findings: Findings) -> Iterator[RawSequence]:
    findings.missing("the release", f"sets {', '.join(lacking)}")
    return iter(())


def _parts(root: Path, path: Path) -> tuple[str, ...]:
    """Set, subject and action."""
    return path.relative_to(root).with_suffix("").parts


def _load(root: Path, path: Path, findings: Findings) -> Iterator[RawSequence]:
    name = "_".join(_parts(root, path))
    arrays = read_npz(path)
    poses, betas = needed(arrays, path, "poses", "betas")
    rate = arrays.get("mocap_framerate", arrays.get("mocap_frame_rate"))
    if poses.ndim != 2 or poses.shape[1] != 156 or betas.shape[-1] < 10:
        raise UserError(f"{path}: expected poses of SMPL-H, n 156, and 10 betas or more; found {poses.shape}")
    if rate is None or not np.isfinite(rate) or rate <= 0:
        raise UserError(f"{path}: it does not tell its frame rate")
    if len(poses) < LEAST_FRAMES:
        findings.left_out(name, f"it has less than {LEAST_FRAMES} frames")
        return
    frames = np.arange(0, len(poses), max(1, int(float(rate) // RATE)))
    pose = poses[frames].reshape(len(frames), 52, 3)[:, list(SMPL_FROM_SMPLH)].reshape(len(frames), 72)
    yield RawSequence(
        Sequence(
            name,
            pose=pose.astype(np.float32),
            betas=np.tile(betas.reshape(-1)[:10].astype(np.float32), (len(frames), 1)),
            gender=GENDERS.get(_text(arrays.get("gender")), "neutral"),
            frames=frames,
        )
    )


def _text(value: np.ndarray | None) -> str:
    """A text that was stored as an array, as bytes or as characters."""
    if value is None:
        return ""
    one = value.reshape(-1)[0] if value.size else ""
    return one.decode("latin1") if isinstance(one, bytes) else str(one)
