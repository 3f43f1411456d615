"""Colours of persons."""

from itertools import pairwise

import numpy as np

from anthropose.colours import PALETTE, person_colour, person_hex


def test_hex_and_float_forms_are_the_same_colour() -> None:
    for person in range(30):
        code = person_hex(person)
        parts = [int(code[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        assert np.allclose(parts, person_colour(person), atol=0.5 / 255 + 1e-6)


def test_the_first_persons_have_the_palette() -> None:
    assert tuple(person_hex(person) for person in range(len(PALETTE))) == PALETTE


def test_no_two_of_the_first_fourteen_persons_look_alike() -> None:
    colours = np.array([person_colour(person) for person in range(14)])
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    assert apart[~np.eye(14, dtype=bool)].min() > 0.15


def test_neighbouring_persons_differ_in_lightness_or_in_blue_against_yellow() -> None:
    # These are what people tell apart who do not see red and green alike.
    seen = [(0.3 * r + 0.6 * g + 0.1 * b, b - (r + g) / 2) for r, g, b in map(person_colour, range(len(PALETTE)))]
    assert all(np.hypot(a[0] - b[0], a[1] - b[1]) > 0.1 for a, b in pairwise(seen))
