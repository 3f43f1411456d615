"""Sequences of keypoints with their joints in the camera, from the archives of VideoPose3D (rie spec, section 6)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.datasets.lifting.cameras import h36m_views, humaneva_views
from anthropose.datasets.lifting.files import KeypointFile
from anthropose.datasets.lifting.windows import stretch_of
from anthropose.errors import UserError
from anthropose.geometry.lens import View, to_pixels, to_screen
from anthropose.skeleton import H36M_VP3D_17, HUMANEVA_15, Skeleton

H36M_KEPT = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""Of Human3.6M's 32 joints, those that make H36M-VP3D-17."""


@dataclass(frozen=True)
class LiftingSet:
    """How the archives of one data set are to be read."""

    skeleton: Skeleton
    """Of the joints that are predicted."""
    views: Callable[[str], tuple[View, ...]]
    """The cameras by subject; none for a subject without calibration."""
    fps: float
    kept: tuple[int, ...] = ()
    """The joints that are taken where a file holds more than the skeleton has."""

    def joints_of(self, stored: np.ndarray) -> Float[Tensor, "n j 3"]:
        """The skeleton's joints of one stored sequence.

        Raises:
            UserError: it has neither the skeleton's joints nor those that they are taken from.
        """
        if stored.shape[1] == len(self.skeleton):
            return torch.from_numpy(stored)
        if not self.kept or stored.shape[1] <= max(self.kept):
            raise UserError(f"{stored.shape[1]} joints per frame; {self.skeleton.name} has {len(self.skeleton)}")
        return torch.from_numpy(stored[:, list(self.kept)])


H36M = LiftingSet(H36M_VP3D_17, h36m_views, fps=50.0, kept=H36M_KEPT)
HUMANEVA = LiftingSet(HUMANEVA_15, humaneva_views, fps=60.0)
SETS = {"h36m": H36M, "humaneva15": HUMANEVA}
"""By the names that VideoPose3D's files have."""


@dataclass(frozen=True)
class LiftingSequence:
    """One action of one subject, as one camera saw it."""

    subject: str
    action: str
    """With the number of the take, as "Walking 1"."""
    camera: int
    keypoints: Float[Tensor, "n k 2"]
    """In screen coordinates (`geometry.lens`)."""
    joints: Float[Tensor, "n j 3"]
    """Camera axes [m], relative to joint 0, which is at zero."""
    trajectory: Float[Tensor, "n 3"]
    """Joint 0 in the camera [m]."""
    view: View

    @property
    def kind(self) -> str:
        """The action without the take."""
        return self.action.split(" ")[0]


def sequences_of(
    lifting_set: LiftingSet,
    joints: dict[str, dict[str, np.ndarray]],
    keypoints: KeypointFile,
    subjects: Sequence[str],
    actions: Sequence[str] = (),
    share: float = 1.0,
    step: int = 1,
) -> list[LiftingSequence]:
    """Every action of the subjects in every camera, in the published order.

    Keypoints may run on after the joints have ended, since videos have more frames than the motion capture.

    Args:
        joints: as `read_joints` gives them.
        actions: what the names of the actions begin with; all are taken when empty.
        share: of each sequence's frames, as the published `--subset` chooses them.
        step: every so many frames are taken (`--downsample`).

    Raises:
        UserError: a subject or action is missing on one side, or has fewer keypoints than joints.
    """
    found = []
    for subject in subjects:
        views = lifting_set.views(subject)
        if subject not in keypoints.positions or subject not in joints or not views:
            raise UserError(f"subject {subject} needs keypoints, joints and cameras; one of them is missing")
        for action, per_camera in keypoints.positions[subject].items():
            if actions and not action.startswith(tuple(actions)):
                continue
            if action not in joints[subject]:
                raise UserError(f"{subject} {action}: has keypoints but no joints")
            world = lifting_set.joints_of(joints[subject][action])
            pairs = zip(per_camera, views, strict=False)
            found += [
                _sequence(subject, action, camera, pixels, world, view) for camera, (pixels, view) in enumerate(pairs)
            ]
    return [_taken(sequence, stretch_of(len(sequence.joints), share, step).taken) for sequence in found]


def _taken(sequence: LiftingSequence, frames: slice) -> LiftingSequence:
    return replace(
        sequence,
        keypoints=sequence.keypoints[frames],
        joints=sequence.joints[frames],
        trajectory=sequence.trajectory[frames],
    )


def _sequence(
    subject: str, action: str, camera: int, pixels: np.ndarray, world: Float[Tensor, "n j 3"], view: View
) -> LiftingSequence:
    if len(pixels) < len(world):
        raise UserError(f"{subject} {action}, camera {camera}: {len(pixels)} keypoints for {len(world)} frames")
    keypoints = to_screen(torch.from_numpy(pixels[: len(world), :, :2]), view.size)
    in_camera = view.to_camera(world)
    root = in_camera[:, :1]
    return LiftingSequence(subject, action, camera, keypoints, in_camera - root, root[:, 0].clone(), view)


def projected_keypoints(lifting_set: LiftingSet, joints: dict[str, dict[str, np.ndarray]]) -> KeypointFile:
    """The keypoints that are called ground truth: joints through each camera's lens, with its distortion, in pixels.

    Subjects without cameras are left out.

    Raises:
        UserError: the set's cameras have no known lens.
    """
    positions: dict[str, dict[str, list[np.ndarray]]] = {}
    for subject, actions in joints.items():
        views = lifting_set.views(subject)
        if views:
            positions[subject] = {
                action: [_seen(lifting_set.joints_of(stored), view) for view in views]
                for action, stored in actions.items()
            }
    sides = [
        [i for i, name in enumerate(lifting_set.skeleton.joints) if name.startswith(side)] for side in ("left", "right")
    ]
    return KeypointFile(positions, tuple(sides[0]), tuple(sides[1]))


def _seen(world: Float[Tensor, "n j 3"], view: View) -> np.ndarray:
    if view.lens is None:
        raise UserError("the cameras of this data set have no known lens to project through")
    return to_pixels(view.lens.project(view.to_camera(world)), view.size).numpy()
