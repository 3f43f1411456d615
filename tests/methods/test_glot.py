import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anthropose.body.files import load_body
from anthropose.body.results import Result
from anthropose.datasets.sequence import Batch
from anthropose.errors import UserError
from anthropose.methods.base import Preset
from anthropose.methods.glot import PRESETS, PUBLISHED, GLoTConfig, GLoTLosses, GLoTNetwork, glot_losses
from anthropose.methods.glot.regressors import GlobalRegressor, HierarchicalRegressor, LimbCorrector
from anthropose.methods.glot.transformers import random_masking
from anthropose.motion import Prediction
from anthropose.nn.regressor import IterativeRegressor, RegressorState
from anthropose.nn.weights import renamed
from anthropose.skeleton import SMPL_24

SMALL = GLoTConfig(
    features=24,
    width=16,
    heads=2,
    token_hidden=(6, 10),
    local_width=8,
    local_heads=2,
    cross_heads=4,
    regressor_hidden=12,
)
NEAR = slice(7, 10)
FIXTURE = Path(__file__).parents[1] / "parity/fixtures/glot_full_eval.npz"


def made_network(config: GLoTConfig = SMALL) -> GLoTNetwork:
    """Weights by which every frame and place of a window leaves its mark, and bodies stay near the mean one."""
    torch.manual_seed(0)
    network = GLoTNetwork(config)
    for name, parameter in network.named_parameters():
        fan_in = parameter.shape[-1] if parameter.ndim == 2 else 4
        step = ".to_" in name or ".limbs." in name
        nn.init.normal_(parameter, std=(0.3 if step else 1.0) / math.sqrt(fan_in))
    return network.eval()


def track(frames: int, seed: int = 1) -> Tensor:
    return torch.randn(frames, SMALL.features, generator=torch.Generator().manual_seed(seed))


def windows(count: int = 3) -> Tensor:
    return track(16 * count).unflatten(0, (count, 16))


def noise(count: int = 3) -> Tensor:
    return torch.rand(count, 16, generator=torch.Generator().manual_seed(2))


def assert_same(a: Prediction, b: Prediction, tolerance: float = 1e-5) -> None:
    for ours, other in ((a.camera, b.camera), (a.pose.betas, b.pose.betas), (a.pose.rotations, b.pose.rotations)):
        torch.testing.assert_close(ours, other, atol=tolerance, rtol=0)


# Whole tracks


@pytest.mark.parametrize("edges", ["static", "clamp"])
@pytest.mark.parametrize("frames", [1, 7, 15, 16, 17, 50])
def test_a_whole_track_gives_what_each_window_gives_by_itself(frames: int, edges: str) -> None:
    network, features = made_network(), track(frames)
    plain = network.window_by_window(features, edges)
    assert plain.camera.shape == (frames, 3)
    assert_same(network.over_track(features, edges=edges), plain)
    assert_same(network.over_track(features, batch=6, edges=edges), plain)


def test_in_double_precision_it_does_so_to_the_last_digits() -> None:
    network, features = made_network().double(), track(40).double()
    assert_same(network.over_track(features), network.window_by_window(features), 1e-12)


@pytest.mark.parametrize(
    "sizes",
    [
        {"window": 3, "reach": 1},
        {"window": 9, "reach": 3},
        {"depth": 1},
        {"depth": 5},
        {"local_depth": 1},
        {"expansion": 3, "iterations": 1},
    ],
)
def test_windows_and_stacks_may_have_any_size(sizes: dict[str, int]) -> None:
    network, features = made_network(replace(SMALL, **sizes)), track(21)
    assert_same(network.over_track(features, batch=8), network.window_by_window(features))


def test_windows_that_skip_and_repeat_frames_give_what_they_give_by_themselves() -> None:
    network, features = made_network(), track(60)
    some = torch.randint(60, (20, 16), generator=torch.Generator().manual_seed(3))
    assert_same(network.over_windows(features, some, batch=7), network(features[some]))


def test_the_frames_at_the_ends_are_predicted_from_themselves_alone() -> None:
    network, features = made_network(), track(40)
    alone = network(features[:, None].expand(-1, 16, -1)).camera
    whole = network.over_track(features).camera
    torch.testing.assert_close(whole[[*range(8), *range(33, 40)]], alone[[*range(8), *range(33, 40)]])
    assert (whole - alone)[8:33].abs().amin(dim=1).min() > 1e-4


def test_half_precision_stays_near_the_exact_answer() -> None:
    network, features = made_network(), track(30)
    exact = network.over_track(features)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = network.over_track(features)
    assert (rough.camera.float() - exact.camera).abs().max() < 0.1


def test_a_track_is_for_inference() -> None:
    with pytest.raises(ValueError, match="eval"):
        made_network().train().over_track(track(20))


def test_windows_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="16 frames, not of 12"):
        made_network()(windows()[:, :12])


# Hiding frames


@pytest.mark.parametrize(("frames", "ratio", "kept"), [(16, 0.5, 8), (16, 0.0, 16), (9, 0.5, 4), (10, 0.9, 0)])
def test_masking_hides_the_frames_with_the_most_noise(frames: int, ratio: float, kept: int) -> None:
    drawn = torch.rand(5, frames, generator=torch.Generator().manual_seed(0))
    masking = random_masking(drawn, ratio)
    assert masking.kept == kept
    assert (masking.hidden.sum(dim=1) == frames - kept).all()
    for sample, hidden in zip(drawn, masking.hidden, strict=True):
        assert sample[~hidden].amax() < sample[hidden].amin() if 0 < kept < frames else True


def test_what_was_seen_comes_back_to_its_place_and_the_rest_is_the_token() -> None:
    tokens, token = torch.randn(4, 16, 3), torch.tensor([7.0, 8.0, 9.0])
    masking = random_masking(torch.rand(4, 16), 0.25)
    filled = masking.filled(masking.seen(tokens), token)
    torch.testing.assert_close(filled[~masking.hidden], tokens[~masking.hidden])
    assert (filled[masking.hidden] == token).all()


def test_the_global_branch_cannot_see_hidden_frames() -> None:
    network = made_network()
    before = network.masked_estimates(windows(), noise())
    assert before.hidden is not None
    changed = torch.where(before.hidden[..., None], windows() + 1, windows())
    after = network.masked_estimates(changed, noise())
    assert_same(after.whole, before.whole)
    # The local branch is shown all frames around the middle.
    assert (after.local.camera - before.local.camera).abs().max() > 1e-3


def test_equal_generators_hide_equal_frames() -> None:
    network = made_network()
    first, second, other = (
        network.masked_estimates(windows(), generator=torch.Generator().manual_seed(seed)).hidden for seed in (4, 4, 5)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_where_nothing_is_hidden_training_sees_what_inference_sees() -> None:
    network = made_network(replace(SMALL, mask_ratio=0.0))
    trained, answer = network.masked_estimates(windows(), noise()), network(windows())
    torch.testing.assert_close(trained.local.camera[:, 1], answer.camera)
    torch.testing.assert_close(trained.whole.camera[:, 8:9], network.estimates(windows()).whole.camera)


# Regressors


def made_regressor(kind: type[nn.Module], *sizes: int) -> nn.Module:
    torch.manual_seed(0)
    module = kind(*sizes).eval()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.1)
    return module


def test_the_global_regressor_is_spins_without_its_second_layer() -> None:
    ours, spins = made_regressor(GlobalRegressor, 24, 12), IterativeRegressor(24, 12).eval()
    missing = spins.load_state_dict(ours.state_dict(), strict=False)
    assert missing.missing_keys == ["hidden2.weight", "hidden2.bias"]
    nn.init.eye_(spins.hidden2.weight)
    nn.init.zeros_(spins.hidden2.bias)
    for iterations in (1, 3):
        expected = spins(track(5), iterations=iterations).cat()
        torch.testing.assert_close(ours(track(5), iterations).cat(), expected)


@pytest.mark.parametrize("context", ["published", "own"])
def test_the_correction_of_a_joint_is_known_to_the_limb_below_it_alone(context: str) -> None:
    limbs = made_regressor(LimbCorrector, 12, context)
    hidden, pose = torch.randn(12), torch.randn(144)
    before = limbs(hidden, pose).unflatten(0, (24, 6))
    limbs.joints[SMPL_24.index("left_hip")].bias.data += 1
    changed = (limbs(hidden, pose).unflatten(0, (24, 6)) - before).abs().amax(dim=1) > 0
    names = [name for name, differs in zip(SMPL_24.joints, changed, strict=True) if differs]
    assert names == ["left_hip", "left_knee", "left_ankle", "left_foot"]


@pytest.mark.parametrize(("context", "seen"), [("published", set(range(29))), ("own", set(range(144)))])
def test_as_published_the_corrector_reads_the_pose_of_five_joints_only(context: str, seen: set[int]) -> None:
    limbs = made_regressor(LimbCorrector, 12, context)
    pose = torch.randn(144, requires_grad=True)
    limbs(torch.randn(12), pose).sum().backward()
    assert set(pose.grad.nonzero()[:, 0].tolist()) == seen


def test_no_gradient_reaches_the_guess_that_is_corrected() -> None:
    regressor = made_regressor(HierarchicalRegressor, 8, 12)
    guess = RegressorState(*(torch.randn(3, size, requires_grad=True) for size in (144, 10, 3)))
    regressor(torch.randn(3, 8), guess).cat().sum().backward()
    assert guess.pose6d.grad is None
    assert guess.betas.grad is None
    assert guess.camera.grad is None
    assert all(parameter.grad is not None for parameter in regressor.parameters())


def test_the_local_branch_teaches_the_global_one_through_its_memory_only() -> None:
    network = made_network()
    network.masked_estimates(windows(), noise()).local.camera.sum().backward()
    assert network.whole.embed.weight.grad is not None
    assert all(p.grad is None for p in (*network.whole.regressor.parameters(), *network.whole.out.parameters()))


# Loss


def made_result(frames: int, seed: int, count: int = 4) -> Result:
    generator = torch.Generator().manual_seed(seed)
    sizes = ((85,), (49, 3), (49, 2), (24, 3, 3))
    return Result(*(torch.randn(count, frames, *size, generator=generator) for size in sizes))


def labels_of(result: Result, labelled: bool = True) -> Batch:
    count, frames = result.theta.shape[:2]
    keypoints = torch.cat([result.keypoints, torch.rand(count, frames, 49, 1) + 0.1], dim=-1)
    has = torch.full((count, frames), labelled)
    return Batch(torch.zeros(count, frames, 1), keypoints, result.joints, result.theta, has[:, 0], has, has)


def near(result: Result) -> Result:
    return Result(*(part[:, NEAR] for part in (result.theta, result.joints, result.keypoints, result.rotations)))


def losses_of(whole: Result, batch: Batch, hidden: Tensor | None = None, **options: object) -> dict[str, Tensor]:
    hidden = torch.ones(whole.theta.shape[:2], dtype=torch.bool) if hidden is None else hidden
    return glot_losses(near(whole), whole, hidden, batch, GLoTLosses(**options), NEAR)


SIX = ("keypoints_2d", "joints_3d", "motion_2d", "motion_3d", "pose", "betas")


def test_the_truth_costs_nothing_and_everything_else_something() -> None:
    truth = made_result(16, 0)
    terms = losses_of(truth, labels_of(truth))
    assert terms.keys() == {f"{name}_{branch}" for name in SIX for branch in ("global", "local")}
    assert all(term == 0 for term in terms.values())
    assert all(term > 0 for term in losses_of(made_result(16, 1), labels_of(truth)).values())


@pytest.mark.parametrize("motion", ["velocity", "acceleration"])
def test_a_place_that_is_off_by_the_same_in_all_frames_moves_right(motion: str) -> None:
    truth = made_result(16, 0)
    moved = replace(truth, joints=truth.joints + 0.5, keypoints=truth.keypoints + 0.5)
    terms = losses_of(moved, labels_of(truth), motion=motion)
    for name in ("motion_2d_global", "motion_3d_global", "motion_2d_local", "motion_3d_local", "joints_3d_global"):
        assert terms[name] < 1e-9, name
    assert terms["keypoints_2d_global"] > 1


def test_only_the_acceleration_forgives_a_wrong_velocity() -> None:
    truth, drift = made_result(16, 0), torch.arange(16.0)[:, None, None] * 0.1
    drifting = replace(truth, joints=truth.joints + drift)
    by_velocity, by_acceleration = (
        losses_of(drifting, labels_of(truth), motion=motion, motion_3d=1.0)["motion_3d_global"]
        for motion in ("velocity", "acceleration")
    )
    assert by_velocity.item() == pytest.approx(0.01 * 15 / 16)
    assert by_acceleration < 1e-9


def test_frames_that_were_seen_do_not_count_but_in_the_motion_as_published() -> None:
    truth = made_result(16, 0)
    hidden = torch.zeros(4, 16, dtype=torch.bool)
    hidden[:, :4] = True
    wrong = replace(truth, joints=truth.joints.clone(), keypoints=truth.keypoints.clone(), theta=truth.theta.clone())
    for part in (wrong.joints, wrong.keypoints, wrong.theta):
        part[:, 12:] += torch.randn(part[:, 12:].shape)
    strict = losses_of(wrong, labels_of(truth), hidden, strict_mask=True)
    assert all(term == 0 for term in strict.values())
    published = losses_of(wrong, labels_of(truth), hidden)
    assert {name for name, term in published.items() if term > 0} == {"motion_3d_global"}


def test_the_published_motion_is_that_of_all_frames_times_the_share_that_is_hidden() -> None:
    truth, wrong = made_result(16, 0), made_result(16, 1)
    hidden = torch.arange(16).expand(4, 16) % 4 == 0
    quarter, whole = (losses_of(wrong, labels_of(truth), mask)["motion_3d_global"] for mask in (hidden, None))
    torch.testing.assert_close(quarter, whole / 4)


def test_a_walk_through_the_world_counts_only_as_published() -> None:
    truth = made_result(16, 0)
    walking = replace(truth, joints=truth.joints + torch.arange(16.0)[:, None, None])
    batch = labels_of(walking)
    assert losses_of(truth, batch)["motion_3d_global"] > 1
    assert losses_of(truth, batch, motion_about_hips=True)["motion_3d_global"] < 1e-9


def test_without_bodies_there_are_no_terms_of_them_and_without_joints_zeros() -> None:
    truth, wrong = made_result(16, 0), made_result(16, 1)
    terms = losses_of(wrong, labels_of(truth, labelled=False))
    assert {name.rpartition("_")[0] for name in terms} == {"keypoints_2d", "joints_3d", "motion_2d", "motion_3d"}
    assert {name for name, term in terms.items() if term == 0} == {
        f"{name}_{branch}" for name in ("joints_3d", "motion_3d") for branch in ("global", "local")
    }


def test_the_loss_teaches_every_weight() -> None:
    network, truth = made_network(), made_result(16, 0)
    truth = replace(truth, theta=0.2 * truth.theta)
    batch = replace(labels_of(truth), features=windows(4))
    terms = network.loss(batch, load_body("free"), noise=noise(4))
    torch.stack(list(terms.values())).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


# As published


def published_state() -> dict[str, Tensor]:
    """The published layout, without values."""
    with np.load(FIXTURE) as file:
        meta = json.loads(str(file["meta"]))
    return {key: torch.empty(shape, device="meta") for key, shape, _ in (*meta["state"], *meta["state_smpl"])}


def test_published_weights_find_their_places() -> None:
    published = published_state()
    assert len(published) == 198
    assert PUBLISHED.fits(published)
    state = renamed(published, PUBLISHED.keys)
    assert PUBLISHED.config(state) == GLoTConfig()
    with torch.device("meta"):
        network = PUBLISHED.network(GLoTConfig())
    network.load_state_dict(state, assign=True)
    # 24 entries of two body models, and three layers that the published network never uses.
    assert len(published) - len(state) == 24 + 6


def test_the_configuration_shows_in_the_shapes() -> None:
    for config in (SMALL, replace(SMALL, depth=4, local_depth=1, reach=2, window=9, expansion=2)):
        found = PUBLISHED.config(GLoTNetwork(config).state_dict())
        assert replace(found, heads=2, local_heads=2, cross_heads=4) == config


def test_the_published_trainings() -> None:
    assert {preset.stands_for.partition(",")[0] for preset in PRESETS.values()} == {"Table 1", "Table 2"}
    for preset in PRESETS.values():
        assert isinstance(preset, Preset)
        assert (preset.batch_2d, preset.batch_3d) == (38, 26)
        named = dict(preset.files)
        assert named.keys() == {*preset.sets_2d, *preset.sets_3d, "validation"}
        assert set(preset.bodies_from) <= set(preset.sets_3d) - {"mpii3d"}
        rates = [preset.schedule(epoch) for epoch in range(preset.epochs)]
        assert max(rates) == pytest.approx(preset.optimizer.learning_rate)
        assert min(rates) == rates[0] == pytest.approx(0.1 * preset.optimizer.learning_rate)
        assert 0 < preset.first_validated < preset.epochs


def test_a_new_network_starts_as_published() -> None:
    network = GLoTNetwork(SMALL)
    inner = network.local.transformer.blocks[0].feed_forward.inner
    limit = math.sqrt(6 / sum(inner.weight.shape))
    assert 0.9 * limit < inner.weight.abs().max() <= limit
    assert all(not parameter.any() for name, parameter in network.named_parameters() if name.endswith("bias"))
    assert 0.01 < network.whole.transformer.encoder.position.std() < 0.03


@pytest.mark.parametrize(
    ("sizes", "complaint"),
    [
        ({"reach": 8}, "cannot reach 8"),
        ({"reach": 0}, "cannot reach 0"),
        ({"window": 8}, "cannot reach 4"),
        ({"mask_ratio": 1.0}, "mask ratio"),
        ({"width": 15}, "divide"),
        ({"cross_heads": 3}, "divide"),
        ({"local_depth": 0}, "block"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_in_one_line(sizes: dict[str, float], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as raised:
        replace(SMALL, **sizes)
    assert "\n" not in str(raised.value)
