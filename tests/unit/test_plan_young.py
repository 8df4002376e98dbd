"""Connections on moving slots: some are pinned at once, the rest if they last."""

from __future__ import annotations

from ipaddress import ip_address

from controller.plan.pins import PinKey
from controller.plan.young import APART, AT_ONCE, KNOWN, Young


def key(number: int) -> PinKey:
    return PinKey(1, ip_address("192.0.2.1"), number)


def test_a_few_a_second_are_pinned_at_the_first_report() -> None:
    young = Young()
    assert [young.wants_pin(key(n), 10.0) for n in range(AT_ONCE + 2)] == [True] * AT_ONCE + [False] * 2
    assert young.wants_pin(key(9000), 11.0)


def test_beyond_that_those_that_are_heard_of_again_later_are() -> None:
    young = Young()
    for n in range(AT_ONCE):
        young.wants_pin(key(n), 10.0)
    assert not young.wants_pin(key(500), 10.0)
    assert not young.wants_pin(key(500), 10.001)
    for n in range(1000, 1000 + AT_ONCE):
        young.wants_pin(key(n), 10.0 + APART)
    assert young.wants_pin(key(500), 10.0 + APART)


def test_what_is_remembered_is_bounded() -> None:
    young = Young()
    for n in range(AT_ONCE + KNOWN + 100):
        young.wants_pin(key(n), 10.0)
    assert len(young._heard) == KNOWN
