"""Random numbers: the same everywhere, different from each other, and distributed as they should be."""

import math
import zlib

import pytest
import torch

from anthropose.datasets.mocap.draws import Draws

ROWS = torch.arange(64)


def plainly(batch: tuple[int, ...], row: int, name: str, index: int) -> int:
    """The 32 bits of one number, with Python's integers."""

    def mixed(value: int, key: int = 0) -> int:
        value &= 2**32 - 1
        value = (value ^ value >> 16) * 0x7FEB352D % 2**32 ^ key
        value = (value ^ value >> 15) * 0x846CA68B % 2**32
        return value ^ value >> 16

    golden, keys = 0x9E3779B1, [0, 0x9E3779B1]
    for number in batch:
        keys = [mixed(mixed(key + number + golden) + (number >> 32)) for key in keys]
    first, second = (mixed(mixed(row * golden + key) ^ zlib.crc32(name.encode())) for key in keys)
    return mixed(first + (index + 1) * golden, second)


def test_numbers_are_decided_by_integers_alone_and_so_the_same_on_every_machine() -> None:
    for batch in ((7, 0, 3), (2**40 + 1, 5, 10**9)):
        draws = Draws(batch, torch.tensor([0, 5, 4000]))
        expected = [[(plainly(batch, row, "speed", k) >> 8) / 2**24 for k in range(3)] for row in (0, 5, 4000)]
        assert draws.uniform("speed", 3).tolist() == expected
    assert draws.normal("speed")[1] == pytest.approx(gauss(plainly(batch, 5, "speed", 0)), abs=1e-5)


def gauss(bits: int) -> float:
    return math.sqrt(-2 * math.log((bits % 2**16 + 0.5) / 2**16)) * math.cos(2 * math.pi * (bits >> 16) / 2**16)


def test_rows_do_not_depend_on_which_others_are_made() -> None:
    whole = Draws((1, 2, 3), ROWS)
    part = Draws((1, 2, 3), ROWS[10:20].flip(0))
    assert torch.equal(whole.normal("a", 3, 4)[10:20].flip(0), part.normal("a", 3, 4))
    assert torch.equal(whole.uniform("a", 12).reshape(-1, 3, 4), whole.uniform("a", 3, 4))


@pytest.mark.parametrize("other", [(2, 2, 3), (1, 3, 3), (1, 2, 4), (2, 1, 3), (1 + 2**32, 2, 3)])
def test_other_batches_have_other_numbers(other: tuple[int, int, int]) -> None:
    one, two = Draws((1, 2, 3), ROWS).uniform("a", 100), Draws(other, ROWS).uniform("a", 100)
    assert (one == two).float().mean() < 0.001


def test_other_names_have_other_numbers() -> None:
    draws = Draws((1, 2, 3), ROWS)
    together = torch.stack([draws.uniform("a", 500).flatten(), draws.uniform("b", 500).flatten()])
    assert torch.corrcoef(together)[0, 1].abs() < 0.02


def test_numbers_are_independent_along_rows_and_columns() -> None:
    values = Draws((1, 2, 3), ROWS).uniform("a", 2000)
    assert (torch.corrcoef(values) - torch.eye(64)).abs().max() < 0.1
    assert torch.corrcoef(torch.stack([values[:, :-1].flatten(), values[:, 1:].flatten()]))[0, 1].abs() < 0.01


def test_numbers_are_distributed_as_they_say() -> None:
    draws = Draws((4, 5, 6), ROWS)
    uniform = draws.uniform("a", 5000, low=-1, high=3)
    assert uniform.min() >= -1
    assert uniform.max() < 3
    ranks = ((uniform.flatten().sort().values + 1) / 4 - torch.linspace(0, 1, uniform.numel())).abs().max()
    assert ranks < 0.004, "the distance of the distribution from an even one"
    normal = draws.normal("b", 5000)
    assert normal.mean().abs() < 0.01
    assert (normal.std() - 1).abs() < 0.01
    for level in (0.5, 1.0, 2.0, 3.0):
        expected = torch.special.ndtr(torch.tensor(-level))
        assert ((normal > level).float().mean() - expected).abs() < 0.003
    logs = draws.even_log("c", 0.5, 2.0).log()
    assert logs.abs().max() <= torch.tensor(2.0).log() + 1e-6
    assert draws.chance("d", 0.2, 5000).float().mean() == pytest.approx(0.2, abs=0.005)


def test_choices_come_by_their_shares() -> None:
    chosen = Draws((1, 1, 1), torch.arange(20000)).among("x", torch.tensor([0.1, 0.1, 0.7, 1.0], dtype=torch.float64))
    counts = torch.bincount(chosen, minlength=4) / len(chosen)
    assert torch.allclose(counts, torch.tensor([0.1, 0.0, 0.6, 0.3]), atol=0.01)
