"""The source itself: from motion capture, a body and numbers to batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel, Shaped
from anthropose.datasets.lifting.windows import LiftingWindows
from anthropose.datasets.mocap.batch import MocapBatch
from anthropose.datasets.mocap.cameras import Cameras, views_of
from anthropose.datasets.mocap.captures import LEG, Capture, Library, Split, read_captures
from anthropose.datasets.mocap.draws import Draws
from anthropose.datasets.mocap.everyday import everyday_captures
from anthropose.datasets.mocap.figure import Figure
from anthropose.datasets.mocap.motions import Edges, Performance, Variations, perform, shapes, shares_of, window
from anthropose.datasets.mocap.noise import KeypointNoise, detected, off_squares
from anthropose.errors import UserError
from anthropose.geometry.cameras import project
from anthropose.geometry.keypoints import squares_around, steadied
from anthropose.geometry.rotations import quat_to_rotmat
from anthropose.skeleton import H36M_VP3D_17, SKELETONS, SMPL_24, Skeleton

NEAREST = 0.2
"""Depth [m] up to which points are projected; what is nearer, or behind the camera, counts as being there."""
HELD_OUT = 20_000_003
"""The seed of `MocapSource.clips`."""

EVERYDAY_SEEDS: dict[Split, int] = {"train": 1, "val": 2, "test": 3}


@dataclass(frozen=True)
class MocapConfig:
    """What a source makes."""

    split: Split = "train"
    rate: float = 30.0
    """Frames per second; the variation of speed covers rates nearby."""
    weights: tuple[tuple[str, float], ...] = (("reactidle", 0.15),)
    """Name of a folder -> what its share of the windows is multiplied by, which else goes by the length of its motions.
    ReActIdle is as long as all the rest, and people stand still in it."""
    everyday: float = 0.17
    """The share of windows from made-up motions of sitting, phoning, kneeling and the like, which captures seldom have;
    `MocapSource.clips` has none of them."""
    keypoints: str = "mediapipe-33"
    """The set that keypoints are written in."""
    kinds: tuple[tuple[str, float], ...] = (("mediapipe-33", 1.0),)
    """The sets that detectors give, and in which share of the windows; keypoints that one of them lacks are missing."""
    joints: str = "spin-49"
    """Of the labels: "spin-49" or "h36m-vp3d-17"."""
    variations: Variations = field(default_factory=Variations)
    cameras: Cameras = field(default_factory=Cameras)
    noise: KeypointNoise = field(default_factory=KeypointNoise)


LIFTING = MocapConfig(keypoints="coco-17", kinds=(("coco-17", 1.0),), joints="h36m-vp3d-17")
"""For RIE: COCO's keypoints, which nearly all detectors give, and Human3.6M's joints."""


class MocapSource:
    """Endless windows of people in motion before cameras, with keypoints as detectors give them and all labels.

    Every row of every batch is a function of the seed, the epoch, the step and its number, the same on every device up
    to the last digits of float32.
    """

    def __init__(
        self,
        folders: Path | Sequence[Path],
        body: BodyModel,
        config: MocapConfig = MocapConfig(),
        device: torch.device | str = "cpu",
    ) -> None:
        """Reads the motions of the configured split into the device's memory: 0.4 MB for each thousand frames.

        Args:
            folders: of motion capture, in the project's format or AMASS's; see `captures`.

        Raises:
            UserError: a folder is missing or damaged, or has no motion in the split; no such skeleton; the body has no
                regressor for the joints.
        """
        self.config, self.device = config, torch.device(device)
        self.body = body.to(self.device)
        wanted = [Path(folders)] if isinstance(folders, str | Path) else [Path(folder) for folder in folders]
        captures = [capture for folder in wanted for capture in read_captures(folder, config.split, body)]
        self._recorded = len(captures)
        shares = shares_of(captures, dict(config.weights))
        if config.everyday > 0:
            captures += everyday_captures(body, EVERYDAY_SEEDS[config.split])
            added = shares_of(captures[self._recorded :], {})
            shares = torch.cat([shares * (1 - config.everyday), 1 - config.everyday + config.everyday * added])
        self._shares = shares.to(self.device)
        self.library = Library.of(captures, self.device)
        self.skeleton, self.joint_set = _skeleton(config.keypoints), _skeleton(config.joints)
        kinds = [_skeleton(name) for name, _ in config.kinds]
        self._figure = Figure(self.body, kinds, self.skeleton, self.joint_set)
        self._kinds = _cumulated([share for _, share in config.kinds]).to(self.device)

    @torch.no_grad()
    def batch(
        self,
        seed: int,
        step: int,
        size: int,
        frames: int,
        *,
        epoch: int = 0,
        rows: slice = slice(None),
        labelled: Sequence[int] | None = None,
        edges: Edges = "inside",
    ) -> MocapBatch:
        """One batch of windows.

        Args:
            size: rows of the batch.
            frames: of each window.
            rows: the part of the batch that is wanted (`jobs.Share.part(size)`); the others are not computed.
            labelled: the frames that have labels, negative ones counted from the end; all where None.
            edges: "held" puts windows around any frame of a motion, and repeats the motion's end frames beyond it.
        """
        numbers = torch.arange(size, device=self.device)[rows]
        draws = Draws((seed, epoch, step), numbers)
        config = self.config
        performance = perform(self.library, self._shares, draws, frames, config.rate, config.variations, edges)
        return self._seen(performance, draws, labelled)

    def batches(
        self, seed: int, size: int, frames: int, *, epoch: int = 0, rows: slice = slice(None), **options: object
    ) -> Iterator[MocapBatch]:
        """The batches of an epoch, without end; options as of `batch`."""
        step = 0
        while True:
            yield self.batch(seed, step, size, frames, epoch=epoch, rows=rows, **options)  # type: ignore[arg-type]
            step += 1

    @torch.no_grad()
    def clips(self, views: int = 1, longest: int = 300, seed: int = HELD_OUT) -> Iterator[MocapBatch]:
        """Every motion as recorded, whole, before some cameras: the fixed list for validations and tests.

        Each is one row of a batch; motions of more than `longest` frames come in pieces. People differ in shape, and
        keypoints have the configured noise.
        """
        for number, capture in enumerate(self.library.captures[: self._recorded]):
            frames = int((len(capture) - 1) / capture.rate * self.config.rate + 1e-6) + 1
            pieces = -(-frames // longest)
            for view in range(views):
                for piece in range(pieces):
                    bounds = frames * piece // pieces, frames * (piece + 1) // pieces
                    draws = Draws((seed, number, view), torch.tensor([piece], device=self.device))
                    yield self._seen(self._as_recorded(number, capture, bounds, draws), draws, None)

    def _as_recorded(self, number: int, capture: Capture, bounds: tuple[int, int], draws: Draws) -> Performance:
        which = torch.tensor([number], device=self.device)
        first, last = bounds
        step = torch.full_like(which, 1.0, dtype=torch.float32) / self.config.rate
        room = (len(capture) - 1) / capture.rate * self.config.rate - (last - first - 1)
        place = torch.full_like(step, first / room if room > 0 else 0.0)
        cut = window(self.library, which, place, step, last - first)
        betas = shapes(draws, replace(self.config.variations, unusual=0.0))
        return Performance(quat_to_rotmat(cut.rotations), cut.root, betas, which, cut.within)

    def lifting_windows(
        self, seed: int, epoch: int, sequences: int, frames: int, reach: int, *, size: int = 32, flipped: bool = True
    ) -> LiftingWindows:
        """An epoch for RIE: so many sequences of new keypoints, and a window of `2 reach + 1` frames around each frame.

        Much cheaper than batches of such windows, which would share no frames.
        """
        keypoints, joints = [], []
        for step in range(-(-sequences // size)):
            batch = self.batch(seed, step, sequences, frames, epoch=epoch, rows=slice(step * size, (step + 1) * size))
            lifting = batch.as_lifting()
            for row, within in enumerate(batch.within):
                keypoints.append(lifting.keypoints[row, within].cpu())
                joints.append(lifting.joints[row, within].cpu())
        mirror = H36M_VP3D_17.mirror
        return LiftingWindows(keypoints, joints, (mirror, mirror), reach, flipped=flipped, seed=seed + epoch)

    def _seen(self, performance: Performance, draws: Draws, labelled: Sequence[int] | None) -> MocapBatch:
        """What cameras see of people, and detectors of pictures."""
        rows, frames = performance.root.shape[:2]
        chosen = torch.tensor(range(frames) if labelled is None else [range(frames)[k] for k in labelled])
        chosen = chosen.to(self.device)
        root, pelvis = self._scaled(performance)
        views = views_of(root, draws, self.config.cameras)
        turned = views.camera_from_world[:, None] @ performance.rotations[:, :, 0]
        rotations = torch.cat([turned[:, :, None], performance.rotations[:, :, 1:]], dim=2)
        translation = views.to_camera(root) - pelvis[:, None]
        kind = draws.among("kind", self._kinds)
        points, joints = self._figure(performance.betas, rotations, kind, chosen)
        points = points + translation[:, :, None]
        points = torch.cat([points[..., :2], points[..., 2:].clamp_min(NEAREST)], dim=-1)
        seen = project(points, views.focal[:, None].expand(rows, frames), views.size[:, None].expand(-1, frames, 2) / 2)
        keypoints, squares = self._detected(seen, points, self._figure.valid[kind], views.size, draws)
        return MocapBatch(
            keypoints=keypoints,
            skeleton=self.skeleton,
            true_keypoints=seen,
            squares=squares,
            size=views.size,
            focal=views.focal,
            labelled=chosen,
            joints=joints,
            joint_set=self.joint_set,
            rotations=rotations[:, chosen],
            betas=performance.betas,
            translation=translation[:, chosen],
            camera_from_world=views.camera_from_world,
            within=performance.within,
            rate=self.config.rate,
            names=tuple(self.library.captures[k].name for k in performance.captures.tolist()),
        )

    def _scaled(self, performance: Performance) -> tuple[Float[Tensor, "b t 3"], Float[Tensor, "b 3"]]:
        """The pelvis in the world for people with legs of their own, and where it is in their rest pose [m]."""
        rest = Shaped(self.body, performance.betas).joints
        return performance.root * (_legs(rest) / LEG)[:, None, None], rest[:, 0]

    def _detected(
        self,
        seen: Float[Tensor, "b t k 2"],
        places: Float[Tensor, "b t k 3"],
        valid: Tensor,
        size: Float[Tensor, "b 2"],
        draws: Draws,
    ) -> tuple[Float[Tensor, "b t k 3"], Float[Tensor, "b t 3"]]:
        """Keypoints with their errors, and the squares around them."""
        there = valid[:, None, :, None].expand(*seen.shape[:3], 1).to(seen)
        whole, _ = squares_around(torch.cat([seen, there], dim=-1))
        noise = self.config.noise
        keypoints = detected(seen, places, valid, whole[..., 2], size, self.skeleton, self.config.rate, draws, noise)
        squares, enough = squares_around(keypoints)
        squares = steadied(torch.where(enough[..., None], squares, whole))
        return keypoints, off_squares(squares, draws, noise)


def _legs(rest: Float[Tensor, "b 24 3"]) -> Float[Tensor, "b"]:
    """The length of thigh and shin, mean of both sides."""
    hip, knee, ankle = (
        rest[:, [SMPL_24.index(f"{side}_{joint}") for side in ("left", "right")]] for joint in ("hip", "knee", "ankle")
    )
    return ((hip - knee).norm(dim=-1) + (knee - ankle).norm(dim=-1)).mean(-1)


def _cumulated(shares: Sequence[float]) -> Float[Tensor, "c"]:
    cumulated = torch.tensor(shares, dtype=torch.float64).cumsum(0)
    return cumulated / cumulated[-1]


def _skeleton(name: str) -> Skeleton:
    if name not in SKELETONS:
        raise UserError(f"no skeleton {name!r}; known are {', '.join(SKELETONS)}")
    return SKELETONS[name]
