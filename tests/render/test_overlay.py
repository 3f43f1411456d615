"""Overlays: the people of a video drawn over it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anthropose.errors import UserError
from anthropose.render import film
from anthropose.render.overlay import Performer, vertices_in_camera, write_overlay
from anthropose.render.scene import BATCH
from anthropose.video import open_video
from tests.clips import read_number, write_clip
from tests.render.people import standing
from tests.toy_body import toy_body

BODY = toy_body()
SIZE = (160, 96)


def changed(path: Path, source: Path) -> list[float]:
    """For each frame the share of pixels that the overlay changed by more than lossy coding does."""
    pairs = zip(open_video(path).frames(), open_video(source).frames(), strict=True)
    return [float((np.abs(a[:, : b.shape[1]].astype(int) - b).max(-1) > 60).mean()) for a, b in pairs]


def test_people_are_drawn_in_their_frames_and_in_no_others(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mp4", 12)
    motions = [standing(BODY, [1, 2, 3, 7]), standing(BODY, [7, 8], (1.0, 0.0, 5.0), person=1)]
    write_overlay(open_video(source), motions, BODY, tmp_path / "overlay.mp4")
    drawn = np.array(changed(tmp_path / "overlay.mp4", source)) > 0.01
    assert np.flatnonzero(drawn).tolist() == [1, 2, 3, 7, 8]


def test_frames_times_rate_and_sound_are_those_of_the_video(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mp4", 40, rate=25, audio="aac")
    write_overlay(open_video(source), [], BODY, tmp_path / "overlay.mp4")
    made, video = open_video(tmp_path / "overlay.mp4"), open_video(source)
    assert [read_number(frame) for frame in made.frames()] == list(range(40))
    assert made.fps == pytest.approx(video.fps)
    assert np.allclose(made.seconds, video.seconds, atol=1e-3)
    assert made.has_audio


def test_a_body_is_drawn_on_the_pixels_of_its_joints(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mp4", 4)
    motion = standing(BODY, [2])
    write_overlay(open_video(source), [motion], BODY, tmp_path / "overlay.mp4")
    frames = list(open_video(tmp_path / "overlay.mp4").frames())
    difference = np.abs(frames[2].astype(int) - list(open_video(source).frames())[2]).max(-1)
    inner = [motion.skeleton.index(name) for name in ("spine2", "left_knee", "right_knee", "left_elbow", "right_elbow")]
    for x, y in motion.projected[0, inner].tolist():
        assert difference[int(y), int(x)] > 30


def test_the_batches_make_no_difference(tmp_path: Path) -> None:
    frames = [frame for frame in range(3 * BATCH) if frame % 7 != 3]
    motion = standing(BODY, frames)
    performer = Performer(motion, BODY)
    for row, frame in enumerate(frames):
        seen = performer.at(frame)
        assert seen is not None
        assert seen.mesh is not None
        expected = vertices_in_camera(motion, BODY, motion.track.frames.new_tensor([row]))[0].numpy()
        assert np.allclose(seen.mesh.vertices, expected, atol=1e-5)
    assert performer.at(3) is None
    assert performer.at(10_000) is None


def test_the_pelvis_of_the_surface_is_at_the_translation() -> None:
    motion = standing(BODY, [0, 5], (0.3, -0.2, 4.0))
    vertices = vertices_in_camera(motion, BODY, motion.track.frames.new_tensor([0, 1]))
    assert np.allclose((BODY.joint_regressor @ vertices)[:, 0], motion.translation, atol=1e-3)


def test_the_side_view_adds_a_panel_and_leaves_the_picture(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mp4", 3)
    write_overlay(open_video(source), [standing(BODY, [1])], BODY, tmp_path / "with.mp4", side_view=True)
    write_overlay(open_video(source), [standing(BODY, [1])], BODY, tmp_path / "without.mp4")
    wide, narrow = open_video(tmp_path / "with.mp4"), open_video(tmp_path / "without.mp4")
    assert wide.size == (SIZE[0] + SIZE[1], SIZE[1])
    for a, b in zip(wide.frames(), narrow.frames(), strict=True):
        assert np.abs(a[:, :156].astype(int) - b[:, :156]).mean() < 4
    panels = [frame[:, SIZE[0] :].astype(int) for frame in wide.frames()]
    assert (np.abs(panels[1] - panels[0]).max(-1) > 60).mean() > 0.01
    assert (np.abs(panels[2] - panels[0]).max(-1) > 60).mean() < 0.002


def test_a_motion_without_a_body_is_drawn_as_sticks(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mp4", 4)
    motions = [standing(BODY, [1], with_body=False)]
    write_overlay(open_video(source), motions, BODY, tmp_path / "overlay.mp4", side_view=True)
    drawn = np.array(changed(tmp_path / "overlay.mp4", source)) > 0.003
    assert drawn.tolist() == [False, True, False, False]


def test_large_videos_are_scaled_down_and_people_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_clip(tmp_path / "clip.mp4", 2)
    write_overlay(open_video(source), [standing(BODY, [1])], BODY, tmp_path / "large.mp4")
    monkeypatch.setattr(film, "LARGEST", 80)
    write_overlay(open_video(source), [standing(BODY, [1])], BODY, tmp_path / "small.mp4")
    assert open_video(tmp_path / "small.mp4").size == (80, 48)
    large, small = (list(open_video(tmp_path / f"{name}.mp4").frames())[1].astype(int) for name in ("large", "small"))
    assert np.abs(large[::2, ::2] - small).mean() < 25


def test_only_the_first_frames_are_drawn_where_a_stop_is_given(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mp4", 12)
    shares: list[float] = []
    write_overlay(open_video(source), [], BODY, tmp_path / "overlay.mp4", stop=5, progress=shares.append)
    assert len(open_video(tmp_path / "overlay.mp4")) == 5
    assert shares[-1] == 1.0
    assert shares == sorted(shares)


def test_motions_of_a_video_of_another_shape_are_refused(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mp4", 2)
    motion = standing(BODY, [0], size=(96, 160))
    with pytest.raises(UserError, match="found in a video of 96x160 pixels, this one has 160x96"):
        write_overlay(open_video(source), [motion], BODY, tmp_path / "overlay.mp4")
    assert not (tmp_path / "overlay.mp4").exists()


def test_motions_made_from_a_smaller_copy_of_the_video_fit(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mp4", 2)
    for name, size in (("same", SIZE), ("half", (80, 48))):
        write_overlay(open_video(source), [standing(BODY, [0], size=size)], BODY, tmp_path / f"{name}.mp4")
    same, half = (next(open_video(tmp_path / f"{name}.mp4").frames()) for name in ("same", "half"))
    assert np.abs(same.astype(int) - half).mean() < 2


def test_an_interruption_leaves_no_file(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mp4", 6)

    def interrupt(share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_overlay(open_video(source), [standing(BODY, [1])], BODY, tmp_path / "overlay.mp4", progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_motion_that_went_wrong_does_not_stop_the_others(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mp4", 3)
    good, bad = standing(BODY, [0, 1, 2]), standing(BODY, [0, 1, 2], person=1)
    bad = replace(bad, translation=bad.translation * float("nan"))
    write_overlay(open_video(source), [bad, good], BODY, tmp_path / "overlay.mp4", side_view=True)
    assert min(changed(tmp_path / "overlay.mp4", source)) > 0.01
