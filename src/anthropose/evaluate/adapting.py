"""What `anthropose evaluate dynaboa` does with a BaseModel: adapts to a stream of pictures as its publications do.

All people of a set are one stream in the set's order, and nothing begins anew between them. On 3DPW the errors are
those of protocol #PS, or of BOA; videos from the internet have no truth, and what is told of them is how far the body
lies from the keypoints that it adapts to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

import anthropose
from anthropose.body.model import BodyModel
from anthropose.body.prior import GaussianMixturePrior
from anthropose.datasets.prepared.sets import INDEX, read_set
from anthropose.datasets.published_images import Keypoints, read_stream
from anthropose.datasets.raw.alphapose import SCALE
from anthropose.datasets.raw.base import Findings, ImageFiles, RawOptions, RawSequence
from anthropose.datasets.raw.internet import Internet, InternetAsDynaBOA
from anthropose.datasets.sequence import Gender, Sequence
from anthropose.errors import UserError
from anthropose.evaluate.measures import MILLIMETRES
from anthropose.evaluate.results import Line, Reported, Results, results_of
from anthropose.evaluate.scores import Errors
from anthropose.methods.base import joined
from anthropose.methods.dynaboa import PRESETS, PUBLISHED, Adaptation, AdaptationConfig, ExemplarBank
from anthropose.methods.dynaboa.evaluation import Truth, errors, mesh_errors
from anthropose.methods.dynaboa.exemplars import Exemplars, InOrder
from anthropose.methods.dynaboa.losses import figure_of
from anthropose.methods.dynaboa.preprocessing import (
    ROWS,
    crop,
    normalised,
    published_keypoints,
    published_window,
    spin_49,
    web_camera_frame,
)
from anthropose.methods.video import on_cpu
from anthropose.motion import Prediction
from anthropose.nn.checkpoints import Weights, load_network
from anthropose.nn.compute import Compute
from anthropose.progress import StageProgress, silent
from anthropose.skeleton import BODY_25, SPIN_49


@dataclass(frozen=True)
class Stream:
    """What is adapted to, and what else is needed for it."""

    preset: str
    data: Path
    weights: Weights
    body: BodyModel
    bodies: Mapping[Gender, BodyModel]
    """Of the labels of men and women."""
    pictures: Path | None = None
    """The folder below which the pictures of a set are; the data's own where None."""
    exemplars: Path | None = None
    only: str = ""
    """Only sequences with this in their names."""
    keypoints: Keypoints = "labels"
    """Of DynaBOA's files for 3DPW: projected from the true body, or OpenPose's."""
    compute: Compute = field(default_factory=Compute)
    seed: int = 0


@dataclass
class _Part:
    """What came of one sequence."""

    sequence: Sequence
    adapted: list[Prediction]
    away: list[float]
    """Of each frame: mean distance of the body's joints from the keypoints [% of the box]."""
    away_before: list[float]
    updates: int = 0


def evaluate_adaptation(stream: Stream, progress: StageProgress = silent) -> Results:
    """The results of a BaseModel that adapts to a stream.

    Raises:
        UserError: there is no such preset, the data are not of its kind, pictures are missing, or true bodies of men
            and women are wanted and there are none.
    """
    if stream.preset not in PRESETS:
        raise UserError(f"dynaboa has no preset {stream.preset!r}; it has {', '.join(PRESETS)}")
    raws = [raw for raw in _raws(stream) if stream.only in raw.sequence.name]
    if not raws:
        raise UserError(f"{stream.data}: no sequence with {stream.only!r} in its name")
    if "3dpw" in stream.preset:
        _check_truth(raws, stream)
    config, exemplars, notes = _with_exemplars(PRESETS[stream.preset], stream)
    if "3dpw" not in stream.preset and (_openpose(raws[0].sequence) or "web-camera" in stream.preset):
        config = replace(config, rows="openpose")
    network = load_network(stream.weights, PUBLISHED).to(stream.compute.place())
    body = stream.body.to(stream.compute.place())
    prior = GaussianMixturePrior.load()
    torch.manual_seed(22)  # The published programs' seed.
    with torch.inference_mode(False), torch.enable_grad():
        adaptation = Adaptation(network, body, prior, config, exemplars)  # type: ignore[arg-type]
        parts = list(_adapted(adaptation, body, raws, stream, progress))
    about = _about(stream, config, parts)
    if "3dpw" in stream.preset:
        return _against_truth(parts, stream, about, notes)
    return _against_keypoints(parts, about, notes)


def _raws(stream: Stream) -> list[RawSequence]:
    """The sequences of the stream with their pictures, in its order."""
    data, pictures = Path(stream.data), stream.pictures
    if not data.exists():
        raise UserError(f"{data}: no such file or folder")
    if "3dpw" not in stream.preset:
        kind = InternetAsDynaBOA if any(data.glob("*.json")) and "web-camera" not in stream.preset else Internet
        sources = kind(RawOptions()).find(data, "test")
        return [raw for source in sources for raw in source.load(Findings())]
    folder = data.parent if data.name == INDEX else data
    if not (folder / INDEX).exists():
        return read_stream(folder, pictures or folder, stream.keypoints)
    if pictures is None:
        raise UserError(f"{folder}: say with --pictures FOLDER where the release lies that the set was prepared from")
    found = []
    for sequence in read_set(folder):
        if sequence.images is None or sequence.boxes is None:
            raise UserError(f"{folder}: it does not tell pictures and boxes; prepare 3dpw-dynaboa from the release")
        files = ImageFiles(tuple(pictures / image for image in sequence.images.tolist()))
        found.append(RawSequence(sequence, files, 1.0))
    return found


def _check_truth(raws: list[RawSequence], stream: Stream) -> None:
    for raw in raws:
        sequence = raw.sequence
        if sequence.pose is None or sequence.betas is None:
            raise UserError(f"{sequence.name}: it has no body, and protocol #PS compares bodies")
        if sequence.gender not in ("neutral", *stream.bodies):
            raise UserError(
                f"{sequence.name}: protocol #PS takes the true {sequence.gender} body; bring it in with `anthropose "
                f"body add`, and name it with --{sequence.gender} NAME"
            )


def _with_exemplars(config: AdaptationConfig, stream: Stream) -> tuple[AdaptationConfig, Exemplars | None, list[str]]:
    """The settings with exemplars, or without where there are none; and what is to be said about it."""
    if stream.exemplars is not None:
        bank = ExemplarBank.load(stream.exemplars)
        if stream.preset.startswith("boa"):
            return config, InOrder([bank.exemplar(number) for number in range(len(bank))]), []
        return config, bank.retrieval(), []
    if not (config.lower.labelled or config.upper.labelled):
        return config, None, []
    lower, upper = (replace(level, labelled=False) for level in (config.lower, config.upper))
    note = "without exemplars, with which the published figures are made: give them with --exemplars FILE"
    return replace(config, lower=lower, upper=upper), None, [note]


def _openpose(sequence: Sequence) -> bool:
    return sequence.keypoint_set is not None and sequence.keypoint_set.name == BODY_25.name


def _adapted(
    adaptation: Adaptation, body: BodyModel, raws: list[RawSequence], stream: Stream, progress: StageProgress
) -> Iterator[_Part]:
    """Each sequence adapted to; the adaptation goes on from one to the next."""
    points, rows = body.points(SPIN_49), ROWS[adaptation.config.rows]
    frames, done = sum(len(raw.sequence) for raw in raws), 0
    network = load_network(stream.weights, PUBLISHED).to(stream.compute.place())
    for raw in raws:
        part = _Part(raw.sequence, [], [], [])
        for image, keypoints in _frames(raw, stream.preset):
            adapted = adaptation.adapt(image, keypoints)
            with torch.no_grad():
                first = network(image.to(stream.compute.place()))
            for prediction, away in ((first, part.away_before), (adapted.prediction, part.away)):
                away.append(_away(figure_of(prediction, points).keypoints.cpu(), keypoints, rows))
            part.adapted.append(on_cpu(adapted.prediction))
            part.updates += adapted.updates
            done += 1
            progress("evaluate", done / frames)
        yield part


def _frames(raw: RawSequence, preset: str) -> Iterator[tuple[Float[Tensor, "1 3 s s"], Float[Tensor, "1 49 3"]]]:
    """The normalised crop of each frame, and SPIN-49 in its coordinates, as the published programs have them."""
    sequence = raw.sequence
    if raw.pictures is None or sequence.keypoints is None or sequence.boxes is None or sequence.keypoint_set is None:
        raise UserError(f"{sequence.name}: dynaboa adapts to pictures and keypoints, and it lacks one of them")
    for row, picture in enumerate(raw.pictures.frames()):
        if isinstance(picture, UserError):
            raise picture
        found = np.asarray(sequence.keypoints[row], np.float64)
        center, scale = np.asarray(sequence.boxes[row, :2], np.float64), float(sequence.boxes[row, 2]) / SCALE
        if "web-camera" in preset and _openpose(sequence):
            center, scale, found = web_camera_frame(found)
        if sequence.keypoint_set.name != SPIN_49.name:
            found = spin_49(torch.from_numpy(found), sequence.keypoint_set).numpy()
        image = normalised(crop(picture, published_window(center, scale)).astype(np.float32))
        yield image[None], published_keypoints(found, center, scale)[None]


def _away(seen: Float[Tensor, "1 49 2"], keypoints: Float[Tensor, "1 49 3"], rows: slice) -> float:
    """Mean distance of joints from keypoints, weighted by confidence [% of the box]."""
    sure = keypoints[:, rows, 2]
    distance = (seen - keypoints[..., :2])[:, rows].norm(dim=-1)
    return 50 * float((sure * distance).sum() / sure.sum().clamp_min(1e-6))


def _about(stream: Stream, config: AdaptationConfig, parts: list[_Part]) -> dict[str, Any]:
    frames = sum(len(part.adapted) for part in parts)
    return {
        "method": "dynaboa",
        "preset": stream.preset,
        "weights": stream.weights.name,
        "weights_sha256": stream.weights.sha256,
        "test_set": "3dpw-ps" if "3dpw" in stream.preset else "internet",
        "data": str(stream.data),
        "protocol": "boa" if stream.preset.startswith("boa") else "ps" if "3dpw" in stream.preset else "keypoints",
        "keypoints": stream.keypoints,
        "exemplars": str(stream.exemplars or ""),
        "updates_per_frame": sum(part.updates for part in parts) / max(frames, 1),
        "seed": stream.seed,
        "version": anthropose.__version__,
    }


def _against_truth(parts: list[_Part], stream: Stream, about: dict[str, Any], notes: list[str]) -> Results:
    from anthropose.evaluate.command import reported  # that file calls this one
    from anthropose.evaluate.paper import rows_for

    bodies: dict[Gender, BodyModel] = {"neutral": stream.body.to("cpu"), **stream.bodies}
    scored = [_errors(part, bodies, stream.preset.startswith("boa")) for part in parts]
    if stream.keypoints == "labels":
        notes.append("adapted to keypoints projected from the true body, as published: no figure for real video")
    rows = rows_for("dynaboa", stream.preset, "3dpw-ps")
    lines: list[Reported] = [reported(table, row, "3dpw-ps", stream.keypoints == "labels") for table, row in rows]
    return results_of(scored, about, "frames", lines, notes, stream.seed)


def _errors(part: _Part, bodies: Mapping[Gender, BodyModel], is_boa: bool) -> Errors:
    sequence, prediction = part.sequence, joined(part.adapted)
    assert sequence.pose is not None
    assert sequence.betas is not None
    rotvecs = torch.from_numpy(np.asarray(sequence.pose, np.float32)).unflatten(-1, (24, 3))
    betas = torch.from_numpy(np.asarray(sequence.betas, np.float32))
    truth = Truth(rotvecs, betas, (sequence.gender,) * len(betas))
    with torch.no_grad():
        found = errors(prediction, truth, bodies)
        scored = Errors(
            sequence.name,
            MILLIMETRES * found.mpjpe,
            MILLIMETRES * found.pa_mpjpe,
            vertex_error=MILLIMETRES * found.pve,
        )
        if not is_boa:
            return scored
        unposed, posed = mesh_errors(prediction, truth, bodies)
    return replace(scored, unposed_error=MILLIMETRES * unposed, vertex_error=MILLIMETRES * posed)


def _against_keypoints(parts: list[_Part], about: dict[str, Any], notes: list[str]) -> Results:
    """How far bodies lie from the keypoints, adapted and not; there is no truth in videos from the internet."""
    lines = tuple(_line(part.sequence.name, part.away, part.away_before) for part in parts if part.away)
    overall = _line("all", [a for part in parts for a in part.away], [a for part in parts for a in part.away_before])
    notes.append("no truth is known of these videos: a body can lie on its keypoints and yet be wrong in depth")
    return Results(about, "frames", overall, {}, lines, notes=tuple(notes))


def _line(name: str, away: list[float], before: list[float]) -> Line:
    values = {"keypoint_error": float(np.mean(away)), "unadapted_error": float(np.mean(before))}
    return Line(name, values, dict.fromkeys(values, len(away)))
