from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anthropose.datasets.raw.rows import boxes_around, numbered_images, runs


@given(st.sets(st.integers(0, 40)))
def test_runs_are_the_longest_stretches_of_consecutive_frames(chosen: set[int]) -> None:
    frames = np.array(sorted(chosen), np.int64)
    parts = [frames[rows].tolist() for rows in runs(frames)]
    assert [frame for part in parts for frame in part] == sorted(chosen)
    for part in parts:
        assert part == list(range(part[0], part[-1] + 1))
        assert part[0] - 1 not in chosen
        assert part[-1] + 1 not in chosen


def test_boxes_hold_the_points_that_count_and_no_others() -> None:
    points = np.array([[[0, 0], [10, 20], [30, 100]], [[1, 2], [3, 4], [5, 6]]], float)
    counted = np.array([[False, True, True], [False, False, False]])
    boxes = boxes_around(points, counted, 1.5)
    np.testing.assert_allclose(boxes[0], [20, 60, 120, 120])
    assert np.isnan(boxes[1]).all()


def test_images_go_by_the_last_number_in_their_names(tmp_path: Path) -> None:
    for name in ("cam2_000007.jpg", "cam2_000010.png", "notes_3.txt", "cover.jpg"):
        (tmp_path / name).touch()
    assert {number: path.name for number, path in numbered_images(tmp_path).items()} == {
        7: "cam2_000007.jpg",
        10: "cam2_000010.png",
    }
    assert numbered_images(tmp_path / "none") == {}
