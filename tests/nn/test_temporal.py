"""The recurrent encoder: which frames an output may depend on, and the options."""

import pytest
import torch

from anthropose.nn.temporal import RecurrentConfig, RecurrentEncoder, encoder_keys
from anthropose.nn.weights import renamed


def small(**options: object) -> RecurrentEncoder:
    torch.manual_seed(0)
    return RecurrentEncoder(RecurrentConfig(features=12, hidden=8, **options)).eval()  # type: ignore[arg-type]


def reached(encoder: RecurrentEncoder, frame: int) -> list[int]:
    """The output frames that a change of one input frame reaches."""
    features = torch.randn(1, 6, 12)
    changed = features.clone()
    changed[:, frame] += 1
    difference = (encoder(features) - encoder(changed)).abs().amax(-1)[0]
    return difference.nonzero()[:, 0].tolist()


def test_one_direction_looks_back_only_and_two_see_all() -> None:
    assert reached(small(), 3) == [3, 4, 5]
    assert reached(small(bidirectional=True), 3) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_residual_adds_the_input(bidirectional: bool) -> None:
    features = torch.randn(2, 5, 12)
    added, bare = small(bidirectional=bidirectional), small(bidirectional=bidirectional, residual=False)
    torch.testing.assert_close(added(features), bare(features) + features)


def test_without_the_linear_layer_the_state_is_the_output() -> None:
    encoder, features = small(linear=False), torch.randn(2, 5, 12)
    assert encoder.linear is None
    torch.testing.assert_close(encoder(features), encoder.gru(features)[0])
    assert small(linear=False, bidirectional=True).linear is not None, "two directions always need it"


def test_a_residual_needs_equal_sizes() -> None:
    torch.manual_seed(0)
    same = RecurrentEncoder(RecurrentConfig(features=8, hidden=8, linear=False)).eval()
    features = torch.randn(2, 5, 8)
    torch.testing.assert_close(same(features), same.gru(features)[0] + features)


def test_frames_that_follow_go_on_from_the_state_left() -> None:
    encoder, features = small(), torch.randn(2, 7, 12)
    first, state = encoder.resumed(features[:, :4])
    second, _ = encoder.resumed(features[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), encoder(features))


@pytest.mark.parametrize("gru", ["gru", "temporal_encoder"])
def test_published_keys_become_ours(gru: str) -> None:
    encoder = small(bidirectional=True)
    published = {"net.encoder." + key.replace("gru.", gru + "."): value for key, value in encoder.state_dict().items()}
    ours = renamed(published, encoder_keys("net.encoder.", "", gru))
    again = small(bidirectional=True)
    again.load_state_dict(ours)
    assert "gru.weight_hh_l1_reverse" in ours
