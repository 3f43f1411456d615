import pytest
import torch
from torch import Tensor

from anthropose.nn.attention import TransformerBlock
from anthropose.nn.lifting import Lifting, LiftingConfig, lifting_config

SMALL = LiftingConfig(frames=5, joints=3, channels=2, joint_width=8, depth=3, heads=2, lifted=4)


def made_lifting(config: LiftingConfig = SMALL) -> Lifting:
    torch.manual_seed(0)
    return Lifting(config).eval()


def keypoints(windows: int = 2) -> Tensor:
    torch.manual_seed(1)
    return torch.rand(windows, SMALL.frames, SMALL.joints, SMALL.channels)


@torch.no_grad()
def test_each_window_has_one_pose_of_its_own() -> None:
    network, given = made_lifting(), keypoints(3)
    poses = network(given)
    assert poses.shape == (3, SMALL.lifted, 3)
    torch.testing.assert_close(network(given[1:2]), poses[1:2])
    assert (poses[0] - poses[1]).abs().max() > 1e-4


@torch.no_grad()
def test_every_frame_and_every_joint_matters() -> None:
    network, given = made_lifting(), keypoints(1)
    pose = network(given)
    for frame in range(SMALL.frames):
        for joint in range(SMALL.joints):
            changed = given.clone()
            changed[0, frame, joint] += 1
            assert (network(changed) - pose).abs().max() > 1e-5


@torch.no_grad()
def test_frames_are_told_apart_by_their_place_once_places_have_been_learnt() -> None:
    network, given = made_lifting(), keypoints(1)
    torch.nn.init.ones_(network.mean_over_frames.weight)  # at its start the mean tells them apart too
    torch.testing.assert_close(network(given.flip(1)), network(given))
    torch.nn.init.normal_(network.frame_positions)
    assert (network(given.flip(1)) - network(given)).abs().max() > 1e-4


def test_other_windows_than_those_it_was_made_for_are_refused() -> None:
    with pytest.raises(ValueError, match="5 frames of 3 keypoints with 2 channels"):
        made_lifting()(keypoints()[:, :4])


def test_positions_start_at_zero_and_later_blocks_are_left_out_more_often() -> None:
    network = made_lifting()
    assert not network.joint_positions.any()
    assert not network.frame_positions.any()
    for stack in (network.over_joints, network.over_frames):
        blocks = [block for block in stack if isinstance(block, TransformerBlock)]
        assert [block.drop_path.rate for block in blocks] == pytest.approx([0, 0.05, 0.1])


def test_the_sizes_are_found_in_the_tensors() -> None:
    config = LiftingConfig(frames=5, joints=3, channels=2, joint_width=8, depth=3, expansion=3.0, lifted=4)
    assert lifting_config(made_lifting(config).state_dict()) == config


def test_the_published_branch_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        network = Lifting()
    assert sum(parameter.numel() for parameter in network.parameters()) == 79_042_916
