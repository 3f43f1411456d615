import numpy as np
import pytest
import torch

from anthropose.motion import Track
from anthropose.people.detections import Detections
from anthropose.people.follow import follow
from anthropose.skeleton import COCO_17, Skeleton
from tests.people.actors import BLUE, RED, Actor, film

SIZE = (1280, 720)


def actors_of(track: Track) -> list[int]:
    """The actors whom a track follows, in order, each time it changes from one to another."""
    assert track.world is not None
    numbers = track.world[:, 0, 0].tolist()
    return [int(a) for i, a in enumerate(numbers) if i == 0 or a != numbers[i - 1]]


def walking(start: float, end: float, seconds: float, y: float = 600.0):
    return lambda now: (start + (end - start) * now / seconds, y)


@pytest.mark.parametrize("rate", [5.0, 10.0, 30.0, 60.0])
@pytest.mark.parametrize("seed", range(3))
def test_two_people_crossing_keep_their_numbers_when_one_hides_the_other(rate: float, seed: int) -> None:
    actors = [
        Actor(walking(200, 1000, 4), RED),
        Actor(walking(1000, 200, 4, y=580), BLUE, unseen=((1.75, 2.25),)),
    ]
    tracks = follow(film(actors, 4, rate, seed), rate, SIZE)
    assert [actors_of(track) for track in tracks] in ([[0], [1]], [[1], [0]])


@pytest.mark.parametrize("seed", range(3))
def test_two_people_in_the_same_clothes_keep_their_numbers_by_their_way(seed: int) -> None:
    actors = [Actor(walking(200, 1000, 4), RED), Actor(walking(1000, 200, 4, y=580), RED, unseen=((1.85, 2.15),))]
    tracks = follow(film(actors, 4, 30, seed), 30.0, SIZE)
    assert sorted(actors_of(track) for track in tracks) == [[0], [1]]


@pytest.mark.parametrize("gap", [0.2, 0.7, 1.5])
def test_someone_who_was_hidden_for_a_while_keeps_the_number(gap: float) -> None:
    tracks = follow(film([Actor(walking(200, 800, 5), RED, unseen=((2.0, 2.0 + gap),))], 5), 30.0, SIZE)
    assert len(tracks) == 1
    assert len(tracks[0]) == round((5 - gap) * 30)
    assert tracks[0].frames.diff().max() == round(gap * 30) + 1, "the gap stays a gap"


def test_someone_else_at_the_same_place_after_a_gap_gets_another_number() -> None:
    actors = [
        Actor(walking(400, 420, 6), RED, unseen=((2.0, 6.0),)),
        Actor(walking(400, 420, 6), BLUE, unseen=((0.0, 3.0),)),
    ]
    tracks = follow(film(actors, 6), 30.0, SIZE)
    assert [actors_of(track) for track in tracks] == [[0], [1]]


def test_a_jump_and_a_somersault_stay_one_person() -> None:
    def place(now: float) -> tuple[float, float]:
        leap = max(0.0, 1 - ((now - 1.5) / 0.5) ** 2)
        return 300 + 150 * now, 600 - 250 * leap

    detections = film([Actor(place, RED)], 3)
    turned = detections.keypoints.clone()
    middle = (detections.boxes[:, :2] + detections.boxes[:, 2:])[:, None] / 2
    angle = torch.clamp((detections.frames / 30 - 1) / 1.0, 0, 1) * 2 * torch.pi
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    x, y = (turned[..., :2] - middle).unbind(-1)
    turned[..., :2] = torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1) + middle
    upside_down = Detections(
        detections.frames, detections.boxes, detections.scores, turned, COCO_17, detections.looks, detections.world
    )
    tracks = follow(upside_down, 30.0, SIZE)
    assert [len(track) for track in tracks] == [90]


def test_a_camera_that_swings_loses_nobody() -> None:
    def swinging(start: float):
        return lambda now: (start + 200 * np.sin(3 * now), 600.0)

    tracks = follow(film([Actor(swinging(400), RED), Actor(swinging(700), BLUE)], 4), 30.0, SIZE)
    assert [actors_of(track) for track in tracks] in ([[0], [1]], [[1], [0]])
    assert [len(track) for track in tracks] == [120, 120]


def test_short_glimpses_and_doubtful_ghosts_are_dropped() -> None:
    actors = [
        Actor(walking(200, 400, 3), RED),
        Actor(walking(900, 900, 3), BLUE, unseen=((0.0, 1.0), (1.2, 3.0))),
        Actor(walking(1100, 1100, 3), BLUE, score=0.35),
    ]
    tracks = follow(film(actors, 3), 30.0, SIZE)
    assert [actors_of(track) for track in tracks] == [[0]]


def test_a_part_of_a_body_taken_for_a_body_is_dropped() -> None:
    legs = Actor(walking(200, 400, 3), BLUE, height=90, unseen=((0.0, 1.0),))
    tracks = follow(film([Actor(walking(200, 400, 3), RED), legs], 3), 30.0, SIZE)
    assert [actors_of(track) for track in tracks] == [[0]]


def test_a_detector_that_reports_everyone_twice_gives_each_person_one_track() -> None:
    tracks = follow(
        film([Actor(walking(200, 600, 3), RED), Actor(walking(205, 605, 3), RED, score=0.8)], 3), 30.0, SIZE
    )
    assert len(tracks) == 1


def test_numbers_begin_at_zero_in_the_order_of_appearance() -> None:
    actors = [
        Actor(walking(200, 300, 4), RED, unseen=((0.0, 2.0),)),
        Actor(walking(600, 700, 4), BLUE, unseen=((0.0, 1.0),)),
        Actor(walking(1000, 1100, 4), RED),
    ]
    tracks = follow(film(actors, 4), 30.0, SIZE)
    assert [track.person for track in tracks] == [0, 1, 2]
    assert [actors_of(track)[0] for track in tracks] == [2, 1, 0]


def test_frames_increase_and_every_row_is_a_detection() -> None:
    detections = film([Actor(walking(200, 900, 3), RED), Actor(walking(900, 200, 3, y=580), BLUE)], 3)
    for track in follow(detections, 30.0, SIZE):
        assert (track.frames.diff() > 0).all()
        assert track.keypoints is not None
        for frame, box in zip(track.frames, track.boxes, strict=True):
            assert (detections.at(int(frame)).boxes == box).all(dim=1).any()


def test_the_order_of_rows_within_a_frame_does_not_matter() -> None:
    actors = [Actor(walking(200, 900, 3), RED), Actor(walking(900, 200, 3, y=580), BLUE, unseen=((1.3, 1.6),))]
    detections = film(actors, 3)
    reversed_rows = torch.argsort(detections.frames * 10 + torch.arange(len(detections)).flip(0) % 10, stable=True)
    one, other = follow(detections, 30.0, SIZE), follow(detections[reversed_rows], 30.0, SIZE)
    assert len(one) == len(other)
    assert all(torch.equal(a.boxes, b.boxes) for a, b in zip(one, other, strict=True))


def test_a_video_without_people_has_no_tracks() -> None:
    assert follow(Detections.empty(COCO_17), 30.0, SIZE) == []


def test_rows_that_are_not_numbers_or_outside_the_image_are_left_out() -> None:
    detections = film([Actor(walking(200, 400, 2), RED)], 2)
    boxes, keypoints = detections.boxes.clone(), detections.keypoints.clone()
    boxes[10] = float("nan")
    boxes[20] = torch.tensor([-500.0, -500.0, -300.0, -100.0])
    keypoints[30, 3] = float("nan")
    broken = Detections(
        detections.frames, boxes, detections.scores, keypoints, COCO_17, detections.looks, detections.world
    )
    (track,) = follow(broken, 30.0, SIZE)
    assert {10, 20}.isdisjoint(track.frames.tolist())
    assert len(track) == 58


def test_boxes_alone_are_enough() -> None:
    full = film([Actor(walking(200, 900, 3), RED), Actor(walking(900, 200, 3, y=560), BLUE)], 3)
    nothing = Skeleton("boxes", (), ())
    boxes = Detections(full.frames, full.boxes, full.scores, full.keypoints[:, :0], nothing, full.looks[:, :0])
    tracks = follow(boxes, 30.0, SIZE)
    assert len(tracks) == 2
    assert all(track.keypoints is None and track.skeleton is None for track in tracks)
