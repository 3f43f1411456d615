import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from anthropose.body.files import load_body
from anthropose.datasets.sequence import Batch
from anthropose.datasets.windows import tcmr_windows
from anthropose.losses import LossWeights
from anthropose.methods.tcmr import PRESETS, PUBLISHED, TCMRConfig, TCMRNetwork
from anthropose.motion import Prediction
from anthropose.nn.weights import renamed

SMALL = TCMRConfig(features=24, hidden=10, attention=8, regressor_hidden=12)


def made_network(config: TCMRConfig = SMALL) -> TCMRNetwork:
    """Weights large enough that every frame of a window leaves its mark."""
    torch.manual_seed(0)
    network = TCMRNetwork(config)
    for module in network.modules():
        for parameter in module.parameters(recurse=False):
            if isinstance(module, nn.GRU | nn.Linear):
                fan_in = parameter.shape[-1] if parameter.ndim > 1 else 4
                nn.init.normal_(parameter, std=1 / math.sqrt(fan_in))
    return network.eval()


def track(frames: int, seed: int = 1) -> Tensor:
    return torch.randn(frames, SMALL.features, generator=torch.Generator().manual_seed(seed))


def assert_same(a: Prediction, b: Prediction, tolerance: float = 1e-5) -> None:
    for ours, other in ((a.camera, b.camera), (a.pose.betas, b.pose.betas), (a.pose.rotations, b.pose.rotations)):
        torch.testing.assert_close(ours, other, atol=tolerance, rtol=0)


def rows(prediction: Prediction, which: Tensor | slice) -> Prediction:
    pose = prediction.pose
    return Prediction(replace(pose, rotations=pose.rotations[which], betas=pose.betas[which]), prediction.camera[which])


@pytest.mark.parametrize("edges", ["static", "clamp"])
@pytest.mark.parametrize("frames", [1, 7, 15, 16, 17, 50])
def test_a_whole_track_gives_what_each_window_gives_by_itself(frames: int, edges: str) -> None:
    network, features = made_network(), track(frames)
    plain = network.window_by_window(features, edges)
    assert plain.camera.shape == (frames, 3)
    assert_same(network.over_track(features, edges=edges), plain)
    assert_same(network.over_track(features, batch=6, edges=edges), plain)


@pytest.mark.parametrize("window", [3, 5, 8, 15])
@pytest.mark.parametrize("layers", [1, 3])
def test_windows_and_stacks_may_have_any_size(window: int, layers: int) -> None:
    network, features = made_network(replace(SMALL, window=window, layers=layers)), track(21)
    assert_same(network.over_track(features, batch=8), network.window_by_window(features, batch=4))


def test_windows_that_skip_and_repeat_frames_give_what_they_give_by_themselves() -> None:
    network, features = made_network(), track(60)
    windows = tcmr_windows([20, 40], stride=3).frames
    assert_same(network.over_windows(features, windows, batch=5), network(features[windows]))


def test_the_frames_at_the_ends_are_predicted_from_themselves_alone() -> None:
    network, features = made_network(), track(40)
    alone = network(features[:, None].expand(-1, SMALL.window, -1))
    whole = network.over_track(features)
    for first in (slice(0, 8), slice(33, 40)):
        assert_same(rows(whole, first), rows(alone, first))
    assert (whole.camera - alone.camera)[8:33].abs().amin(dim=1).min() > 1e-4


def test_the_past_sees_what_was_before_the_middle_and_the_future_what_comes_after() -> None:
    network, window = made_network(), track(16)[None]
    before = network.encode(window)
    for changed, (past, future) in {3: (True, False), 8: (False, False), 12: (False, True)}.items():
        other = window.clone()
        other[:, changed] += 1
        after = network.encode(other)
        assert (not torch.equal(after.past, before.past)) == past
        assert (not torch.equal(after.future, before.future)) == future
        assert not torch.allclose(after.mixed, before.mixed, atol=1e-4)


def test_the_scores_share_out_the_whole_and_none_goes_empty() -> None:
    scores = made_network().encode(100 * track(160).unflatten(0, (10, 16))).scores
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(10))
    e = math.e
    assert scores.min() >= 1 / (1 + 2 * e**2) - 1e-6
    assert scores.max() <= e / (e + 2 / e) + 1e-6


def test_of_the_three_that_are_trained_the_last_is_the_answer() -> None:
    network, windows = made_network(), track(48).unflatten(0, (3, 16))
    three, answer = network.supervised(windows), network(windows)
    assert three.camera.shape == (3, 3, 3)
    torch.testing.assert_close(three.camera[:, 2], answer.camera)
    torch.testing.assert_close(three.pose.rotations[:, 2], answer.pose.rotations)


def test_dropout_is_for_training_alone_and_a_track_for_inference() -> None:
    network, windows = made_network(), track(16)[None]
    assert torch.equal(network(windows).camera, network(windows).camera)
    network.train()
    assert not torch.equal(network(windows).camera, network(windows).camera)
    with pytest.raises(ValueError, match="eval"):
        network.over_track(track(20))


def test_a_window_without_past_or_future_is_refused() -> None:
    with pytest.raises(ValueError, match="past"):
        TCMRConfig(window=2)


def labelled_batch(windows: int = 4) -> Batch:
    torch.manual_seed(3)
    labels = [torch.randn(windows, 1, *shape).expand(-1, 3, *shape) for shape in ((49, 3), (49, 3), (85,))]
    three_d = torch.arange(windows) >= windows // 2
    has = three_d[:, None].expand(-1, 3)
    return Batch(track(windows * 16).unflatten(0, (windows, 16)), labels[0].abs(), *labels[1:], three_d, has, has)


def test_the_loss_teaches_past_future_and_present() -> None:
    network = made_network()
    terms = network.loss(labelled_batch(), load_body("free"))
    assert set(terms) == {"keypoints_2d", "joints_3d", "betas", "pose"}
    torch.stack(list(terms.values())).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_each_of_the_three_counts_for_a_third_of_every_term() -> None:
    """Shown on the shape, whose term reads nothing but the prediction."""
    network, batch = made_network(), labelled_batch()
    term = network.loss(batch, load_body("free"), LossWeights(betas=1.0))["betas"]
    betas = network.supervised(batch.features).pose.betas[batch.from_3d_set]
    errors = (betas - batch.theta[batch.from_3d_set][..., 75:]).square()
    torch.testing.assert_close(term, torch.stack([errors[:, k].mean() for k in range(3)]).mean())


def published_layout(config: TCMRConfig) -> dict[str, Tensor]:
    """A state dict with the published keys (tcmr spec, section 2.5), in other sizes."""
    f, h, a, r = config.features, config.hidden, config.attention, config.regressor_hidden
    state = {}
    for gru, ends in (("cur", ("", "_reverse")), ("bef", ("",)), ("aft", ("",))):
        for end in ends:
            for layer in range(config.layers):
                inputs = f if layer == 0 else h * len(ends)
                shapes = {
                    "weight_ih": (3 * h, inputs),
                    "weight_hh": (3 * h, h),
                    "bias_ih": (3 * h,),
                    "bias_hh": (3 * h,),
                }
                state |= {f"encoder.gru_{gru}.{key}_l{layer}{end}": shape for key, shape in shapes.items()}
        state |= {f"encoder.linear_{gru}.weight": (f, h * len(ends)), f"encoder.linear_{gru}.bias": (f,)}
    linear = {"encoder.attention.fc": (a, f), "encoder.attention.attention.0": (a, 3 * a)}
    linear |= {"encoder.attention.attention.2": (a, a), "encoder.attention.attention.4": (3, a)}
    linear |= {"regressor.fc1": (r, f + 157), "regressor.fc2": (r, r), "regressor.decpose": (144, r)}
    linear |= {"regressor.decshape": (10, r), "regressor.deccam": (3, r)}
    for key, shape in linear.items():
        state |= {f"{key}.weight": shape, f"{key}.bias": shape[:1]}
    state |= {"regressor.init_pose": (1, 144), "regressor.init_shape": (1, 10), "regressor.init_cam": (1, 3)}
    state |= {"regressor.smpl.betas": (64, 10), "regressor.smpl.vertex_joint_selector.extra_joints_idxs": (21,)}
    return {key: torch.zeros(shape) for key, shape in state.items()}


@pytest.mark.parametrize("layers", [1, 2])
def test_published_weights_find_their_places(layers: int) -> None:
    config = replace(SMALL, layers=layers)
    published = published_layout(config)
    assert PUBLISHED.fits(published)
    state = renamed(published, PUBLISHED.keys)
    assert PUBLISHED.config(state) == config
    TCMRNetwork(config).load_state_dict(state)


def test_the_published_network_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        network = TCMRNetwork()
    assert sum(parameter.numel() for parameter in network.parameters()) == 81_907_360


def test_the_published_trainings_draw_thirteen_windows_with_3d_labels() -> None:
    assert set(PRESETS) == {
        "table4-3dpw",
        "table4-h36m-mpii3d",
        "table6-3dpw",
        "table6-mpii3d",
        "table6-h36m",
        "plain",
    }
    for preset in PRESETS.values():
        assert (preset.batch_2d, preset.batch_3d) == (19, 13)
        named = dict(preset.files)
        assert set(named) == {*preset.sets_2d, *preset.sets_3d, "validation"}
        assert set(preset.bodies_from) <= set(preset.sets_3d) - {"mpii3d"}


def test_half_precision_stays_near_the_exact_answer() -> None:
    network, features = made_network(), track(30)
    exact = network.over_track(features)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = network.over_track(features)
    assert (rough.camera.float() - exact.camera).abs().max() < 0.1
