"""Frames per second of each stage and of the whole command, and peak memory on a short and on a long clip.

    python benchmarks/pipeline.py [--video CLIP ...] [--minutes 5] [--no-overlay] [--against CHECKOUT]

Without --video the demo's scene is made (20 s) and repeated for the long clip. Prints a table for the README.
Each run is a process of its own, so that its peak memory is its own. `command` is the time from the start of that
process to its end, loading of libraries and networks included, less what drawing the overlay took; `with overlay` is
all of it. With --against each clip is also run by the source tree in another folder, such as a `git worktree` of an
earlier version, just before; the last column holds its figure, and how many times as fast this version is.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parents[1]


def measure(clip: Path, out: Path, overlay: bool) -> None:
    """Runs the whole pipeline once and prints its figures as JSON."""
    from anthropose.outputs import Stopwatch, run
    from anthropose.settings import Outputs
    from anthropose.video import open_video

    watch = Stopwatch(lambda stage, share: None)
    motions = run(clip, out, outputs=Outputs(overlay=overlay), progress=watch)
    video = open_video(clip)
    print(
        json.dumps(
            {
                "frames": len(video),
                "size": video.size,
                "persons": len(motions),
                "seconds": watch.seconds,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


def repeat(clip: Path, seconds: float, path: Path) -> Path:
    """The clip over and over, back and forth so that nobody jumps, until `seconds` are filled."""
    from anthropose.video import VideoWriter, open_video

    video = open_video(clip)
    images = list(video)
    with VideoWriter(path, video.size, video.fps) as writer:
        for n in range(int(seconds * video.fps)):
            place = n % (2 * len(images))
            writer.write(images[place if place < len(images) else 2 * len(images) - 1 - place])
    return path


def in_own_process(clip: Path, out: Path, overlay: bool, tree: Path = HERE) -> dict:
    """The figures of one run by the source tree `tree`."""
    command = [sys.executable, __file__, "--measure", str(clip), str(out), *([] if overlay else ["--no-overlay"])]
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    run = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return {**json.loads(run.stdout.splitlines()[-1]), "total": time.perf_counter() - start}


def rates(figures: dict) -> dict[str, float]:
    """Frames per second of each stage, and of the whole."""
    drawing = figures["seconds"].get("overlay", 0.0)
    spent = {**figures["seconds"], "command": figures["total"] - drawing}
    if drawing:
        spent["with overlay"] = figures["total"]
    return {stage: figures["frames"] / max(seconds, 1e-3) for stage, seconds in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, nargs="+", default=[])
    parser.add_argument("--minutes", type=float, default=5.0, help="length of the long clip; 0 leaves it out")
    parser.add_argument("--no-overlay", action="store_true", help="run without rendering")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="another version, to be run as well")
    parser.add_argument("--measure", nargs=2, type=Path, metavar=("CLIP", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    overlay = not arguments.no_overlay
    if arguments.measure:
        measure(*arguments.measure, overlay)
        return
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        clips = {clip.stem: clip for clip in arguments.video}
        if not clips:
            from anthropose.synthetic import make_scene

            clips = {"demo": work / "demo.mp4"}
            make_scene(seconds=20.0).write(clips["demo"])
        if arguments.minutes:
            clips |= {
                f"{name}, long": repeat(clip, 60 * arguments.minutes, work / f"long-{clip.name}")
                for name, clip in clips.items()
            }
        print("| clip | frames | size | persons | stage | frames/s | times |\n|---|---|---|---|---|---|---|")
        for name, clip in clips.items():
            other = arguments.against and in_own_process(clip, work / f"{name}-other", overlay, arguments.against)
            report(name, in_own_process(clip, work / name, overlay), other)


def report(name: str, figures: dict, other: dict | None) -> None:
    """Prints the rows of one clip."""
    lead = f"| {name} | {figures['frames']} | {'x'.join(map(str, figures['size']))} | {figures['persons']}"
    before = rates(other) if other else {}
    for stage, rate in rates(figures).items():
        ratio = f"{before[stage]:.1f} -> {rate / before[stage]:.2f}" if stage in before else ""
        print(f"{lead} | {stage} | {rate:.1f} | {ratio} |")
    memory = f"{other['peak_mb']:.0f} MB" if other else ""
    print(f"{lead} | peak memory | {figures['peak_mb']:.0f} MB | {memory} |")


if __name__ == "__main__":
    main()
