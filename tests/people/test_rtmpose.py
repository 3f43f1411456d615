"""rtmlib's models cannot be fetched in tests: a stand-in with its interface (version 0.0.16) takes its place."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from anthropose.errors import UserError
from anthropose.people.detect import find_detector
from anthropose.skeleton import COCO_17, HALPE_26


class Boxes:
    """rtmlib's YOLOX: BGR image -> boxes, an empty array for nobody."""

    def __call__(self, image: np.ndarray) -> np.ndarray:
        red = (image[..., 2] > 200) & (image[..., 0] < 50)
        if not red.any():
            return np.array([])
        rows, columns = np.nonzero(red)
        return np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], dtype=np.float32)


class Points:
    """rtmlib's RTMPose: falls back to the whole image where it gets no boxes, as the real one does."""

    def __init__(self, joints: int) -> None:
        self.joints = joints

    def __call__(self, image: np.ndarray, bboxes: list = []) -> tuple[np.ndarray, np.ndarray]:  # noqa: B006 - as theirs
        assert len(bboxes) > 0, "without boxes rtmlib lands the whole image as one person"
        share = np.linspace(0, 1, self.joints)[:, None]
        points = [np.array(box[:2]) + share * (np.array(box[2:]) - np.array(box[:2])) for box in bboxes]
        return np.stack(points), np.full((len(bboxes), self.joints), 1.1)


def fake(error: Exception | None = None) -> ModuleType:
    module = ModuleType("rtmlib")

    def solution(joints: int) -> type:
        class Solution:
            MODE = {"balanced": {"det": "https://models.example/det.zip", "pose": "https://models.example/pose.zip"}}  # noqa: RUF012

            def __init__(self, mode: str, backend: str, device: str, **paths: str) -> None:
                if error is not None:
                    raise error
                print("load models with onnxruntime backend")
                self.det_model, self.pose_model = Boxes(), Points(joints)

        return Solution

    module.BodyWithFeet, module.Body = solution(26), solution(17)  # type: ignore[attr-defined]
    return module


def picture(with_person: bool = True) -> np.ndarray:
    image = np.full((120, 200, 3), 128, np.uint8)
    if with_person:
        image[20:100, 60:100] = (255, 0, 0)
    return image


def test_people_come_with_boxes_keypoints_and_looks(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "rtmlib", fake())
    detector = find_detector("rtmlib")
    first, nobody = detector.detect([picture(), picture(False)], first=5)
    assert detector.skeleton == HALPE_26
    assert first.frames.tolist() == [5]
    assert first.boxes.tolist() == [[60, 20, 100, 100]]
    assert first.keypoints[0, -1].tolist() == [100, 100, 1], "confidences over one are cut"
    assert torch.allclose(first.looks.sum(), torch.tensor(1.0))
    assert len(nobody) == 0
    assert nobody.looks.shape[1] == first.looks.shape[1]
    assert capfd.readouterr().out == "", "rtmlib's chatter would run through the progress display"


def test_coco_keypoints_are_a_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rtmlib", fake())
    detector = find_detector("rtmlib", keypoints="coco-17")
    assert detector.skeleton == COCO_17
    assert next(detector.detect([picture()])).keypoints.shape == (1, 17, 3)


def test_settings_tell_what_changes_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rtmlib", fake())
    assert find_detector("rtmlib").settings() != find_detector("rtmlib", keypoints="coco-17").settings()


def test_where_it_is_not_installed_one_line_says_how_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rtmlib", None)
    with pytest.raises(UserError, match=r"pip install \"anthropose\[rtmlib\]\""):
        find_detector("rtmlib")


def test_offline_one_line_says_what_was_wanted_and_where_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rtmlib", fake(OSError("<urlopen error [Errno -2] Name or service not known>")))
    monkeypatch.setenv("TORCH_HOME", "/models")
    with pytest.raises(UserError) as error:
        find_detector("rtmlib")
    assert "https://models.example/pose.zip" in str(error.value)
    assert "/models/hub/checkpoints" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_model_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rtmlib", fake())
    with pytest.raises(UserError, match=r"nowhere\.onnx: no such model file"):
        find_detector("rtmlib", pose="nowhere.onnx")
