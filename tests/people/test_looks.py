import numpy as np

from anthropose.people.looks import COLOURS, likeness, looks_of
from anthropose.skeleton import COCO_17
from tests.people.actors import FIGURE

BOX = np.array([40.0, 100.0])


def dressed(top: tuple[int, int, int], legs: tuple[int, int, int]) -> np.ndarray:
    image = np.full((140, 120, 3), 90, np.uint8)
    image[20:74, 30:90], image[74:130, 30:90] = top, legs
    return image


def looks(image: np.ndarray, shift: float = 0.0) -> np.ndarray:
    points = np.column_stack([FIGURE * BOX + (40 + shift, 20), np.ones(17)])
    return looks_of(image, points, COCO_17)


def test_a_histogram_sums_to_one() -> None:
    histogram = looks(dressed((200, 20, 20), (20, 20, 200)))
    assert histogram.shape == (COLOURS,)
    assert np.isclose(histogram.sum(), 1)


def test_the_same_clothes_are_alike_and_other_clothes_are_not() -> None:
    red, blue = looks(dressed((200, 20, 20), (40, 40, 40))), looks(dressed((20, 20, 200), (200, 200, 200)))
    assert likeness(red, red) > 0.99
    assert likeness(red, blue) < 0.3


def test_swapping_shirt_and_trousers_is_another_person() -> None:
    one, other = looks(dressed((200, 20, 20), (20, 20, 200))), looks(dressed((20, 20, 200), (200, 20, 20)))
    assert likeness(one, other) < 0.4


def test_a_little_more_light_does_not_change_the_person() -> None:
    assert likeness(looks(dressed((160, 40, 40), (60, 60, 90))), looks(dressed((180, 50, 45), (70, 70, 105)))) > 0.85


def test_someone_outside_the_image_has_no_looks() -> None:
    assert (looks(dressed((200, 20, 20), (20, 20, 200)), shift=5000) == 0).all()


def test_keypoints_that_are_not_numbers_have_no_looks() -> None:
    points = np.full((17, 3), np.nan)
    assert (looks_of(dressed((200, 20, 20), (20, 20, 200)), points, COCO_17) == 0).all()
