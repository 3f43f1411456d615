"""Motion capture seen through made-up cameras, as what a video method learns from, and is validated on."""

from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.body.results import result_of
from anthropose.datasets.mocap import MocapBatch, MocapSource
from anthropose.datasets.sequence import Batch
from anthropose.errors import UserError
from anthropose.geometry.rotations import rotmat_to_rotvec
from anthropose.jobs import Share
from anthropose.methods.base import Preset
from anthropose.methods.training.figures import rooted_errors
from anthropose.methods.training.setting import Setting, seed_of
from anthropose.motion import BodyPose, Prediction
from anthropose.skeleton import LSP_14

HELD_OUT_SEED = 7_654_321
HELD_OUT_BATCHES, HELD_OUT_SIZE = 8, 32
"""Of the views that a validation looks at."""
FACING = (1.0, -1.0, -1.0)
"""The diagonal of the rotation of somebody upright who faces the camera."""


def mean_pose(rotations: Float[Tensor, "n 24 3 3"]) -> Float[Tensor, "24 3 3"]:
    """The rotations nearest to the mean of many; the root faces the camera."""
    u, _, v = torch.linalg.svd(rotations.mean(0))
    handed = torch.det(u @ v)[:, None, None] * v[:, 2:]
    mean = u @ torch.cat([v[:, :2], handed], dim=1)
    mean[0] = torch.diag(torch.tensor(FACING))
    return mean


class CaptureData:
    """Motion capture as a preset wants it; people of other motions are held out for the validation."""

    def __init__(
        self,
        title: str,
        preset: Preset,
        setting: Setting,
        taught: Literal["all", "middle"],
        labelled: Literal["all", "middle"],
        repeat: int,
    ) -> None:
        """
        Args:
            title: the training's, for messages.
            taught: the frames of a window that have labels in training; `labelled` in the validation.
            repeat: how often the labels of a window stand in a batch.

        Raises:
            UserError: no folder is given, or it holds no motion capture.
        """
        self._preset, self._setting, self._repeat = preset, setting, repeat
        middle = (preset.window // 2,)
        self._taught, self._judged = (None if which == "all" else middle for which in (taught, labelled))
        self._source = MocapSource(folders_of(title, setting), setting.body, preset.mocap)
        self._held_out = self._views(replace(preset.mocap, split="val"))
        self.record: dict[str, Any] = {
            "mocap": [folder.name for folder in setting.mocap],
            "mean_pose": self._errors(self._mean_prediction),
        }
        """What of the data changes the training, as JSON values; and the errors [mm] of the mean pose on the held-out
        views, for comparison."""

    def _views(self, config: Any) -> list[MocapBatch]:
        """The fixed views of a validation."""
        source = MocapSource(self._setting.mocap, self._setting.body, config)
        window = self._preset.window
        return [
            source.batch(HELD_OUT_SEED, step, HELD_OUT_SIZE, window, labelled=self._judged)
            for step in range(HELD_OUT_BATCHES)
        ]

    def batch(self, step: int, share: Share) -> Batch:
        """Windows of a step; their features are what encoders of keypoints see."""
        preset = self._preset
        seen = self._source.batch(
            seed_of(preset), step, preset.batch, preset.window, rows=share.part(preset.batch), labelled=self._taught
        )
        return seen.as_batch(self._repeat)

    def motions(self, step: int, share: Share) -> Float[Tensor, "r t 69"]:
        """Recorded motions for a discriminator, other ones than those of the step's windows."""
        preset = self._preset
        return captured_motions(self._source, seed_of(preset), step, preset.batch, preset.window, share)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Errors [mm] over all frames of the held-out views."""
        device = next(network.parameters()).device
        return self._errors(lambda view: network(view.inputs.to(device)))

    @torch.no_grad()
    def _errors(self, predict: Any) -> dict[str, float]:
        found: list[Tensor] = []
        wanted: list[Tensor] = []
        for view in self._held_out:
            betas = view.betas[:, None].expand(*view.rotations.shape[:2], 10)
            truth = Prediction(BodyPose(view.rotations, betas), view.crop_camera)
            for prediction, joints in ((predict(view), found), (truth, wanted)):
                body = self._setting.body_on(prediction.camera.device)
                joints.append(result_of(prediction, body, LSP_14).joints.reshape(-1, len(LSP_14), 3).cpu())
        return rooted_errors(torch.cat(found), torch.cat(wanted), LSP_14)

    @cached_property
    def _mean(self) -> Prediction:
        """The mean pose, shape and crop camera of what is learned from; the root faces the camera."""
        drawn = [self._source.batch(HELD_OUT_SEED, step, 64, 1) for step in range(8)]
        rotations = mean_pose(torch.cat([one.rotations[:, 0] for one in drawn]))
        betas = torch.cat([one.betas for one in drawn]).mean(0)
        return Prediction(BodyPose(rotations, betas), torch.cat([one.crop_camera[:, 0] for one in drawn]).mean(0))

    def _mean_prediction(self, view: MocapBatch) -> Prediction:
        """The mean pose in every frame of a view, turned and shaped as the truth is."""
        rotations = self._mean.pose.rotations.repeat(*view.rotations.shape[:2], 1, 1, 1)
        rotations[:, :, 0] = view.rotations[:, :, 0]
        betas = view.betas[:, None].expand(*rotations.shape[:2], 10)
        return Prediction(BodyPose(rotations, betas), view.crop_camera)

    def give_mean(self, regressor: nn.Module) -> None:
        """Lets a regressor begin at the mean."""
        mean = self._mean
        values = {
            "mean_pose": mean.pose.rotations[..., :2].flatten(),
            "mean_betas": mean.pose.betas,
            "mean_camera": mean.camera,
        }
        for name, value in values.items():
            regressor.get_buffer(name).copy_(value[None])


def folders_of(title: str, setting: Setting) -> Any:
    """The folders of motion capture.

    Raises:
        UserError: none is given.
    """
    if not setting.mocap:
        raise UserError(f"{title} learns from motion capture; name its folders by --mocap (the CMU one, or AMASS)")
    return setting.mocap


def captured_motions(
    source: MocapSource, seed: int, step: int, size: int, frames: int, share: Share
) -> Float[Tensor, "r t 69"]:
    """Motions of a source as `losses.body_motion` has them; never those of `batch` with the same seed and step."""
    seen = source.batch(seed, step, size, frames, epoch=1, rows=share.part(size))
    return rotmat_to_rotvec(seen.rotations[:, :, 1:]).flatten(-2)
