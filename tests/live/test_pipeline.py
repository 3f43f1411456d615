"""A session keeps pace with its camera, drops frames rather than lag, and always ends."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.live.figures import Figures
from anthropose.live.pipeline import Parts, Patience, Pipeline
from anthropose.live.recording import Recording
from anthropose.motion import Camera, Motion
from anthropose.people.detect import Detector
from anthropose.video import open_video
from tests import clips
from tests.live.cameras import LivePerson, LiveStanding, PipeCamera
from tests.toy_body import toy_body


class Screen:
    """Keeps what it is shown, and says to stop when it was shown enough."""

    def __init__(self, figures: Figures, enough: int | None = None) -> None:
        self.figures, self.enough = figures, enough
        self.pictures: list[np.ndarray] = []

    def show(self, picture: np.ndarray, taken: float) -> None:
        self.pictures.append(picture)
        self.figures.show(taken)

    def poll(self) -> bool:
        return self.enough is None or len(self.pictures) < self.enough


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return toy_body()


@pytest.fixture
def clip(tmp_path: Path) -> str:
    return str(clips.write_clip(tmp_path / "clip.mp4", count=45, rate=30))


@pytest.fixture
def camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PipeCamera]:
    made = PipeCamera(tmp_path, monkeypatch)
    yield made
    made.close()


@pytest.fixture
def session(body: BodyModel) -> Callable[..., tuple[Pipeline, Screen]]:
    def make(
        source: str,
        detector: Detector | None = None,
        out: Path | None = None,
        enough: int | None = None,
        patience: Patience | None = None,
        **options: float,
    ) -> tuple[Pipeline, Screen]:
        figures = Figures()
        screen = Screen(figures, enough)
        record = None if out is None else lambda v, c: Recording(out, v, c, True, ("standing", "", "toy"))
        parts = Parts(detector or LivePerson(), LiveStanding(body), body, lambda v: Camera.guess(*v.size), record)
        return Pipeline(source, parts, screen, figures, patience=patience or Patience(first=20.0), **options), screen

    return make


def test_a_file_is_played_at_its_own_pace_and_ends_by_itself(session: Callable, clip: str) -> None:
    pipeline, screen = session(clip)
    begun = time.monotonic()
    pipeline.run()
    assert time.monotonic() - begun > 44 / 30
    assert pipeline.frames == 45
    assert 1 <= len(screen.pictures) <= 45, "how many depends on what else the machine does"
    assert screen.pictures[-1].shape == (96, 160, 3)


def test_a_slow_detector_drops_frames_and_does_not_lag(session: Callable, clip: str) -> None:
    pipeline, screen = session(clip, LivePerson(takes=0.3))
    pipeline.run()
    assert 1 <= len(screen.pictures) <= 7, "1.5 seconds at three frames a second, and the last one"
    assert pipeline.figures.latency(1.0) < 7, "the last of 45 frames would wait 12 seconds for its turn"


def test_what_is_recorded_has_all_frames_and_motions_that_belong_to_them(
    session: Callable, clip: str, tmp_path: Path
) -> None:
    pipeline, _ = session(clip, LivePerson(takes=0.05), out=tmp_path / "session")
    pipeline.run()
    pipeline.recording.finish()
    video, motion = open_video(tmp_path / "session/video.mp4"), Motion.load(tmp_path / "session/person-00.npz")
    assert len(video) == 45 - pipeline.unkept
    np.testing.assert_allclose(video.seconds[motion.track.frames], motion.seconds, atol=2e-3)
    assert (motion.track.frames.diff() >= 1).all()


def test_a_camera_that_disappears_is_told_in_one_line_and_what_came_is_kept(
    session: Callable, camera: PipeCamera, tmp_path: Path
) -> None:
    camera.give(60)
    pipeline, screen = session("camera:0", out=tmp_path / "session")
    with pytest.raises(UserError, match=r"^camera:0: the camera is gone after \d\.\d s$"):
        pipeline.run()
    assert len(screen.pictures) > 3
    made = pipeline.recording.finish()
    assert len(open_video(made[0])) > 30


def test_a_camera_that_gives_no_frames_is_given_up(session: Callable, camera: PipeCamera) -> None:
    camera.give(0, then_hang=True)
    pipeline, _ = session("camera:0", patience=Patience(first=1.0))
    begun = time.monotonic()
    with pytest.raises(UserError, match=r"^camera:0: the camera gave no frame in 1 s; is another program"):
        pipeline.run()
    assert time.monotonic() - begun < 10


def test_a_camera_that_stops_giving_frames_is_given_up(session: Callable, camera: PipeCamera) -> None:
    camera.give(60, then_hang=True)
    pipeline, screen = session("camera:0", patience=Patience(first=20.0, between=1.5))
    with pytest.raises(UserError, match=r"^camera:0: no frames for 1\.5 s, after \d\.\d s; is the camera"):
        pipeline.run()
    assert screen.pictures


def test_a_camera_that_is_absent_is_told(session: Callable) -> None:
    pipeline, _ = session("camera:97")
    with pytest.raises(UserError, match=r"^camera:97: the camera cannot be opened"):
        pipeline.run()


def test_the_screen_the_time_and_ctrl_c_end_a_session(
    session: Callable, clip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, screen = session(clip, enough=2)
    pipeline.run()
    assert 2 <= len(screen.pictures) < 45
    pipeline, screen = session(clip, seconds=0.5)
    pipeline.run()
    assert pipeline._capture.seconds < 1.2

    def interrupt() -> bool:
        raise KeyboardInterrupt

    pipeline, screen = session(clip)
    monkeypatch.setattr(screen, "poll", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run()
    assert not [t for t in threading.enumerate() if t.name.startswith("live-") and t.name != "live-capture"]


def test_a_stage_that_fails_ends_the_session_with_its_error(session: Callable, clip: str) -> None:
    pipeline, _ = session(clip, LivePerson(fails_at=3))
    with pytest.raises(RuntimeError, match="the detector broke"):
        pipeline.run()


def test_frames_that_cannot_be_recorded_in_time_are_left_out_of_everything(
    session: Callable, clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Recording.frame, []

    def every_other(self: Recording, seconds: float, image: np.ndarray) -> bool:
        calls.append(seconds)
        return len(calls) % 2 == 1 and real(self, seconds, image)

    monkeypatch.setattr(Recording, "frame", every_other)
    pipeline, _ = session(clip, out=tmp_path / "session")
    pipeline.run()
    pipeline.recording.finish()
    assert pipeline.unkept == 22
    video, motion = open_video(tmp_path / "session/video.mp4"), Motion.load(tmp_path / "session/person-00.npz")
    assert [clips.read_number(image) for image in video] == list(range(0, 45, 2))
    np.testing.assert_allclose(video.seconds[motion.track.frames], motion.seconds, atol=2e-3)
