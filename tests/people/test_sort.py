import numpy as np
import torch

from anthropose.people.sort import Sort, SortConfig, overlaps, sort_tracks
from tests.people.actors import BLUE, RED, Actor, film


def test_a_box_overlaps_itself_wholly_and_a_distant_one_not_at_all() -> None:
    boxes = np.array([[0.0, 0.0, 10.0, 20.0], [100.0, 0.0, 110.0, 20.0]])
    assert np.allclose(overlaps(boxes, boxes), np.eye(2))


def test_half_a_box_overlaps_by_a_half() -> None:
    assert overlaps(np.array([[0.0, 0.0, 10.0, 10.0]]), np.array([[0.0, 0.0, 10.0, 5.0]]))[0, 0] == 0.5


def test_a_person_after_the_start_shows_after_three_more_sights() -> None:
    sort = Sort()
    still, late = np.array([0.0, 0.0, 50.0, 100.0]), np.array([200.0, 0.0, 250.0, 100.0])
    for _ in range(5):
        sort.step(still[None])
    shown = [[number for number, _, _ in sort.step(np.stack([still, late]))] for _ in range(5)]
    assert shown == [[1], [1], [1], [2, 1], [2, 1]]


def test_a_person_missing_for_two_stepped_frames_gets_a_new_number() -> None:
    sort = Sort()
    one, other = np.array([0.0, 0.0, 50.0, 100.0]), np.array([200.0, 0.0, 250.0, 100.0])
    for _ in range(4):
        sort.step(np.stack([one, other]))
    for _ in range(2):
        sort.step(one[None])
    for _ in range(4):
        shown = sort.step(np.stack([one, other]))
    assert [number for number, _, _ in shown] == [3, 1]


def test_tracks_are_numbered_from_zero_and_keep_their_keypoints() -> None:
    actors = [Actor(lambda now: (200 + 50 * now, 600), RED), Actor(lambda now: (900 - 50 * now, 600), BLUE)]
    tracks = sort_tracks(film(actors, 2))
    assert [track.person for track in tracks] == [0, 1]
    assert all(track.keypoints is not None and len(track) >= 55 for track in tracks)
    for track in tracks:
        assert track.world is not None
        assert track.world[:, 0, 0].unique().numel() == 1


def test_short_tracks_and_doubtful_detections_are_dropped() -> None:
    brief = Actor(lambda now: (200, 600), RED, unseen=((0.5, 9.0),))
    doubtful = Actor(lambda now: (900, 600), BLUE, score=0.6)
    assert sort_tracks(film([brief, doubtful], 2)) == []
    assert len(sort_tracks(film([brief, doubtful], 2), SortConfig(least_frames=5, least_score=0.5))) == 2


def test_boxes_without_area_or_not_numbers_are_left_out() -> None:
    detections = film([Actor(lambda now: (200, 600), RED)], 2)
    detections.boxes[5] = float("nan")
    detections.boxes[6, 2:] = detections.boxes[6, :2]
    (track,) = sort_tracks(detections)
    assert torch.isfinite(track.boxes).all()
    assert {5, 6}.isdisjoint(track.frames.tolist())
