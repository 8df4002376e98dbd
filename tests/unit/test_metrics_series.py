"""Figures as series: each declared metric is shown by some controller, with the values that it was made from."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from controller.core.agentwords import ServerStatus
from controller.core.fences import FenceStatus
from controller.core.hello import LinkStatus
from controller.core.probeplaces import PlaceStatus
from controller.core.shown import (
    AtRisk,
    BackendStatus,
    ConnectionsStatus,
    CountedStatus,
    ExitStatus,
    ListenerStatus,
    PoolStatus,
    SiteStatus,
    Snapshot,
    SwitchStatus,
    VipStatus,
)
from controller.health.places import Seen
from controller.health.prober import ProberStats
from controller.metrics.families import ALL, OF_AGENTS, OF_NAMESERVERS
from controller.metrics.figures import Figures, ProcessFigures, Serving, Standing, SwitchFacts, SwitchFigures
from controller.metrics.observations import Observations
from controller.metrics.series import rendered
from controller.plan.standby import SubsetStatus

ODD = 'a "b"\\c'
"""A name as no intent has it: text must stay whole whatever names become."""


ROUTES: dict[str, dict[str, str | int | float | bool | None]] = {
    "sp1": {"state": "synced"},
    "sp1 shop": {"up": True, "owner": True, "site": True, "lb": False, "service": True},
    "sp1 bgp 10.5.1.1": {"up": True, "told": 3},
    "sp1 bfd 10.5.1.1%eth0": {"up": False},
}


def backend(up: bool | None, weight: int = 1, state: str = "normal") -> BackendStatus:
    return BackendStatus(7, weight, 100, state, up, "", 1.0)


def pool(**backends: BackendStatus) -> PoolStatus:
    return PoolStatus(backends, 3, 256, "own", "", None, 4, 5, None, "", 6, False)


def snapshot() -> Snapshot:
    fence = FenceStatus(True, True, 1.0, 0.3, "", False)
    edge = SwitchStatus(True, False, True, "", entries=9, fence={"f0": fence}, unsent=2)
    lb = SwitchStatus(
        True,
        True,
        True,
        "",
        entries=10,
        conflicts=("here",),
        drops={"guard": 11},
        problem="slow",
        links={"3": LinkStatus("leaf1", 2, True, True, 5)},
    )
    agent = ServerStatus("50%", 2.0, True, "", 44)
    web = pool(
        s1=replace(backend(True), factor=0.5, agent=agent),
        s2=backend(False),
        s3=backend(None, 0),
        s4=backend(False, 1, "removed"),
    )
    return Snapshot(
        at=1.0,
        term=2,
        revision=3,
        store="",
        ahead=15,
        intent_errors=("wrong",),
        switches={"edge1": edge, "lb1": lb, "lb2": SwitchStatus(False, False, False, "")},
        strangers=("0x7",),
        pools={
            "web/tcp": replace(web, split={"canary": SubsetStatus(10, 1, 1, 0.1)}),
            "shop/tcp/80 web/tcp": pool(s1=backend(True)),
        },
        vips={
            "shop": VipStatus("east", "east", "home", "home"),
            "api": VipStatus(None, "west", "moves", "moves"),
            "ads": VipStatus(None, "", "none can", "nothing"),
        },
        drained_sites=("west",),
        sites={"east": SiteStatus(True, {}, 5.0, 6, False), "west": SiteStatus(False, {}, None, 0, True)},
        listeners={
            "shop/tcp/80": ListenerStatus(
                "shop/tcp/80 web/tcp",
                False,
                {
                    ODD: CountedStatus(19, 20, ConnectionsStatus(29, 30, 31.5, 32.5, 33.5)),
                    "s2": CountedStatus(1, 1),
                },
            ),
            "old": ListenerStatus("web/tcp", True, {}),
        },
        pins=12,
        unsynced=13,
        at_risk=AtRisk({}, {}, 14, ("lb1",)),
        guard={},
        denied={},
        reports={"exception": 15},
        hellos={"sent": 16},
        places={
            "east1": PlaceStatus("east", True, "", 0.5, 2, {"web": ("s2",)}),
            "west1": PlaceStatus("west", False, "it is silent", None, 0, {}),
        },
        probes_pending=17,
        probe_problems=("no route",),
        events_dropped=0,
        exits={
            "routes": ExitStatus(False, "no engine", 18, 19, ROUTES),
            "discovery": ExitStatus(
                True,
                "",
                20,
                0,
                {
                    "*": {"clients": 3, "refusing": 1, "refusals": 2, "cut": 4},
                    "shop": {"clients": 3, "clusters": 1, "servers": 5, "parked": 1},
                    "client c1": {"refused": "routes"},
                },
            ),
            "names": ExitStatus(True, "", 20, 0, {"shop.example.net": {"candidates": 31, "live": 30}}),
            "tier": ExitStatus(True, "", 1, 2, TIER),
        },
    )


TIER: dict[str, dict[str, str | int | float | bool | None]] = {
    "web/hap1": {"state": "serves", "sessions": 3, "requests": 40, "errors": 1},
    "web/hap2": {"state": "not reached", "sessions": None},
    "web/hap1/site/w1": {
        **{"state": "UP 1/3", "weight": 7, "sessions": 2, "requests": 30},
        **{"errors": 1, "retries": 4},
    },
    "web/hap1/site/w2": {"state": "DOWN", "weight": None, "sessions": 0},
}


def serving() -> Serving:
    return Serving(
        snapshot=snapshot(),
        age=0.5,
        switches={
            "edge1": SwitchFigures(0, None, {}),
            "lb1": SwitchFigures(
                18,
                {(1, 7): (19, 20), (1, 99): (1, 1), (98, 7): (1, 1)},
                {("shop/tcp/80", "10.0.0.0/8"): 21},
                {"shop/tcp/80": 28},
            ),
        },
        facts={
            "edge1": SwitchFacts("east", "ovs", "edge", False),
            "lb1": SwitchFacts("east", "embedded", "lb", True),
            "lb2": SwitchFacts("west", "ovs", "lb", True),
        },
        listeners={1: "shop/tcp/80"},
        vips={"shop/tcp/80": "shop"},
        backends={7: ODD},
        sites=("east", "west"),
        conditions={("east", "edges"): True, ("west", "edges"): False},
        authority={"shop": 22.5},
        latencies={("web", "s1"): 0.0023},
        prober=ProberStats(3, 0.0, 0.0, 23, 24, 0, 0.0, 1, {0: 2, 60: 1}),
        views={"east1": {("web", "s1"): Seen(True), ("web", "s2"): Seen(True)}},
    )


def figures() -> Figures:
    seen = Observations()
    seen.event("converged", {"switch": "lb1", "ms": 30.0})
    seen.event("repaired", {"switch": "lb1", "missing": 25})
    seen.event("table", {"pool": "web/tcp", "moved": 26})
    seen.commit(0.5)
    seen.spans = lambda: {"made": 29, "sent": 30, "failed": 31}
    standing = Standing(True, True, "leads", True, "east", "", 2.5)
    return Figures(
        "1.2.3",
        standing,
        seen.taken(),
        ProcessFigures(1.5, 2, 3, 4, 5.0, {("--api-cert", "a.pem"): 6.0}),
        serving(),
        27,
    )


def shown(figures: Figures) -> dict[str, dict[str, float]]:
    """Name -> labels as text -> value."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(rendered(figures).decode()):
        for each in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in each.labels.items())
            found.setdefault(each.name, {})[labels] = each.value
    return found


def test_each_declared_metric_is_shown_by_a_leader_or_a_standby_and_no_other() -> None:
    waits = replace(
        figures(), serving=None, standing=Standing(False, True, "stands by", True, "west", "east", 0.0)
    )
    leads, stands_by = shown(figures()), shown(waits)
    declared = {
        name for family in ALL for name in family.samples if family not in (*OF_AGENTS, *OF_NAMESERVERS)
    }
    assert leads.keys() | stands_by.keys() == declared
    assert stands_by["evenkeel_leader"] == {"": 0}
    assert stands_by["evenkeel_standby_info"] == {"controller=west,leader=east": 1}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("evenkeel_backend_packets_total", {f"switch=lb1,vip=shop,listener=shop/tcp/80,backend={ODD}": 19}),
        ("evenkeel_backend_bytes_total", {f"switch=lb1,vip=shop,listener=shop/tcp/80,backend={ODD}": 20}),
        ("evenkeel_backend_connections_opened_total", {f"vip=shop,listener=shop/tcp/80,backend={ODD}": 29}),
        ("evenkeel_backend_connections_ended_total", {f"vip=shop,listener=shop/tcp/80,backend={ODD}": 30}),
        ("evenkeel_backend_connections_live", {f"vip=shop,listener=shop/tcp/80,backend={ODD}": 31.5}),
        ("evenkeel_backend_connections_live_error", {f"vip=shop,listener=shop/tcp/80,backend={ODD}": 32.5}),
        ("evenkeel_guard_dropped_packets_total", {"switch=lb1,vip=shop,listener=shop/tcp/80,prefix=10.0.0.0/8": 21}),
        ("evenkeel_trace_spans_total", {"outcome=made": 29, "outcome=sent": 30, "outcome=failed": 31}),
        ("evenkeel_access_denied_packets_total", {"switch=lb1,vip=shop,listener=shop/tcp/80": 28}),
        ("evenkeel_pool_backends", {"pool=web,protocol=tcp": 2, "pool=web,protocol=tcp,listener=shop/tcp/80": 1}),
        ("evenkeel_pool_backends_down", {"pool=web,protocol=tcp": 1, "pool=web,protocol=tcp,listener=shop/tcp/80": 0}),
        ("evenkeel_pool_slots_moved_total", {
            "pool=web,protocol=tcp": 26, "pool=web,protocol=tcp,listener=shop/tcp/80": 0,
        }),
        ("evenkeel_backend_up", {"pool=web,backend=s1": 1, "pool=web,backend=s2": 0}),
        ("evenkeel_backend_agent_connections", {"pool=web,backend=s1": 44}),
        ("evenkeel_backend_agent_age_seconds", {"pool=web,backend=s1": 2.5}),
        ("evenkeel_backend_agent_silent", {"pool=web,backend=s1": 1}),
        ("evenkeel_pool_split_share", {"pool=web,protocol=tcp,subset=canary": 0.1}),
        ("evenkeel_place_counts", {"place=east1,site=east": 1, "place=west1,site=west": 0}),
        ("evenkeel_place_backend_up", {
            "place=east1,site=east,pool=web,backend=s1": 1, "place=east1,site=east,pool=web,backend=s2": 1,
        }),
        ("evenkeel_place_differs", {"place=east1,site=east,pool=web": 1}),
        ("evenkeel_vip_away", {"vip=shop": 0, "vip=api": 1, "vip=ads": 0}),
        ("evenkeel_vip_owner", {
            "vip=shop,site=east": 1, "vip=shop,site=west": 0, "vip=api,site=east": 0, "vip=api,site=west": 0,
            "vip=ads,site=east": 0, "vip=ads,site=west": 0,
        }),
        ("evenkeel_switch_admitted", {"switch=lb1": 1, "switch=lb2": 0}),
        ("evenkeel_switch_link_up", {"switch=lb1,port=3,to=leaf1": 0}),
        ("evenkeel_switch_fence_claimed", {"switch=edge1,interface=f0": 1}),
        ("evenkeel_site_condition", {"site=east,condition=edges": 1, "site=west,condition=edges": 0}),
        ("evenkeel_site_drained", {"site=east": 0, "site=west": 1}),
        ("evenkeel_switch_packets_unsent_total", {"switch=edge1": 2, "switch=lb1": 0}),
        ("evenkeel_probe_lateness_seconds_count", {"": 3}),
        ("evenkeel_lease_remaining_seconds", {"": 2.5}),
        ("evenkeel_tier_reached", {"tier=web,instance=hap1": 1, "tier=web,instance=hap2": 0}),
        ("evenkeel_tier_clients", {"tier=web,instance=hap1": 3}),
        ("evenkeel_tier_server_up", {
            "tier=web,instance=hap1,pool=site,server=w1": 1, "tier=web,instance=hap1,pool=site,server=w2": 0,
        }),
        ("evenkeel_tier_server_weight", {"tier=web,instance=hap1,pool=site,server=w1": 7}),
        ("evenkeel_discovery_refusals_total", {"": 2}),
        ("evenkeel_discovery_service_servers_parked", {"service=shop": 1}),
        ("evenkeel_listener_info", {
            "listener=shop/tcp/80,vip=shop,pool=web,protocol=tcp": 1, "listener=old,pool=web,protocol=tcp": 1,
        }),
    ],
)  # fmt: skip
def test_values_and_labels_are_those_of_the_figures(name: str, expected: dict[str, float]) -> None:
    assert shown(figures())[name] == expected


def test_what_has_not_happened_yet_is_shown_as_zero_so_that_the_first_time_is_seen() -> None:
    drift = shown(figures())["evenkeel_switch_drift_repaired_total"]
    assert drift["switch=lb1,drift=missing"] == 25
    assert drift["switch=lb2,drift=unexpected"] == 0
    assert shown(figures())["evenkeel_events_total"]["event=failure"] == 0
