"""What is recorded is whole at the end, agrees with itself, and outlives a crash."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.errors import UserError
from anthropose.live.capture import Frame
from anthropose.live.crowd import Present
from anthropose.live.recording import PART_SECONDS, PARTS, Recording, assemble
from anthropose.methods.streaming import Instant
from anthropose.motion import BodyPose, Camera, Motion
from anthropose.people.detections import Detections
from anthropose.skeleton import COCO_17
from anthropose.video import open_video
from tests import clips

SIZE = (160, 96)
CAMERA = Camera.guess(*SIZE)


def detection(number: int) -> Detections:
    return Detections(
        frames=torch.tensor([number]),
        boxes=torch.tensor([[10.0, 10.0, 50.0, 90.0]]),
        scores=torch.tensor([0.9]),
        keypoints=torch.full((1, 17, 3), float(number)),
        skeleton=COCO_17,
        looks=torch.zeros(1, 0),
    )


def present(person: int, number: int) -> Present:
    pose = BodyPose(torch.eye(3).expand(24, 3, 3), torch.zeros(10))
    place = torch.tensor([0.0, 0.0, float(number)])
    return Present(person, 0, Instant(torch.zeros(24, 3), place, pose, torch.ones(3)))


def begin(folder: Path, source: Path, overlay: bool = True) -> Recording:
    return Recording(folder, open_video(source), CAMERA, overlay, ("standing", "mine", "free"))


def record(recording: Recording, count: int, step: float = 1 / 30, every: int = 1) -> None:
    """Frames that come unevenly, with person 0 in every so many of them and person 1 in the later half."""
    for number in range(count):
        seconds, image = number * step + (0.004 if number % 2 else 0.0), clips.numbered_frame(number)
        while not recording.frame(seconds, image):
            time.sleep(0.01)
        frame = Frame(number, seconds, 0.0, image)
        if number % every == 0:
            there = [present(0, number)] + ([present(1, number)] if number >= count // 2 else [])
            recording.people(frame, there, detection(number))
            recording.drawn(seconds, image)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return clips.write_clip(tmp_path / "source.mp4", count=3)


def test_videos_and_motions_agree_in_number_and_time(tmp_path: Path, source: Path) -> None:
    folder = tmp_path / "session"
    recording = begin(folder, source)
    record(recording, 40, every=2)
    made = recording.finish()
    assert [path.name for path in made] == ["video.mp4", "overlay.mp4", "person-00.npz", "person-01.npz"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in made)
    video, motion = open_video(folder / "video.mp4"), Motion.load(folder / "person-00.npz")
    assert [clips.read_number(image) for image in video] == list(range(40))
    assert motion.track.frames.tolist() == list(range(0, 40, 2))
    np.testing.assert_allclose(video.seconds[motion.track.frames], motion.seconds, atol=1e-3)
    np.testing.assert_allclose(video.seconds[1], 1 / 30 + 0.004, atol=1e-3)
    assert Motion.load(folder / "person-01.npz").track.frames[0] == 20
    assert len(open_video(folder / "overlay.mp4")) == 20
    assert (motion.method, motion.weights, motion.body_model) == ("standing", "mine", "free")


def test_a_motion_of_many_parts_is_joined_in_order(tmp_path: Path, source: Path) -> None:
    folder = tmp_path / "session"
    recording = begin(folder, source, overlay=False)
    record(recording, 30, step=PART_SECONDS / 4)
    deadline = time.monotonic() + 60
    while len(list((folder / PARTS).glob("person-00-*.npz"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    recording.finish()
    motion = Motion.load(folder / "person-00.npz")
    assert motion.track.frames.tolist() == list(range(30))
    assert motion.translation[:, 2].tolist() == list(range(30))
    assert not (folder / "overlay.mp4").exists()


CRASH = """
import sys, time
from pathlib import Path
from tests.live import test_recording as t
recording = t.begin(Path(sys.argv[1]), Path(sys.argv[2]))
t.record(recording, 400, step=0.1)
print("recorded", flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_a_crash_loses_the_last_seconds_only(tmp_path: Path, source: Path) -> None:
    folder = tmp_path / "session"
    process = subprocess.Popen(
        [sys.executable, "-c", CRASH, folder, source], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "recorded\n"
    time.sleep(2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "video.mp4").exists()
    made = assemble(folder)
    assert {"video.mp4", "overlay.mp4", "person-00.npz"} <= {path.name for path in made}
    video, motion = open_video(folder / "video.mp4"), Motion.load(folder / "person-00.npz")
    assert 340 <= len(video) <= 400, "of 400 frames, 10 a second"
    assert [clips.read_number(image) for image in video.frames(0, 300)] == list(range(300))
    assert 280 <= len(motion) <= len(video)
    assert motion.track.frames.tolist() == list(range(len(motion)))
    assert not (folder / PARTS).exists()


def test_nothing_recorded_leaves_nothing_behind(tmp_path: Path, source: Path) -> None:
    recording = begin(tmp_path / "session", source)
    assert recording.finish() == []
    assert not (tmp_path / "session").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full to stand for a full disk")
def test_a_full_disk_is_told_at_the_next_frame_and_the_thread_ends(tmp_path: Path, source: Path) -> None:
    folder = tmp_path / "session"
    (folder / PARTS).mkdir(parents=True)
    (folder / PARTS / "video.mp4").symlink_to("/dev/full")
    recording = begin(folder, source, overlay=False)
    noise = np.random.default_rng(0).integers(0, 255, (50, 96, 160, 3), dtype=np.uint8)

    def offer_many() -> None:
        for number in range(2000):
            recording.frame(number / 30, noise[number % 50])
            time.sleep(0.005)

    with pytest.raises(UserError, match="disk is full"):
        offer_many()
    with pytest.raises(UserError, match="disk is full"):
        recording.finish()


def test_pictures_that_cannot_be_kept_up_with_are_refused_and_the_rest_is_written(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anthropose.live.recording.WAITING_BYTES", 0)
    recording = begin(tmp_path / "session", source, overlay=False)
    taken = sum(recording.frame(number / 30, clips.numbered_frame(number)) for number in range(300))
    recording.finish()
    assert 4 <= taken < 300
    assert len(open_video(tmp_path / "session" / "video.mp4")) == taken
