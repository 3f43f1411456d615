"""DynaBOA on a clip: what is seen in the track's order, adapted to before it is predicted.

With a BaseModel that is crops, frame by frame, as published. With weights that are fed with keypoints it is windows of
keypoints, and no pictures are needed.
"""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.body.prior import GaussianMixturePrior
from anthropose.errors import UserError
from anthropose.methods.base import Progress, joined
from anthropose.methods.dynaboa.adaptable import adaptable_layouts, find_adaptable
from anthropose.methods.dynaboa.adaptation import Adaptation, Adapted
from anthropose.methods.dynaboa.config import CLIP, KEYPOINTS, AdaptationConfig, WindowConfig, preset_named
from anthropose.methods.dynaboa.exemplars import ExemplarBank
from anthropose.methods.dynaboa.preprocessing import (
    ROWS,
    Rows,
    Window,
    crop,
    exact_keypoints,
    nearest_window,
    normalised,
    spin_49,
)
from anthropose.methods.dynaboa.tracks import adapted_track
from anthropose.methods.dynaboa.window_exemplars import SHIPPED, WindowBank
from anthropose.methods.dynaboa.windows import WindowAdaptation
from anthropose.methods.video import FeatureMethod, keypoints_of, motion_of, on_cpu, stretches
from anthropose.motion import Motion
from anthropose.nn.checkpoints import load_network
from anthropose.nn.compute import Compute
from anthropose.people.clip import Clip
from anthropose.skeleton import SPIN_49, Skeleton

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DynaBOAOptions:
    """How DynaBOA runs over clips."""

    adaptation: AdaptationConfig = CLIP
    """With a BaseModel."""
    windows: WindowConfig = KEYPOINTS
    """With weights that are fed with keypoints."""
    rows: Rows | Literal["auto"] = "auto"
    """The part of SPIN-49 that keypoints are compared in; auto takes OpenPose's for OpenPose's keypoints, all where
    there are feet, and otherwise the labelled ones, as published for AlphaPose."""
    exemplars: Path | None = None
    """A file of ExemplarBank, or of WindowBank for weights that are fed with keypoints; where it is given, both levels
    use it. The latter take the bank that comes along, where none is given and their settings want one."""
    prior: Path | None = None
    """SMPLify's own gmm_08.pkl in place of the prior that is shipped."""
    crop_scale: float = 1.0
    """How much larger than the person's box the crops are."""
    reset: Literal["track", "video", "never"] = "track"
    """What begins anew: "track": everything, for each track; "video": everything for each video, and what motion is
    measured from for each track; "never": nothing, as in the published benchmark, whose people are one stream."""


@dataclass(frozen=True)
class Report:
    """What the adaptation to a clip did."""

    frames: int
    """Frames adapted to; windows of them, for weights that are fed with keypoints."""
    updates: int
    """Of the weights, in all frames together."""
    undone: int
    """Frames whose updates made matters worse and were taken back."""
    blind: int
    """Frames without a keypoint to adapt to."""
    restarted: int = 0
    """How often the weights had drifted too far, and adaptation began anew."""


class DynaBOA:
    """A network that adapts to the video it is given: a BaseModel, frame by frame, or one of those that are fed with
    keypoints, window by window.

    The latter is taken where `weights` says so, or where these are left to choose and no BaseModel is installed.
    """

    name = "dynaboa"

    def __init__(
        self,
        body: BodyModel,
        weights: str = "",
        compute: Compute | None = None,
        options: DynaBOAOptions | None = None,
        preset: str = "",
        exemplars: Path | None = None,
    ) -> None:
        """
        Args:
            weights: an installed name or a path.
            preset: one of PRESETS, in place of the settings in `options`.
            exemplars: in place of those in `options`.

        Raises:
            UserError: weights are missing, there is no such preset, the settings want exemplars and there are none, or
                half precision is asked for.
        """
        self.body, self.compute = body, compute or Compute()
        self.options = _chosen(options or DynaBOAOptions(), preset, exemplars)
        self.compute.place()
        if self.compute.precision != "float32":
            raise UserError(f"dynaboa learns as it runs, in float32; leave --precision {self.compute.precision} away")
        self.weights = find_adaptable(weights)
        self.prior = GaussianMixturePrior.load(self.options.prior)
        self.bank = self._bank()
        self.config = self._config()
        self.report = Report(0, 0, 0, 0)
        self._going_on: Adaptation | WindowAdaptation | None = None
        self._video: object = None

    @property
    def sees_keypoints(self) -> bool:
        """Whether the network is fed with keypoints; otherwise it looks at crops."""
        return self.weights.front_end == "keypoints"

    def _bank(self) -> ExemplarBank | WindowBank | None:
        given = self.options.exemplars
        if not self.sees_keypoints:
            return None if given is None else ExemplarBank.load(given)
        wanted = self.options.windows.lower.labelled or self.options.windows.upper.labelled
        if given is None and not wanted:
            return None
        return WindowBank.load(given or SHIPPED)

    def _config(self) -> AdaptationConfig | WindowConfig:
        config = self.options.windows if self.sees_keypoints else self.options.adaptation
        if self.options.exemplars is not None:
            lower, upper = (replace(level, labelled=True) for level in (config.lower, config.upper))
            return replace(config, lower=lower, upper=upper)
        if self.bank is None and (config.lower.labelled or config.upper.labelled):
            raise UserError(
                "this adaptation wants exemplars; give a bank of them with --exemplars (`anthropose exemplars` makes "
                "one), or take a preset without: web-camera, web-camera-plain or clip"
            )
        return config

    def settings(self) -> dict[str, Any]:
        """Everything that changes the result, as JSON values: equal settings give equal motions."""
        files = (self.options.exemplars, self.options.prior)
        return {
            "weights": self.weights.sha256,
            "front_end": self.weights.front_end,
            "options": asdict(replace(self.options, exemplars=None, prior=None)),
            "files": [[str(path), path.stat().st_size, path.stat().st_mtime_ns] if path else None for path in files],
        }

    @cached_property
    def _network(self) -> Any:
        return load_network(self.weights, adaptable_layouts()).to(self.compute.place())

    def reconstruct(self, clip: Clip, progress: Progress = lambda share: None) -> Motion:
        """The motion of the clip's person; `report` then says how the adaptation went.

        Raises:
            UserError: the clip has no pictures, or its track no keypoints to adapt to.
        """
        if self.sees_keypoints:
            return self._over_windows(clip, progress)
        keypoints, rows = self._evidence(clip)
        found: list[Adapted] = []
        squares: list[tuple[float, float, float]] = []
        with _learning():
            adaptation = self._adaptation_for(clip, rows)
            assert isinstance(adaptation, Adaptation)
            for (image, window), one in zip(self._crops(clip), keypoints, strict=True):
                adapted = adaptation.adapt(image[None], exact_keypoints(one, window)[None])
                found.append(replace(adapted, prediction=on_cpu(adapted.prediction)))
                squares.append(window.square)
                progress(len(found) / len(clip.track))
        self.report = _report(found)
        self._warn(clip)
        prediction = joined([adapted.prediction for adapted in found])
        return motion_of(prediction, clip, torch.tensor(squares), self.body, self.name, self.weights.name)

    def _over_windows(self, clip: Clip, progress: Progress) -> Motion:
        """The same by a network that sees keypoints; the parts of a track between long gaps are one stream."""
        inputs, squares = keypoints_of(clip, self._network.config.front_end.skeleton, self.weights.name)
        parts, found = [], list[Adapted]()
        focal = clip.camera.focal / math.hypot(*clip.camera.size)
        with _learning():
            adaptation = self._adaptation_for(clip, "all")
            assert isinstance(adaptation, WindowAdaptation)
            for part in stretches(clip.track.frames, self._window):
                told = partial(_told, progress, part.start / len(inputs), part.stop / len(inputs))
                prediction, windows = adapted_track(
                    adaptation, inputs[part], self._window, focal, clip.fps, self._pace(clip.fps), told
                )
                parts.append(prediction)
                found += windows
        self.report = _report(found)
        self._warn(clip)
        return motion_of(joined(parts), clip, squares, self.body, self.name, self.weights.name)

    @property
    def _window(self) -> int:
        """Frames of a window."""
        return getattr(self._network.network.config, "window", FeatureMethod.window)

    def _pace(self, fps: float) -> int:
        """How many frames of a clip those of a window are apart."""
        rate = getattr(self._network.network.config, "rate", None)
        return max(1, round(fps / rate)) if rate else 1

    def _evidence(self, clip: Clip) -> tuple[Float[Tensor, "n 49 3"], Rows]:
        """The track's keypoints as SPIN-49 [px], without those that the body does not have, and which rows count."""
        track = clip.track
        if track.keypoints is None or track.skeleton is None:
            raise UserError(
                "dynaboa adapts to keypoints and this track has boxes only; use a detector or a file that gives "
                "keypoints"
            )
        if clip.video is None:
            raise UserError("dynaboa looks at pixels; give the video, not keypoints alone")
        keypoints = spin_49(track.keypoints.float(), track.skeleton)
        there = self.body.points(SPIN_49).valid.float().cpu()
        confidence = keypoints[..., 2].clamp(0, 1) * there
        rows = rows_for(track.skeleton) if self.options.rows == "auto" else self.options.rows
        if not bool((confidence[:, ROWS[rows]] > 0).any()):
            raise UserError(
                f"person {track.person}: no keypoint of {track.skeleton.name} that dynaboa could adapt to is seen in "
                "any frame; leave them out"
            )
        return torch.cat([keypoints[..., :2], confidence[..., None]], dim=-1), rows

    def _adaptation_for(self, clip: Clip, rows: Rows) -> Adaptation | WindowAdaptation:
        """The adaptation that goes on with this clip, as the policy has it."""
        video = clip.video.source if clip.video is not None else None
        going_on, policy = self._going_on, self.options.reset
        other = policy == "track" or (policy == "video" and video != self._video)
        if going_on is None or other or (isinstance(going_on, Adaptation) and going_on.config.rows != rows):
            going_on = self._new_adaptation(rows)
        elif policy == "video":
            going_on.forget_frames()
        self._going_on, self._video = going_on, video
        return going_on

    def _new_adaptation(self, rows: Rows) -> Adaptation | WindowAdaptation:
        body, config = self.body.to(self.compute.place()), self.config
        if isinstance(config, WindowConfig):
            skeleton = self._network.config.front_end.skeleton
            windows = self.bank.retrieval_for(self._network, skeleton) if isinstance(self.bank, WindowBank) else None
            return WindowAdaptation(self._network, skeleton, body, self.prior, config, windows)
        exemplars = self.bank.retrieval() if isinstance(self.bank, ExemplarBank) else None
        return Adaptation(self._network, body, self.prior, replace(config, rows=rows), exemplars)

    def _crops(self, clip: Clip) -> Iterator[tuple[Float[Tensor, "3 s s"], Window]]:
        """The normalised crop of each frame of the track, and what was cropped; decoded as they are asked for."""
        assert clip.video is not None
        squares = (clip.squares * torch.tensor([1.0, 1.0, self.options.crop_scale])).tolist()
        wanted = dict(zip(clip.track.frames.tolist(), squares, strict=True))
        start, stop = min(wanted), max(wanted) + 1
        for frame, image in enumerate(clip.video.frames(start, stop), start):
            if frame in wanted:
                window = nearest_window(tuple(wanted[frame]))
                yield normalised(crop(image, window)), window

    def _warn(self, clip: Clip) -> None:
        report, person, what = self.report, clip.track.person, "windows" if self.sees_keypoints else "frames"
        if report.undone:
            log.warning("person %d: the updates of %d %s were taken back", person, report.undone, what)
        if report.restarted:
            log.warning("person %d: the adaptation drifted off and began anew %d times", person, report.restarted)
        if report.blind:
            log.warning("person %d: nothing to adapt to in %d of %d %s", person, report.blind, report.frames, what)


def _chosen(options: DynaBOAOptions, preset: str, exemplars: Path | None) -> DynaBOAOptions:
    """The options with a preset by name and with exemplars, where these are given."""
    if preset:
        adaptation, windows = preset_named(preset)
        options = replace(options, adaptation=adaptation, windows=windows)
    return options if exemplars is None else replace(options, exemplars=exemplars)


def rows_for(skeleton: Skeleton) -> Rows:
    """The part of SPIN-49 that a detector's joints say most about."""
    if any(name.startswith("op_") for name in skeleton.joints):
        return "openpose"
    return "all" if "left_heel" in skeleton.joints else "labelled"


def _told(progress: Progress, begun: float, ended: float, share: float) -> None:
    """Tells the progress of a part of the work."""
    progress(begun + (ended - begun) * share)


def _report(found: list[Adapted]) -> Report:
    return Report(
        frames=len(found),
        updates=sum(adapted.updates for adapted in found),
        undone=sum(adapted.undone for adapted in found),
        restarted=sum(adapted.restarted for adapted in found),
        blind=sum(adapted.blind for adapted in found),
    )


@contextmanager
def _learning() -> Iterator[None]:
    """Gradients, whatever the caller has; on a GPU without TF32, whose short mantissa moves the updates."""
    exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    with torch.inference_mode(False), torch.enable_grad(), exact:
        yield
