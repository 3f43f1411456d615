"""`pytest tests/parity --fixtures DIR` runs every fixture of any folder; the default is the copies beside this file."""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    own = Path(__file__).parent / "fixtures"
    parser.addoption("--fixtures", type=Path, default=own, help="folder of parity fixtures")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "fixture_path" in metafunc.fixturenames:
        paths = sorted(metafunc.config.getoption("--fixtures").glob("*.npz"))
        metafunc.parametrize("fixture_path", paths, ids=[path.stem for path in paths])
