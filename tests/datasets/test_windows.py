import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anthropose.datasets.windows import (
    Windows,
    centred_windows,
    glot_published_test_windows,
    tcmr_windows,
    vibe_windows,
    windows_of_all,
)

LENGTHS = st.lists(st.integers(1, 70), min_size=1, max_size=4)


def _video_of(lengths: list[int]) -> torch.Tensor:
    return torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))


def _middles(windows: Windows) -> torch.Tensor:
    return windows.frames[:, windows.frames.shape[1] // 2]


@given(LENGTHS, st.integers(1, 20), st.integers(1, 20))
def test_windows_never_reach_over_the_end_of_a_video(lengths: list[int], length: int, stride: int) -> None:
    video = _video_of(lengths)
    for windows in (vibe_windows(lengths, length, stride), tcmr_windows(lengths, length, stride)):
        seen = video[windows.frames]
        assert (seen == seen[:, :1]).all()


@given(LENGTHS, st.integers(1, 20), st.integers(1, 20))
def test_vibe_windows_hold_consecutive_frames_and_predict_them_all(lengths: list[int], t: int, stride: int) -> None:
    windows = vibe_windows(lengths, t, stride)
    assert (windows.frames.diff(dim=1) == 1).all()
    assert torch.equal(windows.predicts, windows.frames)
    assert len(windows) == sum((n - t) // stride + 1 for n in lengths if n >= t)


@given(LENGTHS, st.integers(2, 20))
def test_a_test_with_stride_one_predicts_each_frame_of_the_long_videos_once_in_order(
    lengths: list[int], length: int
) -> None:
    windows = tcmr_windows(lengths, length, 1, training=False, match_vibe=False)
    long = torch.tensor([n >= length for n in lengths])
    frames = torch.arange(sum(lengths))[long[_video_of(lengths)]]
    assert torch.equal(windows.predicts[:, 0], frames)
    assert torch.equal(_middles(windows), frames)


@given(st.integers(1, 60), st.integers(2, 20))
def test_static_edges_agree_with_tcmrs_test(n: int, length: int) -> None:
    ours = centred_windows(n, length)
    assert torch.equal(ours.predicts[:, 0], torch.arange(n))
    if n >= length:
        assert torch.equal(ours.frames, tcmr_windows([n], length, 1, training=False, match_vibe=False).frames)
    else:
        assert (ours.frames == ours.predicts).all(), "a video shorter than a window has only static ones"


def test_matching_vibe_ends_where_its_last_window_of_16_ends() -> None:
    windows = tcmr_windows([40], 16, 1, training=False)
    assert windows.predicts[:, 0].tolist() == list(range(32))
    assert len(tcmr_windows([40], 16, 1, training=False, match_vibe=False)) == 40


def test_matching_vibe_changes_nothing_where_no_window_ends_there() -> None:
    trimmed, whole = (tcmr_windows([20], 8, 3, match_vibe=match) for match in (True, False))
    assert torch.equal(trimmed.frames, whole.frames)


def test_a_training_draws_the_first_and_last_window_once_for_every_frame_never_in_the_middle() -> None:
    middles = tcmr_windows([48], 16, 1).predicts[:, 0]
    counts = torch.bincount(middles, minlength=48)
    assert counts[8] == 9
    assert counts[40] == 8
    assert (counts[9:40] == 1).all()
    assert counts.sum() == 48


def test_windows_without_overlap_get_no_static_ones() -> None:
    windows = tcmr_windows([40], 16, 16, training=False)
    assert windows.frames[:, 0].tolist() == [0, 16]


def test_clamped_edges_repeat_the_first_and_last_frame() -> None:
    frames = centred_windows(5, 4, "clamp").frames
    assert frames.tolist() == [[0, 0, 0, 1], [0, 0, 1, 2], [0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 4]]


@given(st.integers(4, 30))
def test_glots_published_test_has_the_windows_of_the_last_frames_in_reverse(n: int) -> None:
    right, published = centred_windows(n, 4, "clamp"), glot_published_test_windows(n, 4)
    assert torch.equal(published.predicts, right.predicts)
    assert torch.equal(published.frames[: n - 1], right.frames[: n - 1])
    assert torch.equal(
        glot_published_test_windows(n, 8).frames[n - 3 :].flip(0), centred_windows(n, 8, "clamp").frames[n - 3 :]
    )


def test_impossible_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        vibe_windows([20], 16, 0)
    with pytest.raises(ValueError, match="no videos"):
        windows_of_all([], lambda n: centred_windows(n))
