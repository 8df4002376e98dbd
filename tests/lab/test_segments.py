"""Segments behind P4 edges: caches learn where VIPs are, hosts find each other, one edge of two answers."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from ruamel.yaml import YAML

from controller.frames.packet import mac_bytes
from tests.conformance.packets import ARP, arp, ether_type
from tests.lab.balanced import Balanced
from tests.lab.conftest import eventually
from tests.lab.wire import Seen, Tap
from topo import model, state
from topo.lab import Lab

pytestmark = pytest.mark.lab

VIRTUAL_MAC, WRONG_MAC = "02:45:56:00:01:01", "02:99:99:99:99:99"
VIPS = ("10.0.0.100", "fd00::100")
_AGAIN = 45.0
"""Seconds in which every VIP is announced again, on a busy machine."""
Up = Callable[[model.Topology], Lab]


@pytest.fixture
def up() -> Iterator[Up]:
    """Labs of embedded switches, under a name of the test's own."""
    if os.geteuid() != 0:
        pytest.skip("labs need network namespaces: run as root")
    name = f"g{os.getpid()}"[:12]
    yield lambda topology: Lab.up(topology, name=name, switch="embedded", temporary=True)
    state.remove(name)


def ip(lab: Lab, node: str, *words: str) -> str:
    """Run ``ip`` (or another program of its family) on a node; what it says."""
    return str(lab.exec(node, words, check=True, capture_output=True, text=True).stdout)


def bridge(lab: Lab, host: str, *more: str) -> None:
    """Make a learning bridge of a host, between its cable to the switch and ``more`` interfaces."""
    ip(lab, host, *["ip", "link", "add", "br9", "type", "bridge"])
    for interface in ("eth0", *more):
        ip(lab, host, "ip", "link", "set", interface, "master", "br9", "up")
    ip(lab, host, "ip", "link", "set", "br9", "up")


def forwards(lab: Lab, host: str) -> bool:
    """Whether a bridge has learnt that the VIPs' MAC is behind its cable to the switch."""
    return f"{VIRTUAL_MAC} dev eth0" in ip(lab, host, *["bridge", "fdb", "show", "br", "br9"])


def mislead(lab: Lab, host: str) -> None:
    """Let a host remember VIPs at a place where they are not."""
    for vip in VIPS:
        words = f"ip neigh replace {vip} lladdr {WRONG_MAC} dev eth0 nud stale"
        ip(lab, host, *words.split())


def knows(lab: Lab, host: str) -> bool:
    """Whether a host remembers VIPs at the virtual MAC."""
    return all(VIRTUAL_MAC in ip(lab, host, "ip", "neigh", "show", vip) for vip in VIPS)


@pytest.mark.parametrize("again", [False, pytest.param(True, marks=pytest.mark.long)])
def test_caches_of_hosts_and_bridges_are_put_right_at_once_and_again_and_again(up: Up, again: bool) -> None:
    lab = up(model.load("pair"))
    bridge(lab, "c2")
    mislead(lab, "c1")
    with Balanced(lab):
        eventually(lambda: knows(lab, "c1"), "c1 has learnt the VIPs' MAC")
        eventually(lambda: forwards(lab, "c2"), "the bridge has learnt the VIPs' MAC")
        if again:
            ip(lab, "c2", "bridge", "fdb", "del", VIRTUAL_MAC, "dev", "eth0", "master")
            mislead(lab, "c1")
            eventually(lambda: knows(lab, "c1"), "c1 has learnt it again", _AGAIN)
            eventually(lambda: forwards(lab, "c2"), "the bridge has learnt it again", _AGAIN)


@pytest.mark.long
def test_hosts_on_two_ports_of_one_edge_find_each_other_without_a_router(up: Up) -> None:
    lab = up(model.load("pair"))
    hosts = {name: lab.fabric.hosts[name] for name in ("c1", "r1")}
    with Balanced(lab):
        for version in (4, 6):
            c1, r1 = (
                next(str(each.ip) for each in host.addresses if each.version == version)
                for host in hosts.values()
            )
            # The lab tells hosts that all others are behind the router; these two are to ask.
            ip(lab, "c1", "ip", "neigh", "del", r1, "dev", "eth0")
            ip(lab, "r1", "ip", "neigh", "del", c1, "dev", "eth0")
            ip(lab, "c1", "ping", "-c", "3", "-i", "0.3", "-W", "5", r1)
            assert hosts["r1"].mac in ip(lab, "c1", "ip", "neigh", "show", r1)


def two_edges() -> model.Topology:
    """The pair with a second edge, and c2 behind that."""
    pair = model.load("pair")
    second = pair.switches[0].model_copy(update={"name": "edge2"})
    hosts = tuple(
        each.model_copy(update={"attach": "edge2"}) if each.name == "c2" else each
        for each in pair.hosts
        if each.name != "r1"
    )
    links = (*pair.links, ("edge2", "lb1"), ("edge2", "lb2"))
    return pair.model_copy(update={"switches": (*pair.switches, second), "hosts": hosts, "links": links})


def on_one_segment(lab: Lab, *hosts: str) -> None:
    """Say in the intent that these hosts' ports lead to one segment."""
    yaml = YAML()
    document: Any = yaml.load(lab.intent_path.read_text(encoding="utf-8"))
    for switch in document["switches"]:
        ports = switch["ports"]
        ports.update({number: "segment-front" for number, to in ports.items() if to in hosts})
        for route in switch["routes"]:
            route["via"] = ["segment-front" if via in hosts else via for via in route["via"]]
    text = io.StringIO()
    yaml.dump(document, text)
    lab.intent_path.write_text(text.getvalue(), encoding="utf-8")


def test_of_two_edges_on_one_segment_one_announces_and_answers_and_the_other_when_it_is_gone(up: Up) -> None:
    lab = up(two_edges())
    on_one_segment(lab, "c1", "c2")
    # c1 and c2 are bridges with a cable between them: both edges hear everything.
    ip(lab, "c1", *f"ip link add x1 type veth peer name x2 netns {lab.spaces['c2']}".split())
    bridge(lab, "c1", "x1")
    bridge(lab, "c2", "x2")
    with Tap(lab, "c1", "c2") as tap, Balanced(lab):

        def announced(seen: Seen) -> bool:
            return not seen.outgoing and seen.frame[6:12] == mac_bytes(VIRTUAL_MAC) and seen.frame[0] & 1 == 1

        # The other one speaks too if the controller met it first; then this one does after it.
        assert "c1" in {seen.host for seen in tap.frames(announced)}
        assert answers(lab) == {"c1"}
        lab.fail("edge1")
        assert "c2" in {seen.host for seen in tap.frames(lambda s: announced(s) and s.host == "c2", _AGAIN)}
        assert answers(lab) == {"c2"}


def answers(lab: Lab) -> set[str]:
    """Behind which hosts the edges are that answer a question for a VIP, which all of them hear."""
    asker = "02:45:56:0a:00:01"
    question = arp(1, asker, ip_address("10.0.0.99"), ip_address(VIPS[0]))
    with Tap(lab, "c1", "c2") as tap:
        with lab.namespace("c1"):
            one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with one:
            one.bind(("br9", 0))
            one.send(question)

        def is_answer(seen: Seen) -> bool:
            frame = seen.frame
            return not seen.outgoing and ether_type(frame) == ARP and frame[:6] == mac_bytes(asker)

        return {seen.host for seen in tap.frames(is_answer, rest=1.0)}
