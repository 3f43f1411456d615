"""Numbers that are given frame by frame stay with the same people, and are never taken back."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from anthropose.people.online import OnlineFollower
from tests.people.actors import BLUE, RED, Actor, film

SIZE = (1280, 720)
NOBODY = torch.zeros(0, dtype=torch.int64)


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
    for second in range(25, 30):
        assert follower.persons == {0}, "nobody has looked meanwhile"
        follower.step(detections[NOBODY], second)
    follower.step(detections[NOBODY], 30.0)
    assert follower.persons == set()


def seen_now_and_then(actors: list[Actor], gaps: Callable[[np.random.Generator], float]) -> list[dict[int, int]]:
    """As `numbers`, on a machine that has time for a frame after each gap [s] only, and misses some people then."""
    detections, follower, frames = film(actors, 30, 10.0), OnlineFollower(SIZE), []
    random, now = np.random.default_rng(0), 0.0
    while now < 29.9:
        found = detections.at(int(10 * now))
        found = found[NOBODY] if random.random() < 0.15 else found
        assert found.world is not None
        frames.append({person: int(found.world[row, 0, 0]) for person, row in follower.step(found, now)})
        now += gaps(random)
    return frames


STARVED = {
    "a frame a second": lambda random: 1.0,
    "a frame in two seconds": lambda random: 2.0,
    "now fast, now not at all": lambda random: 0.07 if random.random() < 0.8 else random.uniform(1, 4),
}


@pytest.mark.parametrize("gaps", STARVED.values(), ids=STARVED)
def test_people_keep_their_numbers_where_frames_come_slowly(gaps: Callable[[np.random.Generator], float]) -> None:
    sways = Actor(lambda now: (300 + 30 * np.sin(3 * now), 600), RED)
    paces = Actor(lambda now: (900 + 250 * np.sin(0.5 * now), 600), BLUE)
    for actors in ([sways], [paces], [sways, paces]):
        frames = seen_now_and_then(actors, gaps)
        assert len({pair for frame in frames for pair in frame.items()}) == len(actors)
        assert {person for frame in frames for person in frame} == set(range(len(actors)))


def test_someone_else_in_the_place_of_one_who_has_left_gets_another_number_in_a_slow_session() -> None:
    before = Actor(lambda now: (500.0, 600.0), RED, unseen=((14.5, 30.0),))
    after = Actor(lambda now: (520.0, 600.0), BLUE, unseen=((0.0, 14.5),))
    frames = seen_now_and_then([before, after], STARVED["a frame a second"])
    assert {pair for frame in frames for pair in frame.items()} == {(0, 0), (1, 1)}
