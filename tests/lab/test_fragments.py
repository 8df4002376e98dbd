"""Datagrams larger than a packet pass in fragments, both ways, in every mode, and go where whole ones go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from pyroute2 import IPRoute

from tests.lab.balanced import Balanced
from tests.lab.services import LOCAL, SERVERS, SERVICES, Service, ask, datagrams, host_address
from tests.lab.wire import Tap
from topo.lab import Lab
from topo.wires import TUNNEL_TABLE

pytestmark = pytest.mark.lab

LARGE = bytes(range(256)) * 12
"""3,072 bytes, and as many back; no two neighbours are the same, so that damage shows."""
SOCKETS = 6
_NARROW, _UDP = 600, 17
RT_TABLE_MAIN = 254

each_service = pytest.mark.parametrize("service", SERVICES, ids=str)


@each_service
def test_a_large_datagram_is_answered_by_a_large_one(balanced_pair: Balanced, service: Service) -> None:
    for _ in range(SOCKETS):
        with datagrams(balanced_pair.lab, "c1", service) as one, Tap(balanced_pair.lab, "c1") as tap:
            ask(one, LARGE)
            frames = tap.frames(lambda f: f.outgoing is False and len(f.frame) > 1000)
            assert len(frames) >= 2, "the answer came in fragments"


@each_service
@pytest.mark.parametrize("first", ["large", "small"])
def test_large_and_small_datagrams_of_a_socket_reach_the_same_server(
    balanced_pair: Balanced, service: Service, first: str
) -> None:
    payloads = (LARGE, b"small") if first == "large" else (b"small", LARGE)
    for _ in range(SOCKETS):
        with datagrams(balanced_pair.lab, "c1", service) as one:
            names = {ask(one, payload) for payload in payloads * 3}
        assert len(names) == 1


@each_service
def test_fragments_of_two_clients_do_not_mix(balanced_pair: Balanced, service: Service) -> None:
    lab = balanced_pair.lab
    ones = [datagrams(lab, client, service) for client in ("c1", "c2") for _ in range(2)]
    try:
        names = [ask(one, LARGE) for one in ones]
        for turn in range(10):
            payloads = [bytes([turn, number]) + LARGE for number in range(len(ones))]
            for one, payload in zip(ones, payloads, strict=True):
                one.send(payload)
            for one, payload, name in zip(ones, payloads, names, strict=True):
                assert one.recv(65536) == name.encode() + b" " + payload
    finally:
        for one in ones:
            one.close()


@pytest.mark.parametrize("service", [each for each in SERVICES if each.version == 4], ids=str)
def test_a_datagram_in_the_small_fragments_of_a_narrow_path_is_answered_by_such(
    balanced_pair: Balanced, service: Service
) -> None:
    """IPv6 hosts take no path for narrower than 1,280."""
    lab = balanced_pair.lab
    asker = str(LOCAL[0]) if service.mode == "fullnat" else f"{host_address(lab, 'c1', 4)}/32"
    table = TUNNEL_TABLE if service.mode == "tun" else RT_TABLE_MAIN
    with ExitStack() as stack:
        stack.enter_context(narrowed(lab, "c1", f"{service.address}/32", RT_TABLE_MAIN))
        for server in SERVERS:
            stack.enter_context(narrowed(lab, server, asker, table))
        with datagrams(lab, "c1", service) as one, Tap(lab, "c1") as tap:
            ask(one, LARGE)
            sent = tap.frames(lambda f: f.outgoing and f.version == 4 and f.protocol == _UDP)
            came = tap.frames(lambda f: not f.outgoing and f.version == 4 and f.protocol == _UDP)
    for frames in (sent, came):
        assert len(frames) >= len(LARGE) // _NARROW
        assert max(len(each.frame) for each in frames) <= _NARROW + 14


@pytest.mark.long
def test_a_switch_that_drops_small_fragments_is_named(balanced_pair: Balanced) -> None:
    lab = balanced_pair.lab
    try:
        lab.appctl("lb1", "dpctl/ipf-set-min-frag", "v4", "1200")
        balanced_pair.kill_controller()
        balanced_pair.start_controller()
        told = balanced_pair.wait_event("small_fragments_dropped")
        balanced_pair.wait_ready()
    finally:
        lab.appctl("lb1", "dpctl/ipf-set-min-frag", "v4", "400")
    assert (told["switch"], told["version"]) == ("lb1", 4)
    assert "ipf-set-min-frag v4 400" in told["remedy"]
    others = [each for each in balanced_pair.since_mark() if each["event"] == told["event"]]
    assert {(each["switch"], each["version"]) for each in others} == {("lb1", 4)}


@contextmanager
def narrowed(lab: Lab, host: str, destination: str, table: int) -> Iterator[None]:
    """A host's way to a network takes packets of 600 octets at most."""
    with lab.namespace(host), IPRoute() as route:
        (way,) = route.route("get", dst=destination.partition("/")[0])
        gateway = way.get_attr("RTA_GATEWAY")
        made = {
            "dst": destination,
            "table": table,
            "oif": way.get_attr("RTA_OIF"),
            **({"gateway": gateway} if gateway else {}),
            "metrics": {"mtu": _NARROW},
        }
        route.route("add", **made)
    try:
        yield
    finally:
        with lab.namespace(host), IPRoute() as route:
            route.route("del", **made)
