"""What `anthropose score` does: motions in files, ours or other tools', against the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

import anthropose
from anthropose.body.files import installed_bodies, load_body
from anthropose.body.model import BodyModel
from anthropose.datasets.sequence import Gender
from anthropose.errors import UserError
from anthropose.evaluate.command import reported
from anthropose.evaluate.matching import Match, common_frames, common_joints, joints_of, paired, rooted
from anthropose.evaluate.measures import MILLIMETRES, Compared
from anthropose.evaluate.paper import rows_for
from anthropose.evaluate.recorded import Recorded, Unit, read_motions, read_truth
from anthropose.evaluate.results import Results, results_of
from anthropose.evaluate.scores import Errors
from anthropose.metrics import vertex_error
from anthropose.motion import BodyPose, Prediction
from anthropose.skeleton import LSP_14, SKELETONS, Skeleton

_CHUNK = 256
"""Frames whose surfaces are held at once."""
Protocol = Literal["", "ps", "boa"]


@dataclass(frozen=True)
class ScoreOptions:
    """How motions are compared with the truth."""

    protocol: Protocol = ""
    """"ps" is DynaBOA's on 3DPW, and "boa" BOA's; both want the true man's and woman's body. Empty: the right way."""
    joints: str = ""
    """The set of joints to compare, by its name in SKELETONS; the first that both can give when empty."""
    body: str = ""
    """The body of motions that do not say theirs; as in `command.Options`."""
    bodies: Mapping[Gender, str] = field(default_factory=dict)
    """Of true men and women, in place of the neutral one."""
    person: str = ""
    sequence: str = ""
    match: Match = "frames"
    offset: int = 0
    """Added to the motions' frame numbers."""
    unit: Unit = "m"
    """Of joints in files that do not say."""
    seed: int = 0
    """Of the bootstrap."""


def score(motions: Sequence[Path], truth: Path, options: ScoreOptions | None = None) -> Results:
    """The errors of motions against the truth, frame by frame where both have one.

    Args:
        motions: files of any kind that `read_motions` knows.
        truth: another such file, a prepared set, or a published database.

    Raises:
        UserError: a file is missing, damaged or of another kind; or motion and truth have no sequence, frames or joints
            in common, or numbers that are none.
    """
    options = options or ScoreOptions()
    if options.joints and options.joints not in SKELETONS:
        raise UserError(f"no joints {options.joints!r}; known are {', '.join(SKELETONS)}")
    found = [one for path in motions for one in read_motions(path, options.person, options.unit)]
    pairs = paired(found, read_truth(truth, options.unit), options.sequence)
    scorer = _Scorer(options)
    parts = [scorer.errors(motion, true) for motion, true in pairs]
    about = {
        "predicted": ", ".join(str(path) for path in motions[:8]) + (", ..." if len(motions) > 8 else ""),
        "truth": str(truth),
        "protocol": options.protocol or "root-aligned",
        "joints": ", ".join(dict.fromkeys(scorer.compared_in)),
        "seed": options.seed,
        "version": anthropose.__version__,
    }
    published = []
    if options.protocol:
        preset = {"ps": "3dpw", "boa": "boa-3dpw"}[options.protocol]
        published = [reported(table, row, "3dpw-ps", False) for table, row in rows_for("dynaboa", preset, "3dpw-ps")]
    return results_of(parts, about, "frames", published, list(dict.fromkeys(scorer.notes)), options.seed)


class _Scorer:
    """Compares pairs one after the other, and remembers what is to be said about them."""

    def __init__(self, options: ScoreOptions) -> None:
        self.options = options
        self.notes: list[str] = []
        self.compared_in: list[str] = []

    def errors(self, motion: Recorded, truth: Recorded) -> Errors:
        rows, own = common_frames(motion, truth, self.options.match, self.options.offset)
        bodies = self._body(motion), self._body(truth, truth.gender)
        missing = (len(truth) if truth.counts is None else int(truth.counts.sum())) - len(rows)
        if missing:
            self.notes.append(f"{truth.name}: {missing} frames that count have no motion and are left out")
        if self.options.protocol:
            return self._published(motion, truth, rows, own)
        skeleton = common_joints(motion, truth, bodies, SKELETONS.get(self.options.joints))
        self._say_what(motion, truth, skeleton)
        ours, theirs = joints_of(motion, rows, skeleton, bodies[0]), joints_of(truth, own, skeleton, bodies[1])
        compared = Compared(
            truth.name,
            skeleton,
            rooted(ours, skeleton),
            rooted(theirs, skeleton),
            torch.ones(len(rows), dtype=torch.bool),
            self._vertices(motion, truth, rows, own, bodies),
            _follows(truth, own),
            None if truth.activities is None else truth.activities[own],
            self._roots(motion, truth, rows, own, bodies),
            lost=missing,
        )
        return compared.sound().errors()

    def _say_what(self, motion: Recorded, truth: Recorded, skeleton: Skeleton) -> None:
        self.compared_in.append(skeleton.name)
        if skeleton.name == "joints in common":
            self.notes.append(f"compared in {len(skeleton)} joints of the same names: {', '.join(skeleton.joints)}")
        if "world" in (motion.axes, truth.axes) and motion.axes != truth.axes:
            self.notes.append(
                "one is along the axes of a world and the other is not, or does not say: only PA-MPJPE is sure to mean "
                "anything"
            )

    def _body(self, one: Recorded, gender: Gender = "neutral") -> BodyModel | None:
        """The body that a recording is meant for; None where it has none."""
        if one.body is None:
            return None
        if gender in self.options.bodies:
            return load_body(self.options.bodies[gender])
        neutral = [name for name in installed_bodies() if "neutral" in name]
        return load_body(one.body_model or self.options.body or (neutral[0] if neutral else "free"))

    def _vertices(
        self,
        motion: Recorded,
        truth: Recorded,
        rows: Int[Tensor, "m"],
        own: Int[Tensor, "m"],
        bodies: tuple[BodyModel | None, BodyModel | None],
    ) -> Float[Tensor, "m"] | None:
        """Errors of the surface [m], where both are bodies of the same surface."""
        if bodies[0] is None or bodies[1] is None or motion.body is None or truth.body is None:
            return None
        if len(bodies[0].template) != len(bodies[1].template):
            self.notes.append(f"no PVE: the surfaces of {bodies[0].name} and {bodies[1].name} are not the same")
            return None
        found = []
        for some, others in zip(rows.split(_CHUNK), own.split(_CHUNK), strict=True):
            ours = bodies[0].shaped(motion.body.betas[some]).posed(motion.body.rotations[some]).vertices
            theirs = bodies[1].shaped(truth.body.betas[others]).posed(truth.body.rotations[others]).vertices
            found.append(vertex_error(ours, theirs))
        return torch.cat(found)

    def _roots(
        self,
        motion: Recorded,
        truth: Recorded,
        rows: Int[Tensor, "m"],
        own: Int[Tensor, "m"],
        bodies: tuple[BodyModel | None, BodyModel | None],
    ) -> Float[Tensor, "m"] | None:
        """Errors of the root's place [m], where both say it along the same axes."""
        if not motion.axes or motion.axes != truth.axes:
            return None
        places = [_root(one, body) for one, body in zip((motion, truth), bodies, strict=True)]
        if places[0] is None or places[1] is None:
            return None
        return (places[0][rows] - places[1][own]).norm(dim=-1)

    def _published(self, motion: Recorded, truth: Recorded, rows: Int[Tensor, "m"], own: Int[Tensor, "m"]) -> Errors:
        """DynaBOA's and BOA's figures: joints by Human3.6M's regressor, the truth on the body of its own gender."""
        from anthropose.geometry.rotations import rotmat_to_rotvec
        from anthropose.methods.dynaboa.evaluation import Truth, errors, mesh_errors

        if motion.body is None or truth.body is None:
            lacking = motion if motion.body is None else truth
            raise UserError(f"{lacking.source}: it has no body, and protocol {self.options.protocol} compares bodies")
        if truth.gender not in ("neutral", *self.options.bodies):
            raise UserError(
                f"{truth.name}: protocol {self.options.protocol} takes the true {truth.gender} body; bring it in with "
                f"`anthropose body add`, and name it with --{truth.gender} NAME"
            )
        neutral = self._body(motion)
        assert neutral is not None
        bodies = {"neutral": neutral, **{gender: load_body(name) for gender, name in self.options.bodies.items()}}
        parts: list[tuple[Any, tuple[Tensor, Tensor] | None]] = []
        for some, others in zip(rows.split(_CHUNK), own.split(_CHUNK), strict=True):
            pose = BodyPose(motion.body.rotations[some], motion.body.betas[some])
            prediction = Prediction(pose, torch.zeros(len(some), 3))
            rotvecs = rotmat_to_rotvec(truth.body.rotations[others])
            true = Truth(rotvecs, truth.body.betas[others], (truth.gender,) * len(others))
            meshes = mesh_errors(prediction, true, bodies) if self.options.protocol == "boa" else None
            parts.append((errors(prediction, true, bodies), meshes))
        self.compared_in.append(LSP_14.name)
        mpjpe, pa_mpjpe, pve = (
            MILLIMETRES * torch.cat([getattr(part, key) for part, _ in parts]) for key in ("mpjpe", "pa_mpjpe", "pve")
        )
        found = Errors(truth.name, mpjpe, pa_mpjpe, vertex_error=pve)
        if self.options.protocol == "ps":
            return found
        unposed, posed = (MILLIMETRES * torch.cat([meshes[k] for _, meshes in parts if meshes]) for k in (0, 1))
        return replace(found, unposed_error=unposed, vertex_error=posed)


def _follows(truth: Recorded, own: Int[Tensor, "m"]) -> Tensor:
    """Whether each of some rows comes right after the one before; sets may have been thinned out."""
    steps = truth.frames.diff()
    usual = int(steps.min()) if len(steps) else 1
    return truth.frames[own].diff() == usual


def _root(one: Recorded, body: BodyModel | None) -> Float[Tensor, "n 3"] | None:
    if one.root is not None or one.shift is None or body is None or one.body is None:
        return one.root
    return one.shift + body.shaped(one.body.betas).joints[:, 0]
