import pytest
import torch

from anthropose.datasets.items import WindowSet
from anthropose.datasets.mixing import Mixture
from anthropose.datasets.published import sequences_of
from anthropose.datasets.windows import vibe_windows
from anthropose.jobs import Share
from tests.datasets.databases import database


def windows_of(length: int, is_3d: bool) -> WindowSet:
    """Windows with a stride of one frame, whose first features are all different."""
    arrays = database((length,), joints2d=49 if is_3d else 25, f=1)
    kept = arrays if is_3d else {key: arrays[key] for key in ("vid_name", "features", "joints2D")}
    return WindowSet(sequences_of(kept), vibe_windows([length], 16, 1))


def test_each_kind_is_drawn_whole_before_anything_is_drawn_again() -> None:
    two, three = windows_of(18, False), windows_of(21, True)
    mixture = Mixture([two], [three, three], 2, 5)
    sizes, seen = [], []
    for step in range(6):
        batch = mixture.batch(step)
        sizes.append((int((~batch.from_3d_set).sum()), int(batch.from_3d_set.sum())))
        seen += batch.features[batch.from_3d_set, 0, 0].tolist()
    assert sizes == [(2, 5), (1, 5), (2, 2), (1, 5), (2, 5), (1, 2)]
    once = sorted(three[k].features[0, 0].item() for k in range(6)) * 2
    assert sorted(seen[:12]) == sorted(once)
    assert sorted(seen[12:]) == sorted(once)
    assert seen[:12] != seen[12:]


def test_a_batch_depends_on_its_number_and_the_seed_alone() -> None:
    sets = [windows_of(40, True)]
    one, other = Mixture([], sets, 0, 4), Mixture([], sets, 0, 4)
    forward = [one.batch(step).features for step in range(9)]
    backward = [other.batch(step).features for step in reversed(range(9))]
    assert all(torch.equal(a, b) for a, b in zip(forward, reversed(backward), strict=True))
    assert not torch.equal(Mixture([], sets, 0, 4, seed=1).batch(0).features, forward[0])


def test_the_shares_of_two_processes_are_the_batch_of_one() -> None:
    mixture = Mixture([windows_of(30, False)], [windows_of(30, True)], 3, 4)
    whole = mixture.batch(2)
    parts = [mixture.batch(2, Share(rank, 2).of) for rank in (0, 1)]
    for kind in (False, True):
        rows = [part.features[part.from_3d_set == kind] for part in parts]
        assert torch.equal(torch.cat(rows), whole.features[whole.from_3d_set == kind])
    assert sum((part.names for part in parts), ()) == ("video_0",) * 7


def test_a_share_may_have_no_rows() -> None:
    batch = Mixture([], [windows_of(30, True)], 0, 1).batch(0, Share(0, 2).of)
    assert batch.features.shape == (0, 16, 1)
    assert batch.theta.shape == (0, 16, 85)
    assert batch.names == ()


def test_a_kind_without_sets_is_left_out() -> None:
    batch = Mixture([], [windows_of(20, True)], 4, 2).batch(0)
    assert batch.from_3d_set.tolist() == [True, True]
    with pytest.raises(ValueError, match="no windows"):
        Mixture([], [], 4, 2)
    with pytest.raises(ValueError, match="no windows"):
        Mixture([windows_of(20, False)], [], 0, 2)
