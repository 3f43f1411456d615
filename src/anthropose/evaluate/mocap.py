"""Clips whose 3D truth is known, from motion capture before made-up cameras: what a detector says, and what was there.

`recorded_clips(source)` gives every motion as recorded as a `KnownClip`: keypoints with a detector's errors go the very
way that those of a video go, through `method.reconstruct(clip)`, and `mocap_errors.errors_of` compares what comes out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.datasets.mocap import Capture, MocapBatch, MocapSource
from anthropose.geometry.alignment import nearest_rotation
from anthropose.geometry.keypoints import FEWEST, SEEN
from anthropose.geometry.rotations import quat_to_rotmat
from anthropose.motion import BodyPose, Camera, Motion, Track
from anthropose.people.clip import Clip
from anthropose.skeleton import SMPL_24

ACTIONS = {
    "floor": ("lie down", "liedown", "get up", "roll", "crawl"),
    "climb": ("climb", "playground", "swing,"),
    "dance": ("dance", "salsa", "arabesque", "jete", "pirouette"),
    "fight": ("punch", "strike", "sword", "kick", "box", "karate", "fight"),
    "exercise": (
        "squat",
        "elbowtoknee",
        "rotatearms",
        "throw",
        "basketball",
        "jack",
        "football",
        "soccer",
        "cartwheel",
    ),
    "jump": ("jump", "hop", "leap", "flip"),
    "run": ("run", "jog"),
    "walk": ("walk", "sneak", "march"),
    "everyday": ("wash", "bend over", "deposit", "grab", "sit", "acted", "genuine", "clean", "wave", "traffic"),
}
"""Class of actions -> words in the titles of motions, in small letters; the first class one of whose words is found."""
FACING = (1.0, -1.0, -1.0)
"""The diagonal of the rotation of a body that stands upright and looks at a level camera."""


@dataclass(frozen=True, eq=False)
class KnownClip:
    """A clip of one person, and what the person truly did."""

    name: str
    action: str
    """A class of ACTIONS, or "other"."""
    clip: Clip
    """Before the camera that is guessed from the picture's size, as for any video."""
    truth: Motion
    """In the frames of the clip's track, in the true camera; always with a body."""

    def __len__(self) -> int:
        return len(self.truth)


def action_of(title: str) -> str:
    """The class of actions that a motion's title names."""
    small = title.lower()
    return next((action for action, words in ACTIONS.items() if any(word in small for word in words)), "other")


def recorded_clips(source: MocapSource, longest: int = 150, every: int = 1) -> Iterator[KnownClip]:
    """One piece of every motion of a source before a camera, the same ones every time.

    Args:
        longest: frames of a piece. Of a longer motion one piece is taken, the first of the first such motion, the
            second of the next one, and so on, since motions begin and end standing.
        every: only every so many motions.
    """
    pieces: list[MocapBatch] = []
    number = 0
    for batch in source.clips(longest=longest):
        if pieces and batch.names != pieces[0].names:
            if number % every == 0:
                yield from _known(source, pieces, number // every)
            number, pieces = number + 1, []
        pieces.append(batch)
    if pieces and number % every == 0:
        yield from _known(source, pieces, number // every)


def _known(source: MocapSource, pieces: Sequence[MocapBatch], number: int) -> Iterator[KnownClip]:
    """One of a motion's pieces, unless nobody is to be seen in it."""
    batch = pieces[number % len(pieces)]
    title = next(capture.title for capture in source.library.captures if capture.name == batch.names[0])
    frames = frames_found(batch.keypoints[0])
    if len(frames) > 2:
        clip = clip_of(batch, 0, frames)
        yield KnownClip(batch.names[0], action_of(title), clip, truth_of(batch, 0, source.body, clip.track))


def frames_found(keypoints: Float[Tensor, "n k 3"]) -> Int[Tensor, "f"]:
    """The frames in which a detector that gives these keypoints would have found somebody."""
    return ((keypoints[..., 2] >= SEEN).sum(-1) >= FEWEST).nonzero()[:, 0]


def clip_of(batch: MocapBatch, row: int, frames: Int[Tensor, "f"]) -> Clip:
    """Some frames of a window as a clip of a video: keypoints as detected, boxes around them, the camera guessed."""
    keypoints = batch.keypoints[row, frames].cpu()
    found = keypoints[..., 2:] > 0
    low = torch.where(found, keypoints[..., :2], torch.inf).amin(1)
    high = torch.where(found, keypoints[..., :2], -torch.inf).amax(1)
    track = Track(0, frames.cpu(), torch.cat([low, high], dim=1), keypoints, batch.skeleton)
    width, height = batch.size[row].round().int().tolist()
    return Clip(track, batch.rate, track.frames.double() / batch.rate, Camera.guess(width, height))


def truth_of(batch: MocapBatch, row: int, body: BodyModel, track: Track) -> Motion:
    """The true motion of a window, all of whose frames are labelled, in the frames of a track, in the true camera."""
    betas = batch.betas[row].expand(len(track), 10)
    return placed(
        BodyPose(batch.rotations[row, track.frames], betas), batch.translation[row, track.frames], body, track,
        Camera(float(batch.focal[row]), _middle(batch, row), (int(batch.size[row, 0]), int(batch.size[row, 1]))),
        batch.rate, "truth",
    )  # fmt: skip


def _middle(batch: MocapBatch, row: int) -> tuple[float, float]:
    width, height = (batch.size[row] / 2).tolist()
    return width, height


def placed(
    pose: BodyPose,
    origin: Float[Tensor, "n 3"],
    body: BodyModel,
    track: Track,
    camera: Camera,
    rate: float,
    method: str,
) -> Motion:
    """A motion from poses.

    Args:
        origin: of the body's own axes in the camera [m], which is not the place of the pelvis.
    """
    joints = body.points(SMPL_24)(pose.betas, pose.rotations)
    return Motion(
        track=track,
        skeleton=SMPL_24,
        fps=rate,
        seconds=track.frames.double() / rate,
        camera=camera,
        joints=joints - joints[:, :1],
        translation=origin + joints[:, 0],
        body=pose,
        body_model=body.name,
        method=method,
    )


def mean_pose(captures: Sequence[Capture]) -> Float[Tensor, "24 3 3"]:
    """The rotations that are nearest to those of all frames (their mean, made a rotation again); the root's is none."""
    rotations = torch.cat([capture.rotations for capture in captures])
    mean = nearest_rotation(quat_to_rotmat(rotations).mean(0))
    mean[0] = torch.eye(3)
    return mean


def mean_motion(known: KnownClip, mean: Float[Tensor, "24 3 3"], body: BodyModel, facing: bool) -> Motion:
    """What somebody who knows nothing but what people usually do says of a clip: the mean pose on the mean body.

    Args:
        facing: whether the body always looks at the camera; else it is turned as the true one is in each frame.
    """
    truth = known.truth
    assert truth.body is not None
    rotations = mean.expand(len(truth), 24, 3, 3).clone()
    rotations[:, 0] = torch.diag(torch.tensor(FACING)) if facing else truth.body.rotations[:, 0]
    pose = BodyPose(rotations, torch.zeros_like(truth.body.betas))
    root = body.points(SMPL_24)(pose.betas, pose.rotations)[:, 0]
    return placed(pose, truth.translation - root, body, truth.track, truth.camera, truth.fps, "mean pose")
