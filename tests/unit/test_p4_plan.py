"""A plan that is continued is the plan made from scratch, whatever happened in between, and shares what stayed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.model.sharing import sharing
from controller.plan.duties import Duties
from controller.plan.duty import PlanInput, duty, listener_number
from controller.plan.p4needs import Needs, p4_needs
from controller.plan.p4plan import P4Plan
from controller.plan.pins import LOG, PinBook, PinKey
from controller.plan.pool import Health
from controller.plan.tables import Tables
from controller.spec.shards import Shards
from controller.spec.types import (
    Backend,
    Intent,
    Listener,
    Mode,
    Pool,
    Port,
    Protocol,
    Role,
    Site,
    Switch,
    Vip,
)
from p4src import pipeline
from p4src.diff import diff
from p4src.spec import Secret
from p4src.target import P4Target
from tests.fakes import worlds

SECRET = Secret.of(bytes(range(20)))
LB = Switch(
    "lb1",
    "embedded",
    0x21,
    "east",
    frozenset({Role.LB}),
    "02:45:56:01:00:21",
    ports=(Port(1, "s1"), Port(2, "s2")),
    local=(ip_network("10.3.1.0/28"),),
    gateway_mac="02:45:56:00:00:fe",
    p4runtime="192.0.2.1:9559",
)
BACKENDS = tuple(
    Backend(f"s{n}", (ip_address(f"10.1.0.{n}"),), f"02:45:56:02:00:0{n}", "lb1") for n in (1, 2)
)
MODES = (Mode.DR, Mode.NAT, Mode.FULLNAT)
NOW = 1000.0


class Scene:
    """One lb switch, three listeners, and what befalls them."""

    def __init__(self) -> None:
        self.health: dict[str, dict[str, Health]] = {"web": {}}
        self.pins = PinBook()
        self.listeners = tuple(
            Listener("shop", Protocol.TCP, 80 + n, "web", mode, 80 if mode is not Mode.DR else 80 + n)
            for n, mode in enumerate(MODES)
        )
        self.timeout = 900.0
        self.weight = 1
        self.duties, self.needs = Duties(), Needs()
        self.tables, self.before = Tables(), worlds.NOTHING
        self.advance()

    def intent(self) -> Intent:
        vip = Vip("shop", ip_address("10.0.0.100"), "02:45:56:00:01:01", ("east",), self.listeners)
        reals = (replace(BACKENDS[0], weight=self.weight), BACKENDS[1])
        pool = Pool("web", reals, max_backends=2, memory_timeout=self.timeout)
        intent = Intent((Site("east"),), (LB, replace(LB, name="lb2", id=0x22)), (pool,), (vip,))
        return sharing(intent, self.before)

    def advance(self) -> None:
        intent = self.intent()
        self.tables = worlds.step(self.tables, self.before, intent, self.health, NOW)
        self.before = intent

    def world(self) -> PlanInput:
        return worlds.world(self.intent(), self.tables, self.pins)

    def number(self, place: int) -> int:
        vip = Listener("shop", Protocol.TCP, 80 + place, "web", Mode.DR, 80)
        return listener_number(self.world(), vip)


def anew(site: Scene) -> P4Target:
    world = site.world()
    what = duty(world, LB)
    return pipeline.target(what, p4_needs(world, LB, what, SECRET))


def continued(plan: P4Plan, site: Scene) -> P4Target:
    """As the driver does."""
    world = site.world()
    what = site.duties.of(world, LB)
    return plan.target(world, what, site.needs.of(world, LB, what, SECRET))


PIN = st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from(("lb1", "lb2")), st.integers(1, 2))
EVENT = st.one_of(
    st.tuples(st.just("pin"), PIN),
    st.tuples(st.just("end"), PIN),
    st.tuples(st.just("lost"), PIN),
    st.tuples(st.just("book"), PIN),
    st.tuples(st.just("down"), PIN),
    st.tuples(st.just("weight"), PIN),
    st.tuples(st.just("timeout"), PIN),
    st.tuples(st.just("listeners"), PIN),
)


def _befall(site: Scene, what: str, pin: tuple[int, int, str, int]) -> bool:
    """Whether more than pins may have changed."""
    place, port, switch, backend = pin
    key = PinKey(site.number(place), ip_address("192.0.2.1"), port)
    book = site.pins

    def end() -> None:
        known = book.pins.get(key)
        if known is not None:
            book.stale(known.id)

    def listeners() -> None:
        site.listeners = site.listeners[: 1 + len(site.listeners) % 3] or site.listeners

    changes: dict[str, Callable[[], object]] = {
        "pin": lambda: book.report(switch, key, Protocol.TCP, backend),
        "end": end,
        "lost": lambda: book.switch_lost(switch, ["lb1"]),
        "book": lambda: setattr(site, "pins", PinBook()),
        "down": lambda: site.health["web"].update({f"s{backend}": Health(False, NOW)}),
        "weight": lambda: setattr(site, "weight", 1 + port),
        "timeout": lambda: setattr(site, "timeout", 300.0 + 300 * backend),
        "listeners": listeners,
    }
    changes[what]()
    site.advance()
    return what not in ("pin", "end", "lost")


@settings(deadline=None, max_examples=60)
@given(st.lists(EVENT, max_size=20))
def test_a_continued_plan_is_the_plan_made_anew(events: list[tuple[str, tuple[int, int, str, int]]]) -> None:
    site, plan = Scene(), P4Plan()
    have = continued(plan, site)
    for event in events:
        more = _befall(site, *event)
        want = continued(plan, site) if more else plan.with_pins(site.world())
        expected = anew(site)
        assert want == expected
        plain = P4Target(dict(have.entries), have.configuration, have.limits, have.slots, have.multicast)
        short, long = diff(have, want), diff(plain, expected)
        assert sorted(map(repr, short.put)) == sorted(map(repr, long.put))
        assert sorted(map(repr, short.gone)) == sorted(map(repr, long.gone))
        assert (short.added, short.modified, short.deleted) == (long.added, long.modified, long.deleted)
        have = want


def test_a_new_pin_touches_one_part_of_the_entries_and_no_slots() -> None:
    site, plan = Scene(), P4Plan()
    for port in range(1, 2001):
        site.pins.report("lb1", PinKey(site.number(0), ip_address("192.0.2.1"), port), Protocol.TCP, 1)
    have = continued(plan, site)
    site.pins.report("lb2", PinKey(site.number(1), ip_address("192.0.2.1"), 5), Protocol.TCP, 2)
    want = plan.with_pins(site.world())
    assert want.slots is have.slots
    assert isinstance(have.entries, Shards)
    assert isinstance(want.entries, Shards)
    ((old, new),) = have.entries.differing(want.entries)
    assert len(new) == len(old) + 1
    assert [key.table for key, _, _ in diff(have, want).put] == ["pin"]
    assert len(diff(have, want)) == 1


def test_a_plan_that_missed_more_changes_than_are_remembered_takes_all_pins() -> None:
    site, plan = Scene(), P4Plan()
    continued(plan, site)
    key = PinKey(site.number(0), ip_address("192.0.2.1"), 6)
    site.pins.report("lb1", PinKey(site.number(0), ip_address("192.0.2.1"), 7), Protocol.TCP, 1)
    for number in range(LOG):
        site.pins.report("lb1", key, Protocol.TCP, 1 + number % 2)
    assert site.pins.changed_since(0) is None
    assert plan.with_pins(site.world()) == anew(site)
