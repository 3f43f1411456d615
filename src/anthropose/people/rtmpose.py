"""RTMPose through rtmlib: better keypoints than the default, for whom the models can be fetched (`anthropose[rtmlib]`).

rtmlib downloads two ONNX files once, a person detector (YOLOX) and the keypoints (RTMPose), into its cache folder.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from anthropose.errors import UserError
from anthropose.people.detections import Detections
from anthropose.people.looks import COLOURS, looks_of
from anthropose.skeleton import COCO_17, HALPE_26, Skeleton

INSTALL = 'pip install "anthropose[rtmlib]"'
SOLUTIONS: dict[str, tuple[str, Skeleton]] = {"halpe-26": ("BodyWithFeet", HALPE_26), "coco-17": ("Body", COCO_17)}
"""Our name of the keypoints -> rtmlib's class and our skeleton."""


@dataclass(frozen=True)
class RtmlibConfig:
    """rtmlib's own choices, by its own names."""

    keypoints: Literal["halpe-26", "coco-17"] = "halpe-26"
    """halpe-26 has the feet."""
    mode: Literal["lightweight", "balanced", "performance"] = "balanced"
    """Small and fast to large and exact."""
    device: str = "cpu"
    """cpu, cuda, cuda:1, mps."""
    det: str | None = None
    """A detector's .onnx file of one's own in place of the download."""
    pose: str | None = None
    """A keypoint network's .onnx file of one's own in place of the download."""
    least_score: float = 0.3
    """People whose mean keypoint confidence is lower are left out."""


class RtmlibDetector:
    """RTMPose on the boxes of YOLOX, every frame on its own.

    Raises:
        UserError: rtmlib is not installed, or the models are not there and cannot be fetched.
    """

    name = "rtmlib"

    def __init__(self, config: RtmlibConfig | None = None, **changes: Any) -> None:
        self.config = replace(config or RtmlibConfig(), **changes)
        if self.config.keypoints not in SOLUTIONS:
            raise UserError(f"no keypoints {self.config.keypoints!r} in rtmlib; known are {', '.join(SOLUTIONS)}")
        solution, self.skeleton = SOLUTIONS[self.config.keypoints]
        self.solution = _open(solution, self.config)

    def settings(self) -> dict[str, Any]:
        """Everything that changes the result."""
        return {"detector": self.name, **asdict(self.config)}

    def detect(
        self,
        frames: Iterable[np.ndarray],
        first: int = 0,
        seconds: Sequence[float] | np.ndarray = (),
        previous: Detections | None = None,
    ) -> Iterator[Detections]:
        """See `Detector.detect`; each frame stands alone, so `seconds` and `previous` do not matter."""
        for number, image in enumerate(frames, start=first):
            # rtmlib's networks were trained on OpenCV's order of the colours.
            boxes = np.asarray(self.solution.det_model(image[..., ::-1].copy()), dtype=np.float32).reshape(-1, 4)
            boxes = boxes[(boxes[:, 2:] - boxes[:, :2] > 1).all(axis=1)]
            yield self._people(number, image, boxes) if len(boxes) else Detections.empty(self.skeleton, COLOURS)

    def _people(self, number: int, image: np.ndarray, boxes: np.ndarray) -> Detections:
        points, confidence = self.solution.pose_model(image[..., ::-1].copy(), bboxes=boxes.tolist())
        keypoints = np.concatenate([points, np.clip(confidence, 0, 1)[..., None]], axis=-1).astype(np.float32)
        scores = keypoints[..., 2].mean(axis=1)
        sure = np.isfinite(keypoints).all(axis=(1, 2)) & (scores >= self.config.least_score)
        keypoints, boxes, scores = keypoints[sure], boxes[sure], scores[sure]
        height, width = image.shape[:2]
        looks = [looks_of(image, person, self.skeleton) for person in keypoints]
        return Detections(
            frames=torch.full((len(boxes),), number, dtype=torch.int64),
            boxes=torch.from_numpy(boxes.clip(0, [width, height, width, height]).astype(np.float32)),
            scores=torch.from_numpy(scores),
            keypoints=torch.from_numpy(keypoints),
            skeleton=self.skeleton,
            looks=torch.from_numpy(np.stack(looks) if looks else np.zeros((0, COLOURS), np.float32)),
        )


def _open(solution: str, config: RtmlibConfig) -> Any:
    """rtmlib's solution, with its chatter kept off the terminal."""
    try:
        import rtmlib
    except ImportError as error:
        raise UserError(f"the detector rtmlib is not installed ({error}); install it: {INSTALL}") from error
    for path in (config.det, config.pose):
        if path is not None and not Path(path).is_file():
            raise UserError(f"{path}: no such model file")
    options = {name: path for name, path in (("det", config.det), ("pose", config.pose)) if path is not None}
    try:
        with redirect_stdout(StringIO()):
            made = getattr(rtmlib, solution)
            return made(mode=config.mode, backend="onnxruntime", device=config.device, **options)
    except ImportError as error:
        raise UserError(f"the detector rtmlib lacks a part ({error}); install it: {INSTALL}") from error
    except Exception as error:  # A border: rtmlib, urllib and onnxruntime raise kinds of their own.
        raise UserError(_cannot_open(getattr(rtmlib, solution), config, error)) from error


def _cannot_open(solution: Any, config: RtmlibConfig, error: Exception) -> str:
    """What rtmlib wanted, and how to bring it by hand."""
    wanted = getattr(solution, "MODE", {}).get(config.mode, {})
    links = [wanted[part] for part in ("det", "pose") if getattr(config, part) is None and part in wanted]
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if not links:
        return f"rtmlib could not open {config.det} and {config.pose}: {reason}"
    return (
        f"rtmlib could not fetch or open its models ({reason}); with another machine fetch {' and '.join(links)}"
        f" and put the files, as they are, into {_cache_folder()}"
    )


def _cache_folder() -> Path:
    """Where rtmlib looks before it downloads."""
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "rtmlib"
    return Path(home).expanduser() / "hub" / "checkpoints"
