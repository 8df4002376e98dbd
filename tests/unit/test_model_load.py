"""A good file yields exactly the intent it describes, with the documented defaults."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from controller.model.errors import ConfigError, ConfigErrors, FileError, YamlError
from controller.model.load import load_intent, load_text
from controller.model.summary import summarise
from controller.spec.health import HealthCheck, ProbeKind
from controller.spec.policy import Failback, Failover, OnDown, Then
from controller.spec.types import (
    Access,
    Affinity,
    Backend,
    Guard,
    Intent,
    Listener,
    Mode,
    OpenFlowPlacement,
    Pool,
    Port,
    PrefixRate,
    Protocol,
    Role,
    Site,
    Subnet,
    Switch,
    Vip,
)
from tests.unit.spoil import DATA

S2 = Backend("s2", (ip_address("10.1.0.12"), ip_address("fd00:0:0:1::12")), "02:45:56:02:00:02")

GOOD = Intent(
    sites=(
        Site(
            "east",
            (
                Subnet("front", (ip_network("10.0.0.0/24"), ip_network("fd00::/64"))),
                Subnet("rack1", (ip_network("10.1.0.0/24"), ip_network("fd00:0:0:1::/64"))),
            ),
            (ip_network("10.9.0.0/24"),),
        ),
    ),
    switches=(
        Switch(
            name="edge1",
            kind="ovs",
            id=17,
            site="east",
            roles=frozenset({Role.EDGE}),
            mac="02:45:56:01:00:11",
            ports=(Port(1, "segment"), Port(2, "lb1")),
        ),
        Switch(
            name="lb1",
            kind="ovs",
            id=33,
            site="east",
            roles=frozenset({Role.LB, Role.LEAF}),
            mac="02:45:56:01:00:21",
            ports=(Port(1, "edge1"), Port(2, "s1"), Port(3, "s2")),
            local=(ip_network("10.3.1.0/28"), ip_network("fd00:0:0:3:1::/80")),
            tunnel_port=20,
            gateway_mac="02:45:56:00:00:fe",
            ovsdb="tcp:172.31.0.21:6640",
            placement=OpenFlowPlacement(
                entry_table=1, tables_from=20, next_table=200, priority=20000, cookie=0x4557, zones_from=2000
            ),
        ),
    ),
    pools=(
        Pool(
            name="web",
            backends=(
                Backend("s1", (ip_address("10.1.0.11"),), "02:45:56:02:00:01", "lb1", 2, 1, True),
                S2,
            ),
            max_backends=80,
            health=HealthCheck(
                kind=ProbeKind.HTTP,
                port=8080,
                interval=2.0,
                timeout=0.5,
                rise=3,
                fall=4,
                path="/healthz",
                host="shop.example",
                statuses=((200, 200), (301, 308)),
                body="^ok",
                flap_limit=5,
                flap_window=60.0,
            ),
            on_down_tcp=OnDown(20.0, Then.RESET),
            on_down_udp=OnDown(1.0, Then.MOVE),
            drain_timeout=600.0,
            drain_then=Then.MOVE,
            memory_timeout=3600.0,
            transition=90.0,
            panic_threshold=0.25,
        ),
        Pool(
            name="dns",
            backends=(Backend(S2.name, S2.addresses, S2.mac, weight=0),),
            health=HealthCheck(kind=ProbeKind.UDP, send=b"\x0a\x0b", expect=b"pong"),
        ),
    ),
    vips=(
        Vip(
            name="shop",
            address=ip_address("10.0.0.100"),
            mac="02:45:56:00:01:01",
            owners=("east",),
            listeners=(
                Listener(
                    "shop",
                    Protocol.TCP,
                    80,
                    "web",
                    Mode.DR,
                    80,
                    Affinity.SOURCE,
                    Guard(1000, (PrefixRate(ip_network("192.0.2.0/24"), 50),)),
                ),
                Listener(
                    "shop",
                    Protocol.TCP,
                    81,
                    "web",
                    Mode.NAT,
                    8081,
                    access=Access((ip_network("10.0.0.0/8"),), (ip_network("0.0.0.0/0"),)),
                ),
                Listener("shop", Protocol.TCP, 82, "web", Mode.TUN, 82),
            ),
            authority=20.0,
            access=Access((ip_network("198.51.100.128/25"),), (ip_network("198.51.100.0/24"),)),
        ),
        Vip(
            name="shop6",
            address=ip_address("fd00::100"),
            mac="02:45:56:00:01:02",
            owners=("east",),
            listeners=(Listener("shop6", Protocol.UDP, 53, "dns", Mode.FULLNAT, 5353),),
        ),
    ),
)


def test_a_good_file_yields_the_exact_intent() -> None:
    assert load_intent(DATA / "good.yaml") == GOOD


@pytest.mark.parametrize(
    ("written", "tcp", "udp"),
    [
        ("{keep_for: 3s}", OnDown(3.0, Then.MOVE), OnDown(3.0, Then.MOVE)),
        ("{then: reset}", OnDown(10.0, Then.RESET), OnDown(0.0, Then.RESET)),
        ("{keep_for: 1m, then: reset}", OnDown(60.0, Then.RESET), OnDown(60.0, Then.RESET)),
        ("{udp: {keep_for: 3s}}", OnDown(10.0, Then.MOVE), OnDown(3.0, Then.MOVE)),
        ("{tcp: {then: reset}}", OnDown(10.0, Then.RESET), OnDown(0.0, Then.MOVE)),
        ("{}", OnDown(10.0, Then.MOVE), OnDown(0.0, Then.MOVE)),
    ],
)
def test_on_down_holds_for_both_protocols_unless_one_is_named(written: str, tcp: OnDown, udp: OnDown) -> None:
    text = (DATA / "base.yaml").read_text()
    pool = load_text(text.replace("{keep_for: 10s, then: move}", written), "fabric.yaml").pool("web")
    assert (pool.on_down_tcp, pool.on_down_udp) == (tcp, udp)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "f:1:1: the file is empty, start with sites: and switches:"),
        ("# nothing\n", "f:1:1: the file is empty, start with sites: and switches:"),
        ("- a\n", "f:1:1: the file is a list, write keys and values here (the file)"),
        ("hello\n", 'f:1:1: the file is "hello", write keys and values here (the file)'),
        (
            "sites: [a\npools: x\n",
            "f:2:6: not YAML: expected ',' or ']', but got ':', "
            "check what begins at 1:8 (while parsing a flow sequence)",
        ),
        (
            "sites:\n\t- a\n",
            "f:2:1: not YAML: found character '\\t' that cannot start any token, indent with spaces",
        ),
        ("a: *b\n", "f:1:4: not YAML: found undefined alias 'b', check quotes, colons and indentation here"),
        (
            "a: b: c\n",
            "f:1:5: not YAML: mapping values are not allowed here, check quotes, colons and indentation here",
        ),
        (
            "a: 1\n---\nb: 1\n",
            "f:2:1: not YAML: but found another document, "
            "check what begins at 1:1 (expected a single document in the stream)",
        ),
        (
            "a: 1\nb: \x01\n",
            "f:2:4: character U+0001 is not allowed in YAML, remove it or escape it in double quotes",
        ),
    ],
)
def test_a_file_that_is_no_mapping_in_yaml_has_one_error(text: str, says: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        load_text(text, "f")
    assert [str(error) for error in raised.value] == [says]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("? [a]\n: 1\n", "f:1:3: a list stands as a key, a key is a word or a number"),
        ("x: {<<: 3}\n", 'f:1:9: << merges "3", merge a mapping (<<: *anchor) or a list of mappings'),
        ("x: &a [*a]\n", "f:1:4: an alias stands inside its own anchor, write the value out"),
    ],
)
def test_odd_yaml_is_named_at_its_place(text: str, says: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        load_text(text, "f")
    assert says in [str(error) for error in raised.value]


def test_nesting_too_deep_to_read_is_an_error_and_no_crash() -> None:
    with pytest.raises(ConfigErrors) as raised:
        load_text("[" * 3000, "f")
    assert isinstance(raised.value.errors[0], YamlError)


def test_a_missing_file_is_one_error_without_a_line(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with pytest.raises(ConfigErrors) as raised:
        load_intent(path)
    assert isinstance(raised.value.errors[0], FileError)
    assert (
        str(raised.value) == f"{path}: cannot be read (No such file or directory), name a readable YAML file"
    )


def test_bytes_that_are_no_text_are_named_at_their_place(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("sites:\n  - {name: café}\n".encode("latin-1"))
    with pytest.raises(ConfigErrors) as raised:
        load_intent(path)
    assert str(raised.value) == f"{path}:2:15: byte 0xe9 is not UTF-8, save the file as UTF-8 text"


def test_a_fabric_without_pools_and_vips_is_an_intent() -> None:
    text = (DATA / "base.yaml").read_text()
    intent = load_text(text[: text.index("pools:")].replace(", 2: s1}", "}"), "fabric.yaml")
    assert (len(intent.switches), intent.pools, intent.vips) == (3, (), ())


def errors_of(text: str) -> tuple[ConfigError, ...]:
    """What is wrong with a text; () if it is good."""
    try:
        load_text(text, "fabric.yaml")
    except ConfigErrors as errors:
        return errors.errors
    return ()


JUNK = (
    *("", "[]", "{}", "-1", "x", "[x]", "{x: y}", "[[]]", "true", "1.5", "~", '"\u0661"', "*a"),
    "99999999999999999999",
)
STRIDE = 7
"""Each sort of junk goes to every seventh value, another seventh each time: all of them take long."""


@pytest.mark.parametrize("junk", JUNK)
def test_whatever_stands_for_a_value_is_fine_or_an_error_with_a_place(junk: str) -> None:
    text = (DATA / "base.yaml").read_text()
    values = list(re.finditer(r"(?<=: )[^\s,{}\[\]]+|\[[^\[\]{}]*\]|\{[^{}]*\}", text))
    for value in values[JUNK.index(junk) % STRIDE :: STRIDE]:
        errors = errors_of(text[: value.start()] + junk + text[value.end() :])
        assert all(error.line and error.col for error in errors)


@pytest.mark.parametrize(
    "written",
    ["0x21", "33", "0000000000000021", '"0000000000000021"', "00:00:00:00:00:00:00:21", "0X21"],
)
def test_the_id_of_a_switch_is_read_as_ovs_vsctl_prints_it(written: str) -> None:
    text = (DATA / "base.yaml").read_text()
    assert load_text(text.replace("id: 0x21", f"id: {written}"), "f").switches[0].id == 0x21


@pytest.mark.parametrize("written", ["00000000000001e5", "000000000000beef", "0000000000001e21"])
def test_hex_digits_that_look_like_another_number_are_hex(written: str) -> None:
    text = (DATA / "base.yaml").read_text()
    assert load_text(text.replace("id: 0x21", f"id: {written}"), "f").switches[0].id == int(written, 16)


@pytest.mark.parametrize(
    ("written", "failover"),
    [
        ("{writer: one}", Failover(Failback.MANUAL)),
        ("{writer: one, failback: manual}", Failover(Failback.MANUAL)),
        ("{writer: one, failback: auto}", Failover(Failback.AUTO)),
    ],
)
def test_a_pool_may_have_one_writer(written: str, failover: Failover) -> None:
    text = (DATA / "base.yaml").read_text().replace("    panic_threshold: 50%\n", "")
    policy = "    on_down: {keep_for: 10s, then: move}\n    drain_then: keep\n"
    intent = load_text(text.replace(policy, f"    failover: {written}\n"), "f")
    assert intent.pool("web").failover == failover
    assert intent.pool("dns").failover is None
    assert f"one writer, {failover.failback} return" in summarise(intent)
