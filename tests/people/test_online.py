"""Numbers that are given frame by frame stay with the same people, and are never taken back."""

import numpy as np
import pytest
import torch

from anthropose.people.online import OnlineFollower
from tests.people.actors import BLUE, RED, Actor, film

SIZE = (1280, 720)


def walking(start: float, end: float, seconds: float, y: float = 600.0):
    return lambda now: (start + (end - start) * now / seconds, y)


def numbers(actors: list[Actor], seconds: float, rate: float = 15.0, seed: int = 0) -> list[dict[int, int]]:
    """For each frame the actor behind each person's number."""
    detections, follower, frames = film(actors, seconds, rate, seed), OnlineFollower(SIZE), []
    jitter = np.random.default_rng(seed)
    for frame in range(round(seconds * rate)):
        now = detections.at(frame)
        assert now.world is not None
        seen = follower.step(now, frame / rate + 0.3 * jitter.random() / rate)
        frames.append({person: int(now.world[row, 0, 0]) for person, row in seen})
    return frames


@pytest.mark.parametrize("rate", [8.0, 15.0, 30.0])
def test_two_people_who_cross_keep_their_numbers(rate: float) -> None:
    actors = [Actor(walking(200, 1000, 4), RED), Actor(walking(1000, 200, 4, 580), BLUE, unseen=((1.75, 2.25),))]
    frames = numbers(actors, 4, rate)
    links = {pair for frame in frames for pair in frame.items()}
    assert len(links) == 2, links
    assert {person for person, _ in links} == {0, 1}


def test_someone_who_was_hidden_for_a_second_keeps_the_number_and_after_a_long_time_gets_another() -> None:
    short = numbers([Actor(walking(200, 600, 5), RED, unseen=((2.0, 3.0),))], 5)
    assert {person for frame in short for person in frame} == {0}
    long = numbers([Actor(walking(200, 600, 7), RED, unseen=((2.0, 5.0),))], 7)
    assert {person for frame in long for person in frame} == {0, 1}


def test_a_glimpse_gets_no_number_and_a_person_gets_one_within_half_a_second() -> None:
    glimpse = Actor(walking(200, 200, 3), RED, unseen=((0.0, 1.0), (1.1, 3.0)))
    stays = Actor(walking(900, 900, 3), BLUE)
    frames = numbers([glimpse, stays], 3)
    assert {actor for frame in frames for actor in frame.values()} == {1}
    assert all(frame == {0: 1} for frame in frames[7:])


def test_what_is_kept_of_a_person_does_not_grow() -> None:
    follower, detections = OnlineFollower(SIZE), film([Actor(walking(200, 800, 20), RED)], 20)
    for frame in range(600):
        follower.step(detections.at(frame), frame / 30)
    assert follower.persons == {0}
    assert len(follower._known[0].piece.sights) < 20
    follower.step(detections[torch.zeros(0, dtype=torch.int64)], 25.0)
    assert follower.persons == set()
