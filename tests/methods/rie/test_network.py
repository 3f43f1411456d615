"""RIE's network in small sizes: what depends on what, and its way over a track against its way over windows."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from anthropose.methods.rie.blocks import TemporalEncoder
from anthropose.methods.rie.method import lift
from anthropose.methods.rie.network import GROUPS, RIEConfig, RIENetwork, encoder_inputs, groups_of
from anthropose.methods.rie.track import distinct_blocks
from anthropose.skeleton import COCO_17, H36M_17, H36M_VP3D_17, HUMANEVA_15

SMALL = RIEConfig(widths=(3, 5, 3), channels=8, latent=6, hidden=16)


def made(config: RIEConfig = SMALL) -> RIENetwork:
    """A network in eval mode whose batch norms do something."""
    torch.manual_seed(0)
    network = RIENetwork(config)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    return network.eval().requires_grad_(False)


def test_groups_go_by_name() -> None:
    published = ((0, 7, 8, 9, 10), (14, 15, 16), (11, 12, 13), (1, 2, 3), (4, 5, 6))
    assert groups_of(H36M_VP3D_17) == published == RIEConfig().groups
    assert groups_of(HUMANEVA_15) == ((0, 1, 14), (5, 6, 7), (2, 3, 4), (11, 12, 13), (8, 9, 10))
    assert groups_of(H36M_17) == ((0, 7, 8, 9, 10), (14, 15, 16), (11, 12, 13), (4, 5, 6), (1, 2, 3))
    for skeleton in (H36M_VP3D_17, HUMANEVA_15):
        assert RIEConfig(groups=groups_of(skeleton)).skeleton is skeleton


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        ({"fusion": False}, 23_385_651),
        ({"fusion": False, "latent": 512}, 26_598_451),
        ({}, 41_783_091),
        ({"latent": 512}, 52_861_491),
    ],
)
def test_the_published_sizes_are_the_defaults(settings: dict, parameters: int) -> None:
    with torch.device("meta"):
        network = RIENetwork(RIEConfig(**settings))
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert (network.config.frames, network.config.reach) == (243, 121)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="odd"):
        RIEConfig(widths=(3, 4))
    with pytest.raises(ValueError, match="each joint belongs to one"):
        RIEConfig(groups=((0, 1), (1, 2), (3,), (4,), (5,)))
    with pytest.raises(ValueError, match="expected 45 frames of 17 keypoints"):
        made()(torch.zeros(1, 44, 17, 2))


def test_codes_are_zero_where_the_root_or_the_middle_frame_is_compared_with_itself() -> None:
    windows = torch.randn(2, 9, 17, 2)
    codes = encoder_inputs(windows, groups_of(H36M_VP3D_17))
    assert [code.shape for code in codes] == [(2, 30, 9)] + [(2, 18, 9)] * 4
    assert (codes[0][:, 10:12] == 0).all()
    for code in codes:
        assert (code.unflatten(1, (3, -1))[:, 2, :, 4] == 0).all()
    torch.testing.assert_close(codes[1][:, :2], windows[:, :, 14].mT)
    torch.testing.assert_close(codes[1][:, 6:8], (windows[:, :, 14] - windows[:, :, 0]).mT)


def test_a_limb_is_seen_by_its_own_encoder_alone() -> None:
    network, windows = made(), torch.randn(1, 45, 17, 2)
    moved = windows.clone()
    moved[:, :, 16] += 0.1  # the right wrist
    before, after = network.features(windows), network.features(moved)
    changed = (before.local != after.local).any(-1)[0].tolist()
    assert changed == [name == "right_arm" for name in GROUPS]
    assert before.fused is not None
    assert after.fused is not None
    changed = (before.fused != after.fused).any(-1)[0].tolist()
    assert changed == [name != "right_arm" for name in GROUPS], "a group hears of the other four"


def test_without_fusion_groups_share_the_pose_of_the_middle_frame_alone() -> None:
    network, windows = made(replace(SMALL, fusion=False)), torch.randn(1, 45, 17, 2)
    assert network.features(windows).fused is None
    moved = windows.clone()
    moved[:, :10, 16] += 0.1
    changed = (network(windows) != network(moved)).any(-1)[0].nonzero()[:, 0].tolist()
    assert changed == [14, 15, 16]


@pytest.mark.parametrize("widths", [(3, 5, 3), (5, 3)])
def test_dilated_convolutions_give_at_each_place_what_strided_ones_give_of_its_window(widths: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    encoder = TemporalEncoder(4, 8, 6, widths).eval()
    frames = torch.tensor(widths).prod()
    codes = torch.randn(2, 4, int(frames) + 6)
    places = encoder(codes, dilated=True)
    windows = codes.unfold(2, int(frames), 1).permute(0, 2, 1, 3)
    torch.testing.assert_close(places, encoder(windows.flatten(0, 1)).view_as(places), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("config", [SMALL, replace(SMALL, fusion=False, widths=(3, 3)), replace(SMALL, widths=(5,))])
@pytest.mark.parametrize(("length", "batch"), [(1, 16), (2, 1), (7, 500), (46, 16), (100, 33)])
def test_a_track_comes_out_as_its_windows_one_by_one(config: RIEConfig, length: int, batch: int) -> None:
    network, track = made(config), torch.randn(length, 17, 2)
    ours, plain = network.over_track(track, batch), network.window_by_window(track)
    assert ours.shape == (length, 17, 3)
    torch.testing.assert_close(ours, plain, atol=1e-5, rtol=0)


def test_other_skeletons_and_several_tracks_go_the_same_way() -> None:
    network = made(replace(SMALL, groups=groups_of(HUMANEVA_15)))
    tracks = torch.randn(2, 3, 20, 15, 2)
    together = network.over_track(tracks)
    assert together.shape == (2, 3, 20, 15, 3)
    torch.testing.assert_close(together[1, 2], network.window_by_window(tracks[1, 2]), atol=1e-5, rtol=0)
    assert network.over_track(torch.zeros(0, 15, 2)).shape == network.window_by_window(torch.zeros(0, 15, 2)).shape


def test_blocks_outside_a_track_are_computed_once_for_each_window() -> None:
    lowest, _, highest = distinct_blocks(torch.arange(6), 6, (3, 3, 3))
    assert len(highest.window) == 6
    inside = [len(lowest.window[lowest.window == window]) for window in range(6)]
    assert max(inside) <= 6 // 3 + 1 + 2, "those that touch the track, one before and one after it"
    long = distinct_blocks(torch.arange(50, 53), 100, (3, 3, 3))
    assert len(long[0].window) == 3 * 9, "within a long track nothing repeats"


def test_progress_is_reported_up_to_the_end() -> None:
    shares: list[float] = []
    made().over_track(torch.randn(10, 17, 2), 4, shares.append)
    assert shares == [0.4, 0.8, 1.0]


def test_a_track_is_refused_in_train_mode() -> None:
    with pytest.raises(ValueError, match="eval mode"):
        made().train().over_track(torch.zeros(3, 17, 2))


def test_averaging_with_the_mirror_image_treats_left_and_right_alike() -> None:
    network, track = made(), torch.randn(9, 17, 2)
    order = list(H36M_VP3D_17.mirror)
    flip = torch.tensor([-1.0, 1.0])
    averaged = lift(network, track, order)
    image = lift(network, (track * flip)[:, order], order)
    torch.testing.assert_close(image, (averaged * torch.tensor([-1.0, 1.0, 1.0]))[:, order], atol=1e-5, rtol=0)
    assert not torch.allclose(lift(network, track), averaged)


def test_a_skeleton_without_the_limbs_has_no_groups() -> None:
    assert groups_of(COCO_17)[0] == (0,), "the nose alone has no side: the hips' middle is missing"
    with pytest.raises(ValueError, match="each joint belongs"):
        RIEConfig(groups=groups_of(COCO_17))
