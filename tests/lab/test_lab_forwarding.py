"""The lab's own forwarding carries packets between all hosts, and goes on when switches and links die."""

from __future__ import annotations

import json
import socket

import pytest

from tests.lab.conftest import eventually
from topo.lab import Lab

pytestmark = pytest.mark.lab

FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}


def address(lab: Lab, host: str, version: int) -> str:
    return next(str(each.ip) for each in lab.fabric.hosts[host].addresses if each.version == version)


def version_of(target: str) -> int:
    return 6 if ":" in target else 4


def fetch(lab: Lab, client: str, target: str, octets: int) -> int:
    """Octets received for GET /size/N, header not counted."""
    with lab.socket(client, FAMILY[version_of(target)]) as connection:
        connection.settimeout(10)
        connection.connect((target, 80))
        padding = "y" * 6000  # several full segments towards the server too
        connection.sendall(
            f"GET /size/{octets} HTTP/1.1\r\nX: {padding}\r\nConnection: close\r\n\r\n".encode()
        )
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    return len(body)


def ask(lab: Lab, client: str, target: str, payload: bytes = b"x") -> bytes | None:
    """A UDP answer within half a second, from a fresh port, or None; only the address asked may answer."""
    with lab.socket(client, FAMILY[version_of(target)], socket.SOCK_DGRAM) as port:
        port.settimeout(0.5)
        port.connect((target, 7001))
        port.send(payload)
        try:
            return port.recv(65536)
        except OSError:
            return None


def all_answer(lab: Lab, target: str, tries: int = 24) -> bool:
    """Whether as many flows as would hit every next hop are all answered."""
    return all(ask(lab, "c1", target) is not None for _ in range(tries))


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(("client", "server"), [("c1", "s4"), ("c2", "s1"), ("ctl", "s6")])
def test_hosts_reach_servers_by_tcp_and_udp(fabric_lab: Lab, client: str, server: str, version: int) -> None:
    target = address(fabric_lab, server, version)
    assert fetch(fabric_lab, client, target, 200_000) == 200_000
    assert ask(fabric_lab, client, target, b"hello") == f"{server} hello".encode()


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("target", ["s4", "c2"])
def test_pings_larger_than_a_packet_arrive_as_fragments(fabric_lab: Lab, target: str, version: int) -> None:
    ping = ["ping", "-c", "2", "-i", "0.2", "-W", "2", "-s", "4000", address(fabric_lab, target, version)]
    done = fabric_lab.exec("c1", ping, capture_output=True, text=True)
    assert " 0% packet loss" in done.stdout, done.stdout


def test_flows_are_spread_over_all_lb_switches(fabric_lab: Lab) -> None:
    def received(switch: str) -> int:
        port = next(port.number for port in fabric_lab.fabric.switches[switch].ports if port.to == "edge1")
        text = fabric_lab.ofctl(switch, "dump-flows", "br0", "table=200")
        return sum(
            int(line.split("n_packets=")[1].split(",")[0])
            for line in text.splitlines()
            if f"in_port={port}" in line or 'in_port="edge1"' in line
        )

    before = {switch: received(switch) for switch in ("lb1", "lb2", "lb3")}
    assert all_answer(fabric_lab, address(fabric_lab, "s4", 4), tries=48)
    # Flow counters follow the datapath's with a delay.
    eventually(
        lambda: all(received(switch) > count for switch, count in before.items()),
        "each lb switch carries some",
    )


def test_a_killed_lb_switch_is_gone_round_and_serves_again_when_healed(fabric_lab: Lab) -> None:
    target, target6 = address(fabric_lab, "s4", 4), address(fabric_lab, "s4", 6)
    fabric_lab.fail("lb1")
    try:
        assert fabric_lab.status()["nodes"]["lb1"]["running"] is False
        eventually(
            lambda: all_answer(fabric_lab, target) and all_answer(fabric_lab, target6), "a way round lb1"
        )
    finally:
        fabric_lab.heal("lb1")
    fabric_lab.wait_ready()
    assert all(fabric_lab.status()["nodes"]["edge1"]["neighbours"].values())
    assert all_answer(fabric_lab, target)
    assert all_answer(fabric_lab, target6)


@pytest.mark.parametrize("link", ["lb1-leaf2", "edge1-lb2"])
def test_a_cut_link_is_gone_round(fabric_lab: Lab, link: str) -> None:
    target = address(fabric_lab, "s4", 4)
    fabric_lab.fail(link)
    try:
        assert fabric_lab.status()["links"].get(link, False) is False
        eventually(lambda: all_answer(fabric_lab, target), f"a way round {link}")
    finally:
        fabric_lab.heal("-".join(reversed(link.split("-"))))
    fabric_lab.wait_ready()
    assert all_answer(fabric_lab, target)


@pytest.mark.parametrize(
    ("version", "vip", "match"),
    [
        (4, "10.0.0.103", "ip,nw_dst=10.0.0.103"),
        (6, "fd00::103", "ipv6,ipv6_dst=fd00::103"),
    ],
)
def test_packets_sent_into_the_tunnel_reach_the_server_also_when_its_neighbour_aged(
    fabric_lab: Lab, version: int, vip: str, match: str
) -> None:
    server = fabric_lab.fabric.hosts["s4"]
    towards = fabric_lab.fabric.switches["edge1"].port("lb2")
    fabric_lab.ofctl("edge1", "add-flow", "br0", f"table=0,priority=100,{match},actions=output:{towards}")
    fabric_lab.ofctl(
        "lb2",
        "add-flow",
        "br0",
        f"table=0,priority=100,{match},actions="
        f"set_field:{server.addresses[0].ip}->tun_dst,set_field:69->tun_id,"
        f"set_field:{server.mac}->eth_dst,output:20",
    )
    fabric_lab.exec(
        "c1", ["ip", "neigh", "replace", vip, "lladdr", "02:45:56:00:01:01", "dev", "eth0"], check=True
    )
    assert fetch(fabric_lab, "c1", vip, 300_000) == 300_000
    assert ask(fabric_lab, "c1", vip, b"through") == b"s4 through"
    fabric_lab.appctl("lb2", "tnl/neigh/flush")
    eventually(lambda: ask(fabric_lab, "c1", vip) is not None, "the tunnel's gateway resolved again")
    log = [json.loads(line) for line in (fabric_lab.logs / "s4.jsonl").read_text().splitlines()]
    assert ["open", [vip, 80]] in [[entry["event"], entry.get("local")] for entry in log]
