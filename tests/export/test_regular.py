"""Constant frame rates, and who is seen at their frames."""

import pytest
import torch

from anthropose.errors import UserError
from anthropose.export.regular import even_times, even_times_of, seen_at
from tests.export.made_up import motion, stick_body, with_a_gap

BODY = stick_body()


@pytest.mark.parametrize("fps", [24000 / 1001, 25.0, 30000 / 1001, 59.94, 120.0])
def test_at_the_videos_rate_every_frame_of_the_track_is_seen_and_none_of_the_gap(fps: float) -> None:
    frames = torch.cat([torch.arange(5, 40), torch.arange(41, 90), torch.arange(100, 300)])
    one = motion(BODY, frames / fps, fps=fps)
    rate, times = even_times_of([one], None, 0.0)
    assert rate == fps
    assert seen_at(one, times).nonzero()[:, 0].tolist() == frames.tolist()


def test_a_phone_that_slows_down_leaves_no_gap() -> None:
    one = motion(BODY, torch.tensor([0.0, 0.02, 0.09, 0.11, 0.13]))
    one.track.frames[:] = torch.arange(5)
    assert seen_at(one, even_times(one.seconds, 100.0, None)).all()


def test_beside_a_gap_a_frame_is_seen_for_half_a_frame() -> None:
    one = with_a_gap(BODY)
    last, first = 19 / 30, 30 / 30
    times = torch.tensor([last, last + 0.4 / 30, last + 0.6 / 30, first - 0.6 / 30, first - 0.4 / 30, first])
    assert seen_at(one, times.double()).tolist() == [True, True, False, False, True, True]


def test_nobody_is_seen_before_they_come_or_after_they_leave() -> None:
    one = motion(BODY, 1 + torch.arange(10) / 30)
    assert seen_at(one, torch.tensor([0.0, 0.9, 1.4, 5.0], dtype=torch.float64)).sum() == 0


def test_a_person_of_one_frame_is_seen_in_it() -> None:
    one = motion(BODY, torch.tensor([2.0]))
    _, times = even_times_of([one], None, None)
    assert times.tolist() == [2.0]
    assert seen_at(one, times).tolist() == [True]


def test_the_times_of_several_persons_reach_from_the_first_to_the_last() -> None:
    early, late = motion(BODY, 1 + torch.arange(10) / 30), motion(BODY, 2 + torch.arange(10) / 30)
    _, times = even_times_of([late, early], None, None)
    assert times[0] == 1.0
    assert times[-1] == pytest.approx(2.3)


@pytest.mark.parametrize("start", [-0.1, 60.0, float("nan")])
def test_a_start_outside_the_video_is_refused(start: float) -> None:
    with pytest.raises(UserError, match=r"a time in the video from 0 to 1\.967 seconds"):
        even_times_of([motion(BODY)], None, start)


@pytest.mark.parametrize("fps", [0.0, -25.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(fps: float) -> None:
    with pytest.raises(UserError, match="greater than 0"):
        even_times_of([motion(BODY)], fps, None)
