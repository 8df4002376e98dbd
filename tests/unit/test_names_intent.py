"""Zones of the intent: what is read is written back; what cannot be carried out is refused with what would be right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.health.targets import targets_of
from controller.model.document import document
from controller.model.errors import ConfigErrors
from controller.model.load import load_text
from controller.model.plain import load_plain
from controller.spec.codec import decode, encode
from controller.spec.names import Policy, RecordType
from controller.spec.types import Intent

BASE = (Path(__file__).parent / "data" / "names.yaml").read_text()
POLICIES = "[health, region, session-threshold, rtt, site-weight, round-robin]"


def test_a_zone_is_read_with_all_that_it_says() -> None:
    zone = load_text(BASE, "names.yaml").zones[0]
    shop = zone.services[0]
    assert (zone.origin, zone.negative_ttl, zone.labels) == ("example.net.", 30, (("team", "web"),))
    assert (shop.ttl, shop.answers, shop.policies[-1]) == (5, None, Policy.ROUND_ROBIN)
    assert [each.name for each in shop.candidates] == ["shop-east", "shop-west", "far"]
    assert zone.records[0].type is RecordType.CNAME


def test_what_is_read_is_written_back_and_stored() -> None:
    intent = load_text(BASE, "names.yaml")
    said = document(intent)
    assert load_plain(json.loads(json.dumps(said))) == intent
    assert decode(Intent, json.loads(json.dumps(encode(intent)))) == intent


def test_candidates_are_probed_as_clients_ask_them_and_public_addresses_too() -> None:
    intent = load_text(BASE, "names.yaml")
    found = {
        (str(target.probe.address), target.probe.port): members
        for target, members in targets_of(intent).items()
        if any(pool.startswith("name:") for pool, _ in members)
    }
    key = "name:shop.example.net"
    assert found == {
        ("10.0.0.100", 80): {(key, "shop-east")},
        ("203.0.113.1", 80): {(key, "shop-east")},
        ("10.0.0.101", 80): {(key, "shop-west")},
        ("198.51.100.7", 80): {(key, "far")},
    }


ROWS = [
    # Names and records.
    ("name: example.net\n", "name: net\n", 'name is "net", which is no zone that can be served here'),
    ("name: example.net\n", "name: ex ample.net\n", "which is no name of the DNS"),
    ("values: [shop]", "values: [a b]", 'a value of type CNAME is "a b", which is no name of the DNS'),
    ('type: TXT, values: ["v=1"]', "type: A, values: [10.0.0.300]", 'a value of type A is "10.0.0.300"'),
    ('type: TXT, values: ["v=1"]', 'type: MX, values: ["mail"]', "write PREFERENCE NAME, such as 10 mail"),
    ('type: TXT, values: ["v=1"]', 'type: SRV, values: ["0 1 99999 h"]', "with a number above 65535"),
    ('{name: "@", type: TXT', "{name: www, type: TXT", '"www.example.net." of zone "example.net" has a CNAME beside'),
    ('{name: "@", type: TXT', "{name: x.example.org., type: TXT", 'is not in the zone "example.net"'),
    ('{name: "@", type: TXT', "{name: x.asia, type: TXT", 'is in the part "asia" of zone "example.net"'),
    ('name: "@", type: TXT, values: ["v=1"]', "name: shop, type: A, values: [10.0.0.9]", "A records of"),
    ("values: [shop]", "values: [shop, other]", "leads to several names"),
    ("ttl: 5s", "ttl: 1500ms", "write whole seconds"),
    ("answers: all", "answers: 0", "write a whole number from 1 to 32, or all"),
    # Name servers and delegations.
    ("{name: ns2, addresses: [10.0.0.54], site: west}", "{name: ns2}", "has no address"),
    ("{name: ns.example.org.}", "{name: ns.example.org., addresses: [10.0.0.9]}", "cannot say its address"),
    ("[{name: asia, servers: [", "[{name: asia.example.org., servers: [", "is no name below the zone"),
    ("addresses: [10.0.0.53], site: east", "addresses: [10.0.0.53], site: mars", 'names the site "mars"'),
    # Regions.
    ("prefixes: [10.2.0.0/16]", "prefixes: [10.1.0.0/16]", 'regions "eu" and "us" of zone "example.net" both have'),
    ("served_by: [west]", "served_by: [wset]", 'region "us" names the site "wset", which does not exist'),
    ("regions: [eu]", "regions: [asia]", 'names the region "asia", which does not exist'),
    # Candidates.
    ("{vip: shop-west, weight: 2}", "{vip: shop-wst}", 'names the vip "shop-wst", which does not exist, did you mean'),
    ("{vip: shop-west, weight: 2}", "{weight: 2}", 'neither "vip" nor "address" is given'),
    ("{vip: shop-west, weight: 2}", "{vip: shop-west, address: 10.0.0.9}", 'both "vip" and "address" are given'),
    ("{vip: shop-west, weight: 2}", "{vip: shop-west, site: west}", "leave site out"),
    ("{vip: shop-west, weight: 2}", "{vip: shop-east}", 'has two candidates "shop-east"'),
    ("public: 203.0.113.1", "public: 2001:db8::1", "give one of the same IP version"),
    ("name: far, address", "name: far_away, address", "cannot be a name in SRV records"),
    ("        port: 80\n", "        port: 81\n", 'VIP "shop-east" has no listener on port 81'),
    # Policies.
    (POLICIES, "[health, health]", "has the policy health twice"),
    (POLICIES, "[region, health]", "put health first"),
    (POLICIES, "[health, site-weight, weight, region]", "has region after weight"),
    (POLICIES, "[region, site-weight]", "has health, and no policy health"),
    (POLICIES, "[health, weight]", "has site_weights, and no policy site-weight"),
    (POLICIES, "[]", "has no policy"),
    (POLICIES, "[healthy]", "write health, region, session-threshold"),
    ("    capacity: 1000\n", "", 'policy session-threshold, and pool "web" has no capacity'),
    ("site_weights: {east: 3, west: 1}", "site_weights: {east: 0, west: 0, far: 0}", "all sites have weight 0"),
    ("site_weights: {east: 3, west: 1}", "site_weights: {esat: 3}", 'names the site "esat"'),
    ("interval: 100ms, timeout: 100ms", "interval: 100ms, timeout: 200ms", "longer than their interval 100ms"),
    ("otherwise: next.example.org.", "otherwise: shop", "leads to itself"),
    ("otherwise: next.example.org.", "otherwise: next.example.org.\n        none_live: none", "keep one of the two"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "says"), ROWS)
def test_what_cannot_be_carried_out_is_refused(old: str, new: str, says: str) -> None:
    assert BASE.count(old) == 1
    with pytest.raises(ConfigErrors) as raised:
        load_text(BASE.replace(old, new), "names.yaml")
    assert says in str(raised.value)


def test_rtt_needs_a_name_server_that_says_where_it_is() -> None:
    text = BASE.replace(", site: east}", "}").replace(", site: west}", "}")
    with pytest.raises(ConfigErrors, match="no name server says at which site of a candidate it is"):
        load_text(text, "names.yaml")


def test_an_address_of_others_needs_probes_where_health_counts() -> None:
    text = BASE.replace("        health: {type: tcp, interval: 100ms, timeout: 100ms}\n", "")
    with pytest.raises(ConfigErrors, match="is not ours, and nothing tells whether it lives"):
        load_text(text, "names.yaml")


@pytest.mark.parametrize(
    "zones", ["zones: 1", "zones: [1]", "zones: [{name: example.net, servers: 5, services: [1]}]"]
)
def test_what_is_no_zone_is_said_and_nothing_breaks(zones: str) -> None:
    with pytest.raises(ConfigErrors, match=r"zone|name server|servers"):
        load_text(BASE[: BASE.index("zones:")] + zones, "names.yaml")


def test_connections_that_switches_count_are_enough_for_policies_that_go_by_them() -> None:
    without = BASE.replace("    agent: {type: http, port: 9000}\n", "")
    assert load_text(without, "names.yaml").zones
    with pytest.raises(ConfigErrors) as raised:
        load_text(without.replace("protocol: tcp, port: 80", "protocol: udp, port: 80"), "names.yaml")
    assert 'nothing counts the connections of pool "web"' in str(raised.value)
