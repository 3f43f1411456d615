import threading
import time
from collections import namedtuple
from dataclasses import dataclass
from itertools import count, islice

import pytest
import torch
from torch import Tensor

from anthropose.train.feed import Feed, mapped, rows_of

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Pair:
    a: Tensor
    b: Tensor | None
    names: tuple[str, ...] = ()


Named = namedtuple("Named", "x y")


def test_every_tensor_of_a_nest_is_changed_and_nothing_else() -> None:
    pair = Pair(torch.ones(2), None, ("s",))
    nest = (pair, {"k": [torch.ones(1), "text"]}, Named(torch.ones(1), 3))
    changed = mapped(nest, lambda tensor: tensor + 1)
    assert torch.equal(changed[0].a, torch.full((2,), 2.0))
    assert (changed[0].b, changed[0].names) == (None, ("s",))
    assert changed[1]["k"][0].item() == 2
    assert changed[1]["k"][1] == "text"
    assert (changed[2].x.item(), changed[2].y) == (2, 3)
    assert pair.a.tolist() == [1, 1]


def test_rows_are_those_of_the_first_tensor() -> None:
    assert rows_of((Pair(torch.zeros(5, 2), None), torch.zeros(7))) == 5
    with pytest.raises(ValueError, match="no tensor"):
        rows_of(("text", 1))


@pytest.mark.parametrize("ahead", [0, 1, 3])
@pytest.mark.parametrize(("skip", "limit"), [(0, None), (2, None), (2, 5), (5, 5), (0, 20)])
def test_batches_come_in_order_without_those_skipped(ahead: int, skip: int, limit: int | None) -> None:
    feed = Feed((torch.tensor([number]) for number in range(9)), CPU, skip, limit, ahead)
    assert [batch.item() for batch in feed] == list(islice(range(9), skip, limit))


def test_batches_are_made_ahead_but_not_far() -> None:
    made: list[int] = []

    def make():
        for number in count():
            made.append(number)
            yield torch.tensor([number])

    feed = iter(Feed(make(), CPU, ahead=2))
    next(feed)
    end = time.monotonic() + 10
    while len(made) < 4 and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.1)
    assert made == [0, 1, 2, 3], "one is out, two are waiting, and one is in the hand of the thread"
    feed.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "batches"]


def test_waiting_is_measured() -> None:
    def slow():
        for number in range(3):
            time.sleep(0.05)
            yield torch.tensor([number])

    for ahead in (0, 2):
        feed = Feed(slow(), CPU, ahead=ahead)
        list(feed)
        assert 0.14 < feed.waited < 3.0
    feed = Feed(slow(), CPU, ahead=2)
    for _ in feed:
        time.sleep(0.1)
    assert feed.waited < 0.14, "but for the first, batches are made while the steps work"
