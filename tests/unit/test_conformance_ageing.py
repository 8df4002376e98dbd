"""How the oracle's memory grows old where conntrack's own timer counts."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from controller.lbstate import ConnectionKey, Generation, Remembered
from controller.plan.ids import IdAllocator, Space
from controller.plan.pins import PinBook
from controller.spec.types import Intent, Protocol, Vip
from tests.conformance.ageing import OneWay
from tests.conformance.moment import Moment

KEY = ConnectionKey(1, Protocol.TCP, ip_address("192.0.2.1"), 1024, 80)
IDS = IdAllocator().step({Space.VIP: {"v": 0.0}}, 0.0)
INTENT = Intent((), (), (), (Vip("v", ip_address("10.0.0.100"), "02:45:56:00:01:01", ("east",), ()),))
NOW, BEFORE = Remembered(1, 7, Generation.NOW), Remembered(1, 7, Generation.BEFORE)


def moment(now: float, turn: int, lives: float = 20.0) -> Moment:
    return Moment(
        INTENT,
        IDS,
        {},
        PinBook(),
        frozenset(),
        {},
        generations={"v": turn},
        entry_lives={"v": lives},
        now=now,
    )


@pytest.fixture
def ageing() -> OneWay:
    """An entry was made in generation 4, at 100, for 20 seconds."""
    made = OneWay()
    assert made.passes({}, moment(100.0, 4)) == {}
    return made


def test_an_entry_that_is_used_is_renewed_in_the_next_generation_only(ageing: OneWay) -> None:
    assert ageing.passes({KEY: NOW}, moment(109.0, 4)) == {KEY: NOW}
    assert ageing.passes({KEY: NOW}, moment(119.0, 5)) == {KEY: BEFORE}
    # Its next packet, at 119, copies it into generation 5.
    assert ageing.passes({KEY: NOW}, moment(121.0, 5)) == {KEY: NOW}
    assert ageing.passes({KEY: NOW}, moment(138.0, 5)) == {KEY: NOW}
    assert ageing.passes({KEY: NOW}, moment(139.0, 5)) == {}


@pytest.mark.parametrize(("turn", "left"), [(4, NOW), (5, BEFORE)])
def test_an_entry_that_is_not_copied_ends_by_the_timer(ageing: OneWay, turn: int, left: Remembered) -> None:
    assert ageing.passes({KEY: NOW}, moment(119.0, turn)) == {KEY: left}
    assert ageing.passes({KEY: left}, moment(120.0, turn)) == {}
    # Its next packet makes another one.
    assert ageing.passes({KEY: NOW}, moment(139.0, turn)) == {KEY: NOW}
    assert ageing.passes({KEY: NOW}, moment(140.0, turn)) == {}


def test_another_memory_is_that_of_entries_made_from_then_on(ageing: OneWay) -> None:
    other = KEY._replace(source_port=1025)
    assert ageing.passes({KEY: NOW}, moment(105.0, 4, lives=100.0)) == {KEY: NOW}
    assert ageing.passes({KEY: NOW, other: NOW}, moment(120.0, 4, lives=100.0)) == {other: NOW}
    assert ageing.passes({other: NOW}, moment(204.0, 4, lives=100.0)) == {other: NOW}
    assert ageing.passes({other: NOW}, moment(205.0, 4, lives=100.0)) == {}


def test_what_was_made_until_now_ends_later(ageing: OneWay) -> None:
    ageing.later(5.0)
    assert ageing.passes({KEY: NOW}, moment(124.0, 4)) == {KEY: NOW}
    ageing.later(5.0)
    assert ageing.passes({KEY: NOW}, moment(129.0, 4)) == {KEY: NOW}
    assert ageing.passes({KEY: NOW}, moment(130.0, 4)) == {}


def test_what_is_forgotten_is_made_anew(ageing: OneWay) -> None:
    assert ageing.passes({KEY: NOW}, moment(110.0, 4)) == {KEY: NOW}
    ageing.forget()
    assert ageing.passes({}, moment(115.0, 4)) == {}
    assert ageing.passes({KEY: NOW}, moment(134.0, 4)) == {KEY: NOW}
    assert ageing.passes({KEY: NOW}, moment(135.0, 4)) == {}
