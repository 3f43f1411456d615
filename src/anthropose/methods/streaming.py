"""What live use asks of a method: one person, moment by moment, from what was seen so far."""

from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.geometry.cameras import crop_camera_to_translation
from anthropose.geometry.filters import interpolate
from anthropose.geometry.keypoints import FEWEST, MARGIN, PLACE, network_inputs, squares_around, steadied
from anthropose.motion import BodyPose, Camera
from anthropose.nn.compute import Compute
from anthropose.skeleton import SMPL_24, Skeleton, pick

RATE = 30.0
"""Moments per second that networks fed with keypoints are shown: the rate of the motions that they learn from."""
FORGOTTEN = 1.0
"""A gap [s] after which what was seen before tells nothing about now."""


@dataclass(frozen=True)
class Instant:
    """A person at one moment, in camera axes."""

    joints: Float[Tensor, "24 3"]
    """Root-relative positions [m] of SMPL's joints."""
    translation: Float[Tensor, "3"]
    """The root joint's position [m]."""
    body: BodyPose
    """Of no batch axes."""
    crop_camera: Float[Tensor, "3"]
    """The network's weak-perspective camera s, tx, ty of the person's square."""


@runtime_checkable
class Streamer(Protocol):
    """Reconstructs one person moment by moment. It may adapt itself to the person as it goes."""

    def step(self, keypoints: Float[Tensor, "k 3"], box: Float[Tensor, "4"], seconds: float) -> Instant:
        """The person now.

        Args:
            keypoints: x, y [px] and confidence, of the detector's set.
            box: left, top, right, bottom [px].
            seconds: later than in the step before; steps may be uneven.
        """
        ...


@runtime_checkable
class Ending(Protocol):
    """A streamer or method that has something to end: where the person has left, or the session is over."""

    def end(self) -> None:
        """Called once."""
        ...


@runtime_checkable
class StreamingMethod(Protocol):
    """A method that can be used live: all that `--live` asks of it, whatever it does inside."""

    name: str

    def stream(self, skeleton: Skeleton, camera: Camera) -> Streamer:
        """A streamer for one person.

        Args:
            skeleton: the set of the keypoints that come.
            camera: of the pictures that they are seen in.

        Raises:
            UserError: the method or its weights cannot be used live.
        """
        ...


class KeypointStreamer:
    """A network that is fed with keypoints, shown the last moments at the rate that it has learnt at.

    Between frames keypoints are interpolated, so that a camera of 10 frames per second and one of 60 show the network
    the same span of time. What has not been seen yet, and what lies before the first frame, is the nearest frame there
    is.
    """

    def __init__(
        self,
        network: Any,
        body: BodyModel,
        compute: Compute,
        moments: Float[Tensor, "t"],
        skeleton: Skeleton,
        camera: Camera,
    ) -> None:
        """
        Args:
            network: a `KeypointFed`.
            moments: times [s] relative to now of the window's frames, those after now being taken for now.
            skeleton: of the keypoints that come.

        Raises:
            UserError: the network knows too few of these keypoints.
        """
        self.network, self.body, self.compute, self.camera = network, body, compute, camera
        self.skeleton = skeleton
        self.known: Skeleton = network.config.front_end.skeleton
        """The set that the network knows."""
        self.rate = 1 / float(moments[1] - moments[0])
        """Moments of a window per second."""
        self.shown: Tensor = torch.zeros(len(moments), 3 * len(self.known) + PLACE)
        """What the network saw last, moments by inputs; never changed, but another one in each step."""
        self._moments = moments.clamp(max=0.0).double()
        if int(pick(torch.zeros(1, len(skeleton), 3), skeleton, self.known)[1].sum()) < FEWEST:
            raise UserError(f"--live: the weights know keypoints of {self.known.name}; {skeleton.name} has too few")
        self._size = torch.tensor(camera.size, dtype=torch.float32)
        self._seen: deque[tuple[float, Tensor, Tensor]] = deque()

    @property
    def is_filled(self) -> bool:
        """Whether the person has been seen for as long as a window lasts."""
        return bool(self._seen) and self._seen[0][0] <= self._seen[-1][0] + float(self._moments[0])

    def step(self, keypoints: Float[Tensor, "k 3"], box: Float[Tensor, "4"], seconds: float) -> Instant:
        """See `Streamer.step`."""
        self._take_in(keypoints, box, seconds)
        self.shown, squares = self._window(seconds)
        with self.compute.running() as place:
            found = self.network(self.shown[None].to(place))
            # Networks that speak of the whole window say last what is now; others speak of now alone.
            rotations = found.pose.rotations.reshape(-1, 24, 3, 3)[-1].float().cpu()
            betas, crop_camera = (part.flatten(0, -2)[-1].float().cpu() for part in (found.pose.betas, found.camera))
            return self._placed(rotations, betas, crop_camera, squares[-1])

    def _take_in(self, keypoints: Float[Tensor, "k 3"], box: Float[Tensor, "4"], seconds: float) -> None:
        if self._seen and seconds - self._seen[-1][0] > FORGOTTEN:
            self._seen.clear()
        found = pick(keypoints[None].float(), self.skeleton, self.known)[0][0]
        found = torch.where(found.isfinite().all(-1, keepdim=True), found, 0.0)
        around, enough = squares_around(found)
        if not bool(enough):
            side = (box[2:] - box[:2]).amax().clamp_min(2.0) * MARGIN
            around = torch.cat([(box[:2] + box[2:]) / 2, side[None]]).float()
        self._seen.append((seconds, found, around))
        while len(self._seen) > 2 and self._seen[1][0] <= seconds + float(self._moments[0]):
            self._seen.popleft()

    def _window(self, now: float) -> tuple[Float[Tensor, "t i"], Float[Tensor, "t 3"]]:
        """What the network sees, and the squares that it is relative to."""
        times = torch.tensor([seconds for seconds, _, _ in self._seen], dtype=torch.float64)
        at = self._moments + now
        found = interpolate(torch.stack([found for _, found, _ in self._seen]), times, at)
        squares = steadied(interpolate(torch.stack([square for _, _, square in self._seen]), times, at))
        return network_inputs(found, squares, self._size.expand(len(at), 2)), squares

    def _placed(
        self,
        rotations: Float[Tensor, "24 3 3"],
        betas: Float[Tensor, "10"],
        crop_camera: Float[Tensor, "3"],
        square: Float[Tensor, "3"],
    ) -> Instant:
        points = self.body.points(SMPL_24)(betas[None], rotations[None])[0]
        focal, center = torch.tensor([self.camera.focal]), torch.tensor([self.camera.center])
        origin = crop_camera_to_translation(crop_camera[None], square[None], focal, center)[0]
        return Instant(points - points[:1], origin + points[0], BodyPose(rotations, betas), crop_camera)
