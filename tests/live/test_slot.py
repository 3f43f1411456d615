"""What is handed on between threads is the newest, or waited for."""

import threading
import time

from anthropose.live.slot import Slot


def test_the_newest_comes_out_and_what_was_not_fetched_is_counted() -> None:
    slot: Slot[int] = Slot()
    for number in range(5):
        slot.put(number)
    assert slot.take() == 4
    assert slot.dropped == 4
    assert slot.take(0.01) is None


def test_a_patient_slot_loses_nothing_and_makes_the_giver_wait() -> None:
    slot: Slot[int] = Slot(patient=True)

    def give() -> None:
        for number in range(20):
            slot.put(number)
        slot.close()

    giver = threading.Thread(target=give)
    giver.start()
    time.sleep(0.05)
    assert giver.is_alive()
    assert list(slot) == list(range(20))
    giver.join(5)
    assert slot.dropped == 0


def test_a_closed_slot_gives_what_it_holds_and_then_ends() -> None:
    slot: Slot[int] = Slot()
    slot.put(1)
    slot.close()
    slot.put(2)
    assert list(slot) == [1]
    dropped: Slot[int] = Slot()
    dropped.put(1)
    dropped.close(drop=True)
    assert list(dropped) == []


def test_closing_frees_a_giver_that_waits() -> None:
    slot: Slot[int] = Slot(patient=True)
    slot.put(1)
    giver = threading.Thread(target=slot.put, args=(2,))
    giver.start()
    slot.close()
    giver.join(5)
    assert not giver.is_alive()
