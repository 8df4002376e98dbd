"""Who is absent and who serves: believed from the store until it is disproved, never without the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address

import pytest

from controller.core.cells import Cell
from controller.core.presence import DISCOVERY_WAIT, REFUSALS, Presence
from controller.core.storedcells import Names
from controller.spec.types import Intent, Listener, Mode, Protocol, Role, Site, Switch, Vip
from tests.fakes.core import SetClock, journal

SWITCHES = tuple(
    Switch(name, "bmv2", n, "east", frozenset({Role(name[:-1])}), f"02:45:56:01:00:0{n}")
    for n, name in enumerate(("lb1", "lb2", "edge1"), start=1)
)

LB1, LB2, EDGE1 = (switch.id for switch in SWITCHES)


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

    def follow(self, renamed: dict[str, str], removed: Sequence[str] = ()) -> None:
        """Another intent is accepted."""
        left = (s for s in self.intent.value.switches if s.name not in removed)
        switches = tuple(replace(s, name=renamed.get(s.name, s.name)) for s in left)
        self.intent.put(replace(self.intent.value, switches=switches))
        self.presence.follow(renamed, removed)

    def discover(self, *connected: str) -> bool:
        self.presence.connected = {s.id for s in SWITCHES if s.name in connected}.__contains__
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
    for number in (LB1, LB2):
        it.presence.synced(number)
        it.presence.admit(number)
    it.presence.gone(LB1)
    names = ["shop/tcp/81"]
    assert it.said.of("admitted") == [{"switch": "lb1"}, {"switch": "lb2", "fullnat": names}]
    assert it.said.of("withdrawn") == [{"switch": "lb1", "why": "control stream lost", "fullnat": names}]


def _listener(port: int, mode: Mode = Mode.DR) -> Listener:
    return Listener("shop", Protocol.TCP, port, "web", mode, port)


def test_a_switch_that_refuses_twice_is_gone_and_once_is_not() -> None:
    it = Life()
    it.presence.refused(LB1)
    it.is_now("lb1 lb2", "")
    assert it.presence.awaited(LB1)
    it.presence.refused(LB1)
    it.is_now("lb2", "lb1")
    assert not it.presence.awaited(LB1)
    assert it.said.of("withdrawn") == [{"switch": "lb1", "why": "refuses connections"}]


def test_refusals_count_in_a_row() -> None:
    it = Life()
    for _ in range(5):
        it.presence.refused(LB1)
        it.presence.connecting(LB1)
    it.is_now("lb1 lb2", "")


def test_a_switch_that_serves_is_not_gone_because_another_connection_is_refused() -> None:
    it = Life()
    it.presence.synced(LB1)
    for _ in range(2 * REFUSALS):
        it.presence.refused(LB1)
    it.is_now("lb1 lb2", "")


def test_a_switch_that_waits_for_its_push_is_not_gone_though_it_refuses() -> None:
    it = Life()
    it.presence.waits = {LB1}.__contains__
    for _ in range(2 * REFUSALS):
        it.presence.refused(LB1)
    it.is_now("lb1 lb2", "")


def test_others_in_use_are_unread_until_they_are_synced_or_gone_or_wait_for_a_push() -> None:
    it = Life()
    assert (it.presence.unread(LB1), it.presence.unread(LB2)) == (["lb2"], ["lb1"])
    it.presence.synced(LB2)
    assert it.presence.unread(LB1) == []
    it.presence.waits = {LB1}.__contains__
    assert it.presence.unread(LB2) == [], "its pins were read when it was found to run another program"
    it.presence.waits = set[int]().__contains__
    it.discover("lb2", "edge1")
    assert it.presence.unread(LB2) == []


def test_all_that_refuse_leave_the_last_one_admitted() -> None:
    it = Life()
    for number in (LB1, LB2) * REFUSALS:
        it.presence.refused(number)
    it.is_now("lb2", "lb1 lb2")


def test_who_has_not_come_when_the_wait_is_over_is_gone() -> None:
    it = Life()
    assert it.presence.deadline() == it.clock.now() + DISCOVERY_WAIT
    it.clock.time += DISCOVERY_WAIT - 0.1
    assert not it.presence.step()
    it.is_now("lb1 lb2", "")
    it.clock.time -= DISCOVERY_WAIT - 0.1
    it.presence.synced(LB2)
    assert it.discover("lb2")
    it.is_now("lb2", "lb1 edge1")
    assert it.said.of("withdrawn") == [{"switch": "lb1", "why": "absent"}]
    assert it.presence.deadline() is None
    assert not it.discover(), "it ends once"


def test_the_wait_begins_when_switches_can_connect_however_long_the_start_took() -> None:
    """Else a controller that starts on a busy machine finds all switches gone, and moves VIPs away from their site."""
    it = Life()
    it.clock.time += 2 * DISCOVERY_WAIT
    it.presence.listening()
    assert not it.presence.step()
    it.is_now("lb1 lb2", "")
    assert it.presence.deadline() == it.clock.now() + DISCOVERY_WAIT


def test_who_was_absent_before_the_restart_stays_so_until_it_is_synced() -> None:
    it = Life("lb2", absent="lb1")
    it.discover("lb1", "lb2", "edge1")
    it.is_now("lb2", "lb1")
    it.presence.synced(LB1)
    it.is_now("lb2", "")


def test_a_switch_that_the_intent_no_longer_names_is_not_among_the_absent() -> None:
    it = Life(absent="old1 lb1")
    it.presence.synced(LB2)
    it.discover("lb2", "edge1")
    it.is_now("lb2", "lb1")


def test_the_last_one_is_withdrawn_once_another_serves() -> None:
    """Both were lost; the one that does not return was used for ever."""
    it = Life()
    for number in (LB1, LB2):
        it.presence.synced(number)
    it.discover("lb1", "lb2", "edge1")
    it.presence.gone(LB1)
    it.presence.gone(LB2)
    it.is_now("lb2", "lb1 lb2")
    it.presence.synced(LB1)
    it.is_now("lb2", "lb2")
    it.presence.admit(LB1)
    it.is_now("lb1", "lb2")
    assert it.said.of("withdrawn")[-1] == {"switch": "lb2", "why": "control stream lost"}


def test_one_that_is_being_read_when_the_wait_ends_has_the_missing_ones_withdrawn_when_it_is_synced() -> None:
    it = Life()
    it.discover("lb2", "edge1")
    it.is_now("lb1 lb2", "lb1")
    it.presence.synced(LB2)
    it.is_now("lb2", "lb1")


@pytest.mark.parametrize("back", ["synced", "set_present"])
def test_the_last_one_that_is_well_again_stays(back: str) -> None:
    it = Life("lb1")
    it.presence.synced(LB1)
    it.discover("lb1", "lb2", "edge1")
    it.presence.gone(LB1)
    getattr(it.presence, back)(LB1)
    it.presence.synced(LB2)
    it.presence.admit(LB2)
    it.is_now("lb1 lb2", "")


@pytest.mark.parametrize("what", ["stale", "gone"])
def test_a_switch_without_its_entries_or_its_stream_is_neither_sent_to_nor_used(what: str) -> None:
    it = Life()
    for number in (LB1, LB2):
        it.presence.synced(number)
    getattr(it.presence, what)(LB1)
    it.is_now("lb2", "lb1")
    assert it.presence.is_synced(LB1) is (what == "stale")


def test_nothing_is_said_and_nobody_is_woken_when_nothing_changes() -> None:
    it, woken = Life(absent="lb1"), []
    for cell in (it.absent, it.admitted):
        cell.subscribe(lambda: woken.append(1))
    it.presence.set_absent(LB1)
    it.presence.admit(LB2)
    it.presence.withdraw(EDGE1, "why")
    assert (it.said.rows, woken) == ([], [])


def test_names_change_and_go_in_both_cells() -> None:
    """Fails on 2ad1e45, where a switch that took the name of one that left was taken for that one."""
    it = Life(absent="lb1")
    it.presence.synced(LB2)
    it.follow({"lb1": "lb2", "lb2": "front"})
    it.is_now("lb2 front", "lb2")
    assert (it.presence.is_synced(LB2), it.presence.is_synced(LB1)) == (True, False)
    it.follow({"lb2": "front"}, removed=["front"])
    it.is_now("front", "front")
    assert not it.presence.is_synced(LB2)
    it.presence.synced(LB1)
    it.is_now("front", "")


def test_what_is_said_of_a_switch_that_the_intent_no_longer_names_changes_nothing() -> None:
    """Fails on 2ad1e45: a name that was said once stayed among the absent."""
    it = Life()
    it.follow({}, removed=["lb2"])
    for said in (it.presence.gone, it.presence.stale, it.presence.synced, it.presence.admit):
        said(LB2)
    it.is_now("lb1", "")
    assert not it.presence.is_synced(LB2)


def test_refusals_and_a_withdrawal_that_is_owed_stay_with_a_renamed_switch() -> None:
    """Fails on 2ad1e45: refusals were counted by name."""
    it = Life("lb1")
    it.presence.refused(LB1)
    it.follow({"lb1": "front"})
    it.presence.refused(LB1)
    it.is_now("front", "front")
    it.presence.synced(LB2)
    it.presence.admit(LB2)
    it.is_now("lb2", "front")


def test_lb_switches_of_another_site_serve_in_place_of_none() -> None:
    """Fails on 452c6df: there the last lb switch of a site was withdrawn, as others served at another site."""
    it = Life("lb1 lb2")
    west = replace(SWITCHES[1], site="west")
    it.intent.put(replace(it.intent.value, switches=(SWITCHES[0], west, SWITCHES[2])))
    for number in (LB1, LB2):
        it.presence.synced(number)
    assert it.presence.others(LB1) == []
    it.presence.gone(LB1)
    it.is_now("lb1 lb2", "lb1")
