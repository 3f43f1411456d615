from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.errors import UserError
from anthropose.people.detections import Detections, concatenate
from anthropose.skeleton import COCO_17, Skeleton
from tests.people.actors import BLUE, RED, Actor, film


@pytest.fixture
def detections() -> Detections:
    return film([Actor(lambda now: (200, 600), RED), Actor(lambda now: (900, 600), BLUE)], 0.5)


def assert_equal(a: Detections, b: Detections) -> None:
    for name in ("frames", "boxes", "scores", "keypoints", "looks"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name
    assert a.skeleton == b.skeleton
    assert (a.world is None) == (b.world is None)


def test_what_is_saved_is_loaded(detections: Detections, tmp_path: Path) -> None:
    detections.save(tmp_path / "people.npz")
    assert_equal(Detections.load(tmp_path / "people.npz"), detections)


def test_no_people_and_skeletons_of_ones_own_are_saved_too(tmp_path: Path) -> None:
    empty = Detections.empty(Skeleton("two", ("head", "tail"), (-1, 0)), colours=3)
    empty.save(tmp_path / "nobody.npz")
    assert_equal(Detections.load(tmp_path / "nobody.npz"), empty)


def test_frames_cut_out_and_put_together_give_the_whole(detections: Detections) -> None:
    assert_equal(concatenate([detections[:7], detections[7:]]), detections)
    assert_equal(concatenate([detections.at(frame) for frame in range(15)]), detections)
    assert len(detections[detections.frames < 5]) == 10


@pytest.mark.parametrize("damage", ["cut", "text", "other", "missing"])
def test_a_file_that_is_no_detections_is_one_clear_line(detections: Detections, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "people.npz"
    detections.save(path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:500])
    elif damage == "text":
        path.write_text("hello")
    elif damage == "other":
        np.savez(path, frames=np.arange(3))
    else:
        path.unlink()
    with pytest.raises(UserError) as error:
        Detections.load(path)
    assert "\n" not in str(error.value)


def test_keypoints_that_are_not_the_skeletons_are_refused() -> None:
    empty = Detections.empty(COCO_17)
    with pytest.raises(ValueError, match="coco-17 has 17 joints"):
        Detections(empty.frames, empty.boxes, empty.scores, torch.zeros(0, 16, 3), COCO_17, empty.looks)
