"""The middle of the pipeline: who the detections of a frame are, and each one's body, smoothed."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.geometry.online import OneEuro, OneEuroRotations
from anthropose.live.placing import Placing
from anthropose.methods.streaming import Ending, Instant, Streamer, StreamingMethod
from anthropose.motion import BodyPose, Camera
from anthropose.people.detections import Detections
from anthropose.people.online import OnlineFollower


@dataclass(frozen=True)
class Present:
    """One person in one frame."""

    person: int
    row: int
    """Of the frame's detections."""
    instant: Instant


class Crowd:
    """Everyone before the camera."""

    def __init__(self, method: StreamingMethod, body: BodyModel, camera: Camera) -> None:
        self._method, self._body, self._camera = method, body, camera
        self._follower = OnlineFollower(camera.size)
        self._streams: dict[int, tuple[Streamer, Smoother]] = {}

    def step(self, found: Detections, seconds: float) -> list[Present]:
        """Those with a number in a frame, and their bodies.

        Args:
            found: the detections of this frame alone.
            seconds: its time, later than that of the frame before.

        Raises:
            UserError: the method knows too few of the detector's keypoints.
        """
        seen = self._follower.step(found, seconds)
        for person in self._streams.keys() - self._follower.persons:
            streamer, _ = self._streams.pop(person)
            if isinstance(streamer, Ending):
                streamer.end()
        present = []
        for person, row in seen:
            if person not in self._streams:
                placing = Placing(self._body, found.skeleton, self._camera)
                self._streams[person] = self._method.stream(found.skeleton, self._camera), Smoother(placing)
            streamer, smoother = self._streams[person]
            instant = streamer.step(found.keypoints[row], found.boxes[row], seconds)
            present.append(Present(person, row, smoother.step(instant, found.keypoints[row], seconds)))
        return present


class Smoother:
    """Less tremor, with little lag: one-euro filters on rotations and place, and a steady shape.

    The smoothed body is put onto the keypoints, so that it lags in its pose alone. The place is then filtered as it is
    seen: hardly across the picture, and strongly along the line of sight, since one camera tells the distance badly.
    """

    def __init__(self, placing: Placing) -> None:
        self._placing = placing
        self._rotations = OneEuroRotations(min_cutoff=1.5, beta=1.0)
        self._betas = OneEuro(min_cutoff=0.1, beta=0.0)
        self._across = OneEuro(min_cutoff=3.0, beta=20.0)
        self._depth = OneEuro(min_cutoff=0.5, beta=2.0)

    @torch.no_grad()
    def step(self, instant: Instant, keypoints: Float[Tensor, "k 3"], seconds: float) -> Instant:
        """The smoothed instant; `seconds` are later than those of the step before."""
        pose = BodyPose(
            self._rotations.step(instant.body.rotations, seconds), self._betas.step(instant.body.betas, seconds)
        )
        joints, landmarks = self._placing.joints_and_landmarks(pose)
        place = self._placing.place(landmarks, keypoints.float(), instant.translation)
        depth = place[2:]
        across = self._across.step(place[:2] / depth, seconds)
        depth = self._depth.step(depth.log(), seconds).exp()
        return replace(instant, joints=joints, translation=torch.cat([across * depth, depth]), body=pose)
