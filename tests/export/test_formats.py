from pathlib import Path

import pytest

from anthropose.errors import UserError
from anthropose.export.formats import ENDINGS, export
from tests.export.made_up import motion, stick_body

BODY = stick_body()


def test_every_known_ending_writes_a_file(tmp_path: Path) -> None:
    for ending in ENDINGS:
        export([motion(BODY)], BODY, tmp_path / f"file{ending.upper()}")
        assert (tmp_path / f"file{ending.upper()}").stat().st_size > 1000


@pytest.mark.parametrize("name", ["file.fbxx", "file"])
def test_an_unknown_ending_names_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"known are \.glb"):
        export([motion(BODY)], BODY, tmp_path / name)


def test_a_bvh_takes_one_person(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one person, 2 were given"):
        export([motion(BODY), motion(BODY)], BODY, tmp_path / "file.bvh")
