"""Making VideoPose3D's archives, which lifters of keypoints are trained on, of raw releases (rie spec, section 6.1)."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from anthropose.datasets.lifting import KeypointFile
from anthropose.datasets.raw.base import Findings
from anthropose.errors import UserError
from anthropose.progress import StageProgress, silent
from anthropose.writing import whole_file

Joints = dict[str, dict[str, np.ndarray]]
"""Subject -> action -> joints in the world [m]."""


@dataclass(frozen=True)
class Take:
    """One action of one subject, or an unbroken piece of it."""

    subject: str
    action: str
    """With the number of the take, as "Walking 1"."""
    joints: Float[np.ndarray, "n j 3"]
    """In the world [m]."""
    keypoints: tuple[Float[np.ndarray, "n j 2"], ...] = ()
    """Where each camera sees them [px], where the release says so."""


@dataclass(frozen=True)
class TakeSource:
    """A file of a release."""

    name: str
    load: Callable[[Findings], Iterator[Take]]
    """Raises UserError for what cannot be read."""


@runtime_checkable
class LiftingRelease(Protocol):
    """A reader of one release."""

    name: str
    """As VideoPose3D's files have it."""
    layout: str

    def find(self, root: Path, findings: Findings) -> list[TakeSource]:
        """The sources, found without reading them.

        Raises:
            UserError: the folder is not the release's.
        """
        ...

    def keypoints(self, joints: Joints, seen: dict[str, dict[str, list[np.ndarray]]]) -> KeypointFile:
        """The keypoints that are called ground truth, of what was read of joints and of keypoints."""
        ...


LIFTING_RELEASES: dict[str, str] = {
    "h36m-lifting": "anthropose.datasets.raw.human36m_joints:Human36MJoints",
    "humaneva15": "anthropose.datasets.raw.humaneva:HumanEva",
}
"""Those that `anthropose prepare` makes archives of, by the name that it is asked for."""


def lifting_release(name: str) -> LiftingRelease:
    """The reader of that name, one of LIFTING_RELEASES."""
    module, _, kind = LIFTING_RELEASES[name].partition(":")
    return getattr(import_module(module), kind)()


@dataclass
class Archives:
    """What `prepare_archives` has made."""

    paths: list[Path] = field(default_factory=list)
    takes: int = 0
    frames: int = 0
    findings: Findings = field(default_factory=Findings)
    left_out: list[str] = field(default_factory=list)

    def report(self) -> str:
        """What there is, what was odd, and what was left out, for the terminal."""
        lines = [f"{', '.join(str(path) for path in self.paths)}: {self.takes} takes, {self.frames} frames"]
        table = self.findings.table()
        if table:
            lines += ["missing or odd, with how often:", table]
        if self.left_out:
            lines += [f"{len(self.left_out)} left out:", *(f"  {line}" for line in self.left_out)]
        return "\n".join(lines)


def prepare_archives(release: LiftingRelease, root: Path, out: Path, progress: StageProgress = silent) -> Archives:
    """Makes data_3d_NAME.npz and data_2d_NAME_gt.npz in the folder `out`, and beside them NAME.json with what was odd.

    Takes that cannot be read are left out and listed, and the others are done. All takes are held at once, half a
    gigabyte for Human3.6M: that is what these archives are.

    Raises:
        UserError: the folder is not the release's, nothing of it could be read, or `out` cannot be written.
    """
    made, joints = Archives(), Joints()
    seen: dict[str, dict[str, list[np.ndarray]]] = {}
    sources = release.find(Path(root), made.findings)
    for number, source in enumerate(sources):
        progress("prepare", number / len(sources))
        try:
            takes = [take for take in source.load(made.findings) if _is_sound(take)]
        except UserError as error:
            made.left_out.append(f"{source.name}: {error}")
            continue
        except Exception as error:  # What is damaged in a way that the reader did not think of must not end the rest.
            made.left_out.append(f"{source.name}: could not be read ({type(error).__name__}: {error})")
            continue
        for take in takes:
            joints.setdefault(take.subject, {})[take.action] = take.joints.astype(np.float32)
            if take.keypoints:
                seen.setdefault(take.subject, {})[take.action] = [one.astype(np.float32) for one in take.keypoints]
            made.takes, made.frames = made.takes + 1, made.frames + len(take.joints)
    if not made.takes:
        reason = made.left_out[0] if made.left_out else f"it holds nothing; expected\n{release.layout}"
        raise UserError(f"{root}: nothing of {release.name} could be prepared: {reason}")
    made.paths = _write(release, joints, release.keypoints(joints, seen), Path(out), made)
    progress("prepare", 1.0)
    return made


def _is_sound(take: Take) -> bool:
    if not np.isfinite(take.joints).all():
        raise UserError(f"{take.subject} {take.action}: its joints are not numbers in some frames")
    return len(take.joints) > 0


def _write(release: LiftingRelease, joints: Joints, keypoints: KeypointFile, out: Path, made: Archives) -> list[Path]:
    paths = [out / f"data_3d_{release.name}.npz"]
    _write_archive(paths[0], positions_3d=joints)
    if keypoints.positions:
        paths.append(out / f"data_2d_{release.name}_gt.npz")
        metadata = {
            "num_joints": next(len(one[0][0]) for actions in keypoints.positions.values() for one in actions.values()),
            "keypoints_symmetry": [list(keypoints.left), list(keypoints.right)],
        }
        _write_archive(paths[1], positions_2d=keypoints.positions, metadata=metadata)
    found = {name: dict(counts) for name, counts in made.findings.counts.items()}
    with whole_file(out / f"{release.name}.json") as part:
        part.write_text(json.dumps({"findings": found, "left_out": made.left_out}, indent=1), encoding="utf-8")
    return paths


def _write_archive(path: Path, **entries: Any) -> None:
    """Dictionaries as objects, which is how VideoPose3D stores and reads them."""
    with whole_file(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **{name: np.array(entry, dtype=object) for name, entry in entries.items()})
