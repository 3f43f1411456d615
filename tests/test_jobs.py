from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from anthropose.jobs import Share, names_of


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
@pytest.mark.parametrize("rows", [0, 1, 5, 16])
def test_shares_laid_end_to_end_are_the_whole_and_nearly_even(processes: int, rows: int) -> None:
    shares = [Share(rank, processes).of(list(range(rows))) for rank in range(processes)]
    assert [value for share in shares for value in share] == list(range(rows))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_share_is_taken_of_anything_that_can_be_sliced() -> None:
    share = Share(1, 2)
    assert share.of((1, 2, 3)) == (2, 3)
    assert share.of(np.arange(4)).tolist() == [2, 3]
    assert share.of(torch.arange(4)).tolist() == [2, 3]


@dataclass(frozen=True)
class Part:
    x: Tensor
    names: tuple[str, ...] = ()


def test_names_are_found_wherever_they_are_each_once() -> None:
    part, other = Part(torch.zeros(3), ("a", "b", "a")), Part(torch.zeros(1), ("c",))
    assert names_of(part) == ("a", "b")
    assert names_of((part, {"motions": other, "numbers": [1, 2]})) == ("a", "b", "c")
    assert names_of(torch.zeros(3)) == ()
    assert names_of({"x": Part(torch.zeros(2))}) == ()
