"""Motion capture drawn as video: pictures and truth agree with the window that they were made of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.body.files import load_body
from anthropose.datasets.mocap import NO_NOISE, Cameras, MocapBatch, MocapConfig, MocapSource
from anthropose.skeleton import MEDIAPIPE_33, SMPL_24, pick
from anthropose.synthetic.captures import write_captures
from anthropose.synthetic.filmed import film
from anthropose.synthetic.room import HIGH, LOW
from anthropose.video import open_video

BODY = load_body("free")


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> MocapBatch:
    """Four people of four frames in small pictures."""
    folder = write_captures(tmp_path_factory.mktemp("mocap"), train=2, val=1, test=1, seconds=2.0)
    config = MocapConfig(cameras=Cameras(sizes=((160, 120),), close=0.0), noise=NO_NOISE)
    return MocapSource(folder, BODY, config).batch(seed=3, step=0, size=4, frames=4)


def test_the_truth_is_that_of_the_window(batch: MocapBatch) -> None:
    for row in range(len(batch)):
        scene = film(batch, row, BODY, seed=row)
        truth = scene.truth[0]
        assert len(truth) == len(scene) == 4
        assert truth.fps == batch.rate
        joints = BODY.points(SMPL_24)(batch.betas[row], batch.rotations[row], batch.translation[row])
        torch.testing.assert_close(truth.joints + truth.translation[:, None], joints, atol=1e-4, rtol=0)
        assert truth.body is not None
        torch.testing.assert_close(truth.body.rotations, batch.rotations[row], atol=1e-4, rtol=0)
        seen, known = pick(scene.keypoints, scene.skeleton, MEDIAPIPE_33)
        assert known.all()
        torch.testing.assert_close(seen, batch.true_keypoints[row])


def test_people_are_drawn_where_their_keypoints_are(batch: MocapBatch) -> None:
    for row in range(len(batch)):
        scene = film(batch, row, BODY, seed=row)
        empty = scene._room.shaded(scene._shadows(2)).astype(int)
        picture = next(scene.frames(2, 3)).astype(int)
        changed = np.abs(picture - empty).max(-1) > 40
        left, top, right, bottom = scene.truth[0].track.boxes[2].round().int().tolist()
        assert changed[top:bottom, left:right].mean() > 0.1
        changed[max(top - 2, 0) : bottom + 2, max(left - 2, 0) : right + 2] = False
        assert changed.mean() < 0.01


def test_the_room_holds_the_camera_and_the_person_who_stands_on_its_floor(batch: MocapBatch) -> None:
    for row in range(len(batch)):
        scene = film(batch, row, BODY, seed=row)
        joints = scene._joints[0].reshape(-1, 3)
        for point in (scene.view.position.numpy(), joints.min(0), joints.max(0)):
            assert (point > scene.hall * LOW).all()
            assert (point < scene.hall * HIGH).all()
        assert joints[:, 1].min() < 0.2
        up = scene.view.rotation @ torch.tensor([0.0, 1.0, 0.0])
        torch.testing.assert_close(up, batch.camera_from_world[row] @ torch.tensor([0.0, 1.0, 0.0]))


def test_the_same_seed_gives_the_same_pictures_which_can_be_written(batch: MocapBatch, tmp_path: Path) -> None:
    one, again, other = (list(film(batch, 0, BODY, seed).frames()) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert np.abs(one[0].astype(int) - other[0]).mean() > 3
    film(batch, 0, BODY, 1).write(tmp_path / "clip.mp4")
    video = open_video(tmp_path / "clip.mp4")
    assert len(video) == 4
    assert video.fps == batch.rate
    assert np.abs(next(iter(video)).astype(int) - one[0]).mean() < 6


def test_a_motion_that_ends_ends_the_clip_and_labels_of_all_frames_are_needed(batch: MocapBatch) -> None:
    within = batch.within.clone()
    within[0, 3] = False
    assert len(film(replace(batch, within=within), 0, BODY)) == 3
    second = {name: getattr(batch, name)[:, 1:2] for name in ("joints", "rotations", "translation")}
    with pytest.raises(ValueError, match="labels of all 4 frames, these are of 1"):
        film(replace(batch, labelled=torch.tensor([1]), **second), 0, BODY)
