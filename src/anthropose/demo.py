"""A clip whose truth is known, through the same pipeline as any video, and how far off the result is."""

from dataclasses import replace
from pathlib import Path

from anthropose.errors import UserError
from anthropose.outputs import run
from anthropose.progress import StageProgress, silent
from anthropose.settings import Outputs, Settings
from anthropose.synthetic import make_scene, score
from anthropose.video import open_video


def demo(
    out: Path,
    seconds: float = 6.0,
    seed: int = 0,
    progress: StageProgress = silent,
    settings: Settings | None = None,
    outputs: Outputs | None = None,
) -> list[str]:
    """Makes the clip, reconstructs it, and gives the lines to print: errors in mm, then where the files are.

    Raises:
        UserError: the folder cannot be written, or the clip is too short.
    """
    if not 1.0 <= seconds <= 60.0:
        raise UserError(f"--seconds {seconds}: the demo's clip lasts 1 to 60 seconds")
    scene = make_scene(seed=seed, seconds=seconds)
    clip = out / "clip.mp4"
    scene.write(clip, progress=lambda share: progress("scene", share))
    for truth in scene.truth:
        truth.save(out / f"truth-{truth.track.person:02d}.npz")
    outputs = outputs or Outputs(side_view=True)
    motions = run(clip, out, replace(settings or Settings()), outputs, progress)
    errors = score(motions, scene.truth)
    names = ", ".join(sorted(path.name for path in out.iterdir() if path.is_file() and path.suffix != ".json"))
    return [
        f"persons              {errors.found} of {len(scene.truth)} found, {len(open_video(clip))} frames",
        f"MPJPE                {errors.mpjpe:6.1f} mm",
        f"PA-MPJPE             {errors.pa_mpjpe:6.1f} mm",
        f"acceleration error   {errors.acceleration:6.1f} mm/frame^2",
        f"{out}: {names}",
    ]
