import pytest
import torch
from torch import nn

from anthropose.nn.recurrence import GRULayer, last_state, middle_state


def made_gru(layers: int = 1, bidirectional: bool = False) -> nn.GRU:
    torch.manual_seed(layers)
    gru = nn.GRU(6, 5, layers, bidirectional=bidirectional, batch_first=True)
    for parameter in gru.parameters():
        nn.init.normal_(parameter, std=0.5)  # biases too: those of the default start are small
    return gru


def made_windows(frames: int = 20, length: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(frames, 6), torch.arange(frames - length + 1)[:, None] + torch.arange(length)


@torch.no_grad()
def test_the_steps_are_those_of_torch() -> None:
    gru, inputs = made_gru(), torch.randn(4, 9, 6)
    layer = GRULayer(gru)
    states = torch.stack(list(layer.after(inputs.unbind(1))), dim=1)
    torch.testing.assert_close(states, gru(inputs)[0])


@torch.no_grad()
def test_one_direction_can_be_taken_out_of_a_bidirectional_stack() -> None:
    gru, inputs = made_gru(1, bidirectional=True), torch.randn(4, 9, 6)
    back = list(GRULayer(gru, reverse=True).after(inputs.flip(1).unbind(1)))
    torch.testing.assert_close(torch.stack(back, dim=1).flip(1), gru(inputs)[0][..., 5:])


@pytest.mark.parametrize("layers", [1, 2, 3])
@torch.no_grad()
def test_overlapping_windows_end_in_the_state_that_torch_gives_to_each(layers: int) -> None:
    gru, (frames, windows) = made_gru(layers), made_windows()
    shared = last_state(gru, frames, list(windows.T))
    torch.testing.assert_close(shared, gru(frames[windows])[0][:, -1])


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("middle", [0, 3, 6])
@torch.no_grad()
def test_overlapping_windows_pass_their_middle_in_the_states_that_torch_gives(layers: int, middle: int) -> None:
    gru, (frames, windows) = made_gru(layers, bidirectional=True), made_windows()
    shared = middle_state(gru, frames, list(windows.T), middle)
    torch.testing.assert_close(shared, gru(frames[windows])[0][:, middle])


@torch.no_grad()
def test_the_frames_and_the_weights_are_left_as_they_were() -> None:
    gru, (frames, windows) = made_gru(2, bidirectional=True), made_windows()
    before = [tensor.clone() for tensor in (frames, *gru.parameters())]
    middle_state(gru, frames, list(windows.T), 3)
    assert all(map(torch.equal, before, (frames, *gru.parameters())))


@torch.no_grad()
def test_half_precision_is_kept_through_the_steps() -> None:
    gru, (frames, windows) = made_gru(2, bidirectional=True), made_windows()
    exact = middle_state(gru, frames, list(windows.T), 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = middle_state(gru, frames, list(windows.T), 3)
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, atol=0.05, rtol=0)
