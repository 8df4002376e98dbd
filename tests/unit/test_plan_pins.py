"""Pins follow the switch that sees the connection, and end everywhere at once."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from controller.plan import pins as pins_module
from controller.plan.pins import PinBook, PinKey
from controller.spec.types import Protocol

A, B = (PinKey(1, ip_address("192.0.2.1"), port) for port in (1000, 1001))
TCP = Protocol.TCP


def book(*reports: tuple[str, PinKey, int]) -> PinBook:
    made = PinBook()
    for switch, key, backend in reports:
        made.report(switch, key, TCP, backend)
    return made


def test_who_reports_an_exception_is_the_reporter_of_its_pin() -> None:
    made = PinBook()
    assert made.report("lb1", A, TCP, 7)
    assert not made.report("lb1", A, TCP, 7)
    assert (made.pins[A].reporter, made.pins[A].backend) == ("lb1", 7)


def test_the_switch_that_sees_the_connection_becomes_the_reporter() -> None:
    made = book(("lb1", A, 7))
    number = made.pins[A].id
    assert made.seen("lb2", number)
    assert not made.seen("lb2", number)
    assert (made.pins[A].id, made.pins[A].reporter) == (number, "lb2")
    assert made.report("lb3", A, TCP, 7)
    assert (made.pins[A].id, made.pins[A].reporter) == (number, "lb3")


def test_only_the_reporters_idle_entry_ends_a_pin() -> None:
    made = book(("lb1", A, 7))
    number = made.pins[A].id
    made.seen("lb2", number)
    assert not made.idle("lb1", number)
    assert A in made.pins
    assert made.idle("lb2", number)
    assert made.pins == {}
    assert not made.idle("lb2", number)
    assert not made.seen("lb3", number)


def test_a_connection_remembered_for_another_backend_is_pinned_anew() -> None:
    made = book(("lb1", A, 7))
    assert made.report("lb2", A, TCP, 8)
    assert (made.pins[A].backend, made.pins[A].reporter) == (8, "lb2")


def test_a_pin_to_another_backend_is_another_pin_and_no_id_comes_twice() -> None:
    made = book(("lb1", A, 7), ("lb1", B, 7))
    first = made.pins[A].id
    made.report("lb1", A, TCP, 8)
    other = PinKey(1, A.source, 9)
    made.report("lb1", other, TCP, 7)
    ids = [first, made.pins[A].id, made.pins[B].id, made.pins[other].id]
    assert len(set(ids)) == len(ids)
    assert not made.stale(first), "what ends the former connection's pin leaves this one alone"
    assert made.pins[A].backend == 8


def test_pins_of_a_switch_that_is_gone_pass_to_another() -> None:
    made = book(("lb1", A, 7), ("lb2", B, 7))
    assert made.switch_lost("lb1", ["lb3", "lb2"])
    assert (made.pins[A].reporter, made.pins[B].reporter) == ("lb2", "lb2")
    assert not made.switch_lost("lb1", ["lb2"])


def test_pins_that_nobody_is_left_to_report_wait_for_the_next_switch() -> None:
    made = book(("lb1", A, 7))
    assert made.switch_lost("lb1", [])
    assert made.pins[A].reporter is None
    assert made.assign_orphans("lb2")
    assert made.pins[A].reporter == "lb2"
    assert not made.assign_orphans("lb3")


def test_pins_found_on_switches_are_taken_over_with_their_reporter() -> None:
    made = PinBook()
    assert made.adopt(12, A, TCP, 7, None)
    assert not made.adopt(12, A, TCP, 7, None)
    assert made.adopt(12, A, TCP, 7, "lb1")
    assert not made.adopt(12, A, TCP, 7, "lb2")
    assert (made.pins[A].id, made.pins[A].reporter) == (12, "lb1")
    made.report("lb1", B, TCP, 7)
    assert made.pins[B].id == 13


def test_a_pin_found_under_a_number_that_is_taken_gets_another() -> None:
    made = book(("lb1", A, 7))
    assert made.adopt(made.pins[A].id, B, TCP, 8, "lb2")
    first, second = made.pins[A].id, made.pins[B].id
    assert first != second
    assert made.idle("lb1", first)
    assert made.idle("lb2", second)
    assert made.pins == {}


def test_the_old_number_of_a_pin_found_under_another_is_forgotten() -> None:
    made = PinBook()
    made.adopt(3, A, TCP, 7, None)
    made.adopt(4, A, TCP, 7, "lb1")
    assert not made.seen("lb2", 3)
    assert made.idle("lb1", 4)
    assert not made.seen("lb2", 3)


def test_pins_that_are_dropped_end_and_what_is_none_does_no_harm() -> None:
    other = PinKey(2, ip_address("2001:db8::1"), 0)
    made = book(("lb1", A, 7), ("lb1", B, 8), ("lb1", other, 9))
    assert made.drop([A, B])
    assert not made.drop([A])
    assert set(made.pins) == {other}


def test_beyond_the_limit_connections_are_counted_and_not_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins_module, "LIMIT", 1)
    made = book(("lb1", A, 7))
    assert not made.report("lb1", B, TCP, 7)
    assert (set(made.pins), made.refused) == ({A}, 1)
    assert made.report("lb2", A, TCP, 7)


def test_what_changed_since_a_version_is_known() -> None:
    made = book(("lb1", A, 7))
    version = made.version
    assert made.newer_than(version) == 0
    made.report("lb1", B, TCP, 7)
    assert made.newer_than(version) == 1
    made.seen("lb2", made.pins[A].id)
    assert made.newer_than(version) == 2


def test_two_switches_that_change_names_keep_their_pins() -> None:
    """Fails on 2ad1e45: one after the other was renamed, and both had all of them."""
    made = book(("lb1", A, 7), ("lb2", B, 8))
    assert made.rename({"lb1": "lb2", "lb2": "lb1"})
    assert (made.pins[A].reporter, made.pins[B].reporter) == ("lb2", "lb1")
    assert not made.rename({"lb3": "lb4"})


def test_an_idle_pin_is_handed_to_a_switch_that_may_have_seen_the_connection_unheard() -> None:
    made = book(("lb1", A, 7))
    number = made.pins[A].id
    assert made.idle("lb1", number, "lb2")
    assert (made.pins[A].id, made.pins[A].reporter) == (number, "lb2")
    assert not made.idle("lb1", number), "it reports no longer"
    assert made.idle("lb2", number)
    assert made.numbered(number) is None
