"""A folder of images as a video."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from anthropose.errors import UserError
from anthropose.video.base import Video, wanted

DEFAULT_RATE = 30.0
"""[1/s] Images carry no times; most folders of frames were cut from video at about this rate."""

EXIF_ORIENTATION = 0x0112
TURNED_ORIENTATIONS = (5, 6, 7, 8)
"""The EXIF orientations that exchange width and height."""


@dataclass(frozen=True, eq=False)
class ImageVideo(Video):
    """Images of one size, one per frame, at a constant rate."""

    paths: tuple[Path, ...]

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        for index in wanted(start, stop, len(self)):
            yield read_image(self.paths[index])


def open_images(source: str, paths: list[Path], fps: float | None) -> ImageVideo:
    """The images as a video, in the order given. Only their headers are read here.

    Raises:
        UserError: an image cannot be read, or differs in size from the first.
    """
    size = image_size(paths[0])
    for path in paths[1:]:
        if (other := image_size(path)) != size:
            raise UserError(
                f"{path}: {other[0]}x{other[1]} pixels, but the images before it have {size[0]}x{size[1]}; "
                "one folder must hold images of one size"
            )
    rate = fps or DEFAULT_RATE
    return ImageVideo(source, rate, size, np.arange(len(paths)) / rate, False, tuple(paths))


def natural_order(path: Path) -> tuple[list[tuple[int, str]], str]:
    """A key that sorts frame_2 before frame_10."""
    parts = re.findall(r"\d+|\D+", path.name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], path.name


def image_size(path: Path) -> tuple[int, int]:
    """Width and height as shown, from the header alone."""
    with opened(path) as image:
        width, height = image.size
        turned = image.getexif().get(EXIF_ORIENTATION) in TURNED_ORIENTATIONS
    return (height, width) if turned else (width, height)


def read_image(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """The image as RGB, upright as its EXIF tag says; 16-bit grey is reduced to 8 bits, transparency is dropped."""
    with opened(path) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):
            grey = (np.asarray(upright, dtype=np.float32) / 257).round().clip(0, 255).astype(np.uint8)
            return np.repeat(grey[..., None], 3, axis=-1)
        return np.array(upright.convert("RGB"))


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The image, for a block in which any trouble with it becomes one line that names it."""
    try:
        with Image.open(path) as image:
            yield image
    except PermissionError as error:
        raise UserError(f"{path}: no permission to read it; change its permissions or copy it") from error
    except FileNotFoundError as error:
        raise UserError(f"{path}: the image has gone away since the folder was opened") from error
    except UnidentifiedImageError as error:
        raise UserError(f"{path}: not an image that can be read; replace or remove it") from error
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path}: the image is damaged ({error}); replace or remove it") from error
