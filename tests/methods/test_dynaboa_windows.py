"""DynaBOA on networks that see keypoints: laws of the adaptation to windows, its exemplars, and whole clips."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.body.prior import GaussianMixturePrior
from anthropose.errors import UserError
from anthropose.geometry.cameras import project
from anthropose.geometry.keypoints import network_inputs, squares_around
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.methods.dynaboa import (
    PRESETS,
    WINDOW_PRESETS,
    DynaBOA,
    DynaBOAOptions,
    Level,
    WindowAdaptation,
    WindowBank,
    WindowConfig,
    WindowWeights,
)
from anthropose.methods.dynaboa.adaptable import find_adaptable
from anthropose.methods.dynaboa.bilevel import Update
from anthropose.methods.dynaboa.losses import Figure
from anthropose.methods.dynaboa.tracks import adapted_track, track_windows
from anthropose.methods.dynaboa.window_exemplars import SHIPPED
from anthropose.methods.dynaboa.window_losses import motion_terms, seen_error, taught_window_terms
from anthropose.methods.dynaboa.windows import Window, in_squares
from anthropose.methods.keypoint_fed import KeypointFed, KeypointFedConfig
from anthropose.methods.parallel_branch.coupled import CoupledConfig, CoupledNetwork
from anthropose.methods.video import in_turns
from anthropose.motion import BodyPose, Camera, Prediction, Track
from anthropose.nn.checkpoints import Weights, weights_folder, write_weights
from anthropose.nn.keypoint_encoder import KeypointEncoderConfig
from anthropose.nn.lifting import LiftingConfig
from anthropose.people.clip import Clip
from anthropose.skeleton import MEDIAPIPE_33, SPIN_49
from tests.methods.small import install_small

FRAMES = 8
SMALL = KeypointFedConfig(
    CoupledConfig(
        features=16,
        layers=1,
        heads=2,
        regressor_hidden=16,
        lifting=LiftingConfig(frames=FRAMES, joints=33, joint_width=4, depth=1, heads=2, joint_heads=1, drop_path=0.0),
    ),
    KeypointEncoderConfig(features=16, hidden=16, blocks=1),
)
SIZE = torch.tensor([1280.0, 720.0])
WITHOUT = Level(labelled=False)
PLAIN = WindowConfig(lower=WITHOUT, upper=Level(temporal=True, labelled=False), dynamic=False, step=2, passes=1)
"""Without exemplars and further updates, each window once."""


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body("free")


@pytest.fixture(scope="module")
def prior() -> GaussianMixturePrior:
    return GaussianMixturePrior.load()


def small_network(seed: int = 0) -> KeypointFed:
    torch.manual_seed(seed)
    return KeypointFed(SMALL, CoupledNetwork).eval().requires_grad_(False)


def standing(body: BodyModel, frames: int = FRAMES) -> tuple[Tensor, Prediction, Tensor]:
    """Keypoints [px] of a body that waves before a camera as wide as the picture's diagonal, the body and where it is.

    The prediction's camera is not that of any square.
    """
    rotvecs = torch.zeros(frames, 24, 3)
    rotvecs[:, 0, 0] = torch.pi
    rotvecs[:, 16, 2] = -0.9 + 0.05 * torch.arange(frames)
    pose = BodyPose(rotvec_to_rotmat(rotvecs), torch.zeros(frames, 10))
    place = torch.tensor([0.6, 0.1, 4.0]).expand(frames, 3)
    joints = body.points(MEDIAPIPE_33)(pose.betas, pose.rotations) + place[:, None]
    pixels = project(joints, SIZE.norm().expand(frames), (SIZE / 2).expand(frames, 2))
    sure = body.points(MEDIAPIPE_33).valid.float()[None, :, None].expand(frames, -1, 1)
    return torch.cat([pixels, sure], dim=-1), Prediction(pose, torch.zeros(frames, 3)), place


def inputs_of(keypoints: Tensor) -> Tensor:
    squares, _ = squares_around(keypoints)
    return network_inputs(keypoints, squares, SIZE.expand(len(keypoints), 2))


def adaptation_of(body: BodyModel, config: WindowConfig = PLAIN, **more: object) -> WindowAdaptation:
    return WindowAdaptation(small_network(), MEDIAPIPE_33, body, None, config, **more)  # type: ignore[arg-type]


def some_bank(body: BodyModel, count: int = 6) -> WindowBank:
    keypoints, _, _ = standing(body)
    generator = torch.Generator().manual_seed(0)
    inputs = inputs_of(keypoints) + 0.1 * torch.randn(count, FRAMES, 1, generator=generator)
    rotvecs = 0.2 * torch.randn(count, FRAMES, 24, 3, generator=generator)
    cameras = torch.tensor([0.8, 0.0, 0.1]).expand(count, FRAMES, 3).contiguous()
    return WindowBank(
        MEDIAPIPE_33, inputs, rotvecs, torch.randn(count, 10), cameras, torch.ones(count), torch.full((count,), 30.0)
    )


# The losses.


def test_a_body_is_seen_in_the_squares_as_the_pictures_camera_sees_it(body: BodyModel) -> None:
    keypoints, truth, place = standing(body)
    window = Window(inputs_of(keypoints)[None])
    center_x, center_y, side = window.squares.unbind(-1)
    scale = 2 / (side * place[:, 2])
    camera = torch.stack([scale, place[:, 0] - center_x * place[:, 2], place[:, 1] - center_y * place[:, 2]], dim=-1)
    joints = body.points(MEDIAPIPE_33)(truth.pose.betas, truth.pose.rotations)
    seen = in_squares(joints, camera, window)
    there = body.points(MEDIAPIPE_33).valid
    torch.testing.assert_close(seen[:, there], window.keypoints[:, there, :2], atol=1e-4, rtol=0)


def test_keypoints_errors_are_means_over_what_is_seen_and_bounded_where_they_are_robust() -> None:
    seen, keypoints = torch.zeros(2, 3, 2), torch.zeros(2, 3, 3)
    keypoints[:, 0] = torch.tensor([0.3, 0.4, 1.0])
    assert float(seen_error(seen, keypoints)) == pytest.approx(0.125), "the others have no confidence"
    keypoints[:, 0, :2] *= 1000
    assert float(seen_error(seen, keypoints, robust=0.1)) == pytest.approx(0.01, rel=1e-3)
    assert float(seen_error(seen, keypoints * 0)) == 0


def test_a_figure_that_moves_as_its_keypoints_costs_no_motion(body: BodyModel) -> None:
    keypoints, _, _ = standing(body)
    window = Window(inputs_of(keypoints)[None])
    adaptation = adaptation_of(body)
    figure = adaptation._figure(Prediction(BodyPose(torch.eye(3).repeat(FRAMES, 24, 1, 1), torch.zeros(FRAMES, 10)),
                                           torch.ones(FRAMES, 3)), window)  # fmt: skip
    still = replace(figure, keypoints=window.keypoints[..., :2] + 0.2)
    assert float(motion_terms(still, window.keypoints)["motion"]) == pytest.approx(0, abs=1e-10)
    assert float(motion_terms(figure, window.keypoints)["motion"]) > 1e-6
    assert motion_terms(figure, window.keypoints[:2]).keys() == set()
    assert all(float(part) == 0 for part in taught_window_terms(figure, figure).values())


# The adaptation.


def test_adapting_to_windows_brings_the_body_to_its_keypoints(body: BodyModel) -> None:
    inputs = inputs_of(standing(body)[0])
    adaptation = adaptation_of(body, replace(PLAIN, learning_rate=2e-3, guard=False, robust=0.0))
    away = []
    for _ in range(25):
        figure = adaptation._figure(adaptation.adapt(inputs).prediction, Window(inputs[None]))
        away.append(float(seen_error(figure.keypoints, Window(inputs[None]).keypoints)))
    assert away[-1] < 0.3 * away[0], away


def test_the_network_of_windows_that_is_given_stays_as_it_is(body: BodyModel, prior: GaussianMixturePrior) -> None:
    network = small_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    adaptation = WindowAdaptation(network, MEDIAPIPE_33, body, prior, replace(PLAIN, learning_rate=1e-3))
    adaptation.adapt(inputs_of(standing(body)[0]))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert any(not torch.equal(a, b) for a, b in zip(adaptation.weights, before.values(), strict=False))


def test_without_learning_a_track_is_what_the_network_gives(body: BodyModel) -> None:
    inputs = inputs_of(standing(body, 21)[0])
    adaptation = adaptation_of(body, replace(PLAIN, learning_rate=0.0, probe_rate=0.0))
    with torch.enable_grad():
        found, windows = adapted_track(adaptation, inputs, FRAMES)
    expected = small_network().over_track(inputs)
    torch.testing.assert_close(found.pose.rotations, expected.pose.rotations, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.camera, expected.camera, atol=1e-5, rtol=0)
    assert len(windows) == len(track_windows(21, FRAMES, 2)) == 8
    short, _ = adapted_track(adaptation, inputs[:3], FRAMES)
    assert short.camera.shape == (3, 3)


def test_a_network_of_fewer_frames_a_second_sees_every_few_frames(body: BodyModel) -> None:
    inputs = inputs_of(standing(body, 40)[0])
    adaptation = adaptation_of(body, replace(PLAIN, learning_rate=0.0, probe_rate=0.0))
    with torch.enable_grad():
        found, _ = adapted_track(adaptation, inputs, FRAMES, pace=3)
    expected = in_turns(small_network().over_track, inputs, 3)
    torch.testing.assert_close(found.pose.rotations, expected.pose.rotations, atol=1e-5, rtol=0)
    windows = track_windows(40, FRAMES, 2, 3)
    assert all((frames.diff() == 3).all() for frames in windows)
    assert set(torch.cat(windows).tolist()) == set(range(40))
    assert [int(frames[0]) for frames in windows] == sorted(int(frames[0]) for frames in windows)


def test_how_jerky_a_body_is_does_not_hang_on_the_rate(body: BodyModel) -> None:
    time = torch.arange(31) / 60
    joints = body.points(MEDIAPIPE_33)(torch.zeros(1, 10), torch.eye(3).expand(1, 24, 3, 3)).repeat(31, 1, 1)
    joints[:, 15] += (3 * time**2)[:, None]
    prediction = Prediction(BodyPose(torch.eye(3).repeat(31, 24, 1, 1), torch.zeros(31, 10)), torch.ones(31, 3))
    fast = Figure(prediction, joints, joints[..., :2])
    slow = Figure(prediction, joints[::3], joints[::3, :, :2])
    keypoints = torch.ones(31, 33, 3)
    ours, theirs = motion_terms(fast, keypoints, 60.0), motion_terms(slow, keypoints[::3], 20.0)
    assert float(ours["jerk"]) == pytest.approx(float(theirs["jerk"]), rel=1e-2)


@pytest.mark.parametrize("fault", ["far too fast", "off to another pose"])
def test_windows_that_adaptation_spoils_are_as_without_it(fault: str, body: BodyModel) -> None:
    inputs = inputs_of(standing(body)[0])
    config = replace(PLAIN, learning_rate=1e3) if fault == "far too fast" else replace(PLAIN, most_drift=0.0)
    adaptation = adaptation_of(body, config)
    adapted = adaptation.adapt(inputs)
    assert adapted.undone if fault == "far too fast" else adapted.restarted
    expected = small_network()(inputs[None])
    torch.testing.assert_close(adapted.prediction.pose.rotations, expected.pose.rotations[0])
    untouched = [parameter for _, parameter in small_network().named_parameters()]
    assert all(torch.equal(a, b) for a, b in zip(adaptation.weights, untouched, strict=True))


def test_a_window_without_keypoints_moves_nothing(body: BodyModel) -> None:
    inputs = inputs_of(standing(body)[0])
    inputs[:, :-3] = 0
    adapted = adaptation_of(body).adapt(inputs)
    assert (adapted.blind, adapted.updates) == (True, 0)


def test_windows_are_adapted_to_until_the_features_rest(body: BodyModel) -> None:
    inputs = inputs_of(standing(body)[0])
    eager = replace(PLAIN, dynamic=True, threshold=1e-12, most_steps=3, learning_rate=1e-4)
    assert adaptation_of(body, eager).adapt(inputs).updates == 4
    assert adaptation_of(body, replace(eager, threshold=1.9)).adapt(inputs).updates == 1


def test_a_stream_of_windows_can_go_on_elsewhere(body: BodyModel) -> None:
    inputs = inputs_of(standing(body, 12)[0])
    config = replace(PLAIN, learning_rate=1e-3)
    first, second = adaptation_of(body, config), adaptation_of(body, config)
    first.adapt(inputs[:FRAMES])
    second.resume(first.state())
    ours, theirs = (one.adapt(inputs[4:]).prediction.camera for one in (first, second))
    assert torch.equal(ours, theirs)
    with torch.no_grad():
        # Attention without gradients takes other sums, so that the same weights say the same to some digits only.
        torch.testing.assert_close(first.predict(inputs[4:]).camera, ours, atol=1e-4, rtol=0)


@pytest.mark.parametrize("preset", WINDOW_PRESETS)
def test_a_window_can_be_adapted_to_by_every_preset(preset: str, body: BodyModel, prior: GaussianMixturePrior) -> None:
    config, network, bank = WINDOW_PRESETS[preset], small_network(), some_bank(body)
    exemplars = bank.retrieval(network) if config.lower.labelled else None
    adaptation = WindowAdaptation(network, MEDIAPIPE_33, body, prior, config, exemplars)
    adapted = adaptation.adapt(inputs_of(standing(body)[0]))
    assert adapted.updates >= 1
    assert not adapted.undone
    assert not adapted.restarted
    assert any(not torch.equal(a, b) for a, b in zip(adaptation.weights, network.parameters(), strict=True))


def test_presets_of_windows_switch_on_what_those_of_pictures_do() -> None:
    assert PRESETS.keys() == WINDOW_PRESETS.keys()
    for name, pictures in PRESETS.items():
        windows = WINDOW_PRESETS[name]
        assert (windows.bilevel, windows.second_order) == (pictures.bilevel, pictures.second_order)
        assert (windows.lower, windows.upper, windows.betas) == (pictures.lower, pictures.upper, pictures.betas)
        assert windows.dynamic == pictures.dynamic or name == "clip", "found to gain nothing on windows"


# Exemplars.


def test_exemplars_of_windows_teach_their_labels(body: BodyModel) -> None:
    bank, network = some_bank(body), small_network()
    both = Level(labelled=True)
    weights = WindowWeights(labelled=30.0, keypoints=1.0, motion=0.0, jerk=0.0)
    config = replace(PLAIN, lower=both, upper=both, learning_rate=2e-3, guard=False, exemplars=2, weights=weights)
    seen: list[Update] = []
    adaptation = WindowAdaptation(
        network, MEDIAPIPE_33, body, None, config, bank.retrieval(network), lambda update, *_: seen.append(update)
    )
    for _ in range(15):
        adaptation.adapt(inputs_of(standing(body)[0]))
    taught = [float(update.terms["labelled"]) for update in seen if update.kind == "main"]
    assert np.mean(taught[-4:]) < 0.8 * np.mean(taught[:4])
    assert {update.exemplar for update in seen} <= set(range(len(bank)))
    with pytest.raises(UserError, match="wants exemplars"):
        adaptation_of(body, config)


def test_a_bank_of_windows_is_read_as_it_was_written(body: BodyModel, tmp_path: Path) -> None:
    bank = some_bank(body)
    bank.save(tmp_path / "bank.npz")
    read = WindowBank.load(tmp_path / "bank.npz")
    assert read.skeleton == MEDIAPIPE_33
    torch.testing.assert_close(read.rotvecs, bank.rotvecs, atol=1e-3, rtol=1e-3)
    with pytest.raises(UserError, match="keypoints of mediapipe-33 and the weights know those of spin-49"):
        read.retrieval_for(small_network(), SPIN_49)
    network = small_network()
    network.network.config = replace(network.network.config, rate=10.0)
    with pytest.raises(UserError, match="have 30 frames a second and the weights want 10"):
        read.retrieval_for(network, MEDIAPIPE_33)


def test_a_file_that_is_no_bank_of_windows_is_refused_in_one_line(body: BodyModel, tmp_path: Path) -> None:
    path = tmp_path / "bank.npz"
    some_bank(body).save(path)
    np.savez(tmp_path / "other.npz", format=np.array("anthropose-exemplars/1"))
    (tmp_path / "cut.npz").write_bytes(path.read_bytes()[:2000])
    for name, said in (("none.npz", "no such file"), ("other.npz", "not a whole bank"), ("cut.npz", "not a whole")):
        with pytest.raises(UserError, match=said) as caught:
            WindowBank.load(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_the_bank_that_comes_along_is_small_and_whole() -> None:
    bank = WindowBank.load(SHIPPED)
    assert SHIPPED.stat().st_size < 2_000_000
    assert len(bank) >= 200
    assert bank.skeleton == MEDIAPIPE_33
    assert bank.inputs.isfinite().all()
    assert bank.rotvecs.isfinite().all()
    assert (bank.cameras[..., 0] > 0).all()


# On a clip.


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: BodyModel) -> Clip:
    """A person in a track of keypoints with a long gap, without pictures; nothing is installed."""
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("anthropose.methods.dynaboa.adaptable.shipped_weights", lambda system="": [])
    keypoints = standing(body, 30)[0]
    low, high = keypoints[..., :2].amin(1), keypoints[..., :2].amax(1)
    frames = torch.cat([torch.arange(20), torch.arange(90, 100)])
    track = Track(0, frames, torch.cat([low, high], dim=1), keypoints, MEDIAPIPE_33)
    return Clip(track, 30.0, frames.double() / 30, Camera.guess(1280, 720))


def install_fed(name: str = "own") -> Path:
    """Random weights that are fed with keypoints."""
    path = weights_folder() / f"{name}.safetensors"
    header = Weights(name, "parallel-branch", asdict(SMALL), "keypoints", "made-up", f"fed-{name}", path)
    write_weights(header, small_network().state_dict(), path)
    return path


def test_weights_that_see_keypoints_adapt_without_pictures(clip: Clip, body: BodyModel) -> None:
    install_fed()
    fast = replace(PLAIN, learning_rate=1e-3)
    method = DynaBOA(body, options=DynaBOAOptions(windows=fast))
    shares: list[float] = []
    with torch.inference_mode():
        motion = method.reconstruct(clip, shares.append)
    assert motion.joints.isfinite().all()
    assert len(motion) == len(clip.track) == 30
    assert method.report.frames == len(track_windows(20, FRAMES, 2)) + len(track_windows(10, FRAMES, 2))
    assert method.report.updates == method.report.frames
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    still = DynaBOA(body, options=DynaBOAOptions(windows=replace(fast, learning_rate=0.0, probe_rate=0.0)))
    assert not torch.equal(still.reconstruct(clip).joints, motion.joints)
    assert still.settings() != method.settings()


def test_presets_and_exemplars_are_chosen_by_name(clip: Clip, body: BodyModel, tmp_path: Path) -> None:
    install_fed()
    method = DynaBOA(body, preset="web-camera-plain")
    method.reconstruct(clip)
    assert method.report.updates == method.report.frames, "no further updates, and one pass"
    assert DynaBOA(body, preset="clip").settings() == DynaBOA(body).settings()
    bank = tmp_path / "bank.npz"
    some_bank(body).save(bank)
    methods = [DynaBOA(body, preset=preset) for preset in PRESETS] + [DynaBOA(body, exemplars=bank)]
    assert len({str(one.settings()) for one in methods}) == len(methods), "each motion is kept apart from the others"
    assert methods[0].bank is not None
    assert len(methods[0].bank) == len(WindowBank.load(SHIPPED)), "those that come along"
    assert methods[-1].config.upper.labelled
    with pytest.raises(UserError, match=r"no preset 'fast'; it has 3dpw, internet, web-camera, web-camera-plain, boa"):
        DynaBOA(body, preset="fast")


def test_a_base_model_goes_before_weights_that_see_keypoints_unless_these_are_named(
    clip: Clip, body: BodyModel
) -> None:
    with pytest.raises(UserError, match=r"needs basemodel\.pt"):
        DynaBOA(body)
    fed = install_fed()
    assert find_adaptable("").name == "own"
    install_small(["dynaboa", "vibe"])
    assert not DynaBOA(body).sees_keypoints
    assert DynaBOA(body, "own").sees_keypoints
    assert DynaBOA(body, str(fed)).sees_keypoints
    assert not DynaBOA(body, preset="web-camera").config.lower.labelled
    with pytest.raises(UserError, match=r"wants exemplars; give a bank of them with --exemplars .* or take a preset"):
        DynaBOA(body, preset="internet")
    with pytest.raises(UserError, match="features of crops") as caught:
        DynaBOA(body, "vibe")
    assert "\n" not in str(caught.value)


def test_what_keypoint_weights_adapted_to_is_kept_or_forgotten_by_the_policy(clip: Clip, body: BodyModel) -> None:
    install_fed()
    fast = replace(PLAIN, learning_rate=1e-3, guard=False, step=FRAMES)
    for reset in ("track", "never"):
        method = DynaBOA(body, options=DynaBOAOptions(windows=fast, reset=reset))  # type: ignore[arg-type]
        first, second = (method.reconstruct(clip).joints for _ in range(2))
        assert torch.equal(first, second) == (reset == "track")
