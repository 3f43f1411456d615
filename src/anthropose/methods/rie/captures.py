"""Motion capture as what RIE learns from: new people and cameras in every epoch, others held out."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.datasets.lifting import LiftingBatch
from anthropose.datasets.mocap import MocapBatch, MocapSource
from anthropose.jobs import Share
from anthropose.methods.rie.network import RIENetwork
from anthropose.methods.rie.training import RIEPreset, rooted
from anthropose.methods.training import Setting, seed_of
from anthropose.methods.training.captures import HELD_OUT_BATCHES, HELD_OUT_SEED, folders_of
from anthropose.methods.training.figures import errors_of

HELD_OUT_SEQUENCES, HELD_OUT_FRAMES = 16, 64
"""Of each of the batches that a validation looks at."""


class RIECaptures:
    """Sequences of keypoints, of which no window is drawn twice in an epoch."""

    def __init__(self, title: str, preset: RIEPreset, setting: Setting) -> None:
        """
        Args:
            title: the training's, for messages.

        Raises:
            UserError: no folder is given, or it holds no motion capture.
        """
        folders = folders_of(title, setting)
        self._source = MocapSource(folders, setting.body, preset.mocap)
        held_out = MocapSource(folders, setting.body, replace(preset.mocap, split="val"))
        self._held_out = [
            held_out.batch(HELD_OUT_SEED, step, HELD_OUT_SEQUENCES, HELD_OUT_FRAMES) for step in range(HELD_OUT_BATCHES)
        ]
        self._seed = seed_of(preset)
        self.record: dict[str, Any] = {
            "mocap": [folder.name for folder in setting.mocap],
            "mean_pose": self._errors([self._mean_pose(view) for view in self._held_out]),
        }

    def batches(self, preset: RIEPreset, epoch: int, share: Share) -> Iterator[LiftingBatch]:
        """The windows of this epoch's sequences, or as many as the preset wants of them, once, in a shuffled order."""
        stage = {"stage1": 0, "stage2": 1, "stage3": 2}[preset.stage]
        windows = self._source.lifting_windows(
            self._seed + stage, epoch, preset.sequences, preset.sequence, preset.network.reach, flipped=False
        )
        for rows in windows.order()[: preset.windows or None].split(preset.batch):
            if len(rows) >= 2 * share.processes:
                yield windows.gather(share.of(rows))

    def validate(self, network: RIENetwork) -> dict[str, float]:
        """Errors [mm] over all frames of the held-out sequences."""
        device = next(network.parameters()).device
        return self._errors([network.over_track(view.as_lifting().keypoints.to(device)) for view in self._held_out])

    def _errors(self, found: list[Float[Tensor, "f n 17 3"]]) -> dict[str, float]:
        wanted = torch.cat([rooted(view.as_lifting().joints.flatten(0, 1)) for view in self._held_out])
        return errors_of(torch.cat(found).flatten(0, 1).cpu(), wanted)

    def _mean_pose(self, view: MocapBatch) -> Float[Tensor, "f n 17 3"]:
        """The mean pose of what is learned from, in every frame of a view, turned as the truth is."""
        drawn = self._source.batch(HELD_OUT_SEED, 0, 512, 1)
        relative = drawn.joints - drawn.joints[..., :1, :]
        mean = (relative @ drawn.rotations[:, :, 0]).mean((0, 1))
        return mean @ view.rotations[:, :, 0].transpose(-1, -2)
