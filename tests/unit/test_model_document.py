"""The canonical document of an intent: reading it gives the same intent, whatever the intent holds."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.model.backups import with_backups
from controller.model.document import document, format_octets, format_share
from controller.model.load import load_intent, load_text
from controller.model.plain import DocumentErrors, load_plain
from controller.model.sharing import sharing
from controller.model.units import parse_octets, parse_share
from controller.spec.access import OPEN, Access
from controller.spec.agents import Agent, Lease
from controller.spec.health import HealthCheck, ProbeKind
from controller.spec.moves import Moves
from controller.spec.policy import Amount, Budget, Failback, Failover, OnDown, Then, Zones
from controller.spec.pool import Subset
from controller.spec.scheduling import Adaptive, Scheduler
from controller.spec.serveragent import AgentCheck, AgentKind
from controller.spec.spread import PoolSpread
from controller.spec.types import Backend, Guard, Pool, PrefixRate
from tests.fakes import core

DATA = Path(__file__).parent / "data"
GOOD = load_intent(DATA / "good.yaml")

TIMES = st.integers(1, 60_000_000).map(lambda ms: ms / 1000)
SHARES = st.floats(0, 1)
FATES = st.sampled_from((Then.MOVE, Then.RESET))
POLICIES = st.builds(OnDown, st.floats(0, 86400).map(lambda x: round(x, 3)), FATES)


@st.composite
def checks(draw: st.DrawFn) -> HealthCheck:
    kind = draw(st.sampled_from(ProbeKind))
    timeout, more = draw(st.floats(0.001, 5)), draw(st.floats(0.01, 5))
    check = HealthCheck(
        kind=kind,
        interval=timeout + more,
        timeout=timeout,
        rise=draw(st.integers(1, 1000)),
        fall=draw(st.integers(1, 1000)),
        flap_limit=draw(st.integers(1, 1000)),
        flap_window=draw(st.floats(0.1, 86400)),
    )
    if kind is not ProbeKind.ICMP:
        check = replace(check, port=draw(st.none() | st.integers(1, 65535)))
    if kind in (ProbeKind.HTTP, ProbeKind.HTTPS):
        ranges = st.tuples(st.integers(100, 350), st.integers(350, 599))
        check = replace(
            check,
            path=draw(st.sampled_from(("/", "/up?a=1&b=on"))),
            host=draw(st.none() | st.sampled_from(("on", "shop.example:8080", "[fd00::1]"))),
            statuses=tuple(draw(st.lists(ranges, min_size=1, max_size=3))),
            body=draw(st.none() | st.sampled_from(("ok", "0x10", "(true|1.0)"))),
        )
    if kind is ProbeKind.HTTPS:
        check = replace(check, verify=draw(st.booleans()))
    if kind is ProbeKind.UDP:
        check = replace(
            check, send=draw(st.binary(max_size=9)), expect=draw(st.none() | st.binary(max_size=9))
        )
    return check


LABELS = st.dictionaries(
    st.sampled_from(("team", "null", "1", "example.com/on")), st.sampled_from(("", "true", "1.50", "a_b"))
).map(lambda found: tuple(sorted(found.items())))


@st.composite
def backends(draw: st.DrawFn, number: int) -> Backend:
    addresses: tuple[Any, ...] = (IPv4Address(f"10.9.0.{number}"),)
    if draw(st.booleans()):
        addresses = (*addresses, IPv6Address(f"fd00::9:{number}"))
    return Backend(
        name=f"on{number}" if draw(st.booleans()) else str(number),
        addresses=addresses if draw(st.booleans()) else addresses[::-1],
        mac=draw(st.none() | st.just(f"02:45:56:09:00:{number:02x}")),
        weight=draw(st.integers(0, 65535)),
        group=draw(st.integers(0, 65535)),
        drain=draw(st.booleans()),
        zone=draw(st.none() | st.sampled_from(("null", "z1"))),
        labels=draw(LABELS),
    )


AGENTS = st.builds(
    AgentCheck, st.integers(1, 65535), st.just(AgentKind.HTTP), st.sampled_from(("/", "/n?a=1"))
)
ADAPTIVE = st.builds(
    Adaptive,
    st.integers(1, 100).map(float),
    st.integers(0, 100).map(float),
    SHARES,
    st.integers(1, 9000).map(float),
    st.floats(0.01, 1.0),
    st.floats(1.0, 100.0),
)
AMOUNTS = (
    st.none() | st.builds(Amount, st.integers(0, 10**6).map(float)) | SHARES.map(lambda s: Amount(s, True))
)
BUDGETS = st.builds(Budget, AMOUNTS, AMOUNTS, st.none() | SHARES)


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    memory = draw(st.floats(1, 65535))
    members = tuple(draw(backends(number)) for number in range(1, draw(st.integers(1, 4)) + 1))
    pool = Pool(
        name="drawn",
        backends=members,
        max_backends=draw(st.integers(4, 655)),
        health=draw(checks()),
        memory_timeout=memory,
        transition=draw(st.floats(0, memory)),
        spread=draw(st.sampled_from(PoolSpread)),
        budget=draw(BUDGETS),
        labels=draw(LABELS),
    )
    if draw(st.booleans()):
        return replace(pool, failover=Failover(draw(st.sampled_from(Failback))))
    pool = replace(
        pool,
        on_down_tcp=draw(POLICIES),
        on_down_udp=draw(POLICIES),
        drain_timeout=draw(TIMES.map(lambda s: min(s, 86400.0))),
        drain_then=draw(st.sampled_from(Then)),
        panic_threshold=draw(SHARES),
        spill_below=draw(SHARES),
        zones=draw(st.sampled_from(Zones)),
        agent=draw(AGENTS),
        scheduler=draw(st.sampled_from(Scheduler)),
        slow_start=draw(st.integers(0, 3600).map(float)),
        budget=draw(BUDGETS),
    )
    if draw(st.booleans()):
        reals = tuple(replace(real, subset="a" if n % 2 else "b") for n, real in enumerate(pool.backends))
        labels = draw(st.sampled_from(((), (("track", "1"),))))
        parts = tuple(
            Subset(name, draw(st.integers(1, 65535)), labels) for name in ("a", "b")[2 - min(2, len(reals)) :]
        )
        pool = replace(pool, zones=Zones.WEIGHTS, backends=reals, split=parts)
    if pool.scheduler.adapts:
        return replace(pool, adaptive=draw(ADAPTIVE))
    return replace(
        pool, agent=draw(st.none() | st.just(pool.agent)), health=draw(st.none() | st.just(pool.health))
    )


AMOUNTS = (
    st.none() | st.integers(0, 999_999_999).map(float).map(Amount) | SHARES.map(partial(Amount, share=True))
)
BUDGETS = st.builds(Budget, AMOUNTS, AMOUNTS, st.none() | SHARES)


def inherited(own: Budget, whole: Budget) -> Budget:
    """What a pool does not say, the document's says for it."""
    pairs = ((getattr(own, each.name), getattr(whole, each.name)) for each in fields(Budget))
    return Budget(*(one if one is not None else other for one, other in pairs))


GUARDS = st.builds(
    Guard,
    st.none() | st.integers(1, 2**32 - 1),
    st.sampled_from(
        ((), (PrefixRate(ip_network("192.0.2.0/24"), 5), PrefixRate(ip_network("10.0.0.0/8"), 1)))
    ),
)


LISTS = st.sampled_from(
    (
        Access((), (ip_network("192.0.2.0/24"), ip_network("198.51.100.7/32"))),
        Access((ip_network("10.0.0.0/8"),), (ip_network("0.0.0.0/0"),)),
    )
)


@settings(max_examples=60, deadline=None)
@given(
    pools(),
    GUARDS,
    st.just(OPEN) | LISTS,
    st.none() | LISTS,
    st.builds(Moves, st.booleans(), st.floats(0, 65535), st.floats(0, 65535)),
    st.booleans(),
    BUDGETS,
)
def test_reading_the_document_of_an_intent_gives_the_intent(
    pool: Pool, guard: Guard, access: Access, own: Access | None, moves: Moves, empty: bool, budget: Budget
) -> None:
    vip = GOOD.vips[0]
    first = replace(vip.listeners[0], guard=guard, access=own)
    vip = replace(vip, listeners=(first, *vip.listeners[1:]), access=access)
    made = (replace(each, budget=inherited(each.budget, budget)) for each in (*GOOD.pools, pool))
    intent = replace(
        GOOD,
        pools=tuple(made),
        vips=(vip, *GOOD.vips[1:]),
        moves=moves,
        allow_empty=empty,
        budget=budget,
    )
    said = document(intent)
    assert load_plain(said) == intent
    assert document(load_plain(json.loads(json.dumps(said)))) == said


@pytest.mark.parametrize("kind", ["ovs", "embedded"])
@pytest.mark.parametrize("name", ["single", "pair", "fabric", "soak", "two-site"])
def test_the_intents_of_labs_have_a_document(name: str, kind: Any) -> None:
    intent = core.loaded(name, kind)
    assert load_plain(document(intent)) == intent


def test_agents_and_their_lease_are_in_the_document() -> None:
    intent = core.loaded("two-site")
    number = iter(range(1, 9))
    sites = tuple(
        replace(site, agents=(Agent(f"{site.name}-a", (f"192.0.2.{next(number)}:7654",)),))
        for site in intent.sites
    )
    intent = replace(intent, sites=sites, lease=Lease(authority=2.75, drift=0.002))
    assert load_plain(document(intent)) == intent


def test_budgets_are_in_the_document_once() -> None:
    budget = Budget(max_unavailable=Amount(0.25, share=True))
    intent = load_plain({**document(core.loaded("pair")), "budget": {"max_unavailable": "25%"}})
    assert intent.pools[0].budget == intent.budget == budget
    assert "budget" not in document(intent)["pools"][0]
    assert load_plain(document(intent)) == intent


def test_backends_of_a_backup_are_in_its_own_pool_alone() -> None:
    text = core.text("pair")
    end = "vips:\n"
    real = "{name: sorry1, addresses: [10.1.0.99, 'fd00:0:0:1::99'], mac: '02:45:56:02:00:99'}"
    sorry = f"- name: sorry\n  backends:\n  - {real}\n"
    found = load_text(text.replace(end, sorry + end), "f")
    web = replace(found.pools[0], backup="sorry")
    intent = replace(found, pools=with_backups((web, *found.pools[1:])))
    assert any(real.home for real in intent.pools[0].backends)
    assert load_plain(document(intent)) == intent


@given(st.floats(0, 1))
def test_a_share_is_read_as_it_was(share: float) -> None:
    assert parse_share(format_share(share)) == share


@given(st.binary() | st.text().map(lambda text: text.encode(errors="surrogatepass")))
def test_octets_are_read_as_they_were(octets: bytes) -> None:
    assert parse_octets(format_octets(octets)) == octets


def test_errors_name_the_path_the_problem_and_what_would_be_right() -> None:
    said = document(GOOD)
    said["pools"][0]["backends"][0]["weight"] = 70000
    said["vips"].append(said["vips"][0])
    said["switches"][0]["ports"] = {"70000": "edge1"}
    said["pols"] = []
    with pytest.raises(DocumentErrors) as caught:
        load_plain(said)
    found = [str(each) for each in caught.value.violations]
    assert "pools[0].backends[0].weight: weight is 70000, write a whole number from 0 to 65535" in found
    assert any(
        each.startswith("switches[0].ports.70000: port number is 70000, write a whole") for each in found
    )
    assert any('the file has the unknown key "pols", did you mean "pools"?' in each for each in found)
    last = len(said["vips"]) - 1
    assert any(
        each.startswith(f"vips[{last}].name: vip") and "(first at vips[0].name)" in each for each in found
    )


def test_what_no_document_holds_is_an_error_of_the_whole() -> None:
    with pytest.raises(DocumentErrors, match="the document"):
        load_plain({})


def test_an_intent_keeps_what_is_no_part_when_it_shares_parts_with_the_one_before() -> None:
    new = replace(GOOD, moves=Moves(preempt=False), allow_empty=True)
    assert sharing(new, GOOD) == new
