from collections.abc import Iterator
from concurrent.futures import Future
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.motion import Track
from anthropose.people.detect import find_detector
from anthropose.people.detections import Detections, concatenate
from anthropose.people.follow import follow
from anthropose.people.mediapipe_models import Found, PoseWorkers, Pyramid, Roi
from anthropose.people.mediapipe_pose import READ_AHEAD, MediapipeDetector
from anthropose.people.mediapipe_pose.people import similarity
from anthropose.people.mediapipe_pose.search import Frame, MediapipeConfig, Search, search_squares
from anthropose.skeleton import MEDIAPIPE_33
from anthropose.video import open_video

CLIPS = Path(__file__).parents[3] / "shared" / "data" / "videos"
needs_clips = pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the real clips are not at {CLIPS}")


@pytest.fixture(scope="module")
def detector() -> MediapipeDetector:
    return MediapipeDetector()


def found(
    detector: MediapipeDetector, name: str, start: int = 0, stop: int | None = None
) -> tuple[Detections, list[Track]]:
    video = open_video(CLIPS / name)
    parts = list(detector.detect(video.frames(start, stop), start, video.seconds))
    assert len(parts) == (stop or len(video)) - start, "one entry per frame"
    detections = concatenate(parts)
    return detections, follow(detections, video.fps, video.size)


@pytest.mark.parametrize(
    ("width", "height"), [(1280, 720), (720, 1280), (640, 640), (4000, 3000), (64, 48), (3000, 300)]
)
def test_every_place_of_the_frame_is_searched_at_each_scale(width: int, height: int) -> None:
    squares = search_squares(width, height)
    for side in {square.side for square in squares}:
        for x in np.linspace(1, width - 1, 23):
            for y in np.linspace(1, height - 1, 23):
                same = [s for s in squares if s.side == side]
                assert any(abs(s.x - x) <= side / 2 and abs(s.y - y) <= side / 2 for s in same)


@pytest.mark.parametrize("fps", [5.0, 15.0, 24.0, 25.0, 30.0, 60.0])
def test_every_square_is_searched_at_once_and_then_within_each_second(fps: float) -> None:
    asked: list[Roi] = []

    class Asked(PoseWorkers):
        def __init__(self) -> None: ...

        def find(self, image: Pyramid, square: Roi, urgent: bool = True) -> Future[list[Found]]:
            assert not urgent, "whoever is known comes first"
            asked.append(square)
            return Future()

    search, every = Search(MediapipeConfig(), Asked(), fps), search_squares(1280, 720)
    counts = []
    for number in range(round(4 * fps)):
        before = len(asked)
        search.begin([], [Frame(number, Pyramid(np.zeros((720, 1280, 3), np.uint8)))])
        counts.append(len(asked) - before)
    assert asked[: len(every)] == list(every)
    assert max(counts[1:]) - min(counts[1:]) <= 1, "every frame takes about as long"
    for begin in range(1, len(counts) - round(fps)):
        assert sum(counts[begin : begin + round(fps)]) >= len(every)
    assert asked[len(every) :] == [every[i % len(every)] for i in range(len(asked) - len(every))]


def test_someone_on_the_edge_of_one_square_is_well_inside_another() -> None:
    squares = [s for s in search_squares(1280, 720) if s.side == 360]
    for x in np.linspace(100, 1180, 40):
        assert any(abs(s.x - x) <= 360 / 2 - 70 for s in squares)


def test_keypoints_are_most_similar_to_themselves() -> None:
    points = np.column_stack([np.random.default_rng(0).uniform(0, 100, (33, 2)), np.ones(33)])
    assert similarity(points, points, 100) == pytest.approx(1)
    assert similarity(points, points + np.array([30, 0, 0]), 100) < 0.1


@pytest.mark.parametrize("size", [(480, 640), (48, 64), (1, 1), (3000, 4000)])
def test_frames_without_people_give_empty_rows(detector: MediapipeDetector, size: tuple[int, int]) -> None:
    frames = (np.full((*size, 3), 120, np.uint8) for _ in range(3))
    parts = list(detector.detect(frames, 7))
    assert [len(part) for part in parts] == [0, 0, 0]
    assert parts[0].skeleton == MEDIAPIPE_33
    assert parts[0].world is not None
    assert follow(concatenate(parts), 30.0, size[::-1]) == []


def test_no_frames_at_all_give_nothing(detector: MediapipeDetector) -> None:
    assert list(detector.detect(iter(()))) == []


def test_frames_are_read_one_by_one_and_given_out_late_by_what_is_set(detector: MediapipeDetector) -> None:
    read = 0

    def frames() -> Iterator[np.ndarray]:
        nonlocal read
        for _ in range(60):
            read += 1
            yield np.zeros((48, 64, 3), np.uint8)

    next(detector.detect(frames(), 0, np.arange(60) / 10))
    assert read == 12 + READ_AHEAD, "1.1 s at 10 frames per second, the one in hand, and those searched ahead"


def test_live_every_frame_is_looked_at_before_the_next_is_read() -> None:
    live, read = MediapipeDetector(look_back_seconds=0.0), 0

    def frames() -> Iterator[np.ndarray]:
        nonlocal read
        for _ in range(4):
            read += 1
            yield np.zeros((48, 64, 3), np.uint8)

    for given, _ in enumerate(live.detect(frames(), 0, np.arange(4) / 10), start=1):
        assert read == given


def test_settings_tell_of_changes_and_are_plain_values() -> None:
    one, other = (find_detector("mediapipe", new_presence=p).settings() for p in (0.7, 0.8))
    assert one != other
    assert all(isinstance(value, str | int | float | None) for value in one.values())


@needs_clips
def test_a_person_is_found_and_goes_on_from_what_was_found_before(detector: MediapipeDetector) -> None:
    first, tracks = found(detector, "squats.mp4", 0, 8)
    assert [len(track) for track in tracks] == [8]
    video = open_video(CLIPS / "squats.mp4")
    rest = concatenate(list(detector.detect(islice(video.frames(8), 4), 8, video.seconds, previous=first)))
    assert rest.frames.tolist() == [8, 9, 10, 11]


@needs_clips
def test_the_world_landmarks_are_in_camera_axes(detector: MediapipeDetector) -> None:
    """x right, y down, z away: the woman is half turned, her left side to the picture's right and farther away."""
    _, (track,) = found(detector, "squats.mp4", 20, 24)
    assert track.world is not None
    index = MEDIAPIPE_33.index
    world = track.world[0]
    assert world[index("nose"), 1] < -0.4
    assert world[index("left_ankle"), 1] > 0.5
    assert world[index("left_shoulder"), 0] > world[index("right_shoulder"), 0] + 0.1
    assert world[index("left_shoulder"), 2] > world[index("right_shoulder"), 2]
    assert world[index("nose"), 2] < world[[index("left_ear"), index("right_ear")], 2].mean()


@pytest.mark.slow
@needs_clips
@pytest.mark.parametrize(
    ("clip", "people"), [("squats.mp4", 1), ("worker_walks_away.mp4", 1), ("upper_body_sign.mp4", 1)]
)
def test_one_person_is_one_track_in_nearly_every_frame(detector: MediapipeDetector, clip: str, people: int) -> None:
    _, tracks = found(detector, clip, 0, 60)
    assert len(tracks) == people
    assert len(tracks[0]) >= 57


@pytest.mark.slow
@needs_clips
def test_three_people_who_hide_each_other_are_three_tracks(detector: MediapipeDetector) -> None:
    _, tracks = found(detector, "store_aisle.mp4")
    assert len(tracks) == 3
    # The first is on the left until the end, the second on the right, the third comes in front of both.
    starts = [track.boxes[0, [0, 2]].mean() for track in tracks]
    assert starts[0] < 300 < starts[1]


@pytest.mark.slow
@needs_clips
def test_a_small_woman_who_comes_in_is_found_from_her_first_steps(detector: MediapipeDetector) -> None:
    _, tracks = found(detector, "walk_and_backflip.mp4", 20, 90)
    assert len(tracks) == 2
    assert len(tracks[0]) == 70, "the man on the roof is there all the time"
    assert 34 <= int(tracks[1].frames[0]) <= 48
    assert tracks[1].frames[-1] == 89
    height = (tracks[1].boxes[:, 3] - tracks[1].boxes[:, 1]).median()
    assert 200 < height < 400


@needs_clips
def test_what_is_begun_ahead_changes_nothing(detector: MediapipeDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two people who cross, one of them hidden for a while; every number is the same."""
    ahead, _ = found(detector, "store_aisle.mp4", 24, 44)
    monkeypatch.setattr("anthropose.people.mediapipe_pose.READ_AHEAD", 0)
    in_time, _ = found(detector, "store_aisle.mp4", 24, 44)
    assert ahead.world is not None
    assert in_time.world is not None
    assert len(set(ahead.frames.tolist())) == 20
    for field in ("frames", "boxes", "scores", "keypoints", "looks", "world"):
        assert torch.equal(getattr(ahead, field), getattr(in_time, field))


@pytest.mark.slow
@needs_clips
def test_looking_back_costs_nothing_but_time(detector: MediapipeDetector) -> None:
    """Without looking back the same people are followed, only from a later frame on."""
    live = MediapipeDetector(look_back_seconds=0.0)
    video = open_video(CLIPS / "walk_and_backflip.mp4")
    late = concatenate(list(live.detect(video.frames(30, 60), 30, video.seconds)))
    early, _ = found(detector, "walk_and_backflip.mp4", 30, 60)
    both = sorted(set(late.frames[late.frames > 55].tolist()))
    for frame in both:
        assert torch.allclose(late.at(frame).keypoints, early.at(frame).keypoints)
    assert len(early) > len(late)
