"""One sequence of VideoPose3D's archives lifted by RIE: the prediction and the truth as motions, to be looked at."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.datasets.lifting import (
    SETS,
    KeypointFile,
    LiftingSequence,
    LiftingSet,
    projected_keypoints,
    read_joints,
    read_keypoints,
    sequences_of,
)
from anthropose.errors import UserError
from anthropose.evaluate.sources import ARCHIVES, find_sources
from anthropose.geometry.lens import View, to_pixels
from anthropose.motion import Camera, Motion, Track
from anthropose.nn.compute import Compute
from anthropose.skeleton import Skeleton
from anthropose.writing import whole_file


@dataclass(frozen=True)
class Wanted:
    """Which sequence, of which keypoints, by which weights."""

    subject: str = ""
    """The file's first one when empty."""
    action: str = ""
    """With the take, such as "Walking 1"; the subject's first one when empty."""
    camera: int = 0
    keypoints: str = ""
    """The name in VideoPose3D's files; true ones, projected where there is no file of them, when empty."""
    weights: str = ""
    """RIE's installed ones when empty."""
    flip: bool = True
    """Whether the mirrored keypoints are lifted as well and both results averaged."""


@dataclass(frozen=True)
class LiftedSequence:
    """What was predicted and what is true, before the camera that saw it."""

    predicted: Motion
    truth: Motion
    joints: Float[Tensor, "n j 3"]
    """As the network gives them: camera axes [m], relative to the root, which is near zero."""

    def save_joints(self, path: Path) -> None:
        """Writes what is predicted: .npy is the published command's array, .npz a motion file.

        Raises:
            UserError: the ending is another, or the file cannot be written.
        """
        check_joints_ending(path)
        if path.suffix.lower() == ".npz":
            self.predicted.save(path)
            return
        with whole_file(path) as part, part.open("wb") as file:
            np.save(file, self.joints.numpy())


def check_joints_ending(path: Path) -> None:
    """Raises UserError where joints are to be saved under an ending that does not tell how."""
    if path.suffix.lower() not in (".npy", ".npz"):
        raise UserError(f"{path}: expected .npy for an array of joints, or .npz for a motion file")


def lifted_sequence(
    data: Path, wanted: Wanted, progress: Callable[[float], None] = lambda share: None
) -> LiftedSequence:
    """Reads one sequence and lifts its keypoints; as published, the true trajectory is added to both (rie spec, 9).

    Args:
        data: data_3d_h36m.npz or data_3d_humaneva15.npz, or the folder that it is in.
        progress: called with the share that is lifted.

    Raises:
        UserError: the archive or the weights are missing or damaged, or there is no such sequence.
    """
    from anthropose.methods.rie import PUBLISHED, RIENetwork, lift
    from anthropose.nn.checkpoints import find_weights, load_network

    lifting_set, sequence = _sequence(data, wanted)
    weights = find_weights(wanted.weights, PUBLISHED)
    network = load_network(weights, PUBLISHED)
    assert isinstance(network, RIENetwork)
    skeleton = network.config.skeleton
    if skeleton is not lifting_set.skeleton:
        raise UserError(f"weights {weights.name!r} are for {skeleton.name}, the file is of {lifting_set.skeleton.name}")
    compute = Compute()
    with compute.running() as device:
        seen = sequence.keypoints.to(device)
        joints = lift(network.to(device), seen, skeleton.mirror if wanted.flip else None, progress).float().cpu()
    predicted = _motion(joints, sequence, lifting_set, weights.name)
    return LiftedSequence(predicted, _motion(sequence.joints, sequence, lifting_set, ""), joints)


def _sequence(data: Path, wanted: Wanted) -> tuple[LiftingSet, LiftingSequence]:
    source = next((one for one in find_sources(data, archives=True) if one.is_archive), None)
    if source is None:
        raise UserError(f"{data}: expected VideoPose3D's data_3d_h36m.npz or data_3d_humaneva15.npz")
    name = ARCHIVES[source.test_set]
    lifting_set, joints = SETS[name], read_joints(source.path)
    subject = _named(wanted.subject, list(joints), "subject", source.path)
    action = _named(wanted.action, list(joints[subject]), f"action of {subject}", source.path)
    chosen = {subject: {action: joints[subject][action]}}
    path = source.path.with_name(f"data_2d_{name}_{wanted.keypoints or 'gt'}.npz")
    if not path.is_file() and wanted.keypoints in ("", "gt") and name == "h36m":
        points = projected_keypoints(lifting_set, chosen)
    else:
        points = read_keypoints(path)
    found = sequences_of(lifting_set, chosen, _only(points, subject, action), [subject])
    cameras = [sequence.camera for sequence in found]
    if wanted.camera not in cameras:
        raise UserError(f"--camera {wanted.camera}: {subject} {action} has cameras {', '.join(map(str, cameras))}")
    return lifting_set, found[cameras.index(wanted.camera)]


def _named(name: str, known: list[str], what: str, path: Path) -> str:
    """The name, or the first that is known where none is given."""
    if not known:
        raise UserError(f"{path}: there is no {what} in it")
    if name and name not in known:
        raise UserError(f"{path}: no {what} {name!r}; there are {', '.join(known)}")
    return name or known[0]


def _only(points: KeypointFile, subject: str, action: str) -> KeypointFile:
    """The keypoints of one action alone."""
    actions = points.positions.get(subject, {})
    if action not in actions:
        raise UserError(f"{subject} {action}: has joints but no keypoints")
    return KeypointFile({subject: {action: actions[action]}}, points.left, points.right)


def _motion(joints: Float[Tensor, "n j 3"], sequence: LiftingSequence, lifting_set: LiftingSet, weights: str) -> Motion:
    """Joints on the true trajectory; what a network makes of the root moves the whole person."""
    root = joints[:, :1]
    return Motion(
        track=_track(sequence, lifting_set.skeleton),
        skeleton=lifting_set.skeleton,
        fps=lifting_set.fps,
        seconds=torch.arange(len(joints)).double() / lifting_set.fps,
        camera=_camera(sequence.view),
        joints=joints - root,
        translation=sequence.trajectory + root[:, 0],
        method="rie" if weights else "truth",
        weights=weights,
    )


def _track(sequence: LiftingSequence, skeleton: Skeleton) -> Track:
    """The keypoints as a track, all of them certain."""
    pixels = to_pixels(sequence.keypoints, sequence.view.size)
    boxes = torch.cat([pixels.amin(1), pixels.amax(1)], dim=1)
    points = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=2)
    return Track(0, torch.arange(len(pixels)), boxes, points, skeleton)


def _camera(view: View) -> Camera:
    """The pinhole of a lens, without its distortion; a guess where the lens is not known."""
    if view.lens is None:
        return Camera.guess(*view.size)
    focal = float(view.lens.intrinsics[:2].mean()) * view.size[0] / 2
    x, y = to_pixels(view.lens.intrinsics[2:4], view.size).tolist()
    return Camera(focal, (x, y), view.size)
