"""Finds out what kind of source the user named."""

from pathlib import Path

from anthropose.errors import UserError
from anthropose.video.base import Video

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})


def open_video(source: str | Path, fps: float | int | None = None) -> Video:
    """Opens a video file, a folder of images, one image, or a camera.

    Args:
        source: a path, or `camera:0` for the first camera.
        fps: [1/s] for a folder the rate of its images (30 if not given), for a camera the rate to ask for; for a file
            it takes the place of the recorded time stamps.

    Raises:
        UserError: the source is missing, is not a video, holds no frames, or may not be read.
    """
    if fps is not None and not 0 < fps < 100_000:
        raise UserError(f"the frame rate must be a number above 0, got {fps}")
    fps = None if fps is None else float(fps)
    name = str(source)
    if name.startswith("camera:"):
        from anthropose.video.camera import open_camera

        return open_camera(name, fps)
    path = Path(source)
    try:
        if path.is_dir():
            return open_folder(path, fps)
        if not path.exists():
            raise UserError(f"{path}: no such file or folder; give a video, a folder of images, or camera:0")
        if path.suffix.lower() in IMAGE_SUFFIXES:
            from anthropose.video.images import open_images

            return open_images(name, [path], fps)
        from anthropose.video.file import open_file

        return open_file(path, fps)
    except PermissionError as error:
        raise UserError(f"{path}: no permission to read it; change its permissions or copy it") from error


def open_folder(folder: Path, fps: float | None) -> Video:
    """The images of a folder in natural order; other files in it are passed over."""
    from anthropose.video.images import natural_order, open_images

    images = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
    if not images:
        kinds = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
        raise UserError(f"{folder}: the folder holds no images ({kinds}); name a video file or another folder")
    return open_images(str(folder), sorted(images, key=natural_order), fps)
