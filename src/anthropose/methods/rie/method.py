"""RIE over a clip: keypoints in, joints out, placed before the camera of the full image."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.geometry.filters import interpolate
from anthropose.geometry.lens import to_screen
from anthropose.geometry.mirror import mirrored
from anthropose.methods.base import Progress
from anthropose.methods.rie.clip import place, timeline_of
from anthropose.methods.rie.network import RIENetwork
from anthropose.methods.rie.published import PUBLISHED
from anthropose.methods.video import stretches
from anthropose.motion import Motion
from anthropose.nn.checkpoints import find_weights, load_network
from anthropose.nn.compute import Compute
from anthropose.people.clip import Clip
from anthropose.skeleton import H36M_VP3D_17


@dataclass(frozen=True)
class RIEOptions:
    """How a clip is lifted."""

    flip: bool = True
    """Whether the mirrored keypoints are lifted as well and both results averaged, as in the published evaluation."""
    rate: float | None = None
    """Moments per second that the network is shown, which was trained at 50; None shows it the video's own frames."""


def lift(
    network: RIENetwork,
    keypoints: Float[Tensor, "n j 2"],
    mirror: Sequence[int] | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Float[Tensor, "n j 3"]:
    """The joints of every frame of a track in screen coordinates: camera axes [m], relative to the root.

    Args:
        mirror: for each joint its counterpart on the other side: the mirrored track is then lifted as well, and what
            comes out is mirrored back and averaged with the plain result. None leaves that out.
    """
    if mirror is None:
        return network.over_track(keypoints, progress=progress)
    both = torch.stack([keypoints, mirrored(keypoints, mirror)])
    plain, flipped = network.over_track(both, progress=progress)
    return (plain + mirrored(flipped, mirror)) / 2


class RIE:
    """Lifts a track's keypoints to Human3.6M's 17 joints. There is no body: the motion has joints alone.

    Shan, Lu, Wang, Zhang, Gao, Improving Robustness and Accuracy via Relative Information Encoding in 3D Human Pose
    Estimation, ACM MM 2021; see docs/methods/rie.md.
    """

    name = "rie"

    def __init__(
        self, body: BodyModel, weights: str = "", compute: Compute | None = None, options: RIEOptions | None = None
    ) -> None:
        """Finds the weights; they are read when they are first needed.

        Args:
            body: not used, since the joints have none.
            weights: an installed name or a path; the installed ones of this method when empty.

        Raises:
            UserError: the weights are missing.
        """
        self.compute = compute or Compute()
        self.compute.place()
        self.options = options or RIEOptions()
        self.weights = find_weights(weights, PUBLISHED)

    def settings(self) -> dict[str, Any]:
        """Everything that changes the result, as JSON values."""
        return {"weights": self.weights.sha256, "precision": self.compute.precision, **asdict(self.options)}

    @cached_property
    def network(self) -> RIENetwork:
        """The network with its weights, in eval mode.

        Raises:
            UserError: the weights do not fit, or are for joints other than Human3.6M's.
        """
        network = load_network(self.weights, PUBLISHED)
        assert isinstance(network, RIENetwork)
        if network.config.skeleton is not H36M_VP3D_17:
            raise UserError(
                f"weights {self.weights.name!r} are for {network.config.skeleton.name}, clips need 17 joints"
            )
        return network.to(self.compute.place())

    def reconstruct(self, clip: Clip, progress: Progress = lambda share: None) -> Motion:
        """The motion of the clip's person. Where a gap in the track is as long as a window, its two sides are apart.

        Raises:
            UserError: the track has no keypoints, none that is seen, or not those that are needed.
        """
        track = clip.track
        parts = [
            self._lifted(clip, rows, partial(_report, progress, rows, len(track)))
            for rows in stretches(track.frames, self.network.config.frames)
        ]
        joints = torch.cat(parts)
        joints = joints - joints[:, :1]
        progress(1.0)
        return Motion(
            track=track,
            skeleton=H36M_VP3D_17,
            fps=clip.fps,
            seconds=clip.seconds,
            camera=clip.camera,
            joints=joints,
            translation=place(joints, clip),
            method=self.name,
            weights=self.weights.name,
        )

    def _lifted(self, clip: Clip, rows: slice, progress: Progress) -> Float[Tensor, "n 17 3"]:
        """The joints in the frames of some rows of the track."""
        timeline = timeline_of(clip, rows, self.options.rate)
        mirror = H36M_VP3D_17.mirror if self.options.flip else None
        with self.compute.running() as device:
            seen = to_screen(timeline.pixels, clip.camera.size).to(device)
            joints = lift(self.network, seen, mirror, progress).float().cpu()
        return interpolate(joints, timeline.seconds, clip.seconds[rows])


def _report(progress: Progress, rows: slice, count: int, share: float) -> None:
    """Says how much of `count` rows is done when a share of some of them is."""
    progress((rows.start + share * (rows.stop - rows.start)) / count)
