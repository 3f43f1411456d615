from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from anthropose.body.files import load_body
from anthropose.datasets.sequence import Batch
from anthropose.methods.parallel_branch import (
    PRESETS,
    PUBLISHED,
    ParallelBranchConfig,
    ParallelBranchLosses,
    ParallelBranchNetwork,
)
from anthropose.methods.parallel_branch.attention_encoder import AttentionEncoder, own_windows
from anthropose.methods.parallel_branch.loss import lifted_loss
from anthropose.methods.sequences import in_parts
from anthropose.motion import Prediction
from anthropose.nn.lifting import LiftingConfig
from anthropose.nn.weights import renamed
from tests.nn.published_files import made, parallel_branch, parallel_branch_transformer

FRAMES = 6
GRU = ParallelBranchConfig(features=16, hidden=8, regressor_hidden=12, window=FRAMES, lifting=None)
TRANSFORMER = replace(GRU, encoder="transformer", hidden=16)
LIFTING = LiftingConfig(frames=FRAMES, joint_width=2, depth=1, heads=2)
CONFIGS = {
    "gru": GRU,
    "gru, both ways": replace(GRU, bidirectional=True),
    "transformer": TRANSFORMER,
    "transformer, one layer": replace(TRANSFORMER, layers=1),
    "transformer, three layers": replace(TRANSFORMER, layers=3, heads=2),
    "transformer, plain": replace(TRANSFORMER, hidden=10, linear=False, residual=False),
    "kinematic regressor": replace(GRU, regressor="kinematic"),
}
TRANSFORMERS = [name for name in CONFIGS if name.startswith("transformer")]


def made_network(config: ParallelBranchConfig = GRU) -> ParallelBranchNetwork:
    torch.manual_seed(0)
    network = ParallelBranchNetwork(config)
    for name, parameter in network.regressor.named_parameters():
        if "to_" in name or "joints" in name:
            nn.init.normal_(parameter, std=0.1)  # the default start hardly moves from the mean body
    return network.eval()


def track(frames: int, seed: int = 1) -> Tensor:
    return torch.randn(frames, 16, generator=torch.Generator().manual_seed(seed))


def assert_same(a: Prediction, b: Prediction) -> None:
    for ours, other in ((a.camera, b.camera), (a.pose.betas, b.pose.betas), (a.pose.rotations, b.pose.rotations)):
        torch.testing.assert_close(ours, other, atol=1e-5, rtol=0)


def differs(a: Prediction, b: Prediction) -> Tensor:
    """For each frame whether anything does."""
    return (a.camera - b.camera).abs().amax(1) + (a.pose.rotations - b.pose.rotations).abs().amax((1, 2, 3)) > 1e-5


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("frames", [1, 5, 6, 7, 20])
@pytest.mark.parametrize("part", [None, 4])
def test_the_path_over_a_track_gives_what_window_by_window_gives(
    config: ParallelBranchConfig, frames: int, part: int | None
) -> None:
    network, features = made_network(config), track(frames)
    plain = network.window_by_window(features, part)
    assert plain.camera.shape == (frames, 3)
    for batch in (1, 3, 64):
        assert_same(network.over_track(features, part, batch), plain)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_parts_know_nothing_of_each_other(config: ParallelBranchConfig) -> None:
    network, features = made_network(config), track(8)
    whole = network.over_track(features, part=4)
    assert_same(network.over_track(features[4:], part=4), in_parts(lambda rows: network(rows), features[4:], 4))
    changed = torch.cat([features[:4] + 1, features[4:]])
    assert differs(network.over_track(changed, part=4), whole).tolist() == [True] * 4 + [False] * 4


@pytest.mark.parametrize(("count", "length"), [(20, 6), (6, 6), (7, 5), (3, 6), (1, 16)])
def test_a_frames_window_lies_in_the_track_with_the_frame_in_its_middle(count: int, length: int) -> None:
    starts, places = own_windows(count, length)
    size = min(length, count)
    assert torch.equal(starts + places, torch.arange(count))
    assert starts.min() >= 0
    assert starts.max() + size <= count
    inside = (starts > 0) & (starts < count - size)
    assert (places[inside] == length // 2).all()


@torch.no_grad()
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_transformer_does_not_know_the_order_of_frames(name: str) -> None:
    network, features, order = made_network(CONFIGS[name]), track(FRAMES), torch.randperm(FRAMES)
    shuffled, given = network(features[None, order]), network(features[None])
    torch.testing.assert_close(shuffled.pose.rotations[0], given.pose.rotations[0, order], atol=1e-5, rtol=0)


def test_a_transformer_looks_at_the_window_and_a_gru_at_the_past() -> None:
    features = track(20)
    changed = features.clone()
    changed[10] += 1
    ahead = {
        name: differs(*(made_network(CONFIGS[name]).over_track(rows) for rows in (features, changed))).tolist()
        for name in ("gru", "gru, both ways", "transformer")
    }
    assert ahead["gru"] == [False] * 10 + [True] * 10
    assert ahead["gru, both ways"] == [True] * 20
    # The window of frame i begins at i - 3.
    assert ahead["transformer"] == [False] * 8 + [True] * 6 + [False] * 6


def test_dropout_is_for_training_alone_and_a_track_for_inference() -> None:
    features = track(FRAMES)[None]
    for config in (GRU, TRANSFORMER):
        network = made_network(config)
        assert torch.equal(network(features).camera, network(features).camera)
        network.train()
        assert not torch.equal(network(features).camera, network(features).camera)
        with pytest.raises(ValueError, match="eval"):
            network.over_track(features[0])


def test_choices_that_the_published_code_cannot_run_are_refused() -> None:
    with pytest.raises(ValueError, match="hidden = features"):
        ParallelBranchNetwork(replace(TRANSFORMER, hidden=8))
    with pytest.raises(ValueError, match="bidirectional"):
        replace(TRANSFORMER, bidirectional=True)
    with pytest.raises(ValueError, match="2 channels"):
        replace(GRU, serial=True, lifting=LIFTING)


def test_a_fresh_transformer_is_as_published() -> None:
    torch.manual_seed(0)
    first, second = (dict(layer.named_parameters()) for layer in AttentionEncoder(64, 64).layers)
    assert not first["self_attn.in_proj_bias"].any()
    assert torch.equal(first["linear1.bias"], second["linear1.bias"])
    assert not torch.equal(first["linear1.weight"], second["linear1.weight"])
    # Query, key and value are one matrix of 192 x 64 to Xavier's rule.
    bound = (6 / (192 + 64)) ** 0.5
    assert float(first["self_attn.in_proj_weight"].abs().max().detach()) == pytest.approx(bound, rel=1e-2)


def labelled_batch(keypoints: Tensor | None = None) -> Batch:
    torch.manual_seed(3)
    has = torch.tensor([[False], [True]]).expand(2, FRAMES)
    given = torch.rand(2, FRAMES, 49, 3) if keypoints is None else keypoints
    joints, theta = torch.randn(2, FRAMES, 49, 3), torch.randn(2, FRAMES, 85)
    return Batch(track(2 * FRAMES).unflatten(0, (2, FRAMES)), given, joints, theta, has[:, 0], has, has)


def gradients(module: nn.Module) -> bool:
    return any(p.grad is not None and p.grad.abs().max() > 0 for p in module.parameters())


def test_as_published_bodies_and_lifted_poses_do_not_touch() -> None:
    network, batch = made_network(replace(GRU, lifting=LIFTING)), labelled_batch()
    terms = network.loss(batch, load_body("free"))
    assert set(terms) == {"keypoints_2d", "joints_3d", "betas", "pose", "lifted"}
    assert network.lifting is not None
    terms["lifted"].backward()
    assert gradients(network.lifting)
    assert not gradients(network.encoder)
    network.zero_grad(set_to_none=True)
    torch.stack([value for name, value in terms.items() if name != "lifted"]).sum().backward()
    assert gradients(network.encoder)
    assert not gradients(network.lifting)


def test_in_a_serial_network_the_lifted_pose_teaches_the_bodies() -> None:
    network = made_network(replace(GRU, lifting=replace(LIFTING, channels=2), serial=True))
    network.loss(labelled_batch(), load_body("free"))["lifted"].backward()
    assert gradients(network.encoder)


def test_weights_without_the_lifting_branch_train_the_bodies_alone() -> None:
    network = made_network()
    assert "lifted" not in network.loss(labelled_batch(), load_body("free"))
    with pytest.raises(ValueError, match="no lifting branch"):
        network.lift(torch.zeros(1, FRAMES, 49, 3))


def test_the_adversary_is_asked_only_where_there_is_one() -> None:
    network, batch, body = made_network(), labelled_batch(), load_body("free")
    terms = network.loss(batch, body, discriminator=lambda motion: motion.sum((1, 2))[:, None])
    assert set(terms) - set(network.loss(batch, body)) == {"adversarial"}


def test_the_best_lifted_pose_is_the_mean_of_its_windows_frames_or_the_middle_one() -> None:
    batch = labelled_batch()
    mean, middle = batch.joints.mean(1), batch.joints[:, FRAMES // 2]
    for frames, best in (("all", mean), ("middle", middle)):
        least = lifted_loss(best, batch, frames)  # type: ignore[arg-type]
        for _ in range(5):
            other = best + 0.1 * torch.randn_like(best)
            assert lifted_loss(other, batch, frames) > least  # type: ignore[arg-type]
    assert lifted_loss(middle, batch, "middle") == 0


def test_labels_of_windows_without_3d_joints_are_not_looked_at() -> None:
    batch, lifted = labelled_batch(), torch.randn(2, 49, 3)
    changed = replace(batch, joints=batch.joints + torch.tensor([1.0, 0.0])[:, None, None, None] * torch.randn(49, 3))
    assert lifted_loss(lifted, changed) == lifted_loss(lifted, batch)
    none = replace(batch, has_joints=torch.zeros(2, FRAMES, dtype=torch.bool))
    assert lifted_loss(lifted, none) == 0


def test_the_published_weights_of_the_terms_are_the_default() -> None:
    weights = ParallelBranchLosses()
    assert (weights.keypoints_2d, weights.joints_3d, weights.lifted, weights.pose, weights.betas) == (
        300,
        300,
        300,
        60,
        0.06,
    )


@pytest.mark.parametrize("layout", [parallel_branch, parallel_branch_transformer])
def test_published_weights_find_their_places_and_tell_the_configuration(layout: object) -> None:
    assert callable(layout)
    published = made(layout())
    assert PUBLISHED[0].fits(published)
    state = renamed(published, PUBLISHED[0].keys)
    config = PUBLISHED[0].config(state)
    network = ParallelBranchNetwork(config)
    network.load_state_dict(state)
    assert config.encoder == ("transformer" if layout is parallel_branch_transformer else "gru")
    assert (config.lifting is None) == (config.encoder == "transformer")
    assert (config.layers, config.features, config.window) == (2, 16, 16)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_configuration_shows_in_our_tensors(config: ParallelBranchConfig) -> None:
    found = PUBLISHED[0].config(made_network(config).state_dict())
    unseen = {"heads": config.heads, "residual": config.residual}
    # A recurrent network without a lifting branch does not show for which windows it was trained.
    unseen |= {} if config.encoder == "transformer" else {"window": config.window}
    assert replace(found, **unseen) == config


def test_a_file_of_vibe_is_not_taken_for_one_of_parallel_branch() -> None:
    keys = {key.replace("temporal_encoder", "gru") for key in parallel_branch()}
    assert not PUBLISHED[0].fits(keys)


def test_presets_say_what_was_published() -> None:
    final, first, without = (PRESETS[name] for name in ("final", "first", "without-3dpw"))
    assert (final.batch_2d, final.batch_3d) == (76, 52)
    assert [preset.epochs for preset in (final, first, without)] == [20, 15, 30]
    assert [preset.network.hidden for preset in (final, first, without)] == [2048, 2048, 1024]
    assert [preset.discriminator is None for preset in (final, first, without)] == [True, False, True]
    assert without.sets_3d == ("mpii3d",)
    for name, preset in PRESETS.items():
        assert dict(preset.files)["validation"] == ("3dpw_test_db.pt" if "paper" in name else "3dpw_val_db.pt")
        motions = {preset.motions} if preset.discriminator else set()
        assert set(dict(preset.files)) == {*preset.sets_2d, *preset.sets_3d, "validation", *motions}


def test_the_published_networks_have_the_published_numbers_of_parameters() -> None:
    with torch.device("meta"):
        network = ParallelBranchNetwork(PRESETS["final"].network)
    body = 64 * 82  # the published network counts its body model's, which are never used
    assert sum(parameter.numel() for parameter in network.parameters()) + body == 137_070_209
