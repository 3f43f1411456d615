"""Films and contact sheets: which panels, which frames, and what becomes of motions that do not fit."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from anthropose.errors import UserError
from anthropose.motion import Motion
from anthropose.render.film import Blank, write_film
from anthropose.render.meshes import MeshRenderer
from anthropose.render.options import Pictures
from anthropose.render.people import draw_people
from anthropose.render.scene import Performer
from anthropose.skeleton import COCO_17
from anthropose.video import open_video
from tests.clips import read_number, write_clip
from tests.render.people import standing
from tests.toy_body import toy_body

BODY = toy_body()
SIZE = (160, 96)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", 12)


def film(clip: Path | None, motions: list[Motion], name: str = "film.mp4", truth: list[Motion] | None = None, **asked):
    """The film's frames and times, read back."""
    path = (clip or Path(".")).with_name(name)
    video = None if clip is None else open_video(clip)
    write_film(video, motions, path, Pictures(**asked), body=BODY, truth=truth or [])
    made = open_video(path)
    return [frame.astype(int) for frame in made.frames()], made


def drawn(frame: np.ndarray, background: np.ndarray, threshold: int = 60) -> float:
    """The share of pixels that differ."""
    return float((np.abs(frame - background).max(-1) > threshold).mean())


def test_panels_stand_side_by_side_in_the_order_asked_for(clip: Path) -> None:
    motions = [standing(BODY, [1, 2])]
    frames, made = film(clip, motions, views=("side", "input", "plain", "sticks", "above"))
    assert made.size == (96 + 160 + 160 + 96 + 96, 96)
    assert [read_number(frame[:, 96:256].astype(np.uint8)) for frame in frames] == list(range(12))
    for left, right in ((0, 96), (256, 416), (416, 512), (512, 608)):
        panel = [frame[:, left:right] for frame in frames]
        there = [drawn(picture, panel[0]) > 0.004 for picture in panel]
        assert there == [False, True, True, *[False] * 9], (left, there)


def test_plain_has_nothing_of_the_video_and_the_bodies_where_they_are_in_it(clip: Path) -> None:
    motions = [standing(BODY, [3])]
    plain, _ = film(clip, motions, plain=True, numbers=False)
    over, _ = film(clip, motions, numbers=False)
    source = [frame.astype(int) for frame in open_video(clip).frames()]
    assert np.abs(plain[0] - 235).max() < 8
    on_plain, on_video = (np.abs(a[3] - b).max(-1) > 60 for a, b in ((plain, plain[0]), (over, source[3])))
    assert on_plain.mean() > 0.01
    assert (on_plain & on_video).sum() > 0.7 * on_plain.sum()


def test_keypoints_are_drawn_where_they_are_in_pictures_of_any_size(clip: Path) -> None:
    motion, points = standing(BODY, [2]), torch.full((1, 17, 3), float("nan"))
    points[0, COCO_17.index("left_wrist")] = torch.tensor([120.0, 24.0, 1.0])
    motion = replace(motion, track=replace(motion.track, keypoints=points, skeleton=COCO_17))
    for height in (96, 192):
        frames, made = film(clip, [motion], views=("keypoints", "input"), size=height)
        width = made.size[0] // 2
        changed = np.abs(frames[2][:, :width] - frames[2][:, width:]).max(-1) > 60
        y, x = (np.argwhere(changed) * 96 / height).mean(0)
        assert (x, y) == pytest.approx((120, 24), abs=1.5)


def test_frames_are_left_out_and_the_rate_and_the_times_follow(clip: Path) -> None:
    motions = [standing(BODY, [5])]
    for asked, expected in (
        ({"skip": 2, "limit": 7, "downsample": 3}, [2, 5, 8]),
        ({"limit": 3}, [0, 1, 2]),
        ({"limit": 99, "skip": 11}, [11]),
        ({"max_fps": 10.0}, [0, 3, 6, 9]),
        ({"max_fps": 8.0, "downsample": 2}, [0, 4, 8]),
        ({"max_fps": 60.0}, list(range(12))),
    ):
        frames, made = film(clip, motions, views=("input",), **asked)
        assert [read_number(frame.astype(np.uint8)) for frame in frames] == expected
        if len(expected) > 1:
            step = expected[1] - expected[0]
            assert np.allclose(np.diff(made.seconds), step / 30)
            assert made.fps == pytest.approx(30 / step)


def test_a_gif_has_the_times_of_the_video_also_where_nothing_moves(tmp_path: Path) -> None:
    from PIL import Image

    motions = [standing(BODY, [0, 1, 20])]
    write_film(None, motions, tmp_path / "film.gif", Pictures(size=96), body=BODY)
    with Image.open(tmp_path / "film.gif") as made:
        assert made.size == SIZE
        assert made.info["loop"] == 0
        lengths, there = [], []
        for frame in range(made.n_frames):
            made.seek(frame)
            lengths.append(made.info["duration"])
            there.append(drawn(np.asarray(made.convert("RGB")).astype(int), np.full((96, 160, 3), 235)) > 0.01)
    assert sum(lengths) / 1000 == pytest.approx(21 / 30, abs=0.08)
    assert there[0]
    assert there[-1]
    assert not any(there[1:-1])


def test_a_contact_sheet_shows_moments_at_which_somebody_is_there(clip: Path) -> None:
    motions = [standing(BODY, [4, 5, 6, 7, 9])]
    path = clip.with_name("sheet.png")
    write_film(open_video(clip), motions, path, Pictures(views=("input",), moments=3, size=96), body=BODY)
    sheet = cv2.imread(str(path))[..., ::-1]
    tiles = [
        sheet[top : top + 96, left : left + 160]
        for top in range(6, sheet.shape[0] - 90, 102)
        for left in range(6, sheet.shape[1] - 150, 166)
    ]
    shown = [read_number(np.ascontiguousarray(tile)) for tile in tiles if tile.min() < 200]
    assert shown == [4, 6, 9]


def test_without_a_video_people_stand_on_grey_at_their_times(tmp_path: Path) -> None:
    motion = standing(BODY, [3, 4, 8])
    motion = replace(motion, seconds=torch.tensor([0.1, 0.15, 0.45], dtype=torch.float64))
    blank = Blank.behind([motion])
    assert len(blank) == 9
    assert blank.seconds[[3, 4, 8]] - blank.seconds[3] == pytest.approx([0, 0.05, 0.35])
    assert (np.diff(blank.seconds) > 0).all()
    write_film(None, [motion], tmp_path / "film.mp4", body=BODY)
    made = open_video(tmp_path / "film.mp4")
    assert made.size == SIZE
    there = [drawn(frame.astype(int), np.full((96, 160, 3), 235)) > 0.01 for frame in made.frames()]
    assert np.flatnonzero(there).tolist() == [3, 4, 8]


def test_the_truth_stands_beside_the_prediction_in_the_same_scale(clip: Path) -> None:
    motion = standing(BODY, [0, 1], with_body=False)
    frames, made = film(clip, [motion], truth=[motion], views=("sticks", "truth"), size=240)
    left, right = frames[1][40:, :240], frames[1][40:, 240:]
    assert made.size == (480, 240)
    assert drawn(left, frames[5][40:, :240]) > 0.004
    assert np.abs(left - right).mean() < 2
    assert [*Pictures().panels(has_video=True, has_truth=True)] == ["keypoints", "sticks", "truth"]


def test_only_the_persons_asked_for_are_drawn(clip: Path) -> None:
    motions = [standing(BODY, [1], person=3), standing(BODY, [5], person=7)]
    frames, _ = film(clip, motions, views=("plain",), persons=(7,))
    assert np.flatnonzero([drawn(frame, frames[0]) > 0.01 for frame in frames]).tolist() == [5]
    with pytest.raises(UserError, match=r"--persons 4: there is no such person among the motions, which are of 3, 7"):
        film(clip, motions, persons=(4, 7))


def test_nearer_people_hide_farther_ones_whatever_the_order() -> None:
    near, far = standing(BODY, [0], (0.0, 0.0, 3.0)), standing(BODY, [0], (0.0, 0.0, 3.6), person=1)
    for motions in ([near, far], [replace(motion, body=None) for motion in (near, far)]):
        seen = [(seen, motion.camera) for motion in motions if (seen := Performer(motion, BODY).at(0)) is not None]
        with MeshRenderer(*SIZE) as renderer:
            both, other, alone = (
                draw_people(None, people, renderer, numbers=False).astype(int)
                for people in (seen, seen[::-1], seen[:1])
            )
        assert np.abs(both - other).mean() < 0.2
        inside = cv2.erode((np.abs(alone - 235).max(-1) > 60).astype(np.uint8), np.ones((3, 3))) > 0
        assert inside.sum() > 20
        assert np.abs(both - alone)[inside].mean() < 2


def test_bodies_are_saved_frame_by_frame_with_y_up(clip: Path) -> None:
    import trimesh

    motions = [standing(BODY, [1, 4]), standing(BODY, [4], (1.0, 0.0, 5.0), person=1)]
    folder = clip.with_name("meshes")
    film(clip, motions, save_obj=folder)
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.obj"))
    assert names == ["person-00/000001.obj", "person-00/000004.obj", "person-01/000004.obj"]
    mesh = trimesh.load(folder / names[2], process=False)
    from anthropose.render.scene import vertices_in_camera

    expected = vertices_in_camera(motions[1], BODY, torch.tensor([0]))[0].numpy() * [1, -1, -1]
    assert np.allclose(mesh.vertices, expected, atol=1e-5)
    assert np.array_equal(mesh.faces, BODY.faces.numpy())


def test_a_wide_film_is_scaled_to_what_players_show(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from anthropose.render import film as module

    monkeypatch.setattr(module, "WIDEST", 300)
    _, made = film(clip, [standing(BODY, [1])], views=("input", "plain", "side", "above"))
    assert made.size[0] <= 302
    assert made.size[0] > 280


def test_a_bitrate_is_kept_to(clip: Path) -> None:
    motions = [standing(BODY, [1])]
    sizes = []
    for bitrate in (20, 2000):
        film(clip, motions, size=480, bitrate=bitrate)
        sizes.append(clip.with_name("film.mp4").stat().st_size)
    assert sizes[0] < 0.6 * sizes[1]


def test_motions_of_a_longer_video_are_refused(clip: Path) -> None:
    with pytest.raises(UserError, match="person 0 is seen up to frame 12, and this video has 12 frames"):
        film(clip, [standing(BODY, [0, 12])])


def test_numbers_that_make_no_sense_are_refused() -> None:
    wrong = {"size": 8, "skip": -1, "limit": 0, "downsample": 0, "max_fps": 0.0, "bitrate": 0, "moments": 0}
    for name, value in wrong.items():
        with pytest.raises(UserError, match=f"--{name.replace('_', '-')} {value}: expected"):
            Pictures(**{name: value})
