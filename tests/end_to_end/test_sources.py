"""Every kind of source through the whole pipeline: what comes in oddly must come out right."""

import json
from pathlib import Path

import av
import pytest
import torch

from anthropose.motion import Motion
from anthropose.outputs import run
from anthropose.settings import Outputs, Settings
from anthropose.skeleton import COCO_17
from tests.clips import QUARTER_TURNS, cut_off, set_display_matrix, write_clip, write_images

FAKES = Settings(detector="tests.fakes:OnePerson", method="tests.fakes:Standing")


def with_settings(**changes: object) -> Settings:
    from dataclasses import replace

    return replace(FAKES, **changes)


def test_a_folder_of_images_runs_at_the_rate_that_is_given(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 20)
    (motion,) = run(images, tmp_path / "out", with_settings(fps=10.0))
    assert len(motion) == 20
    torch.testing.assert_close(motion.seconds, torch.arange(20, dtype=torch.float64) / 10)
    with av.open(str(tmp_path / "out" / "overlay.mp4")) as file:
        assert float(file.streams.video[0].average_rate) == pytest.approx(10.0)


def test_only_the_first_seconds_are_taken_when_asked_for(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 60)
    (motion,) = run(clip, tmp_path / "out", with_settings(seconds=0.75))
    assert motion.track.frames.tolist() == list(range(23))
    with av.open(str(tmp_path / "out" / "overlay.mp4")) as file:
        assert sum(1 for _ in file.decode(video=0)) == 23


def test_a_longer_run_keeps_the_parts_of_a_shorter_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.fakes import OnePerson

    monkeypatch.setattr("anthropose.reconstruction.PART_FRAMES", 10)
    clip = write_clip(tmp_path / "clip.mp4", 60)
    OnePerson.seen = 0
    run(clip, tmp_path / "out", with_settings(seconds=1.0))
    assert OnePerson.seen == 30
    run(clip, tmp_path / "out", FAKES)
    assert OnePerson.seen == 60


def test_a_clip_filmed_on_its_side_comes_out_upright(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 20, (160, 96))
    set_display_matrix(clip, *QUARTER_TURNS[90])
    (motion,) = run(clip, tmp_path / "out", FAKES)
    assert motion.camera.size == (96, 160)
    with av.open(str(tmp_path / "out" / "overlay.mp4")) as file:
        assert (file.streams.video[0].width, file.streams.video[0].height) == (96, 160)


def test_the_sound_of_a_clip_is_kept(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 30, audio="aac")
    run(clip, tmp_path / "out", FAKES, Outputs(export=(), report=False))
    with av.open(str(tmp_path / "out" / "overlay.mp4")) as file:
        assert len(file.streams.audio) == 1


def test_a_clip_cut_short_gives_the_frames_that_are_there(tmp_path: Path) -> None:
    clip = cut_off(write_clip(tmp_path / "clip.mp4", 100, container_options={"movflags": "faststart"}), 0.6)
    (motion,) = run(clip, tmp_path / "out", FAKES)
    assert 10 < len(motion) < 100


def test_people_found_by_another_program_take_the_detectors_place(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 30)
    people = [
        {
            "image_id": f"{frame}.jpg",
            "category_id": 1,
            "keypoints": [v for joint in range(17) for v in (60.0 + joint, 10.0 + 4 * joint, 0.9)],
            "score": 2.5,
            "idx": 7,
        }
        for frame in range(30)
    ]
    (tmp_path / "alphapose-results.json").write_text(json.dumps(people))
    settings = with_settings(tracks=tmp_path / "alphapose-results.json", detector="nobody:asks")
    (motion,) = run(clip, tmp_path / "out", settings)
    assert len(motion) == 30
    assert motion.track.skeleton == COCO_17
    assert motion.track.keypoints is not None
    torch.testing.assert_close(motion.track.keypoints[:, 3, 0], torch.full((30,), 63.0))


def test_smoothing_lowers_the_jitter_and_keeps_the_person(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 40)
    (plain,) = run(clip, tmp_path / "out", with_settings(method="tests.end_to_end.test_sources:Shaking"))
    for kind in ("one-euro", "gaussian"):
        settings = with_settings(method="tests.end_to_end.test_sources:Shaking", smooth=kind)
        (smooth,) = run(clip, tmp_path / "out", settings)
        saved = Motion.load(tmp_path / "out" / "person-00.npz")
        torch.testing.assert_close(saved.joints, smooth.joints)
        jitter = smooth.translation.diff(n=2, dim=0).norm(dim=-1).mean()
        assert jitter < 0.5 * plain.translation.diff(n=2, dim=0).norm(dim=-1).mean()
        assert (smooth.translation - plain.translation).norm(dim=-1).max() < 0.3


class Shaking:
    """The standing person, trembling."""

    name = "shaking"

    def __init__(self, body) -> None:
        from tests.fakes import Standing

        self.standing = Standing(body)

    def reconstruct(self, clip, progress=lambda share: None) -> Motion:
        from dataclasses import replace

        motion = self.standing.reconstruct(clip, progress)
        noise = 0.05 * torch.randn(len(motion), 3, generator=torch.Generator().manual_seed(0))
        return replace(motion, translation=motion.translation + noise)
