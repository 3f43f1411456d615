"""Parallel-Branch's trainings as jobs."""

from functools import partial

from anthropose.datasets.windows import vibe_windows
from anthropose.jobs import Optimizer
from anthropose.methods.parallel_branch.coupled import CoupledConfig, CoupledLosses, CoupledNetwork
from anthropose.methods.parallel_branch.method import ParallelBranch
from anthropose.methods.parallel_branch.network import ParallelBranchConfig, ParallelBranchNetwork
from anthropose.methods.parallel_branch.presets import PRESETS
from anthropose.methods.training import Learning, mocap_small, video_job
from anthropose.methods.training.small import Cosine
from anthropose.nn.lifting import LiftingConfig

LEARNING = Learning(
    "parallel-branch",
    lambda config: _network(config),
    layouts=ParallelBranch.layouts,
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
    "coupled": mocap_small(
        PRESETS["final"],
        CoupledConfig(),
        losses=CoupledLosses(),
        epochs=80,
        optimizer=Optimizer(1e-3, weight_decay=0.01, kind="adamw"),
        schedule=Cosine(80, 1e-3, warmup=2),
        ema=0.995,
    ),
}


def _network(config: ParallelBranchConfig | CoupledConfig) -> ParallelBranchNetwork | CoupledNetwork:
    return CoupledNetwork(config) if isinstance(config, CoupledConfig) else ParallelBranchNetwork(config)


job = partial(video_job, LEARNING)
"""The training of a preset: `job(name, preset, setting)`."""
