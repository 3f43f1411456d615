"""The encoder of keypoints: frame by frame, told what is missing."""

import pytest
import torch

from anthropose.geometry.keypoints import network_inputs
from anthropose.nn.keypoint_encoder import KeypointEncoder, KeypointEncoderConfig
from anthropose.skeleton import COCO_17

SMALL = KeypointEncoderConfig(keypoints="coco-17", features=24, hidden=16, blocks=2)


def frames(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(*shape, 17, 3, generator=generator) * torch.tensor([100.0, 100.0, 1.0])
    squares = torch.tensor([50.0, 50.0, 120.0]).expand(*shape, 3)
    return network_inputs(points, squares, torch.tensor([640.0, 480.0]).expand(*shape, 2))


def encoder(**changes: object) -> KeypointEncoder:
    torch.manual_seed(0)
    return KeypointEncoder(KeypointEncoderConfig(**{**vars(SMALL), **changes})).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_any_number_of_axes_goes_in_front(shape: tuple[int, ...]) -> None:
    found = encoder()(frames(*shape))
    assert found.shape == (*shape, 24)


def test_frames_are_encoded_by_themselves() -> None:
    inputs, network = frames(4, 6), encoder()
    torch.testing.assert_close(network(inputs)[2, 3], network(inputs[2, 3]))


def test_a_missing_keypoint_is_told_from_one_in_the_middle_of_the_square() -> None:
    """Both have x and y zero; only confidence tells them apart, and it must count even where it is tiny."""
    middle, network = frames(1), encoder()
    middle[0, 3 * COCO_17.index("nose") :][:3] = torch.tensor([0.0, 0.0, 1e-6])
    missing = middle.clone()
    missing[0, 3 * COCO_17.index("nose") + 2] = 0
    assert (network(middle) - network(missing)).abs().max() > 1e-3


def test_the_place_counts_only_where_it_is_asked_for() -> None:
    inputs = frames(3)
    moved = inputs.clone()
    moved[:, -3:] += 0.2
    assert not torch.equal(encoder()(inputs), encoder()(moved))
    assert torch.equal(encoder(place=False)(inputs), encoder(place=False)(moved))


def test_sizes_are_those_of_the_configuration() -> None:
    network = encoder(features=40, hidden=8, blocks=3)
    assert network(frames(2)).shape == (2, 40)
    assert len(network.blocks) == 3
    assert SMALL.inputs == 3 * 17 + 3
    assert SMALL.skeleton is COCO_17
    with pytest.raises(ValueError, match="no skeleton"):
        KeypointEncoderConfig(keypoints="coco")


def test_every_parameter_learns() -> None:
    network = encoder()
    inputs = frames(8)
    inputs[0, 0:3] = 0
    network(inputs).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())
