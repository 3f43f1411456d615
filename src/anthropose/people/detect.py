"""What every detector offers, and the table of those that are known."""

from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from anthropose.errors import UserError
from anthropose.people.detections import Detections
from anthropose.skeleton import Skeleton

DETECTORS = {
    "mediapipe": "anthropose.people.mediapipe_pose:MediapipeDetector",
    "rtmlib": "anthropose.people.rtmpose:RtmlibDetector",
}
"""Name -> module:class, imported when asked for. `my_package.mine:Mine` works in place of a name as well."""


@runtime_checkable
class Detector(Protocol):
    """Finds the people in each frame of a video."""

    name: str
    skeleton: Skeleton

    def settings(self) -> dict[str, Any]:
        """Everything that changes the result, as JSON values: equal settings give equal detections."""
        ...

    def detect(
        self,
        frames: Iterable[np.ndarray],
        first: int = 0,
        seconds: Sequence[float] | np.ndarray = (),
        previous: Detections | None = None,
    ) -> Iterator[Detections]:
        """The people of each frame, one `Detections` per frame (an empty one where nobody is seen), in order.

        Args:
            frames: RGB uint8 (h, w, 3), all of one size; read one by one, a few are held at most.
            first: the number of the first frame in the video.
            seconds: the time of each frame of the video [s]; empty when unknown.
            previous: what was found before `first`, to go on from there.
        """
        ...


def find_detector(name: str, **settings: Any) -> Detector:
    """The detector called `name`, made with `settings`.

    Raises:
        UserError: no such detector (the message lists those that are known), or it lacks something that it needs.
    """
    target = DETECTORS.get(name, name)
    module, _, attribute = target.partition(":")
    if not attribute:
        raise UserError(
            f"no detector {name!r}; known are {', '.join(DETECTORS)}, or package.module:Class for one of your own"
        )
    try:
        made = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"detector {target}: {error}; expected package.module:Class that can be imported") from error
    return made(**settings)


def open_task(path: Path | str | None) -> Path | None:
    """A model file named by the user, checked to be there."""
    if path is None:
        return None
    if not Path(path).is_file():
        raise UserError(f"{path}: no such model file")
    return Path(path)
