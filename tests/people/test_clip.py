"""What a clip gives to a method: squares, crops in order, features that are kept."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from anthropose.errors import UserError
from anthropose.motion import Camera, Track
from anthropose.people import clip as module
from anthropose.people.clip import Clip
from anthropose.video import Video
from anthropose.workspace import Workspace


@dataclass(frozen=True, eq=False)
class Counting(Video):
    """A video whose frame n is of one grey, n, but for a white patch of 5 pixels; counts what was decoded."""

    decoded: list[int] = field(default_factory=list)

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        for number in range(start, len(self) if stop is None else stop):
            self.decoded.append(number)
            image = np.full((60, 80, 3), number, np.uint8)
            image[28:33, 38:43] = 255
            yield image


@dataclass
class Means:
    """The mean grey of each crop, and its brightest pixel's column and row."""

    name: str = "means"
    size: int = 32
    batch: int = 5
    settings: dict[str, Any] = field(default_factory=lambda: {"version": 1})
    calls: list[int] = field(default_factory=list)

    def __call__(self, crops: UInt8[Tensor, "b h w 3"]) -> Float[Tensor, "b f"]:
        self.calls.append(len(crops))
        return crops[:, 0, 0].float()


def video(frames: int = 100) -> Counting:
    return Counting("made up", 30.0, (80, 60), np.arange(frames) / 30.0, False)


def clip(frames: list[int], source: Video | None, folder: Path | None = None) -> Clip:
    n = len(frames)
    boxes = torch.tensor([[30.0, 20.0, 50.0, 40.0]]).expand(n, 4)
    track = Track(3, torch.tensor(frames), boxes.clone())
    seconds = torch.tensor(frames, dtype=torch.float64) / 30
    return Clip(track, 30.0, seconds, Camera.guess(80, 60), source, Workspace(folder), "key")


def test_a_square_has_the_longer_side_of_the_box_around_its_middle() -> None:
    one = clip([0, 1, 2], None)
    boxes = torch.tensor([[10.0, 20.0, 30.0, 70.0], [-5.0, 0.0, 15.0, 10.0], [7.0, 7.0, 7.0, 7.0]])
    squares = replace(one, track=replace(one.track, boxes=boxes)).squares
    assert squares[:2].tolist() == [[20, 45, 50], [5, 5, 20]]
    assert squares[2, 2] > 0, "a box of no size still has a square"


def test_there_is_a_crop_for_each_frame_of_the_track_in_order_and_the_video_is_decoded_once() -> None:
    source = video()
    frames = [4, 5, 6, 20, 21, 60]
    crops = list(clip(frames, source).crops(32))
    assert [int(crop[0, 0, 0]) for crop in crops] == frames
    assert all(crop.shape == (32, 32, 3) for crop in crops)
    assert source.decoded == list(range(4, 61)), "from the first frame of the track to the last, each once"


def test_crops_are_made_as_they_are_asked_for() -> None:
    source = video()
    crops = clip(list(range(10, 90)), source).crops(32)
    next(crops)
    next(crops)
    assert source.decoded == [10, 11]


def test_scale_shows_more_of_the_picture_around_the_same_middle() -> None:
    one = clip([10], video())
    for scale in (1.0, 1.2):
        (crop,) = one.crops(40, scale)
        light = (crop[..., 0] - 10.0) / 245
        assert light.sum() == pytest.approx((5 * 2 / scale) ** 2, rel=0.05), "the patch, in crop pixels"
        rows, columns = np.indices(light.shape)
        assert (light * rows).sum() / light.sum() == pytest.approx(20, abs=0.2)
        assert (light * columns).sum() / light.sum() == pytest.approx(20, abs=0.2)


def test_keypoints_alone_give_no_crops() -> None:
    with pytest.raises(UserError, match="pixels"):
        next(clip([0, 1], None).crops())


def test_features_come_in_batches_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART_FRAMES", 12)
    frames = [*range(3, 20), *range(40, 53)]
    source, means, shares = video(), Means(), []
    features = clip(frames, source).features(means, 1.0, shares.append)
    assert features[:, 0].tolist() == frames
    assert means.calls == [5, 5, 2, 5, 5, 2, 5, 1]
    assert len(source.decoded) == len(set(source.decoded)), "one pass, also where a part ends"
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_an_interrupted_extraction_goes_on_with_the_part_that_it_was_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "PART_FRAMES", 10)
    frames = list(range(5, 45))

    def interrupt(share: float) -> None:
        if share > 0.6:
            raise KeyboardInterrupt

    first = Means()
    with pytest.raises(KeyboardInterrupt):
        clip(frames, video(), tmp_path).features(first, 1.2, interrupt)
    source, second = video(), Means()
    features = clip(frames, source, tmp_path).features(second, 1.2)
    assert features[:, 0].tolist() == frames
    assert sum(second.calls) == 20, "two of four parts were kept"
    assert min(source.decoded) == 25


def test_features_are_made_once_for_all_methods_and_anew_where_anything_changed(tmp_path: Path) -> None:
    frames = list(range(20))

    def made(means: Means, scale: float = 1.2, frames: list[int] = frames) -> int:
        clip(frames, video(), tmp_path).features(means, scale)
        return sum(means.calls)

    assert made(Means()) == 20
    assert made(Means()) == 0
    assert made(Means(), scale=1.1) == 20
    assert made(Means()) == 0, "those of another scale lie beside them"
    assert made(Means(settings={"version": 2})) == 20
    assert made(Means(), frames=list(range(1, 21))) == 20


def test_damaged_features_are_made_again(tmp_path: Path) -> None:
    clip([1, 2, 3], video(), tmp_path).features(Means(), 1.0)
    (path,) = tmp_path.rglob("*.npy")
    for damage in (b"", path.read_bytes()[:-3], b"no numbers"):
        path.write_bytes(damage)
        means = Means()
        assert clip([1, 2, 3], video(), tmp_path).features(means, 1.0)[:, 0].tolist() == [1, 2, 3]
        assert means.calls == [3]
