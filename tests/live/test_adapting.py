"""Adaptation beside a live session: it helps, is taken back where it does not, and nobody ever waits for it."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.geometry.cameras import project
from anthropose.live import adapting
from anthropose.live.adapting import AdaptingMethod, AdaptingStreamer
from anthropose.live.command import live_parts, run_live
from anthropose.live.crowd import Crowd
from anthropose.live.options import Live
from anthropose.methods.base import make_method
from anthropose.methods.dynaboa import WINDOW_PRESETS, WindowAdaptation, WindowConfig
from anthropose.methods.streaming import Instant
from anthropose.motion import Camera, Motion
from anthropose.people.detections import Detections
from anthropose.settings import Outputs, Settings
from anthropose.skeleton import MEDIAPIPE_33, SMPL_24
from tests import clips
from tests.live.cameras import LiveStanding
from tests.methods.test_dynaboa_windows import FRAMES, PLAIN, install_fed, standing
from tests.methods.test_keypoint_front_end import small

CAMERA = Camera.guess(1280, 720)
RATE = 30.0
FAST = replace(PLAIN, learning_rate=2e-3, guard=False, robust=0.0)


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body("free")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(adapting, "REST", 0.0)


@pytest.fixture
def method(body: BodyModel) -> Iterator[Callable[..., AdaptingMethod]]:
    made: list[AdaptingMethod] = []
    install_fed()

    def make(config: WindowConfig = FAST) -> AdaptingMethod:
        made.append(AdaptingMethod(make_method("parallel-branch", body, "own"), body, config))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.end()


def until(ready: Callable[[], bool]) -> None:
    """Waits for what another thread does."""
    deadline = time.monotonic() + 60
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert ready()


def streamed(stream: AdaptingStreamer, keypoints: Tensor, seconds: float = 0.0, waits: bool = True) -> list[Instant]:
    """A person frame by frame; with `waits` the next frame comes when the adaptation has taken up the one before."""
    learning, found = stream._method.learning, []
    for number, one in enumerate(keypoints):
        box = torch.cat([one[:, :2].amin(0), one[:, :2].amax(0)])
        found.append(stream.step(one, box, seconds + number / RATE))
        if waits:
            until(lambda: all(window is None for window in learning._waiting.values()))
    return found


def away(body: BodyModel, instant: Instant, keypoints: Tensor) -> float:
    """Mean distance [px] of the body's points in the picture from the keypoints."""
    pose = instant.body
    points, root = (body.points(names)(pose.betas[None], pose.rotations[None]) for names in (MEDIAPIPE_33, SMPL_24))
    placed = points - root[:, :1] + instant.translation
    seen = project(placed, torch.tensor([CAMERA.focal]), torch.tensor([CAMERA.center]))[0]
    return float((seen - keypoints[:, :2])[body.points(MEDIAPIPE_33).valid].norm(dim=-1).mean())


def test_the_adapted_network_is_used_and_lies_better_on_the_keypoints(
    body: BodyModel, method: Callable[..., AdaptingMethod]
) -> None:
    keypoints = standing(body, 40)[0]
    adapted = method()
    stream = adapted.stream(MEDIAPIPE_33, CAMERA)
    found = streamed(stream, keypoints)  # type: ignore[arg-type]
    plain_method = make_method("parallel-branch", body, "own")
    plain = plain_method.stream(MEDIAPIPE_33, CAMERA)  # type: ignore[attr-defined]
    box = torch.tensor([0.0, 0.0, 100.0, 100.0])
    unadapted = [plain.step(one, box, number / RATE) for number, one in enumerate(keypoints)]
    torch.testing.assert_close(found[0].body.rotations, unadapted[0].body.rotations)
    before, after = (away(body, one[-1], keypoints[-1]) for one in (unadapted, found))
    assert after < 0.7 * before, (before, after)
    assert adapted.learning.learnt.steps >= 10
    own, theirs = adapted._method.network, plain_method.network  # type: ignore[attr-defined]
    assert all(torch.equal(a, b) for a, b in zip(own.parameters(), theirs.parameters(), strict=True))


def test_nobody_is_adapted_to_before_a_window_is_full(body: BodyModel, method: Callable[..., AdaptingMethod]) -> None:
    keypoints, adapted = standing(body, FRAMES + 2)[0], method()
    stream = adapted.stream(MEDIAPIPE_33, CAMERA)
    streamed(stream, keypoints[: FRAMES - 1])  # type: ignore[arg-type]
    assert adapted.learning.people == 0
    streamed(stream, keypoints[FRAMES - 1 :], seconds=(FRAMES - 1) / RATE)  # type: ignore[arg-type]
    assert adapted.learning.people == 1
    streamed(stream, keypoints[:2], seconds=9.0, waits=False)  # type: ignore[arg-type]
    assert not stream._streamer.is_filled, "after a gap it begins anew"  # type: ignore[attr-defined]


def test_everyone_has_weights_of_their_own(body: BodyModel, method: Callable[..., AdaptingMethod]) -> None:
    keypoints, adapted = standing(body, 20)[0], method()
    first, second = (adapted.stream(MEDIAPIPE_33, CAMERA) for _ in range(2))
    assert isinstance(second, AdaptingStreamer)
    streamed(first, keypoints)  # type: ignore[arg-type]
    assert second._streamer.network is adapted._method.network  # type: ignore[attr-defined]
    streamed(second, keypoints)
    one, other = (stream._streamer.network for stream in (first, second))  # type: ignore[attr-defined]
    assert one is not other
    start = adapted._method.network  # type: ignore[attr-defined]
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), start.parameters(), strict=True))


@pytest.mark.parametrize("fault", ["far too fast", "off to another pose"])
def test_an_adaptation_that_goes_wrong_is_taken_back_and_counted(
    fault: str, body: BodyModel, method: Callable[..., AdaptingMethod]
) -> None:
    config = replace(PLAIN, learning_rate=1e3) if fault == "far too fast" else replace(PLAIN, most_drift=0.0)
    adapted = method(config)
    stream = adapted.stream(MEDIAPIPE_33, CAMERA)
    streamed(stream, standing(body, FRAMES + 6)[0])  # type: ignore[arg-type]
    until(lambda: adapted.learning.learnt.steps >= 3)
    adapted.end()
    learnt = adapted.learning.learnt
    assert learnt.undone == learnt.steps
    assert str(learnt) == f"adapted in {learnt.steps} steps, {learnt.steps} taken back"
    used, first = stream._streamer.network, adapted._method.network  # type: ignore[attr-defined]
    assert all(torch.equal(a, b) for a, b in zip(used.parameters(), first.parameters(), strict=True))


def test_nobody_waits_for_the_adaptation_and_what_it_has_no_time_for_is_dropped(
    body: BodyModel, method: Callable[..., AdaptingMethod], monkeypatch: pytest.MonkeyPatch
) -> None:
    going, real, seen = threading.Event(), WindowAdaptation.adapt, []

    def slow(self: WindowAdaptation, inputs: Tensor, focal: float, rate: float) -> object:
        seen.append(inputs)
        assert going.wait(60)
        return real(self, inputs, focal, rate)

    monkeypatch.setattr(WindowAdaptation, "adapt", slow)
    adapted = method()
    stream = adapted.stream(MEDIAPIPE_33, CAMERA)
    found = streamed(stream, standing(body, 60)[0], waits=False)  # type: ignore[arg-type]
    assert len(found) == 60
    assert adapted.learning.learnt.steps == 0
    newest = stream._streamer.shown  # type: ignore[attr-defined]
    going.set()
    until(lambda: adapted.learning.learnt.steps == 2)
    assert len(seen) == 2, "the one that it was at, and the newest of those that came meanwhile"
    assert float((seen[1] - newest).abs().amax()) < float((seen[0] - newest).abs().amax())


def detections(keypoints: Tensor) -> Detections:
    """One person in one frame; nobody where there are no keypoints."""
    count = len(keypoints)
    boxes = torch.cat([keypoints[..., :2].amin(1), keypoints[..., :2].amax(1)], dim=1) if count else torch.zeros(0, 4)
    return Detections(
        frames=torch.zeros(count, dtype=torch.int64),
        boxes=boxes,
        scores=torch.full((count,), 0.9),
        keypoints=keypoints,
        looks=torch.ones(count, 4) / 4,
        skeleton=MEDIAPIPE_33,
    )


def test_the_adaptation_to_someone_ends_when_they_have_left_and_the_thread_with_the_session(
    body: BodyModel, method: Callable[..., AdaptingMethod]
) -> None:
    adapted, keypoints = method(), standing(body, 45)[0]
    crowd = Crowd(adapted, body, CAMERA)
    for number, one in enumerate(keypoints):
        crowd.step(detections(one[None]), number / RATE)
    assert adapted.learning.people == 1
    crowd.step(detections(keypoints[:0]), 2.0)
    assert adapted.learning.people == 1, "may come back"
    for second in range(5, 10):
        crowd.step(detections(keypoints[:0]), float(second))
    assert adapted.learning.people == 0
    assert "live-adapt" in {thread.name for thread in threading.enumerate()}
    adapted.end()
    assert "live-adapt" not in {thread.name for thread in threading.enumerate()}


def test_of_a_crowd_some_are_adapted_to(
    body: BodyModel, method: Callable[..., AdaptingMethod], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapting, "MOST", 2)
    adapted, keypoints = method(), standing(body, 12)[0]
    streams = [adapted.stream(MEDIAPIPE_33, CAMERA) for _ in range(3)]
    found = [streamed(stream, keypoints) for stream in streams]  # type: ignore[arg-type]
    assert adapted.learning.people == 2
    assert len(found[2]) == 12
    streams[0].end()  # type: ignore[attr-defined]
    streamed(streams[2], keypoints, seconds=1.0)  # type: ignore[arg-type]
    assert adapted.learning.people == 2, "there is room again"


def test_what_goes_wrong_in_the_thread_ends_the_session(
    body: BodyModel, method: Callable[..., AdaptingMethod], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the adaptation broke")

    monkeypatch.setattr(WindowAdaptation, "adapt", broken)
    stream = method().stream(MEDIAPIPE_33, CAMERA)
    streamed(stream, standing(body, FRAMES)[0], waits=False)  # type: ignore[arg-type]
    until(lambda: "live-adapt" not in {thread.name for thread in threading.enumerate()})
    with pytest.raises(RuntimeError, match="the adaptation broke"):
        streamed(stream, standing(body, FRAMES)[0], seconds=0.4, waits=False)  # type: ignore[arg-type]


def test_methods_that_cannot_be_adapted_are_refused_before_the_camera_is_opened(body: BodyModel) -> None:
    small("tcmr")
    middle = make_method("tcmr", body, "tcmr")
    with pytest.raises(UserError, match=r"^--adapt: this network does not give a body for every frame of a window"):
        AdaptingMethod(middle, body, FAST).check(MEDIAPIPE_33)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"^--adapt: method standing has no network that is fed with keypoints"):
        AdaptingMethod(LiveStanding(body), body, FAST).check(MEDIAPIPE_33)


def learnt_by(**settings: object) -> AdaptingMethod:
    """The method of a session with --adapt."""
    own = {"method": "parallel-branch", "weights": "own", "detector": "tests.live.cameras:LivePerson", **settings}
    parts = live_parts(Settings(**own), None, True, lambda learnt: None)  # type: ignore[arg-type]
    assert isinstance(parts.method, AdaptingMethod)
    return parts.method


def test_presets_say_how_a_session_adapts() -> None:
    install_fed()
    assert learnt_by().config == WINDOW_PRESETS["clip"]
    assert learnt_by(preset="web-camera").config == WINDOW_PRESETS["web-camera"]
    with pytest.raises(UserError, match="dynaboa has no preset 'fast'; it has 3dpw, internet"):
        learnt_by(preset="fast")
    with pytest.raises(UserError, match=r"^--adapt learns in float32; leave --precision bfloat16 away"):
        learnt_by(precision="bfloat16")
    with pytest.raises(UserError, match=r"^--live: say --adapt in place of --method dynaboa"):
        learnt_by(method="dynaboa", weights="")


def test_a_file_is_run_live_with_adaptation_and_recorded(tmp_path: Path) -> None:
    install_fed()
    clip = clips.write_clip(tmp_path / "clip.mp4", count=90, rate=30)
    settings = Settings(method="parallel-branch", weights="own", detector="tests.live.cameras:LivePerson")
    live = Live(live=True, show="page", port=0, adapt=True)
    lines = run_live(str(clip), settings, Outputs(), live, tmp_path / "session")
    assert lines[1].startswith("adapted in ")
    assert not lines[1].startswith("adapted in 0")
    assert Motion.load(tmp_path / "session/person-00.npz").method == "parallel-branch+dynaboa"
    assert "live-adapt" not in {thread.name for thread in threading.enumerate()}
