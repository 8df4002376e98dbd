"""Promises 4 and 7: the pool changes, servers drain and die, pins come and go, a sibling takes over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from controller.spec.switch import Fate
from controller.spec.types import Address, Mode, Protocol
from p4src.hashes import slot
from p4src.ids import Drop, Reason
from tests.conformance.packets import ACK, PSH, RST, SYN
from tests.p4.box import Box, Said
from tests.p4.embedded import EmbeddedBox
from tests.p4.keeper import IDLE, Keeper
from tests.p4.scene import CLIENTS, Scene, Service
from tests.p4.traffic import Crowd, Talk, backend_of, talks

SERVICE = Service(1, Mode.NAT)
COUNT = 60
About = tuple[Reason, int, Address, int, int]
"""What a digest says."""


def _crowd(box: Box, service: Service = SERVICE, count: int = COUNT) -> Crowd:
    crowd = Crowd(box, two_way=service.mode is Mode.NAT)
    crowd.open(talks(service, count))
    return crowd


def _of(crowd: Crowd, backend: int) -> list[int]:
    """Numbers of a backend's connections."""
    return [number for number, talk in enumerate(crowd.talks) if talk.backend == backend]


def _opened(box: Box, first: int, count: int = COUNT) -> list[int]:
    """Backends of connections that open now."""
    return [backend_of(frame) for frame in box.send([t.frame(SYN) for t in talks(SERVICE, count, first)])]


def test_a_draining_backend_keeps_its_connections_and_gets_no_new_ones(box: Box) -> None:
    keeper = Keeper([box], Scene((SERVICE,)))
    crowd = _crowd(box)
    mine = _of(crowd, 2)
    assert mine
    keeper.change(keeper.scene.changing((1, 3, 4)).with_fate(2, Fate.DRAIN))
    crowd.exchange()
    keeper.sync(crowd)
    again = [Talk(SERVICE, crowd.talks[n].client, 41_000).frame(SYN) for n in mine]
    opened = _opened(box, first=1000) + [backend_of(frame) for frame in box.send(again)]
    assert len(opened) == COUNT + len(mine)
    assert 2 not in opened
    keeper.change(keeper.scene.settled())
    crowd.exchange()
    assert crowd.unharmed
    assert len(keeper.pins.pins) >= len(mine)


def test_a_client_that_uses_its_port_again_leaves_a_draining_backend(box: Box) -> None:
    keeper = Keeper([box], Scene((SERVICE,)))
    crowd = _crowd(box)
    mine = _of(crowd, 2)
    keeper.change(keeper.scene.changing((1, 3, 4)).with_fate(2, Fate.DRAIN))
    moved = [backend_of(frame) for frame in box.send([crowd.talks[n].frame(SYN) for n in mine])]
    assert len(moved) == len(mine)
    assert 2 not in moved


def test_connections_of_a_dead_backend_stay_for_a_while_and_then_move_together_with_their_memory(
    box: Box,
) -> None:
    keeper = Keeper([box], Scene((SERVICE,)))
    crowd = _crowd(box)
    mine = _of(crowd, 3)
    # Down: keep_for has not passed, so what is remembered stays.
    keeper.change(keeper.scene.changing((1, 2, 4)).with_fate(3, Fate.DRAIN))
    crowd.exchange()
    assert crowd.unharmed
    keeper.sync(crowd)
    # keep_for has passed: its slots have settled, and its pins are gone.
    keeper.change(keeper.scene.settled().with_fate(3, Fate.MOVE))
    assert 3 not in {pin.backend for pin in keeper.pins.pins.values()}
    crowd.exchange()
    assert crowd.moved == set(mine)
    # And there they are remembered: coming back does not take them away again.
    moved_to = {n: backend_of(box.send([crowd.talks[n].frame()])[0]) for n in mine}
    keeper.change(replace(keeper.scene.changing((1, 2, 3, 4)).settled(), fates={}))
    assert {n: backend_of(box.send([crowd.talks[n].frame()])[0]) for n in mine} == moved_to


def test_connections_that_are_to_be_reset_are_handed_to_the_controller_and_to_no_server(box: Box) -> None:
    keeper = Keeper([box], Scene((SERVICE,)))
    crowd = _crowd(box)
    mine = _of(crowd, 1)
    others = [n for n in range(COUNT) if n not in mine]
    keeper.change(keeper.scene.changing((2, 3, 4)).settled().with_fate(1, Fate.RESET))
    sent = [crowd.talks[n].frame() for n in mine]
    assert [backend_of(frame) for frame in box.send(sent)] == []
    keeper.until(lambda: len(keeper.punts) >= len(mine))
    assert {(punt.reason, punt.port, punt.listener, punt.backend) for punt in keeper.punts} == {
        (Reason.RESET, CLIENTS, SERVICE.id, 1)
    }
    assert sorted(punt.frame for punt in keeper.punts) == sorted(frame for _, frame in sent)
    # A new connection by the same name is welcome elsewhere.
    opened = [backend_of(frame) for frame in box.send([crowd.talks[n].frame(SYN) for n in mine])]
    assert len(opened) == len(mine)
    assert 1 not in opened
    crowd.exchange(others)
    assert crowd.unharmed


@pytest.mark.parametrize("protocol", list(Protocol))
def test_while_a_slot_moves_a_syn_goes_to_the_new_backend_and_what_is_unknown_to_the_old(
    box: Box, protocol: Protocol
) -> None:
    service = Service(1, protocol=protocol)
    keeper = Keeper([box], Scene((service,)))
    old, new = keeper.scene, keeper.scene.changing((1, 2, 3, 5))
    some, others = talks(service, COUNT), talks(service, COUNT, first=500)
    keeper.change(new)
    first = SYN if protocol is Protocol.TCP else ACK
    assert [_by_table(old, t) for t in some] != [_by_table(new, t) for t in some]
    wanted = new if protocol is Protocol.TCP else old
    assert _backends(box, some, first) == {t.client: _by_table(wanted, t) for t in some}
    assert _backends(box, others, ACK) == {t.client: _by_table(old, t) for t in others}
    # What came is remembered so, when the slots have settled.
    keeper.change(new.settled())
    assert _backends(box, others, ACK) == {t.client: _by_table(old, t) for t in others}


def _by_table(scene: Scene, talk: Talk) -> int:
    return int(scene.table.now[slot(talk.client, talk.port, len(scene.table.now))])


def _backends(box: Box, some: Sequence[Talk], flags: int) -> dict[Address, int]:
    """Which backend got each client's packet; those whose packet went nowhere are not among them."""
    return {talk.client: backend_of(frame) for talk in some for frame in box.send([talk.frame(flags)])}


def test_an_exception_is_reported_with_every_packet_until_its_pin_is_there(box: Box) -> None:
    keeper = Keeper([box], Scene((SERVICE,)))
    crowd = _crowd(box)
    keeper.change(keeper.scene.changing((1, 2, 3, 5)))
    wanted = {
        (Reason.EXCEPTION, SERVICE.id, talk.client, 40_000, 4) for talk in crowd.talks if talk.backend == 4
    }
    assert wanted
    for _ in range(3):
        crowd.exchange()
        said = _heard(box, wanted)
        assert {told[0] for told in said} == {Reason.EXCEPTION}
    crowd.exchange()
    keeper.sync(crowd)
    box.told()
    crowd.exchange()
    assert box.told() == []
    assert crowd.unharmed


def _heard(box: Box, wanted: set[About]) -> set[About]:
    """What a switch says about connections, once it has said all that is wanted."""
    said: set[About] = set()
    for _ in range(100):
        said |= {(*told,) for told in box.told() if isinstance(told, Said)}
        if wanted <= said:
            return said
    raise AssertionError(f"not said: {wanted - said}")


def test_a_sibling_takes_over_every_connection_that_was_heard_in_the_transition(
    make: Callable[[str], Box],
) -> None:
    """Outside the stated at-risk set: opened on a moving slot within it, or silent for all of it."""
    first, second = make("lb1"), make("lb2")
    keeper = Keeper([first, second], Scene((SERVICE,)))
    crowd = _crowd(first, count=150)
    keeper.change(keeper.scene.changing((1, 2, 3, 5)))
    crowd.exchange()
    keeper.sync(crowd)
    keeper.change(keeper.scene.settled())
    opened = Crowd(first)
    opened.open(talks(SERVICE, 60, first=5000))
    crowd.box = opened.box = second
    crowd.exchange()
    opened.exchange()
    assert crowd.unharmed
    assert opened.unharmed
    # The sibling sees pinned connections now: it becomes their reporter.
    assert {pin.reporter for pin in keeper.pins.pins.values()} == {"lb1"}
    keeper.until(lambda: {pin.reporter for pin in keeper.pins.pins.values()} == {"lb2"}, crowd.exchange)
    keeper.step()
    keeper.heard.clear()
    crowd.exchange()
    keeper.step()
    assert keeper.heard[Reason.PIN_SEEN] == 0
    assert crowd.unharmed


def test_a_sibling_that_takes_over_within_the_transition_moves_nobody_who_was_there_before(
    make: Callable[[str], Box],
) -> None:
    first, second = make("lb1"), make("lb2")
    keeper = Keeper([first, second], Scene((SERVICE,)))
    crowd = _crowd(first)
    keeper.change(keeper.scene.changing((1, 2, 3, 5)))
    crowd.box = second
    crowd.exchange()
    assert crowd.unharmed
    keeper.sync(crowd)
    keeper.change(keeper.scene.settled())
    crowd.exchange()
    assert crowd.unharmed


def test_a_pin_that_falls_idle_is_told_once_by_its_reporter(embedded: EmbeddedBox) -> None:
    other = EmbeddedBox("lb2")
    keeper = Keeper([embedded, other], Scene((SERVICE,)))
    crowd = _crowd(embedded)
    keeper.change(keeper.scene.changing((1, 2, 3, 5)))
    crowd.exchange()
    keeper.step()
    assert keeper.pins.pins
    for box in (embedded, other):
        box.sleep(IDLE / 2)
    crowd.exchange()
    for box in (embedded, other):
        box.sleep(IDLE * 0.6)
    assert other.told() == []
    keeper.step()
    assert keeper.pins.pins
    for box in (embedded, other):
        box.sleep(IDLE)
    keeper.step()
    assert not keeper.pins.pins
    for box in (embedded, other):
        assert not [key for key in box.held.entries if key.table == "pin"]


def _pinned(keeper: Keeper, crowd: Crowd, backend: int) -> list[int]:
    """Take a backend out so that its connections get pins; their numbers."""
    keeper.change(keeper.scene.changing(n for n in (1, 2, 3, 4, 5) if n != backend))
    crowd.exchange()
    keeper.sync(crowd)
    keeper.change(keeper.scene.settled())
    return _of(crowd, backend)


@pytest.mark.parametrize("ended", [True, False], ids=["reset-before", "port-reused"])
def test_a_syn_goes_past_a_stale_pin_and_its_connection_stays_where_it_went(box: Box, ended: bool) -> None:
    """Also on a switch that has forgotten the old connection, and although the pin is still there."""
    keeper = Keeper([box], Scene((SERVICE,), keep=1.0))
    crowd = _crowd(box)
    mine = _pinned(keeper, crowd, 4)
    box.sleep(3.5)
    if ended:
        box.send([crowd.talks[n].frame(RST) for n in mine])
    box.told()
    again = [Talk(SERVICE, crowd.talks[n].client, 40_000) for n in mine]
    new = _backends(box, again, SYN)
    assert 4 not in new.values()
    wanted = {(Reason.PIN_STALE, SERVICE.id, t.client, 40_000, new[t.client]) for t in again}
    assert _heard(box, wanted) == wanted
    for flags in (ACK, ACK | PSH, ACK | PSH):
        assert _backends(box, again, flags) == new
    box.send([talk.frame(SYN) for talk in again])
    keeper.until(lambda: not {talk.key for talk in again} & set(keeper.pins.pins))
    assert _backends(box, again, ACK) == new


def test_a_connection_from_a_reused_port_is_reported_until_the_controller_acts_and_then_no_more(
    box: Box,
) -> None:
    keeper = Keeper([box], Scene((SERVICE,), keep=1.0))
    crowd = _crowd(box)
    mine = _pinned(keeper, crowd, 4)
    box.sleep(3.5)
    again = [Talk(SERVICE, crowd.talks[n].client, 40_000) for n in mine]
    new = _backends(box, again, SYN)
    keeper.scene = replace(keeper.scene, keep=900.0)
    # Before the controller has heard of the SYNs, their connections become exceptions themselves.
    keeper.change(keeper.scene.changing((4,)).settled())
    for _ in range(3):
        assert _backends(box, again, ACK) == new
    wanted = {(Reason.EXCEPTION, SERVICE.id, talk.client, 40_000, new[talk.client]) for talk in again}
    assert _heard(box, wanted) >= wanted
    _backends(box, again, ACK)
    keeper.until(lambda: {t.client: keeper.pins.pins[t.key].backend for t in again} == new)
    box.told()
    for _ in range(7):
        assert _backends(box, again, ACK | PSH) == new
    assert box.told() == []


def test_a_syn_without_room_in_memory_obeys_the_pin_as_its_connections_next_packets_will(
    embedded: EmbeddedBox,
) -> None:
    keeper = Keeper([embedded], Scene((SERVICE,), keep=1.0))
    mine = _pinned(keeper, crowd := _crowd(embedded), 4)
    embedded.sleep(3.5)
    keeper.change(replace(keeper.scene, cells_mask=0, keep=900.0))
    for filler in talks(SERVICE, 10, first=9000):
        embedded.send([filler.frame(SYN), filler.frame(ACK)])
    embedded.told()
    for number in mine:
        again = Talk(SERVICE, crowd.talks[number].client, 40_000)
        out = embedded.send([again.frame(flags) for flags in (SYN, ACK, ACK | PSH)])
        assert [backend_of(frame) for frame in out] == [4] * 3
    assert embedded.told() == []


def test_a_connection_that_opens_in_a_transition_and_finds_no_room_stays_where_its_syn_went(box: Box) -> None:
    keeper = Keeper([box], Scene((SERVICE,), cells_mask=0))
    full = Crowd(box)
    full.open(talks(SERVICE, 4, first=9000))
    keeper.change(keeper.scene.changing((1, 2, 5)))
    crowd = _crowd(box)
    assert crowd.unharmed
    keeper.sync(crowd)
    keeper.change(keeper.scene.settled())
    crowd.exchange()
    full.exchange()
    assert crowd.unharmed
    assert full.unharmed
    assert len(keeper.pins.pins) >= COUNT


def test_a_connection_without_room_is_not_opened_at_a_slots_former_backend_that_drains(box: Box) -> None:
    """Its SYN waits, for the second until it is sent again, until the controller has pinned it elsewhere."""
    keeper = Keeper([box], Scene((SERVICE,), cells_mask=0))
    Crowd(box).open(talks(SERVICE, 4, first=9000))
    keeper.change(keeper.scene.changing((1, 2, 3)).with_fate(4, Fate.DRAIN))
    some = talks(SERVICE, COUNT)
    early = _backends(box, some, SYN)
    waiting = [talk for talk in some if talk.client not in early]
    assert waiting
    assert 4 not in early.values()
    assert box.drops()[Drop.MEMORY] == len(waiting)
    keeper.until(lambda: {talk.key for talk in waiting} <= set(keeper.pins.pins))
    opened = _backends(box, waiting, SYN)
    assert opened == {talk.client: _by_table(keeper.scene, talk) for talk in waiting}
    for _ in range(2):
        assert _backends(box, waiting, ACK) == opened


def test_an_old_pin_to_a_draining_backend_opens_no_connection_there_without_room_either(
    embedded: EmbeddedBox,
) -> None:
    keeper = Keeper([embedded], Scene((SERVICE,), keep=1.0))
    mine = _pinned(keeper, crowd := _crowd(embedded), 4)
    embedded.sleep(3.5)
    keeper.change(replace(keeper.scene, cells_mask=0, keep=900.0).with_fate(4, Fate.DRAIN))
    for filler in talks(SERVICE, 10, first=9000):
        embedded.send([filler.frame(SYN), filler.frame(ACK)])
    again = [Talk(SERVICE, crowd.talks[number].client, 40_000) for number in mine]
    assert _backends(embedded, again, SYN) == {}
    keeper.until(lambda: not {talk.key for talk in again} & set(keeper.pins.pins))
    opened = _backends(embedded, again, SYN)
    assert len(opened) == len(again)
    assert 4 not in opened.values()


def test_what_is_remembered_of_no_backend_of_the_pool_goes_where_its_slot_says_and_stays(box: Box) -> None:
    keeper = Keeper([box], Scene((SERVICE,)))
    crowd = _crowd(box)
    mine = _of(crowd, 4)
    keeper.change(replace(keeper.scene.changing((1, 2, 3)).settled(), backends=(1, 2, 3, 5)))
    assert box.drops()[Drop.NO_BACKEND] == 0
    some = [crowd.talks[n] for n in mine]
    moved = _backends(box, some, ACK)
    assert moved == {talk.client: _by_table(keeper.scene, talk) for talk in some}
    keeper.change(keeper.scene.changing((1, 2, 3, 5)).settled())
    assert _backends(box, some, ACK) == moved
    assert box.drops()[Drop.NO_BACKEND] == 0


@pytest.mark.parametrize("fate", [Fate.MOVE, Fate.RESET])
def test_what_nobody_remembers_does_not_go_to_a_former_backend_that_gives_its_connections_away(
    box: Box, fate: Fate
) -> None:
    keeper = Keeper([box], Scene((SERVICE,)))
    old, new = keeper.scene, keeper.scene.changing((1, 2, 3)).with_fate(4, fate)
    some = [talk for talk in talks(SERVICE, COUNT) if _by_table(old, talk) == 4]
    assert some
    keeper.change(new)
    assert _backends(box, some, ACK) == {talk.client: _by_table(new, talk) for talk in some}
