"""Animated GIFs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anthropose.errors import UserError
from anthropose.render.gif import GifWriter
from tests.clips import numbered_frame, read_number


def read(path: Path) -> tuple[list[np.ndarray], list[int]]:
    with Image.open(path) as made:
        frames, lengths = [], []
        for index in range(made.n_frames):
            made.seek(index)
            frames.append(np.asarray(made.convert("RGB")))
            lengths.append(made.info["duration"])
    return frames, lengths


def test_frames_colours_and_uneven_times_come_back(tmp_path: Path) -> None:
    times = [2.0, 2.04, 2.14, 2.2, 2.5]
    with GifWriter(tmp_path / "a.gif", (161, 97), 25.0) as writer:
        for number, seconds in enumerate(times):
            writer.write(numbered_frame(number, (161, 97)), seconds)
    frames, lengths = read(tmp_path / "a.gif")
    assert [read_number(frame) for frame in frames] == list(range(5))
    assert lengths[:4] == [40, 100, 60, 300]
    assert np.abs(frames[3].astype(int) - numbered_frame(3, (161, 97))).mean() < 3


def test_frames_faster_than_browsers_show_keep_the_shortest_time(tmp_path: Path) -> None:
    with GifWriter(tmp_path / "a.gif", (160, 96), 240.0) as writer:
        for number in range(4):
            writer.write(numbered_frame(number), number / 240)
    assert min(read(tmp_path / "a.gif")[1]) >= 20


def test_an_error_or_no_frame_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> None:
        with GifWriter(tmp_path / "a.gif", (160, 96), 25.0) as writer:
            writer.write(numbered_frame(0), 0.0)
            raise RuntimeError("ours")

    with pytest.raises(RuntimeError, match="ours"):
        fail()
    with pytest.raises(UserError, match="no frames"), GifWriter(tmp_path / "a.gif", (160, 96), 25.0):
        pass
    assert not list(tmp_path.iterdir())


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="160x96 pixels, the file"),
        GifWriter(tmp_path / "a.gif", (80, 96), 25.0) as writer,
    ):
        writer.write(numbered_frame(0), 0.0)
