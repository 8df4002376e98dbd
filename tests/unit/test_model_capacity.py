"""An intent that needs more entries than a switch's table holds is refused; what is reckoned is never too little."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.model.capacity import Need, needs, too_much
from controller.model.errors import ConfigErrors
from controller.model.load import load_text
from controller.plan.demand import demand
from controller.plan.duty import PlanInput, duty
from controller.plan.ids import Space
from controller.plan.p4needs import p4_needs
from controller.plan.pins import PinBook
from controller.plan.pool import Health
from controller.plan.tables import Tables
from controller.spec.types import (
    Access,
    Affinity,
    Backend,
    Guard,
    Intent,
    Listener,
    Mode,
    Pool,
    Port,
    PrefixRate,
    Protocol,
    Role,
    Route,
    Site,
    Switch,
    Vip,
)
from flows import pipeline as openflow
from flows.tables import MOST_GUARDS, MOST_METERS, Meters
from p4src import pipeline
from p4src.sizes import MOST_VIPS, TABLES
from p4src.spec import Secret
from tests.fakes import worlds
from tests.unit.spoil import DATA
from topo import intent as lab_intent
from topo import model
from topo.plan import plan

NOW = 1000.0
SECRET = Secret.of(bytes(20))
P4INFO = Path(__file__).resolve().parents[2] / "p4src" / "build" / "balancer.p4info.txtpb"


def world(intent: Intent, dead: bool) -> PlanInput:
    """All that planning needs; all backends are up, or all down."""
    health = {pool.name: {b.name: Health(not dead, 0.0) for b in pool.backends} for pool in intent.pools}
    tables = worlds.step(Tables(), worlds.NOTHING, intent, health, NOW)
    return worlds.world(intent, tables, PinBook())


def planned(intent: Intent, switch: Switch, dead: bool) -> Counter[str]:
    """Entries by table."""
    seen = world(intent, dead)
    what = duty(seen, switch)
    counts: Counter[str] = Counter()
    if switch.kind == "ovs":
        first = switch.placement.meters_from + Meters.GUARDS
        counts["meters"] = sum(number >= first for number in openflow.target(what).meters)
        return counts
    made = pipeline.target(what, p4_needs(seen, switch, what, SECRET))
    counts.update(key.table for key in made.entries)
    counts["slot"] = sum(int((table.now != 0).sum()) for table in made.slots.values())
    return counts


def assert_reckoned(intent: Intent) -> None:
    for switch in intent.switches:
        reckoned = {need.table: need.need for need in needs(intent) if need.switch == switch.name}
        for dead in (False, True):
            for table, count in planned(intent, switch, dead).items():
                assert count <= reckoned.get(table, 0), (switch.name, table, dead)


BACKENDS = [
    Backend(
        f"s{n}",
        (ip_address(f"10.1.0.{n + 1}"), ip_address(f"fd00:1::{n + 1:x}"))[: 1 + n % 2],
        f"02:45:56:02:00:{n:02x}",
        at="lb1" if n % 3 else None,
    )
    for n in range(12)
]
POOLS = st.lists(st.sets(st.sampled_from(BACKENDS), max_size=6), min_size=1, max_size=3)
GUARDS = st.builds(
    Guard,
    st.none() | st.just(100),
    st.sets(st.integers(0, 255), max_size=4).map(
        lambda found: tuple(PrefixRate(ip_network(f"192.0.{n}.0/24"), 5) for n in sorted(found))
    ),
)
ITEMS = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from(list(Protocol)), st.sampled_from(list(Mode)),
        st.sampled_from(list(Affinity)), GUARDS, st.integers(0, 2),
    ),
    max_size=8,
)  # fmt: skip
ADDRESSES = ("10.0.0.100", "10.0.0.101", "fd00::100")


def switch(
    name: str, number: int, kind: str, roles: set[Role], ports: list[str], routes: list[Route]
) -> Switch:
    return Switch(
        name, kind, number, "east", frozenset(roles), f"02:45:56:01:00:{number:02x}",
        ports=tuple(Port(n, to) for n, to in enumerate(ports, start=1)),
        local=(ip_network(f"10.3.{number}.0/28"), ip_network(f"fd00:3:{number}::/64")),
        gateway_mac="02:45:56:00:00:fe", tunnel_port=50,
        p4runtime=None if kind == "ovs" else "192.0.2.1:9559", routes=tuple(routes),
    )  # fmt: skip


@st.composite
def intents(draw: st.DrawFn) -> Intent:
    pools = tuple(
        Pool(f"p{n}", tuple(sorted(found, key=lambda b: b.name)), max_backends=2)
        for n, found in enumerate(draw(POOLS))
    )
    items: list[list[Listener]] = [[], [], []]
    for port, (vip, protocol, mode, affinity, guard, pool) in enumerate(draw(ITEMS), start=1):
        name = pools[pool % len(pools)].name
        items[vip].append(Listener(f"v{vip}", protocol, port, name, mode, 1000 + port, affinity, guard))
    vips = tuple(
        Vip(f"v{n}", ip_address(ADDRESSES[n]), "02:45:56:00:01:01", ("east",), tuple(found))
        for n, found in enumerate(items)
    )
    hosts = draw(st.lists(st.sampled_from(["s1", "s2", "s3", "segment", "edge1"]), max_size=5))
    some = st.sets(st.sampled_from(hosts or ["s1"]), min_size=1)
    routes = [
        Route(ip_network(f"10.7.{n}.0/24"), tuple(via), None if len(via) > 1 else f"02:45:56:07:00:{n:02x}")
        for n, via in enumerate(draw(st.lists(some, max_size=4)))
    ]
    kind = draw(st.sampled_from(["ovs", "embedded"]))
    roles = draw(st.sets(st.sampled_from(list(Role)), min_size=1))
    lb1 = switch("lb1", 1, kind, roles, hosts, [] if kind == "ovs" else routes)
    edge1 = switch("edge1", 2, "embedded", {Role.EDGE}, ["lb1", "segment"], [])
    site = Site("east", (), (ip_network("10.9.0.0/24"), ip_network("fd00:9::/64")))
    return Intent((site,), (lb1, edge1), pools, vips)


@settings(deadline=None, max_examples=30)
@given(intents())
def test_what_is_reckoned_is_never_less_than_what_is_planned(intent: Intent) -> None:
    assert_reckoned(intent)


@pytest.mark.parametrize("kind", ["ovs", "embedded"])
@pytest.mark.parametrize("name", ["fabric", "pair", "single", "demo"])
def test_shipped_labs_need_what_is_planned_and_have_room(name: str, kind: model.SwitchKind) -> None:
    text = lab_intent.dump(lab_intent.intent(plan(model.load(name).of_kind(kind))))
    intent = load_text(text, "f")
    assert too_much(intent) == []
    assert_reckoned(intent)


def test_sizes_are_those_of_the_compiled_program() -> None:
    from finsy.proto import p4i

    info = text_format.Parse(P4INFO.read_text(), p4i.P4Info())
    assert {table.preamble.alias: table.size for table in info.tables} == TABLES
    sizes = {register.preamble.alias: register.size for register in info.registers}
    assert sizes["authority"] == MOST_VIPS + 1


def test_meters_of_guards_end_with_the_ids_that_are_ours() -> None:
    assert Meters.GUARDS + MOST_GUARDS == MOST_METERS - 1


def base(**more: Any) -> Intent:
    """One P4 lb switch and one VIP of one nat listener."""
    lb1 = switch("lb1", 1, more.pop("kind", "embedded"), {Role.LB}, [], [])
    pool = Pool("p", (Backend("s1", (ip_address("10.1.0.1"),)),), max_backends=2)
    item = Listener("v", Protocol.TCP, 80, "p", Mode.NAT, 80)
    vip = Vip("v", ip_address("10.0.0.100"), "02:45:56:00:01:01", ("east",), (item,))
    return replace(Intent((Site("east"),), (lb1,), (pool,), (vip,)), **more)


def listeners(count: int, pool: str = "p", guard: Guard = Guard()) -> tuple[Vip, ...]:  # noqa: B008
    """VIPs that have so many nat listeners together."""
    made = []
    for start in range(0, count, 10_000):
        ports = range(1, min(10_000, count - start) + 1)
        name = f"v{start}"
        found = tuple(Listener(name, Protocol.TCP, port, pool, Mode.NAT, port, guard=guard) for port in ports)
        made.append(Vip(name, ip_address(0x0A000064 + start), "02:45:56:00:01:01", ("east",), found))
    return tuple(made)


def pools(count: int, backends: int, slots_for: int = 2) -> tuple[Pool, ...]:
    return tuple(
        Pool(
            f"p{n}",
            tuple(Backend(f"s{n}-{m}", (ip_address("10.1.0.1"),)) for m in range(backends)),
            slots_for,
        )
        for n in range(count)
    )


def one_each(count: int) -> tuple[Vip, ...]:
    """One VIP with a listener for each of so many pools."""
    items = tuple(Listener("v", Protocol.TCP, n + 1, f"p{n}", Mode.DR, n + 1) for n in range(count))
    return (Vip("v", ip_address("10.0.0.100"), "02:45:56:00:01:01", ("east",), items),)


PREFIXES = tuple(PrefixRate(ip_network((0x0A000000 + (n << 8), 24)), 5) for n in range(4097))


def listed(count: int, prefixes: int) -> tuple[Vip, ...]:
    """A VIP with so many listeners and a list that holds for all of them."""
    block = tuple(ip_network((0x0A000000 + (n << 8), 24)) for n in range(prefixes))
    (vip,) = one_each(count)
    items = tuple(replace(item, pool="p") for item in vip.listeners)
    return (replace(vip, listeners=items, access=Access((), block)),)


@pytest.mark.parametrize(
    ("intent", "tables"),
    [
        (base(), set()),
        (base(vips=listeners(8192)), set()),
        (base(vips=listeners(8193)), {"listener"}),
        (base(vips=listeners(1, guard=Guard(None, PREFIXES[:4096]))), set()),
        (base(vips=listeners(1, guard=Guard(None, PREFIXES))), {"guard_source"}),
        (base(vips=listed(4, 4096)), set()),
        (base(vips=listed(5, 3277)), {"access"}),
        (base(kind="ovs", vips=listed(5, 3277)), {"access"}),
        (base(vips=one_each(40), pools=pools(40, 400)), set()),
        (base(vips=one_each(50), pools=pools(50, 400)), {"fate", "backend", "session"}),
        (base(vips=one_each(16), pools=pools(16, 1, 655)), set()),
        (base(vips=one_each(17), pools=pools(17, 1, 655)), {"slot"}),
        (base(kind="ovs", vips=listeners(3, guard=Guard(5, PREFIXES[:3600]))), {"meters"}),
        (base(kind="ovs", vips=listeners(2, guard=Guard(5, PREFIXES[:3600]))), set()),
    ],
)
def test_the_table_that_is_too_small_is_named(intent: Intent, tables: set[str]) -> None:
    found = too_much(intent)
    assert {need.table for need in found} == tables
    assert all(need.need > need.size > 0 and need.switch == "lb1" and need.right for need in found)


def test_removed_backends_that_are_still_remembered_count() -> None:
    intent = base(vips=one_each(40), pools=pools(40, 200))
    assert too_much(intent) == []
    assert {need.table for need in too_much(intent, {"p0/tcp": 9000})} == {"fate", "backend", "session"}


def test_meter_names_are_what_is_counted() -> None:
    intent = base(kind="ovs", vips=listeners(2, guard=Guard(5, PREFIXES[:10])))
    (need,) = (need for need in needs(intent) if need.table == "meters")
    assert need == Need("lb1", "meters", len(demand(intent)[Space.METER]), MOST_GUARDS, need.right)


def test_check_names_table_need_size_and_what_to_change() -> None:
    prefixes = ", ".join(f"10.9.{n >> 8}.{n & 255}/32" for n in range(257))
    text = (DATA / "base.yaml").read_text().replace("bypass: [10.9.0.0/24]", f"bypass: [{prefixes}]")
    with pytest.raises(ConfigErrors) as raised:
        load_text(text, "f")
    (error,) = raised.value
    assert str(error).startswith("f:20:12: ")
    assert error.message == 'switch "p1" needs 257 entries in bypass, which holds 256'
    assert error.hint == "bypass shorter prefixes that hold several"
