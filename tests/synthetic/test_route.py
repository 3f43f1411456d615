"""Closed routes over the floor."""

from itertools import pairwise

import numpy as np
import pytest

from anthropose.synthetic.parts import PERIOD, parts
from anthropose.synthetic.route import Route, Waypoint

ROUTES = [part.route for part in parts(0)] + [
    Route((Waypoint(0.0, 0.0, -3.0), Waypoint(2.0, 2.0, -3.0, 1.0), Waypoint(5.0, 1.0, -5.0)), 8.0)
]
TIME = np.arange(0, 2 * PERIOD, 1 / 30)


@pytest.mark.parametrize("route", ROUTES)
def test_every_place_is_reached_in_time_and_left_after_the_stay(route: Route) -> None:
    for waypoint in route.waypoints:
        for seconds in (waypoint.seconds, waypoint.seconds + waypoint.stay / 2, waypoint.seconds + waypoint.stay):
            place = route.place(route.distance(np.array([seconds])))
            assert np.allclose(place, [waypoint.x, waypoint.z], atol=0.01)


@pytest.mark.parametrize("route", ROUTES)
def test_the_way_is_closed_and_walked_without_jumps(route: Route) -> None:
    start, end = route.place(route.distance(np.array([0.0, route.period])))
    assert np.allclose(start, end, atol=0.01)
    steps = np.linalg.norm(np.diff(route.place(route.distance(TIME)), axis=0), axis=1)
    assert steps.max() < 2.2 / 30  # nobody runs


@pytest.mark.parametrize("route", ROUTES)
def test_people_look_where_they_go(route: Route) -> None:
    distance = np.linspace(0, 2 * route.length, 500)
    step = route.place(distance + 0.01) - route.place(distance - 0.01)
    heading = route.heading(distance)
    towards = np.stack([np.sin(heading), np.cos(heading)], -1)
    assert ((step * towards).sum(-1) / np.linalg.norm(step, axis=-1)).min() > 0.995
    assert np.abs(np.diff(heading)).max() < 0.3  # also where rounds meet


@pytest.mark.parametrize("route", ROUTES)
def test_phase_and_distance_are_inverse(route: Route) -> None:
    distance = np.linspace(0, 3 * route.length, 1000)
    assert np.allclose(route.distance_at(route.phase(distance)), distance, atol=1e-6)
    assert (np.diff(route.phase(distance)) > 0).all()


@pytest.mark.parametrize("route", ROUTES)
def test_both_feet_are_down_at_a_stop_and_a_round_is_whole_cycles(route: Route) -> None:
    for waypoint in route.waypoints:
        if waypoint.stay > 0:
            phase = route.phase(route.distance(np.array([waypoint.seconds + waypoint.stay / 2])))
            assert np.abs((2 * phase) % 1 - 0.5).max() < 0.02
    rounds = route.phase(np.array([0.0, route.length, 2 * route.length]))
    assert np.allclose([b - a for a, b in pairwise(rounds)], np.round(rounds[1]), atol=1e-6)


def test_another_seed_gives_another_way() -> None:
    one, other = (parts(seed)[0].route.waypoints for seed in (0, 1))
    assert one != other
    assert parts(0)[0].route.waypoints == one
