"""GLoT's trainings as jobs."""

from dataclasses import replace

from anthropose.datasets.windows import tcmr_windows, vibe_windows
from anthropose.jobs import Job
from anthropose.methods.glot.network import GLoTNetwork
from anthropose.methods.glot.published import PRESETS, GLoTPreset
from anthropose.methods.training import Learning, Setting, video_job

LEARNING = Learning(
    "glot",
    GLoTNetwork,
    loss=lambda network, batch, body, preset: network.loss(batch, body, preset.losses),
    windows=lambda preset, lengths: vibe_windows(lengths, preset.window, preset.stride),
    validated=lambda preset, lengths: tcmr_windows(lengths, preset.window, training=False),
    labelled="middle",
    regressor=lambda network: network.whole.regressor,
)
TRAININGS = PRESETS


def job(name: str, preset: GLoTPreset, setting: Setting) -> Job:
    """The training of a preset. Its schedule fits its epochs and its rate, which may have been changed.

    Raises:
        UserError: what it learns from is missing.
    """
    rate, schedule = preset.optimizer.learning_rate, preset.schedule
    warmup = min(schedule.warmup, preset.epochs - 1)
    schedule = replace(schedule, epochs=preset.epochs, warmup=warmup, lowest=rate / 10, highest=rate)
    return video_job(LEARNING, name, replace(preset, schedule=schedule), setting)
