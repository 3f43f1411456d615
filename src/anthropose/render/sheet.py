"""Contact sheets: moments of a film on one picture, each with its time."""

import math
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from jaxtyping import UInt8

from anthropose.errors import UserError
from anthropose.writing import whole_file

MARGIN = 6
"""Between the pictures [px]."""

SHAPE = 1.6
"""Width by height that a sheet comes near to."""


class SheetWriter:
    """A picture file of pictures in rows, which appears at `path` when the block ends without an error.

    Args:
        path: .png or .jpg.
        size: width and height of each picture in pixels.
        count: of the pictures.

    Raises:
        UserError: no permission, a full disk, or no picture was written.
    """

    def __init__(self, path: Path, size: tuple[int, int], count: int) -> None:
        self._path, self._size, self._next = Path(path), size, 0
        width, height = size[0] + MARGIN, size[1] + MARGIN
        self._columns = min(count, max(1, round(math.sqrt(SHAPE * count * height / width))))
        rows = math.ceil(count / self._columns)
        self._sheet = np.full((rows * height + MARGIN, self._columns * width + MARGIN, 3), 255, np.uint8)

    def __enter__(self) -> "SheetWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            return
        if self._next == 0:
            raise UserError(f"{self._path}: there are no frames to write")
        _, encoded = cv2.imencode(self._path.suffix, cv2.cvtColor(self._sheet, cv2.COLOR_RGB2BGR))
        with whole_file(self._path) as part:
            part.write_bytes(encoded.tobytes())

    def write(self, rgb: UInt8[np.ndarray, "h w 3"], seconds: float) -> None:
        """Puts a picture in the next place, with the time in its corner."""
        row, column = divmod(self._next, self._columns)
        top, left = MARGIN + row * (self._size[1] + MARGIN), MARGIN + column * (self._size[0] + MARGIN)
        part = self._sheet[top : top + self._size[1], left : left + self._size[0]]
        part[:] = rgb
        scale = max(0.4, self._size[1] / 700)
        place = (round(12 * scale), self._size[1] - round(14 * scale))
        for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            width = max(1, round(1.5 * scale * thickness))
            cv2.putText(part, f"{seconds:.2f} s", place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, width, cv2.LINE_AA)
        self._next += 1
