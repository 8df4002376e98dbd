"""Pins by listener and backend: what is looked up there is what a look at all pins would find."""

from __future__ import annotations

from ipaddress import IPv4Address
from random import Random

from controller.plan.pins import PinBook, PinKey
from controller.spec.types import Protocol

LISTENERS, BACKENDS = range(1, 5), range(1, 6)


def test_strays_and_a_listeners_pins_are_found_whatever_happened_before() -> None:
    dice, book = Random(5), PinBook()
    for _ in range(2000):
        _happens(dice, book)
        kept = {n: frozenset(dice.sample(BACKENDS, 3)) for n in dice.sample(LISTENERS, 3)}
        strays = {key for key, pin in book.pins.items() if pin.backend not in kept.get(key.listener, ())}
        assert set(book.strays(kept)) == strays
        some = set(dice.sample(LISTENERS, 2))
        assert book.of_listeners(some) == {key for key in book.pins if key.listener in some}


def test_no_place_is_kept_for_pins_that_are_no_more() -> None:
    book = PinBook()
    for number in range(100):
        key = PinKey(number, IPv4Address(number), 80)
        book.report("lb1", key, Protocol.TCP, number)
        book.stale(book.pins[key].id)
    assert not book.strays({})
    assert not book._places


def _happens(dice: Random, book: PinBook) -> None:
    key = PinKey(dice.choice(LISTENERS), IPv4Address(dice.randrange(40)), 80)
    switch, known = dice.choice(("lb1", "lb2")), book.pins.get(key)
    match dice.randrange(5):
        case 0 if known is not None:
            book.stale(known.id)
        case 1 if known is not None:
            book.idle(switch, known.id)
        case 2:
            book.adopt(None, key, Protocol.TCP, dice.choice(BACKENDS), None)
        case 3:
            book.switch_lost(switch, ["lb1", "lb2"])
        case _:
            book.report(switch, key, Protocol.TCP, dice.choice(BACKENDS))
