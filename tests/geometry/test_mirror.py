"""Mirror images of points."""

import pytest
import torch

from anthropose.geometry.mirror import mirror_order, mirrored
from anthropose.skeleton import H36M_VP3D_17, HUMANEVA_15


def test_mirroring_twice_changes_nothing() -> None:
    points = torch.randn(2, 5, 17, 3)
    assert torch.equal(mirrored(mirrored(points, H36M_VP3D_17.mirror), H36M_VP3D_17.mirror), points)


def test_the_left_hand_becomes_the_right_one_on_the_other_side() -> None:
    points = torch.randn(17, 2)
    image = mirrored(points, H36M_VP3D_17.mirror)
    left, right = H36M_VP3D_17.index("left_wrist"), H36M_VP3D_17.index("right_wrist")
    assert image[right].tolist() == [-points[left, 0].item(), points[left, 1].item()]


def test_lists_of_sides_give_the_same_order_as_the_names() -> None:
    assert mirror_order([4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16], 17) == H36M_VP3D_17.mirror
    assert mirror_order([2, 3, 4, 8, 9, 10], [5, 6, 7, 11, 12, 13], 15) == HUMANEVA_15.mirror


def test_lists_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        mirror_order([1, 2], [3], 5)
