"""How the BaseModel is trained: SPIN's losses on labelled pictures, without its fitting (dynaboa spec, section 16).

The authors published the weights but not the training. They say: Human3.6M alone, with bodies by MoSh; SPIN's losses
and their weights; about 90 epochs. The rest is SPIN's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.body.results import result_of
from anthropose.datasets.mocap import Cameras, MocapConfig, MocapSource
from anthropose.datasets.pictures import NO_AUGMENTATION, Augmentation, PictureBatch, PictureSet
from anthropose.datasets.prepared import open_set
from anthropose.errors import UserError
from anthropose.jobs import Job, Optimizer, Share, Stage, Terms
from anthropose.methods.base import Preset
from anthropose.methods.dynaboa.drawn import DrawnPictures, drawn_pictures
from anthropose.methods.dynaboa.losses import HIPS, figure_of
from anthropose.methods.dynaboa.model import BaseModel, BaseModelConfig
from anthropose.methods.dynaboa.preprocessing import LABELLED
from anthropose.methods.training import Setting, publisher, seed_of, seeded
from anthropose.methods.training.captures import folders_of, mean_pose
from anthropose.methods.training.figures import rooted_errors
from anthropose.methods.training.sets import VALIDATION, find_sets
from anthropose.methods.training.small import Cosine
from anthropose.methods.training.start import FROM_SCRATCH, start_with_spin
from anthropose.motion import BodyPose, Prediction
from anthropose.skeleton import LSP_14, SPIN_49

VALIDATED = 4096
"""Pictures that a validation looks at, at most; evenly over the set."""

HELD_OUT = 512
"""Pictures that the validation looks at where they are drawn, at most."""


@dataclass(frozen=True)
class SPINLosses:
    """What each term is multiplied by; the defaults are SPIN's."""

    keypoints: float = 300.0
    joints: float = 300.0
    pose: float = 60.0
    betas: float = 0.06
    camera: float = 60.0
    """Of a penalty on cameras with a negative scale."""


@dataclass(frozen=True, kw_only=True)
class BaseModelPreset(Preset):
    """A training of the BaseModel."""

    augmentation: Augmentation = field(default_factory=Augmentation)
    crop: int = 224
    """Pixels along a side of the crops."""
    crop_scale: float = 1.0
    """How much larger than the boxes crops are: the boxes of SPIN's files are large enough, prepared sets want 1.2."""
    pictures: int = 0
    """That are drawn, where a training draws its own."""


def spin_terms(prediction: Prediction, batch: PictureBatch, body: BodyModel, weights: SPINLosses) -> Terms:
    """SPIN's weighted terms; their sum is minimised. Pose and shape are left out where no picture has a body.

    The labelled half of the keypoints counts, but as published the mean is over all 49.
    """
    figure = figure_of(prediction, body.points(SPIN_49))
    seen, labelled = figure.keypoints[:, LABELLED], batch.keypoints[:, LABELLED]
    squares = labelled[..., 2:] * (seen - labelled[..., :2]).square()
    terms = {
        "keypoints": weights.keypoints * squares.sum() / (len(seen) * len(SPIN_49) * 2),
        "camera": weights.camera * (-10 * prediction.camera[:, 0]).exp().square().mean(),
    }
    measured = batch.joints[:, HIPS, 3].amin(1) > 0
    if measured.any():
        ours, theirs = figure.joints[measured][:, LABELLED], batch.joints[measured]
        away = _from_hips(ours) - _from_hips(theirs[..., :3])
        terms["joints"] = weights.joints * (theirs[..., 3:] * away.square()).mean()
    if batch.has_body.any():
        pose = prediction.pose
        turned = pose.rotations[batch.has_body] - batch.rotations[batch.has_body]
        terms["pose"] = weights.pose * turned.square().mean()
        terms["betas"] = weights.betas * (pose.betas[batch.has_body] - batch.betas[batch.has_body]).square().mean()
    return terms


def _from_hips(joints: Float[Tensor, "b 24 3"]) -> Float[Tensor, "b 24 3"]:
    return joints - joints[:, HIPS].mean(1, keepdim=True)


def job(name: str, preset: BaseModelPreset, setting: Setting) -> Job:
    """The training of the BaseModel.

    It begins with random weights unless `setting.start` names SPIN's, whose regressor it then takes.

    Raises:
        UserError: what it learns from is missing.
    """
    title = f"dynaboa {name}"
    data = _data(title, preset, setting)
    with seeded(preset):
        network = BaseModel(preset.network)
    started = start_with_spin(network.regressor, setting.start or FROM_SCRATCH, title)
    if started == FROM_SCRATCH:
        _face_the_camera(network)
    stage = Stage(
        "base",
        network,
        partial(_loss, network, preset, setting),
        data.batches,
        preset.epochs,
        preset.iterations or None,
        preset.optimizer,
        preset.schedule,
        validate=None if data.validation is None else partial(data.validate, network),
        best="" if data.validation is None else "pa_mpjpe",
    )
    return Job(
        "dynaboa",
        name,
        {"preset": preset, "start": started, "body": setting.body.name, **data.record},
        (stage,),
        publisher("dynaboa", name, preset.network, "image"),
        seed_of(preset),
    )


def _face_the_camera(network: BaseModel) -> None:
    """Turns the mean body of a fresh regressor upright, in the camera's axes, whose y points down."""
    with torch.no_grad():
        network.regressor.get_buffer("mean_pose")[0, 3] = -1.0


def _loss(network: BaseModel, preset: BaseModelPreset, setting: Setting, batch: PictureBatch) -> Terms:
    body = setting.body_on(batch.images.device)
    return spin_terms(network(batch.images), batch, body, preset.losses)


def _data(title: str, preset: BaseModelPreset, setting: Setting) -> "PictureData":
    if preset.mocap is not None:
        return _drawn_data(title, preset, setting)
    files = find_sets(title, dict(preset.files), setting.data, optional=(VALIDATION,))
    if setting.images is None:
        raise UserError(f"{title} looks at pictures; name the folder below which those of its sets lie by --images")
    training = [_opened(files[key], setting.images, preset, preset.augmentation) for key in preset.sets_3d]
    whole = PictureSet(
        [sequence for part in training for sequence in part.sequences],
        setting.images,
        preset.crop,
        preset.augmentation,
        preset.crop_scale,
    )
    validation = None
    if VALIDATION in files:
        validation = _opened(files[VALIDATION], setting.images, preset, NO_AUGMENTATION)
        if all(sequence.pose is None for sequence in validation.sequences):
            raise UserError(f"{files[VALIDATION]}: its pictures have no bodies to validate with; take it away")
    return PictureData(preset, setting, whole, validation, {key: path.name for key, path in files.items()})


def _drawn_data(title: str, preset: BaseModelPreset, setting: Setting) -> "PictureData":
    """Pictures of the motion capture, and of the motions that are held out."""
    folders, drawn = folders_of(title, setting), []
    for split, count in (("train", preset.pictures), ("val", min(HELD_OUT, preset.pictures))):
        source = MocapSource(folders, setting.body, replace(preset.mocap, split=split))
        views = [source.batch(seed_of(preset), step, 64, 1) for step in range(-(-count // 64))]
        drawn.append(drawn_pictures(views, setting.body, preset.crop, seed_of(preset)))
    training, validation = replace(drawn[0], flipped=preset.augmentation.flipped), drawn[1]
    return PictureData(preset, setting, training, validation, {"mocap": [folder.name for folder in setting.mocap]})


def _opened(path: Path, root: Path, preset: BaseModelPreset, augmentation: Augmentation) -> PictureSet:
    return PictureSet(open_set(path), root, preset.crop, augmentation, preset.crop_scale)


class PictureData:
    """The pictures of a training, and those of its validation."""

    def __init__(
        self,
        preset: BaseModelPreset,
        setting: Setting,
        training: PictureSet | DrawnPictures,
        validation: PictureSet | DrawnPictures | None,
        sets: Any,
    ) -> None:
        self._preset, self._setting = preset, setting
        self._training, self.validation = training, validation
        if not len(training):
            raise UserError("the sets of this training hold no pictures")
        self.record: dict[str, Any] = {"sets": sets, "pictures": len(training)}
        """What of the data changes the training, as JSON values; where pictures are drawn also the errors [mm] of their
        mean pose on the held-out ones, for comparison."""
        if isinstance(training, DrawnPictures):
            self.record["mean_pose"] = self._errors(partial(_turned, mean_pose(training.rotations)))

    def batches(self, epoch: int, share: Share) -> Iterator[PictureBatch]:
        """All pictures once, in a shuffled order, each varied anew."""
        seed = (seed_of(self._preset), epoch)
        order = np.random.default_rng(seed).permutation(len(self._training))
        size = self._preset.batch
        groups = (order[first : first + size] for first in range(0, len(order), size))
        return self._training.batches((share.of(group) for group in groups if len(group) >= share.processes), seed)

    def validate(self, network: BaseModel) -> dict[str, float]:
        """Errors [mm] of LSP's joints in pictures of the validation that have a body."""
        device = next(network.parameters()).device
        return self._errors(lambda batch: network(batch.images.to(device)))

    @torch.no_grad()
    def _errors(self, predict: Callable[[PictureBatch], Prediction]) -> dict[str, float]:
        assert self.validation is not None
        numbers = np.unique(np.linspace(0, len(self.validation) - 1, VALIDATED).astype(int))
        groups = np.array_split(numbers, -(-len(numbers) // self._preset.batch))
        found: list[Tensor] = []
        wanted: list[Tensor] = []
        for batch in self.validation.batches(groups, (0,)):
            truth = Prediction(BodyPose(batch.rotations, batch.betas), torch.ones(len(batch.betas), 3))
            for prediction, joints in ((predict(batch), found), (truth, wanted)):
                body = self._setting.body_on(prediction.camera.device)
                joints.append(result_of(prediction, body, LSP_14).joints.cpu()[batch.has_body])
        return rooted_errors(torch.cat(found), torch.cat(wanted), LSP_14)


def _turned(pose: Float[Tensor, "24 3 3"], batch: PictureBatch) -> Prediction:
    """A pose in every picture, turned and shaped as the truth is."""
    rotations = pose.repeat(len(batch.rotations), 1, 1, 1)
    rotations[:, 0] = batch.rotations[:, 0]
    return Prediction(BodyPose(rotations, batch.betas), torch.ones(len(batch.betas), 3))


RELEASED = BaseModelPreset(
    stands_for="the BaseModel that DynaBOA starts from, after what its authors say of its training",
    network=BaseModelConfig(),
    losses=SPINLosses(),
    sets_2d=(),
    sets_3d=("h36m",),
    bodies_from=("h36m",),
    validation="h36m",
    files=(("h36m", "h36m_train.npz"), (VALIDATION, "h36m_test.npz")),
    window=1,
    stride=1,
    epochs=90,
    iterations=0,
    batch=64,
    share_2d=0.0,
    optimizer=Optimizer(5e-5),
    schedule=None,
)
SMALL = replace(
    RELEASED,
    stands_for="no publication: drawn pictures of the motion capture, small enough for two cores",
    network=BaseModelConfig(blocks=(1, 1, 1, 1), width=16, hidden=256),
    sets_3d=("mocap",),
    bodies_from=("mocap",),
    validation="mocap",
    files=(),
    epochs=20,
    batch=32,
    optimizer=Optimizer(3e-4),
    schedule=Cosine(20, 3e-4),
    seed=0,
    # A crop does not tell where in the picture it was, so cameras are far away and look at the person.
    mocap=MocapConfig(cameras=Cameras(focal=(2.0, 4.0), close=0.0, off_centre=0.0)),
    crop=64,
    pictures=6144,
)
TRAININGS = {"base-model": RELEASED, "mocap-small": SMALL}
