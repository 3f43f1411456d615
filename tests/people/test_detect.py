import pytest

from anthropose.errors import UserError
from anthropose.people.detect import DETECTORS, find_detector


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(UserError) as error:
        find_detector("nonesuch")
    assert all(name in str(error.value) for name in DETECTORS)


def test_a_detector_of_ones_own_is_found_by_module_and_class() -> None:
    assert find_detector("tests.fakes:OnePerson").name == "one-person"


def test_a_module_that_cannot_be_imported_is_one_line() -> None:
    with pytest.raises(UserError, match=r"expected package\.module:Class"):
        find_detector("no.such.module:Detector")
