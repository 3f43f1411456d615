import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from anthropose.errors import UserError
from anthropose.people import mediapipe_bundle
from anthropose.people.mediapipe_bundle import wheel_bundle
from anthropose.people.mediapipe_models import PoseModels, Pyramid, Roi


def figure() -> np.ndarray:
    """Someone standing in plain clothes, drawn with a few strokes."""
    image = np.full((256, 256, 3), 200, np.uint8)
    cv2.circle(image, (128, 50), 16, (220, 180, 150), -1)
    strokes = [
        ((128, 70), (128, 140), 34),
        ((112, 78), (85, 130), 12),
        ((144, 78), (171, 130), 12),
        ((118, 145), (112, 225), 16),
        ((138, 145), (144, 225), 16),
    ]
    for begin, end, width in strokes:
        cv2.line(image, begin, end, (60, 90, 160), width)
    return image


def test_leaving_out_the_mask_changes_no_keypoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "without"))
    bundles = [wheel_bundle()]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "with"))
    monkeypatch.setattr(mediapipe_bundle, "_without_mask", lambda model: model)
    bundles.append(wheel_bundle())
    pruned, whole = (PoseModels(bundle) for bundle in bundles)
    picture = Pyramid(figure())
    for side in (200, 256, 320):
        one, other = (models.land(picture, Roi(128, 128, side, 0.1)) for models in (pruned, whole))
        assert one is not None
        assert other is not None
        assert one.presence == other.presence > 0.5
        assert one.next_roi == other.next_roi
        assert (one.points == other.points).all()
        assert (one.world == other.world).all()


def test_the_bundle_is_made_once_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = wheel_bundle()
    assert path.parent == tmp_path / "anthropose"
    assert "0.10" in path.name
    before = path.stat().st_mtime_ns
    assert wheel_bundle().stat().st_mtime_ns == before
    assert [file.name for file in path.parent.iterdir()] == [path.name], "no part of a file is left"


def test_a_damaged_bundle_in_the_cache_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = wheel_bundle()
    path.write_bytes(path.read_bytes()[:1000])
    assert zipfile.is_zipfile(wheel_bundle())


def test_where_the_cache_cannot_be_written_the_temporary_folder_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert wheel_bundle().parent == tmp_path


@pytest.mark.parametrize("content", [b"", b"no bundle", None])
def test_a_wrong_bundle_is_one_clear_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "wrong.task"
    if content is None:
        with zipfile.ZipFile(path, "w") as bundle:
            bundle.writestr("hello.txt", "hello")
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"expected a pose landmarker bundle") as error:
        PoseModels(path)
    assert "\n" not in str(error.value)
