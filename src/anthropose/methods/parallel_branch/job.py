"""Parallel-Branch's trainings as jobs."""

from dataclasses import replace
from functools import partial

from anthropose.datasets.windows import vibe_windows
from anthropose.methods.parallel_branch.coupled import CoupledConfig, CoupledLosses, CoupledNetwork
from anthropose.methods.parallel_branch.network import ParallelBranchConfig, ParallelBranchNetwork
from anthropose.methods.parallel_branch.presets import PRESETS
from anthropose.methods.training import Learning, mocap_small, video_job
from anthropose.methods.training.small import LONG, SHIPPED, Cosine
from anthropose.nn.lifting import LiftingConfig

LEARNING = Learning(
    "parallel-branch",
    lambda config: _network(config),
    loss=lambda network, batch, body, preset: network.loss(batch, body, preset.losses),
    windows=lambda preset, lengths: vibe_windows(lengths, preset.window, preset.stride),
    validated=lambda preset, lengths: vibe_windows(lengths, preset.window, preset.window),
    adversarial=lambda network, batch, body, preset, discriminator, recorded: network.losses(
        batch, body, discriminator, recorded, preset.losses
    ),
)
LONGER = {**LONG, "epochs": 150, "schedule": Cosine(150, 4e-4)}
"""Of the training that makes the default weights, and of the published form beside it, for comparison."""
WIDE = CoupledConfig(
    features=512,
    heads=8,
    regressor_hidden=512,
    lifting=LiftingConfig(joints=33, joint_width=16, depth=1, heads=8, joint_heads=2, drop_path=0.0),
    rate=10.0,
)
"""Twice as wide in everything: what `runs/grow.py` makes of a trained one."""
SPARSE = replace(SHIPPED, rate=10.0)
"""Ten frames a second: a window of 16 then spans a second and a half, and its frames tell more."""
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
    "mocap-coupled": mocap_small(
        PRESETS["final"],
        CoupledConfig(rate=SPARSE.rate),
        losses=CoupledLosses(),
        **{**LONGER, "mocap": SPARSE},
    ),
    "mocap-wide": mocap_small(
        PRESETS["final"],
        WIDE,
        WIDE.features,
        losses=CoupledLosses(),
        **{**LONG, "epochs": 85, "schedule": Cosine(85, 1.5e-4, warmup=1), "mocap": SPARSE},
    ),
    "mocap-apart": mocap_small(
        PRESETS["final"],
        ParallelBranchConfig(
            encoder="transformer",
            features=256,
            hidden=256,
            regressor_hidden=256,
            lifting=LiftingConfig(joint_width=8, depth=1, heads=4, joint_heads=1, drop_path=0.0),
        ),
        **LONGER,
    ),
}


def _network(config: ParallelBranchConfig | CoupledConfig) -> ParallelBranchNetwork | CoupledNetwork:
    return CoupledNetwork(config) if isinstance(config, CoupledConfig) else ParallelBranchNetwork(config)


job = partial(video_job, LEARNING)
"""The training of a preset: `job(name, preset, setting)`."""
