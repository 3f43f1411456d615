"""A folder of images is a video: in natural order, upright, of one size."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anthropose.errors import UserError
from anthropose.video import open_video
from tests import clips


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPG", ".bmp", ".webp", ".tif"])
def test_images_come_in_natural_order(tmp_path: Path, suffix: str) -> None:
    video = open_video(clips.write_images(tmp_path / "images", count=12, suffix=suffix))
    assert [clips.read_number(frame) for frame in video] == list(range(12))
    assert [clips.read_number(frame) for frame in video.frames(9, 11)] == [9, 10]
    assert clips.read_corners(next(iter(video))) == ["red", "green", "blue", "yellow"]
    assert len(video) == 12
    assert video.size == (160, 96)
    assert not video.has_audio


def test_images_follow_at_the_rate_given_or_thirty(tmp_path: Path) -> None:
    folder = clips.write_images(tmp_path / "images", count=4)
    np.testing.assert_allclose(open_video(folder, fps=10).seconds, [0, 0.1, 0.2, 0.3])
    assert open_video(folder).fps == 30


def test_lossless_images_come_back_unchanged(tmp_path: Path) -> None:
    frames = list(open_video(clips.write_images(tmp_path / "images", count=3, size=(61, 47))))
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(frame, clips.numbered_frame(number, (61, 47)))


def test_other_files_in_the_folder_are_passed_over(tmp_path: Path) -> None:
    folder = clips.write_images(tmp_path / "images", count=3)
    (folder / "notes.txt").write_text("not an image")
    (folder / "._frame_0.png").write_bytes(b"what some systems leave beside each file")
    assert len(open_video(folder)) == 3


def test_one_image_is_a_video_of_one_frame(tmp_path: Path) -> None:
    folder = clips.write_images(tmp_path / "images", count=1)
    video = open_video(folder / "frame_0.png")
    assert len(video) == len(list(video)) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_that_cameras_write_is_honoured(tmp_path: Path, orientation: int) -> None:
    upright = Image.fromarray(clips.numbered_frame(5))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "images").mkdir()
    stored.save(tmp_path / "images" / "photo.jpg", exif=exif, quality=95)
    video = open_video(tmp_path / "images")
    frame = next(iter(video))
    assert video.size == (160, 96)
    assert frame.shape == (96, 160, 3)
    assert clips.read_corners(frame) == ["red", "green", "blue", "yellow"]
    assert clips.read_number(frame) == 5


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "CMYK"])
def test_images_of_other_kinds_become_rgb(tmp_path: Path, mode: str) -> None:
    (tmp_path / "images").mkdir()
    name = "a.tif" if mode == "CMYK" else "a.png"
    Image.fromarray(clips.numbered_frame(682)).convert(mode).save(tmp_path / "images" / name)
    frame = next(iter(open_video(tmp_path / "images")))
    assert frame.shape == (96, 160, 3)
    assert frame.dtype == np.uint8
    assert clips.read_number(frame) == 682


def test_sixteen_bit_grey_keeps_its_brightness(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    ramp = np.linspace(0, 65535, 64, dtype=np.uint16)[None].repeat(8, axis=0)
    Image.fromarray(ramp).save(tmp_path / "images" / "deep.png")
    frame = next(iter(open_video(tmp_path / "images")))
    np.testing.assert_allclose(frame[0, :, 0], np.linspace(0, 255, 64), atol=1)


def test_images_of_twelve_megapixels_work(tmp_path: Path) -> None:
    video = open_video(clips.write_images(tmp_path / "images", count=2, size=(4000, 3000), suffix=".jpg"))
    assert video.size == (4000, 3000)
    assert [clips.read_number(frame) for frame in video] == [0, 1]


def test_an_image_of_another_size_is_named(tmp_path: Path) -> None:
    folder = clips.write_images(tmp_path / "images", count=12)
    Image.fromarray(clips.numbered_frame(0, (80, 60))).save(folder / "frame_10.png")
    with pytest.raises(UserError, match=r"frame_10\.png: 80x60 pixels, but the images before it have 160x96"):
        open_video(folder)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no images"):
        open_video(tmp_path)


def test_an_image_that_is_none_is_named(tmp_path: Path) -> None:
    folder = clips.write_images(tmp_path / "images", count=3)
    (folder / "frame_1.png").write_text("hello")
    with pytest.raises(UserError, match=r"frame_1\.png: not an image"):
        open_video(folder)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
def test_a_damaged_image_is_named(tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]) -> None:
    folder = clips.write_images(tmp_path / "images", count=3, suffix=suffix)
    clips.cut_off(folder / f"frame_1{suffix}", 0.6)
    frames = []
    with pytest.raises(UserError, match=rf"frame_1\{suffix}: .*(damaged|not an image)"):
        frames.extend(open_video(folder).frames())
    assert capfd.readouterr().err == ""
