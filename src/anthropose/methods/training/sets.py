"""Prepared and published sets as what a video method learns from, and is validated on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.body.model import BodyModel
from anthropose.body.results import result_of
from anthropose.datasets.items import Targets, WindowSet
from anthropose.datasets.mixing import Mixture
from anthropose.datasets.mocap import MocapSource
from anthropose.datasets.motions import RecordedMotions, read_motions
from anthropose.datasets.prepared import open_set
from anthropose.datasets.prepared.names import ARCHIVES, STAND_INS, SetName
from anthropose.datasets.sequence import Batch
from anthropose.datasets.windows import Windows
from anthropose.errors import UserError
from anthropose.jobs import Share
from anthropose.methods.base import Preset
from anthropose.methods.training.captures import captured_motions
from anthropose.methods.training.figures import rooted_errors
from anthropose.methods.training.setting import Setting, seed_of
from anthropose.skeleton import LSP_14

VALIDATION = "validation"
"""The key of the validation's file in a preset's."""


class SetData:
    """The sets of a published preset."""

    def __init__(
        self,
        title: str,
        preset: Preset,
        setting: Setting,
        windows: Callable[[Sequence[int]], Windows],
        validated: Callable[[Sequence[int]], Windows],
        repeat: int,
    ) -> None:
        """
        Args:
            title: the training's, for messages.
            windows: those that are drawn; `validated` those that the validation looks at.
            repeat: how often the labels of a window stand in a batch.

        Raises:
            UserError: a set is missing, has no features, or not one window.
        """
        self._preset, self._setting = preset, setting
        motions = getattr(preset, "motions", "")
        optional = (motions,) if setting.mocap else ()
        files = find_sets(title, dict(preset.files), setting.data, optional)
        targets = Targets(repeat=repeat, half=True)
        opened = {
            key: window_set(files[key], key in preset.bodies_from, windows, targets)
            for key in (*preset.sets_2d, *preset.sets_3d)
        }
        sets_2d, sets_3d = ([opened[key] for key in keys] for keys in (preset.sets_2d, preset.sets_3d))
        self._mixture = Mixture(sets_2d, sets_3d, preset.batch_2d, preset.batch_3d, seed_of(preset))
        self._validation = window_set(files[VALIDATION], True, validated, Targets(LSP_14, half=True))
        self._motions = self._recorded(files.get(motions)) if getattr(preset, "discriminator", None) else None
        self.record = {
            "sets": {key: path.name for key, path in files.items()},
            "windows": {key: len(part) for key, part in {**opened, VALIDATION: self._validation}.items()},
        }
        """What of the data changes the training, as JSON values."""

    def batch(self, step: int, share: Share) -> Batch:
        """Windows of a step."""
        return self._mixture.batch(step, share.of)

    def motions(self, step: int, share: Share) -> Float[Tensor, "r t 69"]:
        """Recorded motions for a discriminator."""
        assert self._motions is not None
        return self._motions(step, share)

    def _recorded(self, path: Path | None) -> Callable[[int, Share], Float[Tensor, "r t 69"]]:
        """Recorded motions of a set, or where there is none, of motion capture."""
        preset = self._preset
        size = getattr(preset, "motion_batch", preset.batch)
        if path is not None:
            recorded = RecordedMotions(read_motions(path), preset.window, size, seed_of(preset))
            return lambda step, share: recorded.batch(step, share.of)
        source = MocapSource(self._setting.mocap, self._setting.body)
        return lambda step, share: captured_motions(source, seed_of(preset), step, size, preset.window, share)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Errors [mm] over all frames of the validation together, as published: MPJPE, and after alignment."""
        return validated(network, self._validation, self._setting.body_on, self._preset.batch)


def find_sets(
    title: str, files: Mapping[str, str], folder: Path | None, optional: Sequence[str] = ()
) -> dict[str, Path]:
    """Where the sets of a preset are: set -> its published file, or the prepared set in its place.

    For `3dpw_train_occ_db.pt` that is the folder `3dpw-train-occ`, never `3dpw-train`; or `3dpw_train_occ`, a set that
    its owner has called so.

    Raises:
        UserError: no folder is given or some are missing; the line lists them, with what makes them.
    """
    if folder is None:
        raise UserError(f"{title} learns from {', '.join(files.values())}; name the folder that holds them by --data")
    found, missing = {}, []
    for key, file in files.items():
        paths = [folder / name for name in (file, *stand_ins(file))]
        path = next((path for path in paths if path.exists()), None)
        if path is not None:
            found[key] = path
        elif key not in optional:
            missing.append(_wanted(file, folder))
    if missing:
        raise UserError(f"{folder}: {title} also needs {', '.join(missing)}")
    return found


def stand_ins(file: str) -> list[str]:
    """Folders that take the place of a published file: what its owner calls so, and what `prepare` makes."""
    known = STAND_INS.get(file)
    return [file.split(".")[0].removesuffix("_db"), *([known.folder] if known else [])]


def _wanted(file: str, folder: Path) -> str:
    """A missing file, what can be made in its place, and what is like it but is not it."""
    known = STAND_INS.get(file)
    if known is None:
        return f"{file} (`{ARCHIVES[file]}` makes it)" if file in ARCHIVES else file
    plain = SetName(known.release, known.subset).folder
    others = sorted(path.name for path in folder.glob(f"{plain}*") if path.is_dir())
    but = f"; {' and '.join(others)} there {'is' if len(others) == 1 else 'are'} made otherwise" if others else ""
    return f"{file} (or {known.folder}, by `{known.command}`{but})"


def window_set(
    path: Path, body_counts: bool, windows: Callable[[Sequence[int]], Windows], targets: Targets
) -> WindowSet:
    """The windows of a set.

    Args:
        body_counts: whether its poses and shapes are labels.

    Raises:
        UserError: it has no features, or no sequence as long as a window.
    """
    sequences = [replace(one, body_counts=one.body_counts and body_counts) for one in open_set(path)]
    chosen = windows([len(sequence) for sequence in sequences]) if sequences else ()
    if not len(chosen):
        raise UserError(f"{path}: no sequence is as long as a window")
    assert isinstance(chosen, Windows)
    return WindowSet(sequences, chosen, targets)


@torch.no_grad()
def validated(
    network: nn.Module, windows: WindowSet, body_on: Callable[[torch.device], BodyModel], batch: int
) -> dict[str, float]:
    """Errors [mm] of what a network predicts of windows, over all their frames that count."""
    device = next(network.parameters()).device
    body = body_on(device)
    found: list[Tensor] = []
    wanted: list[Tensor] = []
    for first in range(0, len(windows), batch):
        items = [windows[k] for k in range(first, min(first + batch, len(windows)))]
        prediction = network(torch.stack([item.features for item in items]).to(device))
        scored = torch.stack([item.scored for item in items]).flatten()
        joints = result_of(prediction, body, LSP_14).joints.reshape(-1, len(LSP_14), 3)
        found.append(joints.float().cpu()[scored])
        wanted.append(torch.stack([item.joints for item in items]).reshape(-1, len(LSP_14), 3)[scored])
    return rooted_errors(torch.cat(found), torch.cat(wanted), LSP_14)
