"""Parallel-Branch's trainings as jobs."""

from functools import partial

from anthropose.datasets.windows import vibe_windows
from anthropose.methods.parallel_branch.network import ParallelBranchConfig, ParallelBranchNetwork
from anthropose.methods.parallel_branch.presets import PRESETS
from anthropose.methods.training import Learning, mocap_small, video_job
from anthropose.nn.lifting import LiftingConfig

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
TRAININGS = {
    **PRESETS,
    "mocap-small": mocap_small(
        PRESETS["final"],
        ParallelBranchConfig(
            features=256,
            hidden=256,
            layers=1,
            regressor_hidden=256,
            lifting=LiftingConfig(joint_width=8, depth=1, heads=4),
        ),
        batch=32,
    ),
}
job = partial(video_job, LEARNING)
"""The training of a preset: `job(name, preset, setting)`."""
