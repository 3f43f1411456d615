"""`pytest tests/parity --fixtures DIR` runs every fixture of any folder; the default is the copies beside this file."""

from pathlib import Path

import pytest

OWN = Path(__file__).parent / "fixtures"


def pytest_addoption(parser: pytest.Parser) -> None:
    # pytest has a flag of this name, which lists its own fixtures (also as --funcargs); here it gives way.
    strict, parser.optparser.conflict_handler = parser.optparser.conflict_handler, "resolve"
    try:
        parity = parser.getgroup("parity")
        parity.addoption("--fixtures", type=Path, default=OWN, dest="parity_fixtures", help="folder of parity fixtures")
    finally:
        parser.optparser.conflict_handler = strict


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "fixture_path" in metafunc.fixturenames:
        # The option is known only where this folder is named on the command line.
        paths = sorted(metafunc.config.getoption("parity_fixtures", OWN).glob("*.npz"))
        metafunc.parametrize("fixture_path", paths, ids=[path.stem for path in paths])
