"""Rate and latency of a live session, and what each stage takes: one person, 640x480, from a file played as a camera.

    python benchmarks/live.py CLIP [--weights FILE] [--adapt] [--seconds 30] [--record DIR]

CLIP is scaled and cut to 640x480. A browser is imitated, so that pictures are drawn, encoded and sent. The CPU time for
each picture shown tells what a free machine would do where this one is busy: on n cores at most n / (that time).
"""

import argparse
import os
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import cv2
import numpy as np

SIZE = (640, 480)


def scaled(clip: Path, seconds: float, path: Path) -> Path:
    """The middle of the clip at 640x480, back and forth until the seconds are filled."""
    from anthropose.video import VideoWriter, open_video

    video, images = open_video(clip), []
    for image in video.frames(0, 300):
        height, width = image.shape[:2]
        scale = max(SIZE[0] / width, SIZE[1] / height)
        large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        top, left = (large.shape[0] - SIZE[1]) // 2, (large.shape[1] - SIZE[0]) // 2
        images.append(np.ascontiguousarray(large[top : top + SIZE[1], left : left + SIZE[0]]))
    with VideoWriter(path, SIZE, 30.0) as writer:
        for number in range(int(30 * seconds)):
            place = number % (2 * len(images))
            writer.write(images[min(place, 2 * len(images) - 1 - place)], number / 30)
    return path


def watch(address: str, received: list[float]) -> None:
    """Reads the page's stream as a browser does."""
    try:
        with urllib.request.urlopen(f"{address}/stream", timeout=60) as stream:
            while stream.read(1 << 15):
                received.append(time.monotonic())
    except OSError:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--method", default="parallel-branch")
    parser.add_argument("--weights", default="")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--record", type=Path, help="record into this folder as well")
    parser.add_argument("--adapt", action="store_true", help="once without and once with adaptation")
    arguments = parser.parse_args()

    from anthropose.live.command import one_thread

    with tempfile.TemporaryDirectory() as folder, one_thread():
        clip = scaled(arguments.clip, arguments.seconds, Path(folder) / "clip.mp4")
        for adapt in (False, True) if arguments.adapt else (False,):
            session(clip, arguments, adapt)


def session(clip: Path, arguments: argparse.Namespace, adapt: bool) -> None:
    """Runs one and prints its figures."""
    from anthropose.live.command import live_parts
    from anthropose.live.figures import Figures
    from anthropose.live.page import Page
    from anthropose.live.pipeline import Pipeline
    from anthropose.settings import Settings

    settings = Settings(method=arguments.method, weights=arguments.weights)
    record = arguments.record / ("adapted" if adapt else "plain") if arguments.record and arguments.adapt else None
    figures = Figures()
    with Page("127.0.0.1", 0, figures) as page:
        parts = live_parts(settings, record or arguments.record, True, figures.learn if adapt else None)
        pipeline = Pipeline(str(clip), parts, page, figures)
        threading.Thread(target=watch, args=(page.address, []), daemon=True).start()
        cpu = time.process_time()
        pipeline.run()
        cpu = time.process_time() - cpu
    if pipeline.recording is not None:
        pipeline.recording.finish()
    print(
        f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.1f}, frames {pipeline.frames}, {figures.learnt or 'plain'}"
    )
    print(f"| shown | rate | latency | 95 % | CPU for a picture |\n| {figures.shown} | {figures.rate:.1f}/s", end="")
    print(f" | {1e3 * figures.latency():.0f} ms | {1e3 * figures.latency(0.95):.0f} ms", end="")
    print(f" | {1e3 * cpu / max(1, figures.shown):.0f} ms |\n| stage | median |")
    for stage, spent in figures.stages().items():
        print(f"| {stage} | {1e3 * spent:.1f} ms |", flush=True)


if __name__ == "__main__":
    main()
