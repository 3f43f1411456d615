from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.datasets.motions import RecordedMotions, read_motions
from anthropose.errors import UserError
from tests.datasets.dumps import dump


def theta(frames: int) -> np.ndarray:
    return np.random.default_rng(frames).standard_normal((frames, 82)).astype(np.float32)


def test_vibes_file_becomes_a_motion_for_each_name(tmp_path: Path) -> None:
    rows = theta(50)
    names = np.repeat(["CMU_01_a", "CMU_01_b"], [20, 30])
    first, second = read_motions(dump(tmp_path / "amass_db.pt", {"vid_name": names, "theta": rows}))
    np.testing.assert_array_equal(first, rows[:20, 3:72])
    np.testing.assert_array_equal(second, rows[20:, 3:72])


def test_another_file_is_told_in_one_line(tmp_path: Path) -> None:
    path = dump(tmp_path / "amass_db.pt", {"vid_name": np.array(["a"] * 3), "theta": np.zeros((3, 72))})
    with pytest.raises(UserError, match=r"expected recorded motions as VIBE's amass_db\.pt"):
        read_motions(path)


def test_every_window_is_drawn_once_before_any_is_drawn_again() -> None:
    motions = [np.arange(n)[:, None] + 100 * np.ones((1, 69)) * k for k, n in enumerate((35, 16, 5))]
    recorded = RecordedMotions(motions, 16, 2)
    assert len(recorded.windows) == 3
    batches = [recorded.batch(step) for step in range(4)]
    assert [len(batch) for batch in batches] == [2, 1, 2, 1]
    for first in (0, 2):
        starts = torch.cat(batches[first : first + 2])[:, 0, 0].tolist()
        assert sorted(starts) == [0, 16, 100]
    for batch in batches:
        assert (batch.diff(dim=1) == 1).all(), "a window never crosses from one motion into another"


def test_motions_shorter_than_a_window_are_told() -> None:
    with pytest.raises(UserError, match="all shorter than a window of 16"):
        RecordedMotions([np.zeros((9, 69))], 16, 2)
