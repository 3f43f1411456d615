"""One made-up scene for all tests that only look at it."""

import pytest

from anthropose.body.files import load_body
from anthropose.synthetic import Scene, make_scene
from anthropose.synthetic.parts import PERIOD


@pytest.fixture(scope="session")
def scene() -> Scene:
    """Three people for a whole round, in small pictures."""
    return make_scene(seed=3, seconds=PERIOD, size=(240, 136), persons=3, body=load_body("free"))
