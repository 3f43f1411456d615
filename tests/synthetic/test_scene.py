"""Made-up clips."""

from pathlib import Path

import numpy as np
import pytest

from anthropose.body.files import load_body
from anthropose.geometry.cameras import guess_focal
from anthropose.people.detect import find_detector
from anthropose.synthetic import Scene, make_scene
from anthropose.synthetic.clothes import clothe
from anthropose.video import open_video

BODY = load_body("free")


def small(seed: int = 0, seconds: float = 0.2) -> Scene:
    return make_scene(seed, seconds, (160, 90), body=BODY)


def test_the_same_seed_gives_the_same_clip_and_another_seed_another() -> None:
    one, again, other = (list(small(seed).frames()) for seed in (0, 0, 1))
    assert len(one) == 6
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert np.abs(one[0].astype(int) - other[0]).mean() > 3


def test_frames_may_be_drawn_from_the_middle() -> None:
    scene = small(seconds=1.4)
    whole = list(scene.frames())
    assert all(np.array_equal(a, b) for a, b in zip(whole[34:37], scene.frames(34, 37), strict=True))


def test_people_are_drawn_where_the_truth_says(scene: Scene) -> None:
    frame = 60
    with_people = next(scene.frames(frame, frame + 1)).astype(int)
    without = np.median([picture for f in (0, 40, 80, 120, 160) for picture in scene.frames(f, f + 1)], axis=0)
    changed = np.abs(with_people - without).max(-1) > 40
    inside = np.zeros_like(changed)
    for motion in scene.truth:
        left, top, right, bottom = motion.track.boxes[motion.track.frames.tolist().index(frame)].round().int().tolist()
        inside[top:bottom, left:right] = True
        assert changed[top:bottom, left:right].mean() > 0.15
    assert changed[~inside].mean() < 0.02


def test_the_focal_length_is_not_the_one_that_the_pipeline_guesses(scene: Scene) -> None:
    ratio = scene.camera.focal / guess_focal(*scene.camera.size)
    assert 0.05 < abs(ratio - 1) < 0.25


def test_everyone_is_in_the_picture_nearly_all_the_time(scene: Scene) -> None:
    for motion in scene.truth:
        assert len(motion) > 0.9 * len(scene)
        keypoints = motion.track.keypoints
        assert keypoints is not None
        assert (keypoints[..., 2] > 0).float().mean() > 0.75


def test_people_have_different_shapes_and_clothes(scene: Scene) -> None:
    heights = [float(np.ptp(scene.body.shaped(p.betas).vertices[:, 1])) for p in scene.performances]
    assert max(heights) - min(heights) > 0.02
    assert all(1.4 < height < 2.1 for height in heights)
    clothes = [clothe(scene.body, person, scene.seed).mean(0) for person in range(3)]
    assert min(np.abs(clothes[a] - clothes[b]).max() for a, b in ((0, 1), (1, 2), (0, 2))) > 0.03


def test_clothes_are_where_they_belong() -> None:
    rng_free = clothe(BODY, 0, 5)
    x, y, z = BODY.template.numpy().T
    top = y.max() - y.min()
    shoes, trousers, shirt = (
        rng_free[(y > y.min() + low * top) & (y < y.min() + high * top) & (np.abs(x) < 0.13)].mean(0)
        for low, high in ((0.0, 0.02), (0.15, 0.4), (0.62, 0.78))
    )
    face = rng_free[(y > y.min() + 0.9 * top) & (z > z[y > y.min() + 0.9 * top].max() - 0.02)].mean(0)
    colours = np.stack([shoes, trousers, shirt, face])
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=-1)[~np.eye(4, dtype=bool)]
    assert apart.min() > 0.08


def test_a_clip_is_written_with_its_rate_and_size(tmp_path: Path) -> None:
    shares: list[float] = []
    small().write(tmp_path / "clip.mp4", progress=shares.append)
    video = open_video(tmp_path / "clip.mp4")
    assert (len(video), video.fps, video.size) == (6, 30.0, (160, 90))
    assert shares[-1] == 1.0


@pytest.mark.parametrize("persons", [0, 4])
def test_more_people_than_parts_are_refused(persons: int) -> None:
    with pytest.raises(ValueError, match="1 to 3 persons"):
        make_scene(persons=persons, body=BODY)


@pytest.mark.slow
def test_the_detector_finds_both_people_from_the_front_from_the_side_and_from_behind() -> None:
    scene = make_scene(0, 6.0, body=BODY)
    detector = find_detector("mediapipe")
    # The second comes from the side at 0.3 s; the first waves to the front at 3 s and goes away at 5.6 s.
    for first in (9, 90, 168):
        times = np.arange(first, first + 6) / 30
        found = list(detector.detect(scene.frames(first, first + 6), first, times, None))[-1]
        assert len(found.boxes) == 2
        middles = [(float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2) for box in found.boxes]
        for motion in scene.truth:
            left, top, right, bottom = motion.track.boxes[first + 5].tolist()
            assert any(left < x < right and top < y < bottom for x, y in middles)
