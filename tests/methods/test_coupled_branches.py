"""Parallel-Branch with branches that inform each other."""

import runpy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from anthropose.errors import UserError
from anthropose.geometry.keypoints import PLACE
from anthropose.geometry.rotations import rot6d_to_rotmat, rotmat_to_rot6d
from anthropose.methods.keypoint_fed import KeypointFed, KeypointFedConfig
from anthropose.methods.parallel_branch import ParallelBranch
from anthropose.methods.parallel_branch.coupled import CoupledConfig, CoupledNetwork, window_starts
from anthropose.methods.tcmr import TCMRConfig, TCMRNetwork
from anthropose.methods.training.start import start_with_own
from anthropose.methods.training.weights import publisher
from anthropose.nn.checkpoints import find_weights, load_network
from anthropose.nn.keypoint_encoder import KeypointEncoderConfig
from anthropose.nn.lifting import LiftingConfig

WINDOW, JOINTS = 8, 33
CONFIG = CoupledConfig(
    features=16,
    layers=1,
    heads=2,
    regressor_hidden=12,
    lifting=LiftingConfig(frames=WINDOW, joints=JOINTS, joint_width=2, depth=1, heads=2, drop_path=0.0),
)
FED = KeypointFedConfig(CONFIG, KeypointEncoderConfig(features=16, hidden=16, blocks=1))


def made_network(config: CoupledConfig = CONFIG) -> CoupledNetwork:
    torch.manual_seed(0)
    network = CoupledNetwork(config)
    for layer in (network.regressor.to_pose, network.regressor.to_camera):
        nn.init.normal_(layer.weight, std=0.1)  # the default start hardly moves from the mean body
    nn.init.normal_(network.lifting.frame_positions)  # zero at the start, when frames have no order yet
    return network.eval()


def track(frames: int) -> Tensor:
    return torch.randn(frames, CONFIG.features + CONFIG.keypoints, generator=torch.Generator().manual_seed(1))


def test_a_track_is_the_weighted_mean_of_overlapping_windows() -> None:
    network, features = made_network(), track(21)
    pose, weights = torch.zeros(21, 144), torch.zeros(21)
    with torch.no_grad():
        for start in (0, 2, 4, 6, 8, 10, 12, 13):
            found = network(features[None, start : start + WINDOW])
            for place in range(WINDOW):
                weight = min(place + 1, WINDOW - place) ** 2
                pose[start + place] += weight * rotmat_to_rot6d(found.pose.rotations[0, place]).flatten()
                weights[start + place] += weight
    expected = rot6d_to_rotmat((pose / weights[:, None]).unflatten(1, (24, 6)))
    torch.testing.assert_close(network.over_track(features, batch=3).pose.rotations, expected, atol=1e-5, rtol=0)


def test_windows_cover_every_frame_and_end_with_the_track() -> None:
    for count in range(WINDOW, 40):
        starts = window_starts(count, WINDOW)
        covered = {frame for start in starts.tolist() for frame in range(start, start + WINDOW)}
        assert covered == set(range(count))


@pytest.mark.parametrize("frames", [1, 3, WINDOW])
def test_a_track_no_longer_than_a_window_has_a_row_for_each_of_its_frames(frames: int) -> None:
    prediction = made_network().over_track(track(frames))
    assert prediction.pose.rotations.shape == (frames, 24, 3, 3)
    assert bool(prediction.pose.rotations.isfinite().all())


def test_each_branch_depends_on_what_the_other_is_given() -> None:
    network, features = made_network(), track(WINDOW)[None].requires_grad_()
    both = network.both(features)
    (of_lifted,) = torch.autograd.grad(both.lifted.square().sum(), features, retain_graph=True)
    assert of_lifted[..., : CONFIG.features].abs().max() > 0, "the lifting knows of the body's features"
    (of_body,) = torch.autograd.grad(both.body.pose6d.square().sum(), features)
    assert of_body[..., CONFIG.features : -PLACE].abs().max() > 0, "bodies know of the keypoints"


def test_the_order_of_the_frames_matters() -> None:
    network, features = made_network(), track(WINDOW)[None]
    with torch.no_grad():
        there, back = network(features), network(features.flip(1))
    assert (there.pose.rotations - back.pose.rotations.flip(1)).abs().max() > 1e-4


def test_weights_are_told_from_those_of_the_published_form(tmp_path: Path) -> None:
    network = KeypointFed(FED, CoupledNetwork)
    path = tmp_path / "coupled.safetensors"
    publisher("parallel-branch", "mocap-coupled", FED, "keypoints")(network.state_dict(), path)
    loaded = load_network(find_weights(str(path), ParallelBranch.layouts()), ParallelBranch.layouts())
    assert isinstance(loaded.network, CoupledNetwork)
    assert loaded.network.config == CONFIG
    keypoints = torch.rand(WINDOW, 3 * JOINTS + PLACE, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(loaded(keypoints[None]).camera, network.eval()(keypoints[None]).camera)


def test_a_training_goes_on_from_its_own_weights_and_takes_the_encoder_of_anothers(tmp_path: Path) -> None:
    first, second = KeypointFed(FED, CoupledNetwork), KeypointFed(FED, CoupledNetwork)
    path = tmp_path / "coupled.safetensors"
    publisher("parallel-branch", "mocap-coupled", FED, "keypoints")(first.state_dict(), path)
    start_with_own(second, str(path), "parallel-branch")
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))

    config = TCMRConfig(layers=1, hidden=8, features=16, attention=8, regressor_hidden=8)
    other = KeypointFed(replace(FED, network=config), TCMRNetwork)
    before = other.network.state_dict()["past.gru.weight_ih_l0"].clone()
    start_with_own(other, str(path), "tcmr")
    assert torch.equal(other.front_end.entrance.weight, first.front_end.entrance.weight)
    assert torch.equal(other.network.state_dict()["past.gru.weight_ih_l0"], before)

    wider = replace(FED, front_end=KeypointEncoderConfig(features=16, hidden=24, blocks=1))
    with pytest.raises(UserError, match="of other sizes"):
        start_with_own(KeypointFed(wider, CoupledNetwork), str(path), "parallel-branch")


def test_a_network_that_is_grown_says_the_same_as_before(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = KeypointFed(FED, CoupledNetwork).eval()
    nn.init.normal_(small.network.regressor.to_pose.weight, std=0.1)
    source, target = tmp_path / "small.safetensors", tmp_path / "wide.safetensors"
    publisher("parallel-branch", "small", FED, "keypoints")(small.state_dict(), source)
    grow = runpy.run_path(str(Path(__file__).parents[2] / "runs" / "grow.py"))
    grow["main"](str(source), str(target))
    wide = load_network(find_weights(str(target), ParallelBranch.layouts()), ParallelBranch.layouts())
    assert wide.config.network.lifting.joint_width == 2 * CONFIG.lifting.joint_width
    assert wide.config.network.lifting.heads == 2 * CONFIG.lifting.heads
    seen = torch.randn(2, WINDOW, FED.front_end.inputs)
    with torch.no_grad():
        before, after = small(seen), wide(seen)
    torch.testing.assert_close(after.pose.rotations, before.pose.rotations, atol=1e-4, rtol=0)
    torch.testing.assert_close(after.camera, before.camera, atol=1e-4, rtol=0)
    assert (
        wide.state_dict()["network.from_body.weight"][:, :16]
        .sub(wide.state_dict()["network.from_body.weight"][:, 16:])
        .abs()
        .max()
        > 0.01
    ), "the copies must differ, or they learn the same for ever"
