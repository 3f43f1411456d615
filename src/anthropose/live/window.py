"""A window that shows the drawn pictures as they come."""

import os
import subprocess
import sys
from types import TracebackType

import cv2
import numpy as np
from jaxtyping import UInt8

from anthropose.live.figures import Figures
from anthropose.live.slot import Slot

TITLE = "anthropose live"
PROBE = f"import cv2; cv2.namedWindow({TITLE!r}); cv2.waitKey(1)"


def has_display() -> bool:
    """Whether a window can be opened here. It is tried in a process of its own: Qt ends the one that it fails in."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        return subprocess.run([sys.executable, "-c", PROBE], capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


class Window:
    """Shows pictures from the main thread, where `poll` must be called; q, Escape or closing it says to stop."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._next: Slot[tuple[np.ndarray, float]] = Slot()

    def __enter__(self) -> "Window":
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cv2.destroyAllWindows()

    @property
    def where(self) -> str:
        """Where to look, for the terminal."""
        return "live in a window; q stops"

    def show(self, picture: UInt8[np.ndarray, "h w 3"], taken: float) -> None:
        """Gives the next picture to be shown."""
        self._next.put((picture, taken))

    def poll(self) -> bool:
        """Shows the newest picture; False when the user wants to stop."""
        newest = self._next.take(0.02)
        if newest is not None:
            cv2.imshow(TITLE, cv2.cvtColor(newest[0], cv2.COLOR_RGB2BGR))
            self._figures.show(newest[1])
        key = cv2.waitKey(1) & 0xFF
        return key not in (ord("q"), 27) and cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1
