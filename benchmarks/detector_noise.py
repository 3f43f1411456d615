"""What the built-in detector gets wrong, on filmed motion capture whose truth is known, beside the model of it.

    python benchmarks/detector_noise.py capture/cmu capture/reactidle --work WORK [--clips 50] [--videos CLIP ...]

Films clips of the training motions, finds and follows the people in them as `anthropose run` does, and keeps what was
found in WORK, so that a second run only compares (3000 frames take some ten minutes). Then it puts
`datasets.mocap.noise` on the same true keypoints and draws both (--plot), and prints how large errors are, how alike
after a while, and how sure the detector is. With --videos it prints how much keypoints tremble on real clips, too.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from torch import Tensor

from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.datasets.mocap import Cameras, KeypointNoise, MocapConfig, MocapSource
from anthropose.datasets.mocap.draws import Draws
from anthropose.datasets.mocap.figure import Figure
from anthropose.datasets.mocap.noise import detected
from anthropose.errors import UserError
from anthropose.geometry.keypoints import squares_around
from anthropose.motion import Track
from anthropose.progress import silent
from anthropose.reconstruction import find_people
from anthropose.settings import Settings
from anthropose.skeleton import MEDIAPIPE_33, SPIN_49
from anthropose.synthetic.filmed import FilmedScene, film
from anthropose.video import Video, open_video
from anthropose.workspace import Workspace

FRAMES = 56
RATE = 30.0
KINDS = (
    (0.75, Cameras()),
    (0.15, Cameras(close=1.0)),
    (0.10, Cameras(tall=(0.1, 0.25))),
)
"""Shares of the clips, and their cameras: as in training, close enough to be cut off, and far away."""
MIRROR = list(MEDIAPIPE_33.mirror)
PARTS = ("nose", "eye", "ear", "mouth", "shoulder", "elbow", "wrist", "index", "hip", "knee", "ankle", "heel", "toe")
LOWER = [any(part in name for part in ("hip", "knee", "ankle", "heel", "toe")) for name in MEDIAPIPE_33.joints]
QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.97)
CONFIDENCES = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 0.93, 0.97, 0.99, 0.997, 1.0)
LAGS = (1, 2, 3, 5, 8, 12, 20, 30, 45)
NEIGHBOURS = (
    ("nose", "ear"),
    ("eye", "ear"),
    ("wrist", "index"),
    ("wrist", "pinky"),
    ("ankle", "heel"),
    ("ankle", "big_toe"),
    ("shoulder", "elbow"),
    ("elbow", "wrist"),
    ("knee", "ankle"),
)
OTHER = 0.4
"""Tracks that are farther than this from the truth in the median [sides of the square] are of nobody."""
TRUE, MODEL = "#22577a", "#c1440e"


@dataclass(frozen=True)
class Seen:
    """One clip: the truth, and what was found."""

    points: Float[np.ndarray, "n 33 2"]
    """Where keypoints truly are [px]."""
    places: Float[np.ndarray, "n 33 3"]
    """The same in camera axes [m]."""
    size: Float[np.ndarray, "2"]
    """Of the picture [px]."""
    found: Float[np.ndarray, "n 33 3"]
    """x, y [px] and confidence; NaN in frames in which the person was not found."""

    @cached_property
    def side(self) -> Float[np.ndarray, "n"]:
        """Of the person's square [px]."""
        sure = np.concatenate([self.points, np.ones_like(self.points[..., :1])], axis=-1)
        return squares_around(torch.from_numpy(sure))[0][:, 2].numpy()

    @cached_property
    def error(self) -> Float[np.ndarray, "n 33 2"]:
        """In sides of the square."""
        return (self.found[..., :2] - self.points) / self.side[:, None, None]

    @cached_property
    def swapped(self) -> Bool[np.ndarray, "n 33"]:
        """Where the upper or the lower half fits better with left and right exchanged."""
        straight = np.linalg.norm(self.error, axis=-1)
        exchanged = np.linalg.norm(self.found[:, MIRROR, :2] - self.points, axis=-1) / self.side[:, None]
        swapped = np.zeros(straight.shape, bool)
        for half in (LOWER, [not low and MIRROR[k] != k for k, low in enumerate(LOWER)]):
            swapped[:, half] = (exchanged[:, half].mean(1) + 0.01 < straight[:, half].mean(1))[:, None]
        return swapped

    @cached_property
    def usable(self) -> Bool[np.ndarray, "n 33"]:
        """Found, in the picture, and not exchanged."""
        inside = ((self.points >= 0) & (self.points < self.size)).all(-1)
        return np.isfinite(self.found[..., 0]) & inside & ~self.swapped


def measure(folders: Sequence[Path], work: Path, clips: int) -> list[Seen]:
    """Films and finds as many clips as are not in `work` yet, and reads all of them."""
    body, paths = load_body("free"), []
    for kind, (share, cameras) in enumerate(KINDS):
        source, count = MocapSource(folders, body, MocapConfig(cameras=cameras)), round(share * clips)
        batch = source.batch(101 + kind, 0, count, FRAMES)
        for row in range(count):
            paths.append(work / f"{kind}-{row:02d}.npz")
            if not paths[-1].exists():
                scene = film(batch, row, body, 100 * kind + row)
                places = places_of(body, batch.betas[row], batch.rotations[row], batch.translation[row])
                seen = look_at(scene, places[batch.within[row].numpy()])
                np.savez(paths[-1], points=seen.points, places=seen.places, size=seen.size, found=seen.found)
                print(f"{paths[-1].name} {batch.names[row]}: found in {np.isfinite(seen.found[:, 0, 0]).mean():.0%}")
    return [Seen(**dict(np.load(path))) for path in paths]


def places_of(
    body: BodyModel, betas: Float[Tensor, "10"], rotations: Float[Tensor, "n 24 3 3"], translation: Float[Tensor, "n 3"]
) -> Float[np.ndarray, "n 33 3"]:
    """The detector's keypoints in camera axes [m]."""
    figure = Figure(body, [MEDIAPIPE_33], MEDIAPIPE_33, SPIN_49)
    points, _ = figure(betas[None], rotations[None], torch.zeros(1, dtype=torch.long), torch.arange(len(rotations)))
    return (points[0] + translation[:, None]).numpy()


def look_at(scene: FilmedScene, places: Float[np.ndarray, "n 33 3"]) -> Seen:
    """Writes the scene as a video and looks for the person in it."""
    with tempfile.TemporaryDirectory() as folder:
        scene.write(Path(folder) / "clip.mp4")
        tracks = tracks_in(open_video(Path(folder) / "clip.mp4"))
    points = scene.keypoints.double().numpy()
    found = np.full((*points.shape[:2], 3), np.nan)
    seen = Seen(points, places.astype(float), np.array(scene.camera.size, float), found)
    nearest = np.full(len(points), OTHER)
    for track in tracks:
        assert track.keypoints is not None
        frames, keypoints = track.frames.numpy(), track.keypoints.double().numpy()
        off = [
            np.median(np.linalg.norm(k[..., :2] - points[frames], axis=-1), 1)
            for k in (keypoints, keypoints[:, MIRROR])
        ]
        apart = np.minimum(*off) / seen.side[frames]
        better = (apart < nearest[frames]) & (np.median(apart) < OTHER)
        nearest[frames[better]] = apart[better]
        found[frames[better]] = keypoints[better]
    return seen


def tracks_in(video: Video, seconds: float | None = None) -> list[Track]:
    try:
        return find_people(video, Settings(seconds=seconds), Workspace(None), silent)[0]
    except UserError:
        return []


def modelled(clips: Sequence[Seen], times: int = 2) -> list[Seen]:
    """The same clips with the model's errors, without what it adds to what was measured: harder windows, keypoints
    that are left out, exchanged sides."""
    noise = replace(
        KeypointNoise(), harder=(1.0, 1.0), withheld=0.0, hidden=0.0, missing=0.0, swapped=0.0, swapped_front=0.0
    )
    made = []
    for number, clip in enumerate(clips):
        points, places, side, size = (
            torch.from_numpy(value).float()[None] for value in (clip.points, clip.places, clip.side, clip.size)
        )
        for time in range(times):
            draws, valid = Draws((time, number), torch.arange(1)), torch.ones(1, 33, dtype=torch.bool)
            keypoints = (
                detected(points, places, valid, side, size, MEDIAPIPE_33, RATE, draws, noise)[0].double().numpy()
            )
            made.append(replace(clip, found=np.where(np.isfinite(clip.found), keypoints, np.nan)))
    return made


def lengths(clips: Sequence[Seen], part: str = "") -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]:
    """How long the usable errors are, and how sure the detector was."""
    columns = [k for k, name in enumerate(MEDIAPIPE_33.joints) if part in name]
    pairs = [
        (
            np.linalg.norm(clip.error, axis=-1)[:, columns][clip.usable[:, columns]],
            clip.found[:, columns, 2][clip.usable[:, columns]],
        )
        for clip in clips
    ]
    return np.concatenate([error for error, _ in pairs]), np.concatenate([sure for _, sure in pairs])


def changes(clips: Sequence[Seen], lag: int) -> Float[np.ndarray, "m"]:
    """By how much errors differ after so many frames."""
    found = []
    for clip in clips:
        error, usable = clip.error, clip.usable
        found.append(np.linalg.norm(error[lag:] - error[:-lag], axis=-1)[usable[lag:] & usable[:-lag]])
    return np.concatenate(found)


def stretched(clips: Sequence[Seen], pair: tuple[str, str]) -> tuple[float, float]:
    """The error of one keypoint relative to another, in sides of the square; and how much too far apart the two are, as
    a share of their true distance, where that is not short. Medians over both sides of the body."""
    errors, shares = [], []
    for side in ("left", "right"):
        near, far = (MEDIAPIPE_33.index(name if name == "nose" else f"{side}_{name}") for name in pair)
        for clip in clips:
            usable = clip.usable[:, near] & clip.usable[:, far]
            error = (clip.error[:, far] - clip.error[:, near])[usable]
            true = ((clip.points[:, far] - clip.points[:, near]) / clip.side[:, None])[usable]
            errors.append(np.linalg.norm(error, axis=1))
            shares.append(np.stack([np.linalg.norm(true, axis=1), (error * true).sum(1) / (true**2).sum(1)], axis=1))
    lengths, apart = np.concatenate(shares).T
    return float(np.median(np.concatenate(errors))), float(np.median(apart[lengths > np.quantile(lengths, 0.3)]))


def trembling(keypoints: Float[np.ndarray, "n k 3"]) -> Float[np.ndarray, "m"]:
    """Second differences of keypoints that are seen, in sides of the square."""
    side = squares_around(torch.from_numpy(keypoints))[0][1:-1, 2].numpy()
    bend = np.linalg.norm(keypoints[2:, :, :2] - 2 * keypoints[1:-1, :, :2] + keypoints[:-2, :, :2], axis=-1)
    seen = (keypoints[2:, :, 2] > 0.5) & (keypoints[1:-1, :, 2] > 0.5) & (keypoints[:-2, :, 2] > 0.5)
    return (bend / side[:, None])[seen]


def draw(measured: Sequence[Seen], model: Sequence[Seen], path: Path) -> None:
    """Error quantiles by part, error against confidence, and how errors change over time."""
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), width_ratios=(1.5, 1, 1), layout="constrained")
    for clips, colour, shift, label in ((measured, TRUE, -0.15, "measured"), (model, MODEL, 0.15, "model")):
        _draw_parts(axes[0], clips, colour, shift, label)
        _draw_confidence(axes[1], clips, colour, label)
        for quantile, style in ((0.5, "-"), (0.9, "--")):
            values = [100 * np.quantile(changes(clips, lag), quantile) for lag in LAGS]
            axes[2].plot([lag / RATE for lag in LAGS], values, style, color=colour, label=f"{label}, {quantile:.0%}")
    axes[0].set(title="errors: bars 25 to 75 %, marks 50, 90 and 97 %", ylabel="% of the square's side", yscale="log")
    axes[1].set(title="errors by confidence", xlabel="confidence", yscale="log")
    axes[2].set(title="change of an error over time", xlabel="seconds", xscale="log", yscale="log")
    for one in axes:
        one.legend(frameon=False, fontsize=8)
        one.grid(alpha=0.25)
        one.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        one.yaxis.set_minor_formatter(lambda value, _: "")
    figure.savefig(path, dpi=110)


def _draw_parts(axes: Axes, clips: Sequence[Seen], colour: str, shift: float, label: str) -> None:
    for place, part in enumerate(PARTS):
        quarter, median, three, most, nearly = 100 * np.quantile(lengths(clips, part)[0], QUANTILES)
        axes.plot([place + shift] * 2, [quarter, nearly], color=colour, lw=1)
        axes.plot([place + shift] * 2, [quarter, three], color=colour, lw=5, solid_capstyle="butt", alpha=0.6)
        marks = [median, most, nearly]
        axes.plot([place + shift] * 3, marks, "_", color=colour, ms=8, label=label if place == 0 else None)
    axes.set_xticks(range(len(PARTS)), PARTS, rotation=45, ha="right")


def _draw_confidence(axes: Axes, clips: Sequence[Seen], colour: str, label: str) -> None:
    error, sure = lengths(clips)
    bins = [(sure > low) & (sure <= high) for low, high in pairwise(CONFIDENCES)]
    for quantile, style in ((0.25, ":"), (0.5, "-"), (0.9, "--")):
        values = [100 * np.quantile(error[chosen], quantile) for chosen in bins]
        axes.plot(range(len(bins)), values, style, color=colour, label=f"{label}, {quantile:.0%}")
    axes.set_xticks(range(len(bins)), [f"{high:g}" for high in CONFIDENCES[1:]], rotation=45, ha="right")


def report(measured: Sequence[Seen], model: Sequence[Seen]) -> None:
    """Prints the same as numbers, per cent of the square's side."""
    frames = sum(len(clip.points) for clip in measured)
    seen = np.concatenate([np.isfinite(clip.found[:, 0, 0]) for clip in measured])
    swaps = np.concatenate([clip.swapped.any(1) for clip in measured])[seen]
    print(f"{len(measured)} clips, {frames} frames, found in {seen.mean():.1%}, sides exchanged in {swaps.mean():.1%}")
    for part in PARTS:
        for clips, label in ((measured, "measured"), (model, "model")):
            error, sure = lengths(clips, part)
            doubts = " ".join(f"{value:5.2f}" for value in np.quantile(sure, (0.03, 0.1, 0.25, 0.5)))
            print(f"{part:9} {label:9} error {_percent(np.quantile(error, QUANTILES))}   confidence {doubts}")
    for lag in LAGS:
        typical = np.array([np.median(changes(clips, lag)) for clips in (measured, model)])
        print(f"an error changes in {lag:2} frames by (median; measured, model) {_percent(typical)}")

    for clips, label in ((measured, "measured"), (model, "model")):
        bends = np.concatenate([trembling(clip.found[np.isfinite(clip.found[:, 0, 0])]) for clip in clips])
        print(f"second differences, {label}: {_percent(np.quantile(bends, QUANTILES))}")
    for pair in NEIGHBOURS:
        typical = np.array([stretched(clips, pair) for clips in (measured, model)]).T
        print(f"{' to '.join(pair)}: relative error {_percent(typical[0])}, too long by {_percent(typical[1])}")


def _percent(values: Float[np.ndarray, "q"]) -> str:
    return " ".join(f"{100 * value:6.2f}" for value in values)


def report_video(path: Path, seconds: float) -> None:
    """Prints how much keypoints tremble on a real clip, and how sure the detector is."""
    for track in tracks_in(open_video(path), seconds):
        if track.keypoints is None or len(track) < 20:
            continue
        keypoints = track.keypoints.double().numpy()
        bend = _percent(np.quantile(trembling(keypoints), QUANTILES))
        sure = " ".join(f"{value:4.2f}" for value in np.quantile(keypoints[..., 2], (0.03, 0.1, 0.25, 0.5)))
        print(f"{path.name} person {track.person}, {len(track)} frames: second differences {bend}, confidence {sure}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=50)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--videos", type=Path, nargs="*", default=[])
    parser.add_argument("--seconds", type=float, default=4.0, help="of each video")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if options.folders:
        measured = measure(options.folders, options.work, options.clips)
        measured = [clip for clip in measured if np.isfinite(clip.found).any()] or measured
        model = modelled(measured)
        report(measured, model)
        if options.plot:
            draw(measured, model, options.plot)
    for path in options.videos:
        report_video(path, options.seconds)


if __name__ == "__main__":
    main()
