"""What `anthropose evaluate` does: a method, its weights, test sets, and the paper's figures beside ours."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

import anthropose
from anthropose.body.files import installed_bodies, load_body
from anthropose.body.model import BodyModel
from anthropose.datasets.sequence import Gender, Sequence
from anthropose.errors import UserError
from anthropose.evaluate.adapting import Stream, evaluate_adaptation
from anthropose.evaluate.clips import clip_of
from anthropose.evaluate.lifting import lifting_errors
from anthropose.evaluate.paper import Row, Table, rows_for, sets_of
from anthropose.evaluate.protocols import PROTOCOLS, evaluate, evaluate_motions, predictor
from anthropose.evaluate.results import Reported, Results, results_of
from anthropose.evaluate.scores import FIGURES, Evaluation
from anthropose.evaluate.sources import (
    Source,
    find_sources,
    genders_in,
    lifting_sequences,
    sound_features,
)
from anthropose.methods.base import METHODS, find_method, make_method
from anthropose.methods.video import FeatureMethod
from anthropose.nn.checkpoints import Weights, find_weights, how_to_install, installed_weights, load_network
from anthropose.nn.compute import Compute
from anthropose.nn.weights import Published
from anthropose.progress import StageProgress, silent

PUBLISHED_PROTOCOLS = {"tcmr": "tcmr", "glot": "glot", "vibe": "vibe", "parallel-branch": "vibe"}
"""What each method's own figures were made by; other methods take TCMR's."""
PUBLISHED_WEIGHTS = {
    ("tcmr", "table4-3dpw"): "tcmr_table4_3dpw_test",
    ("tcmr", "table4-h36m-mpii3d"): "tcmr_table4_mpii3dd_h36m_test",
    ("tcmr", "table6-3dpw"): "tcmr_table6_3dpw_test",
    ("tcmr", "table6-mpii3d"): "tcmr_table6_mpii3d_test",
    ("tcmr", "table6-h36m"): "tcmr_table6_h36m_test",
    ("glot", "table1-3dpw"): "table1_3dpw_weights",
    ("glot", "table1-h36m-mpii3d"): "table1_h36m_mpii3d_weights",
    ("glot", "table2-3dpw"): "table2_3dpw_weights",
    ("vibe", "without-3dpw"): "vibe_model_wo_3dpw",
    ("rie", "gt-stage3"): "gt_pretrained",
    ("rie", "cpn-stage3"): "cpn_pretrained",
}
"""The names under which published files are installed, for those that are the result of a preset."""
FRONTAL_PRESETS = (("tcmr", "table6-h36m"), ("parallel-branch", "first"), ("parallel-branch", "first-paper"))
"""Those whose figures on Human3.6M are of the fourth camera alone, with tight boxes; all others count the four."""


@dataclass(frozen=True)
class Options:
    """How a method is evaluated."""

    weights: str = ""
    """An installed name or a path; those of the preset, or the method's usual ones, when empty."""
    sets: tuple[str, ...] = ()
    """The test sets; those of the preset that are there, or all, when empty."""
    protocol: str = ""
    """One of PROTOCOLS; "published" for the method's own with its oddities; the right way when empty."""
    body: str = ""
    """The neutral body; the installed one of that name, or else the free one, when empty."""
    bodies: Mapping[Gender, str] = field(default_factory=dict)
    """Of the labels of men and women, in place of the neutral one."""
    filter_share: float | None = None
    """Smooths rotations first, as the published `--filter` does with 0.3."""
    only: str = ""
    """Only sequences with this in their names."""
    keypoints: str = ""
    """Which keypoints a lifter is given, by their name in VideoPose3D's files; those of the preset when empty. For
    dynaboa on 3DPW "openpose", or projections of the true body when empty."""
    exemplars: Path | None = None
    """A bank of labelled images, for dynaboa."""
    pictures: Path | None = None
    """The folder of the release that a set's pictures are in, for dynaboa."""
    seed: int = 0
    """Of the bootstrap."""
    compute: Compute = field(default_factory=Compute)


def evaluate_method(
    name: str, preset: str, data: Path, options: Options | None = None, progress: StageProgress = silent
) -> list[Results]:
    """The results of a method, one for each test set.

    Args:
        name: of the method.
        preset: the published training that the weights are the result of; empty where they are of none.
        data: see `sources.find_sources`.

    Raises:
        UserError: no such method, preset, weights, protocol or data, or a combination that makes no sense.
    """
    options = options or Options()
    kind = find_method(name)
    presets = getattr(import_module(METHODS[name].partition(":")[0]), "PRESETS", {}) if name in METHODS else {}
    if f"{preset}-stage3" in presets:
        preset = f"{preset}-stage3"  # A training of several stages is known by what it ends with.
    if preset and preset not in presets:
        raise UserError(f"{name} has no preset {preset!r}; it has {', '.join(presets) or 'none'}")
    if options.protocol not in ("", "published", "rooted", *PROTOCOLS):
        raise UserError(
            f"no protocol {options.protocol!r}; known are published, {', '.join(PROTOCOLS)}, and rooted for lifters"
        )
    if name == "dynaboa":
        weights = _adaptable(preset, options)
        if weights.front_end == "image":
            return [evaluate_adaptation(_stream(preset, data, weights, options), progress)]
    sources = find_sources(data, _wanted(name, preset, data, options), name == "rie", (name, preset) in FRONTAL_PRESETS)
    run = _Run(name, preset, kind, options, _weights(name, preset, kind, options), progress)
    return [run.on(source) for source in sources]


def _adaptable(preset: str, options: Options) -> Weights:
    """The weights that dynaboa starts from.

    Raises:
        UserError: there are none, or they see keypoints and the preset is of videos without truth.
    """
    from anthropose.methods.dynaboa.adaptable import find_adaptable

    weights = find_adaptable(options.weights)
    if weights.front_end == "keypoints" and preset and "3dpw" not in preset:
        raise UserError(
            f"preset {preset} adapts a BaseModel to pictures, and weights {weights.name!r} see keypoints: use "
            "`anthropose run VIDEO --method dynaboa --tracks FILE`, or install basemodel.pt"
        )
    return weights


def _stream(preset: str, data: Path, weights: Weights, options: Options) -> Stream:
    """What dynaboa adapts to with a BaseModel."""
    if options.filter_share is not None or options.protocol not in ("", "published"):
        raise UserError("dynaboa on pictures has its own protocols alone; leave --filter and --protocol away")
    if options.keypoints not in ("", "openpose"):
        raise UserError(f"--keypoints {options.keypoints}: dynaboa's files have openpose, beside the true ones")
    neutral = [name for name in installed_bodies() if "neutral" in name]
    return Stream(
        preset=preset or "3dpw",
        data=Path(data),
        weights=weights,
        body=load_body(options.body or (neutral[0] if neutral else "free")),
        bodies={gender: load_body(name) for gender, name in options.bodies.items()},
        pictures=options.pictures,
        exemplars=options.exemplars,
        only=options.only,
        keypoints="openpose" if options.keypoints else "labels",
        compute=options.compute,
        seed=options.seed,
    )


def _wanted(name: str, preset: str, data: Path, options: Options) -> list[str]:
    """The sets that are asked for; of a folder without that, those that the preset stands for."""
    if options.sets or not Path(data).is_dir():
        return list(options.sets)
    meant = [one.removesuffix("-lifting") for one in sets_of(name, preset)] if preset else []
    if not meant:
        return []
    there = {source.test_set for source in find_sources(data, archives=name == "rie")}
    return [one for one in meant if one in there]


def _weights(name: str, preset: str, kind: type, options: Options) -> Weights | None:
    """Those to evaluate; None for a method that has none."""
    if "weights" not in inspect.signature(kind).parameters:
        if options.weights:
            raise UserError(f"--weights {options.weights}: method {name} has no weights; leave the option away")
        return None
    if name == "dynaboa":
        return _adaptable(preset, options)
    published = _published(name, kind)
    known = (published,) if isinstance(published, Published) else published
    if not options.weights and preset and "mocap" not in preset and not installed_weights(known[0].system):
        raise UserError(how_to_install(known[0]))  # The weights that come along are of no published training.
    installed = {weights.name for weights in installed_weights(known[0].system)}
    meant = [own for own in (f"{name}-{preset}", PUBLISHED_WEIGHTS.get((name, preset), "")) if own in installed]
    return find_weights(options.weights or (meant[0] if preset and meant else ""), published)


def _published(name: str, kind: type) -> Any:
    if issubclass(kind, FeatureMethod):
        return kind.layouts()
    return import_module(METHODS.get(name, name).partition(":")[0]).PUBLISHED


@dataclass(frozen=True)
class _Run:
    """A method with its weights, going over test sets."""

    name: str
    preset: str
    kind: type
    options: Options
    weights: Weights | None
    progress: StageProgress

    def on(self, source: Source) -> Results:
        if source.is_archive and self.name == "rie":
            return self._lifted(source)
        if source.is_archive:
            raise UserError(
                f"{source.path}: it is for lifters of keypoints; {self.name} needs a set with "
                f"{'image features' if self._takes_features() else 'boxes'}"
            )
        if self.options.protocol == "rooted":
            raise UserError(
                "protocol rooted is for VideoPose3D's archives; a set of sequences has tcmr, static and others"
            )
        protocol = self._protocol()
        sequences = source.sequences()
        body = self._body()
        bodies: dict[Gender, BodyModel] = {
            gender: load_body(name).to(body.template.device) for gender, name in self.options.bodies.items()
        }
        run = self._with_features if self._takes_features() else self._with_clips
        found = run(sequences, body, bodies, source.test_set, protocol)
        return self._results(found, source, sequences, body)

    def _takes_features(self) -> bool:
        """Whether image features are shown to the network; otherwise the method makes motions of clips of keypoints."""
        return issubclass(self.kind, FeatureMethod) and self.weights is not None and self.weights.front_end == "image"

    def _protocol(self) -> str:
        if self.options.protocol == "published":
            return PUBLISHED_PROTOCOLS.get(self.name, "tcmr")
        return self.options.protocol or ("clamp" if self.name == "glot" else "static")

    def _body(self) -> BodyModel:
        neutral = [name for name in installed_bodies() if "neutral" in name]
        return load_body(self.options.body or (neutral[0] if neutral else "free")).to(self.options.compute.place())

    def _with_features(
        self,
        sequences: list[Sequence],
        body: BodyModel,
        bodies: dict[Gender, BodyModel],
        test_set: str,
        protocol: str,
    ) -> Evaluation:
        assert self.weights is not None
        network = load_network(self.weights, _published(self.name, self.kind)).to(self.options.compute.place())
        sound_features(
            [sequence for sequence in sequences if self.options.only in sequence.name],
            getattr(getattr(network, "config", None), "features", None),
        )
        with self.options.compute.running():
            return evaluate(
                sequences,
                predictor(network, PROTOCOLS[protocol]),
                body,
                test_set,
                protocol,
                self.options.filter_share,
                self.options.only,
                bodies,
                partial(self.progress, "evaluate"),
            )

    def _with_clips(
        self,
        sequences: list[Sequence],
        body: BodyModel,
        bodies: dict[Gender, BodyModel],
        test_set: str,
        protocol: str,
    ) -> Evaluation:
        if self.options.filter_share is not None:
            raise UserError(
                f"--filter smooths the bodies of networks on features; {self.name} makes motions of its own"
            )
        if PROTOCOLS[protocol].windows == "apart":
            raise UserError(
                f"protocol {protocol} cuts windows of features, which {self.name} does not see; choose tcmr or static"
            )
        method = make_method(
            self.name, body.to("cpu"), str(self.weights.path) if self.weights else "", self.options.compute
        )
        return evaluate_motions(
            sequences,
            lambda sequence, frames: method.reconstruct(clip_of(sequence, frames, test_set)),
            body.to("cpu"),
            test_set,
            protocol,
            self.options.only,
            bodies,
            partial(self.progress, "evaluate"),
        )

    def _lifted(self, source: Source) -> Results:
        """A lifter on VideoPose3D's archives."""
        from anthropose.methods.rie import RIENetwork, lift

        if self.options.protocol not in ("", "published", "rooted"):
            raise UserError(
                f"protocol {self.options.protocol} is not for VideoPose3D's archives; they have published and rooted"
            )
        keypoints = self.options.keypoints or ("cpn_ft_h36m_dbb" if self.preset.startswith("cpn") else "gt")
        lifting_set, sequences, file = lifting_sequences(source, keypoints)
        chosen = [one for one in sequences if self.options.only in f"{one.subject} {one.action}"]
        if not chosen:
            raise UserError(f"{source.path}: the test subjects have no take with {self.options.only!r} in its name")
        assert self.weights is not None
        network = load_network(self.weights, _published(self.name, self.kind)).to(self.options.compute.place())
        assert isinstance(network, RIENetwork)
        skeleton = network.config.skeleton
        if skeleton is not lifting_set.skeleton:
            raise UserError(
                f"weights {self.weights.name!r} are for {skeleton.name}, the file is of {lifting_set.skeleton.name}"
            )
        place = self.options.compute.place()

        def lifted(points: torch.Tensor) -> torch.Tensor:
            with self.options.compute.running():
                return lift(network, points.to(place), skeleton.mirror).float().cpu()

        rooted = self.options.protocol != "published"
        parts = lifting_errors(lifted, chosen, skeleton, rooted, partial(self.progress, "evaluate"))
        about = self._about(source, "rooted" if rooted else "published", keypoints=file)
        notes = [
            f"keypoints: {file}" + ("" if source.path.with_name(file).is_file() else ", projected from the joints")
        ]
        if rooted:
            notes.append("the published figures count the predicted root as a joint; --protocol published does too")
        published = self._published_lines("h36m-lifting" if source.test_set == "h36m" else "humaneva")
        return results_of(parts, about, "actions", published, notes, self.options.seed)

    def _results(self, found: Evaluation, source: Source, sequences: list[Sequence], body: BodyModel) -> Results:
        about = self._about(source, found.protocol, body=body.name, filter=self.options.filter_share)
        notes = []
        if source.test_set == "h36m" and self.preset:
            notes += _cameras_told((self.name, self.preset) in FRONTAL_PRESETS, [one.name for one in found.sequences])
        if found.skipped:
            notes.append(f"left out, too short or not scored: {len(found.skipped)}, {', '.join(found.skipped[:5])}")
        if source.subset not in ("", "test"):
            notes.append(f"this is the part {source.subset!r} of the set, papers report on its test part")
        if found.protocol not in ("tcmr", "glot", "vibe") and self.name in PUBLISHED_PROTOCOLS:
            own = PUBLISHED_PROTOCOLS[self.name]
            notes.append(f"the published figures are by protocol {own}; --protocol published gives ours by it too")
        if body.name == "free" and self.name != "rie":
            notes.append("on the free body, which is no SMPL body: not comparable with papers; see `anthropose body`")
        if not self._takes_features():
            notes.append("made from keypoints, as clips: of the protocol only what counts is taken, not its windows")
        genders = genders_in(sequences)
        if genders and not self.options.bodies and any(part.vertex_error is not None for part in found.sequences):
            notes.append(f"labels of {' and '.join(genders)} people on the neutral body, as published")
        published = self._published_lines(source.test_set)
        return results_of(found.sequences, about, "frames", published, notes, self.options.seed)

    def _about(self, source: Source, protocol: str, **more: Any) -> dict[str, Any]:
        return {
            "method": self.name,
            "preset": self.preset,
            "weights": self.weights.name if self.weights else "",
            "weights_sha256": self.weights.sha256 if self.weights else "",
            "weights_source": self.weights.source if self.weights else "",
            "test_set": source.test_set,
            "data": str(source.path),
            "protocol": protocol,
            "only": self.options.only,
            "seed": self.options.seed,
            "version": anthropose.__version__,
            **more,
        }

    def _published_lines(self, test_set: str) -> list[Reported]:
        """The preset's own lines, or where it has none all of the method's; then the others of the same tables."""
        own = rows_for(self.name, self.preset, test_set) or rows_for(self.name, "", test_set)
        return [
            reported(table, row, test_set, bool(self.preset) and self.preset in row.presets.get(test_set, ()))
            for table, row in own
        ]


def _cameras_told(frontal: bool, names: list[str]) -> list[str]:
    """Whether Human3.6M's cameras in these sequences are others than those that the figures of a preset are of."""
    fourth = ["_ca_04" in name for name in names]
    if frontal and not all(fourth):
        return [
            "the published figures are of camera 4 with tight boxes, the set h36m-tight; here other cameras count too"
        ]
    if not frontal and all(fourth):
        return ["camera 4 alone; the published figures are of all four cameras, the set h36m"]
    return []


def reported(table: Table, row: Row, test_set: str, is_ours: bool) -> Reported:
    """A line of a table as results have it."""
    actions = {figure: table.actions_of(row, figure) for figure in FIGURES}
    return Reported(
        table.paper,
        table.name,
        row.name,
        table.of(row, test_set),
        is_ours,
        row.note,
        {figure: values for figure, values in actions.items() if values},
    )
