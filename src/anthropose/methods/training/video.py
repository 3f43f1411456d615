"""The training of a video method: its networks, its data and its loss as a job of one stage."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn

from anthropose.body.model import BodyModel
from anthropose.datasets.sequence import Batch
from anthropose.datasets.windows import Windows
from anthropose.jobs import Adversary, Job, Share, Stage, Terms
from anthropose.methods.base import Preset
from anthropose.methods.keypoint_fed import KeypointFed, KeypointFedConfig
from anthropose.methods.training.captures import CaptureData
from anthropose.methods.training.sets import SetData
from anthropose.methods.training.setting import Setting, seed_of, seeded
from anthropose.methods.training.start import FROM_SCRATCH, start_with_own, start_with_spin
from anthropose.methods.training.weights import publisher
from anthropose.nn.discriminator import MotionDiscriminator


@dataclass(frozen=True)
class Learning:
    """How a video method learns: all in which its training differs from the others'. `Any` is its network."""

    method: str
    network: Callable[[Any], nn.Module]
    """From its configuration."""
    loss: Callable[[Any, Batch, BodyModel, Any], Terms]
    """The terms of a network, a batch, the body and the preset."""
    windows: Callable[[Preset, Sequence[int]], Windows]
    """Those that are drawn, from the lengths of the sequences."""
    validated: Callable[[Preset, Sequence[int]], Windows]
    """Those that the validation looks at."""
    labelled: Literal["all", "middle"] = "all"
    """Which frames of a window a network says something of, when it is validated."""
    taught: Literal["all", "middle"] = "all"
    """Which frames of a window have labels, when it is trained."""
    repeat: int = 1
    """How often the labels of a window stand in a batch."""
    regressor: Callable[[Any], nn.Module] = lambda network: network.regressor
    """The part of a network that begins with SPIN's weights."""
    from_scratch: Callable[[Any], None] = lambda network: None
    """What is done to a network that begins without SPIN's weights."""
    adversarial: Callable[[Any, Batch, BodyModel, Any, MotionDiscriminator, Tensor], tuple[Terms, Terms]] | None = None
    """The terms of a network and of a discriminator, given recorded motions as well, from one pass."""


@dataclass(frozen=True)
class AdversarialBatch:
    """Windows to predict, and recorded motions for the discriminator."""

    windows: Batch
    recorded: Float[Tensor, "r t 69"]


def video_job(learning: Learning, name: str, preset: Preset, setting: Setting) -> Job:
    """The training of a video method.

    Args:
        name: of the preset.

    Raises:
        UserError: what it learns from is missing, or SPIN's weights are wanted and missing.
    """
    title = f"{learning.method} {name}"
    fed = isinstance(preset.network, KeypointFedConfig)
    data = _data(learning, title, preset, setting)
    with seeded(preset):
        network = KeypointFed(preset.network, learning.network) if fed else learning.network(preset.network)
        discriminator = _discriminator(preset)
    inner = network.network if isinstance(network, KeypointFed) else network
    regressor = learning.regressor(inner)
    started = start_with_own(network, setting.start, learning.method)
    started = started or start_with_spin(regressor, setting.start or (FROM_SCRATCH if fed else ""), title)
    if started == FROM_SCRATCH:
        learning.from_scratch(inner)
        if isinstance(data, CaptureData):
            data.give_mean(regressor)
    stage = Stage(
        "video",
        network,
        partial(_loss, learning, preset, setting, network, discriminator),
        partial(_batches, data, preset, discriminator is not None),
        preset.epochs,
        preset.iterations,
        preset.optimizer,
        preset.schedule,
        adversary=None
        if discriminator is None
        else Adversary(discriminator, preset.discriminator_optimizer, preset.schedule),  # type: ignore[attr-defined]
        validate=partial(data.validate, network),
        best="pa_mpjpe",
        first_best=getattr(preset, "first_validated", 0),
        clip_norm=preset.clip_norm,
        ema=preset.ema,
    )
    return Job(
        learning.method,
        name,
        {"preset": preset, "start": started, "body": setting.body.name, **data.record},
        (stage,),
        publisher(learning.method, name, preset.network, "keypoints" if fed else "image"),
        seed_of(preset),
    )


def _data(learning: Learning, title: str, preset: Preset, setting: Setting) -> SetData | CaptureData:
    if preset.mocap is not None:
        return CaptureData(title, preset, setting, learning.taught, learning.labelled, learning.repeat)
    windows, validated = partial(learning.windows, preset), partial(learning.validated, preset)
    return SetData(title, preset, setting, windows, validated, learning.repeat)


def _discriminator(preset: Preset) -> MotionDiscriminator | None:
    config = getattr(preset, "discriminator", None)
    return None if config is None else MotionDiscriminator(config)


def _loss(
    learning: Learning,
    preset: Preset,
    setting: Setting,
    network: nn.Module,
    discriminator: MotionDiscriminator | None,
    batch: Batch | AdversarialBatch,
) -> Terms | tuple[Terms, Terms]:
    windows = batch.windows if isinstance(batch, AdversarialBatch) else batch
    body = setting.body_on(windows.features.device)
    if isinstance(network, KeypointFed):
        windows = replace(windows, features=network.features(windows.features))
        network = network.network
    if discriminator is None:
        return learning.loss(network, windows, body, preset)
    assert isinstance(batch, AdversarialBatch)
    assert learning.adversarial is not None
    return learning.adversarial(network, windows, body, preset, discriminator, batch.recorded)


def _batches(
    data: SetData | CaptureData, preset: Preset, adversarial: bool, epoch: int, share: Share
) -> Iterator[Batch | AdversarialBatch]:
    """The batches of an epoch and of all after it: they go on where those of the epoch before ended."""
    for step in count(epoch * preset.iterations):
        windows = data.batch(step, share)
        yield AdversarialBatch(windows, data.motions(step, share)) if adversarial else windows
