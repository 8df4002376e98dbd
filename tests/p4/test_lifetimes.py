"""Promise 5: how long the memory remembers what, and whose place it takes for whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from p4src.ids import Reason
from p4src.numbers import ticks
from p4src.pipeline import CLOSED as CLOSED_SECONDS
from p4src.pipeline import CLOSING as CLOSING_SECONDS
from p4src.pipeline import EMBRYO as EMBRYO_SECONDS
from p4src.target import Rate
from tests.conformance.packets import ACK, FIN, PSH, RST, SYN
from tests.p4.box import Said
from tests.p4.cells import CLOSED, CLOSING, EMBRYO, ESTABLISHED, TICK, cell_of
from tests.p4.embedded import EmbeddedBox
from tests.p4.keeper import Keeper
from tests.p4.scene import Scene, Service
from tests.p4.traffic import Talk, backend_of, client_address, talks

SERVICE = Service(1)
TINY = 0
"""Mask of a memory of one cell a way: four connections."""


def _scene(**fields: object) -> Scene:
    return replace(Scene((SERVICE,), keep=200.0), **fields)  # type: ignore[arg-type]


def _send(box: EmbeddedBox, talk: Talk, *flags: int) -> list[int]:
    """Packets of a client; the backends that got them."""
    return [backend_of(frame) for each in flags for frame in box.send([talk.frame(each)])]


def _state(box: EmbeddedBox, talk: Talk, mask: int = 0xFFFF) -> int | None:
    """State of a connection that is remembered; None: it is not."""
    cell = cell_of(box, talk, mask)
    return cell.state if cell is not None and cell.left > 0 else None


def _elsewhere(keeper: Keeper, *without: int) -> None:
    """The pool changes for good, so that only memory still knows these backends."""
    keeper.change(keeper.scene.changing(n for n in (1, 2, 3, 4, 5) if n not in without).settled())


def _fill(box: EmbeddedBox, some: Sequence[Talk], *flags: int) -> None:
    for talk in some:
        _send(box, talk, *flags)
        box.sleep(2 * TICK)


def test_a_first_packet_makes_an_embryo_and_the_clients_next_one_establishes_it(
    embedded: EmbeddedBox,
) -> None:
    Keeper([embedded], _scene())
    (talk,) = talks(SERVICE, 1)
    _send(embedded, talk, SYN)
    assert _state(embedded, talk) == EMBRYO
    _send(embedded, talk, SYN)
    assert _state(embedded, talk) == EMBRYO
    _send(embedded, talk, ACK)
    assert _state(embedded, talk) == ESTABLISHED


def test_any_first_packet_is_remembered_as_those_rehashed_from_another_switch_need(
    embedded: EmbeddedBox,
) -> None:
    keeper = Keeper([embedded], _scene())
    (talk,) = talks(SERVICE, 1)
    (backend,) = _send(embedded, talk, ACK | PSH)
    assert _state(embedded, talk) == EMBRYO
    _elsewhere(keeper, backend)
    assert _send(embedded, talk, ACK | PSH) == [backend]


@pytest.mark.parametrize(
    ("flags", "seconds"),
    [
        ((SYN,), EMBRYO_SECONDS),
        ((SYN, ACK), 200.0),
        ((SYN, ACK, ACK | FIN), CLOSING_SECONDS),
        ((SYN, ACK, RST), CLOSED_SECONDS),
    ],
    ids=["embryo", "established", "closing", "closed"],
)
def test_a_connection_is_remembered_for_the_time_of_its_state(
    embedded: EmbeddedBox, flags: tuple[int, ...], seconds: float
) -> None:
    keeper = Keeper([embedded], _scene())
    soon, late = talks(SERVICE, 2)
    backends = {talk: _send(embedded, talk, *flags)[0] for talk in (soon, late)}
    _elsewhere(keeper, *backends.values())
    embedded.sleep(seconds)
    assert _send(embedded, soon, ACK | PSH) == [backends[soon]]
    embedded.sleep((ticks(seconds) + 1) * TICK - seconds)
    assert _send(embedded, late, ACK | PSH) != [backends[late]]


def test_each_packet_renews_an_established_connection(embedded: EmbeddedBox) -> None:
    keeper = Keeper([embedded], _scene())
    (talk,) = talks(SERVICE, 1)
    (backend, _) = _send(embedded, talk, SYN, ACK)
    _elsewhere(keeper, backend)
    for _ in range(4):
        embedded.sleep(199.0)
        assert _send(embedded, talk, ACK | PSH) == [backend]


def test_memory_keeps_its_word_when_the_ticks_of_the_clock_wrap(embedded: EmbeddedBox) -> None:
    embedded.sleep((2**24 - 4) * TICK)
    keeper = Keeper([embedded], _scene())
    (talk,) = talks(SERVICE, 1)
    (backend, _) = _send(embedded, talk, SYN, ACK)
    _elsewhere(keeper, backend)
    embedded.sleep(10 * TICK)
    assert _send(embedded, talk, ACK) == [backend]
    embedded.sleep(250.0)
    assert _send(embedded, talk, ACK) != [backend]


@pytest.mark.parametrize("days", [1, 30, 98, 150, 193])
def test_what_was_forgotten_does_not_come_back_while_the_clock_goes_round(
    embedded: EmbeddedBox, days: int
) -> None:
    keeper = Keeper([embedded], _scene())
    (talk,) = talks(SERVICE, 1)
    (backend, _) = _send(embedded, talk, SYN, ACK)
    _elsewhere(keeper, backend)
    embedded.sleep(days * 86_400.0)
    assert _send(embedded, talk, ACK) != [backend]


def test_promotions_are_limited_and_made_up_for_later(embedded: EmbeddedBox) -> None:
    target = _scene().target()
    embedded.hold(replace(target, limits={**target.limits, Reason.PROMOTE: Rate(2, 2)}))
    some = talks(SERVICE, 6)
    for flags in (SYN, ACK):
        for talk in some:
            _send(embedded, talk, flags)
    assert [_state(embedded, talk) for talk in some] == [ESTABLISHED] * 2 + [EMBRYO] * 4
    embedded.sleep(1.0)
    for talk in some:
        _send(embedded, talk, ACK)
    assert [_state(embedded, talk) for talk in some] == [ESTABLISHED] * 4 + [EMBRYO] * 2


def test_a_syn_after_the_end_of_a_connection_is_decided_anew(embedded: EmbeddedBox) -> None:
    keeper = Keeper([embedded], _scene())
    ended = {RST: CLOSED, FIN | ACK: CLOSING}
    for number, (end, state) in enumerate(ended.items()):
        (talk,) = talks(SERVICE, 1, first=number)
        (backend, *_) = _send(embedded, talk, SYN, ACK, end)
        assert _state(embedded, talk) == state
        _elsewhere(keeper, backend)
        (new,) = _send(embedded, talk, SYN)
        assert new != backend
        assert _state(embedded, talk) == EMBRYO
        assert _send(embedded, talk, ACK, ACK | PSH) == [new, new]
        assert _state(embedded, talk) == ESTABLISHED


def test_a_syn_in_the_middle_of_a_connection_changes_nothing(embedded: EmbeddedBox) -> None:
    keeper = Keeper([embedded], _scene())
    (talk,) = talks(SERVICE, 1)
    (backend, _) = _send(embedded, talk, SYN, ACK)
    _elsewhere(keeper, backend)
    assert _send(embedded, talk, SYN) == [backend]
    assert _state(embedded, talk) == ESTABLISHED


@pytest.mark.parametrize("last", [(ACK,), (ACK, FIN | ACK)], ids=["established", "closing"])
def test_a_living_connection_is_never_replaced(embedded: EmbeddedBox, last: tuple[int, ...]) -> None:
    keeper = Keeper([embedded], _scene(cells_mask=TINY))
    some = talks(SERVICE, 4)
    _fill(embedded, some, SYN, *last)
    for talk in talks(SERVICE, 50, first=100):
        _send(embedded, talk, SYN, ACK)
    assert all(_state(embedded, talk, TINY) for talk in some)
    keeper.step()
    assert keeper.heard[Reason.OVERFLOW] == 50


def test_the_oldest_embryo_gives_way_first(embedded: EmbeddedBox) -> None:
    Keeper([embedded], _scene(cells_mask=TINY))
    some = talks(SERVICE, 4)
    _fill(embedded, some, SYN)
    later = talks(SERVICE, 3, first=100)
    for number, talk in enumerate(later, 1):
        _send(embedded, talk, SYN)
        assert [_state(embedded, each, TINY) for each in some] == [None] * number + [EMBRYO] * (4 - number)


def test_what_an_rst_closed_gives_way_before_any_embryo(embedded: EmbeddedBox) -> None:
    Keeper([embedded], _scene(cells_mask=TINY))
    closed, *embryos = talks(SERVICE, 4)
    _fill(embedded, embryos, SYN)
    _send(embedded, closed, SYN, ACK, RST)
    _send(embedded, talks(SERVICE, 1, first=100)[0], SYN)
    assert _state(embedded, closed, TINY) is None
    assert [_state(embedded, each, TINY) for each in embryos] == [EMBRYO] * 3


@pytest.mark.parametrize(
    "flags", [SYN, ACK, FIN | ACK, RST, SYN | FIN], ids=["syn", "ack", "fin", "rst", "syn-fin"]
)
def test_single_packets_of_whatever_kind_fill_no_memory(embedded: EmbeddedBox, flags: int) -> None:
    """Spoofed packets come one of a kind: a new connection afterwards must find room."""
    Keeper([embedded], _scene(cells_mask=TINY))
    for talk in talks(SERVICE, 100):
        _send(embedded, talk, flags)
    (late,) = talks(SERVICE, 1, first=500)
    _send(embedded, late, SYN, ACK)
    assert _state(embedded, late, TINY) == ESTABLISHED


def test_with_affinity_all_of_a_source_is_one_connection(embedded: EmbeddedBox) -> None:
    service = Service(1, sticky=True)
    keeper = Keeper([embedded], Scene((service,)))
    first = Talk(service, client_address(5), 1000)
    (backend, _) = _send(embedded, first, SYN, ACK)
    _elsewhere(keeper, backend)
    for port in range(2000, 2020):
        assert _send(embedded, Talk(service, client_address(5), port), SYN, ACK) == [backend] * 2
    said = [told for told in embedded.told() if isinstance(told, Said)]
    assert {(told.port, told.backend) for told in said} == {(0, backend)}


@pytest.mark.parametrize("end", [RST, FIN | ACK], ids=["rst", "fin"])
def test_with_affinity_the_end_of_one_connection_is_not_that_of_its_source(
    embedded: EmbeddedBox, end: int
) -> None:
    service = Service(1, sticky=True)
    keeper = Keeper([embedded], Scene((service,)))
    one, other = (Talk(service, client_address(5), port) for port in (1000, 1001))
    (backend, *_) = _send(embedded, one, SYN, ACK, end)
    _elsewhere(keeper, backend)
    assert _send(embedded, other, SYN, ACK) == [backend] * 2
    embedded.sleep(CLOSING_SECONDS * 2)
    assert _send(embedded, other, ACK) == [backend]


@pytest.mark.parametrize("ended", [(ACK,), (ACK, ACK | PSH)], ids=["established", "exchanging"])
def test_a_forged_rst_is_made_up_for_by_the_clients_next_packet(
    embedded: EmbeddedBox, ended: tuple[int, ...]
) -> None:
    """The switch checks no sequence numbers, as the server does; a client that is really reset sends no more."""
    keeper = Keeper([embedded], _scene())
    (talk,) = talks(SERVICE, 1)
    backend = _send(embedded, talk, SYN, *ended, RST)[0]
    _elsewhere(keeper, backend)
    embedded.sleep(CLOSED_SECONDS - 1)
    assert _send(embedded, talk, ACK | PSH) == [backend]
    assert _state(embedded, talk) == ESTABLISHED
    embedded.sleep(199.0)
    assert _send(embedded, talk, ACK | PSH) == [backend]


def test_more_resets_and_syns_bring_no_closed_connection_back(embedded: EmbeddedBox) -> None:
    Keeper([embedded], _scene())
    (talk,) = talks(SERVICE, 1)
    _send(embedded, talk, SYN, ACK, RST, RST)
    assert _state(embedded, talk) == CLOSED
    _send(embedded, talk, SYN)
    assert _state(embedded, talk) == EMBRYO


def test_a_connection_that_came_back_after_a_reset_is_never_replaced(embedded: EmbeddedBox) -> None:
    Keeper([embedded], _scene(cells_mask=TINY))
    some = talks(SERVICE, 4)
    _fill(embedded, some, SYN, ACK)
    _send(embedded, some[2], RST, ACK)
    for talk in talks(SERVICE, 50, first=100):
        _send(embedded, talk, SYN, ACK)
    assert [_state(embedded, talk, TINY) for talk in some] == [ESTABLISHED] * 4
