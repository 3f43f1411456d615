"""A camera recorded to a file, so that it goes through the same pipeline as any video."""

import time
from pathlib import Path

from anthropose.progress import StageProgress, silent
from anthropose.video import VideoWriter, open_video


def record_camera(source: str, seconds: float, path: Path, progress: StageProgress = silent) -> Path:
    """Records `seconds` of a camera such as `camera:0` into an MP4 at the pace the frames come in.

    Raises:
        UserError: there is no such camera, or it gives no frames.
    """
    camera = open_video(source)
    start = time.monotonic()
    with VideoWriter(path, camera.size, camera.fps) as writer:
        for image in camera.frames():
            elapsed = time.monotonic() - start
            writer.write(image, elapsed)
            progress("capture", min(1.0, elapsed / seconds))
            if elapsed >= seconds:
                break
    return path
