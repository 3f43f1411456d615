"""GLoT's trainings as jobs."""

from dataclasses import replace

import torch

from anthropose.datasets.windows import tcmr_windows, vibe_windows
from anthropose.jobs import Job
from anthropose.methods.glot.config import GLoTConfig
from anthropose.methods.glot.network import GLoTNetwork
from anthropose.methods.glot.published import PRESETS, GLoTPreset, WarmupCosine
from anthropose.methods.training import LONG, Learning, Setting, mocap_small, video_job

SMALLER = 0.01
"""What the last layers of fresh regressors are multiplied with, so that guesses begin at the mean body: their published
start goes with SPIN's weights, which are that small."""


@torch.no_grad()
def begin_small(network: GLoTNetwork) -> None:
    """Lets both regressors begin with small corrections."""
    ours, theirs = network.regressor, network.whole.regressor
    for layer in (theirs.to_pose, theirs.to_betas, theirs.to_camera, ours.to_betas, ours.to_camera, *ours.limbs.joints):
        layer.weight *= SMALLER


LEARNING = Learning(
    "glot",
    GLoTNetwork,
    loss=lambda network, batch, body, preset: network.loss(batch, body, preset.losses),
    windows=lambda preset, lengths: vibe_windows(lengths, preset.window, preset.stride),
    validated=lambda preset, lengths: tcmr_windows(lengths, preset.window, training=False),
    labelled="middle",
    regressor=lambda network: network.whole.regressor,
    from_scratch=begin_small,
)
TRAININGS = {
    **PRESETS,
    "mocap-small": mocap_small(
        PRESETS["table1-3dpw"],
        GLoTConfig(
            features=256,
            width=128,
            heads=4,
            token_hidden=(64, 128),
            local_width=64,
            local_heads=4,
            cross_heads=4,
            local_depth=1,
            depth=1,
            regressor_hidden=128,
        ),
        schedule=WarmupCosine(epochs=10, warmup=1),
        first_validated=0,
    ),
    "mocap": mocap_small(
        PRESETS["table1-3dpw"],
        GLoTConfig(
            features=256,
            width=192,
            heads=4,
            token_hidden=(96, 192),
            local_width=96,
            local_heads=4,
            cross_heads=4,
            local_depth=1,
            depth=2,
            regressor_hidden=192,
        ),
        **{**LONG, "schedule": WarmupCosine(epochs=60, warmup=1)},
        first_validated=0,
    ),
}


def job(name: str, preset: GLoTPreset, setting: Setting) -> Job:
    """The training of a preset. Its schedule fits its epochs and its rate, which may have been changed.

    Raises:
        UserError: what it learns from is missing.
    """
    rate, schedule = preset.optimizer.learning_rate, preset.schedule
    warmup = min(schedule.warmup, preset.epochs - 1)
    schedule = replace(schedule, epochs=preset.epochs, warmup=warmup, lowest=rate / 10, highest=rate)
    return video_job(LEARNING, name, replace(preset, schedule=schedule), setting)
