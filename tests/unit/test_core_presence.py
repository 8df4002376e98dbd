"""Who is absent and who serves: believed from the store until it is disproved, never without the last one."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from controller.core.cells import Cell
from controller.core.presence import DISCOVERY_WAIT, REFUSALS, Presence
from controller.core.state import Names
from controller.spec.types import Intent, Listener, Mode, Protocol, Role, Site, Switch, Vip
from tests.fakes.core import SetClock, journal

SWITCHES = tuple(
    Switch(name, "bmv2", n, "east", frozenset({Role(name[:-1])}), f"02:45:56:01:00:0{n}")
    for n, name in enumerate(("lb1", "lb2", "edge1"), start=1)
)


class Life:
    """A controller that has just started, and what it believes from the store."""

    def __init__(self, admitted: str = "lb1 lb2", absent: str = "") -> None:
        self.clock = SetClock()
        self.journal, self.said = journal()
        self.absent: Cell[Names] = Cell("absent", frozenset(absent.split()))
        self.admitted: Cell[Names] = Cell("admitted", frozenset(admitted.split()))
        self.intent = Cell("intent", Intent((Site("east"),), SWITCHES, (), ()))
        self.presence = Presence(self.absent, self.admitted, self.intent, self.journal, self.clock)

    def is_now(self, admitted: str, absent: str) -> None:
        assert (self.admitted.value, self.absent.value) == (
            frozenset(admitted.split()),
            frozenset(absent.split()),
        )

    def discover(self, *connected: str) -> bool:
        self.presence.connected = connected.__contains__
        self.clock.time += DISCOVERY_WAIT
        return self.presence.step()


def test_the_journal_names_listeners_whose_connections_end_when_another_switch_serves_them() -> None:
    """Fails on 2ad1e45: there the return of an lb switch ended fullnat connections, and nothing said so."""
    it = Life("")
    vip = Vip(
        "shop",
        ip_address("10.0.0.100"),
        "02:45:56:00:01:01",
        ("east",),
        (_listener(80), _listener(81, Mode.FULLNAT)),
    )
    it.intent.put(replace(it.intent.value, vips=(vip,)))
    for name in ("lb1", "lb2"):
        it.presence.synced(name)
        it.presence.admit(name)
    it.presence.gone("lb1")
    names = ["shop/tcp/81"]
    assert it.said.of("admitted") == [{"switch": "lb1"}, {"switch": "lb2", "fullnat": names}]
    assert it.said.of("withdrawn") == [{"switch": "lb1", "why": "control stream lost", "fullnat": names}]


def _listener(port: int, mode: Mode = Mode.DR) -> Listener:
    return Listener("shop", Protocol.TCP, port, "web", mode, port)


def test_a_switch_that_refuses_twice_is_gone_and_once_is_not() -> None:
    it = Life()
    it.presence.refused("lb1")
    it.is_now("lb1 lb2", "")
    assert it.presence.awaited("lb1")
    it.presence.refused("lb1")
    it.is_now("lb2", "lb1")
    assert not it.presence.awaited("lb1")
    assert it.said.of("withdrawn") == [{"switch": "lb1", "why": "refuses connections"}]


def test_refusals_count_in_a_row() -> None:
    it = Life()
    for _ in range(5):
        it.presence.refused("lb1")
        it.presence.connecting("lb1")
    it.is_now("lb1 lb2", "")


def test_a_switch_that_serves_is_not_gone_because_another_connection_is_refused() -> None:
    it = Life()
    it.presence.synced("lb1")
    for _ in range(2 * REFUSALS):
        it.presence.refused("lb1")
    it.is_now("lb1 lb2", "")


def test_a_switch_that_waits_for_its_push_is_not_gone_though_it_refuses() -> None:
    it = Life()
    it.presence.waits = {"lb1"}.__contains__
    for _ in range(2 * REFUSALS):
        it.presence.refused("lb1")
    it.is_now("lb1 lb2", "")


def test_all_that_refuse_leave_the_last_one_admitted() -> None:
    it = Life()
    for name in ("lb1", "lb2") * REFUSALS:
        it.presence.refused(name)
    it.is_now("lb2", "lb1 lb2")


def test_who_has_not_come_when_the_wait_is_over_is_gone() -> None:
    it = Life()
    assert it.presence.deadline() == it.clock.now() + DISCOVERY_WAIT
    it.clock.time += DISCOVERY_WAIT - 0.1
    assert not it.presence.step()
    it.is_now("lb1 lb2", "")
    it.clock.time -= DISCOVERY_WAIT - 0.1
    it.presence.synced("lb2")
    assert it.discover("lb2")
    it.is_now("lb2", "lb1 edge1")
    assert it.said.of("withdrawn") == [{"switch": "lb1", "why": "absent"}]
    assert it.presence.deadline() is None
    assert not it.discover(), "it ends once"


def test_who_was_absent_before_the_restart_stays_so_until_it_is_synced() -> None:
    it = Life("lb2", absent="lb1")
    it.discover("lb1", "lb2", "edge1")
    it.is_now("lb2", "lb1")
    it.presence.synced("lb1")
    it.is_now("lb2", "")


def test_a_switch_that_the_intent_no_longer_names_is_not_among_the_absent() -> None:
    it = Life(absent="old1 lb1")
    it.presence.synced("lb2")
    it.discover("lb2", "edge1")
    it.is_now("lb2", "lb1")


def test_the_last_one_is_withdrawn_once_another_serves() -> None:
    """Both were lost; the one that does not return was used for ever."""
    it = Life()
    for name in ("lb1", "lb2"):
        it.presence.synced(name)
    it.discover("lb1", "lb2", "edge1")
    it.presence.gone("lb1")
    it.presence.gone("lb2")
    it.is_now("lb2", "lb1 lb2")
    it.presence.synced("lb1")
    it.is_now("lb2", "lb2")
    it.presence.admit("lb1")
    it.is_now("lb1", "lb2")
    assert it.said.of("withdrawn")[-1] == {"switch": "lb2", "why": "control stream lost"}


def test_one_that_is_being_read_when_the_wait_ends_has_the_missing_ones_withdrawn_when_it_is_synced() -> None:
    it = Life()
    it.discover("lb2", "edge1")
    it.is_now("lb1 lb2", "lb1")
    it.presence.synced("lb2")
    it.is_now("lb2", "lb1")


@pytest.mark.parametrize("back", ["synced", "set_present"])
def test_the_last_one_that_is_well_again_stays(back: str) -> None:
    it = Life("lb1")
    it.presence.synced("lb1")
    it.discover("lb1", "lb2", "edge1")
    it.presence.gone("lb1")
    getattr(it.presence, back)("lb1")
    it.presence.synced("lb2")
    it.presence.admit("lb2")
    it.is_now("lb1 lb2", "")


@pytest.mark.parametrize("what", ["stale", "gone"])
def test_a_switch_without_its_entries_or_its_stream_is_neither_sent_to_nor_used(what: str) -> None:
    it = Life()
    for name in ("lb1", "lb2"):
        it.presence.synced(name)
    getattr(it.presence, what)("lb1")
    it.is_now("lb2", "lb1")
    assert it.presence.is_synced("lb1") is (what == "stale")


def test_nothing_is_said_and_nobody_is_woken_when_nothing_changes() -> None:
    it, woken = Life(absent="lb1"), []
    for cell in (it.absent, it.admitted):
        cell.subscribe(lambda: woken.append(1))
    it.presence.set_absent("lb1")
    it.presence.admit("lb2")
    it.presence.withdraw("edge1", "why")
    assert (it.said.rows, woken) == ([], [])


def test_names_change_and_go_in_both_cells() -> None:
    it = Life(absent="lb1")
    it.presence.synced("lb2")
    it.presence.rename({"lb1": "lb2", "lb2": "front"})
    it.is_now("lb2 front", "lb2")
    assert it.presence.is_synced("front")
    assert not it.presence.is_synced("lb2")
    it.presence.remove("front")
    it.presence.remove("lb2")
    it.is_now("", "")
    assert not it.presence.is_synced("front")
