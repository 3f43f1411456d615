"""What every method offers, and the table of those that are known."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.geometry.rotations import rot6d_to_rotmat, rotmat_to_rot6d
from anthropose.jobs import Optimizer, Plateau
from anthropose.motion import BodyPose, Motion, Prediction
from anthropose.nn.compute import Compute
from anthropose.nn.weights import Published
from anthropose.people.clip import Clip

Progress = Callable[[float], None]
"""Called with the share that is done, from 0 to 1."""

METHODS = {
    "smplify": "anthropose.methods.smplify:SMPLify",
    "tcmr": "anthropose.methods.tcmr:TCMR",
    "glot": "anthropose.methods.glot:GLoT",
    "parallel-branch": "anthropose.methods.parallel_branch:ParallelBranch",
    "vibe": "anthropose.methods.vibe:VIBE",
    "rie": "anthropose.methods.rie:RIE",
    "dynaboa": "anthropose.methods.dynaboa:DynaBOA",
}
"""Name -> module:class, imported when asked for. `my_package.mine:Mine` works in place of a name as well."""


@runtime_checkable
class Method(Protocol):
    """Turns a clip of one person into a motion.

    It is made once for a video, from the body and whichever of `weights`, `compute`, `preset` and `exemplars` its class
    takes, before anything is looked for: what it lacks, such as weights, it must say then. Reading them can wait until
    the first clip.
    A method may have `settings()`: everything beside its name and body that changes the result, as JSON values.
    """

    name: str

    def reconstruct(self, clip: Clip, progress: Progress = ...) -> Motion:
        """The person's motion in the frames of the clip's track."""
        ...


@dataclass(frozen=True)
class Preset:
    """One published training: what is trained, on what, how long, and which of the paper's figures it stands for.

    A method with more to say extends it.
    """

    stands_for: str
    """The paper's table and row: "Table 4, 3DPW"."""
    network: Any
    """The configuration of the method's network."""
    losses: Any
    """The weights of the method's loss."""
    sets_2d: tuple[str, ...]
    """Sets with 2D labels only."""
    sets_3d: tuple[str, ...]
    bodies_from: tuple[str, ...]
    """Those of `sets_3d` whose body labels (pose and shape) count; the others give joints only."""
    validation: str
    """The set on which the best epoch is chosen, and which the schedule follows."""
    files: tuple[tuple[str, str], ...]
    """Set -> published database file; "validation" -> that of the validation."""
    window: int = 16
    """Frames that the network sees at once."""
    stride: int = 16
    """Frames from one training window to the next."""
    epochs: int = 30
    iterations: int = 500
    """Steps in what the publication calls an epoch."""
    batch: int = 32
    share_2d: float = 0.6
    """Of a batch, rounded down, from sets with 2D labels."""
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Any = field(default_factory=Plateau)
    clip_norm: float | None = None
    """The norm that gradients are scaled down to where they are longer; no publication has one."""
    ema: float | None = None
    """Of the running average of the weights (`jobs.Stage`); no publication has one."""
    seed: int | None = None
    mocap: Any = None
    """How motion capture becomes views to learn from (`datasets.mocap`), for a training that has no other data."""

    @property
    def batch_2d(self) -> int:
        return int(self.batch * self.share_2d)

    @property
    def batch_3d(self) -> int:
        return self.batch - self.batch_2d


def joined(parts: Sequence[Prediction]) -> Prediction:
    """Predictions one after the other, along their first axis."""
    return Prediction(
        BodyPose(torch.cat([part.pose.rotations for part in parts]), torch.cat([part.pose.betas for part in parts])),
        torch.cat([part.camera for part in parts]),
    )


def as_numbers(prediction: Prediction) -> Float[Tensor, "*b 157"]:
    """6D rotations, shape and camera: numbers of which means can be taken."""
    rotations = rotmat_to_rot6d(prediction.pose.rotations).flatten(-2)
    return torch.cat([rotations, prediction.pose.betas, prediction.camera], dim=-1)


def from_numbers(numbers: Float[Tensor, "*b 157"]) -> Prediction:
    """The prediction that `as_numbers` gives, or the nearest one to a mean of some."""
    pose, betas, camera = numbers.split([144, 10, 3], dim=-1)
    return Prediction(BodyPose(rot6d_to_rotmat(pose.unflatten(-1, (24, 6))), betas), camera)


def find_method(name: str) -> type:
    """The class of the method called `name`.

    Raises:
        UserError: no such method; the message lists those that are known.
    """
    target = METHODS.get(name, name)
    module, _, attribute = target.partition(":")
    if not attribute:
        raise UserError(f"no method {name!r}; known: {', '.join(METHODS)}, or package.module:Class for one of your own")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"method {target}: {error}; expected package.module:Class that can be imported") from error


def make_method(
    name: str,
    body: BodyModel,
    weights: str = "",
    compute: Compute | None = None,
    preset: str = "",
    exemplars: Path | None = None,
) -> Method:
    """The method called `name`, with what of the rest its class takes.

    Args:
        preset: settings that the method has under this name.
        exemplars: a file of labelled examples, for methods that look at such while they run.

    Raises:
        UserError: no such method, its weights are missing, or something was named that it has no use for.
    """
    kind = find_method(name)
    taken = inspect.signature(kind).parameters
    if weights and "weights" not in taken:
        raise UserError(f"--weights {weights}: method {name} has no weights; leave the option away")
    for option, value in (("preset", preset), ("exemplars", exemplars)):
        if value and option not in taken:
            able = [one for one in METHODS if option in inspect.signature(find_method(one)).parameters]
            raise UserError(f"--{option} {value}: method {name} has no use for it; it is for {', '.join(able)}")
    given: dict[str, Any] = {
        "weights": weights,
        "compute": compute or Compute(),
        "preset": preset,
        "exemplars": exemplars,
    }
    method = kind(body, **{key: value for key, value in given.items() if key in taken})
    if not isinstance(method, Method):
        raise UserError(f"method {name}: {kind.__name__} has no name or no reconstruct(clip, progress)")
    return method


def settings_of(method: Method) -> dict[str, Any]:
    """Everything beside its name and body that changes a method's result."""
    settings = getattr(method, "settings", None)
    return settings() if callable(settings) else {}


def known_systems() -> tuple[Published, ...]:
    """How the weights of every system look: of each method's PUBLISHED and `layouts()`, and of SPIN."""
    known: list[Published] = []
    for target in ("anthropose.nn.hmr:HMR", *METHODS.values()):
        module, _, attribute = target.partition(":")
        published = getattr(import_module(module), "PUBLISHED", ())
        layouts = getattr(getattr(import_module(module), attribute), "layouts", None)
        known += layouts() if layouts is not None else [published] if isinstance(published, Published) else published
    return tuple(known)
