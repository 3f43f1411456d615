"""What the methods that map features of image crops to a body share: from a clip to a motion.

TCMR, VIBE, GLoT and Parallel-Branch differ in their network alone. Each gives it to a `FeatureMethod`.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.geometry.cameras import crop_camera_to_translation
from anthropose.geometry.crops import normalised_images
from anthropose.methods.base import Progress, joined
from anthropose.motion import BodyPose, Motion, Prediction
from anthropose.nn.checkpoints import Weights, find_weights, load_network
from anthropose.nn.compute import Compute
from anthropose.nn.hmr import PUBLISHED as SPIN
from anthropose.nn.weights import Published
from anthropose.people.clip import Clip
from anthropose.skeleton import SMPL_24

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

    def __init__(self, body: BodyModel, weights: str = "", compute: Compute | None = None) -> None:
        """Finds the weights; they are read when they are first needed.

        Args:
            body: the body that the poses and shapes are given to.
            weights: an installed name or a path; the installed ones of this method when empty.

        Raises:
            UserError: weights of the method, or of the features that they need, are missing.
        """
        self.body = body
        self.compute = compute or Compute()
        self.compute.place()
        self.weights, self.front_end = find_with_front_end(weights, self.published())

    @staticmethod
    @abstractmethod
    def published() -> Published | Sequence[Published]:
        """How the method's checkpoints look."""

    def settings(self) -> dict[str, Any]:
        """Everything that changes the result, as JSON values: equal settings give equal motions."""
        return {
            "weights": self.weights.sha256,
            "front_end": self.front_end.sha256,
            "precision": self.compute.precision,
        }

    @cached_property
    def network(self) -> Any:
        """The method's network with its weights, in eval mode."""
        return load_network(self.weights, self.published()).to(self.compute.place())

    @cached_property
    def extractor(self) -> "ImageFeatures":
        """From crops to features."""
        return ImageFeatures(self.front_end, self.compute)

    def reconstruct(self, clip: Clip, progress: Progress = lambda share: None) -> Motion:
        """The motion of the clip's person, one network output per frame of the track.

        Raises:
            UserError: the clip has no pictures, or the weights do not fit.
        """
        features = clip.features(self.extractor, self.crop_scale, lambda share: progress(EXTRACTING * share))
        prediction = self._over_clip(features, clip.track.frames)
        progress(1.0)
        squares = clip.squares * clip.squares.new_tensor([1.0, 1.0, self.crop_scale])
        return motion_of(prediction, clip, squares, self.body, self.name, self.weights.name)

    def _over_clip(self, features: Float[Tensor, "n f"], frames: Int[Tensor, "n"]) -> Prediction:
        parts = []
        with self.compute.running() as place:
            for part in stretches(frames, self.window):
                parts.append(on_cpu(self.network.over_track(features[part].to(place))))
        return joined(parts)


def find_with_front_end(name_or_path: str, published: Published | Sequence[Published]) -> tuple[Weights, Weights]:
    """The weights of a method, and those of the image features that it is fed with.

    Raises:
        UserError: one or both are missing; the line names all that are.
    """
    found, missing = [], []
    for name, known, purpose in ((name_or_path, published, ""), ("", SPIN, "the features of its crops: ")):
        try:
            found.append(find_weights(name, known))
        except UserError as error:
            missing.append(f"{purpose}{error}")
    if missing:
        raise UserError("; and ".join(missing))
    weights, front_end = found
    if weights.front_end != "image":
        raise UserError(f"weights {weights.name!r} are fed with {weights.front_end}, which this method cannot make yet")
    return weights, front_end


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
