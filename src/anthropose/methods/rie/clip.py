"""From a clip's keypoints to what RIE's network sees, and from its joints to their place before the camera."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anthropose.errors import UserError
from anthropose.geometry.cameras import estimate_translation
from anthropose.geometry.filters import gaussian, interpolate
from anthropose.people.clip import Clip
from anthropose.skeleton import COCO_17, H36M_VP3D_17, MPII_16, Skeleton, coco_to_h36m, mpii_to_h36m, pick

TRUSTED = 0.3
"""The confidence from which a keypoint counts as seen."""

BRIDGED = 0.5
"""Gaps in a keypoint's sight [s] that are filled from before and after, rather than with what the detector guesses."""

STEADY = 0.1
"""The width [s] of the smoothing of the person's place."""

FEWEST = 4
"""Keypoints that must be seen in a frame for it to tell where the person is."""


@dataclass(frozen=True)
class Timeline:
    """The moments that the network sees, at an even pace."""

    seconds: Float[Tensor, "m"]
    """Float64."""
    pixels: Float[Tensor, "m 17 2"]
    """H36M-VP3D-17 in pixels of the full image."""


def timeline_of(clip: Clip, rows: slice, rate: float | None = None) -> Timeline:
    """Keypoints of some rows of a clip's track, and in between.

    Frames in which the person was not found are filled in, and so are keypoints that were not seen for a moment.

    Args:
        rows: of the track.
        rate: moments per second; the video's own frames when None.

    Raises:
        UserError: the track has no keypoints, or lacks some of those that Human3.6M's joints are made of.
    """
    frames, seconds = clip.track.frames[rows], clip.seconds[rows]
    keypoints, source = _lifting_keypoints(clip)
    keypoints, squares = keypoints[rows].double(), clip.squares[rows].double()
    if rate is None:
        every = torch.arange(int(frames[0]), int(frames[-1]) + 1).double()
        at = interpolate(seconds, frames.double(), every)
    else:
        at = torch.arange(int((seconds[-1] - seconds[0]) * rate) + 2).double() / rate + seconds[0]
    # Relative to the box, so that a hand unseen for long moves along with the person.
    relative = (keypoints[..., :2] - squares[:, None, :2]) / squares[:, None, 2:]
    filled = _filled(relative, keypoints[..., 2], seconds, at)
    around = interpolate(squares, seconds, at)
    pixels = filled * around[:, None, 2:] + around[:, None, :2]
    return Timeline(at, _to_h36m(pixels.to(clip.track.boxes.dtype), source))


def _lifting_keypoints(clip: Clip) -> tuple[Float[Tensor, "n k 3"], Skeleton]:
    """The clip's keypoints in the first of the sets that lifters know which the track has all joints of."""
    track = clip.track
    if track.keypoints is None or track.skeleton is None:
        raise UserError("rie lifts keypoints and this track has boxes only; use a detector or a file that gives them")
    for target in (H36M_VP3D_17, MPII_16, COCO_17):
        found, valid = pick(track.keypoints, track.skeleton, target)
        if bool(valid.all()):
            return found, target
    missing = ", ".join(name for name, has in zip(target.joints, valid.tolist(), strict=True) if not has)
    raise UserError(f"rie needs COCO's 17 keypoints, or Human3.6M's or MPII's; {track.skeleton.name} lacks {missing}")


def _to_h36m(points: Float[Tensor, "m k 2"], source: Skeleton) -> Float[Tensor, "m 17 2"]:
    if source is COCO_17:
        return coco_to_h36m(points)
    return mpii_to_h36m(points) if source is MPII_16 else points


def _filled(
    points: Float[Tensor, "n k 2"],
    confidence: Float[Tensor, "n k"],
    seconds: Float[Tensor, "n"],
    at: Float[Tensor, "m"],
) -> Float[Tensor, "m k 2"]:
    """The points at other times, keypoint by keypoint, from the frames that tell of it."""
    given = points.isfinite().all(-1) & (torch.nan_to_num(confidence) > 0)
    if not bool(given.any()):
        raise UserError("no keypoint of the person is seen in any frame; leave the person out with --persons")
    seen = given & (confidence >= TRUSTED)
    known = seen | (given & ~_bridged(seen, seconds))
    clean = torch.where(given[..., None], points, 0.0)
    middle = clean.sum((0, 1)) / given.sum()
    filled = middle.expand(len(at), points.shape[1], 2).clone()
    for k, rows in enumerate(known.T):
        if bool(rows.any()):
            filled[:, k] = interpolate(clean[rows, k], seconds[rows], at)
    return filled


def _bridged(seen: Bool[Tensor, "n k"], seconds: Float[Tensor, "n"]) -> Bool[Tensor, "n k"]:
    """Where a keypoint is unseen for a moment only: it was seen before and is seen again soon."""
    times = seconds[:, None].expand(seen.shape)
    before = torch.where(seen, times, -torch.inf).cummax(0).values
    after = torch.where(seen, times, torch.inf).flip(0).cummin(0).values.flip(0)
    return after - before <= BRIDGED


def place(joints: Float[Tensor, "n 17 3"], clip: Clip, skeleton: Skeleton = H36M_VP3D_17) -> Float[Tensor, "n 3"]:
    """Where the root must be [m] for the joints to lie on the clip's keypoints, steadied over time.

    Only keypoints of the limbs count, which mean the same in all sets, by their confidence.
    """
    track = clip.track
    assert track.keypoints is not None
    assert track.skeleton is not None
    limbs = [i for i, name in enumerate(skeleton.joints) if name.startswith(("left_", "right_"))]
    keypoints = pick(track.keypoints, track.skeleton, skeleton)[0][:, limbs]
    usable = keypoints.isfinite().all(-1) & (torch.nan_to_num(keypoints[..., 2]) >= TRUSTED)
    keypoints = torch.where(usable[..., None], keypoints, 0.0)
    telling = usable.sum(1) >= FEWEST
    if not bool(telling.any()):
        return _from_boxes(joints, clip)
    found = estimate_translation(joints[telling][:, limbs], keypoints[telling], clip.camera.focal, clip.camera.center)
    # Joints that make no sense can be best explained from behind the camera; nobody is that close.
    nearest = 0.3 - joints[telling][..., 2].amin(1)
    found = torch.cat([found[:, :2], torch.maximum(found[:, 2], nearest)[:, None]], dim=1)
    everywhere = interpolate(found, clip.seconds[telling], clip.seconds)
    return gaussian(everywhere, clip.seconds, STEADY)


def _from_boxes(joints: Float[Tensor, "n j 3"], clip: Clip) -> Float[Tensor, "n 3"]:
    """The root's place where no keypoints tell of it: as far away as the height of the box makes the person."""
    squares, joints = clip.squares, joints.double()
    height = (joints[..., 1].amax(1) - joints[..., 1].amin(1)).clamp_min(0.5)
    depth = clip.camera.focal * height / squares[:, 2]
    across = (squares[:, :2] - squares.new_tensor(clip.camera.center)) * (depth / clip.camera.focal)[:, None]
    middle = (joints.amax(1) + joints.amin(1)) / 2
    there = torch.cat([across, depth[:, None]], dim=1) - middle
    return gaussian(there.to(squares.dtype), clip.seconds, STEADY)
