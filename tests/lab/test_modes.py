"""Every mode carries TCP and UDP over IPv4 and IPv6 to every backend, and servers see who the mode says."""

from __future__ import annotations

import struct
import time
from ipaddress import ip_address
from typing import Any

import pytest

from flows.tables import Cookie, Kind
from tests.lab.balanced import Balanced
from tests.lab.conftest import eventually
from tests.lab.services import (
    ECHO,
    LOCAL,
    SERVERS,
    SERVICES,
    UDP,
    Service,
    ask,
    connect,
    datagrams,
    echo,
    get,
    host_address,
    log,
    packets,
)
from tests.lab.wire import TTL, Tap, arp_answer, neighbour_answer
from topo.lab import Lab

pytestmark = pytest.mark.lab

MOST_TRIES = 120
"""Requests within which every backend must have been seen; the chance to miss one by luck is below 1e-14."""
VIRTUAL_MAC = "02:45:56:00:01:01"
AUTHORITY = 3.0

each_service = pytest.mark.parametrize("service", SERVICES, ids=str)


def seen_by_server(lab: Lab, server: str, event: str, service: Service, port: int) -> list[dict[str, Any]]:
    """Log entries of a server about a listener."""
    local = service.backend_port(port)
    return [e for e in log(lab, server) if e["event"] == event and e["local"][1] == local]


def assert_ends(
    lab: Lab, service: Service, entry: dict[str, Any], client: tuple[str, int], server: str
) -> None:
    """The server saw the ends that the mode says."""
    peer, peer_port = entry["peer"]
    if service.mode == "fullnat":
        assert any(ip_address(peer) in network for network in LOCAL), entry
    else:
        assert (peer, peer_port) == client
    direct = service.mode in ("dr", "tun")
    assert entry["local"][0] == (service.address if direct else host_address(lab, server, service.version))


@each_service
def test_http_reaches_every_backend(balanced_pair: Balanced, service: Service) -> None:
    seen: set[str] = set()
    for _ in range(MOST_TRIES):
        seen.add(get(balanced_pair.lab, "c1", service))
        if seen == SERVERS:
            return
    pytest.fail(f"after {MOST_TRIES} requests only {seen}")


@each_service
def test_a_tcp_connection_stays_with_one_server_who_sees_the_ends_of_its_mode(
    balanced_pair: Balanced, service: Service
) -> None:
    lab = balanced_pair.lab
    with connect(lab, "c1", service, ECHO) as one:
        client = one.getsockname()[:2]
        # More than a segment: the large lines are cut, in mode tun to what the tunnel takes.
        names = {echo(one, line) for line in (b"a", b"b" * 30_000, b"c", b"d" * 30_000)}
    (name,) = names
    entry = seen_by_server(lab, name, "open", service, ECHO)[-1]
    assert_ends(lab, service, entry, client, name)


@each_service
def test_udp_reaches_every_backend_who_sees_the_ends_of_its_mode(
    balanced_pair: Balanced, service: Service
) -> None:
    lab = balanced_pair.lab
    seen: dict[str, tuple[str, int]] = {}
    for _ in range(MOST_TRIES):
        with datagrams(lab, "c1", service) as one:
            seen[ask(one, b"hello")] = one.getsockname()[:2]
        if seen.keys() == SERVERS:
            break
    assert seen.keys() == SERVERS
    for name, client in seen.items():
        entry = seen_by_server(lab, name, "datagram", service, UDP)[-1]
        assert_ends(lab, service, entry, client, name)


@each_service
def test_packets_lose_at_most_a_hop_per_switch(balanced_pair: Balanced, service: Service) -> None:
    lab = balanced_pair.lab
    with Tap(lab, *SERVERS) as tap, datagrams(lab, "c1", service) as one:
        one.setsockopt(*TTL[service.version], 1)
        one.send(b"how far?")
        _, extras, *_ = one.recvmsg(100, 100)
        there = [f for f in tap.frames(lambda f: f.frame.endswith(b"how far?")) if f.outgoing is False]
    (back,) = (struct.unpack("i", value)[0] for _, _, value in extras)
    routed = service.mode in ("nat", "fullnat")
    assert len(there) == 1
    # edge, lb and leaf: rewriting is routing, and so is the lab's way back.
    assert 64 - 3 <= there[0].ttl <= (63 if routed else 64)
    assert 64 - 3 <= back <= 63


@pytest.mark.parametrize("version", [4, 6])
def test_a_client_is_told_how_much_the_tunnel_takes(balanced_pair: Balanced, version: int) -> None:
    lab, service = balanced_pair.lab, Service("tun", version)
    route = ["ip", "route", "get", service.address]
    lab.exec("c2", ["ip", f"-{version}", "route", "flush", "cache"], check=True)
    assert "mtu" not in lab.exec("c2", route, capture_output=True, text=True).stdout
    with datagrams(lab, "c2", service) as one:
        one.send(b"x" * 1440)
        eventually(
            lambda: "mtu 1450" in lab.exec("c2", route, capture_output=True, text=True).stdout,
            "c2 knows the path's MTU",
        )


@pytest.mark.parametrize("address", ["10.0.0.100", "fd00::100"])
def test_pings_to_a_vip_are_answered(balanced_pair: Balanced, address: str) -> None:
    ping = ["ping", "-c", "2", "-i", "0.2", "-W", "2", address]
    done = balanced_pair.lab.exec("c2", ping, capture_output=True, text=True)
    assert " 0% packet loss" in done.stdout, done.stdout


@pytest.mark.parametrize("version", [4, 6])
def test_a_vip_port_without_listener_is_dropped_and_counted(balanced_pair: Balanced, version: int) -> None:
    lab, service = balanced_pair.lab, Service("dr", version)
    field = "ip,nw_dst" if version == 4 else "ipv6,ipv6_dst"
    rest = f"table=0,{field}={service.address},cookie={Cookie(0x4556, Kind.DROP).value:#x}/0xffffff0000000000"

    def dropped() -> int:
        return sum(packets(lab, switch, rest) for switch in ("lb1", "lb2"))

    before = dropped()
    with lab.socket("c1", service.family) as one:
        one.settimeout(0.5)
        with pytest.raises(TimeoutError):
            one.connect((service.address, 9999))
    eventually(lambda: dropped() > before, "the SYN is counted as dropped")


def test_arp_and_nd_name_the_virtual_mac_only_while_a_controller_renews_the_authority(
    balanced_pair: Balanced,
) -> None:
    lab = balanced_pair.lab
    vip, vip6 = "10.0.0.101", "fd00::101"

    def answers() -> set[str | None]:
        return {arp_answer(lab, "c1", vip), neighbour_answer(lab, "c1", vip6)}

    def shorten(document: Any) -> None:
        for one in document["vips"]:
            one["authority"] = "3s"

    assert answers() == {VIRTUAL_MAC}
    balanced_pair.edit_intent(shorten)
    balanced_pair.wait_event("converged", switch="edge1")
    renewed_until = time.monotonic() + 1.5 * AUTHORITY
    while time.monotonic() < renewed_until:
        assert answers() == {VIRTUAL_MAC}
        time.sleep(0.5)
    with connect(lab, "c1", Service("nat", 4), ECHO) as one:
        name = echo(one, b"before")
        balanced_pair.kill_controller()
        eventually(lambda: answers() == {None}, "no switch answers for the VIPs", AUTHORITY + 10)
        assert echo(one, b"after") == name
        assert get_by_known_mac(lab) in SERVERS
    balanced_pair.start_controller()
    eventually(lambda: answers() == {VIRTUAL_MAC}, "answers again", 30)


def get_by_known_mac(lab: Lab) -> str:
    """A request of a client that still knows the MAC: forwarding needs no authority."""
    neighbour = [
        "ip",
        "neigh",
        "replace",
        "10.0.0.101",
        "lladdr",
        VIRTUAL_MAC,
        "dev",
        "eth0",
        "nud",
        "permanent",
    ]
    lab.exec("c1", neighbour, check=True)
    try:
        return get(lab, "c1", Service("nat", 4))
    finally:
        lab.exec("c1", ["ip", "neigh", "del", "10.0.0.101", "dev", "eth0"], check=True)
