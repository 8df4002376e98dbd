"""How many connections backends have, as switches count them, against the count of the servers' own kernels."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import pytest

from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab, eventually
from tests.lab.tuned import pool
from tests.unit import craft
from topo import model
from topo.lab import Lab
from topo.model import SwitchKind

pytestmark = pytest.mark.lab

LISTENER, VIP = "shop/tcp/7000", ("10.0.0.100", 7000)
SERVERS = ("s1", "s2", "s3")
ECHO = "( sport = :7000 )"
GAUGE = {"type": "http", "port": 80, "path": "/connections", "interval": "1s", "timeout": "500ms"}
ANSWER_WITHIN = 10.0
READ_WITHIN = 30.0
SYNS = 60


class Guests:
    """Connections of one client."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._there: list[socket.socket] = []

    def come(self, count: int) -> None:
        """So many connections more."""
        for _ in range(count):
            one = self._lab.socket("c1")
            one.settimeout(ANSWER_WITHIN)
            one.connect(VIP)
            self._there.append(one)
        self.speak()

    def speak(self) -> None:
        """All of them say a word, and hear an answer."""
        for one in self._there:
            one.sendall(b"word\n")
        for one in self._there:
            heard = b""
            while not heard.endswith(b"\n"):
                heard += one.recv(100)
                assert heard, "the server closed it"

    def go(self, count: int, rudely: bool = False) -> None:
        """So many connections fewer, the oldest ones. ``rudely``: by an RST."""
        for _ in range(count):
            one = self._there.pop(0)
            if rudely:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            one.close()

    def __len__(self) -> int:
        return len(self._there)


@contextmanager
def guests(lab: Lab) -> Iterator[Guests]:
    made = Guests(lab)
    try:
        yield made
    finally:
        made.go(len(made))


def figures(served: Balanced) -> dict[str, dict[str, Any]]:
    """What the status says of each server's connections."""
    rows = served.status()["listeners"][LISTENER]["backends"]
    return {name: rows.get(name, {}).get("connections") or {} for name in SERVERS}


def kernels(lab: Lab) -> dict[str, int]:
    """The same by the servers' kernels."""
    argv = ["ss", "-Htn", "state", "established", ECHO]
    return {
        name: len(lab.exec(name, argv, capture_output=True, text=True, check=True).stdout.splitlines())
        for name in SERVERS
    }


def opened(served: Balanced) -> int:
    return sum(each.get("opened", 0) for each in figures(served).values())


def counted(served: Balanced, count: int, connections: int) -> None:
    """Every opening was counted, and figures are the servers' own but for the error that stands beside them."""
    eventually(lambda: opened(served) >= count, f"{count} openings are counted", READ_WITHIN)

    def right() -> bool:
        seen, truth = figures(served), kernels(served.lab)
        return sum(truth.values()) == connections and all(
            abs(seen[name]["live"] - truth[name]) <= seen[name]["error"] for name in SERVERS
        )

    eventually(
        right, f"figures of {connections} connections are the servers' own: {figures(served)}", READ_WITHIN
    )
    print({name: (kernels(served.lab)[name], each) for name, each in figures(served).items()})


@pytest.mark.parametrize("kind", ["ovs", pytest.param("embedded", marks=pytest.mark.long)])
def test_connections_are_as_many_as_servers_have_though_an_lb_switch_dies(
    make_lab: MakeLab, kind: SwitchKind
) -> None:
    lab = make_lab(model.load("pair").of_kind(kind))
    with Balanced(lab) as served, guests(lab) as these:
        these.come(90)
        counted(served, 90, 90)
        these.go(30)
        these.go(20, rudely=True)
        counted(served, 90, 40)
        lab.fail("lb1")
        served.wait_event("switch_down", switch="lb1")
        these.speak()
        these.come(50)
        counted(served, 140, 90)
        these.go(60)
        counted(served, 140, 30)
        assert all(each["error"] < 8 for each in figures(served).values()), "which is not much"


@pytest.mark.long
@pytest.mark.parametrize("kind", ["ovs", "embedded"])
def test_an_lb_switch_that_begins_again_adds_to_what_it_had_counted(
    make_lab: MakeLab, kind: SwitchKind
) -> None:
    lab = make_lab(model.load("pair").of_kind(kind))
    with Balanced(lab) as served, guests(lab) as these:
        these.come(90)
        counted(served, 90, 90)
        lab.fail("lb1")
        served.wait_event("switch_down", switch="lb1")
        served.mark()
        lab.heal("lb1")
        served.wait_event("admitted", 60.0, switch="lb1")
        these.speak()
        these.come(30)
        counted(served, 120, 120)
        these.go(100)
        counted(served, 120, 20)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["ovs", "embedded"])
def test_what_a_server_says_takes_back_what_was_counted_wrongly(make_lab: MakeLab, kind: SwitchKind) -> None:
    lab = make_lab(model.load("pair").of_kind(kind))
    with Balanced(lab) as served, guests(lab) as these:
        these.come(30)
        counted(served, 30, 30)
        syns_of_no_host(lab, SYNS)
        eventually(lambda: opened(served) == 30 + SYNS, "SYNs count as openings", READ_WITHIN)
        assert sum(each["live"] for each in figures(served).values()) == 30 + SYNS
        served.edit_intent(pool(agent=GAUGE))
        counted(served, 30 + SYNS, 30)
        these.come(20)
        these.go(30)
        counted(served, 50 + SYNS, 20)


def syns_of_no_host(lab: Lab, count: int) -> None:
    """SYNs whose answers no host takes, each from a port of its own."""
    source, vip = ip_address("10.0.0.200"), ip_address(VIP[0])
    with lab.namespace("c2"):
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with sender:
        sender.bind(("eth0", 0))
        for number in range(count):
            segment = craft.tcp(source, vip, (20_000 + number, VIP[1]), craft.SYN)
            packet = craft.packet(source, vip, craft.TCP, segment)
            sender.send(craft.in_ethernet(packet, lab.fabric.hosts["c2"].mac))
