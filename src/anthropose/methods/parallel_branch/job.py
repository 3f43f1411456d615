"""Parallel-Branch's trainings as jobs."""

from functools import partial

from anthropose.datasets.windows import vibe_windows
from anthropose.methods.parallel_branch.network import ParallelBranchNetwork
from anthropose.methods.parallel_branch.presets import PRESETS
from anthropose.methods.training import Learning, video_job

LEARNING = Learning(
    "parallel-branch",
    ParallelBranchNetwork,
    loss=lambda network, batch, body, preset: network.loss(batch, body, preset.losses),
    windows=lambda preset, lengths: vibe_windows(lengths, preset.window, preset.stride),
    validated=lambda preset, lengths: vibe_windows(lengths, preset.window, preset.window),
    adversarial=lambda network, batch, body, preset, discriminator, recorded: network.losses(
        batch, body, discriminator, recorded, preset.losses
    ),
)
TRAININGS = PRESETS
job = partial(video_job, LEARNING)
"""The training of a preset: `job(name, preset, setting)`."""
