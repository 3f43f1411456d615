"""What the methods that map a feature of each frame to a body share: from a clip to a motion.

TCMR, VIBE, GLoT and Parallel-Branch differ in their network alone. Each gives it to a `FeatureMethod`. The features are
those of image crops, or come from an encoder of keypoints that is part of the weights: these say which.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.geometry.cameras import crop_camera_to_translation
from anthropose.geometry.crops import normalised_images
from anthropose.geometry.keypoints import FEWEST, MARGIN, STEADY, network_inputs, squares_around, steadied
from anthropose.methods.base import Progress, as_numbers, from_numbers, joined
from anthropose.methods.keypoint_fed import KeypointFed, fed_with_keypoints
from anthropose.methods.streaming import RATE, KeypointStreamer, Streamer
from anthropose.motion import BodyPose, Camera, Motion, Prediction
from anthropose.nn.checkpoints import Weights, find_weights, load_network
from anthropose.nn.compute import Compute
from anthropose.nn.hmr import PUBLISHED as SPIN
from anthropose.nn.weights import Published
from anthropose.people.clip import Clip
from anthropose.skeleton import SMPL_24, Skeleton, pick

EXTRACTING = 0.9
"""The share of the work that the features take, for the progress that is reported."""


class FeatureMethod(ABC):
    """A network from features to bodies, run over a clip as its publication's demo does.

    Frames in which the person was not seen are left out and the others are treated as consecutive, as published; but
    where a gap is longer than a window, nothing on its one side tells of the other, and the parts are done apart.
    """

    name: ClassVar[str]
    crop_scale: ClassVar[float] = 1.2
    """How much larger than the person's box the crops are, as in the published demo."""
    window: ClassVar[int] = 16
    """Frames that the network sees at once."""
    speaks_of: ClassVar[Literal["all", "middle"]] = "all"
    """The frames of a window that the network's forward pass gives bodies for."""
    only_fed: ClassVar[tuple[Published, ...]] = ()
    """How networks of the method look that were not published, and always have an encoder of keypoints before them."""

    def __init__(self, body: BodyModel, weights: str = "", compute: Compute | None = None) -> None:
        """Finds the weights; they are read when they are first needed.

        Args:
            body: the body that the poses and shapes are given to.
            weights: an installed name or a path; the installed ones of this method when empty.

        Raises:
            UserError: weights of the method, or of the image features that they need, are missing.
        """
        self.body = body
        self.compute = compute or Compute()
        self.compute.place()
        self.weights, self.front_end = find_with_front_end(weights, self.layouts())

    @staticmethod
    @abstractmethod
    def published() -> Published | Sequence[Published]:
        """How the method's checkpoints look."""

    @classmethod
    def layouts(cls) -> tuple[Published, ...]:
        """The same, and how weights look that have an encoder of keypoints before a network of the method's."""
        published = cls.published()
        known = (published,) if isinstance(published, Published) else tuple(published)
        return (*known, *(fed_with_keypoints(one) for one in (*cls.only_fed, known[0])))

    def settings(self) -> dict[str, Any]:
        """Everything that changes the result, as JSON values: equal settings give equal motions."""
        return {
            "weights": self.weights.sha256,
            "front_end": "keypoints" if self.front_end is None else self.front_end.sha256,
            "precision": self.compute.precision,
        }

    @cached_property
    def network(self) -> Any:
        """The method's network with its weights, in eval mode; with the encoder of keypoints, where there is one."""
        return load_network(self.weights, self.layouts()).to(self.compute.place())

    @cached_property
    def extractor(self) -> "ImageFeatures":
        """From crops to features.

        Raises:
            ValueError: the weights are fed with keypoints.
        """
        if self.front_end is None:
            raise ValueError(f"weights {self.weights.name!r} are fed with keypoints and need no features of crops")
        return ImageFeatures(self.front_end, self.compute)

    def reconstruct(self, clip: Clip, progress: Progress = lambda share: None) -> Motion:
        """The motion of the clip's person, one network output per frame of the track.

        Raises:
            UserError: the clip has no pictures, or no keypoints where these are wanted; or the weights do not fit.
        """
        if self.front_end is None:
            seen, squares = keypoints_of(clip, self.network.config.front_end.skeleton, self.weights.name)
        else:
            seen = clip.features(self.extractor, self.crop_scale, lambda share: progress(EXTRACTING * share))
            squares = clip.squares * clip.squares.new_tensor([1.0, 1.0, self.crop_scale])
        prediction = self._over_clip(seen, clip.track.frames, clip.fps)
        progress(1.0)
        return motion_of(prediction, clip, squares, self.body, self.name, self.weights.name)

    def stream(self, skeleton: Skeleton, camera: Camera) -> Streamer:
        """See `StreamingMethod.stream`; a network that speaks of the middle of its window is shown no later frames.

        Raises:
            UserError: the weights look at pictures, or know too few of these keypoints.
        """
        if self.front_end is not None:
            raise UserError(
                f"--live: weights {self.weights.name!r} look at pictures, which takes too long for each frame; "
                "use weights that are fed with keypoints"
            )
        window = getattr(self.network.config.network, "window", self.window)
        now = window - 1 if self.speaks_of == "all" else window // 2
        moments = (torch.arange(window) - now) / (self.rate or RATE)
        return KeypointStreamer(self.network, self.body, self.compute, moments, skeleton, camera)

    @property
    def rate(self) -> float | None:
        """Frames per second that the network wants; None where it takes those of the clip, as published ones do."""
        return getattr(self.network.config.network, "rate", None) if isinstance(self.network, KeypointFed) else None

    def _over_clip(self, features: Float[Tensor, "n f"], frames: Int[Tensor, "n"], fps: float) -> Prediction:
        pace = max(1, round(fps / self.rate)) if self.rate else 1
        network = self.network
        over_track = network.over_track_both_ways if isinstance(network, KeypointFed) else network.over_track
        parts = []
        with self.compute.running() as place:
            for part in stretches(frames, self.window):
                parts.append(on_cpu(in_turns(over_track, features[part].to(place), pace)))
        return joined(parts)


def in_turns(
    over_track: Callable[[Float[Tensor, "m f"]], Prediction], features: Float[Tensor, "n f"], pace: int
) -> Prediction:
    """A track by a network that wants fewer frames a second: each frame among every `pace`-th one before and after it.

    The turns know nothing of each other, so that what they say differs a little; it is averaged over as many frames.
    """
    if pace == 1 or len(features) < 2 * pace:
        return over_track(features)
    turns = [over_track(features[first::pace]) for first in range(pace)]
    order = torch.cat([torch.arange(first, len(features), pace) for first in range(pace)]).argsort()
    rows = torch.cat([as_numbers(turn) for turn in turns])[order.to(features.device)]
    reach = pace // 2
    padded = torch.cat([rows[:1]] * reach + [rows] + [rows[-1:]] * reach)
    return from_numbers(padded.unfold(0, 2 * reach + 1, 1).mean(-1))


def find_with_front_end(
    name_or_path: str, published: Published | Sequence[Published]
) -> tuple[Weights, Weights | None]:
    """The weights of a method, and those of the image features that they are fed with; None where keypoints feed them.

    Raises:
        UserError: one or both are missing; the line names all that are.
    """
    weights, missing = None, []
    try:
        weights = find_weights(name_or_path, published)
        if weights.front_end == "keypoints":
            return weights, None
    except UserError as error:
        missing.append(str(error))
    try:
        front_end = find_weights("", SPIN)
    except UserError as error:
        missing.append(f"the features of its crops: {error}")
    if weights is None or missing:
        raise UserError("; and ".join(missing))
    return weights, front_end


def keypoints_of(clip: Clip, skeleton: Skeleton, weights: str) -> tuple[Float[Tensor, "n i"], Float[Tensor, "n 3"]]:
    """What an encoder of keypoints sees of each frame of a clip's track, and the square that it is relative to [px].

    Where too few keypoints are seen for a square of their own, the track's box makes it.

    Args:
        skeleton: the set that the encoder knows; the track's keypoints are taken over by name.
        weights: their name, for the message.

    Raises:
        UserError: the track has no keypoints, or too few that the encoder knows.
    """
    track = clip.track
    if track.keypoints is None or track.skeleton is None:
        raise UserError(
            f"weights {weights!r} are fed with keypoints and this track has boxes only; use a detector or a file that "
            "gives keypoints"
        )
    found, valid = pick(track.keypoints.float(), track.skeleton, skeleton)
    if int(valid.sum()) < FEWEST:
        raise UserError(f"weights {weights!r} know keypoints of {skeleton.name}; {track.skeleton.name} has too few")
    found = torch.where(found.isfinite().all(-1, keepdim=True), found, 0.0)
    around, enough = squares_around(found)
    around = torch.where(enough[:, None], around, clip.squares.to(found) * found.new_tensor([1, 1, MARGIN]))
    squares = torch.cat([steadied(around[part]) for part in stretches(track.frames, len(STEADY) // 2)])
    size = found.new_tensor(clip.camera.size).expand(len(found), 2)
    return network_inputs(found, squares, size), squares


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """SPIN's features of 224-pixel crops: what the published video networks were trained on."""

    weights: Weights
    compute: Compute
    size: int = 224
    """Pixels along a side of the crops."""

    @property
    def name(self) -> str:
        return self.weights.system

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that changes the features, as JSON values."""
        return {"weights": self.weights.sha256, "precision": self.compute.precision}

    @property
    def batch(self) -> int:
        """Crops at once: a GPU wants many, a CPU's caches few."""
        return 16 if self.compute.place().type == "cpu" else 128

    @cached_property
    def _network(self) -> Any:
        return load_network(self.weights, SPIN).to(self.compute.place())

    def __call__(self, crops: UInt8[Tensor, "b h w 3"]) -> Float[Tensor, "b f"]:
        """The features of RGB crops, float32 on the CPU."""
        with self.compute.running() as place:
            return self._network.features(normalised_images(crops.to(place))).float().cpu()


def stretches(frames: Int[Tensor, "n"], window: int) -> list[slice]:
    """The parts of a track between gaps of more than `window` frames."""
    breaks = (torch.nonzero(frames.diff() > window)[:, 0] + 1).tolist()
    return [slice(first, last) for first, last in itertools.pairwise([0, *breaks, len(frames)])]


def on_cpu(prediction: Prediction) -> Prediction:
    """The prediction in float32 on the CPU, whatever it was computed on and in."""
    pose = BodyPose(prediction.pose.rotations.float().cpu(), prediction.pose.betas.float().cpu())
    return replace(prediction, pose=pose, camera=prediction.camera.float().cpu())


def motion_of(
    prediction: Prediction,
    clip: Clip,
    squares: Float[Tensor, "n 3"],
    body: BodyModel,
    name: str,
    weights: str,
) -> Motion:
    """A motion in the camera of the full image, from what a network made of each crop.

    Args:
        prediction: one row per frame of the clip's track.
        squares: centre x, centre y, side [px] of what was really cropped: the boxes times the crop's scale.
        body: that the poses and shapes are given to.
        name: of the method.
        weights: their name.
    """
    with torch.no_grad():
        points = body.points(SMPL_24)(prediction.pose.betas, prediction.pose.rotations)
        focal = points.new_full((len(points),), clip.camera.focal)
        center = points.new_tensor(clip.camera.center).expand(len(points), 2)
        # The crop's camera places the body's origin; a motion's translation is that of the root joint, some 25 cm away.
        origin = crop_camera_to_translation(prediction.camera, squares, focal, center)
        root = points[:, :1]
    return Motion(
        track=clip.track,
        skeleton=SMPL_24,
        fps=clip.fps,
        seconds=clip.seconds,
        camera=clip.camera,
        joints=points - root,
        translation=origin + root[:, 0],
        body=prediction.pose,
        body_model=body.name,
        method=name,
        weights=weights,
        crop_camera=prediction.camera,
    )
