"""Networks fed with keypoints, one moment at a time."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.geometry.keypoints import network_inputs, squares_around, steadied
from anthropose.methods.base import make_method
from anthropose.methods.streaming import FORGOTTEN, RATE, Instant, StreamingMethod
from anthropose.motion import Camera
from anthropose.skeleton import HUMANEVA_15, MEDIAPIPE_33, Skeleton
from tests.methods.small import install_small
from tests.methods.test_keypoint_front_end import small
from tests.toy_body import toy_body

METHODS = ["tcmr", "vibe", "glot", "parallel-branch"]
CAMERA = Camera.guess(160, 120)
BOX = torch.tensor([30.0, 10.0, 120.0, 90.0])


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return toy_body()


def method_of(system: str, body: BodyModel) -> StreamingMethod:
    small(system)
    method = make_method(system, body, system)
    assert isinstance(method, StreamingMethod)
    return method


def moving(seconds: float) -> Tensor:
    """Keypoints of someone who moves and turns evenly."""
    generator = torch.Generator().manual_seed(0)
    start, speed = torch.rand(33, 2, generator=generator), torch.randn(33, 2, generator=generator)
    places = start * torch.tensor([80.0, 70.0]) + 30 + 4 * seconds * speed
    return torch.cat([places, torch.full((33, 1), 0.8)], dim=1)


def streamed(method: StreamingMethod, rate: float, seconds: float, skeleton: Skeleton = MEDIAPIPE_33) -> Instant:
    """The last instant of a stream of so many seconds that ends at time 2."""
    stream = method.stream(skeleton, CAMERA)
    for step in range(round(rate * seconds), -1, -1):
        found = stream.step(moving(2 - step / rate), BOX, 2 - step / rate)
    return found


@pytest.mark.parametrize("system", METHODS)
def test_a_stream_at_the_networks_rate_gives_what_its_window_that_ends_now_gives(system: str, body: BodyModel) -> None:
    method = method_of(system, body)
    middle = system in ("tcmr", "glot")
    times = [2 + min(0, k - (8 if middle else 15)) / RATE for k in range(16)]
    keypoints = torch.stack([moving(now) for now in times])
    squares = steadied(squares_around(keypoints)[0])
    inputs = network_inputs(keypoints, squares, torch.tensor(CAMERA.size).float().expand(16, 2))
    network, _ = small(system)
    with torch.no_grad():
        expected = network(inputs[None])
    rotations = expected.pose.rotations.reshape(-1, 24, 3, 3)[-1]
    found = streamed(method, RATE, 1.0)
    torch.testing.assert_close(found.body.rotations, rotations, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.crop_camera, expected.camera.flatten(0, -2)[-1], atol=1e-4, rtol=1e-4)
    assert bool(found.translation.isfinite().all())


@pytest.mark.parametrize("rate", [10.0, 15.0, 60.0])
def test_the_cameras_rate_does_not_change_what_is_seen_of_an_even_motion(rate: float, body: BodyModel) -> None:
    method = method_of("parallel-branch", body)
    slow, usual = streamed(method, rate, 1.0), streamed(method, RATE, 1.0)
    torch.testing.assert_close(slow.body.rotations, usual.body.rotations, atol=2e-3, rtol=2e-3)


def test_after_a_long_gap_the_past_is_forgotten(body: BodyModel) -> None:
    method = method_of("parallel-branch", body)
    stream = method.stream(MEDIAPIPE_33, CAMERA)
    for step in range(20):
        stream.step(moving(step / RATE) * 0.5, BOX, step / RATE)
    again = stream.step(moving(5.0), BOX, 20 / RATE + FORGOTTEN + 0.1)
    fresh = method.stream(MEDIAPIPE_33, CAMERA).step(moving(5.0), BOX, 0.0)
    torch.testing.assert_close(again.body.rotations, fresh.body.rotations)


def test_keypoints_that_were_not_found_and_a_first_frame_alone_are_enough(body: BodyModel) -> None:
    stream = method_of("vibe", body).stream(MEDIAPIPE_33, CAMERA)
    nothing = torch.full((33, 3), torch.nan)
    found = stream.step(nothing, BOX, 0.0)
    assert bool(found.joints.isfinite().all())
    assert bool(found.translation.isfinite().all())


def test_weights_that_look_at_pictures_are_refused_live(body: BodyModel) -> None:
    install_small(["spin", "vibe"])
    with pytest.raises(UserError, match=r"^--live: weights 'vibe' look at pictures"):
        make_method("vibe", body, "vibe").stream(MEDIAPIPE_33, CAMERA)  # type: ignore[attr-defined]


def test_keypoints_that_the_weights_hardly_know_are_refused(body: BodyModel) -> None:
    few = Skeleton("few", HUMANEVA_15.joints[:2], (-1, 0))
    with pytest.raises(UserError, match="few has too few"):
        method_of("vibe", body).stream(few, CAMERA)
