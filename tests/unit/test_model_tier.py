"""Tiers in the intent file: what is right is read and written back, what is wrong is named at its place."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from controller.api.messages import fill, plain
from controller.api.v1 import resources_pb2
from controller.model.document import document
from controller.model.errors import ConfigErrors
from controller.model.load import load_text
from controller.model.plain import load_plain
from controller.spec import tier as t
from controller.spec.codec import decode, encode
from controller.spec.types import Intent
from tests.examples import examples
from tests.fakes.tierplans import tiers
from tests.unit.spoil import DATA, spoil

BASE = (DATA / "tier.yaml").read_text()


def test_a_tier_is_read_and_written_back() -> None:
    intent = load_text(BASE, "tier.yaml")
    (tier,) = intent.tiers
    assert [each.name for each in tier.pools] == ["site", "api", "db"]
    assert tier.frontends[0].routes[1].cookies == (t.Match("beta", "yes"),)
    said = document(intent)
    assert load_plain(said) == intent
    message = fill(resources_pb2.Document(), said)
    assert load_plain(plain(resources_pb2.Document.FromString(message.SerializeToString()))) == intent
    assert decode(Intent, encode(intent)) == intent


@settings(max_examples=examples(8, 400))
@given(tiers())
def test_any_tier_is_written_and_read_back(tier: t.Tier) -> None:
    intent = replace(load_text(BASE, "tier.yaml"), tiers=(tier,))
    assert load_plain(document(intent)) == intent


ROWS = [
    (
        {"{name: hap1, master": "{name: ¦hap9, master"},
        'instance "hap9" of a tier is no backend of any pool, '
        "name it as the backend that it is, or add the backend hap9 to a pool",
    ),
    (
        {'"tcp:192.0.2.12:9999"': '¦"unix:/run/haproxy/hap2.sock"', "haproxy/hap1.sock": "haproxy/hap2.sock"},
        'instance "hap2" has the master of instance "hap1", give each its own master',
    ),
    (
        {"/etc/haproxy/hap2.cfg": "¦/etc/haproxy/hap1.cfg"},
        'instance "hap2" has the config of instance "hap1", give each its own config',
    ),
    (
        {'"tcp:192.0.2.12:9999"': '¦"192.0.2.12:9999"'},
        'master is "192.0.2.12:9999", write unix:/PATH (at most 107 octets) or tcp:ADDRESS:PORT',
    ),
    (
        {'"tcp:192.0.2.12:9999"': '¦"tcp:host:9999"'},
        'master is "host:9999", write ADDRESS:PORT, such as 192.0.2.1:7654 or [2001:db8::1]:7654',
    ),
    (
        {'{port: 81, address: "::"}': "{port: ¦8404}"},
        'front end "https" listens on port 8404, as status_port does, give each a port or address of its own',
    ),
    (
        {'{port: 81, address: "::"}': "{port: ¦80, address: 10.1.0.11}"},
        'front end "https" listens on port 80, as front end "https" does, give each a port or address of its own',
    ),
    (
        {"paths: [/v1/*], pool: api": "paths: [/v1/*], pool: ¦apj"},
        'front end "https" names the pool "apj", which its tier does not have, known: api, db, site',
    ),
    (
        {"paths: [/v1/*], pool: api": "paths: [/v1/*], pool: ¦db"},
        'front end "https" has mode http and its pool "db" mode tcp, choose one mode for both',
    ),
    (
        {"paths: [/v1/*]": "paths: [¦v1]"},
        'paths[0] is "v1", write a path such as /login, or /api/* for all below it',
    ),
    (
        {"[api.example.org,": "[¦api example,"},
        'hosts[0] is "api example", write a name such as api.example.org or *.example.org',
    ),
    (
        {"value: canary": "value: ¦it's"},
        "value is \"it's\", write 1 to 500 printable ASCII characters without ' and \\, no blank at an end",
    ),
    (
        {
            "headers: [{name: x-version, value: canary}], ": "",
            'cookies: [{name: beta, value: "yes"}], pool: api': "pool: ¦api",
        },
        'a route of front end "https" to "api" says nothing of requests, so it takes all, '
        "write hosts, paths, headers or cookies, or make it the pool of the front end",
    ),
    (
        {
            "{port: 3306, accept_proxy: true}], pool: db": "{port: 3306}], pool: db, routes: [{paths: ¦[/x], pool: db}]"
        },
        'front end "reads" has mode tcp, which knows no paths, leave paths out; hosts are names that TLS asks for',
    ),
    (
        {"{port: 3306, accept_proxy: true}], pool: db": "{port: 3306}], forwarded_for: ¦none, pool: db"},
        'front end "reads" has mode tcp, which knows no headers, leave forwarded_for out; '
        "servers can be told by send_proxy of their pool",
    ),
    (
        {"{name: reads,": "¦{name: reads,", ", accept_proxy: true}], pool: db": "}]"},
        'front end "reads" leads nowhere, write pool: or routes:',
    ),
    (
        {"[{port: 3306, accept_proxy: true}]": "¦[]"},
        'front end "reads" listens on nothing, write binds: [{port: 80}]',
    ),
    (
        {"balance: leastconn": "balance: ¦uri"},
        'pool "db" of a tier has mode tcp and balance uri, which reads requests, '
        "choose roundrobin, leastconn, first, random, source or rdp-cookie, or mode http",
    ),
    (
        {"balance: leastconn": "sticky: ¦{cookie: a}"},
        'pool "db" of a tier has mode tcp and a sticky cookie, choose balance: source, or mode http',
    ),
    (
        {"balance: leastconn": "retries: {on: ¦[conn-failure]}"},
        'pool "db" of a tier has mode tcp, in which only connections are tried again, leave on out',
    ),
    (
        {"methods: [GET]": "methods: ¦[]"},
        'retries of pool "api" of a tier have an empty list methods, name some, or write attempts: 0',
    ),
    ({"methods: [GET]": "methods: [¦get]"}, 'methods[0] is "get", write a method in capitals, such as GET'),
    (
        {"        balance_on: x-user\n": "", "balance: hdr": "balance: ¦hdr"},
        'pool "api" of a tier has balance hdr and no balance_on, '
        "write balance_on: and the name of the parameter or header",
    ),
    (
        {"balance: hdr": "balance: source", "balance_on: x": "balance_on: ¦x"},
        'pool "api" of a tier has a balance_on, which means nothing to balance source, leave balance_on out',
    ),
    (
        {"balance: hdr": "balance: ¦rdp-cookie"},
        'pool "api" of a tier has mode http and balance rdp-cookie, choose mode: tcp',
    ),
    (
        {"timeout: 1s, rise": "timeout: ¦3s, rise"},
        'probes of pool "site" of a tier have a timeout of 3s, longer than their interval 2s, '
        "shorten timeout or lengthen interval",
    ),
    (
        {"type: http, path: /up, host: shop.example.org": "type: tcp, ¦path: /up"},
        'health: "path" means nothing to a probe of type tcp, leave path out or use type http',
    ),
    ({"weight: 10": "weight: ¦257"}, "weight is 257, write a whole number from 0 to 256"),
    (
        {"address: 10.2.0.11": "address: ¦224.0.0.1"},
        'address is "224.0.0.1", which no server has, write one such as 10.1.0.11, fd00::11 or 127.0.0.1',
    ),
    (
        {"- name: db\n": "- name: ¦evenkeel-db\n", "pool: db": "pool: evenkeel-db"},
        '"evenkeel-db" begins with "evenkeel-", as sections of the controller do, choose another',
    ),
    (
        {"config: /etc/haproxy/hap1.cfg": "config: ¦hap1.cfg"},
        'config is "hap1.cfg", write an absolute path without blanks, quotes and backslashes',
    ),
    (
        {"config: /etc/haproxy/hap1.cfg": "config: ¦/etc/cron.d/hap1"},
        'config is "/etc/cron.d/hap1", write a path that ends with .cfg: the file is the controller\'s',
    ),
    ({'"timeout server 5s"': '¦"a\\nb"'}, 'raw[0] is "a\nb", write one line of at most 2,000 characters'),
    (
        {"cookie: SRV": 'cookie: ¦"a b"'},
        'cookie is "a b", write a name of letters, digits and dashes, such as x-version',
    ),
    ({"path: /up": 'path: ¦"/it\'s"'}, 'path is "/it\'s", write a path without quotes and backslashes'),
]


@pytest.mark.parametrize(("edit", "says"), ROWS, ids=[says[:50] for _, says in ROWS])
def test_every_error_of_a_tier_names_its_place_and_what_would_be_right(
    edit: dict[str, str], says: str
) -> None:
    spoiled = spoil(BASE, edit, [says], "tier.yaml")
    with pytest.raises(ConfigErrors) as raised:
        load_text(spoiled.text, "tier.yaml")
    assert [str(error) for error in raised.value] == spoiled.expected


@pytest.mark.parametrize("key", ["instances", "frontends", "pools"])
def test_a_tier_of_nothing_is_refused(key: str) -> None:
    said = document(load_text(BASE, "tier.yaml"))
    said["tiers"][0][key] = []
    with pytest.raises(Exception, match=f'tier "web" has no {key}, add one to {key}'):
        load_plain(said)
