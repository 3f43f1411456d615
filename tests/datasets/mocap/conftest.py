"""A folder of made-up motion capture, and sources over it."""

from pathlib import Path

import pytest

from anthropose.body import load_body
from anthropose.body.model import BodyModel
from tests.datasets.mocap.folders import write_folder


@pytest.fixture(scope="session")
def body() -> BodyModel:
    return load_body("free")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three motions to train on, of 90, 40 and 12 frames; one of 50 for each of the other splits."""
    return write_folder(tmp_path_factory.mktemp("mocap") / "made", {"train": [90, 40, 12], "val": [50], "test": [50]})
