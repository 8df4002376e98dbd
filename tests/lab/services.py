"""The listeners of the lab's topologies, and small clients for them."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from topo.lab import Lab

MODES = ("dr", "nat", "fullnat", "tun")
HTTP, ECHO, UDP = 80, 7000, 7001
SERVERS = frozenset({"s1", "s2", "s3"})
"""Of the pair topology; s1 has weight 2."""
LOCAL = (IPv4Network("10.3.0.0/16"), IPv6Network("fd00:0:0:3::/64"))
"""Where fullnat's local addresses are."""
DEADLINE = 5.0
_BACKEND_PORTS = {
    HTTP: {"nat": 8080, "fullnat": 8081},
    ECHO: {"nat": 7002, "fullnat": 7003},
    UDP: {"nat": 7004, "fullnat": 7005},
}


@dataclass(frozen=True)
class Service:
    """A VIP: one mode, one IP version."""

    mode: str
    version: int

    @property
    def address(self) -> str:
        """The VIP."""
        number = 100 + MODES.index(self.mode)
        return f"10.0.0.{number}" if self.version == 4 else f"fd00::{number}"

    @property
    def family(self) -> socket.AddressFamily:
        """For sockets."""
        return socket.AF_INET if self.version == 4 else socket.AF_INET6

    def backend_port(self, port: int) -> int:
        """The port on the server."""
        return _BACKEND_PORTS[port].get(self.mode, port)

    def __str__(self) -> str:
        return f"{self.mode}-ipv{self.version}"


SERVICES = tuple(Service(mode, version) for mode in MODES for version in (4, 6))


def host_address(lab: Lab, host: str, version: int) -> str:
    """A host's own address."""
    return next(str(each.ip) for each in lab.fabric.hosts[host].addresses if each.version == version)


def connect(lab: Lab, client: str, service: Service, port: int) -> socket.socket:
    """An open TCP connection. OSError if there is none within five seconds."""
    one = lab.socket(client, service.family)
    one.settimeout(DEADLINE)
    try:
        one.connect((service.address, port))
    except OSError:
        one.close()
        raise
    return one


def get(lab: Lab, client: str, service: Service) -> str:
    """Name of the server that answers one HTTP request."""
    with connect(lab, client, service, HTTP) as one:
        one.sendall(b"GET / HTTP/1.0\r\nHost: evenkeel\r\n\r\n")
        raw = b"".join(iter(lambda: one.recv(4096), b""))
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), raw
    return body.decode().strip()


def echo(one: socket.socket, line: bytes) -> str:
    """Send a line over an echo connection; the name before the line that comes back."""
    one.sendall(line + b"\n")
    answer = b""
    while not answer.endswith(b"\n"):
        more = one.recv(65536)
        if not more:
            raise ConnectionResetError("the echo server closed")
        answer += more
    name, _, rest = answer.rstrip(b"\n").partition(b" ")
    assert rest == line
    return name.decode()


def datagrams(lab: Lab, client: str, service: Service) -> socket.socket:
    """A fresh UDP socket, connected to the listener."""
    one = lab.socket(client, service.family, socket.SOCK_DGRAM)
    one.settimeout(2.0)
    one.connect((service.address, UDP))
    return one


def ask(one: socket.socket, payload: bytes) -> str:
    """Name of the server that sends the datagram back.

    A datagram larger than the path is known to carry goes once more, in smaller fragments, as applications do it.
    """
    try:
        one.send(payload)
        answer = one.recv(65536)
    except OSError as error:
        if isinstance(error, TimeoutError):
            raise
        one.send(payload)
        answer = one.recv(65536)
    name, _, rest = answer.partition(b" ")
    assert rest == payload
    return name.decode()


def log(lab: Lab, server: str) -> list[dict[str, Any]]:
    """What a server has logged."""
    return [json.loads(line) for line in (lab.logs / f"{server}.jsonl").read_text().splitlines()]


def packets(lab: Lab, switch: str, match: str) -> int:
    """Packets counted by the switch's flows that ``match``, as ovs-ofctl's dump-flows takes it."""
    return sum(int(n) for n in re.findall(r"n_packets=(\d+)", lab.ofctl(switch, "dump-flows", "br0", match)))
