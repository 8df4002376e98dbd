"""Routes: what is announced where, with which attributes, and how that changes in time."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.exits.base import Seen
from controller.exits.routes.holding import Holding, Phase, Spacing
from controller.exits.routes.rules import Slot, wishes
from controller.exits.routes.speaker import possible_costs, possible_prefixes
from controller.plan.tables import Tables
from controller.sites.fitness import Condition, Fitness, SiteReport, judge
from controller.sites.fitness import Name as Needs
from controller.sites.placement import SiteState
from controller.spec.routes import (
    Bgp,
    Dampening,
    Neighbor,
    Ospf,
    OspfInterface,
    Preference,
    RoutedVip,
    Routes,
    Speaker,
    Spread,
)
from controller.spec.types import Intent, Role, Site, Switch, Vip

SITES = ("east", "west")
FIT = SiteState(Fitness((Condition(Needs.LBS, met=True, value="1 of 1"),), since=0.0))
UNFIT = SiteState(Fitness((Condition(Needs.LBS, met=False, value="0 of 1"),)))


def _switch(name: str, site: str, number: int) -> Switch:
    return Switch(name, "ovs", number, site, frozenset({Role.LB}), f"02:45:56:01:00:{number:02x}")


def _speaker(name: str, switch: str, number: int) -> Speaker:
    bgp = Bgp(65010, (Neighbor(ip_address(f"10.5.{number}.1"), 65001),))
    interfaces = Ospf((OspfInterface("eth0"),), ip_address("0.0.0.0"))
    return Speaker(name, switch, f"/run/{name}", ip_address(f"10.5.{number}.100"), bgp=bgp, ospf=interfaces)


def _vip(name: str, address: str, owners: tuple[str, ...] = SITES) -> Vip:
    return Vip(name, ip_address(address), "02:45:56:00:01:01", owners, ())


def _intent(**routes: Any) -> Intent:
    switches = (_switch("lb1", "east", 1), _switch("lb2", "east", 2), _switch("lb3", "west", 3))
    speakers = tuple(_speaker(f"sp{n}", f"lb{n}", n) for n in (1, 2, 3))
    vips = (_vip("even", "10.0.0.100"), _vip("odd", "10.0.0.101"), _vip("six", "fd00::100"))
    sites = tuple(map(Site, SITES))
    return Intent(sites, switches, (), vips, routes=Routes(**{"speakers": speakers, **routes}))


def _seen(intent: Intent | None = None, **keys: Any) -> Seen:
    owners = {"even": "east", "odd": "east", "six": "east"}
    usual = Seen(
        1,
        intent or _intent(),
        Tables(),
        {},
        owners,
        frozenset({"lb1", "lb2", "lb3"}),
        frozenset(),
        frozenset(),
        dict.fromkeys(SITES, FIT),
    )
    return replace(usual, **keys)


def _met(seen: Seen, vip: str = "even") -> set[str]:
    return {slot.speaker for slot, wish in wishes(seen).items() if slot.vip == vip and wish.met}


@pytest.mark.parametrize(
    ("keys", "speakers", "on_purpose"),
    [
        ({}, {"sp1", "sp2"}, None),
        ({"sites": None}, {"sp1", "sp2"}, None),
        ({"sites": {}}, {"sp1", "sp2"}, None),
        ({"owners": {"even": "west"}}, {"sp3"}, True),
        ({"owners": {}}, set(), True),
        ({"sites": {"east": UNFIT, "west": FIT}}, set(), False),
        ({"admitted": frozenset({"lb2"})}, {"sp2"}, False),
        ({"absent": frozenset({"lb1"})}, {"sp2"}, False),
        ({"drained": frozenset({"east"})}, set(), True),
        ({"drained": frozenset({"east"}), "admitted": frozenset[str]()}, set(), False),
    ],
)
def test_a_vip_is_announced_while_its_site_is_fit_and_owns_it_and_the_lb_switch_is_in_use(
    keys: dict[str, Any], speakers: set[str], on_purpose: bool | None
) -> None:
    seen = _seen(**keys)
    assert _met(seen) == speakers
    first = wishes(seen)[Slot("sp1", "even")]
    assert on_purpose is None or first.on_purpose == on_purpose
    assert first.met == ("sp1" in speakers)


def test_with_backups_other_fit_sites_announce_it_as_worse_places() -> None:
    found = wishes(_seen(_intent(backups=True, preference=Preference(prepend=2))))
    home, other = found[Slot("sp1", "even")], found[Slot("sp3", "even")]
    assert home.met
    assert other.met
    assert (home.attributes.med, other.attributes.med) == (100, 200)
    assert (home.attributes.cost, other.attributes.cost) == (20, 120)
    assert (home.attributes.local_pref, other.attributes.local_pref) == (200, 190)
    assert (home.attributes.prepend, other.attributes.prepend) == (0, 2)


def test_odd_even_prefers_another_speaker_of_the_site_for_odd_addresses() -> None:
    found = wishes(_seen(_intent(spread=Spread.ODD_EVEN)))
    meds = {slot: wish.attributes.med for slot, wish in found.items()}
    assert (meds[Slot("sp1", "even")], meds[Slot("sp2", "even")]) == (100, 200)
    assert (meds[Slot("sp1", "odd")], meds[Slot("sp2", "odd")]) == (200, 100)
    assert meds[Slot("sp3", "odd")] == 200, "alone at its site it is one step away, by its site"


def test_a_vips_own_preference_and_communities_count() -> None:
    vips = (RoutedVip("even", med=7, cost=9, communities=("65000:20",)),)
    found = wishes(_seen(_intent(vips=vips, communities=("65000:100",))))
    assert {slot.vip for slot in found} == {"even"}
    one = found[Slot("sp1", "even")].attributes
    assert (one.med, one.cost, one.communities) == (7, 9, ("65000:20", "65000:100"))


def test_a_speaker_says_only_what_it_has_neighbours_for() -> None:
    intent = _intent()
    speakers = tuple(replace(each, ospf=None) for each in intent.routes.speakers)
    found = wishes(_seen(replace(intent, routes=replace(intent.routes, speakers=speakers))))
    assert {slot.vip for slot in found} == {"even", "odd"}, "no neighbour has an IPv6 address"


@settings(max_examples=40)
@given(
    backups=st.booleans(),
    spread=st.sampled_from(Spread),
    owner=st.sampled_from([*SITES, ""]),
    admitted=st.frozensets(st.sampled_from(["lb1", "lb2", "lb3"])),
    drained=st.frozensets(st.sampled_from(SITES)),
    unfit=st.frozensets(st.sampled_from(SITES)),
)
def test_whatever_is_announced_is_in_use_fit_in_service_and_among_what_filters_pass(
    backups: bool,
    spread: Spread,
    owner: str,
    admitted: frozenset[str],
    drained: frozenset[str],
    unfit: frozenset[str],
) -> None:
    intent = _intent(backups=backups, spread=spread)
    sites = {site: UNFIT if site in unfit else FIT for site in SITES}
    owners = {vip.name: owner for vip in intent.vips} if owner else {}
    seen = _seen(intent, owners=owners, admitted=admitted, drained=drained, sites=sites)
    switches = {switch.name: switch.site for switch in intent.switches}
    for slot, wish in wishes(seen).items():
        speaker = next(each for each in intent.routes.speakers if each.name == slot.speaker)
        site = switches[speaker.switch]
        good = speaker.switch in admitted and site not in drained and site not in unfit
        assert wish.met == (good and (backups or owner == site))
        assert wish.prefix in possible_prefixes(intent, speaker)
        assert wish.attributes.cost in possible_costs(intent, speaker)


# -- in time


def _play(holding: Holding, seen: Seen, now: float) -> list[str]:
    said = holding.step(wishes(seen), seen.intent.routes, now)
    return [f"{each.event} {each.cause}" for each in said if each.slot == Slot("sp1", "even")]


def test_what_is_withdrawn_on_purpose_leaves_first_and_what_is_lost_goes_at_once() -> None:
    holding, lost = Holding(), _seen(admitted=frozenset({"lb2"}))
    drained = _seen(drained=frozenset({"east"}))
    assert _play(holding, _seen(), 0.0) == ["route_announced plan"]
    assert _play(holding, _seen(), 1.0) == []
    assert _play(holding, drained, 2.0) == ["route_leaves drained"]
    assert holding.announcements("sp1")["even"].leaving
    assert holding.deadline() == 7.0
    assert _play(holding, drained, 6.9) == []
    assert _play(holding, drained, 7.0) == ["route_withdrawn drained"]
    assert holding.announcements("sp1") == {}
    assert _play(holding, _seen(), 8.0) == ["route_announced drained"]
    assert _play(holding, drained, 9.0) == ["route_leaves drained"]
    assert _play(holding, _seen(), 10.0) == ["route_announced drained"]
    assert not holding.announcements("sp1")["even"].leaving
    assert _play(holding, lost, 11.0) == ["route_withdrawn switches"]
    assert _play(holding, _seen(), 12.0) == ["route_announced switches"]
    assert _play(holding, drained, 13.0) == ["route_leaves drained"]
    assert _play(holding, lost, 13.5) == ["route_withdrawn switches"], "a loss waits for nothing"


def test_a_vip_that_comes_and_goes_is_kept_back() -> None:
    intent = _intent(dampening=Dampening(flaps=2, window=10.0, hold=5.0))
    good, lost = _seen(intent), _seen(intent, admitted=frozenset())
    holding = Holding()
    _play(holding, good, 0.0)
    assert _play(holding, lost, 1.0) == ["route_withdrawn switches"]
    assert _play(holding, good, 2.0) == ["route_announced switches"]
    assert _play(holding, lost, 3.0) == ["route_withdrawn switches", "route_dampened switches"]
    assert _play(holding, good, 4.0) == []
    assert holding.held[Slot("sp1", "even")].phase is Phase.HELD
    assert holding.deadline() == 8.0
    assert _play(holding, good, 8.0) == ["route_announced time"]
    assert _play(holding, lost, 20.0) == ["route_withdrawn switches"], "the first two are long ago"


def test_a_vip_that_the_intent_names_no_more_is_withdrawn_and_said() -> None:
    holding = Holding()
    _play(holding, _seen(), 0.0)
    gone = _seen(_intent(vips=(RoutedVip("odd"),)))
    assert _play(holding, gone, 1.0) == ["route_withdrawn intent"]
    assert set(holding.announcements("sp1")) == {"odd"}


def test_an_altered_preference_is_said_as_another_announcement() -> None:
    holding = Holding()
    _play(holding, _seen(), 0.0)
    assert _play(holding, _seen(_intent(preference=Preference(med=5))), 1.0) == ["route_announced intent"]


Steps = st.lists(st.tuples(st.floats(0.01, 3.0), st.sampled_from(["good", "drained", "lost"])), max_size=30)


@settings(max_examples=40)
@given(Steps, st.integers(1, 4), st.floats(0.0, 5.0))
def test_nothing_that_is_lost_stays_announced_and_nothing_leaves_for_longer_than_it_may(
    steps: list[tuple[float, str]], flaps: int, graceful: float
) -> None:
    intent = _intent(graceful=graceful, dampening=Dampening(flaps, 10.0, 5.0))
    states = {
        "good": _seen(intent),
        "drained": _seen(intent, drained=frozenset({"east"})),
        "lost": _seen(intent, admitted=frozenset()),
    }
    holding, now, since = Holding(), 0.0, 0.0
    state = "good"
    for wait, after in steps:
        now += wait
        since, state = (since if after == state else now), after
        _play(holding, states[state], now)
        said = holding.announcements("sp1").get("even")
        if state == "lost":
            assert said is None
        elif state == "drained":
            assert said is None or (said.leaving and now < since + graceful)
        else:
            held = holding.held[Slot("sp1", "even")]
            assert (said is not None and not said.leaving) or (held.phase is Phase.HELD and now < held.until)


def test_changes_of_one_prefix_are_apart_and_those_of_others_do_not_wait() -> None:
    spacing = Spacing(1.2)
    assert spacing.step({"a": 1}, 0.0) == ({"a": 1}, None)
    assert spacing.step({"b": 1}, 0.5) == ({"a": 1, "b": 1}, 1.2)
    assert spacing.step({"b": 1}, 1.2) == ({"b": 1}, None)
    assert spacing.step({"a": 1, "b": 1}, 2.0) == ({"b": 1}, 2.4)
    assert spacing.step({"b": 1}, 2.1) == ({"b": 1}, None), "what came and went meanwhile is never said"


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(0.01, 2.0), st.dictionaries(st.sampled_from("abc"), st.integers(1, 3)))))
def test_spaced_changes_end_with_what_is_wanted(steps: list[tuple[float, dict[str, int]]]) -> None:
    spacing, now = Spacing(1.2), 0.0
    changed: dict[str, float] = {}
    before: dict[str, int] = {}
    for wait, wanted in steps:
        now += wait
        said, again = spacing.step(wanted, now)
        for key in said.keys() | before.keys():
            if said.get(key) != before.get(key):
                assert now - changed.get(key, -2.0) >= 1.2 - 1e-9
                changed[key] = now
        assert (again is None) == (said == wanted)
        before = said
    if steps:
        assert spacing.step(steps[-1][1], now + 1.3) == (steps[-1][1], None)


@pytest.mark.parametrize(
    ("routed", "edges", "met"), [(True, (0, 0), True), (False, (0, 0), False), (True, (0, 1), False)]
)
def test_a_site_without_edges_is_fit_if_routers_are_told_of_its_vips(
    routed: bool, edges: tuple[int, int], met: bool
) -> None:
    found = judge(SiteReport(leader="a", edges=edges, lbs=(1, 1), routed=routed), owner=True)
    assert {each.name: each.met for each in found}[Needs.EDGES] is met
