from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from anthropose.body.files import load_body
from anthropose.datasets.sequence import Batch
from anthropose.methods.vibe import PART, PRESETS, PUBLISHED, VIBENetwork
from anthropose.motion import Prediction
from anthropose.nn.discriminator import DiscriminatorConfig, MotionDiscriminator
from anthropose.nn.temporal import RecurrentConfig
from anthropose.nn.weights import renamed

SMALL = RecurrentConfig(features=16, hidden=8)
BOTH_WAYS = replace(SMALL, bidirectional=True)


def made_network(config: RecurrentConfig = SMALL) -> VIBENetwork:
    torch.manual_seed(0)
    network = VIBENetwork(config)
    for layer in (network.regressor.to_pose, network.regressor.to_betas, network.regressor.to_camera):
        nn.init.normal_(layer.weight, std=0.03)  # the default start hardly moves from the mean body
    return network.eval()


def track(frames: int) -> Tensor:
    return torch.randn(frames, SMALL.features, generator=torch.Generator().manual_seed(1))


def assert_same(a: Prediction, b: Prediction) -> None:
    for ours, other in ((a.camera, b.camera), (a.pose.betas, b.pose.betas), (a.pose.rotations, b.pose.rotations)):
        torch.testing.assert_close(ours, other, atol=1e-5, rtol=0)


@pytest.mark.parametrize("config", [SMALL, BOTH_WAYS, replace(SMALL, linear=False, residual=False)])
def test_a_track_is_one_sequence_also_where_it_is_taken_in_pieces(config: RecurrentConfig) -> None:
    # In double precision: 6D rotations of random weights magnify the rounding of long sums beyond any tolerance.
    network, features = made_network(config).double(), track(2 * PART + 17).double()
    with torch.no_grad():
        whole = network(features[None])
    in_pieces = network.over_track(features, batch=1)
    torch.testing.assert_close(in_pieces.camera, whole.camera[0], atol=1e-10, rtol=0)
    torch.testing.assert_close(in_pieces.pose.rotations, whole.pose.rotations[0], atol=1e-10, rtol=0)
    assert_same(network.window_by_window(features), in_pieces)


@pytest.mark.parametrize("config", [SMALL, BOTH_WAYS])
@pytest.mark.parametrize("frames", [1, 6, 7, 40])
def test_parts_taken_together_give_what_each_gives_by_itself(config: RecurrentConfig, frames: int) -> None:
    network, features = made_network(config), track(frames)
    apart = network.window_by_window(features, part=6)
    assert apart.camera.shape == (frames, 3)
    assert_same(network.over_track(features, part=6), apart)
    assert_same(network.over_track(features, part=6, batch=2), apart)


def test_a_part_knows_nothing_of_the_one_before() -> None:
    network, features = made_network(), track(12)
    first, other = network.over_track(features, part=6), network.over_track(features[6:])
    torch.testing.assert_close(first.camera[6:], other.camera)
    assert not torch.allclose(network.over_track(features).camera[6:], other.camera, atol=1e-5)


def test_only_a_bidirectional_encoder_looks_ahead() -> None:
    features = track(12)
    changed = features.clone()
    changed[8] += 1
    for config, ahead in ((SMALL, False), (BOTH_WAYS, True)):
        network = made_network(config)
        difference = (network.over_track(features).camera - network.over_track(changed).camera).abs().amax(1)
        assert (difference[:8].max() > 0) == ahead
        assert difference[8:].min() > 0


def test_dropout_is_for_training_alone_and_a_track_for_inference() -> None:
    network, features = made_network(), track(12)
    assert torch.equal(network(features[None]).camera, network(features[None]).camera)
    network.train()
    assert not torch.equal(network(features[None]).camera, network(features[None]).camera)
    with pytest.raises(ValueError, match="eval"):
        network.over_track(features)


def labelled_batch() -> Batch:
    torch.manual_seed(3)
    has = torch.tensor([[False], [True]]).expand(2, 5)
    labels = torch.rand(2, 5, 49, 3), torch.randn(2, 5, 49, 3), torch.randn(2, 5, 85)
    return Batch(track(10).unflatten(0, (2, 5)), *labels, has[:, 0], has, has)


def test_network_and_discriminator_each_learn_from_their_own_terms() -> None:
    network, batch = made_network(), labelled_batch()
    discriminator = MotionDiscriminator(DiscriminatorConfig(hidden=6)).eval()
    own, its = network.losses(batch, load_body("free"), discriminator, torch.randn(3, 5, 69))
    assert set(own) == {"keypoints_2d", "joints_3d", "betas", "pose", "adversarial"}
    assert set(its) == {"real", "made"}
    torch.stack(list(its.values())).sum().backward()
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(parameter.grad is not None for parameter in discriminator.parameters())
    discriminator.zero_grad()
    own["adversarial"].backward()
    assert all(parameter.grad is not None for parameter in network.encoder.parameters())


def test_supervision_is_the_same_with_and_without_an_adversary() -> None:
    network, batch, body = made_network(), labelled_batch(), load_body("free")
    discriminator = MotionDiscriminator(DiscriminatorConfig(hidden=6)).eval()
    own, _ = network.losses(batch, body, discriminator, torch.randn(3, 5, 69))
    for name, value in network.loss(batch, body).items():
        torch.testing.assert_close(own[name], value)


def published_layout(config: RecurrentConfig) -> dict[str, Tensor]:
    """A state dict with the published keys (vibe_base spec, section 7.1), in other sizes."""
    f, h, r = config.features, config.hidden, 1024
    ends = ("", "_reverse") if config.bidirectional else ("",)
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(config.layers):
        for end in ends:
            inputs = f if layer == 0 else h * len(ends)
            gru = {"weight_ih": (3 * h, inputs), "weight_hh": (3 * h, h), "bias_ih": (3 * h,), "bias_hh": (3 * h,)}
            shapes |= {f"encoder.gru.{key}_l{layer}{end}": shape for key, shape in gru.items()}
    out = f if config.linear or config.bidirectional else h
    if config.linear or config.bidirectional:
        shapes |= {"encoder.linear.weight": (f, h * len(ends)), "encoder.linear.bias": (f,)}
    linear = {"fc1": (r, out + 157), "fc2": (r, r), "decpose": (144, r), "decshape": (10, r), "deccam": (3, r)}
    for key, shape in linear.items():
        shapes |= {f"regressor.{key}.weight": shape, f"regressor.{key}.bias": shape[:1]}
    shapes |= {"regressor.init_pose": (1, 144), "regressor.init_shape": (1, 10), "regressor.init_cam": (1, 3)}
    shapes |= {"regressor.smpl.betas": (64, 10), "hmr.conv1.weight": (64, 3, 7, 7), "hmr.smpl.parents": (24,)}
    return {key: torch.zeros(shape) for key, shape in shapes.items()}


@pytest.mark.parametrize("config", [SMALL, BOTH_WAYS, replace(SMALL, layers=3), replace(SMALL, linear=False)])
def test_published_weights_find_their_places(config: RecurrentConfig) -> None:
    published = published_layout(config)
    assert PUBLISHED.fits(published)
    state = renamed(published, PUBLISHED.keys)
    assert PUBLISHED.config(state) == config
    VIBENetwork(config).load_state_dict(state)


def test_the_published_training_has_an_adversary_and_no_3dpw() -> None:
    preset = PRESETS["without-3dpw"]
    assert preset.losses.adversarial == 0.5
    assert preset.discriminator_optimizer.learning_rate == 1e-4
    assert (preset.batch_2d, preset.batch_3d) == (19, 13)
    assert set(dict(preset.files)) == {"insta", "mpii3d", "amass", "validation"}
    assert "3dpw" not in preset.sets_3d
