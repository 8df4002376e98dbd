"""Metrics of a controller that runs switches: scraped as Prometheus does, while clients talk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.metrics import families as all_of
from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab
from tests.lab.long_connections import LongConnections
from tests.lab.scrape import OPTIONS, ask, scrape, scraped
from topo import model
from topo.model import SwitchKind

pytestmark = pytest.mark.lab

MODES = ("dr", "nat")
PACKETS = "evenkeel_backend_packets_total"
BYTES = "evenkeel_backend_bytes_total"
BUSY = 60.0
"""Seconds that a busy machine may take."""
EXITS = ("Exits beside the switches", "Discovery", "Routes", "Layer-7 tier")
"""Groups of metrics that an intent without exits has none of."""


@pytest.fixture(scope="module", params=["ovs", "embedded"])
def served(request: pytest.FixtureRequest, make_lab: MakeLab) -> Iterator[Balanced]:
    kind: SwitchKind = request.param
    with Balanced(make_lab(model.load("pair").of_kind(kind)), OPTIONS) as balanced:
        yield balanced


@pytest.fixture(scope="module")
def kind(served: Balanced) -> str:
    return served.lab.fabric.switches["lb1"].kind


def test_counters_of_backends_grow_by_what_clients_send(served: Balanced) -> None:
    lab = served.lab
    before = scrape(lab)
    with LongConnections(lab) as long:
        long.open(8, MODES)
        long.talk(pause=0.05)
        scraped(lab, lambda now: now.total(PACKETS) > before.total(PACKETS), "packets are counted", BUSY)
        long.hush()
        assert not long.broken()
        words, servers = sum(each.said for each in long.all), {each.server for each in long.all}
        least, most = words + 2 * len(long.all), 3 * words + 6 * len(long.all)
        after = scraped(
            lab,
            lambda now: now.total(PACKETS) - before.total(PACKETS) >= least,
            f"{least} packets are counted",
            BUSY,
        )
    grown = [each for each in after.of(PACKETS) if each.value > before.total(PACKETS, **each.labels)]
    assert servers == {each.labels["backend"] for each in grown}
    assert {each.labels["vip"] for each in grown} == {"shop", "api"}
    assert {each.labels["switch"] for each in grown} <= {"lb1", "lb2"}
    packets = after.total(PACKETS) - before.total(PACKETS)
    assert packets <= most, "no packet is counted twice"
    assert 40 * packets < after.total(BYTES) - before.total(BYTES) < 1500 * packets


def test_what_is_shown_is_declared_and_most_of_what_is_declared_is_shown(served: Balanced, kind: str) -> None:
    now = scrape(served.lab)
    declared = {name: family for family in all_of.ALL for name in family.samples}
    assert now.samples.keys() <= declared.keys()
    for name, rows in now.samples.items():
        for row in rows:
            assert row.labels.keys() - {"le"} <= set(declared[name].labels), name
    shared = {all_of.LEASE, all_of.STANDBY, all_of.FIT, all_of.CONDITION, all_of.SITE_UNSYNCED}
    seldom = {all_of.GUARD, all_of.DENIED, all_of.FENCE, all_of.FENCE_OPEN, all_of.REPORTS}
    of_p4 = {all_of.SWITCH_DROPS, all_of.LINK}
    of_agents = {
        all_of.PLACE_COUNTS,
        all_of.PLACE_UP,
        all_of.PLACE_DIFFERS,
        *all_of.OF_AGENTS,
        *all_of.OF_NAMESERVERS,
    }
    of_keys = {all_of.SERVER_CONNECTIONS, all_of.SERVER_AGE, all_of.SERVER_SILENT, all_of.SPLIT}
    seldom |= {all_of.CERTIFICATE, all_of.SPANS}  # neither TLS nor traces are used here
    of_exits = {each for group in EXITS for each in all_of.GROUPS[group]}
    expected = (
        set(all_of.ALL)
        - shared
        - seldom
        - of_exits
        - of_agents
        - of_keys
        - (of_p4 if kind == "ovs" else set())
    )
    assert {family.name for family in expected if family.samples[0] not in now.samples} == set()


def test_figures_are_those_of_the_status(served: Balanced) -> None:
    lab = served.lab
    status = served.status()
    now = scraped(
        lab,
        lambda now: now.value("evenkeel_store_revision") == served.status()["revision"],
        "both are of one commit",
    )
    for name, switch in status["switches"].items():
        assert now.value("evenkeel_switch_connected", switch=name) == switch["connected"]
        assert now.value("evenkeel_switch_entries", switch=name) == switch["entries"]
        assert now.value("evenkeel_switch_write_seconds_count", switch=name) >= 1
    for key, pool in status["pools"].items():
        name, _, protocol = key.partition("/")
        assert now.value("evenkeel_pool_slots", pool=name, protocol=protocol) == pool["slots"]
        for backend, each in pool["backends"].items():
            where = {"pool": name, "backend": backend}
            assert now.value("evenkeel_backend_slots", protocol=protocol, **where) == each["slots"]
            assert now.value("evenkeel_backend_up", **where) == each["up"]
            assert 0 < now.value("evenkeel_backend_probe_latency_seconds", **where) < 1
    assert now.value("evenkeel_term") == status["term"]
    assert now.value("evenkeel_vip_owner", vip="shop", site="east") == 1
    assert 0 < now.value("evenkeel_vip_authority_remaining_seconds", vip="shop") <= 30
    assert now.value("evenkeel_probe_seconds_count", outcome="pass") > 0
    assert now.value("evenkeel_probe_lateness_seconds_count") > 0
    assert now.value("evenkeel_events_total", event="started") == 1
    assert (ask(lab, "/healthz"), ask(lab, "/readyz")) == ((200, "alive\n"), (200, "leads\n"))


def test_a_dead_lb_switch_is_seen_and_its_counters_end_rather_than_stand_still(served: Balanced) -> None:
    lab = served.lab
    assert list(scrape(lab).of(PACKETS, switch="lb2"))
    lab.fail("lb2")
    now = scraped(
        lab,
        lambda now: (
            not now.value("evenkeel_switch_connected", switch="lb2")
            and not now.value("evenkeel_switch_admitted", switch="lb2")
        ),
        "it is away",
        BUSY,
    )
    assert not list(now.of(PACKETS, switch="lb2"))
    assert now.value("evenkeel_switch_connected", switch="lb1") == 1
    lab.heal("lb2")
    scraped(lab, lambda now: now.value("evenkeel_switch_admitted", switch="lb2"), "it is back", BUSY)
