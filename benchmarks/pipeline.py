"""Frames per second of each stage, and peak memory on a short and on a long clip.

    python benchmarks/pipeline.py [--video CLIP] [--minutes 5]

Without --video the demo's scene is made (20 s) and repeated for the long clip. Prints a table for the README.
Each run is a process of its own, so that its peak memory is its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def measure(clip: Path, out: Path) -> None:
    """Runs the whole pipeline once and prints its figures as JSON."""
    from anthropose.outputs import Stopwatch, run
    from anthropose.video import open_video

    start = time.perf_counter()
    watch = Stopwatch(lambda stage, share: None)
    motions = run(clip, out, progress=watch)
    print(
        json.dumps(
            {
                "frames": len(open_video(clip)),
                "persons": len(motions),
                "person_frames": sum(len(motion) for motion in motions),
                "seconds": watch.seconds,
                "total": time.perf_counter() - start,
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


def in_own_process(clip: Path, out: Path) -> dict:
    command = [sys.executable, __file__, "--measure", str(clip), str(out)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0, help="length of the long clip; 0 leaves it out")
    parser.add_argument("--measure", nargs=2, type=Path, metavar=("CLIP", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(*arguments.measure)
        return
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        clip = arguments.video
        if clip is None:
            from anthropose.synthetic import make_scene

            clip = work / "short.mp4"
            make_scene(seconds=20.0).write(clip)
        runs = {"short": in_own_process(clip, work / "short")}
        if arguments.minutes:
            runs["long"] = in_own_process(repeat(clip, 60 * arguments.minutes, work / "long.mp4"), work / "long")
    print("| clip | frames | persons | stage | frames/s |\n|---|---|---|---|---|")
    for name, figures in runs.items():
        lead = f"| {name} | {figures['frames']} | {figures['persons']}"
        for stage, spent in figures["seconds"].items():
            print(f"{lead} | {stage} | {figures['frames'] / spent:.1f} |")
        print(f"{lead} | whole | {figures['frames'] / figures['total']:.1f} |")
        print(f"{lead} | peak memory | {figures['peak_mb']:.0f} MB |")


if __name__ == "__main__":
    main()
