import math
import os
from threading import Event

import numpy as np
import pytest

from anthropose.people.mediapipe_models import PoseModels, PoseWorkers, Pyramid, Roi, quiet_stderr


def gradient(width: int, height: int) -> np.ndarray:
    """An image whose red grows by one with x and whose green grows by one with y."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.dstack([x, y, np.zeros_like(x)]).astype(np.uint8)


def test_an_upright_square_is_cut_where_it_lies() -> None:
    cut = Pyramid(gradient(200, 150)).cut(Roi(100, 60, 64, 0.0), 64).astype(int)
    assert (cut[32, :, 0] == np.arange(68, 132)).all()
    assert (cut[:, 32, 1] == np.arange(28, 92)).all()


@pytest.mark.parametrize("turn", [0.3, math.pi / 2, -2.0])
def test_a_turned_square_shows_what_its_map_says(turn: float) -> None:
    roi = Roi(100, 75, 60, turn)
    cut = Pyramid(gradient(200, 150)).cut(roi, 60).astype(float)
    for row, column in ((10, 20), (30, 30), (45, 12)):
        expected = roi.to_image() @ ((column + 0.5) / 60, (row + 0.5) / 60, 1) - 0.5
        assert np.allclose(cut[row, column, :2], expected, atol=1)


@pytest.mark.parametrize("longest", [100, 1000])
def test_places_stay_the_same_after_shrinking(longest: int) -> None:
    image = np.repeat(np.repeat(gradient(200, 150), 2, axis=0), 2, axis=1)
    whole, roi = Pyramid(image), Roi(200, 150, 240, 0.2)
    difference = whole.cut(roi, 30).astype(int) - whole.shrunk(longest).cut(roi, 30).astype(int)
    assert np.abs(difference).max() <= 3


def test_large_squares_are_cut_without_aliasing() -> None:
    stripes = np.zeros((2048, 2048, 3), np.uint8)
    stripes[:, ::2] = 255
    cut = Pyramid(stripes).cut(Roi(1024, 1024, 2000, 0.0), 100)
    assert np.abs(cut.astype(int) - 127).max() <= 2


def test_outside_the_frame_is_black() -> None:
    cut = Pyramid(np.full((50, 50, 3), 255, np.uint8)).cut(Roi(0, 0, 40, 0.0), 40)
    assert (cut[:18, :18] == 0).all()
    assert (cut[22:, 22:] == 255).all()


def test_opening_and_running_writes_nothing_on_the_terminal(capfd: pytest.CaptureFixture) -> None:
    models = PoseModels()
    picture = Pyramid(np.full((100, 100, 3), 90, np.uint8))
    assert models.find(picture, Roi(50, 50, 100, 0.0)) == []
    models.land(picture, Roi(50, 50, 100, 0.0))
    out, err = capfd.readouterr()
    assert out == ""
    assert err == ""


def test_workers_do_what_is_urgent_first_and_the_rest_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    workers, begun, go, done = PoseWorkers(count=1), Event(), Event(), []

    def noted(name: str, answer: object) -> object:
        begun.set()
        assert go.wait(10)
        done.append(name)
        return answer

    monkeypatch.setattr(PoseModels, "find", lambda self, image, square: noted(f"find {square.x:g}", []))
    monkeypatch.setattr(PoseModels, "land", lambda self, image, roi: noted(f"land {roi.x:g}", None))
    picture = Pyramid(gradient(20, 20))
    waiting = [workers.find(picture, Roi(0, 0, 9, 0.0), urgent=False)]
    assert begun.wait(10)
    waiting += [workers.find(picture, Roi(x, 0, 9, 0.0), urgent=False) for x in (1, 2)]
    waiting += [workers.land(picture, Roi(3, 0, 9, 0.0)), workers.find(picture, Roi(4, 0, 9, 0.0))]
    go.set()
    assert [one.result(10) for one in waiting] == [[], [], [], None, []]
    assert done == ["find 0", "land 3", "find 4", "find 1", "find 2"]


def test_what_goes_wrong_in_a_worker_comes_to_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    workers, picture = PoseWorkers(count=1), Pyramid(gradient(20, 20))

    def fail(self: PoseModels, image: Pyramid, roi: Roi) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(PoseModels, "land", fail)
    with pytest.raises(RuntimeError, match="out of order"):
        workers.land(picture, Roi(10, 10, 9, 0.0)).result(10)
    assert workers.find(picture, Roi(10, 10, 20, 0.0)).result(10) == [], "the worker goes on"


def test_errors_written_after_quiet_code_are_seen_again(capfd: pytest.CaptureFixture) -> None:
    with quiet_stderr():
        os.write(2, b"hidden")
    os.write(2, b"seen")
    assert capfd.readouterr().err == "seen"
