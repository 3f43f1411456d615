"""What `anthropose exemplars` does: labelled examples of any data set, for adaptation to remember what bodies are like.

Of motion capture and of sets with keypoints and bodies it makes windows of keypoints, for weights that are fed with
these; of sets whose pictures are at hand it makes crops, for a BaseModel.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.datasets.mocap import MocapConfig, MocapSource
from anthropose.datasets.prepared import open_set
from anthropose.datasets.prepared.sets import INDEX
from anthropose.datasets.raw.alphapose import SCALE
from anthropose.datasets.sequence import Sequence
from anthropose.errors import UserError
from anthropose.evaluate.clips import clip_of
from anthropose.evaluate.sources import find_sources
from anthropose.geometry.keypoints import PLACE
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.methods.dynaboa import PUBLISHED, BaseModel, WindowBank, build_bank
from anthropose.methods.dynaboa.preprocessing import LABELLED, crop, published_keypoints, published_window, spin_49
from anthropose.methods.dynaboa.window_exemplars import bank_of
from anthropose.methods.video import keypoints_of
from anthropose.nn.checkpoints import find_weights, load_network
from anthropose.skeleton import MEDIAPIPE_33, SPIN_49
from anthropose.video.images import read_image

WINDOW = 16
"""Frames of the networks that see keypoints."""
ROWS = 32
"""Windows made at once."""


@dataclass(frozen=True)
class ExemplarOptions:
    """Which exemplars are taken."""

    count: int = 256
    weights: str = ""
    """Of the BaseModel in whose features crops are clustered; the installed ones when empty."""
    pictures: Path | None = None
    """The folder of the release that the set's pictures are in: crops are made and not windows."""
    body: str = "free"
    rates: tuple[float, ...] = (30.0,)
    """Frames per second of windows from motion capture, `count` of each; those of sets keep theirs."""
    seed: int = 22


def make_exemplars(data: Path, out: Path, options: ExemplarOptions | None = None) -> str:
    """Writes a file of exemplars; gives a line that says what is in it.

    Args:
        data: a folder of motion capture, a prepared set, or published files, as `train` and `evaluate` take them.

    Raises:
        UserError: there is nothing of the kind, or it has no bodies as labels, no keypoints or no pictures.
    """
    options, data = options or ExemplarOptions(), Path(data)
    if options.count < 1:
        raise UserError(f"--count {options.count}: expected one exemplar or more")
    if options.pictures is not None:
        return _write_crops(data, options.pictures, Path(out), options)
    is_set = (
        data.is_file() or (data / INDEX).exists() or (any(data.glob("*.npz")) and not (data / "index.json").exists())
    )
    body = load_body(options.body)
    bank = _of_set(data, body, options) if is_set else _of_mocap(data, body, options)
    bank.save(Path(out))
    return f"{out}: {len(bank)} windows of {bank.inputs.shape[1]} frames, keypoints of {bank.skeleton.name}"


def _of_mocap(data: Path, body: BodyModel, options: ExemplarOptions) -> WindowBank:
    """Windows of motion capture before made-up cameras, with a detector's errors, and of made-up everyday motion."""
    steps = -(-options.count // ROWS)
    batches = (
        source.batch(options.seed, step, min(ROWS, options.count - ROWS * step), WINDOW)
        for source in (MocapSource(data, body, MocapConfig(split="train", rate=rate)) for rate in options.rates)
        for step in range(steps)
    )
    return bank_of(batches)


def _of_set(data: Path, body: BodyModel, options: ExemplarOptions) -> WindowBank:
    """Windows spread evenly over the sequences of a set that has keypoints and bodies."""
    [source, *_] = find_sources(data) if data.is_dir() and (data / INDEX).exists() else [None]
    sequences = open_set(data)
    starts = [
        (sequence, start)
        for sequence in sequences
        if sequence.pose is not None and sequence.keypoints is not None and sequence.boxes is not None
        for start in range(0, len(sequence) - WINDOW + 1, WINDOW)
        if sequence.posed is None or bool(np.asarray(sequence.posed[start : start + WINDOW]).all())
    ]
    if not starts:
        raise UserError(f"{data}: no {WINDOW} frames in a row with keypoints in the picture and a body as their labels")
    chosen = np.unique(np.linspace(0, len(starts) - 1, min(options.count, len(starts))).round().astype(int))
    test_set = source.test_set if source is not None else ""
    picked = [starts[int(number)] for number in chosen]
    parts = [_window(sequence, start, test_set, body) for sequence, start in picked]
    inputs, rotvecs, betas, cameras, focals, rates = (torch.stack(list(column)) for column in zip(*parts, strict=True))
    return WindowBank(MEDIAPIPE_33, inputs, rotvecs, betas, cameras, focals, rates)


def _window(
    sequence: Sequence, start: int, test_set: str, body: BodyModel
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The inputs of a window, its rotation vectors, shape, cameras, focal length [diagonals] and frames per second."""
    frames = np.arange(start, start + WINDOW)
    clip = clip_of(sequence, frames, test_set)
    inputs, _ = keypoints_of(clip, MEDIAPIPE_33, sequence.name)
    assert sequence.pose is not None
    assert sequence.betas is not None
    rotvecs = torch.from_numpy(np.asarray(sequence.pose[frames], np.float32)).unflatten(1, (24, 3))
    betas = torch.from_numpy(np.asarray(sequence.betas[frames], np.float32))
    points = body.points(MEDIAPIPE_33)
    keypoints = inputs[:, :-PLACE].unflatten(-1, (-1, 3))
    sure = keypoints[..., 2] * points.valid
    cameras = weak_cameras(points(betas, rotvec_to_rotmat(rotvecs)), keypoints[..., :2], sure)
    width, height = clip.camera.size
    focal = torch.tensor(clip.camera.focal / (width**2 + height**2) ** 0.5)
    return inputs, rotvecs, betas.mean(0), cameras, focal, torch.tensor(clip.fps)


def weak_cameras(
    joints: Float[Tensor, "t k 3"], seen: Float[Tensor, "t k 2"], sure: Float[Tensor, "t k"]
) -> Float[Tensor, "t 3"]:
    """The weak-perspective cameras s, tx, ty under which joints [m] come to lie on keypoints, by least squares."""
    share = (sure / sure.sum(1, keepdim=True).clamp_min(1e-6))[..., None]
    flat = joints[..., :2]
    middle, target = (share * flat).sum(1, keepdim=True), (share * seen).sum(1, keepdim=True)
    together = (share * (flat - middle) * (seen - target)).sum((1, 2))
    scale = (together / (share * (flat - middle).square()).sum((1, 2)).clamp_min(1e-9)).clamp_min(1e-2)
    return torch.cat([scale[:, None], target[:, 0] / scale[:, None] - middle[:, 0]], dim=1)


def _write_crops(data: Path, root: Path, out: Path, options: ExemplarOptions) -> str:
    """A bank of crops spread evenly over the pictures of a set, for a BaseModel."""
    network = load_network(find_weights(options.weights, PUBLISHED), PUBLISHED)
    assert isinstance(network, BaseModel)
    sequences = [
        one
        for one in open_set(data)
        if one.pose is not None and one.images is not None and one.boxes is not None and one.keypoints is not None
    ]
    rows = [(sequence, row) for sequence in sequences for row in range(len(sequence))]
    if not rows:
        raise UserError(f"{data}: it lacks bodies as labels, keypoints, boxes or the names of its pictures")
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(options.count, len(rows))).round().astype(int))
    body = load_body(options.body)
    parts = list(_crops([rows[number] for number in chosen], root, body))
    crops, keypoints, joints, rotvecs, betas = (torch.stack(list(column)) for column in zip(*parts, strict=True))
    bank = build_bank(network, crops, keypoints, joints, rotvecs, betas)
    bank.save(out)
    return f"{out}: {len(bank)} crops in {len(bank.centres)} clusters"


def _crops(
    rows: list[tuple[Sequence, int]], root: Path, body: BodyModel
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """Of each picture the crop, its keypoints, joints, rotation vectors and shape, as `ExemplarBank` holds them."""
    points = body.points(SPIN_49)
    for sequence, row in rows:
        assert sequence.images is not None
        assert sequence.boxes is not None
        assert sequence.keypoints is not None
        assert sequence.keypoint_set is not None
        assert sequence.pose is not None
        assert sequence.betas is not None
        box = np.asarray(sequence.boxes[row], np.float64)
        center, scale = box[:2], float(box[2]) / SCALE
        picture = crop(read_image(root / str(sequence.images[row])), published_window(center, scale))
        found = spin_49(torch.from_numpy(np.asarray(sequence.keypoints[row], np.float32)), sequence.keypoint_set)
        rotvecs = torch.from_numpy(np.asarray(sequence.pose[row], np.float32)).unflatten(0, (24, 3))
        betas = torch.from_numpy(np.asarray(sequence.betas[row], np.float32))
        joints = points(betas[None], rotvec_to_rotmat(rotvecs)[None])[0, LABELLED]
        yield (
            torch.from_numpy(picture.round().clip(0, 255).astype(np.uint8)),
            published_keypoints(found.numpy(), center, scale),
            torch.cat([joints, torch.ones(len(joints), 1)], dim=1),
            rotvecs,
            betas,
        )
