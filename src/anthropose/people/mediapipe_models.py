"""The two BlazePose networks inside mediapipe's wheel, each as a function of a small square image.

The Tasks API runs them in one fixed order (find people in the whole frame, then land the keypoints). Its inner graphs
are opened here one by one, so that the caller chooses where to look: a person who is small in the frame is found in a
tile, and everyone is followed at full resolution. The networks come out of a bundle (`.task`): the one made of the
wheel's models (`mediapipe_bundle`), or one of the user's own (pose_landmarker_heavy.task).
"""

import itertools
import math
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from queue import PriorityQueue, SimpleQueue
from threading import Lock
from typing import Any, TypeVar

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from anthropose.people.mediapipe_bundle import BUNDLE_ENTRIES, read_bundle, wheel_bundle

T = TypeVar("T")

DETECTOR_SIDE = 224
LANDMARK_SIDE = 256
ROI_MARGIN = 1.25
"""BlazePose was trained on squares 1.25 times the circle around the body."""


@dataclass(frozen=True)
class Roi:
    """A square of the image, turned so that the body in it stands upright."""

    x: float
    y: float
    """Centre, in pixels of the image."""
    side: float
    """In pixels."""
    turn: float
    """Radians, clockwise as seen on the screen: 0 for a person whose head is up."""

    def to_image(self) -> Float[np.ndarray, "2 3"]:
        """The affine map from unit coordinates of the square (0..1) to pixels of the image."""
        cos, sin = self.side * math.cos(self.turn), self.side * math.sin(self.turn)
        return np.array([[cos, -sin, self.x - (cos - sin) / 2], [sin, cos, self.y - (sin + cos) / 2]])


@dataclass(frozen=True)
class Found:
    """A person as the detector network gives it."""

    roi: Roi
    score: float
    face: Float[np.ndarray, "4"]
    """Box of the head as the network sees it: left, top, right, bottom."""


@dataclass(frozen=True)
class Landed:
    """The keypoints that the landmark network finds in a square."""

    presence: float
    """That the square holds a person, 0 to 1."""
    points: Float[np.ndarray, "33 3"]
    """x, y in pixels of the image, and confidence."""
    world: Float[np.ndarray, "33 3"]
    """Metres, camera axes, origin between the hips."""
    next_roi: Roi
    """The square around the body as it was found."""


class Pyramid:
    """One frame at full, half, quarter, ... size: small squares are cut from small pictures without aliasing.

    Places are always in pixels of the frame, also after `shrunk` has thrown the larger pictures away.
    """

    def __init__(self, image: UInt8[np.ndarray, "h w 3"]) -> None:
        self.height, self.width = image.shape[:2]
        self._levels = [np.ascontiguousarray(image)]
        self._lock = Lock()

    def shrunk(self, longest: int) -> "Pyramid":
        """The same frame with no side over `longest`; takes little memory."""
        small, scale = copy(self), longest / max(self.width, self.height)
        if scale < 1:
            size = (max(1, round(self.width * scale)), max(1, round(self.height * scale)))
            small._levels = [cv2.resize(self._levels[0], size, interpolation=cv2.INTER_AREA)]
        else:
            small._levels = self._levels[:1]
        return small

    def base(self) -> tuple[UInt8[np.ndarray, "h w 3"], Float[np.ndarray, "2"]]:
        """The largest picture there is, and its pixels per pixel of the frame in x and y."""
        image = self._levels[0]
        return image, np.array([image.shape[1] / self.width, image.shape[0] / self.height])

    def cut(self, roi: Roi, side: int) -> UInt8[np.ndarray, "s s 3"]:
        """The square `roi` as an image of `side` x `side`, black outside the frame."""
        pixels = roi.side * self._levels[0].shape[0] / self.height
        image = self._level(int(math.log2(pixels / side)) if pixels > side else 0)
        scale = np.array([image.shape[1] / self.width, image.shape[0] / self.height])
        to_level = roi.to_image() * scale[:, None]
        # Pixel i of the square covers i to i + 1, and OpenCV counts from the middles of pixels.
        to_level[:, 2] += to_level[:, :2].sum(axis=1) * 0.5 / side - 0.5
        to_level[:, :2] /= side
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(image, to_level, (side, side), flags=flags, borderMode=cv2.BORDER_CONSTANT)

    def _level(self, wanted: int) -> UInt8[np.ndarray, "h w 3"]:
        with self._lock:
            while len(self._levels) <= wanted and min(self._levels[-1].shape[:2]) >= 2:
                self._levels.append(cv2.resize(self._levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
        return self._levels[min(wanted, len(self._levels) - 1)]


class PoseModels:
    """Both networks, ready to run. One instance belongs to one thread."""

    def __init__(self, bundle: Path | None = None, least_score: float = 0.3) -> None:
        with quiet_stderr():
            from mediapipe.framework.formats import rect_pb2
            from mediapipe.python import packet_creator

            models = read_bundle(bundle or wheel_bundle())
            self._detector = _open_detector(models[BUNDLE_ENTRIES[0]], least_score)
            self._landmarks = _open_landmarks(models[BUNDLE_ENTRIES[1]])
            whole = rect_pb2.NormalizedRect(x_center=0.5, y_center=0.5, width=1.0, height=1.0)
            self._whole = packet_creator.create_proto(whole)
            # The graphs' threads write their notes at the first call; a blank one keeps them off the user's terminal.
            blank = Pyramid(np.zeros((LANDMARK_SIDE, LANDMARK_SIDE, 3), np.uint8))
            everything = Roi(LANDMARK_SIDE / 2, LANDMARK_SIDE / 2, float(LANDMARK_SIDE), 0.0)
            self.find(blank, everything)
            self.land(blank, everything)

    def find(self, image: Pyramid, square: Roi) -> list[Found]:
        """People inside an upright square of the image, best first."""
        from mediapipe.python import packet_getter

        packets = self._run(self._detector, image.cut(square, DETECTOR_SIDE))
        if packets["detections"].is_empty():
            return []
        return [_found(detection, square) for detection in packet_getter.get_proto_list(packets["detections"])]

    def land(self, image: Pyramid, roi: Roi) -> Landed | None:
        """The keypoints of the person whom `roi` is around; None where the network sees nobody at all."""
        from mediapipe.python import packet_getter

        packets = self._run(self._landmarks, image.cut(roi, LANDMARK_SIDE))
        if packets["landmarks"].is_empty():
            return None
        points = packet_getter.get_proto(packets["landmarks"]).landmark
        world = packet_getter.get_proto(packets["world"]).landmark
        rect = packet_getter.get_proto(packets["next"])
        matrix = roi.to_image()
        unit = np.array([(p.x, p.y) for p in points])
        confidence = np.array([p.visibility * p.presence for p in points])
        x, y = matrix[:, :2] @ (rect.x_center, rect.y_center) + matrix[:, 2]
        return Landed(
            presence=packet_getter.get_float(packets["presence"]),
            points=np.column_stack([unit @ matrix[:, :2].T + matrix[:, 2], confidence]),
            world=_turned(np.array([(p.x, p.y, p.z) for p in world]), roi.turn),
            next_roi=Roi(float(x), float(y), rect.width * roi.side, _wrapped(rect.rotation + roi.turn)),
        )

    def _run(self, runner: Any, square: np.ndarray) -> Any:
        import mediapipe
        from mediapipe.python import packet_creator

        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=square)
        return runner.process({"image": packet_creator.create_image(image), "rect": self._whole})


class PoseWorkers:
    """Several copies of the networks in threads of their own; they release Python's lock while they run.

    Copies beat the networks' own threads, which wait for each other by spinning and crawl on a busy machine.
    """

    def __init__(self, bundle: Path | None = None, count: int | None = None) -> None:
        count = count or min(4, os.cpu_count() or 1)
        self._free: SimpleQueue[PoseModels] = SimpleQueue()
        for _ in range(count):
            self._free.put(PoseModels(bundle))
        self._threads = ThreadPoolExecutor(count)
        self._waiting: PriorityQueue[tuple[int, int, Callable[[PoseModels], None]]] = PriorityQueue()
        self._asked = itertools.count()

    def find(self, image: Pyramid, square: Roi, urgent: bool = True) -> Future[list[Found]]:
        """`PoseModels.find`, to be waited for; what is not urgent comes after all that is."""
        return self._ask(lambda models: models.find(image, square), urgent)

    def land(self, image: Pyramid, roi: Roi) -> Future[Landed | None]:
        """`PoseModels.land`, to be waited for."""
        return self._ask(lambda models: models.land(image, roi), urgent=True)

    def _ask(self, question: Callable[[PoseModels], T], urgent: bool) -> Future[T]:
        answer: Future[T] = Future()

        def work(models: PoseModels) -> None:
            try:
                answer.set_result(question(models))
            except BaseException as error:
                answer.set_exception(error)

        self._waiting.put((0 if urgent else 1, next(self._asked), work))
        self._threads.submit(self._work)
        return answer

    def _work(self) -> None:
        """Answers the most urgent question; there is one call for each."""
        models = self._free.get()
        try:
            self._waiting.get()[-1](models)
        finally:
            self._free.put(models)


def _found(detection: Any, square: Roi) -> Found:
    """One result of the detector graph, in pixels of the image.

    The network gives the middle of the hips and a point on the circle around the whole body, upwards along the spine.
    """
    location = detection.location_data
    corner = np.array([square.x - square.side / 2, square.y - square.side / 2])
    hips, rim = (np.array([p.x, p.y]) * square.side + corner for p in location.relative_keypoints[:2])
    dx, dy = rim - hips
    box = location.relative_bounding_box
    face = np.array([box.xmin, box.ymin, box.xmin + box.width, box.ymin + box.height]) * square.side + np.tile(
        corner, 2
    )
    roi = Roi(float(hips[0]), float(hips[1]), 2 * ROI_MARGIN * math.hypot(dx, dy), _wrapped(math.atan2(dx, -dy)))
    return Found(roi, float(detection.score[0]), face)


def _wrapped(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi


def _turned(points: Float[np.ndarray, "n 3"], angle: float) -> Float[np.ndarray, "n 3"]:
    """Points turned about the viewing axis, as the square was."""
    cos, sin = math.cos(angle), math.sin(angle)
    return points @ np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])


def _open_detector(model: bytes, least_score: float) -> Any:
    from mediapipe.tasks.cc.vision.pose_detector.proto import pose_detector_graph_options_pb2

    options = pose_detector_graph_options_pb2.PoseDetectorGraphOptions(
        min_detection_confidence=least_score, num_poses=12
    )
    options.base_options.model_asset.file_content = model
    return _open_graph("pose_detector.PoseDetectorGraph", ["DETECTIONS:detections"], options)


def _open_landmarks(model: bytes) -> Any:
    from mediapipe.tasks.cc.vision.pose_landmarker.proto import pose_landmarks_detector_graph_options_pb2

    options = pose_landmarks_detector_graph_options_pb2.PoseLandmarksDetectorGraphOptions(min_detection_confidence=0.01)
    options.base_options.model_asset.file_content = model
    outputs = ["LANDMARKS:landmarks", "WORLD_LANDMARKS:world", "POSE_RECT_NEXT_FRAME:next", "PRESENCE_SCORE:presence"]
    return _open_graph("pose_landmarker.SinglePoseLandmarksDetectorGraph", outputs, options)


def _open_graph(name: str, outputs: list[str], options: Any) -> Any:
    """A running graph of the Tasks API that takes an image and a rectangle."""
    from mediapipe.framework import calculator_options_pb2, calculator_pb2
    from mediapipe.python._framework_bindings import task_runner

    wrapped = calculator_options_pb2.CalculatorOptions()
    wrapped.Extensions[type(options).ext].CopyFrom(options)
    inputs = ["IMAGE:image", "NORM_RECT:rect"]
    graph = calculator_pb2.CalculatorGraphConfig
    node = graph.Node(
        calculator=f"mediapipe.tasks.vision.{name}", input_stream=inputs, output_stream=outputs, options=wrapped
    )
    return task_runner.TaskRunner.create(graph(node=[node], input_stream=inputs, output_stream=outputs))


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Sends what native code writes to the terminal to nowhere: it would run through the progress display."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
