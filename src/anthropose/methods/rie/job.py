"""RIE's trainings as jobs: three stages of one method, from the archives of VideoPose3D or from motion capture."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anthropose.datasets.lifting import (
    H36M,
    LiftingBatch,
    LiftingSequence,
    LiftingWindows,
    read_joints,
    read_keypoints,
    sequences_of,
)
from anthropose.datasets.mocap import LIFTING
from anthropose.geometry.mirror import mirror_order
from anthropose.jobs import Job, Share, Stage
from anthropose.methods.rie.captures import RIECaptures
from anthropose.methods.rie.network import RIEConfig, RIENetwork
from anthropose.methods.rie.training import (
    ENCODERS,
    PRESETS,
    Decay,
    RIEPreset,
    loss,
    set_norm_momentum,
    set_training,
    take_over,
)
from anthropose.methods.training import Setting, publisher, seed_of, seeded
from anthropose.methods.training.figures import errors_of
from anthropose.methods.training.sets import find_sets
from anthropose.methods.training.small import SMALL

TRAINING_SUBJECTS = ("S1", "S5", "S6", "S7", "S8")
TEST_SUBJECTS = ("S9", "S11")
SHUFFLED = 1234
"""The seed of the order in which every stage takes the windows, as published."""


@dataclass(frozen=True)
class Falling:
    """A learning rate that is multiplied by `factor` after every epoch."""

    initial: float
    factor: float

    def __call__(self, epoch: int) -> float:
        """The rate in an epoch, counted from 0."""
        return self.initial * self.factor**epoch


def job(name: str, stages: tuple[RIEPreset, ...], setting: Setting) -> Job:
    """The training of RIE in its stages.

    Args:
        name: of the training.
        stages: one preset for each, of which each takes over what the one before it has learned.

    Raises:
        UserError: what it learns from is missing.
    """
    data = _data(name, stages[0], setting)
    return Job(
        "rie",
        name,
        {"stages": stages, **data.record},
        tuple(_stage(preset, data) for preset in stages),
        publisher("rie", name, stages[-1].network, "keypoints"),
        seed_of(stages[0]),
    )


def _data(name: str, preset: RIEPreset, setting: Setting) -> "LiftingData | RIECaptures":
    if preset.mocap is not None:
        return RIECaptures(f"rie {name}", preset, setting)
    return LiftingData(find_sets(f"rie {name}", dict(preset.files), setting.data), preset)


def _stage(preset: RIEPreset, data: "LiftingData | RIECaptures") -> Stage:
    with seeded(preset):
        network = RIENetwork(preset.network)
    decay = preset.schedule

    def begin_epoch(epoch: int) -> None:
        set_training(network, preset.frozen_encoders, really=preset.still_encoders)
        set_norm_momentum(network, decay.norm_momentum(epoch, preset.epochs))

    def start(best: Mapping[str, Tensor]) -> int:
        return take_over(network, best, preset.takes)

    return Stage(
        preset.stage,
        network,
        partial(loss, network),
        partial(data.batches, preset),
        preset.epochs,
        preset.iterations or None,
        preset.optimizer,
        Falling(preset.optimizer.learning_rate, decay.factor),
        trained=partial(_is_trained, preset.frozen_encoders),
        start=start,
        begin_epoch=begin_epoch,
        validate=partial(data.validate, network),
        best="mpjpe",
    )


def _is_trained(frozen_encoders: bool, name: str) -> bool:
    return not (frozen_encoders and name.startswith(ENCODERS))


class LiftingData:
    """Human3.6M's archives: the windows of five subjects to learn from, the sequences of two to be validated on."""

    def __init__(self, files: Mapping[str, Path], preset: RIEPreset) -> None:
        """
        Raises:
            UserError: a file is damaged, or lacks a subject.
        """
        joints, keypoints = read_joints(files["joints"]), read_keypoints(files["keypoints"])
        training = sequences_of(H36M, joints, keypoints, TRAINING_SUBJECTS)
        self._test = sequences_of(H36M, joints, keypoints, TEST_SUBJECTS)
        mirror = mirror_order(keypoints.left, keypoints.right, training[0].keypoints.shape[1])
        self.windows = LiftingWindows(
            [one.keypoints for one in training],
            [_with_trajectory(one) for one in training],
            (mirror, H36M.skeleton.mirror),
            preset.network.reach,
            seed=SHUFFLED,
        )
        self._orders = Orders(len(self.windows))
        sequences = {"training": len(training), "validation": len(self._test)}
        self.record: dict[str, Any] = {
            "sets": {key: path.name for key, path in files.items()},
            "sequences": sequences,
            "windows": len(self.windows),
        }

    def batches(self, preset: RIEPreset, epoch: int, share: Share) -> Iterator[LiftingBatch]:
        """All windows once, in the order of the epoch.

        A last batch that leaves a process with a single window is left out: batch norms cannot work on one, and the
        published loop ends there with an error.
        """
        for rows in self._orders.of(epoch).split(preset.batch):
            if len(rows) >= 2 * share.processes:
                yield self.windows.gather(share.of(rows))

    def validate(self, network: RIENetwork) -> dict[str, float]:
        """Errors [mm] over all frames of the test subjects, of all 17 joints; mirrored copies are not looked at."""
        device = next(network.parameters()).device
        found = [network.over_track(one.keypoints.to(device)).cpu() for one in self._test]
        return errors_of(torch.cat(found), torch.cat([one.joints for one in self._test]))


def _with_trajectory(sequence: LiftingSequence) -> Float[Tensor, "n j 3"]:
    """The joints as the published arrays hold them, with the root's place in place of zero."""
    return torch.cat([sequence.trajectory[:, None], sequence.joints[:, 1:]], dim=1)


class Orders:
    """The order in which each epoch takes so many windows: the published shuffler's, whichever epoch is asked for."""

    def __init__(self, windows: int, seed: int = SHUFFLED) -> None:
        self._windows, self._seed = windows, seed
        self._restart()

    def _restart(self) -> None:
        self._shuffler, self._next = np.random.RandomState(self._seed), 0

    def of(self, epoch: int) -> Int[Tensor, "w"]:
        """The order of an epoch, counted from 0."""
        if epoch < self._next:
            self._restart()
        while self._next <= epoch:
            order = self._shuffler.permutation(self._windows)
            self._next += 1
        return torch.from_numpy(order)


def _trainings() -> dict[str, tuple[RIEPreset, ...]]:
    """The three stages of each published training, with the later and with the first README's third."""
    found = {}
    for last in [name for name in PRESETS if "-stage3" in name]:
        base = last.partition("-stage3")[0]
        stages = f"{base}-stage1", f"{base}-stage2", last
        found[base + last.partition("-stage3")[2]] = tuple(PRESETS[stage] for stage in stages)
    return found


FILLED = replace(LIFTING.noise, missing=0.0, hidden=0.0, withheld=0.0)
"""Of keypoints that are all there, since a clip's gaps are filled before RIE sees it."""


def _small(number: int, epochs: int, **changes: Any) -> RIEPreset:
    """A stage of the small training."""
    settings: dict[str, Any] = {
        "stands_for": f"{SMALL}; stage {number}",
        # Views are new in every epoch, so nothing is learned by heart and dropout would only slow things down.
        "network": RIEConfig(number > 1, (3, 3, 3), channels=64, latent=64, hidden=256, dropout=0.0, dense_dropout=0.0),
        "sets_3d": ("mocap",),
        "validation": "mocap",
        "files": (),
        "window": 27,
        "epochs": epochs,
        "batch": 256,
        "schedule": Decay(0.85),
        "seed": 0,
        "mocap": replace(LIFTING, noise=FILLED),
        "sequences": 640,
        "sequence": 20,
    }
    return replace(PRESETS[f"gt-27-stage{number}"], **{**settings, **changes})


def _long(number: int, epochs: int, falling: float) -> RIEPreset:
    """A stage of the training that makes the weights that come along."""
    sizes = {"channels": 128, "latent": 128, "hidden": 512, "dropout": 0.0, "dense_dropout": 0.0}
    return _small(
        number,
        epochs,
        network=RIEConfig(number > 1, (3, 3, 3), **sizes),  # type: ignore[arg-type]
        schedule=Decay(falling),
        mocap=replace(LIFTING, kinds=(("mediapipe-33", 0.75), ("coco-17", 0.25)), noise=FILLED),
        # Long enough for most windows to lie within; few windows of each, since neighbours are much alike.
        sequences=640,
        sequence=96,
        windows=25_600,
    )


TRAININGS = {
    **_trainings(),
    "mocap-small": (_small(1, 6), _small(2, 4), _small(3, 8)),
    "mocap": (_long(1, 15, 0.88), _long(2, 8, 0.85), _long(3, 90, 0.965)),
}
