import math
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from anthropose.errors import UserError
from anthropose.people.mediapipe_models import PoseModels, Pyramid, Roi, quiet_stderr, wheel_bundle


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


def test_the_bundle_is_made_once_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = wheel_bundle()
    assert path.parent == tmp_path / "anthropose"
    assert "0.10" in path.name
    before = path.stat().st_mtime_ns
    assert wheel_bundle().stat().st_mtime_ns == before
    assert [file.name for file in path.parent.iterdir()] == [path.name], "no part of a file is left"


def test_a_damaged_bundle_in_the_cache_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = wheel_bundle()
    path.write_bytes(path.read_bytes()[:1000])
    assert zipfile.is_zipfile(wheel_bundle())


def test_where_the_cache_cannot_be_written_the_temporary_folder_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert wheel_bundle().parent == tmp_path


@pytest.mark.parametrize("content", [b"", b"no bundle", None])
def test_a_wrong_bundle_is_one_clear_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "wrong.task"
    if content is None:
        with zipfile.ZipFile(path, "w") as bundle:
            bundle.writestr("hello.txt", "hello")
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"expected a pose landmarker bundle") as error:
        PoseModels(path)
    assert "\n" not in str(error.value)


def test_opening_and_running_writes_nothing_on_the_terminal(capfd: pytest.CaptureFixture) -> None:
    models = PoseModels()
    picture = Pyramid(np.full((100, 100, 3), 90, np.uint8))
    assert models.find(picture, Roi(50, 50, 100, 0.0)) == []
    models.land(picture, Roi(50, 50, 100, 0.0))
    out, err = capfd.readouterr()
    assert out == ""
    assert err == ""


def test_errors_written_after_quiet_code_are_seen_again(capfd: pytest.CaptureFixture) -> None:
    with quiet_stderr():
        os.write(2, b"hidden")
    os.write(2, b"seen")
    assert capfd.readouterr().err == "seen"
